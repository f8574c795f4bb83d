//! Replies, and how the system's errors look to a client.

use std::io;

use bytes::Bytes;
use nix::errno::Errno;
use russh_sftp::protocol::{Packet, StatusCode};

/// A reply other than what was asked for.
#[derive(Debug)]
pub enum Refusal {
    /// The protocol's word for it suffices.
    Status(StatusCode),
    /// The system refused.
    System(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

impl From<StatusCode> for Refusal {
    fn from(code: StatusCode) -> Self {
        Self::Status(code)
    }
}

impl Refusal {
    pub fn encode(&self, id: u32) -> Bytes {
        match self {
            Self::Status(code) => packet(Packet::error(id, *code)),
            Self::System(error) => packet(Packet::status(id, code(error), &text(error), "")),
        }
    }
}

pub fn ok(id: u32) -> Bytes {
    packet(Packet::error(id, StatusCode::Ok))
}

pub fn packet(packet: Packet) -> Bytes {
    // Fails for packets of 4 GiB only.
    Bytes::try_from(packet).unwrap_or_default()
}

/// As OpenSSH's server tells them: clients decide by these, to make a missing folder for instance.
fn code(error: &io::Error) -> StatusCode {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EBADF | Errno::ELOOP) => StatusCode::NoSuchFile,
        Some(Errno::EPERM | Errno::EACCES | Errno::EROFS) => StatusCode::PermissionDenied,
        Some(Errno::ENOSYS | Errno::EOPNOTSUPP) => StatusCode::OpUnsupported,
        Some(_) => StatusCode::Failure,
        None => match error.kind() {
            io::ErrorKind::NotFound => StatusCode::NoSuchFile,
            io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
            io::ErrorKind::Unsupported => StatusCode::OpUnsupported,
            _ => StatusCode::Failure,
        },
    }
}

fn text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_learn_what_they_decide_by() {
        let of = |errno: Errno| code(&errno.into());
        assert_eq!(of(Errno::ENOENT), StatusCode::NoSuchFile);
        assert_eq!(of(Errno::EACCES), StatusCode::PermissionDenied);
        assert_eq!(of(Errno::EEXIST), StatusCode::Failure);
        assert_eq!(of(Errno::ENOSYS), StatusCode::OpUnsupported);
        assert_eq!(text(&Errno::ENOSPC.into()), "No space left on device");
    }
}

//! Pseudo-terminals: the server's side of one.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, unlockpt};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices as Character, Termios,
    tcgetattr, tcsetattr,
};
use russh::Pty;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::net::unix::pipe;

/// The path of a terminal's device.
#[cfg(target_os = "linux")]
fn device(master: &PtyMaster) -> io::Result<PathBuf> {
    Ok(nix::pty::ptsname_r(master)?.into())
}

/// The path of a terminal's device.
#[cfg(not(target_os = "linux"))]
fn device(master: &PtyMaster) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(rustix::pty::ptsname(master, Vec::new())?.into_bytes()).into())
}

/// The size of a terminal as SSH tells it.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub columns: u32,
    pub rows: u32,
    pub width: u32,
    pub height: u32,
}

/// The master of a pseudo-terminal.
pub(super) struct Terminal {
    master: PtyMaster,
    device: PathBuf,
}

impl Terminal {
    pub fn open(size: Size, modes: &[(Pty, u32)]) -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let device = device(&master)?;
        let mut attributes = tcgetattr(&master)?;
        for (mode, value) in modes {
            apply(&mut attributes, *mode, *value);
        }
        tcsetattr(&master, SetArg::TCSANOW, &attributes)?;
        let terminal = Self { master, device };
        terminal.resize(size)?;
        Ok(terminal)
    }

    /// The path by which a program opens the other side.
    pub fn device(&self) -> &Path {
        &self.device
    }

    pub fn resize(&self, size: Size) -> io::Result<()> {
        let cells = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let size = Winsize {
            ws_row: cells(size.rows),
            ws_col: cells(size.columns),
            ws_xpixel: cells(size.width),
            ws_ypixel: cells(size.height),
        };
        Ok(tcsetwinsize(&self.master, size)?)
    }

    /// What is typed and what is shown. tokio's ends of a pipe do for any descriptor that can be polled; the end of
    /// what is shown comes as an error, EIO.
    pub fn streams(&self) -> io::Result<(pipe::Sender, pipe::Receiver)> {
        let copy = || self.master.as_fd().try_clone_to_owned();
        Ok((pipe::Sender::from_owned_fd_unchecked(copy()?)?, pipe::Receiver::from_owned_fd_unchecked(copy()?)?))
    }
}

/// RFC 4254, section 8. What Linux does not have is skipped, and so are the speeds, which mean nothing here.
fn apply(attributes: &mut Termios, mode: Pty, value: u32) {
    if let Some(index) = character(mode) {
        // 255 is the protocol's "disabled", 0 is Linux's.
        let byte = if value == 255 { 0 } else { u8::try_from(value).unwrap_or(0) };
        if let Some(slot) = attributes.control_chars.get_mut(index as usize) {
            *slot = byte;
        }
        return;
    }
    let on = value != 0;
    match mode {
        Pty::IGNPAR => attributes.input_flags.set(InputFlags::IGNPAR, on),
        Pty::PARMRK => attributes.input_flags.set(InputFlags::PARMRK, on),
        Pty::INPCK => attributes.input_flags.set(InputFlags::INPCK, on),
        Pty::ISTRIP => attributes.input_flags.set(InputFlags::ISTRIP, on),
        Pty::INLCR => attributes.input_flags.set(InputFlags::INLCR, on),
        Pty::IGNCR => attributes.input_flags.set(InputFlags::IGNCR, on),
        Pty::ICRNL => attributes.input_flags.set(InputFlags::ICRNL, on),
        Pty::IXON => attributes.input_flags.set(InputFlags::IXON, on),
        Pty::IXANY => attributes.input_flags.set(InputFlags::IXANY, on),
        Pty::IXOFF => attributes.input_flags.set(InputFlags::IXOFF, on),
        Pty::IMAXBEL => attributes.input_flags.set(InputFlags::IMAXBEL, on),
        Pty::IUTF8 => attributes.input_flags.set(InputFlags::IUTF8, on),
        Pty::ISIG => attributes.local_flags.set(LocalFlags::ISIG, on),
        Pty::ICANON => attributes.local_flags.set(LocalFlags::ICANON, on),
        Pty::ECHO => attributes.local_flags.set(LocalFlags::ECHO, on),
        Pty::ECHOE => attributes.local_flags.set(LocalFlags::ECHOE, on),
        Pty::ECHOK => attributes.local_flags.set(LocalFlags::ECHOK, on),
        Pty::ECHONL => attributes.local_flags.set(LocalFlags::ECHONL, on),
        Pty::NOFLSH => attributes.local_flags.set(LocalFlags::NOFLSH, on),
        Pty::TOSTOP => attributes.local_flags.set(LocalFlags::TOSTOP, on),
        Pty::IEXTEN => attributes.local_flags.set(LocalFlags::IEXTEN, on),
        Pty::ECHOCTL => attributes.local_flags.set(LocalFlags::ECHOCTL, on),
        Pty::ECHOKE => attributes.local_flags.set(LocalFlags::ECHOKE, on),
        Pty::PENDIN => attributes.local_flags.set(LocalFlags::PENDIN, on),
        Pty::OPOST => attributes.output_flags.set(OutputFlags::OPOST, on),
        Pty::OLCUC => attributes.output_flags.set(OutputFlags::OLCUC, on),
        Pty::ONLCR => attributes.output_flags.set(OutputFlags::ONLCR, on),
        Pty::OCRNL => attributes.output_flags.set(OutputFlags::OCRNL, on),
        Pty::ONOCR => attributes.output_flags.set(OutputFlags::ONOCR, on),
        Pty::ONLRET => attributes.output_flags.set(OutputFlags::ONLRET, on),
        Pty::CS7 if on => set_bits(attributes, ControlFlags::CS7),
        Pty::CS8 if on => set_bits(attributes, ControlFlags::CS8),
        Pty::PARENB => attributes.control_flags.set(ControlFlags::PARENB, on),
        Pty::PARODD => attributes.control_flags.set(ControlFlags::PARODD, on),
        _ => {}
    }
}

fn set_bits(attributes: &mut Termios, bits: ControlFlags) {
    attributes.control_flags.remove(ControlFlags::CSIZE);
    attributes.control_flags.insert(bits);
}

fn character(mode: Pty) -> Option<Character> {
    Some(match mode {
        Pty::VINTR => Character::VINTR,
        Pty::VQUIT => Character::VQUIT,
        Pty::VERASE => Character::VERASE,
        Pty::VKILL => Character::VKILL,
        Pty::VEOF => Character::VEOF,
        Pty::VEOL => Character::VEOL,
        Pty::VEOL2 => Character::VEOL2,
        Pty::VSTART => Character::VSTART,
        Pty::VSTOP => Character::VSTOP,
        Pty::VSUSP => Character::VSUSP,
        Pty::VREPRINT => Character::VREPRINT,
        Pty::VWERASE => Character::VWERASE,
        Pty::VLNEXT => Character::VLNEXT,
        Pty::VSWTCH => Character::VSWTC,
        Pty::VDISCARD => Character::VDISCARD,
        _ => return None,
    })
}

//! Standard input and output, connected to a sandbox's SSH server: what OpenSSH runs as its ProxyCommand.
//!
//! Plain threads, reads and writes. `io::copy` would leave moving the bytes to the kernel (`splice`), and where OpenSSH
//! waits at the other end of a pipe it was then seen to wait for ever.

use serde_json::Value;

use crate::Failure;

/// Connects until the server closes. `access` is the reply of `sandbox.ssh`.
#[cfg(unix)]
pub fn run(access: &Value) -> Result<(), Failure> {
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    fn pump(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => to.write_all(&buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    let mut server = UnixStream::connect(access["socket"].as_str().unwrap_or_default())?;
    let mut to_server = server.try_clone()?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Not waited for: when the server has said its last, what the client still says is for nobody.
    std::thread::spawn(move || {
        let _ = pump(&mut input, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    Ok(pump(&mut server, &mut output)?)
}

/// There is no local sandbox on Windows whose socket this process could open.
#[cfg(not(unix))]
pub fn run(_: &Value) -> Result<(), Failure> {
    let message = "`berthctl proxy` needs Unix sockets, which this system does not have.";
    Err(berth_model::RpcError::new(berth_model::ErrorCode::Failed, message).into())
}

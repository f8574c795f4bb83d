//! Standard input and output as a connection to a Unix socket: what OpenSSH runs as its ProxyCommand, and how a client
//! gets to a sandbox through something that starts programs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Returns when the server has ended the connection.
pub fn connect(socket: &Path) -> io::Result<()> {
    let from_server = UnixStream::connect(socket)?;
    let to_server = from_server.try_clone()?;
    // As files, since the standard streams keep back what is not a whole line.
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Not waited for: when the server has said its last, what the client still says is for nobody.
    std::thread::spawn(move || {
        // Whatever ends it, the server is to see the end.
        let _ = carry(stdin, &to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    carry(from_server, stdout)
}

/// Not [`io::copy`], which splices: that holds the pipe's lock while it waits for the socket, and whoever reads the
/// pipe waits too, even one that asked never to, as OpenSSH does.
fn carry(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
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

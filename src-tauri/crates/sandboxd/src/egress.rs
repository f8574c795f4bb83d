//! The way out of a network namespace that has only its loopback: TCP connections here become connections to a Unix
//! socket, behind which a proxy decides. Bytes in, bytes out; nothing is understood on the way.

use std::io;
use std::path::Path;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::settings::Egress;

/// Listens, and forwards in the background for as long as the process lives.
pub async fn listen(egress: Egress) -> io::Result<()> {
    let listener = TcpListener::bind(egress.listen).await?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let socket = egress.socket.clone();
                    tokio::spawn(async move { forward(stream, &socket).await });
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    });
    Ok(())
}

/// A failure closes the connection; the client sees what it would see of a proxy that is down.
async fn forward(mut stream: TcpStream, socket: &Path) {
    let _ = stream.set_nodelay(true);
    if let Ok(mut proxy) = UnixStream::connect(socket).await {
        let _ = copy_bidirectional(&mut stream, &mut proxy).await;
    }
}

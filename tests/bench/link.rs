//! A link with a delay, in user space: what goes in comes out later, in order, as fast as it went in. Its timer is some
//! milliseconds late, so that what a round trip takes is measured, not assumed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::table::median;

/// Listens on a port that leads to `to` with `delay` in each direction.
pub async fn delayed(to: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
            near.set_nodelay(true).expect("no delay of its own");
            far.set_nodelay(true).expect("no delay of its own");
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::spawn(pump(near_in, far_out, delay));
            tokio::spawn(pump(far_in, near_out, delay));
        }
    });
    port
}

/// How long one byte takes there and back, in milliseconds: the middle of several.
pub async fn round_trip(delay: Duration) -> f64 {
    let echo = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = delayed(echo.local_addr().expect("its address").port(), delay).await;
    tokio::spawn(async move {
        let (mut stream, _) = echo.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay of its own");
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the link");
    stream.set_nodelay(true).expect("no delay of its own");
    let mut trips = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        stream.write_all(b"x").await.expect("sent");
        stream.read_exact(&mut [0]).await.expect("it comes back");
        trips.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    median(trips)
}

async fn pump(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, delay: Duration) {
    // 64 MiB in flight: the link itself never holds anything back.
    let (sender, mut queue) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    tokio::spawn(async move {
        while let Some((due, bytes)) = queue.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if sender.send((Instant::now() + delay, buffer[..read].to_vec())).await.is_err() {
            return;
        }
    }
}

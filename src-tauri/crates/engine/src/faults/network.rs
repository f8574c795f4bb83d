//! A network that follows from a seed: what each connection through it suffers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::time::sleep;

use super::DEADLINE;

/// What a connection suffers.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Ends at once.
    Refuse,
    /// Begins so much later: connections that were made after it overtake it.
    Late(Duration),
    /// Ends after so many bytes, both ways.
    Cut(u64),
    /// Carries nothing for a while after so many bytes. What was sent arrives then, also where its sender has given up and
    /// goes on over another connection.
    Stall(u64, Duration),
    /// Carries nothing any more after so many bytes, and nobody is told.
    Vanish(u64),
    /// The way back ends after so many bytes, or the way there; the other one does not.
    HalfClose(u64, Way),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

fn fault(random: &mut StdRng, connection: u64) -> Fault {
    // A network that never works cannot be survived.
    if connection >= 8 {
        return Fault::None;
    }
    // The key exchange takes some 4,000 bytes: faults fall before, into and after it, into the work and into a transfer.
    let far = random.random_bool(0.25);
    let at = random.random_range(0..if far { 200_000 } else { 9_000 });
    let long = random.random_bool(0.25);
    let pause = Duration::from_millis(random.random_range(50..if long { 5_000 } else { 900 }));
    match random.random_range(0..12) {
        0 => Fault::None,
        1 => Fault::Refuse,
        2 => Fault::Late(pause),
        3..=6 => Fault::Cut(at),
        7 | 8 => Fault::Stall(at, pause),
        9 => Fault::HalfClose(at, Way::Back),
        10 => Fault::HalfClose(at, Way::There),
        _ => Fault::Vanish(at),
    }
}

/// A port that leads to another one over a network with this seed.
pub(super) async fn network(to: SocketAddr, seed: u64) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        let mut connections = tokio::task::JoinSet::new();
        for number in 0.. {
            let Ok((near, _)) = listener.accept().await else { return };
            let fault = fault(&mut random, number);
            if std::env::var_os("BERTH_FAULT_SEED").is_some() {
                eprintln!("seed {seed}: connection {number}: {fault:?}");
            }
            let delay = Duration::from_micros(random.random_range(0..4_000));
            connections.spawn(async move {
                match fault {
                    Fault::Refuse => return,
                    Fault::Late(by) => sleep(by).await,
                    _ => {}
                }
                let Ok(far) = TcpStream::connect(to).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                let passed = Arc::new(AtomicU64::new(0));
                let there = carry(near_in, far_out, fault, Way::There, delay, passed.clone());
                let back = carry(far_in, near_out, fault, Way::Back, delay, passed);
                tokio::select! {
                    () = async { tokio::join!(there, back); } => {}
                    () = sleep(DEADLINE) => {}
                }
            });
        }
    });
    (port, serving)
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    fault: Fault,
    way: Way,
    delay: Duration,
    passed: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 2_048];
    let mut stalled = false;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let before = passed.fetch_add(read as u64, Ordering::SeqCst);
        let over = |at: u64| before + read as u64 > at;
        match fault {
            Fault::Cut(at) if over(at) => {
                let part = usize::try_from(at.saturating_sub(before)).unwrap_or(0).min(read);
                let _ = to.write_all(&buffer[..part]).await;
                // Both ways end with this one: its peer finds the socket closed.
                let _ = to.shutdown().await;
                return;
            }
            Fault::HalfClose(at, which) if which == way && over(at) => {
                let _ = to.shutdown().await;
                std::future::pending::<()>().await;
            }
            Fault::Vanish(at) if over(at) => std::future::pending::<()>().await,
            Fault::Stall(at, pause) if over(at) && !std::mem::replace(&mut stalled, true) => sleep(pause).await,
            _ => {}
        }
        sleep(delay).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

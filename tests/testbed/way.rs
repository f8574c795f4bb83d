//! The way to a machine: as long as is wanted, and gone or dead when it is told to be.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use berth_ssh::{Endpoint, SshTarget};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// When TCP sends again what nobody has acknowledged: after this at first, then after twice as long each time.
const RETRANSMISSION: Duration = Duration::from_millis(200);
const RETRANSMISSION_MOST: Duration = Duration::from_secs(120);
/// So much is held at each end of a narrow way.
const HELD: u32 = 16 * 1024;
/// A connection that nobody answers is given up by whoever waits for it, or after so long.
const UNANSWERED: Duration = Duration::from_secs(60);

/// What goes in at its port comes out at another one later, in order, as fast as it went in. What a round trip takes in
/// all is measured with [`round_trip`], not assumed. Dropped, it takes no more connections.
pub struct Way {
    /// Where it begins, on 127.0.0.1.
    pub port: u16,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct State {
    connections: usize,
    dead: HashSet<usize>,
    gone: bool,
}

impl Way {
    /// To a port of this computer, with a delay in each direction.
    pub async fn to(port: u16, delay: Duration) -> Self {
        Self::lay(port, delay, None)
    }

    /// One that carries so many bytes a second in each direction, and holds few.
    pub async fn narrow(port: u16, rate: u32) -> Self {
        Self::lay(port, Duration::ZERO, Some(rate))
    }

    fn lay(port: u16, delay: Duration, rate: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if rate.is_some() {
            socket.set_recv_buffer_size(HELD).unwrap();
            socket.set_send_buffer_size(HELD).unwrap();
        }
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(128).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let serving = {
            let state = state.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(connect(near, port, (delay, rate), state.clone()));
                }
            }
        };
        Self { port: own, state, _serving: AbortOnDropHandle::new(tokio::spawn(serving)) }
    }

    /// The same machine, by this way.
    pub fn target(&self, target: &SshTarget) -> SshTarget {
        SshTarget { endpoint: Endpoint::Tcp { host: "127.0.0.1".into(), port: self.port }, ..target.clone() }
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// A connection, counted from one, carries nothing any more, and nobody is told.
    pub fn kill(&self, number: usize) {
        self.state().dead.insert(number);
    }

    /// From now on it carries nothing, and new connections find nobody; or it does again. What was sent meanwhile arrives
    /// when TCP sends it again.
    pub fn is_gone(&self, gone: bool) {
        self.state().gone = gone;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// How long one byte takes there and back over a way with this delay, in milliseconds: the middle of several.
pub async fn round_trip(delay: Duration) -> f64 {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = Way::to(echo.local_addr().unwrap().port(), delay).await;
    tokio::spawn(async move {
        let (mut stream, _) = echo.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let mut stream = TcpStream::connect(("127.0.0.1", way.port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut trips = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        trips.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    trips.sort_by(f64::total_cmp);
    trips[trips.len() / 2]
}

/// Tokio's timers are up to two milliseconds late, for each part of an answer anew; the system's are not.
async fn wait_until(due: Instant) {
    let left = due.duration_since(Instant::now());
    if !left.is_zero() {
        let _ = spawn_blocking(move || std::thread::sleep(left)).await;
    }
}

/// A delay, and how many bytes it carries a second.
type Manner = (Duration, Option<u32>);

async fn connect(near: TcpStream, port: u16, manner: Manner, state: Arc<Mutex<State>>) {
    let (number, gone) = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        (state.connections, state.gone)
    };
    if gone {
        return sleep(UNANSWERED).await;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(
        carry(near_in, far_out, manner, state.clone(), number),
        carry(far_in, near_out, manner, state.clone(), number)
    );
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (delay, rate): Manner,
    state: Arc<Mutex<State>>,
    number: usize,
) {
    // 64 MiB on their way: unless it is narrow, the way itself never holds anything back.
    let (chunk, chunks) = if rate.is_some() { (2 * 1024, 1) } else { (64 * 1024, 1_024) };
    let (sender, mut queue) = mpsc::channel::<(Instant, Vec<u8>)>(chunks);
    let reading = async move {
        let mut buffer = vec![0; chunk];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = queue.recv().await {
            wait_until(due).await;
            let mut again = RETRANSMISSION;
            while state.lock().unwrap().gone {
                sleep(again).await;
                again = (again * 2).min(RETRANSMISSION_MOST);
            }
            if state.lock().unwrap().dead.contains(&number) {
                std::future::pending::<()>().await;
            }
            if let Some(rate) = rate {
                sleep(Duration::from_secs(1).mul_f64(bytes.len() as f64 / f64::from(rate))).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

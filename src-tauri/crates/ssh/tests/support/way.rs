//! The way to a machine: as long as is wanted, and dead without a word when it is told to be.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_ssh::{Endpoint, SshTarget};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

pub struct Way {
    port: u16,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct State {
    connections: usize,
    dead: HashSet<usize>,
}

impl Way {
    /// To a port of this computer, with a delay in each direction.
    pub async fn to(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let serving = {
            let state = state.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    let number = {
                        let mut state = state.lock().unwrap();
                        state.connections += 1;
                        state.connections
                    };
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::spawn(carry(near_in, far_out, delay, state.clone(), number));
                    tokio::spawn(carry(far_in, near_out, delay, state.clone(), number));
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
        self.state.lock().unwrap().connections
    }

    /// A connection, counted from one, carries nothing any more, and nobody is told.
    pub fn kill(&self, number: usize) {
        self.state.lock().unwrap().dead.insert(number);
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    state: Arc<Mutex<State>>,
    number: usize,
) {
    let (sender, mut queue) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    let reading = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = queue.recv().await {
            sleep_until(due).await;
            if state.lock().unwrap().dead.contains(&number) {
                std::future::pending::<()>().await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

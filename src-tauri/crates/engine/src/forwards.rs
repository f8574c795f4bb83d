//! Ports of sandboxes that are open on this computer.
//!
//! A forward is a listener on 127.0.0.1. Each connection to it takes the channel's session as it is at that moment, so
//! a forward outlives a lost connection and a sandbox that slept; while there is none, connections are closed at once.

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_model::{ChannelId, Empty, ErrorCode, Forward, ForwardId, ForwardOpen, RpcError};
use berth_ssh::{SshError, SshStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::channel::Handle;
use crate::hub::Hub;
use crate::tasks::Task;
use crate::world::World;

/// Connections come in bursts; listeners are told of their number at most so often.
const PAUSE: Duration = Duration::from_millis(150);
/// A system that has no socket left is not asked again before.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// All that are open.
#[derive(Default)]
pub struct Forwards(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<Vec<Open>>);

struct Open {
    forward: Forward,
    /// The listener and its connections; nothing while it is being opened.
    task: Option<Task>,
}

impl Forwards {
    /// Opens a port of a channel's sandbox on this computer. One that is open already is not opened a second time,
    /// unless another local port is asked for.
    pub async fn open(&self, world: &Arc<World>, handle: Arc<Handle>, ask: ForwardOpen) -> Result<Forward, RpcError> {
        check(&ask)?;
        let channel = handle.id();
        let host = ask.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        let same = |open: &&Open| {
            let forward = &open.forward;
            forward.channel == channel
                && forward.host == host
                && forward.port == ask.port
                && ask.local_port.is_none_or(|port| port == forward.local_port)
        };
        if let Some(open) = self.0.lock().iter().find(same) {
            return Ok(open.forward.clone());
        }
        let (listener, local_port) = listen(&ask).await?;
        let id = ForwardId::fresh();
        let forward = Forward { id: id.clone(), channel, host, port: ask.port, local_port, connections: 0 };
        // In the list first: the task tells of it there.
        self.0.lock().push(Open { forward: forward.clone(), task: None });
        let serving = Serving { shared: self.0.clone(), hub: world.hub.clone(), handle, forward: forward.clone() };
        let host_given = ask.host.is_some();
        let task = Task::spawn("forward", serving.run(listener, host_given));
        match self.0.lock().iter_mut().find(|open| open.forward.id == id) {
            Some(open) => open.task = Some(task),
            // Everything was closed meanwhile; so is this, by the drop of its task.
            None => return Err(gone()),
        }
        self.0.show(&world.hub);
        Ok(forward)
    }

    /// Closes one, with the connections through it.
    pub async fn close(&self, world: &World, id: &ForwardId) -> Result<Empty, RpcError> {
        if self.end(world, |forward| forward.id == *id).await == 0 {
            return Err(gone());
        }
        Ok(Empty {})
    }

    /// Closes all of a channel.
    pub async fn close_channel(&self, world: &World, channel: &ChannelId) {
        self.end(world, |forward| forward.channel == *channel).await;
    }

    /// Closes all.
    pub async fn close_all(&self, world: &World) {
        self.end(world, |_| true).await;
    }

    async fn end(&self, world: &World, which: impl Fn(&Forward) -> bool) -> usize {
        let ended: Vec<Open> = self.0.lock().extract_if(.., |open| which(&open.forward)).collect();
        let count = ended.len();
        for task in ended.into_iter().filter_map(|open| open.task) {
            task.end().await;
        }
        if count > 0 {
            self.0.show(&world.hub);
        }
        count
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        // Every single change leaves the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, hub: &Hub) {
        let open = self.lock();
        hub.forwards(open.iter().map(|open| open.forward.clone()).collect());
    }
}

/// One open port at work; dropped, its connections end with it.
struct Serving {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    handle: Arc<Handle>,
    forward: Forward,
}

impl Serving {
    async fn run(self, listener: TcpListener, host_given: bool) {
        let mut connections = JoinSet::new();
        let (mut told, mut tell_at) = (0, None);
        loop {
            let count = connections.len();
            if count == told {
                tell_at = None;
            } else if tell_at.is_none() {
                tell_at = Some(Instant::now() + PAUSE);
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((local, _)) => {
                        let (handle, forward) = (self.handle.clone(), self.forward.clone());
                        connections.spawn(carry(local, handle, forward, host_given));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to an open port was not accepted");
                        tokio::time::sleep(EXHAUSTED).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                () = sleep_until(tell_at.unwrap_or_else(Instant::now)), if tell_at.is_some() => {
                    told = count;
                    self.tell(count);
                }
            }
        }
    }

    fn tell(&self, connections: usize) {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let known = {
            let mut open = self.shared.lock();
            let known = open.iter_mut().find(|open| open.forward.id == self.forward.id);
            known.map(|open| open.forward.connections = connections).is_some()
        };
        if known {
            self.shared.show(&self.hub);
        }
    }
}

/// Carries one connection until both sides have said that they are done, or one breaks.
async fn carry(mut local: TcpStream, handle: Arc<Handle>, forward: Forward, host_given: bool) {
    let _ = local.set_nodelay(true);
    match connect(&handle, &forward, host_given).await {
        // A side that has nothing more to say is not yet one that has nothing more to hear.
        Ok(mut remote) => drop(tokio::io::copy_bidirectional(&mut local, &mut remote).await),
        Err(error) => tracing::debug!(%error, port = forward.port, "a connection to an open port leads nowhere"),
    }
}

async fn connect(handle: &Handle, forward: &Forward, host_given: bool) -> Result<SshStream, SshError> {
    let Some(live) = handle.live_now() else {
        return Err(SshError::NotConnected { reason: "the sandbox does not run".to_owned() });
    };
    match live.session.forward_tcp(&forward.host, forward.port).await {
        // A server that listens on ::1 only is reached there.
        Err(SshError::ForwardRefused { .. }) if !host_given => live.session.forward_tcp("::1", forward.port).await,
        other => other,
    }
}

fn check(ask: &ForwardOpen) -> Result<(), RpcError> {
    if ask.port == 0 || ask.local_port == Some(0) {
        return Err(RpcError::new(ErrorCode::BadRequest, "Port 0 cannot be opened.").hint("Give a port from 1 on."));
    }
    let fits = |host: &String| {
        (1..=255).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    };
    if ask.host.as_ref().is_some_and(|host| !fits(host)) {
        return Err(RpcError::new(ErrorCode::BadRequest, "This is no name or address of a host.").hint(
            "Give it as the sandbox knows it, such as `db` or `10.0.0.7`; without one the sandbox itself is meant.",
        ));
    }
    Ok(())
}

async fn listen(ask: &ForwardOpen) -> Result<(TcpListener, u16), RpcError> {
    let bind = async |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let bound = match ask.local_port {
        Some(port) => bind(port).await,
        None => match bind(ask.port).await {
            Ok(listener) => Ok(listener),
            Err(_) => bind(0).await,
        },
    };
    let described = |error: io::Error| not_opened(ask.local_port, &error);
    let listener = bound.map_err(described)?;
    let port = listener.local_addr().map_err(described)?.port();
    Ok((listener, port))
}

fn not_opened(port: Option<u16>, error: &io::Error) -> RpcError {
    let name = port.map_or_else(|| "A port".to_owned(), |port| format!("Port {port}"));
    match error.kind() {
        ErrorKind::AddrInUse => RpcError::new(ErrorCode::Conflict, format!("{name} of this computer is taken."))
            .hint("Give another local port, or none: then a free one is found."),
        ErrorKind::PermissionDenied => RpcError::new(
            ErrorCode::Failed,
            format!("{name} of this computer is one that only its administrator opens."),
        )
        .hint("Give a local port from 1024 on, or none: then a free one is found."),
        _ => RpcError::new(ErrorCode::Failed, format!("{name} of this computer could not be opened: {error}.")),
    }
}

fn gone() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "This port is not open. It may have just been closed.")
}

//! One client: who it is, and what its channels are doing.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelWriteHalf, Pty, Sig};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::children::{Children, Group};
use super::environment::Environment;
use super::flow::{self, Inlet, Outlet};
use super::forward::{self, Destination};
use super::process::{self, Client, Command, Process};
use super::terminal::{Size, Terminal};
use super::{ServerConfig, ServerError, sftp};

/// The server's side of one connection. Dropping it ends all that its channels run.
pub(super) struct Connection {
    config: Arc<ServerConfig>,
    children: Children,
    channels: HashMap<ChannelId, State>,
}

enum State {
    /// A session that was asked to run nothing yet.
    Fresh(Fresh),
    Busy(Busy),
}

struct Fresh {
    channel: ChannelWriteHalf<Msg>,
    environment: Environment,
    terminal: Option<Terminal>,
}

struct Busy {
    input: Inlet,
    group: Option<Group>,
    /// Dropped with the channel's task, so that an ended command's terminal is gone at once.
    terminal: Weak<Terminal>,
    task: JoinHandle<()>,
    _leaving: DropGuard,
}

impl Connection {
    pub fn new(config: Arc<ServerConfig>, children: Children) -> Self {
        Self { config, children, channels: HashMap::new() }
    }

    fn admits(&self, user: &str, key: &PublicKey) -> Auth {
        // Comments differ between copies of a key.
        let known = self.config.authorized_keys.iter().any(|k| k.key_data() == key.key_data());
        if known && user == self.config.user { Auth::Accept } else { Auth::reject() }
    }

    /// A channel that we close first is not reported as closed when the client answers, so the ended ones are found here.
    fn insert(&mut self, id: ChannelId, state: State) {
        self.channels.retain(|_, state| !matches!(state, State::Busy(busy) if busy.task.is_finished()));
        self.channels.insert(id, state);
    }

    fn fresh(&mut self, id: ChannelId) -> Option<&mut Fresh> {
        match self.channels.get_mut(&id) {
            Some(State::Fresh(fresh)) => Some(fresh),
            _ => None,
        }
    }

    fn busy(&mut self, id: ChannelId) -> Option<&mut Busy> {
        match self.channels.get_mut(&id) {
            Some(State::Busy(busy)) => Some(busy),
            _ => None,
        }
    }

    fn open_forwarding(&mut self, channel: Channel<Msg>, destination: Destination, reply: ChannelOpenHandle) {
        let (id, (_, channel)) = (channel.id(), channel.split());
        let busy =
            Busy::begin(None, Weak::new(), |input, left| forward::serve(destination, reply, channel, input, left));
        self.insert(id, State::Busy(busy));
    }

    fn run(&mut self, id: ChannelId, command: &Command, session: &mut Session) -> Result<(), russh::Error> {
        let Some(State::Fresh(fresh)) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        let Fresh { channel, environment, terminal } = fresh;
        let terminal = terminal.map(Arc::new);
        let for_resize = terminal.as_ref().map_or_else(Weak::new, Arc::downgrade);
        match Process::start(&self.config, &self.children, command, &environment, terminal) {
            Ok(process) => {
                let client = Client { channel, session: session.handle() };
                let group = process.group();
                let busy = Busy::begin(Some(group), for_resize, |input, left| process.serve(input, client, left));
                self.insert(id, State::Busy(busy));
                session.channel_success(id)
            }
            Err(error) => {
                tracing::warn!(%error, shell = %self.config.shell.display(), "could not start the shell");
                session.channel_failure(id)
            }
        }
    }
}

impl Busy {
    fn begin<F>(
        group: Option<Group>,
        terminal: Weak<Terminal>,
        serve: impl FnOnce(Outlet, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (input, outlet) = flow::pipe();
        let left = CancellationToken::new();
        let task = tokio::spawn(serve(outlet, left.clone()));
        Self { input, group, terminal, task, _leaving: left.drop_guard() }
    }
}

impl Handler for Connection {
    type Error = ServerError;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, ServerError> {
        Ok(self.admits(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, ServerError> {
        Ok(self.admits(user, key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), ServerError> {
        // The reading half is dropped: what it would carry comes to this handler's methods as well, and there it can
        // be kept from filling a queue that would stop the connection.
        let (id, (_, channel)) = (channel.id(), channel.split());
        let environment = Environment::new(&self.config);
        self.insert(id, State::Fresh(Fresh { channel, environment, terminal: None }));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), ServerError> {
        self.open_forwarding(channel, Destination::Tcp(host.to_owned(), port), reply);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), ServerError> {
        self.open_forwarding(channel, Destination::Unix(path.to_owned()), reply);
        Ok(())
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let accepted = self.fresh(id).is_some_and(|fresh| fresh.environment.accept(name, value));
        if accepted {
            session.channel_success(id)?
        } else {
            session.channel_failure(id)?
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let Some(fresh) = self.fresh(id) else { return Ok(session.channel_failure(id)?) };
        match Terminal::open(Size { columns, rows, width, height }, modes) {
            Ok(terminal) => {
                fresh.environment.accept("TERM", if term.is_empty() { "dumb" } else { term });
                fresh.environment.accept("SSH_TTY", &terminal.device().to_string_lossy());
                fresh.terminal = Some(terminal);
                Ok(session.channel_success(id)?)
            }
            Err(error) => {
                tracing::warn!(%error, "could not open a pseudo-terminal");
                Ok(session.channel_failure(id)?)
            }
        }
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), ServerError> {
        let size = Size { columns, rows, width, height };
        // A terminal that is gone has no size.
        let _ = match self.channels.get(&id) {
            Some(State::Fresh(Fresh { terminal: Some(terminal), .. })) => terminal.resize(size),
            Some(State::Busy(busy)) => busy.terminal.upgrade().map_or(Ok(()), |terminal| terminal.resize(size)),
            _ => Ok(()),
        };
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), ServerError> {
        Ok(self.run(id, &Command::Shell, session)?)
    }

    async fn exec_request(&mut self, id: ChannelId, line: &[u8], session: &mut Session) -> Result<(), ServerError> {
        Ok(self.run(id, &Command::Line(line.to_vec()), session)?)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), ServerError> {
        if name != "sftp" {
            return Ok(session.channel_failure(id)?);
        }
        let Some(State::Fresh(Fresh { channel, .. })) = self.channels.remove(&id) else {
            return Ok(session.channel_failure(id)?);
        };
        let client = Client { channel, session: session.handle() };
        let home = self.config.home.clone();
        let busy = Busy::begin(None, Weak::new(), |input, left| sftp::serve(home, input, client, left));
        self.insert(id, State::Busy(busy));
        Ok(session.channel_success(id)?)
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, _: &mut Session) -> Result<(), ServerError> {
        if let (Some(Busy { group: Some(group), .. }), Some(number)) = (self.busy(id), process::signal_number(&signal))
        {
            group.signal(number);
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), ServerError> {
        if let Some(busy) = self.busy(id) {
            busy.input.push(data).await;
        }
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        let fullest = self.channels.values().map(|state| match state {
            State::Busy(busy) => busy.input.level(),
            State::Fresh(_) => 0,
        });
        flow::next_window(fullest.max().unwrap_or(0))
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), ServerError> {
        if let Some(busy) = self.busy(id) {
            busy.input.end();
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), ServerError> {
        self.channels.remove(&id);
        Ok(())
    }
}

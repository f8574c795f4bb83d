//! One connection: made, authenticated, and good for a number of channels.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use russh::client::{self, DisconnectReason, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect, Names, Preferred, cipher};
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::attempt::Attempt;
use super::auth;
use super::command::Program;
use super::dial;
use super::error::SshError;
use super::farewell::Farewell;
use super::host_key::Check;
use super::tap::{Heard, Tap};
use super::target::{Auth, Endpoint, HostKeyCheck, SshTarget};
use super::trace::Trace;
use crate::read_ahead::ReadAhead;

/// How long making a connection may take, from one machine to the next.
const CONNECT: Duration = Duration::from_secs(15);
/// A connection is asked for a sign of life so often; that so many are not answered means that it is dead, where nothing
/// else has shown that before: on one that nobody uses, and on the only one to a machine that lets in by a one-time code.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVES: usize = 3;
/// How many jump hosts there may be.
const HOPS: usize = 8;

/// An authenticated connection.
pub(crate) struct Connection {
    handle: Handle<Handler>,
    closed: watch::Receiver<bool>,
    heard: Heard,
    /// Ends with the connection.
    _program: Option<Program>,
    /// The connection that this one runs over.
    hop: Option<Box<Connection>>,
}

/// Where the processor knows AES, that is several times as fast as anything else.
fn ciphers() -> &'static [cipher::Name] {
    #[cfg(target_arch = "x86_64")]
    let aes = std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let aes = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let aes = false;
    const GCM: &[cipher::Name] = &[
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    const CHACHA: &[cipher::Name] = &[
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    if aes { GCM } else { CHACHA }
}

impl Connection {
    pub(crate) async fn open(target: &SshTarget, attempt: &Attempt) -> Result<Self, SshError> {
        let total = hops(target);
        if total > HOPS {
            return Err(SshError::Config { reason: format!("there are more than {HOPS} jump hosts on the way") });
        }
        let _awaited = attempt.awaited();
        Self::reach(target, attempt, total, attempt).await
    }

    /// A machine behind its jump hosts; `whole` is what the machine at the end is recorded in.
    fn reach<'a>(
        target: &'a SshTarget,
        whole: &'a Attempt,
        total: usize,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Self, SshError>> {
        Box::pin(async move {
            let hop = match &target.endpoint {
                Endpoint::Jump { through, .. } => {
                    let at = hops(through) + 1;
                    let reached = Self::reach(through, whole, total, &whole.hop(at)).await;
                    Some(Box::new(reached.map_err(|error| of_hop(through, at, total, error))?))
                }
                _ => None,
            };
            let (since, heard) = (Instant::now(), Heard::default());
            let tried = attempt.limit(CONNECT, Self::try_open(target, hop, total, attempt, &heard)).await;
            let result = tried.unwrap_or_else(|| {
                let reason = match heard.banner() {
                    None if heard.is_silent() => "it says nothing as an SSH server does",
                    _ => "no answer",
                };
                Err(SshError::NotConnected { reason: format!("{reason} within {} s", CONNECT.as_secs()) })
            });
            result.map_err(|error| explain(error, &heard, since, attempt))
        })
    }

    async fn try_open(
        target: &SshTarget,
        hop: Option<Box<Connection>>,
        total: usize,
        attempt: &Attempt,
        heard: &Heard,
    ) -> Result<Self, SshError> {
        let expected = target.host_key.clone();
        let check = tokio::task::spawn_blocking(move || Check::new(expected)).await.map_err(std::io::Error::other)?;
        for line in check.skipped() {
            tracing::debug!(line, "a line of known hosts was passed over");
        }
        let config = Arc::new(client::Config {
            // A window of 2 MiB caps a link of 50 ms at 40 MB/s.
            window_size: 16 * 1024 * 1024,
            maximum_packet_size: 65_535,
            nodelay: true,
            // Not on this computer, where a sandbox that stands still comes back as it was.
            keepalive_interval: (!matches!(target.endpoint, Endpoint::Unix(_))).then_some(KEEPALIVE),
            keepalive_max: KEEPALIVES,
            preferred: Preferred { cipher: Cow::Borrowed(ciphers()), ..check.preferred() },
            ..client::Config::default()
        });
        let (close, closed) = watch::channel(false);
        let farewell = Farewell::default();
        let (attempt_of, heard_of) = (attempt.clone(), heard.clone());
        let handler =
            Handler { check, close, attempt: attempt_of, heard: heard_of, farewell: farewell.clone(), since: None };
        let mut program = None;
        let mut handle = match &target.endpoint {
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                handler.greet(config, stream).await?
            }
            #[cfg(not(unix))]
            Endpoint::Unix(_) => {
                return Err(SshError::NotConnected { reason: "this computer has no Unix sockets".into() });
            }
            Endpoint::Tcp { host, port } => {
                let stream = dial::tcp(host, *port, &attempt.trace).await?;
                handler.greet(config, stream).await?
            }
            Endpoint::Jump { through, host, port } => {
                let Some(hop) = &hop else { return Err(super::error::lost()) };
                let stream = hop.onward(host, *port, &attempt.trace).await;
                let stream = stream.map_err(|error| of_hop(through, hops(through) + 1, total, error))?;
                handler.greet(config, stream).await?
            }
            Endpoint::Command { program: path, arguments } => {
                let since = Instant::now();
                let (started, stream) = Program::start(path, arguments).inspect_err(|error| {
                    attempt.trace.failed("command", "Start the program", since, || error.whole(), None);
                })?;
                match handler.greet(config, stream).await {
                    Ok(handle) => {
                        program = Some(started);
                        handle
                    }
                    Err(error) => return Err(started.explain(error).await),
                }
            }
        };
        let host = place(target);
        auth::authenticate(&mut handle, (&target.user, &host), &target.auth, attempt, &farewell).await?;
        Ok(Self { handle, closed, heard: heard.clone(), _program: program, hop })
    }

    /// On to the next machine.
    async fn onward(&self, host: &str, port: u16, trace: &Trace) -> Result<russh::ChannelStream<Msg>, SshError> {
        let since = Instant::now();
        match self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await {
            Ok(channel) => {
                trace.ok("tcp", "Connect", since, || format!("{host}:{port} answers the jump host"));
                Ok(channel.into_stream())
            }
            Err(error) => {
                let why = match &error {
                    russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited) => {
                        "it does not allow forwarding (AllowTcpForwarding)".to_owned()
                    }
                    russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::ConnectFailed) => {
                        "nothing answers it there".to_owned()
                    }
                    error => error.to_string(),
                };
                let reason = format!("it cannot reach {host}:{port}: {why}");
                let hint = "The jump host itself works. Check the name and the port as it knows them.";
                trace.failed("tcp", "Connect", since, || reason.clone(), Some(hint.to_owned()));
                Err(SshError::NotConnected { reason })
            }
        }
    }

    pub(crate) async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        Ok(self.handle.channel_open_session().await?)
    }

    pub(crate) async fn tcp(&self, host: &str, port: u16) -> Result<Channel<Msg>, SshError> {
        let opened = self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await;
        opened.map_err(refused)
    }

    /// How many bytes have come by it.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.count()
    }

    /// Whether more is waited for, and not only what came is not read on.
    pub(crate) fn waits(&self) -> bool {
        self.heard.waits()
    }

    /// Ends it without a word: nobody is there to hear one.
    pub(crate) fn cut(&self) {
        self.heard.cut();
    }

    /// Asks for an answer, and returns when there is one.
    pub(crate) async fn ping(&self) {
        if self.handle.send_ping().await.is_err() {
            // It is over, which is told elsewhere.
            std::future::pending().await
        }
    }

    /// Returns once it is over.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // The sender goes away with the connection's task.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub(crate) async fn close(&self) {
        let mut connection = Some(self);
        while let Some(Self { handle, hop, .. }) = connection {
            let _ = handle.disconnect(Disconnect::ByApplication, "", "en").await;
            connection = hop.as_deref();
        }
    }
}

/// How many jump hosts are on the way.
fn hops(target: &SshTarget) -> usize {
    let (mut target, mut count) = (target, 0);
    while let Endpoint::Jump { through, .. } = &target.endpoint {
        (target, count) = (through, count + 1);
    }
    count
}

/// What a person knows the machine by.
fn place(target: &SshTarget) -> String {
    if let Auth::Person(credentials) = &target.auth
        && let Some(name) = &credentials.called
    {
        return name.clone();
    }
    match &target.endpoint {
        Endpoint::Tcp { host, .. } | Endpoint::Jump { host, .. } => host.clone(),
        Endpoint::Unix(path) => path.display().to_string(),
        Endpoint::Command { program, .. } => match &target.host_key {
            HostKeyCheck::Known(known) => known.host.clone(),
            HostKeyCheck::Pinned(_) => program.display().to_string(),
        },
    }
}

/// Says which machine on the way it was.
fn of_hop(through: &SshTarget, at: usize, total: usize, error: SshError) -> SshError {
    match error {
        SshError::Hop { .. } => error,
        error => SshError::Hop { hop: format!("{} ({at} of {total})", place(through)), source: Box::new(error) },
    }
}

/// Says what answers there, where that is no SSH server, and records what failed.
fn explain(error: SshError, heard: &Heard, since: Instant, attempt: &Attempt) -> SshError {
    let trace = &attempt.trace;
    if error.is_final() || matches!(error, SshError::Hop { .. }) {
        return error;
    }
    if let Some(stranger) = heard.stranger() {
        let hint = "Another service uses this port: check the port of the SSH server.";
        trace.failed("banner", "SSH server", since, || stranger.clone(), Some(hint.to_owned()));
        return SshError::NotConnected { reason: stranger };
    }
    if heard.banner().is_none() {
        if !trace.has_failed() {
            let hint = "Something accepts the connection and says nothing: is it an SSH server, is it overloaded, or \
                        does it refuse this computer's address?";
            trace.failed("banner", "SSH server", since, || error.whole(), Some(hint.to_owned()));
        }
    } else if !trace.has("kex") {
        let hint = "The machine and this app have no way of encryption in common, or the machine hung up.";
        trace.failed("kex", "Encryption", since, || error.whole(), Some(hint.to_owned()));
    } else {
        trace.failed("auth-lost", "Log in", since, || error.whole(), None);
    }
    error
}

fn refused(error: russh::Error) -> SshError {
    match error {
        russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited) => {
            SshError::ForwardForbidden {}
        }
        russh::Error::ChannelOpenFailure(_) => SshError::ForwardRefused {},
        error => error.into(),
    }
}

pub(crate) struct Handler {
    check: Check,
    close: watch::Sender<bool>,
    attempt: Attempt,
    heard: Heard,
    farewell: Farewell,
    since: Option<Instant>,
}

impl Handler {
    async fn greet<S>(mut self, config: Arc<client::Config>, stream: S) -> Result<Handle<Self>, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.since = Some(Instant::now());
        let tap = Tap::new(stream, self.heard.clone());
        client::connect_stream(config, ReadAhead::new(tap), self).await
    }
}

impl client::Handler for Handler {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let trace = &self.attempt.trace;
        let begun = self.since.unwrap_or_else(Instant::now);
        let greeted = self.heard.since().unwrap_or(begun);
        trace.ok_until("banner", "SSH server", (begun, greeted), || self.heard.banner().unwrap_or_default());
        trace.ok("kex", "Encryption", greeted, || "agreed".to_owned());
        let since = Instant::now();
        match self.check.check(shown, &self.attempt).await {
            Ok(how) => {
                trace.ok("host-key", "Host key", since, || how);
                Ok(true)
            }
            Err(error) => {
                let hint = matches!(error, SshError::HostKeyChanged(_))
                    .then(|| "Compare the fingerprint with whoever runs the machine before anything else.".to_owned());
                trace.failed("host-key", "Host key", since, || error.to_string(), hint);
                Err(error)
            }
        }
    }

    async fn kex_done(&mut self, _: Option<&[u8]>, names: &Names, _: &mut client::Session) -> Result<(), SshError> {
        self.attempt.trace.amend("kex", || format!("{}, {}, {}", names.kex.as_ref(), names.key, names.cipher.as_ref()));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SshError>) -> Result<(), SshError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.farewell.say(&info.message);
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.close.send_replace(true);
    }
}

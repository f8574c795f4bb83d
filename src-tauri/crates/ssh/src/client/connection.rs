//! One connection: made, authenticated, and good for a number of channels.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Disconnect};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::command::Program;
use super::error::SshError;
use super::target::{Endpoint, HostKeyCheck, SshTarget};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(15);

/// An authenticated connection.
pub(crate) struct Connection {
    handle: Handle<Handler>,
    closed: watch::Receiver<bool>,
    /// Ends with the connection.
    _program: Option<Program>,
}

impl Connection {
    pub(crate) async fn open(target: &SshTarget) -> Result<Self, SshError> {
        match tokio::time::timeout(CONNECT, Self::try_open(target)).await {
            Ok(result) => result,
            Err(_) => Err(SshError::NotConnected { reason: format!("no answer within {} s", CONNECT.as_secs()) }),
        }
    }

    async fn try_open(target: &SshTarget) -> Result<Self, SshError> {
        let config = Arc::new(client::Config {
            // A window of 2 MiB caps a link of 50 ms at 40 MB/s.
            window_size: 16 * 1024 * 1024,
            maximum_packet_size: 65_535,
            nodelay: true,
            ..client::Config::default()
        });
        let (close, closed) = watch::channel(false);
        let HostKeyCheck::Pinned(expected) = &target.host_key;
        let handler = Handler { expected: expected.clone(), refused: None, close };
        let mut program = None;
        let mut handle = match &target.endpoint {
            #[cfg(unix)]
            Endpoint::Unix(path) => client::connect_stream(config, UnixStream::connect(path).await?, handler).await?,
            #[cfg(not(unix))]
            Endpoint::Unix(_) => {
                return Err(SshError::NotConnected { reason: "this computer has no Unix sockets".into() });
            }
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                keep_alive(&stream)?;
                client::connect_stream(config, stream, handler).await?
            }
            Endpoint::Command { program: path, arguments } => {
                let (started, stream) = Program::start(path, arguments)?;
                match client::connect_stream(config, stream, handler).await {
                    Ok(handle) => {
                        program = Some(started);
                        handle
                    }
                    Err(error) => return Err(started.explain(error).await),
                }
            }
        };
        let hash = match target.identity.0.algorithm().is_rsa() {
            true => handle.best_supported_rsa_hash().await?.flatten(),
            false => None,
        };
        let key = PrivateKeyWithHashAlg::new(target.identity.0.clone(), hash);
        if !handle.authenticate_publickey(&target.user, key).await?.success() {
            return Err(SshError::Refused);
        }
        Ok(Self { handle, closed, _program: program })
    }

    pub(crate) async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        Ok(self.handle.channel_open_session().await?)
    }

    pub(crate) async fn tcp(&self, host: &str, port: u16) -> Result<Channel<Msg>, SshError> {
        let opened = self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await;
        opened.map_err(refused)
    }

    pub(crate) async fn unix(&self, path: &str) -> Result<Channel<Msg>, SshError> {
        self.handle.channel_open_direct_streamlocal(path).await.map_err(refused)
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
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}

/// The socket finds out that the other end is gone; a request of SSH's own is answered badly by some servers.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let often = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    SockRef::from(stream).set_tcp_keepalive(&often)
}

fn refused(error: russh::Error) -> SshError {
    match error {
        russh::Error::ChannelOpenFailure(_) => SshError::ForwardRefused {},
        error => error.into(),
    }
}

pub(crate) struct Handler {
    expected: String,
    refused: Option<String>,
    close: watch::Sender<bool>,
}

impl client::Handler for Handler {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let expected = PublicKey::from_openssh(&self.expected).map_err(|error| SshError::NotConnected {
            reason: format!("the key that the machine should show is not one: {error}"),
        })?;
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        if key.key_data() == expected.key_data() {
            return Ok(true);
        }
        let print = |key: &PublicKey| key.fingerprint(HashAlg::Sha256).to_string();
        self.refused = Some(print(key));
        Err(SshError::HostKey { expected: print(&expected), shown: print(key) })
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.close.send_replace(true);
    }
}

//! An SSH server for one user: what runs inside a sandbox and makes it a machine reached by SSH.
//!
//! It speaks to any client: sessions (`exec`, `shell`, pseudo-terminals, signals), the `sftp` subsystem, and local
//! forwarding to TCP ports and Unix sockets. Commands run by the user's shell, each in a session of its own.
//!
//! Forwarding to a port means one of this machine: addresses, and names that are always its own (`localhost` and what is
//! below it). Other names are refused rather than looked up, since a sandbox's way out is not this server's business.
//!
//! It deliberately does not: authenticate by anything but a public key, change users, open remote forwardings,
//! forward agents or X11, or isolate anything. Isolation is the business of whoever starts the process it runs in.
//!
//! All children of the process belong to [`Children`], which reaps them: a process that serves SSH with this module
//! must start no child by other means.

mod children;
mod connection;
mod environment;
mod flow;
mod forward;
mod process;
mod sftp;
mod terminal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::io::{AsyncRead, AsyncWrite};

pub use children::Children;

use crate::read_ahead::ReadAhead;

/// What a server needs to know.
#[derive(Clone)]
pub struct ServerConfig {
    /// The key by which clients know this server.
    pub host_key: PrivateKey,
    /// The keys that may log in.
    pub authorized_keys: Vec<PublicKey>,
    /// The one name that may log in.
    pub user: String,
    /// Where commands start, and what relative paths of SFTP are relative to.
    pub home: PathBuf,
    /// The shell that runs every command; an absolute path.
    pub shell: PathBuf,
    /// What commands find in their environment besides `HOME`, `USER`, `LOGNAME`, `SHELL` and `PATH`; it may replace these.
    pub env: BTreeMap<String, String>,
}

/// Why a connection ended other than by the client's leaving.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The protocol or the transport failed.
    #[error("the SSH connection failed")]
    Protocol(#[from] russh::Error),
}

/// An SSH server without a socket: it serves the streams that it is given. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    protocol: Arc<russh::server::Config>,
    config: Arc<ServerConfig>,
    children: Children,
}

impl Server {
    /// A server whose commands are reaped by `children`.
    pub fn new(config: ServerConfig, children: Children) -> Self {
        let protocol = russh::server::Config {
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            // Nobody guesses a key, and a client with an agent offers several before the right one.
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            max_auth_attempts: 32,
            keys: vec![config.host_key.clone()],
            window_size: flow::WINDOW,
            maximum_packet_size: 0xffff,
            event_buffer_size: 32,
            // An idle session is a person thinking, or a job running.
            inactivity_timeout: None,
            ..Default::default()
        };
        Self { protocol: Arc::new(protocol), config: Arc::new(config), children }
    }

    /// Serves one client until it leaves. What it ran and did not see the end of gets SIGHUP.
    pub async fn serve<S>(&self, stream: S) -> Result<(), ServerError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handler = connection::Connection::new(self.config.clone(), self.children.clone());
        match russh::server::run_stream(self.protocol.clone(), ReadAhead::new(stream), handler).await?.await {
            Err(ServerError::Protocol(error)) if is_departure(&error) => Ok(()),
            other => other,
        }
    }
}

/// Clients often leave by closing the stream, without a word.
fn is_departure(error: &russh::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(error) => matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe),
        _ => false,
    }
}

//! Keeping a connection: the first one, those that are lost, and when to try again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::error::SshError;
use super::pool::Lane;
use super::session::{Inner, SessionState};

/// A connection that stood for so long was a good one: the next try after it comes at once.
const STABLE: Duration = Duration::from_secs(5);
/// A machine that refused us is not asked again before.
const REFUSED: Duration = Duration::from_secs(5);
/// Between tries, however much somebody wants one.
const LEAST: Duration = Duration::from_millis(100);

/// The connection, or why there is none.
#[derive(Default)]
pub(super) struct Link {
    pub(super) connection: Option<Arc<Connection>>,
    /// How many tries have failed.
    tries: u64,
    failure: Option<Failure>,
    /// The machine refused us a moment ago: there is no use in asking.
    refusing: bool,
}

/// Why a try failed, as often as it has to be told.
#[derive(Debug, Clone)]
enum Failure {
    HostKey { expected: String, shown: String },
    Refused,
    Other(String),
}

impl Failure {
    fn of(error: &SshError) -> Self {
        match error {
            SshError::HostKey { expected, shown } => Self::HostKey { expected: expected.clone(), shown: shown.clone() },
            SshError::Refused => Self::Refused,
            SshError::NotConnected { reason } => Self::Other(reason.clone()),
            error => {
                let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
                Self::Other(format!("{error}{cause}"))
            }
        }
    }

    fn is_final(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    fn error(&self) -> SshError {
        match self.clone() {
            Self::HostKey { expected, shown } => SshError::HostKey { expected, shown },
            Self::Refused => SshError::Refused,
            Self::Other(reason) => SshError::NotConnected { reason },
        }
    }
}

pub(super) fn lost() -> SshError {
    SshError::NotConnected { reason: "the connection was lost".to_owned() }
}

pub(super) fn closed() -> SshError {
    SshError::NotConnected { reason: "the session was closed".to_owned() }
}

/// Keeps a connection from the first time that one is wanted.
pub(super) async fn supervise(inner: Arc<Inner>) {
    tokio::select! {
        () = inner.closing.cancelled() => {}
        () = keep(&inner) => {}
    }
}

async fn keep(inner: &Inner) {
    inner.wanted.notified().await;
    inner.state.send_replace(SessionState::Connecting);
    let mut attempt = 0;
    loop {
        let failure = match Connection::open(&inner.target).await {
            Ok(connection) => {
                let since = Instant::now();
                stand(inner, Arc::new(connection)).await;
                attempt = if since.elapsed() >= STABLE { 0 } else { attempt + 1 };
                let reason = "the connection was lost".to_owned();
                inner.state.send_replace(SessionState::Reconnecting { attempt, reason });
                None
            }
            Err(error) => {
                attempt += 1;
                let failure = Failure::of(&error);
                let reason = failure.error().to_string();
                inner.state.send_replace(SessionState::Reconnecting { attempt, reason });
                inner.link.send_modify(|link| {
                    link.tries += 1;
                    link.refusing = failure.is_final();
                    link.failure = Some(failure.clone());
                });
                Some(failure)
            }
        };
        if failure.is_some_and(|failure| failure.is_final()) {
            tokio::time::sleep(REFUSED).await;
            inner.link.send_modify(|link| link.refusing = false);
            inner.wanted.notified().await;
        } else if attempt > 0 {
            let pause = Duration::from_millis(200 * 2_u64.pow(attempt.min(6))).min(Duration::from_secs(15));
            let jitter = pause.mul_f64(rand::random_range(0.0..0.25));
            tokio::time::sleep(LEAST).await;
            tokio::select! {
                () = tokio::time::sleep(pause + jitter) => {}
                () = inner.wanted.notified() => {}
            }
        }
    }
}

/// While a connection stands.
async fn stand(inner: &Inner, connection: Arc<Connection>) {
    inner.pool.add(Lane::Actions, connection.clone(), inner.options.max_workers.max(1), true);
    inner.state.send_replace(SessionState::Connected);
    inner.link.send_modify(|link| {
        link.connection = Some(connection.clone());
        link.failure = None;
    });
    let tidy = async {
        loop {
            tokio::time::sleep(inner.options.idle / 4).await;
            inner.pool.tidy(inner.options.idle);
        }
    };
    tokio::select! {
        () = connection.closed() => {}
        () = tidy => {}
    }
    inner.link.send_modify(|link| link.connection = None);
}

impl Inner {
    /// Returns once a connection stands, or when a try that ended after this was called has failed.
    pub(super) async fn connected(&self) -> Result<(), SshError> {
        let mut link = self.link.subscribe();
        let tries = link.borrow().tries;
        let mut asked = false;
        loop {
            if self.closing.is_cancelled() {
                return Err(closed());
            }
            {
                let link = link.borrow_and_update();
                if link.connection.as_ref().is_some_and(|connection| !connection.is_closed()) {
                    return Ok(());
                }
                if let Some(failure) = link.failure.as_ref().filter(|_| link.refusing || link.tries > tries) {
                    return Err(failure.error());
                }
            }
            if !asked {
                asked = true;
                self.wanted.notify_one();
            }
            tokio::select! {
                _ = link.changed() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }
}

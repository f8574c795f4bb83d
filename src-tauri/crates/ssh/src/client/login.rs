//! One login: what was offered, what was tried, and what came of it.

use std::sync::Arc;
use std::time::Instant;

use russh::client::{self, AuthResult, Handle};
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use super::attempt::Attempt;
use super::error::{Refusal, SshError, Tried};
use super::farewell::Farewell;

/// What came of one try.
pub(super) enum Came {
    /// We are in.
    In,
    /// It was right, and more is wanted.
    More,
    /// It was wrong.
    No,
}

/// One login.
pub(super) struct Login<'a, H: client::Handler> {
    pub(super) handle: &'a mut Handle<H>,
    pub(super) user: &'a str,
    pub(super) host: &'a str,
    pub(super) attempt: &'a Attempt,
    pub(super) farewell: &'a Farewell,
    pub(super) offered: Vec<MethodKind>,
    pub(super) tried: Vec<Tried>,
    /// When the last try ended.
    pub(super) since: Instant,
    /// Keys that were right: a machine that wants two of them wants another one.
    pub(super) used: Vec<PublicKey>,
}

impl<H: client::Handler> Login<'_, H> {
    pub(super) async fn private(
        &mut self,
        key: Arc<PrivateKey>,
        certificate: Option<Certificate>,
    ) -> Result<AuthResult, SshError> {
        Ok(match certificate {
            Some(certificate) => self.handle.authenticate_openssh_cert(self.user, key, certificate).await?,
            None => {
                let hash = self.hash(key.public_key()).await?;
                self.handle.authenticate_publickey(self.user, PrivateKeyWithHashAlg::new(key, hash)).await?
            }
        })
    }

    /// The hash that an RSA key signs with.
    pub(super) async fn hash(&self, key: &PublicKey) -> Result<Option<HashAlg>, SshError> {
        Ok(match key.algorithm().is_rsa() {
            // One that does not say gets one that every server of the last ten years takes.
            true => self.handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha256)),
            false => None,
        })
    }

    pub(super) fn offers(&self, method: MethodKind) -> bool {
        self.offered.contains(&method) && !self.handle.is_closed()
    }

    pub(super) fn has_used(&self, key: &PublicKey) -> bool {
        self.used.iter().any(|used| used.key_data() == key.key_data())
    }

    /// Writes down what came of a try.
    pub(super) fn came(&mut self, id: &'static str, what: String, result: AuthResult) -> Came {
        self.methods(&result);
        let (came, outcome) = match result {
            AuthResult::Success => (Came::In, "accepted".to_owned()),
            AuthResult::Failure { partial_success: true, .. } => {
                (Came::More, format!("accepted; then the machine wants {}", names(&self.offered).join(" or ")))
            }
            AuthResult::Failure { .. } if self.handle.is_closed() => (Came::No, "the machine hung up".to_owned()),
            AuthResult::Failure { .. } => (Came::No, "not accepted".to_owned()),
        };
        let since = std::mem::replace(&mut self.since, Instant::now());
        match came {
            Came::No => self.attempt.trace.failed(id, &what, since, || outcome.clone(), None),
            _ => self.attempt.trace.ok(id, &what, since, || outcome.clone()),
        }
        self.tried.push(Tried { what, outcome });
        came
    }

    /// Writes down what could not be tried.
    pub(super) fn note(&mut self, id: &'static str, what: String, why: String) {
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.attempt.trace.failed(id, &what, since, || why.clone(), None);
        self.tried.push(Tried { what, outcome: why });
    }

    pub(super) fn methods(&mut self, result: &AuthResult) {
        if let AuthResult::Failure { remaining_methods, .. } = result
            && !remaining_methods.is_empty()
        {
            self.offered = remaining_methods.to_vec();
        }
    }

    pub(super) fn refusal(&mut self, app: bool) -> SshError {
        // A connection that broke is made again; but not over and over at the cost of a person's answers.
        if self.handle.is_closed()
            && self.farewell.said().is_none()
            && !self.attempt.has_asked()
            && !self.attempt.asks_each_time()
        {
            return SshError::NotConnected { reason: "the machine hung up during the login".to_owned() };
        }
        let hint = if self.handle.is_closed() {
            let said = self.farewell.said().map(|said| format!(" ({said})")).unwrap_or_default();
            format!(
                "It hung up{said}, as it does after too many wrong keys or passwords. Name the right key, or set \
                 IdentitiesOnly for this machine."
            )
        } else if app {
            "Add this app's key to ~/.ssh/authorized_keys there.".to_owned()
        } else {
            format!("Check that {} is the right user, and that its key or password is the right one.", self.user)
        };
        SshError::Refused(Box::new(Refusal {
            user: self.user.to_owned(),
            offered: names(&self.offered).iter().map(|&name| name.to_owned()).collect(),
            tried: std::mem::take(&mut self.tried),
            hint: Some(hint),
        }))
    }
}

/// What is said where the machine hung up.
pub(super) fn nothing() -> AuthResult {
    AuthResult::Failure { remaining_methods: MethodSet::empty(), partial_success: false }
}

pub(super) fn names(methods: &[MethodKind]) -> Vec<&'static str> {
    methods.iter().map(Into::into).collect()
}

pub(super) fn print(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

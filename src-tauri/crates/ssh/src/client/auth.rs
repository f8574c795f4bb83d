//! Being let in: what a person has is tried in OpenSSH's order, until the machine is content.

use std::path::Path;
use std::time::Instant;

use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PublicKey};
use russh::{MethodKind, Signer};

use super::agent::{self, AgentSigner};
use super::answers::ASKED;
use super::attempt::Attempt;
use super::error::SshError;
use super::farewell::Farewell;
use super::keys::{self, KeyFile};
use super::login::{Came, Login, names, nothing, print};
use super::shown;
use super::target::{Auth, Credentials, Identity};

/// How many methods a machine may want, one after the other.
const STAGES: usize = 8;

/// Is let in, or says why not.
pub(crate) async fn authenticate<H: client::Handler>(
    handle: &mut Handle<H>,
    (user, host): (&str, &str),
    auth: &Auth,
    attempt: &Attempt,
    farewell: &Farewell,
) -> Result<(), SshError> {
    let mut login = Login {
        handle,
        user,
        host,
        attempt,
        farewell,
        offered: Vec::new(),
        tried: Vec::new(),
        since: Instant::now(),
        used: Vec::new(),
    };
    let is_in = match auth {
        Auth::Key(identity) => login.by_key(identity).await?,
        Auth::Person(credentials) => login.by_person(credentials).await?,
    };
    if is_in { Ok(()) } else { Err(login.refusal(matches!(auth, Auth::Key(_)))) }
}

impl<H: client::Handler> Login<'_, H> {
    async fn by_key(&mut self, identity: &Identity) -> Result<bool, SshError> {
        let key = &identity.0;
        let result = self.private(key.clone(), None).await?;
        let came = self.came("auth-key", format!("the key of this app ({})", print(key.public_key())), result);
        Ok(matches!(came, Came::In))
    }

    async fn by_person(&mut self, credentials: &Credentials) -> Result<bool, SshError> {
        let result = self.handle.authenticate_none(self.user).await?;
        self.methods(&result);
        let offered = names(&self.offered).join(", ");
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.attempt.trace.ok("auth-none", "Ask what is accepted", since, || match result {
            AuthResult::Success => "nothing is asked for: the machine lets anybody in".to_owned(),
            AuthResult::Failure { .. } => format!("the machine accepts: {offered}"),
        });
        if result.success() {
            return Ok(true);
        }
        for _ in 0..STAGES {
            match self.stage(credentials).await? {
                Came::In => return Ok(true),
                Came::More => {}
                Came::No => break,
            }
        }
        Ok(false)
    }

    /// Goes through what is offered until something is right.
    async fn stage(&mut self, credentials: &Credentials) -> Result<Came, SshError> {
        if self.offers(MethodKind::PublicKey) {
            let came = self.keys(credentials).await?;
            if !matches!(came, Came::No) {
                return Ok(came);
            }
        }
        for _ in 0..ASKED {
            // Empty answers only use up tries.
            let answers = self.attempt.can_ask(credentials.asker.as_ref()) || credentials.kept.password().is_some();
            if !self.offers(MethodKind::KeyboardInteractive) || credentials.no_prompts || !answers {
                break;
            }
            let came = self.prompts(credentials).await?;
            if !matches!(came, Some(Came::No)) {
                if let Some(came) = came {
                    return Ok(came);
                }
                break;
            }
        }
        if self.offers(MethodKind::Password) && !credentials.no_password {
            return self.password(credentials).await;
        }
        Ok(Came::No)
    }

    /// Keys of the agent, those of the files first; then files.
    async fn keys(&mut self, credentials: &Credentials) -> Result<Came, SshError> {
        let more: Vec<_> = credentials.certificates.iter().filter_map(|path| keys::certificate(path)).collect();
        let mut files = Vec::new();
        for path in &credentials.key_files {
            match KeyFile::read(path, &more) {
                Some(Ok(file)) => files.push(file),
                Some(Err(why)) => self.note("auth-key", format!("the key {}", path.display()), why),
                None => {}
            }
        }
        if let Some(agent) = &credentials.agent {
            let came = self.agent(agent, &files, credentials.identities_only).await?;
            if !matches!(came, Came::No) {
                return Ok(came);
            }
        }
        for file in files.iter().filter(|file| file.is_private()) {
            if !self.offers(MethodKind::PublicKey) {
                break;
            }
            let came = self.file(file, credentials).await?;
            if !matches!(came, Came::No) {
                return Ok(came);
            }
        }
        Ok(Came::No)
    }

    async fn agent(&mut self, path: &Path, files: &[KeyFile], only: bool) -> Result<Came, SshError> {
        let (mut client, held) = match agent::keys(path, self.handle.agent_session_binding()).await {
            Ok(found) => found,
            Err(why) => {
                self.note("auth-agent", "the agent".to_owned(), shown::line(&why, 200));
                return Ok(Came::No);
            }
        };
        if held.is_empty() {
            self.note("auth-agent", "the agent".to_owned(), "it has no keys".to_owned());
        }
        let place = |held: &AgentIdentity| {
            let key = held.public_key();
            files.iter().position(|file| file.public.as_ref().is_some_and(|own| own.key_data() == key.key_data()))
        };
        let mut held: Vec<_> = held.into_iter().map(|held| (place(&held), held)).collect();
        held.retain(|(place, _)| place.is_some() || !only);
        held.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
        for (place, identity) in &held {
            let key = identity.public_key().into_owned();
            let own = match identity {
                AgentIdentity::Certificate { certificate, .. } => vec![certificate.clone()],
                AgentIdentity::PublicKey { .. } => place.map(|at| files[at].certificates.clone()).unwrap_or_default(),
            };
            let plain = matches!(identity, AgentIdentity::PublicKey { .. });
            for certificate in own.into_iter().map(Some).chain(plain.then_some(None)) {
                if !self.offers(MethodKind::PublicKey) || self.has_used(&key) {
                    break;
                }
                let kind = if certificate.is_some() { "certificate" } else { "key" };
                let what = format!("the agent's {kind} {} ({})", comment(identity), print(&key));
                let hash = self.hash(&key).await?;
                let mut signer = AgentSigner { client: &mut client, identity, attempt: self.attempt };
                let result = match certificate {
                    Some(certificate) => {
                        self.handle.authenticate_certificate_with(self.user, certificate, hash, &mut signer).await
                    }
                    None => self.handle.authenticate_publickey_with(self.user, key.clone(), hash, &mut signer).await,
                };
                let came = match result {
                    Ok(result) => self.came("auth-agent", what, result),
                    Err(error) => {
                        self.note("auth-agent", what, format!("the agent did not sign: {error}"));
                        Came::No
                    }
                };
                if !matches!(came, Came::No) {
                    self.used.push(key);
                    return Ok(came);
                }
            }
        }
        Ok(Came::No)
    }

    async fn file(&mut self, file: &KeyFile, credentials: &Credentials) -> Result<Came, SshError> {
        let what = format!("the key {}", file.path.display());
        if file.public.as_ref().is_some_and(|key| self.has_used(key)) {
            return Ok(Came::No);
        }
        let mut key = file.unlocked(&credentials.kept);
        if key.is_none() {
            // Nobody is asked for the passphrase of a key that the machine does not want.
            if let Some(public) = &file.public
                && file.certificates.is_empty()
                && let Some(result) = self.unwanted(public).await?
            {
                return Ok(self.came("auth-key", what, result));
            }
            key = self.passphrase(file, credentials).await?;
        }
        let Some(key) = key else { return Ok(Came::No) };
        let certificates = file.certificates.iter().cloned().map(Some);
        for certificate in certificates.chain([None]) {
            if !self.offers(MethodKind::PublicKey) {
                break;
            }
            let kind = if certificate.is_some() { " with its certificate" } else { "" };
            let note = if file.open_to_others { ", which others can read: chmod 600 it" } else { "" };
            let what = format!("{what}{kind} ({}{note})", print(key.public_key()));
            let result = self.private(key.clone(), certificate).await?;
            let came = self.came("auth-key", what, result);
            if !matches!(came, Came::No) {
                self.used.push(key.public_key().clone());
                return Ok(came);
            }
        }
        Ok(Came::No)
    }

    /// Asks the machine about a key that is not decrypted yet. Nothing where it wants it.
    async fn unwanted(&mut self, key: &PublicKey) -> Result<Option<AuthResult>, SshError> {
        let hash = self.hash(key).await?;
        match self.handle.authenticate_publickey_with(self.user, key.clone(), hash, &mut Unsigned).await {
            Ok(result) => Ok(Some(result)),
            Err(Abandoned::Wanted) => Ok(None),
            Err(Abandoned::Lost) => Ok(Some(nothing())),
        }
    }
}

/// Signs nothing: only whether the machine would want a signature is of interest.
struct Unsigned;

enum Abandoned {
    Wanted,
    Lost,
}

impl From<russh::SendError> for Abandoned {
    fn from(_: russh::SendError) -> Self {
        Self::Lost
    }
}

impl Signer for Unsigned {
    type Error = Abandoned;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, Abandoned> {
        Err(Abandoned::Wanted)
    }
}

fn comment(identity: &AgentIdentity) -> String {
    let (AgentIdentity::PublicKey { comment, .. } | AgentIdentity::Certificate { comment, .. }) = identity;
    shown::line(comment, 80)
}

//! Whether a machine is the right one: by the key, or the certificate, that it shows.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::Preferred;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::attempt::Attempt;
use super::error::{ChangedKey, SshError};
use super::known_hosts::{self, Book, Entry, Marker};
use super::target::{HostKeyCheck, KnownHosts, Question};

/// What the machine is checked against.
pub(crate) struct Check {
    check: HostKeyCheck,
    book: Book,
}

impl Check {
    pub(crate) fn new(check: HostKeyCheck) -> Self {
        let book = match &check {
            HostKeyCheck::Pinned(_) => Book::default(),
            HostKeyCheck::Known(known) => Book::read(known),
        };
        Self { check, book }
    }

    /// The kinds of keys that are known come first, so that the machine shows one of those.
    pub(crate) fn preferred(&self) -> Preferred {
        let preferred = Preferred::default();
        let HostKeyCheck::Known(_) = self.check else { return preferred };
        // A signature with SHA-1 proves nothing any more.
        let all = preferred.key.iter().filter(|kind| !matches!(kind, Algorithm::Rsa { hash: None }));
        let (mut first, rest): (Vec<_>, Vec<_>) = all.cloned().partition(|kind| {
            let hosts = self.book.entries.iter().filter(|entry| entry.marker == Marker::Host);
            hosts.map(|entry| entry.key.algorithm()).any(|known| same(&known, kind))
        });
        first.extend(rest);
        let signed = self.book.entries.iter().any(|entry| entry.marker == Marker::Authority);
        let certificates = if signed { first.clone() } else { Vec::new() };
        Preferred { key: Cow::Owned(first), host_key_certificates: Cow::Owned(certificates), ..preferred }
    }

    /// Says how it is known.
    pub(crate) async fn check(&self, shown: &PublicKeyOrCertificate, attempt: &Attempt) -> Result<String, SshError> {
        match &self.check {
            HostKeyCheck::Pinned(expected) => pinned(expected, shown),
            HostKeyCheck::Known(known) => self.known(known, shown, attempt).await,
        }
    }

    async fn known(
        &self,
        known: &KnownHosts,
        shown: &PublicKeyOrCertificate,
        attempt: &Attempt,
    ) -> Result<String, SshError> {
        let key = shown.public_key();
        let mut invalid = None;
        self.not_revoked(&key)?;
        if let Some(certificate) = shown.certificate() {
            let authority = PublicKey::new(certificate.signature_key().clone(), "");
            self.not_revoked(&authority)?;
            if let Some(entry) = self.entry(Marker::Authority, &authority) {
                match valid(certificate, &known.host) {
                    Ok(()) => return Ok(format!("a certificate signed by the authority in {}", entry.place())),
                    Err(why) => invalid = Some((why, entry.place())),
                }
            }
        }
        if let Some(entry) = self.entry(Marker::Host, &key) {
            return Ok(format!("{} is known: {}", print(&key), entry.place()));
        }
        if let Some((why, place)) = invalid {
            let reason = format!("its certificate, signed by the authority in {place}, {why}");
            return Err(SshError::HostKeyRefused { reason });
        }
        // A machine shows a key of a kind that is known, if it still has it: another kind means that it has not.
        let able = Preferred::default().key;
        let mut other = self.entries(Marker::Host).filter(|entry| entry.exact);
        if let Some(entry) = other.find(|entry| able.iter().any(|kind| same(kind, &entry.key.algorithm()))) {
            return Err(SshError::HostKeyChanged(Box::new(ChangedKey {
                host: known_hosts::name(known),
                known: print(&entry.key),
                shown: print(&key),
                algorithm: key.algorithm().to_string(),
                file: entry.file.clone(),
                ours: entry.file == known.own,
                line: entry.line,
            })));
        }
        self.first(known, &key, attempt).await
    }

    /// A machine that was never seen.
    async fn first(&self, known: &KnownHosts, key: &PublicKey, attempt: &Attempt) -> Result<String, SshError> {
        let host = known_hosts::name(known);
        let (algorithm, fingerprint) = (key.algorithm().to_string(), print(key));
        let question =
            Question::HostKey { host: host.clone(), algorithm: algorithm.clone(), fingerprint: fingerprint.clone() };
        let what = format!("whether {host} is the right machine");
        if attempt.ask(known.asker.as_ref(), question, &what).await?.is_none() {
            let reason = format!(
                "{host} is in no file of known hosts, and nobody could be asked whether its key {fingerprint} \
                 ({algorithm}) is the right one; connect to it once by hand, or add its key"
            );
            return Err(SshError::HostKeyRefused { reason });
        }
        let (known, key) = (known.clone(), key.clone());
        let remembered = tokio::task::spawn_blocking(move || known_hosts::remember(&known, &key)).await;
        match remembered.map_err(std::io::Error::other).and_then(|remembered| remembered) {
            Ok(()) => Ok(format!("{fingerprint} was new; it was accepted and is remembered")),
            Err(error) => {
                tracing::warn!(%error, "a host key that was accepted could not be remembered");
                Ok(format!("{fingerprint} was new; it was accepted, but could not be remembered: {error}"))
            }
        }
    }

    /// What could not be read in the files.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.book.skipped
    }

    fn not_revoked(&self, key: &PublicKey) -> Result<(), SshError> {
        match self.entry(Marker::Revoked, key) {
            None => Ok(()),
            Some(entry) => Err(SshError::HostKeyRefused {
                reason: format!("the key {} is revoked in {}: it must not be used any more", print(key), entry.place()),
            }),
        }
    }

    fn entry(&self, marker: Marker, key: &PublicKey) -> Option<&Entry> {
        self.entries(marker).find(|entry| entry.key.key_data() == key.key_data())
    }

    fn entries(&self, marker: Marker) -> impl Iterator<Item = &Entry> {
        self.book.entries.iter().filter(move |entry| entry.marker == marker)
    }
}

fn pinned(expected: &str, shown: &PublicKeyOrCertificate) -> Result<String, SshError> {
    let expected = PublicKey::from_openssh(expected).map_err(|error| SshError::NotConnected {
        reason: format!("the key that the machine should show is not one: {error}"),
    })?;
    let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
        return Err(SshError::HostKey { expected: print(&expected), shown: print(&shown.public_key()) });
    };
    if key.key_data() == expected.key_data() {
        return Ok(format!("{} is the one that was expected", print(key)));
    }
    Err(SshError::HostKey { expected: print(&expected), shown: print(key) })
}

/// Whether a certificate is one of this host, now. Its signature is checked too.
fn valid(certificate: &Certificate, host: &str) -> Result<(), &'static str> {
    if certificate.cert_type() != CertType::Host {
        return Err("is for a user and not for a machine");
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if now < certificate.valid_after() || now >= certificate.valid_before() {
        return Err("is not valid now: it has expired, or is for later, or the clock of this computer is wrong");
    }
    certificate.validate_at(now, [&authority]).map_err(|_| "is not signed well")?;
    if !certificate.critical_options().is_empty() {
        return Err("has options that are not understood");
    }
    let host = host.to_ascii_lowercase();
    let named = |principal: &String| known_hosts::matches(principal.to_ascii_lowercase().as_bytes(), host.as_bytes());
    // OpenSSH takes a certificate without names for none, since 10.0: one for all machines is never meant.
    match certificate.valid_principals().iter().any(named) {
        true => Ok(()),
        false => Err("is not for a machine of this name"),
    }
}

/// Of one kind, whatever the hash of an RSA signature.
fn same(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

fn print(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

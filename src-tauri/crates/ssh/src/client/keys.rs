//! Private keys in files, their certificates, and what is kept of them in memory.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};
use zeroize::Zeroizing;

/// The largest file that is read as a key.
const FILE: u64 = 256 * 1024;

/// What a person has said, for as long as the app runs: a password that was accepted, and keys that were decrypted.
/// Shown as nothing.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    password: Option<Zeroizing<String>>,
    keys: HashMap<PathBuf, Arc<PrivateKey>>,
}

/// What a person has said of each account, for as long as the app runs. Shown as nothing.
#[derive(Clone, Default)]
pub struct Accounts(Arc<Mutex<HashMap<String, Kept>>>);

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Accounts {
    /// What was said of one; the same at each time.
    pub(crate) fn of(&self, user: &str, host: &str, port: u16) -> Kept {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.entry(format!("{user}@{host}:{port}")).or_default().clone()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Kept {
    pub(crate) fn password(&self) -> Option<Zeroizing<String>> {
        self.said().password.clone()
    }

    pub(crate) fn keep_password(&self, password: Option<Zeroizing<String>>) {
        self.said().password = password;
    }

    pub(crate) fn key(&self, file: &Path) -> Option<Arc<PrivateKey>> {
        self.said().keys.get(file).cloned()
    }

    pub(crate) fn keep_key(&self, file: &Path, key: Arc<PrivateKey>) {
        self.said().keys.insert(file.to_owned(), key);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that a key is in.
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    /// Its public half, where that can be known without its passphrase.
    pub(crate) public: Option<PublicKey>,
    pub(crate) certificates: Vec<Certificate>,
    /// Others may read it.
    pub(crate) open_to_others: bool,
    private: Option<Private>,
}

enum Private {
    Plain(Arc<PrivateKey>),
    Encrypted(Zeroizing<String>),
}

impl KeyFile {
    /// Nothing where there is no such file.
    pub(crate) fn read(path: &Path, more: &[Certificate]) -> Option<Result<Self, String>> {
        let text = match text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.to_string())),
        };
        Some(Self::parse(path, text, more))
    }

    fn parse(path: &Path, text: Zeroizing<String>, more: &[Certificate]) -> Result<Self, String> {
        let beside = beside(path, ".pub");
        let (public, private) = if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            // `IdentityFile` may name a public key, to choose one that an agent has.
            (Some(public), None)
        } else {
            let whole = PrivateKey::from_openssh(text.as_bytes()).ok();
            let sealed = whole.as_ref().map_or_else(|| is_encrypted(&text), PrivateKey::is_encrypted);
            if sealed {
                let public = whole.map(|key| key.public_key().clone());
                let public = public.or_else(|| PublicKey::from_openssh(self::text(&beside).ok()?.trim()).ok());
                (public, Some(Private::Encrypted(text)))
            } else {
                let key = decode_secret_key(&text, None).map_err(|_| "it is not a private key that can be used")?;
                (Some(key.public_key().clone()), Some(Private::Plain(Arc::new(key))))
            }
        };
        let own = certificate(&self::beside(path, "-cert.pub"));
        let certificates = own.into_iter().chain(more.iter().cloned());
        let certificates =
            certificates.filter(|one| public.as_ref().is_some_and(|key| key.key_data() == one.public_key())).collect();
        let open_to_others = private.is_some() && open_to_others(path);
        Ok(Self { path: path.to_owned(), public, certificates, open_to_others, private })
    }

    /// Whether the private half is there.
    pub(crate) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// The private half, where no passphrase is needed any more.
    pub(crate) fn unlocked(&self, kept: &Kept) -> Option<Arc<PrivateKey>> {
        match &self.private {
            Some(Private::Plain(key)) => Some(key.clone()),
            // The file may have been replaced since.
            Some(Private::Encrypted(_)) => kept.key(&self.path).filter(|key| {
                self.public.as_ref().is_none_or(|public| public.key_data() == key.public_key().key_data())
            }),
            None => None,
        }
    }

    /// Decrypts it; that takes a moment of the processor.
    pub(crate) async fn unlock(&self, passphrase: Zeroizing<String>) -> Option<Arc<PrivateKey>> {
        let Some(Private::Encrypted(text)) = &self.private else { return None };
        let text = text.clone();
        let decrypt = move || decode_secret_key(&text, Some(&passphrase)).ok().map(Arc::new);
        tokio::task::spawn_blocking(decrypt).await.ok().flatten()
    }
}

/// A user's certificate in a file.
pub(crate) fn certificate(path: &Path) -> Option<Certificate> {
    let certificate = Certificate::from_openssh(text(path).ok()?.trim()).ok()?;
    (certificate.cert_type() == CertType::User).then_some(certificate)
}

fn text(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    // Opening a pipe might never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    fs::File::open(path)?.take(FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn is_encrypted(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> bool {
    false
}

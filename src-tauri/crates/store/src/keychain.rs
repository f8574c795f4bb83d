//! The operating system's keychain, or its absence.
//!
//! On Linux the Secret Service, on macOS the Keychain, on Windows the Credential Manager. Where there is none, secrets
//! are kept in memory until the app closes and [`Keychain::status`] says so; they never go to a file.
//!
//! A keychain's calls block, and may wait for a person who is asked to unlock it. So they run on a thread of their own,
//! in order; opening costs nothing, and the keychain is first asked when something wants it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use berth_model::{ErrorCode, Keychain as Status, RpcError};
use keyring::v1::{Entry, Error as KeyringError};
use tokio::sync::{OnceCell, oneshot};
use zeroize::Zeroizing;

use crate::Secret;

/// What every item of Berth's in the keychain belongs to.
const SERVICE: &str = "Berth";
/// The bytes that a Windows credential holds at most.
const LIMIT: Option<usize> = if cfg!(windows) { Some(2560) } else { None };
/// How long a keychain may take to say whether it is there. Nobody is asked for a password for that.
const PATIENCE: Duration = Duration::from_secs(10);

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Task = Box<dyn FnOnce() + Send>;

/// Why the keychain did not do what was asked. No variant holds any part of a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    /// The secret is larger than this system's keychain can hold.
    #[error("This key has {size} bytes; the keychain of this system holds {limit} at most. It was not kept.")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// What fits.
        limit: usize,
    },
    /// The keychain is locked, and the person did not unlock it.
    #[error("The keychain is locked.")]
    Locked(#[source] Cause),
    /// The keychain refused for another reason.
    #[error("The keychain did not do what was asked.")]
    Failed(#[source] Cause),
}

impl From<KeyringError> for KeychainError {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::NoStorageAccess(cause) => Self::Locked(cause),
            KeyringError::PlatformFailure(cause) => Self::Failed(cause),
            // Some variants hold the secret's bytes: only the text, which has none of them, goes on.
            other => Self::Failed(other.to_string().into()),
        }
    }
}

impl From<KeychainError> for RpcError {
    fn from(error: KeychainError) -> Self {
        let rpc = Self::from_error(ErrorCode::Failed, &error);
        match error {
            KeychainError::Locked(_) => rpc.hint("Unlock the keychain, then try again."),
            _ => rpc,
        }
    }
}

/// Where secrets are kept, by name. A cheap handle.
#[derive(Clone)]
pub struct Keychain {
    inner: Arc<Inner>,
}

struct Inner {
    probe: fn() -> Result<(), String>,
    limit: Option<usize>,
    /// Decided by the first use and then kept: a secret must not be in two places.
    place: OnceCell<Place>,
}

enum Place {
    System(mpsc::Sender<Task>),
    Memory { reason: String, kept: Mutex<HashMap<String, Secret<String>>> },
}

impl Keychain {
    /// A handle to this system's keychain, which is not asked for anything yet.
    pub fn open() -> Self {
        Self::with(probe, LIMIT)
    }

    fn with(probe: fn() -> Result<(), String>, limit: Option<usize>) -> Self {
        Self { inner: Arc::new(Inner { probe, limit, place: OnceCell::new() }) }
    }

    /// Whether secrets can be kept beyond this run. Asks the keychain the first time, for ten seconds at most.
    pub async fn status(&self) -> Status {
        status(self.place().await)
    }

    /// What [`status`](Self::status) found; nothing where the keychain was not asked yet.
    pub fn known_status(&self) -> Option<Status> {
        self.inner.place.get().map(status)
    }

    /// Keeps a secret under a name, in place of what was there.
    pub async fn set(&self, name: &str, secret: Secret<String>) -> Result<(), KeychainError> {
        let size = secret.expose().len();
        if let Some(limit) = self.inner.limit.filter(|limit| size > *limit) {
            return Err(KeychainError::TooLarge { size, limit });
        }
        match self.place().await {
            Place::System(thread) => {
                on(thread, name, move |entry| Ok(entry.set_secret(secret.expose().as_bytes())?)).await
            }
            Place::Memory { kept, .. } => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secret);
                Ok(())
            }
        }
    }

    /// The secret kept under a name, if there is one.
    pub async fn get(&self, name: &str) -> Result<Option<Secret<String>>, KeychainError> {
        match self.place().await {
            Place::System(thread) => {
                on(thread, name, |entry| match entry.get_secret() {
                    Ok(bytes) => {
                        let bytes = Zeroizing::new(bytes);
                        let text = std::str::from_utf8(&bytes)
                            .map_err(|_| KeychainError::Failed("what it holds is not text".into()))?;
                        Ok(Some(Secret::new(text.to_owned())))
                    }
                    Err(KeyringError::NoEntry) => Ok(None),
                    Err(error) => Err(error.into()),
                })
                .await
            }
            Place::Memory { kept, .. } => Ok(kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()),
        }
    }

    /// Forgets the secret kept under a name, if there is one.
    pub async fn delete(&self, name: &str) -> Result<(), KeychainError> {
        match self.place().await {
            Place::System(thread) => {
                on(thread, name, |entry| match entry.delete_credential() {
                    Ok(()) | Err(KeyringError::NoEntry) => Ok(()),
                    Err(error) => Err(error.into()),
                })
                .await
            }
            Place::Memory { kept, .. } => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
                Ok(())
            }
        }
    }

    async fn place(&self) -> &Place {
        self.inner.place.get_or_init(|| find(self.inner.probe)).await
    }
}

/// Starts the thread and asks the keychain whether it is there.
async fn find(probe: fn() -> Result<(), String>) -> Place {
    let (thread, tasks) = mpsc::channel::<Task>();
    let started = std::thread::Builder::new().name("berth-keychain".to_owned()).spawn(move || {
        for task in tasks {
            task();
        }
    });
    let answer = match started {
        Ok(_) => match tokio::time::timeout(PATIENCE, ask(&thread, probe)).await {
            Ok(answer) => answer.unwrap_or_else(|| Err("its thread ended".to_owned())),
            Err(_) => Err(format!("it did not answer for {} seconds", PATIENCE.as_secs())),
        },
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(()) => Place::System(thread),
        Err(why) => {
            tracing::warn!(why, "no keychain: secrets are kept in memory");
            Place::Memory { reason: reason(&why), kept: Mutex::default() }
        }
    }
}

/// Runs `task` on the keychain's thread; nothing where that is gone.
async fn ask<T: Send + 'static>(thread: &mpsc::Sender<Task>, task: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, result) = oneshot::channel();
    let task = move || {
        // The caller may have been cancelled; the work counts all the same.
        let _ = reply.send(task());
    };
    thread.send(Box::new(task)).ok()?;
    result.await.ok()
}

/// Runs `task` with the item of that name.
async fn on<T: Send + 'static>(
    thread: &mpsc::Sender<Task>,
    name: &str,
    task: impl FnOnce(Entry) -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    let name = name.to_owned();
    ask(thread, move || task(Entry::new(SERVICE, &name)?))
        .await
        .unwrap_or_else(|| Err(KeychainError::Failed("its thread ended".into())))
}

/// Looks for an item that is not there: a keychain that can say so works, and no person is asked to unlock anything.
fn probe() -> Result<(), String> {
    if let Err(error) = Entry::store_status() {
        return Err(chain(error));
    }
    match Entry::new(SERVICE, "is-it-there").and_then(|entry| entry.get_secret()) {
        Ok(_) | Err(KeyringError::NoEntry) => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}

/// An error and its causes in one line; a cause whose text the error already has is left out.
fn chain(error: &KeyringError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn reason(why: &str) -> String {
    let mend = if cfg!(target_os = "linux") {
        "To keep them, install and start a keyring such as GNOME Keyring or KWallet, then start Berth again."
    } else {
        "To keep them, log in to a desktop session, then start Berth again."
    };
    format!("There is no keychain here ({why}). Keys are kept until Berth closes. {mend}")
}

fn status(place: &Place) -> Status {
    match place {
        Place::System(_) => Status::Available,
        Place::Memory { reason, .. } => Status::Missing { reason: reason.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_there() -> Result<(), String> {
        Err("no bus".to_owned())
    }

    #[tokio::test]
    async fn without_a_keychain_secrets_stay_in_memory() {
        let keychain = Keychain::with(nothing_there, None);
        assert_eq!(keychain.known_status(), None);
        let Status::Missing { reason } = keychain.status().await else { panic!("it should be missing") };
        assert!(reason.contains("no bus") && reason.contains("until Berth closes"), "{reason}");
        assert_eq!(keychain.known_status(), Some(Status::Missing { reason }));

        keychain.set("key", Secret::new("one".to_owned())).await.unwrap();
        let same = keychain.clone();
        same.set("key", Secret::new("two".to_owned())).await.unwrap();
        assert_eq!(keychain.get("key").await.unwrap().unwrap().expose(), "two");
        keychain.delete("key").await.unwrap();
        keychain.delete("key").await.unwrap();
        assert!(same.get("key").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_by_size() {
        let keychain = Keychain::with(nothing_there, Some(2560));
        keychain.set("key", Secret::new("x".repeat(2560))).await.unwrap();
        let error = keychain.set("key", Secret::new("y".repeat(2561))).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("2561") && text.contains("2560") && !text.contains("yy"), "{text}");
        assert_eq!(keychain.get("key").await.unwrap().unwrap().expose().len(), 2560);
    }

    #[test]
    fn errors_of_the_keychain_carry_no_secret() {
        let held = KeyringError::BadEncoding(b"hunter2".to_vec());
        assert!(!format!("{:?}", KeychainError::from(held)).contains("104, 117"));
        let held = KeyringError::BadDataFormat(b"hunter2".to_vec(), "broken".into());
        let error = format!("{:?}", KeychainError::from(held));
        assert!(!error.contains("104, 117") && error.contains("broken"), "{error}");
    }
}

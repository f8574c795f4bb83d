//! Asks a person what only they know of a machine, and remembers what they want remembered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_model::{Ask, Machine, MachineId, Prompt};
use berth_ssh::{Accounts, Asker, Question};
use berth_store::{Keychain, Secret};
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::questions::Questions;

/// What was said of each machine while the engine runs: a password that was typed for a check is not asked for again by
/// the channel that is made after it.
#[derive(Default)]
pub struct Said(Mutex<HashMap<MachineId, Accounts>>);

impl Said {
    /// What was said of one.
    pub fn of(&self, machine: &MachineId) -> Accounts {
        self.lock().entry(machine.clone()).or_default().clone()
    }

    /// Forgets it.
    pub fn forget(&self, machine: &MachineId) {
        self.lock().remove(machine);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MachineId, Accounts>> {
        // Every single change leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for one machine.
pub struct MachineAsker {
    questions: Arc<Questions>,
    keychain: Keychain,
    id: MachineId,
    name: String,
}

impl std::fmt::Debug for MachineAsker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MachineAsker").field(&self.name).finish()
    }
}

impl MachineAsker {
    /// For a machine; its secrets are one item of the keychain.
    pub fn new(questions: Arc<Questions>, keychain: Keychain, machine: &Machine) -> Self {
        Self { questions, keychain, id: machine.id.clone(), name: machine.name.clone() }
    }

    async fn answer(&self, question: Question) -> Option<Vec<Zeroizing<String>>> {
        let (ask, secret, again) = match question {
            Question::HostKey { host, algorithm, fingerprint } => {
                (Ask::HostKey { host, algorithm, fingerprint }, None, false)
            }
            Question::Password { user, host, again } => {
                let secret = format!("password {user}@{host}");
                (Ask::Password { user, host, again }, Some(secret), again)
            }
            Question::Passphrase { file, again } => {
                let file = file.display().to_string();
                let secret = format!("passphrase {file}");
                (Ask::Passphrase { file, again }, Some(secret), again)
            }
            Question::Prompts { title, instructions, prompts } => {
                let prompts = prompts.into_iter().map(|(text, echo)| Prompt { text, echo }).collect();
                (Ask::Prompts { title, instructions, prompts }, None, false)
            }
        };
        let Some(secret) = secret else {
            return Some(self.questions.ask(&self.name, ask).await?.answers);
        };
        let mut kept = self.kept().await;
        if again {
            if kept.remove(&secret).is_some() {
                self.keep(&kept).await;
            }
        } else if let Some(answer) = kept.get(&secret) {
            return Some(vec![Zeroizing::new(answer.clone())]);
        }
        let reply = self.questions.ask(&self.name, ask).await?;
        if let Some(answer) = reply.answers.first().filter(|_| reply.remember) {
            kept.insert(secret, String::clone(answer));
            self.keep(&kept).await;
        }
        Some(reply.answers)
    }

    async fn kept(&self) -> BTreeMap<String, String> {
        match self.keychain.get(&item(&self.id)).await {
            Ok(Some(text)) => serde_json::from_str(text.expose()).unwrap_or_default(),
            Ok(None) => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(%error, machine = %self.id, "what opens a machine could not be read from the keychain");
                BTreeMap::new()
            }
        }
    }

    async fn keep(&self, kept: &BTreeMap<String, String>) {
        let Ok(text) = serde_json::to_string(kept) else { return };
        if let Err(error) = self.keychain.set(&item(&self.id), Secret::new(text)).await {
            tracing::warn!(%error, machine = %self.id, "what opens a machine could not be kept in the keychain");
        }
    }
}

impl Asker for MachineAsker {
    fn ask(&self, question: Question) -> BoxFuture<'_, Option<Vec<Zeroizing<String>>>> {
        Box::pin(self.answer(question))
    }
}

/// The name of a machine's item in the keychain.
pub fn item(machine: &MachineId) -> String {
    format!("machine/{machine}")
}

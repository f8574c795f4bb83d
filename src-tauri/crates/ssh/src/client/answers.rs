//! What only a person knows: passphrases, passwords, and what a machine asks in its own words.

use std::sync::Arc;

use russh::MethodKind;
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::PrivateKey;
use zeroize::Zeroizing;

use super::error::SshError;
use super::keys::KeyFile;
use super::login::{Came, Login};
use super::shown;
use super::target::{Credentials, Question};

/// How often a person is asked for the same.
pub(super) const ASKED: usize = 3;
/// How many rounds of questions a machine may ask, and how many questions in one.
const ROUNDS: usize = 16;
const PROMPTS: usize = 16;

impl<H: client::Handler> Login<'_, H> {
    pub(super) async fn passphrase(
        &mut self,
        file: &KeyFile,
        credentials: &Credentials,
    ) -> Result<Option<Arc<PrivateKey>>, SshError> {
        let name = format!("the key {}", file.path.display());
        let what = format!("the passphrase of {name}");
        for again in 0..ASKED {
            let question = Question::Passphrase { file: file.path.clone(), again: again > 0 };
            let Some(answers) = self.attempt.ask(credentials.asker.as_ref(), question, &what).await? else {
                self.note("auth-key", name, "it has a passphrase, and nobody could be asked for it".to_owned());
                return Ok(None);
            };
            let Some(passphrase) = answers.into_iter().next() else { continue };
            if let Some(key) = file.unlock(passphrase).await {
                credentials.kept.keep_key(&file.path, key.clone());
                return Ok(Some(key));
            }
        }
        self.note("auth-key", name, format!("the passphrase was wrong {ASKED} times"));
        Ok(None)
    }

    /// Questions in the machine's own words. Nothing where nobody can be asked.
    pub(super) async fn prompts(&mut self, credentials: &Credentials) -> Result<Option<Came>, SshError> {
        let mut reply =
            or_closed(self.handle.authenticate_keyboard_interactive_start(self.user, None::<String>).await)?;
        let mut kept = credentials.kept.password();
        let mut typed = None;
        for _ in 0..ROUNDS {
            let (title, instructions, prompts) = match reply {
                KeyboardInteractiveAuthResponse::Success => {
                    credentials.kept.keep_password(typed.or(credentials.kept.password()));
                    return Ok(Some(self.came("auth-prompts", "its questions".to_owned(), AuthResult::Success)));
                }
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    if partial_success {
                        credentials.kept.keep_password(typed.or(credentials.kept.password()));
                    } else if kept.is_none() && credentials.kept.password().is_some() {
                        // It was answered with what was kept, which is not right any more.
                        credentials.kept.keep_password(None);
                    }
                    let result = AuthResult::Failure { remaining_methods, partial_success };
                    return Ok(Some(self.came("auth-prompts", "its questions".to_owned(), result)));
                }
                KeyboardInteractiveAuthResponse::InfoRequest { name, instructions, prompts } => {
                    (name, instructions, prompts)
                }
            };
            let password = is_password(&prompts);
            let answers = match (prompts.len(), kept.take().filter(|_| password)) {
                (0, _) => Vec::new(),
                (_, Some(kept)) => vec![kept],
                (count @ ..=PROMPTS, None) => {
                    let prompts = prompts.iter().map(|prompt| (shown::line(&prompt.prompt, 500), prompt.echo));
                    let question = Question::Prompts {
                        title: shown::line(&title, 200),
                        instructions: shown::lines(&instructions, 4000),
                        prompts: prompts.collect(),
                    };
                    let what = format!("what {} asks", self.host);
                    let Some(mut answers) = self.attempt.ask(credentials.asker.as_ref(), question, &what).await? else {
                        self.note("auth-prompts", "its questions".to_owned(), "nobody could be asked".to_owned());
                        // It waits for an answer, which no other method is tried before.
                        let none = vec![String::new(); count];
                        let reply = or_closed(self.handle.authenticate_keyboard_interactive_respond(none).await)?;
                        if let KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } = reply {
                            self.offered = remaining_methods.to_vec();
                        }
                        return Ok(None);
                    };
                    answers.resize_with(count, Zeroizing::default);
                    if password {
                        typed = answers.first().cloned();
                    } else {
                        self.attempt.asked_anew();
                    }
                    answers
                }
                _ => {
                    self.note("auth-prompts", "its questions".to_owned(), "they are too many".to_owned());
                    return Ok(Some(Came::No));
                }
            };
            let answers = answers.iter().map(|answer| answer.to_string()).collect();
            reply = or_closed(self.handle.authenticate_keyboard_interactive_respond(answers).await)?;
        }
        self.note("auth-prompts", "its questions".to_owned(), "they do not end".to_owned());
        self.offered.clear();
        Ok(Some(Came::No))
    }

    pub(super) async fn password(&mut self, credentials: &Credentials) -> Result<Came, SshError> {
        let what = format!("the password of {}@{}", self.user, self.host);
        let mut kept = credentials.kept.password();
        let mut again = false;
        for _ in 0..ASKED {
            if !self.offers(MethodKind::Password) {
                break;
            }
            let password = match kept.take() {
                Some(password) => password,
                None => {
                    let (user, host) = (self.user.to_owned(), self.host.to_owned());
                    let question = Question::Password { user, host, again };
                    let Some(answers) = self.attempt.ask(credentials.asker.as_ref(), question, &what).await? else {
                        self.note("auth-password", "a password".to_owned(), "nobody could be asked for it".to_owned());
                        return Ok(Came::No);
                    };
                    answers.into_iter().next().unwrap_or_default()
                }
            };
            let result = self.handle.authenticate_password(self.user, password.as_str()).await?;
            let came = self.came("auth-password", "a password".to_owned(), result);
            if !matches!(came, Came::No) {
                credentials.kept.keep_password(Some(password));
                return Ok(came);
            }
            credentials.kept.keep_password(None);
            again = true;
        }
        Ok(Came::No)
    }
}

/// One that hung up has not let us in.
fn or_closed(
    reply: Result<KeyboardInteractiveAuthResponse, russh::Error>,
) -> Result<KeyboardInteractiveAuthResponse, SshError> {
    match reply {
        Err(russh::Error::RecvError | russh::Error::SendError) => Ok(KeyboardInteractiveAuthResponse::Failure {
            remaining_methods: russh::MethodSet::empty(),
            partial_success: false,
        }),
        reply => Ok(reply?),
    }
}

fn is_password(prompts: &[Prompt]) -> bool {
    let [prompt] = prompts else { return false };
    // One-time codes are not for twice.
    let text = prompt.prompt.to_lowercase();
    !prompt.echo && text.contains("password") && !text.contains("one-time") && !text.contains("otp")
}

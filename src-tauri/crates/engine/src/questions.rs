//! What only a person can answer: from where it comes up to the window that shows it, and back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_model::{Ask, Empty, ErrorCode, Question, QuestionAnswer, QuestionId, RpcError};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::hub::Hub;

/// A question that nobody answers for so long was not seen.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a person answered.
#[derive(Clone)]
pub struct Reply {
    /// One for each thing that was asked.
    pub answers: Vec<Zeroizing<String>>,
    /// Whether it should be kept in the keychain.
    pub remember: bool,
}

/// All that waits for an answer.
pub struct Questions {
    hub: Arc<Hub>,
    waiting: Mutex<Vec<Waiting>>,
}

/// One question, and everybody who asked it: several connections to a machine ask a person once.
struct Waiting {
    question: Question,
    reply: watch::Sender<Answer>,
}

/// One who waits for an answer; with the last of them a question is gone from the window.
struct Asked<'a> {
    questions: &'a Questions,
    reply: watch::Receiver<Answer>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        // In place of the one that would count on.
        self.reply = watch::channel(Answer::Refused).1;
        self.questions.tidy();
    }
}

#[derive(Clone)]
enum Answer {
    Open,
    Given(Reply),
    Refused,
}

impl Questions {
    /// None yet; listeners hear of them by `hub`.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, waiting: Mutex::default() }
    }

    /// Asks for `machine` (its name) and waits; nothing where the person does not want to answer, or did not see it.
    pub async fn ask(&self, machine: &str, ask: Ask) -> Option<Reply> {
        let mut asked = Asked { questions: self, reply: self.put(machine, ask) };
        let answer = asked.reply.wait_for(|answer| !matches!(answer, Answer::Open));
        match tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()?.clone() {
            Answer::Given(reply) => Some(reply),
            Answer::Open | Answer::Refused => None,
        }
    }

    fn put(&self, machine: &str, ask: Ask) -> watch::Receiver<Answer> {
        let mut waiting = self.lock();
        let same = waiting.iter().find(|other| other.question.machine == machine && other.question.ask == ask);
        if let Some(same) = same {
            return same.reply.subscribe();
        }
        let question = Question { id: QuestionId::fresh(), machine: machine.to_owned(), ask };
        let (reply, receiver) = watch::channel(Answer::Open);
        waiting.push(Waiting { question, reply });
        self.show(&waiting);
        receiver
    }

    /// A person answers.
    pub fn answer(&self, given: QuestionAnswer) -> Result<Empty, RpcError> {
        let answers = given.answers.into_iter().map(|hidden| Zeroizing::new(hidden.0)).collect();
        self.settle(&given.question, Answer::Given(Reply { answers, remember: given.remember }))
    }

    /// A person does not want to answer.
    pub fn refuse(&self, question: &QuestionId) -> Result<Empty, RpcError> {
        self.settle(question, Answer::Refused)
    }

    fn settle(&self, id: &QuestionId, answer: Answer) -> Result<Empty, RpcError> {
        let mut waiting = self.lock();
        let Some(at) = waiting.iter().position(|waiting| waiting.question.id == *id) else {
            return Err(RpcError::new(ErrorCode::NotFound, "This is not asked any more."));
        };
        let settled = waiting.remove(at);
        self.show(&waiting);
        settled.reply.send_replace(answer);
        Ok(Empty {})
    }

    /// Takes away what nobody wants to know any more.
    fn tidy(&self) {
        let mut waiting = self.lock();
        let before = waiting.len();
        waiting.retain(|waiting| waiting.reply.receiver_count() > 0);
        if waiting.len() < before {
            self.show(&waiting);
        }
    }

    fn show(&self, waiting: &[Waiting]) {
        self.hub.questions(waiting.iter().map(|waiting| waiting.question.clone()).collect());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Every change leaves the list whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use berth_model::{Keychain, Settings};

    use super::*;

    fn questions() -> Questions {
        Questions::new(Arc::new(Hub::new("test".to_owned(), Settings::default(), Keychain::Available, Vec::new())))
    }

    fn ask() -> Ask {
        Ask::Password { user: "ada".to_owned(), host: "box".to_owned(), again: false }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_asked_any_more() {
        let questions = questions();
        let shown = || questions.hub.snapshot().questions;
        let (first, second) = (questions.ask("box", ask()), questions.ask("box", ask()));
        {
            let mut first = Box::pin(first);
            assert!(futures::poll!(&mut first).is_pending());
            {
                let mut second = Box::pin(second);
                assert!(futures::poll!(&mut second).is_pending());
            }
            assert_eq!(shown().len(), 1, "one still waits");
        }
        assert!(shown().is_empty(), "a dialog would stay that leads nowhere");
    }

    #[tokio::test]
    async fn an_answer_reaches_all_who_asked() {
        let questions = questions();
        let (first, second) = (questions.ask("box", ask()), questions.ask("box", ask()));
        let answer = async {
            tokio::task::yield_now().await;
            let id = questions.hub.snapshot().questions[0].id.clone();
            questions.refuse(&id).unwrap();
            assert_eq!(questions.refuse(&id).unwrap_err().code, ErrorCode::NotFound);
        };
        let (first, second, ()) = tokio::join!(first, second, answer);
        assert!(first.is_none() && second.is_none());
        assert!(questions.hub.snapshot().questions.is_empty());
    }
}

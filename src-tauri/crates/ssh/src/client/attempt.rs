//! What goes along with one attempt to connect: its time, which stands still while a person thinks, and its trace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::error::SshError;
use super::target::{Asker, Question};
use super::trace::Trace;

/// One attempt to connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempt {
    pub(crate) trace: Trace,
    /// Nobody is asked: for a connection that nobody waits for.
    silent: bool,
    thinking: Arc<Mutex<Thinking>>,
    /// Nobody waits for what comes of it any more: russh goes on with a handshake by itself.
    over: CancellationToken,
    /// A person was asked a question, and not only waited for.
    asked: Arc<AtomicBool>,
    /// A person answered what is asked anew at each login, such as a one-time code.
    anew: Arc<AtomicBool>,
}

/// How long a person has been thinking.
#[derive(Debug, Default)]
struct Thinking {
    before: Duration,
    since: Option<Instant>,
}

impl Attempt {
    /// In which nobody is asked anything.
    pub(crate) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    pub(crate) fn traced(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    /// Dropped when nobody waits for it any more: what a person is asked for it is asked no longer.
    pub(crate) fn awaited(&self) -> DropGuard {
        self.over.clone().drop_guard()
    }

    /// The same attempt, for a jump host on the way.
    pub(crate) fn hop(&self, hop: usize) -> Self {
        Self { trace: self.trace.hop(hop), ..self.clone() }
    }

    /// Nothing where it takes longer; a person's time does not count.
    pub(crate) async fn limit<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (begun, before) = (Instant::now(), self.thought());
        let mut work = std::pin::pin!(work);
        loop {
            let left = (limit + self.thought().saturating_sub(before)).checked_sub(begun.elapsed())?;
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep(left.max(Duration::from_millis(20))) => {}
            }
        }
    }

    /// Waits for what a person does.
    pub(crate) async fn unhurried<T>(&self, work: impl Future<Output = T>) -> T {
        let _thinking = Person::begins(self);
        work.await
    }

    /// Asks a person; nothing where there is nobody to ask.
    pub(crate) async fn ask(
        &self,
        asker: Option<&Arc<dyn Asker>>,
        question: Question,
        what: &str,
    ) -> Result<Option<Vec<Zeroizing<String>>>, SshError> {
        let Some(asker) = asker.filter(|_| !self.silent) else { return Ok(None) };
        self.asked.store(true, Ordering::Relaxed);
        let answer = self.unhurried(self.over.run_until_cancelled(asker.ask(question))).await.flatten();
        answer.map(Some).ok_or_else(|| SshError::Declined { what: what.to_owned() })
    }

    /// Whether there is somebody to ask.
    pub(crate) fn can_ask(&self, asker: Option<&Arc<dyn Asker>>) -> bool {
        asker.is_some() && !self.silent
    }

    /// Tells that a person was asked for something that is good for once.
    pub(crate) fn asked_anew(&self) {
        self.anew.store(true, Ordering::Relaxed);
    }

    /// Whether another login needs the person again.
    pub(crate) fn asks_each_time(&self) -> bool {
        self.anew.load(Ordering::Relaxed)
    }

    /// Whether a person was asked something.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a person was waited for: for an answer, or to touch a key.
    pub(crate) fn has_waited(&self) -> bool {
        self.thought() > Duration::ZERO
    }

    fn thought(&self) -> Duration {
        let thinking = self.thinking();
        thinking.before + thinking.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn thinking(&self) -> MutexGuard<'_, Thinking> {
        self.thinking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person who thinks, until dropped.
struct Person<'a>(&'a Attempt);

impl<'a> Person<'a> {
    fn begins(attempt: &'a Attempt) -> Self {
        attempt.thinking().since = Some(Instant::now());
        Self(attempt)
    }
}

impl Drop for Person<'_> {
    fn drop(&mut self) {
        let mut thinking = self.0.thinking();
        if let Some(since) = thinking.since.take() {
            thinking.before += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_persons_time_does_not_count() {
        let attempt = Attempt::default();
        let slow = attempt.unhurried(tokio::time::sleep(Duration::from_millis(300)));
        assert!(attempt.limit(Duration::from_millis(100), slow).await.is_some());
        let slow = tokio::time::sleep(Duration::from_millis(300));
        assert!(attempt.limit(Duration::from_millis(100), slow).await.is_none());
    }
}

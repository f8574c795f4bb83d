//! Who is there: so that an engine without a window can end itself when nobody has needed it for a while.

use std::time::Duration;

use tokio::sync::watch;

/// Counts those who need the engine now. Clones count together.
#[derive(Debug, Clone)]
pub struct Presence(watch::Sender<usize>);

/// Somebody needs the engine for as long as this lives.
#[derive(Debug)]
pub struct Visit(watch::Sender<usize>);

impl Presence {
    /// Nobody yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// One more.
    pub fn enter(&self) -> Visit {
        self.0.send_modify(|count| *count += 1);
        Visit(self.0.clone())
    }

    /// Ends when nobody was there for the whole of `period`.
    pub async fn absent_for(&self, period: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is `self.0`, so neither wait can fail.
            let _ = count.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(period, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_short_visit_starts_the_period_anew() {
        let presence = Presence::new();
        let long = presence.enter();
        let period = Duration::from_millis(80);
        let mut absent = Box::pin(presence.absent_for(period));
        assert!(tokio::time::timeout(period * 2, &mut absent).await.is_err(), "somebody is there");
        drop(long);
        assert!(tokio::time::timeout(period / 2, &mut absent).await.is_err(), "not long enough");
        drop(presence.enter());
        assert!(tokio::time::timeout(period / 2, &mut absent).await.is_err(), "a call came in between");
        assert!(tokio::time::timeout(period * 4, &mut absent).await.is_ok());
    }
}

//! Checks that run: one of each machine, and of each sandbox, at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_model::{CheckOf, CheckReport, ErrorCode, RpcError};
use tokio_util::sync::CancellationToken;

/// All that run.
#[derive(Default)]
pub struct Checks(Mutex<Vec<(CheckOf, CancellationToken)>>);

impl Checks {
    /// Makes one; another one of the same ends.
    pub async fn make(
        &self,
        of: &CheckOf,
        check: impl Future<Output = Result<CheckReport, RpcError>>,
    ) -> Result<CheckReport, RpcError> {
        let token = CancellationToken::new();
        {
            let mut all = self.lock();
            end(&mut all, of);
            all.push((of.clone(), token.clone()));
        }
        // However it ends, and also where nobody waits for it any more.
        let _ended = token.clone().drop_guard();
        tokio::select! {
            biased;
            () = token.cancelled() => Err(RpcError::new(ErrorCode::Cancelled, "The check was given up.")),
            report = check => report,
        }
    }

    /// Ends the check of this, with what it asks a person.
    pub fn cancel(&self, of: &CheckOf) {
        end(&mut self.lock(), of);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(CheckOf, CancellationToken)>> {
        // Every change leaves the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(all: &mut Vec<(CheckOf, CancellationToken)>, of: &CheckOf) {
    all.retain(|(other, token)| {
        if other == of {
            token.cancel();
        }
        !token.is_cancelled()
    });
}

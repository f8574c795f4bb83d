//! What a machine says when it hangs up.

use std::sync::{Arc, OnceLock};

use super::shown;

/// What a machine said when it hung up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Farewell(Arc<OnceLock<String>>);

impl Farewell {
    pub(crate) fn say(&self, text: &str) {
        let _ = self.0.set(shown::line(text, 200));
    }

    pub(crate) fn said(&self) -> Option<&str> {
        self.0.get().map(String::as_str).filter(|said| !said.is_empty())
    }
}

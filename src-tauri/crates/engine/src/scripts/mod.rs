//! Scripts on their way to a sandbox and back: run, counted, written to the audit log.

mod runner;
mod trail;

pub use runner::{Audited, Runner, call};
pub use trail::{Told, Trail, row};

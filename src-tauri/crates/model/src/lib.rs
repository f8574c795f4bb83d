//! Everything that crosses to TypeScript, and nothing else: ids, records, events, errors, and the one table of
//! commands that the window, `berthctl`, scripts and MCP all speak.
//!
//! No IO and no state live here. A front door turns a name and a JSON payload into a call by [`dispatch`]; the engine
//! answers by implementing [`Commands`], so a command without a handler does not compile. The TypeScript twin of this
//! crate is generated (`ui/src/lib/api/generated.ts`) and a test fails when it has drifted.

mod action;
mod channel;
mod commands;
mod error;
mod event;
mod id;
mod job;
mod machine;
mod preview;
mod sandbox;
mod timeline;
mod transfer;
pub mod typescript;

pub use action::*;
pub use channel::*;
pub use commands::*;
pub use error::*;
pub use event::*;
pub use id::*;
pub use job::*;
pub use machine::*;
pub use preview::*;
pub use sandbox::*;
pub use timeline::*;
pub use transfer::*;

/// Milliseconds since the Unix epoch, UTC.
pub type UnixMillis = i64;

/// Derives what every type of this crate that crosses to TypeScript needs.
#[macro_export]
#[doc(hidden)]
macro_rules! wire {
    ($($item:item)*) => { $(
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::ts_rs::TS)]
        $item
    )* };
}

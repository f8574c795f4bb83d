//! Files and folders, up and down.
//!
//! As one tar stream where the machine has `tar`, file by file where it has none. What is on its way up is put into a
//! hidden folder beside its place and moved at the end; what comes down is checked by name and kind before any of it is
//! written, for it comes from a machine that need not be honest. Big files go by themselves, so that one that was cut
//! goes on from where it was.

mod big;
mod down;
mod list;
mod local;
mod outcome;
mod pack;
mod pipe;
mod place;
mod sum;
mod unpack;
mod up;
mod walk;

pub use down::forget_download;
pub use outcome::{Missed, Outcome, TreeOptions};

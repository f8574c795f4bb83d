//! What became of a transfer.

use tokio_util::sync::CancellationToken;

use std::sync::Arc;

/// So many of what did not arrive are named.
const NAMED: usize = 100;

/// How files and folders are transferred.
#[derive(Clone)]
pub struct TreeOptions {
    /// Names the transfer: what has arrived of it is found again by that. Letters, digits and dashes.
    pub id: String,
    /// An earlier try under the same id was cut: what it brought is not sent again.
    pub resume: bool,
    /// Stops it; what has arrived is kept.
    pub cancel: CancellationToken,
    /// Is told the bytes of content that have arrived, and how many there are once that is known.
    pub progress: Arc<dyn Fn(u64, Option<u64>) + Send + Sync>,
}

/// What has arrived, and what has not.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bytes of content, with those of earlier tries.
    pub bytes: u64,
    /// What did not arrive.
    pub missed: Missed,
}

/// What did not arrive though the rest did: the first of it by name.
#[derive(Debug, Default)]
pub struct Missed {
    /// What is never transferred: sockets, devices, and links that lead outside.
    pub left_out: Vec<String>,
    /// What could not be read or written.
    pub failed: Vec<String>,
    /// How many there are of both, named or not.
    pub count: u64,
}

impl Missed {
    pub(super) fn left_out(&mut self, name: &[u8], why: &str) {
        self.count += 1;
        note(&mut self.left_out, name, why);
    }

    pub(super) fn failed(&mut self, name: &[u8], why: &str) {
        self.count += 1;
        note(&mut self.failed, name, why);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.left_out.extend(other.left_out);
        self.failed.extend(other.failed);
        self.left_out.truncate(NAMED);
        self.failed.truncate(NAMED);
    }
}

/// Names come from the machine: what they could do to a terminal or a log, they do not.
fn note(list: &mut Vec<String>, name: &[u8], why: &str) {
    if list.len() < NAMED {
        let name: String = String::from_utf8_lossy(name).chars().take(200).collect();
        list.push(format!("{name:?}: {why}"));
    }
}

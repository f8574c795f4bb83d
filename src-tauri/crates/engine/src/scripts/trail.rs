//! What an action leaves behind, whatever becomes of it: its row in the audit log, and its card.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use berth_model::{
    ActionId, ActionStatus, AuditRow, Author, ChannelId, Entry, EntryBody, ErrorCode, JobId, RpcError, Verb,
};
use berth_tools::Script;

use crate::hub::now;
use crate::world::World;

/// The most of an output that a card shows, in bytes; the timeline is no archive.
pub const CARD_OUTPUT: usize = 16 * 1024;
/// The most of a script that the audit log keeps, in bytes.
const AUDIT_SCRIPT: usize = 64 * 1024;

/// What a card and the audit log tell of an action that succeeded.
#[derive(Debug, Default)]
pub struct Told {
    /// A few words.
    pub summary: Option<String>,
    /// Output or a diff.
    pub output: Option<String>,
    /// A command's exit code.
    pub exit_code: Option<i32>,
    /// The job it started.
    pub job: Option<JobId>,
    /// Absolute paths that changed.
    pub changed: Vec<String>,
}

/// An audit row that grows while its action runs.
#[derive(Clone)]
pub struct Row(Arc<Mutex<AuditRow>>);

/// The row of an action that begins now. It says what is known of one that nobody saw the end of.
pub fn row(action: ActionId, channel: (&ChannelId, &str), caller: &Author, verb: Verb, subject: String) -> Row {
    Row(Arc::new(Mutex::new(AuditRow {
        row: 0,
        action,
        channel: channel.0.clone(),
        channel_name: channel.1.to_owned(),
        author: caller.clone(),
        verb,
        subject,
        script: String::new(),
        at: now(),
        duration_ms: 0,
        exit_code: None,
        error: Some("Berth ended before the outcome was seen; whether it was done is not known.".to_owned()),
        bytes_in: 0,
        bytes_out: 0,
    })))
}

impl Row {
    /// As it stands.
    pub fn copy(&self) -> AuditRow {
        self.lock().clone()
    }

    /// A script goes out. Returns the bytes in and out before it.
    pub fn sends(&self, script: &Script) -> (u64, u64) {
        let mut row = self.lock();
        let before = (row.bytes_in, row.bytes_out);
        if !row.script.is_empty() {
            row.script.push('\n');
        }
        let text = &script.text[..script.text.len().min(AUDIT_SCRIPT)];
        row.script.push_str(&String::from_utf8_lossy(text));
        let end = floor(&row.script, row.script.len().min(AUDIT_SCRIPT));
        row.script.truncate(end);
        let sent = script.text.len() + script.stdin.as_ref().map_or(0, Vec::len);
        row.bytes_in += u64::try_from(sent).unwrap_or(u64::MAX);
        before
    }

    /// What runs, where it is no script that a tool made.
    pub fn runs(&self, command: &str) {
        command.clone_into(&mut self.lock().script);
    }

    /// So many bytes were seen to come back.
    pub fn hears(&self, bytes: usize) {
        self.lock().bytes_out += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// What was counted on the way is known exactly now.
    pub fn counts(&self, bytes_in: u64, bytes_out: u64) {
        let mut row = self.lock();
        (row.bytes_in, row.bytes_out) = (bytes_in, bytes_out);
    }

    fn lock(&self) -> MutexGuard<'_, AuditRow> {
        // Every single change leaves the row whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An action that goes on. Dropped before its end, it is told of as one whose caller went away.
pub struct Trail {
    world: Arc<World>,
    row: Row,
    entry: Option<Entry>,
    begun: Instant,
    open: bool,
}

impl Trail {
    /// The action begins: should this process die, the next one finds it.
    pub async fn begin(world: &Arc<World>, row: Row, entry: Option<Entry>) -> Self {
        let trail = Self { world: world.clone(), row, entry, begun: Instant::now(), open: true };
        world.begun(trail.row.copy()).await;
        trail
    }

    /// Its row.
    pub fn row(&self) -> Row {
        self.row.clone()
    }

    /// It ended.
    pub async fn end(mut self, error: Option<&RpcError>, told: Told) {
        self.open = false;
        let duration = self.begun.elapsed();
        let error = error.cloned();
        end(&self.world, &self.row, self.entry.take(), duration, error, told).await;
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (world, row, entry, duration) =
            (self.world.clone(), self.row.clone(), self.entry.take(), self.begun.elapsed());
        let message = "Whoever asked for it went away before it ended; it was stopped.";
        let error = RpcError::new(ErrorCode::Cancelled, message);
        // Nobody waits for it any more but the engine's end.
        self.world.late.spawn(async move { end(&world, &row, entry, duration, Some(error), Told::default()).await });
    }
}

async fn end(world: &World, row: &Row, entry: Option<Entry>, duration: Duration, error: Option<RpcError>, told: Told) {
    let row = AuditRow {
        duration_ms: millis(duration),
        exit_code: told.exit_code,
        error: error.as_ref().map(|error| error.message.clone()),
        ..row.copy()
    };
    world.audit(row).await;
    let Some(mut entry) = entry else { return };
    if let EntryBody::Action { card } = &mut entry.body {
        card.status = match error {
            None => ActionStatus::Done { exit_code: told.exit_code },
            Some(error) => ActionStatus::Failed { code: error.code, message: error.message },
        };
        card.duration_ms = Some(millis(duration));
        card.summary = told.summary;
        card.output = told.output.map(|output| excerpt(&output));
        card.job = told.job;
    }
    world.retell(entry).await;
}

/// The first and the last part of a text that is too long for a card.
fn excerpt(text: &str) -> String {
    if text.len() <= CARD_OUTPUT {
        return text.to_owned();
    }
    let half = CARD_OUTPUT / 2;
    let head = floor(text, half);
    let tail = floor(text, text.len() - half);
    let left_out = tail - head;
    format!("{}\n… {left_out} bytes left out …\n{}", &text[..head], &text[tail..])
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_keeps_both_ends_and_whole_characters() {
        let long = format!("start{}end", "é".repeat(CARD_OUTPUT));
        let short = excerpt(&long);
        assert!(short.starts_with("start") && short.ends_with("end"));
        assert!(short.len() < CARD_OUTPUT + 100);
        assert_eq!(excerpt("kept"), "kept");
    }
}

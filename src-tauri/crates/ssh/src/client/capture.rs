//! Output in bounded memory: the first and the last part of it.

use std::collections::VecDeque;

/// What was kept of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The bytes; where some were dropped, the first half and the last half of what may be kept.
    pub bytes: Vec<u8>,
    /// How many bytes between the halves were dropped.
    pub dropped: u64,
}

/// Keeps the first and the last half of `limit` bytes.
#[derive(Debug)]
pub(crate) struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: VecDeque::new(), dropped: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let rest = match rest.len().checked_sub(self.half) {
            Some(over) if over > 0 => {
                self.dropped += over as u64;
                &rest[over..]
            }
            _ => rest,
        };
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.half);
        self.dropped += over as u64;
        self.tail.drain(..over);
    }

    /// Counts what was left out before it came here.
    pub(crate) fn dropped(&mut self, count: u64) {
        self.dropped += count;
    }

    pub(crate) fn finish(self) -> Captured {
        let mut bytes = self.head;
        bytes.extend(self.tail);
        Captured { bytes, dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept() {
        let mut capture = Capture::new(8);
        for chunk in [&b"01"[..], b"2345678", b"9", b"abcdefghij"] {
            capture.push(chunk);
        }
        assert_eq!(capture.finish(), Captured { bytes: b"0123ghij".to_vec(), dropped: 12 });
    }

    #[test]
    fn what_fits_is_whole() {
        let mut capture = Capture::new(8);
        capture.push(b"0123");
        capture.push(b"4567");
        assert_eq!(capture.finish(), Captured { bytes: b"01234567".to_vec(), dropped: 0 });
    }
}

//! What there is on the machine, as it tells.

use std::time::Duration;

use super::outcome::TreeOptions;
use crate::client::error::SshError;
use crate::client::frame;
use crate::client::run::RunOptions;
use crate::client::session::Session;

/// The most that is read of a list.
const MOST: usize = 64 * 1024 * 1024;
/// A list that takes longer is done without.
const PATIENCE: Duration = Duration::from_secs(120);

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Folder,
    File,
    Link,
    Other,
}

/// Something on the machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) is: Is,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) mtime: u64,
    /// As `find` has it: from the folder that it was asked in.
    pub(super) path: Vec<u8>,
}

/// What there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) seen: Vec<Seen>,
    /// Whether each line was understood, and none was left out. A name with a line break makes lines that are not.
    pub(super) exact: bool,
}

impl Listing {
    /// Bytes of content.
    pub(super) fn total(&self) -> u64 {
        let files = self.seen.iter().filter(|seen| seen.is == Is::File);
        files.fold(0, |total: u64, seen| total.saturating_add(seen.size))
    }
}

impl Session {
    /// Lists `names` of the folder `at`, with all that is below them. A folder that is not there has nothing.
    pub(super) async fn listed(&self, at: &[u8], names: &[&[u8]], options: &TreeOptions) -> Result<Listing, SshError> {
        let mut script = b"LC_ALL=C; export LC_ALL; cd -- ".to_vec();
        frame::quote(at, &mut script);
        // The two ways to ask, each marked by a letter.
        script.extend_from_slice(
            b" 2>/dev/null || exit 0\nset -- -c 'g %f %s %Y %n'; stat -c %s / >/dev/null 2>&1 || set -- -f 'b %p %z %m %N'\nfind",
        );
        for name in names {
            script.extend_from_slice(b" ./");
            frame::quote(name, &mut script);
        }
        script.extend_from_slice(b" -exec stat \"$@\" {} + 2>/dev/null\n");
        let options = RunOptions {
            output_limit: MOST,
            timeout: Some(PATIENCE),
            cancel: options.cancel.clone(),
            tidy: true,
            ..RunOptions::default()
        };
        let output = self.run(&script, options).await?;
        let mut listing = parse(&output.stdout.bytes);
        listing.exact &= output.exit_code == 0 && output.stdout.dropped == 0 && !output.timed_out;
        Ok(listing)
    }
}

fn parse(text: &[u8]) -> Listing {
    let mut listing = Listing { seen: Vec::new(), exact: true };
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match entry(line) {
            Some(seen) => listing.seen.push(seen),
            None => listing.exact = false,
        }
    }
    listing
}

fn entry(line: &[u8]) -> Option<Seen> {
    let mut fields = line.splitn(5, |byte| *byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let radix = match field()? {
        "g" => 16,
        "b" => 8,
        _ => return None,
    };
    let mode = u32::from_str_radix(field()?, radix).ok()?;
    let size = field()?.parse().ok()?;
    // What is older than 1970 has a sign.
    let mtime = field()?.parse::<i64>().ok()?.try_into().unwrap_or(0);
    let path = fields.next()?.to_vec();
    let is = match mode & 0o170_000 {
        0o040_000 => Is::Folder,
        0o100_000 => Is::File,
        0o120_000 => Is::Link,
        _ => Is::Other,
    };
    path.starts_with(b"./").then_some(Seen { is, mode: mode & 0o777, size, mtime, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_are_understood_and_others_told() {
        let listing = parse(b"g 81a4 3 -7 ./a b\nb 40755 0 9 ./d\n");
        let file = Seen { is: Is::File, mode: 0o644, size: 3, mtime: 0, path: b"./a b".to_vec() };
        let folder = Seen { is: Is::Folder, mode: 0o755, size: 0, mtime: 9, path: b"./d".to_vec() };
        assert_eq!(listing, Listing { seen: vec![file, folder], exact: true });
        assert_eq!(listing.total(), 3);
        for bad in [&b"g 81a4 3 7 /etc"[..], b"b", b"g x 1 1 ./a", b"rest of a name"] {
            assert!(!parse(bad).exact, "{bad:?}");
        }
    }
}

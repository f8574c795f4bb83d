//! One big file, which goes on from where it was cut.
//!
//! What has arrived is kept under a name that is the same at each try. It is gone on with only where its checksum is
//! that of the beginning of the source: by content, so that no clock and no record has to be trusted.
//!
//! A server gives each channel a window, and OpenSSH's is of 2 MiB: on a way of 50 ms that is 40 MB/s, whatever the
//! network can do. To a machine that far away a file goes up in several parts at once, each of which is such a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use russh::ChannelMsg;

use super::outcome::TreeOptions;
use super::pipe::{self, CHUNK};
use super::sum::cksum;
use super::walk::Item;
use crate::client::error::SshError;
use crate::client::frame;
use crate::client::run::RunOptions;
use crate::client::session::Session;
use crate::client::transfer::Ended;

/// A file from this size on goes by itself, so that it need not begin anew when it is cut.
pub(super) const BIG: u64 = 16 * 1024 * 1024;
/// A machine is far away from so long for one round trip on, and then a file goes up in so many parts.
const FAR: Duration = Duration::from_millis(15);
const PARTS: u64 = 4;
/// The longest first line: two numbers and a word.
const LINE: usize = 200;

/// Takes `$s`: the hidden folder, `$m`: what has arrived, `$t`: where it goes. The first line in says what to do.
const UP: &str = r#"LC_ALL=C; export LC_ALL
fail() { echo "$1" >&2; exit 1; }
(umask 077; mkdir -p -- "$s") && mkdir -p -- "${t%/*}" || exit 1
n=0 c=; if [ -f "$m" ] && [ ! -L "$m" ]; then n=$(wc -c <"$m") c=$(cksum <"$m" 2>/dev/null); n=$((n)); fi
echo "$n $c"; read -r w || exit 1
if [ "$w" != keep ]; then rm -rf -- "$m"; : >"$m" || exit 1; fi
cat >>"$m" || exit 1
"#;

/// A part of a file of this computer, and where it goes.
struct Part<'a> {
    item: &'a Item,
    start: u64,
    length: u64,
    /// What the machine's end of it does, before and after.
    script: Vec<u8>,
}

/// The name under which what has arrived of a file is kept, whatever its own is.
pub(super) fn part(id: &str, name: &[u8]) -> String {
    // FNV-1a: the same in each version of this program.
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!(".berth-{id}-{hash:016x}")
}

impl Session {
    /// Sends one into the hidden folder `hidden`, to the place that it has in the tree there.
    pub(super) async fn send_big(
        &self,
        item: &Item,
        hidden: &[u8],
        options: &TreeOptions,
        done: &AtomicU64,
        tell: impl Fn(),
    ) -> Result<(), SshError> {
        let (size, before) = (item.size(), done.load(Ordering::Relaxed));
        let to = [hidden, b"/", super::pack::TREE.as_bytes(), b"/", &item.name].concat();
        let name = part(&options.id, &item.name);
        let named = |suffix: &str| [hidden, b"/", name.as_bytes(), suffix.as_bytes()].concat();
        // What an earlier try brought is gone on with as it was brought, also where the way has become another one.
        let begun = options.resume && self.is_there(&named("-0")).await?;
        let count = if begun || !(options.resume && self.is_there(&named("")).await?) && self.is_far().await? {
            PARTS
        } else {
            1
        };
        let kept = |at: u64| if count == 1 { named("") } else { named(&format!("-{at}")) };
        let set = |variables: &[(&[u8], &[u8])]| {
            let mut script = Vec::new();
            for (name, value) in variables {
                script.extend_from_slice(name);
                frame::quote(value, &mut script);
                script.push(b'\n');
            }
            script
        };
        let whole = format!(
            "[ \"$(wc -c <\"$m\")\" -eq {size} ] || fail 'only a part of it arrived'\n\
             chmod {:o} \"$m\" && TZ=UTC0 touch -t {} \"$m\" && mv -f -- \"$m\" \"$t\" && echo kept\n",
            item.mode,
            stamp(item.mtime),
        );
        let parts = (0..count).map(|at| {
            let (start, end) = (size * at / count, size * (at + 1) / count);
            let mut script = set(&[(b"s=", hidden), (b"t=", &to), (b"m=", &kept(at))]);
            script.extend_from_slice(UP.as_bytes());
            if count == 1 {
                script.extend_from_slice(whole.as_bytes());
            } else {
                let length = end - start;
                let arrived = format!("[ \"$(wc -c <\"$m\")\" -eq {length} ] || fail 'only a part of it arrived'\n");
                script.extend_from_slice(arrived.as_bytes());
                script.extend_from_slice(b"echo kept\n");
            }
            let part = Part { item, start, length: end - start, script };
            async { self.send_part(part, options, done, &tell).await }
        });
        futures::future::try_join_all(parts).await?;
        if count > 1 {
            let mut script = b"LC_ALL=C; export LC_ALL\nfail() { echo \"$1\" >&2; exit 1; }\n".to_vec();
            // Under a name of its own: were this cut, the parts would still be what they are.
            script.extend_from_slice(&set(&[(b"t=", &to), (b"m=", &named(&format!("-{}", frame::nonce())))]));
            script.extend_from_slice(b"set --\n");
            for at in 0..count {
                script.extend_from_slice(&set(&[(b"p=", &kept(at))]));
                script.extend_from_slice(b"set -- \"$@\" \"$p\"\n");
            }
            script.extend_from_slice(b"trap 'rm -f -- \"$m\"' 0; cat -- \"$@\" >\"$m\" || exit 1\n");
            script.extend_from_slice(whole.as_bytes());
            script.extend_from_slice(b"[ -e \"$m\" ] || rm -f -- \"$@\"\n");
            self.must(&script).await?;
        }
        done.store(before + size, Ordering::Relaxed);
        Ok(())
    }

    async fn is_there(&self, path: &[u8]) -> Result<bool, SshError> {
        let mut script = b"[ -f ".to_vec();
        frame::quote(path, &mut script);
        script.extend_from_slice(b" ]");
        Ok(self.run(&script, RunOptions { tidy: true, ..RunOptions::default() }).await?.exit_code == 0)
    }

    /// Whether what is under way fills a channel's window.
    async fn is_far(&self) -> Result<bool, SshError> {
        // The first one may have to log in before.
        for _ in 0..2 {
            let begun = Instant::now();
            self.must(b":").await?;
            if begun.elapsed() < FAR {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a part of one, or all of it.
    async fn send_part(
        &self,
        part: Part<'_>,
        options: &TreeOptions,
        done: &AtomicU64,
        tell: &impl Fn(),
    ) -> Result<(), SshError> {
        let (item, length) = (part.item, part.length);
        let (mut reader, writer) = self.open(&part.script).await?;
        let mut ended = Ended::default();
        // Whether what is there is the beginning of this: only then is it worth the wait for an answer.
        let mut from = 0;
        if options.resume {
            while !ended.said.contains(&b'\n') {
                let Some(message) = reader.wait().await else { return Err(ended.error()) };
                if ended.take(message) {
                    return Err(ended.error());
                }
            }
            let told = String::from_utf8_lossy(&ended.said).trim().to_owned();
            from = known(&part, &told, options).await?;
            done.fetch_add(from, Ordering::Relaxed);
        }
        let (sink, chunks) = pipe::outward();
        let (at, start) = (item.at.clone(), part.start + from);
        let reading = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let (mut file, mut sink) = (File::open(at)?, sink);
            file.seek(SeekFrom::Start(start))?;
            sink.write_all(if from > 0 { b"keep\n" } else { b"anew\n" })?;
            sink.flush()?;
            let sent = io::copy(&mut (&mut file).take(length - from), &mut sink)?;
            if sent != length - from {
                return Err(io::Error::other("it became shorter while it was being sent"));
            }
            sink.flush()
        });
        let writer = &writer;
        let sending = async move {
            let mut first = true;
            let mut chunks = chunks;
            while let Some(bytes) = chunks.recv().await {
                let length = bytes.len() as u64;
                if writer.data_bytes(bytes).await.is_err() {
                    return;
                }
                done.fetch_add(if std::mem::take(&mut first) { 0 } else { length }, Ordering::Relaxed);
                tell();
            }
        };
        {
            let ending = ended.follow(&mut reader);
            tokio::pin!(sending, ending);
            // A machine that refuses says so at once: what is left of the file need not be sent.
            let over = tokio::select! {
                biased;
                () = &mut ending => true,
                () = &mut sending => false,
            };
            if !over {
                match reading.await {
                    Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                        return Err(SshError::Transfer(format!("{} could not be read: {error}", item.at.display())));
                    }
                    Ok(Ok(())) => drop(writer.eof().await),
                    _ => {}
                }
                ending.await;
            }
        }
        if ended.said.ends_with(b"kept\n") { Ok(()) } else { Err(ended.error()) }
    }

    /// Fetches one into `kept`, from where an earlier try left it.
    pub(super) async fn fetch_big(
        &self,
        path: &[u8],
        kept: &Path,
        options: &TreeOptions,
        done: &AtomicU64,
        tell: impl Fn(),
    ) -> Result<(), SshError> {
        let before = done.load(Ordering::Relaxed);
        let (at, cancel) = (kept.to_owned(), options.cancel.clone());
        let known = blocking(move || {
            let about = match fs::symlink_metadata(&at) {
                Ok(about) if about.is_file() && about.len() > 0 => about,
                _ => return Ok(None),
            };
            Ok(cksum(File::open(at)?, about.len(), &cancel)?.map(|sum| (about.len(), sum)))
        })
        .await?;
        let mut script = b"LC_ALL=C; export LC_ALL; p=".to_vec();
        frame::quote(path, &mut script);
        if let Some((length, sum)) = &known {
            let same = format!(
                "\nif [ \"$(head -c {length} -- \"$p\" | cksum)\" = '{sum}' ]; then echo same; exec tail -c +{} -- \"$p\"; fi",
                length + 1
            );
            script.extend_from_slice(same.as_bytes());
        }
        script.extend_from_slice(b"\necho anew; exec cat -- \"$p\"\n");
        let (mut reader, _writer) = self.open(&script).await?;
        let (sender, source) = pipe::inward();
        let (at, length) = (kept.to_owned(), known.map_or(0, |(length, _)| length));
        let writing = tokio::task::spawn_blocking(move || keep(&at, source));
        let (mut ended, mut line, mut received) = (Ended::default(), Some(Vec::new()), 0);
        // A server sends small pieces; each that is handed over costs a switch of threads and a write.
        let mut gathered = BytesMut::with_capacity(CHUNK);
        while let Some(message) = reader.wait().await {
            let ChannelMsg::Data { data } = message else {
                if ended.take(message) {
                    break;
                }
                continue;
            };
            let mut bytes = data;
            if let Some(mut first) = line.take() {
                first.extend_from_slice(&bytes);
                let Some(end) = first.iter().take(LINE).position(|byte| *byte == b'\n') else {
                    if first.len() >= LINE {
                        return Err(SshError::Transfer("the machine’s answer makes no sense".to_owned()));
                    }
                    line = Some(first);
                    continue;
                };
                let rest = first.split_off(end + 1);
                received = if first == b"same\n" { length } else { 0 };
                // The thread is told the same by the first byte.
                let mark: &'static [u8] = if received > 0 { b"+" } else { b"-" };
                if sender.send(Bytes::from_static(mark)).await.is_err() {
                    break;
                }
                bytes = Bytes::from(rest);
            }
            received += bytes.len() as u64;
            done.store(before + received, Ordering::Relaxed);
            tell();
            gathered.extend_from_slice(&bytes);
            if gathered.len() >= CHUNK {
                let full = std::mem::replace(&mut gathered, BytesMut::with_capacity(CHUNK));
                if sender.send(full.freeze()).await.is_err() {
                    break;
                }
            }
        }
        // Whatever ended it: what came is kept.
        let _ = sender.send(gathered.freeze()).await;
        drop(sender);
        match writing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(SshError::Transfer(format!("what came could not be written: {error}"))),
            Err(_) => return Err(SshError::Transfer("what came could not be written".to_owned())),
        }
        if ended.exit != Some(0) {
            return Err(ended.error());
        }
        let at = kept.to_owned();
        let length = blocking(move || Ok(fs::symlink_metadata(at)?.len())).await?;
        if length == received {
            return Ok(());
        }
        // Somebody else wrote into it. The next try sees that by the checksum.
        Err(SshError::Transfer(format!("what came has {received} bytes, and what was kept of it {length}")))
    }
}

/// How much of a part the machine has, by what it told.
async fn known(part: &Part<'_>, told: &str, options: &TreeOptions) -> Result<u64, SshError> {
    let Some((length, sum)) = told.split_once(' ') else { return Ok(0) };
    let length = length.parse().unwrap_or(0);
    if length == 0 || length > part.length {
        return Ok(0);
    }
    let (at, start, cancel) = (part.item.at.clone(), part.start, options.cancel.clone());
    let ours = blocking(move || {
        let mut file = File::open(at)?;
        file.seek(SeekFrom::Start(start))?;
        cksum(file, length, &cancel)
    });
    Ok(if ours.await?.is_some_and(|ours| ours == sum) { length } else { 0 })
}

/// Writes what comes, from the beginning or at the end of what is there, as the first byte says.
fn keep(at: &Path, mut source: pipe::Source) -> io::Result<()> {
    let mut first = [0];
    if source.read(&mut first)? == 0 {
        return Ok(());
    }
    let mut file = if first == *b"+" { OpenOptions::new().append(true).open(at)? } else { fresh(at)? };
    while let Some(bytes) = source.next() {
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// A new file in place of what was kept there; through no link.
pub(super) fn fresh(at: &Path) -> io::Result<File> {
    match fs::remove_file(at) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // It may be what only its owner may read; it gets its own mode once it is whole.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(at)
}

/// Runs what blocks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SshError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| SshError::Transfer(error.to_string())),
        Err(_) => Err(SshError::Cancelled {}),
    }
}

/// A time as `touch -t` takes it: CCYYMMDDhhmm.SS, of the proleptic Gregorian calendar.
pub(super) fn stamp(seconds: u64) -> String {
    // The last second that has four digits of a year.
    let seconds = seconds.min(253_402_300_799);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Counted from the 1st of March 0000, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}.{:02}", clock / 3_600, clock / 60 % 60, clock % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "197001010000.00");
        assert_eq!(stamp(951_782_399), "200002282359.59");
        assert_eq!(stamp(951_782_400), "200002290000.00");
        assert_eq!(stamp(1_735_689_599), "202412312359.59");
        assert_eq!(stamp(u64::MAX), "999912312359.59");
    }
}

//! Files and folders of this computer into a folder of the machine.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::big::{BIG, blocking, stamp};
use super::list::Is;
use super::outcome::{Missed, Outcome, TreeOptions};
use super::pack::{TREE, pack};
use super::pipe;
use super::walk::{Item, Kind, walk};
use crate::client::error::SshError;
use crate::client::frame;
use crate::client::run::RunOptions;
use crate::client::session::Session;
use crate::client::transfer::Ended;

/// What a machine without `tar` says, and nothing else does.
const NO_TAR: &[u8] = b"no tar\n";

/// Unpacks into the hidden folder `$s`. `$e` is the stream's last file: a cut connection looks to `tar` like its end. A
/// try before this one may still unpack what its connection, which was given up, brings late: whoever else works in that
/// folder is ended first, or a file of this try would be replaced by a part of it. (macOS has no /proc, and brings `lsof`.)
const UNPACK: &str = r#"command -v tar >/dev/null 2>&1 || { echo 'no tar'; exit 0; }
(umask 077; mkdir -p -- "$s") && touch -- "$s" && cd -- "$s" || exit 1
for p in /proc/[0-9]*; do
[ "$p" = "/proc/$$" ] || [ ! "$p/cwd" -ef . ] || kill -9 "${p#/proc/}" 2>/dev/null
done
[ -d /proc/self ] || for p in $(lsof -a -d cwd -t -- . 2>/dev/null); do
[ "$p" = "$$" ] || kill -9 "$p" 2>/dev/null
done
tar -xpof - || exit 1
[ -f "$e" ] || fail 'only a part of it arrived'
"#;

/// Moves what is in the hidden folder `$s` into `$i`. A folder that is there is filled up; a file that is there is
/// replaced by the new one as a whole; where one is a folder and the other is none, both stay where they are. Many are
/// moved at once: a process for each of a thousand files takes a second. What an app that ended left a month ago is taken
/// away.
const MERGE: &str = r#"
z=0; conflict() { echo "$1: what is there is $2" >&2; z=1; }
move() { [ $# = 1 ] || { d=$1; shift; mv -f -- "$@" "$d/" || z=1; }; }
merge() {
  f=$1 d=$2; set -- "$d"
  for x in "$f"/* "$f"/.[!.]* "$f"/..?*; do
    if [ -L "$x" ] || [ ! -d "$x" ]; then [ -e "$x" ] || [ -L "$x" ] || continue
      if [ -d "$d/${x##*/}" ]; then conflict "$d/${x##*/}" 'a folder'; continue; fi
    elif [ -d "$d/${x##*/}" ]; then (merge "$x" "$d/${x##*/}"; exit $z) || z=1; continue
    elif [ -e "$d/${x##*/}" ] || [ -L "$d/${x##*/}" ]; then conflict "$d/${x##*/}" 'no folder'; continue; fi
    set -- "$@" "$x"; [ $# -lt 200 ] || { move "$@"; set -- "$d"; }
  done
  move "$@"
}
[ ! -f "$s/$e" ] || c=$(cat -- "$s/$e") || exit 1
mkdir -p -- "$i" && merge "$s/t" "$i"
[ $z = 0 ] || { echo "what could not be moved into place is in $s" >&2; exit 1; }
{ cd -- "$i" && rm -rf -- "$s" && eval "$c" && echo kept; } || exit 1
find . ! -name . -prune -type d -name '.berth-upload-*' -mtime +30 -exec rm -rf -- {} + 2>/dev/null
exit 0
"#;

impl Session {
    /// Sends files and folders into the folder `into`, which is made where it is not there.
    ///
    /// They arrive in a hidden folder there, and are moved into place once all of it has: a folder that is there is
    /// merged with, a file that is there is replaced by its whole new self, nothing else is touched. Permissions, times
    /// and links are kept, owners are not. Where it fails or is stopped, the hidden folder is kept for the next try.
    pub async fn upload_tree(
        &self,
        sources: &[PathBuf],
        into: &[u8],
        options: &TreeOptions,
    ) -> Result<Outcome, SshError> {
        let sending = self.send(sources, into, options);
        tokio::select! {
            biased;
            () = options.cancel.cancelled() => Err(SshError::Cancelled {}),
            outcome = sending => outcome,
        }
    }

    /// Takes away what tries of an upload left.
    pub async fn forget_upload(&self, into: &[u8], id: &str) -> Result<(), SshError> {
        let mut script = b"rm -rf -- ".to_vec();
        frame::quote(&hidden(into, id), &mut script);
        self.run(&script, RunOptions { tidy: true, ..RunOptions::default() }).await.map(drop)
    }

    async fn send(&self, sources: &[PathBuf], into: &[u8], options: &TreeOptions) -> Result<Outcome, SshError> {
        // The scripts go from folder to folder.
        if !into.starts_with(b"/") {
            return Err(SshError::Transfer("the folder to send into is not given from the root on".to_owned()));
        }
        let (from, cancel) = (sources.to_vec(), options.cancel.clone());
        let walked = blocking(move || {
            let mut missed = Missed::default();
            Ok(walk(&from, &cancel, &mut missed).map(|items| (items, missed)))
        });
        let (mut items, missed) = walked.await?.map_err(SshError::Transfer)?;
        let total = items.iter().map(Item::size).sum();
        let mut outcome = Outcome { bytes: 0, missed };
        let done = Arc::new(AtomicU64::new(0));
        let tell = || (options.progress)(done.load(Ordering::Relaxed), Some(total));
        tell();
        let hidden = hidden(into, &options.id);
        if options.resume {
            let known = self.staged(&hidden, options).await?;
            items.retain(|item| {
                let there = matches!(item.kind, Kind::File(size) if known.get(&item.name) == Some(&(size, item.mtime)));
                done.fetch_add(if there { item.size() } else { 0 }, Ordering::Relaxed);
                !there
            });
            tell();
        }
        let (big, small): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.size() >= BIG);
        // First the big ones: what is put into a folder changes the folder's time, which the stream then sets.
        for item in &big {
            self.send_big(item, &hidden, options, &done, tell).await?;
        }
        let small = Arc::new(small);
        match self.stream(small.clone(), into, &hidden, &done, &tell).await? {
            Some(missed) => outcome.missed.add(missed),
            None => self.one_by_one(&small, into, &hidden, &done, &tell, &mut outcome.missed).await?,
        }
        outcome.bytes = done.load(Ordering::Relaxed);
        tell();
        Ok(outcome)
    }

    /// The files that an earlier try brought, with their sizes and times.
    async fn staged(&self, hidden: &[u8], options: &TreeOptions) -> Result<HashMap<Vec<u8>, (u64, u64)>, SshError> {
        let listing = self.listed(hidden, &[TREE.as_bytes()], options).await?;
        let files = listing.seen.into_iter().filter(|seen| seen.is == Is::File);
        Ok(files
            .filter_map(|seen| Some((seen.path.strip_prefix(b"./t/")?.to_vec(), (seen.size, seen.mtime))))
            .collect())
    }

    /// Sends all as one stream, and has it moved into place. Nothing where the machine has no `tar`.
    async fn stream(
        &self,
        items: Arc<Vec<Item>>,
        into: &[u8],
        hidden: &[u8],
        done: &Arc<AtomicU64>,
        tell: &impl Fn(),
    ) -> Result<Option<Missed>, SshError> {
        let end = format!("end-{}", frame::nonce());
        let mut script = head(into, hidden, &end);
        script.extend_from_slice(UNPACK.as_bytes());
        script.extend_from_slice(MERGE.as_bytes());
        let (mut reader, writer) = self.open(&script).await?;
        let (sink, mut chunks) = pipe::outward();
        let (packed, counted) = (items.clone(), done.clone());
        let before = done.load(Ordering::Relaxed);
        let packing = tokio::task::spawn_blocking(move || {
            let mut missed = Missed::default();
            pack(&packed, (&end, &narrow(&packed)), sink, &counted, &mut missed).map(|()| missed)
        });
        let sending = async move {
            while let Some(bytes) = chunks.recv().await {
                if writer.data_bytes(bytes).await.is_err() {
                    return Err(writer);
                }
                tell();
            }
            Ok(writer)
        };
        let mut ended = Ended::default();
        let mut packed = Ok(Missed::default());
        {
            let ending = ended.follow(&mut reader);
            tokio::pin!(sending, ending);
            // A machine that refuses says so at once: what is left need not be sent.
            let sent = tokio::select! {
                biased;
                () = &mut ending => None,
                sent = &mut sending => Some(sent),
            };
            if let Some(Ok(writer)) = sent {
                packed = packing.await.unwrap_or_else(|_| Err("it could not be packed".to_owned()));
                // Without the end of the stream the machine moves nothing into place.
                let _ = writer.eof().await;
                ending.await;
            } else if let Some(Err(_broken)) = sent {
                ending.await;
            }
        }
        if ended.said.ends_with(b"kept\n") {
            return packed.map(Some).map_err(SshError::Transfer);
        }
        if ended.said == NO_TAR {
            done.store(before, Ordering::Relaxed);
            return Ok(None);
        }
        match packed {
            Err(why) => Err(SshError::Transfer(why)),
            Ok(_) => Err(ended.error()),
        }
    }

    /// The same without `tar`.
    async fn one_by_one(
        &self,
        items: &[Item],
        into: &[u8],
        hidden: &[u8],
        done: &AtomicU64,
        tell: &impl Fn(),
        missed: &mut Missed,
    ) -> Result<(), SshError> {
        let at = |item: &Item| [hidden, b"/", TREE.as_bytes(), b"/", &item.name].concat();
        let mut first = b"LC_ALL=C; export LC_ALL; umask 077; set -e; mkdir -p -- ".to_vec();
        frame::quote(&[hidden, b"/", TREE.as_bytes()].concat(), &mut first);
        for item in items {
            let line = match &item.kind {
                Kind::Folder => line(b"mkdir -p -- ", &at(item)),
                Kind::Link(target) => {
                    let mut line = line(b"ln -sfn -- ", super::local::bytes(target.as_os_str()));
                    line.push(b' ');
                    frame::quote(&at(item), &mut line);
                    line
                }
                Kind::File(_) => continue,
            };
            first.push(b'\n');
            first.extend_from_slice(&line);
        }
        self.must(&first).await?;
        let mut gone = HashSet::new();
        for item in items.iter().filter(|item| matches!(item.kind, Kind::File(_))) {
            let before = done.load(Ordering::Relaxed);
            let file = match tokio::fs::File::open(&item.at).await {
                Ok(file) => file,
                Err(error) => {
                    missed.failed(&item.name, &error.to_string());
                    gone.insert(&item.name);
                    continue;
                }
            };
            let file = tokio::io::AsyncReadExt::take(file, item.size());
            let progress = |sent| {
                done.store(before + sent, Ordering::Relaxed);
                tell();
            };
            self.upload(file, item.size(), &at(item), Some(item.mode), progress).await?;
        }
        let mut last = b"LC_ALL=C TZ=UTC0; export LC_ALL TZ; set -e\n".to_vec();
        // Inner ones first: what is put into a folder changes its time.
        for item in items.iter().rev().filter(|item| !matches!(item.kind, Kind::Link(_)) && !gone.contains(&item.name))
        {
            let mode = if matches!(item.kind, Kind::Folder) { item.mode | 0o700 } else { item.mode };
            last.extend_from_slice(&line(format!("chmod {mode:o} -- ").as_bytes(), &at(item)));
            last.push(b'\n');
            last.extend_from_slice(&line(format!("touch -t {} -- ", stamp(item.mtime)).as_bytes(), &at(item)));
            last.push(b'\n');
        }
        self.must(&last).await?;
        let mut script = head(into, hidden, "none");
        script.extend_from_slice(&line(b"c=", &narrow(items)));
        script.extend_from_slice(MERGE.as_bytes());
        self.must(&script).await
    }

    /// Runs a script that has to succeed.
    pub(super) async fn must(&self, script: &[u8]) -> Result<(), SshError> {
        let output = self.run(script, RunOptions { tidy: true, ..RunOptions::default() }).await?;
        if output.exit_code == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr.bytes).trim().trim_end_matches('.').to_owned();
        Err(SshError::Transfer(said))
    }
}

/// Where what is on its way up is put: beside its place, so that it is on the same disk.
fn hidden(into: &[u8], id: &str) -> Vec<u8> {
    [into, b"/.berth-upload-", id.as_bytes()].concat()
}

fn head(into: &[u8], hidden: &[u8], end: &str) -> Vec<u8> {
    let mut script = b"LC_ALL=C; export LC_ALL; i=".to_vec();
    frame::quote(into, &mut script);
    script.extend_from_slice(b" s=");
    frame::quote(hidden, &mut script);
    script.extend_from_slice(format!(" e={end} c=\nfail() {{ echo \"$1\" >&2; exit 1; }}\n").as_bytes());
    script
}

fn line(command: &[u8], path: &[u8]) -> Vec<u8> {
    let mut line = command.to_vec();
    frame::quote(path, &mut line);
    line
}

/// Gives folders into which not even their owner may write that mode, inner ones first: nothing could be moved into
/// them before.
fn narrow(items: &[Item]) -> Vec<u8> {
    let narrow = items.iter().rev().filter(|item| matches!(item.kind, Kind::Folder) && item.mode & 0o700 != 0o700);
    narrow.fold(b":".to_vec(), |mut script, item| {
        script.extend_from_slice(format!("; chmod {:o} ./", item.mode).as_bytes());
        frame::quote(&item.name, &mut script);
        script
    })
}

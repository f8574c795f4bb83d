//! Files and folders of the machine into a folder of this computer.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use russh::ChannelMsg;

use super::big::{BIG, blocking};
use super::list::{Is, Listing};
use super::outcome::{Outcome, TreeOptions};
use super::pipe;
use super::place::Place;
use super::unpack::{Broken, unpack};
use crate::client::error::SshError;
use crate::client::frame;
use crate::client::run::RunOptions;
use crate::client::session::Session;
use crate::client::transfer::Ended;

/// The exit code by which a machine says that it has no `tar`.
const NO_TAR: u32 = 97;
/// So much of names goes into one command: a system limits how long that may be.
const NAMES: usize = 48 * 1024;
/// The most that may follow the end of a stream: it is filled up to a whole record.
const AFTER: usize = 1024 * 1024;

/// Things of one folder of the machine.
struct Batch {
    at: Vec<u8>,
    names: Vec<Vec<u8>>,
}

/// One download at work.
struct Down<'a> {
    session: &'a Session,
    options: &'a TreeOptions,
    place: Arc<Mutex<Place>>,
    done: Arc<AtomicU64>,
    total: Mutex<Option<u64>>,
}

impl Session {
    /// Fetches files and folders into the folder `into`, which has to be there.
    ///
    /// Each file arrives beside its place and is moved there once it is whole. Nothing is written but what was asked
    /// for by name and what is below that, and nothing through a link; links that lead outside are left out. Permissions
    /// and times are kept, owners are not; a second name of a file becomes a file of its own.
    pub async fn download_tree(
        &self,
        paths: &[Vec<u8>],
        into: &Path,
        options: &TreeOptions,
    ) -> Result<Outcome, SshError> {
        let (batches, asked) = batches(paths).map_err(SshError::Transfer)?;
        let root = into.to_owned();
        let root = blocking(move || fs::canonicalize(root)).await?;
        let down = Down {
            session: self,
            options,
            place: Arc::new(Mutex::new(Place::new(root, asked, options.id.clone()))),
            done: Arc::default(),
            total: Mutex::new(None),
        };
        tokio::select! {
            biased;
            () = options.cancel.cancelled() => Err(SshError::Cancelled {}),
            outcome = down.carry_out(&batches) => outcome,
        }
    }
}

impl Down<'_> {
    async fn carry_out(&self, batches: &[Batch]) -> Result<Outcome, SshError> {
        self.tell();
        if self.options.resume {
            let listings = self.list(batches).await?;
            for (batch, listing) in batches.iter().zip(&listings) {
                self.rest(batch, listing).await?;
            }
        } else {
            // How much it is is found out while it comes.
            let counting = self.list(batches);
            let fetching = async {
                for batch in batches {
                    if !self.stream(batch, None).await? {
                        let names: Vec<_> = batch.names.iter().map(Vec::as_slice).collect();
                        let listing = self.session.listed(&batch.at, &names, self.options).await?;
                        self.one_by_one(batch, &listing).await?;
                    }
                }
                Ok::<_, SshError>(())
            };
            tokio::pin!(counting, fetching);
            tokio::select! {
                biased;
                fetched = &mut fetching => fetched?,
                // Without a list nothing is lost but the knowledge of how much there is.
                _ = &mut counting => fetching.await?,
            }
        }
        let missed = self.at_place(|place| {
            place.finish();
            std::mem::take(&mut place.missed)
        });
        let missed = missed.await?;
        self.tell();
        Ok(Outcome { bytes: self.done.load(Ordering::Relaxed), missed })
    }

    fn tell(&self) {
        let total = *self.total.lock().unwrap_or_else(PoisonError::into_inner);
        (self.options.progress)(self.done.load(Ordering::Relaxed), total);
    }

    /// Does something with files of this computer.
    async fn at_place<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Place) -> T + Send + 'static,
    ) -> Result<T, SshError> {
        let place = self.place.clone();
        blocking(move || Ok(work(&mut place.lock().unwrap_or_else(PoisonError::into_inner)))).await
    }

    async fn list(&self, batches: &[Batch]) -> Result<Vec<Listing>, SshError> {
        let mut listings = Vec::new();
        for batch in batches {
            let names: Vec<_> = batch.names.iter().map(Vec::as_slice).collect();
            listings.push(self.session.listed(&batch.at, &names, self.options).await?);
        }
        if listings.iter().all(|listing| listing.exact) {
            let total = listings.iter().fold(0, |total: u64, listing| total.saturating_add(listing.total()));
            *self.total.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
            self.tell();
        }
        Ok(listings)
    }

    /// Fetches what an earlier try did not bring.
    async fn rest(&self, batch: &Batch, listing: &Listing) -> Result<(), SshError> {
        // Names that mean something else in a list of names, or that a list cannot have.
        let odd = |path: &[u8]| path.iter().any(|byte| *byte < b' ' || *byte == b'\\');
        if !listing.exact || listing.seen.iter().any(|seen| odd(&seen.path)) {
            return match self.stream(batch, None).await? {
                true => Ok(()),
                false => self.one_by_one(batch, listing).await,
            };
        }
        let seen: Vec<_> =
            listing.seen.iter().map(|seen| (seen.is, seen.path.clone(), seen.size, seen.mtime)).collect();
        let done = self.done.clone();
        let wanted = self.at_place(move |place| {
            let wanted = |(is, path, size, mtime): &(Is, Vec<u8>, u64, u64)| {
                let there = *is == Is::File && place.has(path, *size, *mtime);
                done.fetch_add(if there { *size } else { 0 }, Ordering::Relaxed);
                !there
            };
            seen.iter().map(wanted).collect::<Vec<_>>()
        });
        let wanted = wanted.await?;
        self.tell();
        let mut names = Vec::new();
        let mut folders = Vec::new();
        for (seen, _) in listing.seen.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            match seen.is {
                Is::Folder => folders.push((seen.path.clone(), seen.mode, seen.mtime)),
                Is::File if seen.size >= BIG => self.big(batch, seen).await?,
                _ => names.extend_from_slice(&[&seen.path[..], b"\n"].concat()),
            }
        }
        if !names.is_empty() && !self.stream(batch, Some(names)).await? {
            return self.one_by_one(batch, listing).await;
        }
        self.at_place(move |place| folders.iter().for_each(|(path, mode, mtime)| place.folder(path, *mode, *mtime)))
            .await
    }

    async fn big(&self, batch: &Batch, seen: &super::list::Seen) -> Result<(), SshError> {
        let name = seen.path.clone();
        let Some((kept, _)) = self.at_place(move |place| place.file(&name)).await? else { return Ok(()) };
        let path = [&batch.at[..], b"/", &seen.path].concat();
        self.session.fetch_big(&path, &kept, self.options, &self.done, || self.tell()).await?;
        let (name, mode, mtime) = (seen.path.clone(), seen.mode, seen.mtime);
        self.at_place(move |place| place.whole(&name, mode, mtime)).await
    }

    /// Fetches a batch as one stream, or of it what is named in `only`, a name a line. Says whether the machine can.
    async fn stream(&self, batch: &Batch, only: Option<Vec<u8>>) -> Result<bool, SshError> {
        let mut script = b"LC_ALL=C; export LC_ALL; cd -- ".to_vec();
        frame::quote(&batch.at, &mut script);
        let begin = format!(" || exit 1\ncommand -v tar >/dev/null 2>&1 || exit {NO_TAR}\nexec tar -cf -");
        script.extend_from_slice(begin.as_bytes());
        match &only {
            Some(_) => script.extend_from_slice(b" -T -"),
            None => batch.names.iter().for_each(|name| {
                script.extend_from_slice(b" ./");
                frame::quote(name, &mut script);
            }),
        }
        let (mut reader, writer) = self.session.open(&script).await?;
        let (sender, source) = pipe::inward();
        let (place, done) = (self.place.clone(), self.done.clone());
        let unpacking = tokio::task::spawn_blocking(move || {
            unpack(source, &mut place.lock().unwrap_or_else(PoisonError::into_inner), &done)
        });
        let naming = async {
            if let Some(names) = only {
                let _ = writer.data_bytes(bytes::Bytes::from(names)).await;
            }
            let _ = writer.eof().await;
            std::future::pending::<()>().await;
        };
        let (mut ended, mut after) = (Ended::default(), 0);
        let reading = async {
            while let Some(message) = reader.wait().await {
                let ChannelMsg::Data { data } = message else {
                    if ended.take(message) {
                        break;
                    }
                    continue;
                };
                let bytes = bytes::Bytes::copy_from_slice(&data);
                // What follows the end is read for the exit code's sake, but not without an end.
                if after > 0 || sender.send(bytes).await.is_err() {
                    after += data.len();
                    if after > AFTER {
                        break;
                    }
                }
                self.tell();
            }
            drop(sender);
        };
        tokio::select! {
            biased;
            () = naming => {}
            () = reading => {}
        }
        let unpacked = unpacking.await.unwrap_or_else(|_| Err(Broken::Failed("it could not be unpacked".to_owned())));
        self.tell();
        match (unpacked, ended.exit) {
            (_, Some(NO_TAR)) => Ok(false),
            (Ok(()), Some(0)) => Ok(true),
            // All that it could read came.
            (Ok(()), Some(_)) => {
                let (at, why) = (batch.at.clone(), ended.why());
                self.at_place(move |place| place.missed.failed(&at, &why)).await?;
                Ok(true)
            }
            (Err(Broken::Failed(why)), _) => Err(SshError::Transfer(why)),
            _ => Err(ended.error()),
        }
    }

    /// The same without `tar`.
    async fn one_by_one(&self, batch: &Batch, listing: &Listing) -> Result<(), SshError> {
        if !listing.exact {
            let why = "the machine has no `tar`, and names of its files are of a kind that only that can send";
            return Err(SshError::Transfer(why.to_owned()));
        }
        let mut folders = Vec::new();
        for seen in &listing.seen {
            let name = seen.path.clone();
            let path = [&batch.at[..], b"/", &seen.path].concat();
            match seen.is {
                Is::Folder => folders.push((name, seen.mode, seen.mtime)),
                Is::File => {
                    let (size, mtime) = (seen.size, seen.mtime);
                    if self.options.resume && self.at_place(move |place| place.has(&name, size, mtime)).await? {
                        continue;
                    }
                    self.big(batch, seen).await?;
                }
                Is::Link => {
                    let mut script = b"readlink -n -- ".to_vec();
                    frame::quote(&path, &mut script);
                    let output = self.session.run(&script, RunOptions { tidy: true, ..RunOptions::default() }).await?;
                    self.at_place(move |place| place.link(&name, &output.stdout.bytes)).await?;
                }
                Is::Other => {
                    self.at_place(move |place| place.missed.left_out(&name, "it is neither file, folder nor link"))
                        .await?;
                }
            }
        }
        self.at_place(move |place| folders.iter().for_each(|(path, mode, mtime)| place.folder(path, *mode, *mtime)))
            .await
    }
}

/// The paths by the folder they are in, and the names that will stand on this computer.
fn batches(paths: &[Vec<u8>]) -> Result<(Vec<Batch>, HashSet<Vec<u8>>), String> {
    let (mut folders, mut asked) = (BTreeMap::<Vec<u8>, Vec<Vec<u8>>>::new(), HashSet::new());
    for path in paths {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        let path = &path[..end];
        let shown = || String::from_utf8_lossy(path).into_owned();
        let (at, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => return Err(format!("{:?} is no absolute path", shown())),
        };
        if name.is_empty() || name == b"." || name == b".." || name.contains(&0) {
            return Err(format!("{:?} has no name to go by", shown()));
        }
        if !asked.insert(name.to_vec()) {
            return Err(format!("two of them are called {:?}", String::from_utf8_lossy(name)));
        }
        let at = if at.is_empty() { b"/" } else { at };
        folders.entry(at.to_vec()).or_default().push(name.to_vec());
    }
    let mut batches = Vec::new();
    for (at, names) in folders {
        let mut batch = Batch { at: at.clone(), names: Vec::new() };
        let mut length = 0;
        for name in names {
            length += name.len() + 8;
            if length > NAMES {
                length = 0;
                batches.push(std::mem::replace(&mut batch, Batch { at: at.clone(), names: Vec::new() }));
            }
            batch.names.push(name);
        }
        batches.push(batch);
    }
    Ok((batches, asked))
}

/// Takes away what tries of a download left beside the places of files, at and below `names` in the folder `into`.
pub fn forget_download(into: &Path, names: &[Vec<u8>], id: &str) {
    let prefix = format!(".berth-{id}-");
    let ours =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
    let entries = |at: &Path| fs::read_dir(at).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut waiting: Vec<PathBuf> =
        names.iter().filter_map(|name| super::local::os(name)).map(|name| into.join(name)).collect();
    waiting.extend(entries(into).filter(|path| ours(path)));
    while let Some(at) = waiting.pop() {
        match fs::symlink_metadata(&at) {
            Ok(about) if about.is_dir() => waiting.extend(entries(&at)),
            Ok(about) if about.is_file() && ours(&at) => drop(fs::remove_file(&at)),
            _ => {}
        }
    }
}

//! Files and folders, up and down, as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on stops")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use berth_ssh::{Missed, Outcome, Session, SessionOptions, SshError, TreeOptions, forget_download};
use berth_testbed::Sshd;
use berth_testbed::Way;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

fn options(id: &str, resume: bool) -> TreeOptions {
    TreeOptions { id: id.to_owned(), resume, cancel: CancellationToken::new(), progress: Arc::new(|_, _| {}) }
}

async fn up(session: &Session, from: &[&Path], to: &Path, options: &TreeOptions) -> Result<Outcome, SshError> {
    let from: Vec<PathBuf> = from.iter().map(|path| path.to_path_buf()).collect();
    let sending = session.upload_tree(&from, to.as_os_str().as_bytes(), options);
    tokio::time::timeout(PATIENCE, sending).await.expect("it never ends")
}

async fn down(session: &Session, from: &[&Path], to: &Path, options: &TreeOptions) -> Result<Outcome, SshError> {
    let from: Vec<Vec<u8>> = from.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
    tokio::time::timeout(PATIENCE, session.download_tree(&from, to, options)).await.expect("it never ends")
}

/// All that is below a folder: what it is, its mode, its time, its content.
fn tree(at: &Path) -> BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![at.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let content = if about.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
            } else if about.is_dir() {
                waiting.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            // A link has no time of its own that is kept.
            let mtime = if about.is_symlink() { 0 } else { about.mtime() };
            let name = path.strip_prefix(at).unwrap().as_os_str().as_bytes().to_vec();
            all.insert(name, (about.mode(), mtime, content));
        }
    }
    all
}

/// Two trees that are to be the same; what is not is named.
#[track_caller]
fn same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    let names = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name));
    let told = |at: Option<&(u32, i64, Vec<u8>)>| at.map(|(mode, time, content)| (*mode, *time, content.len()));
    let differ: Vec<_> =
        names.map(|name| (String::from_utf8_lossy(name), told(one.get(name)), told(other.get(name)))).take(5).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// A tree of everything that is odd.
fn odd(at: &Path) {
    fs::create_dir_all(at.join("sub folder/deep/-er")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    for name in [
        "-rf",
        "--help",
        "a b",
        "new\nline",
        "ends in\n",
        "it's \"q\" \\ $x",
        "ünï-ço∂é",
        " lead",
        "*",
        ".hidden",
        "..x",
        "@f",
    ] {
        fs::write(at.join(name), name).unwrap();
    }
    fs::write(at.join(OsStr::from_bytes(b"\xff\xfe not utf-8")), "x").unwrap();
    fs::write(at.join("n".repeat(200)), "long").unwrap();
    let deep = at.join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f"), "deep").unwrap();
    fs::write(at.join("sub folder/nothing"), "").unwrap();
    fs::write(at.join("sub folder/deep/-er/program"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at.join("sub folder/deep/-er/program"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(at.join("-rf"), fs::Permissions::from_mode(0o440)).unwrap();
    symlink("a b", at.join("link")).unwrap();
    symlink("../-rf", at.join("sub folder/up")).unwrap();
    symlink("sub folder", at.join("folder link")).unwrap();
    symlink("gone", at.join("dangling")).unwrap();
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_007);
    for path in ["a b", "empty", "sub folder/deep"] {
        fs::File::open(at.join(path)).unwrap().set_modified(old).unwrap();
    }
    fs::set_permissions(at.join("empty"), fs::Permissions::from_mode(0o500)).unwrap();
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn hidden(at: &Path) -> Vec<String> {
    tree(at)
        .keys()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .filter(|name| name.contains(".berth"))
        .collect()
}

fn none(missed: &Missed) {
    assert_eq!(missed.count, 0, "{missed:?}");
}

/// A machine with a login environment of its own making.
fn without_tar() -> Sshd {
    let sshd = Sshd::with("SetEnv PATH={dir}/bin HOME={dir}\n");
    let bin = sshd.path("bin");
    fs::create_dir(&bin).unwrap();
    for folder in ["/usr/bin", "/bin"] {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if !entry.file_name().as_bytes().windows(3).any(|part| part == b"tar") {
                let _ = symlink(entry.path(), bin.join(entry.file_name()));
            }
        }
    }
    sshd
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_trees_go_up_and_come_down_the_same() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("from"), sshd.path("there"), sshd.path("back"));
    odd(&from);
    fs::create_dir(&back).unwrap();
    let outcome = up(&session, &[&from], &there, &options("a1", false)).await.unwrap();
    none(&outcome.missed);
    same(&there.join("from"), &from);
    assert_eq!(fs::metadata(there.join("from")).unwrap().mtime(), fs::metadata(&from).unwrap().mtime());
    let outcome = down(&session, &[&there.join("from")], &back, &options("a2", false)).await.unwrap();
    none(&outcome.missed);
    same(&back.join("from"), &from);
    assert_eq!((hidden(&there), hidden(&back)), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_tar_takes_and_gives_file_by_file() {
    let sshd = without_tar();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("from"), sshd.path("there"), sshd.path("back"));
    odd(&from);
    fs::create_dir(&back).unwrap();
    none(&up(&session, &[&from], &there, &options("b1", false)).await.unwrap().missed);
    same(&there.join("from"), &from);
    // What only tar can send is refused, and said.
    let error = down(&session, &[&there.join("from")], &back, &options("b2", false)).await.unwrap_err().to_string();
    assert!(error.contains("no `tar`"), "{error}");
    for name in ["new\nline", "ends in\n"] {
        fs::remove_file(there.join("from").join(name)).unwrap();
    }
    none(&down(&session, &[&there.join("from")], &back, &options("b3", false)).await.unwrap().missed);
    same(&back.join("from"), &there.join("from"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upload_left_a_month_ago_is_taken_away_and_nothing_newer() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there) = (sshd.path("from"), sshd.path("there"));
    fs::create_dir(&from).unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(40 * 24 * 3_600);
    for (name, time) in
        [(".berth-upload-old", Some(old)), (".berth-upload-new", None), ("sub/.berth-upload-x", Some(old))]
    {
        fs::create_dir_all(there.join(name).join("t")).unwrap();
        if let Some(time) = time {
            fs::File::open(there.join(name)).unwrap().set_modified(time).unwrap();
        }
    }
    none(&up(&session, &[&from], &there, &options("m1", false)).await.unwrap().missed);
    assert!(!there.join(".berth-upload-old").exists() && there.join(".berth-upload-new/t").exists());
    assert!(there.join("sub/.berth-upload-x/t").exists(), "it is another folder's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_is_merged_with_and_never_deleted() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there) = (sshd.path("from"), sshd.path("there"));
    fs::create_dir_all(from.join("sub")).unwrap();
    for name in ["new", "replaced", "sub/new", "sub/linked", "folder", "fifo-not"] {
        fs::write(from.join(name), "ours").unwrap();
    }
    fs::create_dir_all(from.join("file")).unwrap();
    fs::create_dir_all(there.join("from/sub")).unwrap();
    fs::create_dir_all(there.join("from/folder")).unwrap();
    for name in ["replaced", "kept", "sub/kept", "folder/kept", "file", "outside"] {
        fs::write(there.join("from").join(name), "theirs").unwrap();
    }
    symlink("../outside", there.join("from/sub/linked")).unwrap();
    let error = up(&session, &[&from], &there, &options("c1", false)).await.unwrap_err().to_string();
    assert!(error.contains("what is there is a folder") && error.contains("no folder"), "{error}");
    let read = |name: &str| fs::read_to_string(there.join("from").join(name)).unwrap();
    for name in ["new", "replaced", "sub/new", "sub/linked", "fifo-not"] {
        assert_eq!(read(name), "ours", "{name}");
    }
    for name in ["kept", "sub/kept", "folder/kept", "file", "outside"] {
        assert_eq!(read(name), "theirs", "{name}");
    }
    assert!(!there.join("from/sub/linked").is_symlink(), "a link is replaced, what it leads to stays");
    session.forget_upload(there.as_os_str().as_bytes(), "c1").await.unwrap();
    assert_eq!(hidden(&there), Vec::<String>::new());

    // The other way the same: what is here stays.
    let back = sshd.path("back");
    fs::create_dir_all(back.join("from/new")).unwrap();
    fs::write(back.join("from/mine"), "mine").unwrap();
    symlink("/etc/hostname", back.join("from/kept")).unwrap();
    let outcome = down(&session, &[&there.join("from")], &back, &options("c2", false)).await.unwrap();
    assert_eq!((outcome.missed.failed.len(), outcome.missed.count), (1, 1), "{:?}", outcome.missed);
    assert!(back.join("from/new").is_dir() && back.join("from/mine").exists());
    assert_eq!(fs::read_to_string(back.join("from/kept")).unwrap(), "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_outside_are_left_here_and_told_of() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, back) = (sshd.path("from"), sshd.path("back"));
    fs::create_dir_all(from.join("sub")).unwrap();
    fs::create_dir(&back).unwrap();
    fs::write(from.join("file"), "file").unwrap();
    fs::hard_link(from.join("file"), from.join("second")).unwrap();
    for (at, to) in [("out", "/etc/passwd"), ("up", "../beside"), ("sub/far", "../../../x"), ("sub/in", "../file")] {
        symlink(to, from.join(at)).unwrap();
    }
    nix_fifo(&from.join("fifo"));
    let outcome = down(&session, &[&from], &back, &options("d1", false)).await.unwrap();
    assert_eq!((outcome.missed.left_out.len(), outcome.missed.failed.len()), (4, 0), "{:?}", outcome.missed);
    let names: Vec<_> = tree(&back).into_keys().map(|name| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["from", "from/file", "from/second", "from/sub", "from/sub/in"]);
    assert_eq!(fs::read(back.join("from/second")).unwrap(), b"file");
    // And those of this computer that are no files.
    let outcome = up(&session, &[&from], &sshd.path("there"), &options("d2", false)).await.unwrap();
    assert_eq!(outcome.missed.left_out.len(), 1, "{:?}", outcome.missed);
    assert_eq!(fs::read_link(sshd.path("there/from/out")).unwrap(), Path::new("/etc/passwd"));
}

fn nix_fifo(at: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_files_and_a_big_one() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("from"), sshd.path("there"), sshd.path("back"));
    for folder in 0..20 {
        fs::create_dir_all(from.join(folder.to_string())).unwrap();
        for file in 0..100 {
            fs::write(from.join(format!("{folder}/{file}")), format!("{folder} {file}")).unwrap();
        }
    }
    fs::write(from.join("big"), content(64 << 20)).unwrap();
    fs::create_dir(&back).unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let seen = told.clone();
    let progress = Arc::new(move |done, total: Option<u64>| {
        assert!(total.is_none_or(|total| done <= total), "{done} of {total:?}");
        seen.fetch_max(done, Ordering::Relaxed);
    });
    let with = |id: &str| TreeOptions { progress: progress.clone(), ..options(id, false) };
    let outcome = up(&session, &[&from], &there, &with("e1")).await.unwrap();
    assert_eq!(told.swap(0, Ordering::Relaxed), outcome.bytes);
    same(&there.join("from"), &from);
    let some = ["big", "3", "4"].map(|name| there.join("from").join(name));
    let some = some.each_ref().map(PathBuf::as_path);
    let outcome = down(&session, &some, &back, &with("e2")).await.unwrap();
    assert_eq!(outcome.bytes, told.load(Ordering::Relaxed));
    assert!(fs::read(back.join("big")).unwrap() == content(64 << 20));
    assert_eq!((fs::read_dir(&back).unwrap().count(), fs::read_dir(back.join("4")).unwrap().count()), (3, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_transfer_ends_at_once_and_goes_on() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("from"), sshd.path("there"), sshd.path("back"));
    fs::create_dir_all(&from).unwrap();
    fs::create_dir_all(&back).unwrap();
    fs::write(from.join("big"), content(36 << 20)).unwrap();
    for upwards in [true, false] {
        let cancel = CancellationToken::new();
        let (stop, asked) = (cancel.clone(), Arc::new(OnceLock::new()));
        let at = asked.clone();
        let progress = Arc::new(move |done: u64, _| {
            if done > 18 << 20 {
                at.get_or_init(Instant::now);
                stop.cancel();
            }
        });
        let cut = TreeOptions { cancel, progress, ..options("f1", false) };
        let stopped = match upwards {
            true => up(&session, &[&from], &there, &cut).await,
            false => down(&session, &[&there.join("from")], &back, &cut).await,
        };
        assert!(matches!(stopped, Err(SshError::Cancelled {})), "{stopped:?}");
        let took = asked.get().unwrap().elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let to = if upwards { &there } else { &back };
        assert!(!to.join("from/big").exists(), "no half of it is seen");
        let seen = Arc::new(AtomicU64::new(u64::MAX));
        let least = seen.clone();
        let progress = Arc::new(move |done: u64, _| {
            least.fetch_min(if done > 0 { done } else { u64::MAX }, Ordering::Relaxed);
        });
        let again = TreeOptions { progress, ..options("f1", true) };
        let outcome = match upwards {
            true => up(&session, &[&from], &there, &again).await.unwrap(),
            false => down(&session, &[&there.join("from")], &back, &again).await.unwrap(),
        };
        assert_eq!(outcome.bytes, 36 << 20);
        assert!(seen.load(Ordering::Relaxed) > 8 << 20, "it went on from where it was: {seen:?}");
        assert!(fs::read(to.join("from/big")).unwrap() == content(36 << 20));
        assert_eq!(hidden(to), Vec::<String>::new());
    }
}

/// Far away a file goes up in parts; what has arrived of each is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_big_file_goes_far_in_parts_and_goes_on() {
    const SIZE: usize = (40 << 20) + 3;
    let sshd = Sshd::start();
    let way = Way::to(sshd.port, Duration::from_millis(12)).await;
    let session = Session::new(way.target(&sshd.target), SessionOptions::default());
    let (from, there) = (sshd.path("big file"), sshd.path("there"));
    fs::write(&from, content(SIZE)).unwrap();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let progress = Arc::new(move |done: u64, _| {
        if done > 24 << 20 {
            stop.cancel();
        }
    });
    let stopped = up(&session, &[&from], &there, &TreeOptions { cancel, progress, ..options("p1", false) }).await;
    assert!(matches!(stopped, Err(SshError::Cancelled {})), "{stopped:?}");
    assert!(!there.join("big file").exists() && hidden(&there).iter().filter(|name| name.contains("p1-")).count() == 4);
    let parts = || {
        let hidden = fs::read_dir(there.join(".berth-upload-p1")).unwrap();
        hidden.map(|part| part.unwrap().metadata().unwrap()).filter(|part| part.is_file()).map(|part| part.len()).sum()
    };
    let kept: u64 = parts();
    let (told, most) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
    let (least, last) = (told.clone(), most.clone());
    let progress = Arc::new(move |done: u64, _| {
        least.fetch_min(if done > 0 { done } else { u64::MAX }, Ordering::Relaxed);
        last.fetch_max(done, Ordering::Relaxed);
    });
    let again = TreeOptions { progress, ..options("p1", true) };
    let outcome = up(&session, &[&from], &there, &again).await.unwrap();
    assert_eq!((outcome.bytes, most.load(Ordering::Relaxed)), (SIZE as u64, SIZE as u64));
    assert!(kept > 8 << 20 && told.load(Ordering::Relaxed) > 1 << 20, "it went on: {kept} {told:?}");
    assert!(fs::read(there.join("big file")).unwrap() == content(SIZE));
    assert_eq!(hidden(&there), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_loses_nothing_that_arrived() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("from"), sshd.path("there"), sshd.path("back"));
    fs::create_dir_all(&back).unwrap();
    fs::create_dir_all(from.join("empty")).unwrap();
    for file in 0..400 {
        fs::write(from.join(format!("{file:03}")), content(100_000 + file)).unwrap();
    }
    fs::write(from.join("odd\\"), "odd").unwrap();
    symlink("001", from.join("link")).unwrap();
    for upwards in [true, false] {
        let (cut, cutter) = (std::sync::atomic::AtomicBool::new(false), sshd.cutter());
        let progress = Arc::new(move |done: u64, _| {
            if done > 16 << 20 && !cut.swap(true, Ordering::Relaxed) {
                cutter();
            }
        });
        let first = TreeOptions { progress, ..options("g1", false) };
        let broken = match upwards {
            true => up(&session, &[&from], &there, &first).await,
            false => down(&session, &[&there.join("from")], &back, &first).await,
        };
        assert!(matches!(broken, Err(SshError::TransferCut {})), "{broken:?}");
        let seen = Arc::new(AtomicU64::new(u64::MAX));
        let least = seen.clone();
        let progress = Arc::new(move |done: u64, _| {
            least.fetch_min(if done > 0 { done } else { u64::MAX }, Ordering::Relaxed);
        });
        let again = TreeOptions { progress, ..options("g1", true) };
        if !upwards {
            // A name that no list of names can have: all would come again.
            fs::remove_file(there.join("from/odd\\")).unwrap();
            fs::remove_file(from.join("odd\\")).unwrap();
            fs::File::open(&from).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            fs::File::open(there.join("from")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let outcome = loop {
            let outcome = match upwards {
                true => up(&session, &[&from], &there, &again).await,
                false => down(&session, &[&there.join("from")], &back, &again).await,
            };
            match outcome {
                // That the other connections broke too is seen by whoever uses them next.
                Err(SshError::OutcomeUnknown {} | SshError::NotConnected { .. }) => {}
                outcome => break outcome.unwrap(),
            }
        };
        none(&outcome.missed);
        assert!(seen.load(Ordering::Relaxed) > 8 << 20, "it went on from where it was: {seen:?}");
        let to = if upwards { &there } else { &back };
        same(&to.join("from"), &from);
        assert_eq!(hidden(to), Vec::<String>::new());
    }
}

/// A big file that changed meanwhile is not put together from two.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_beginning_of_the_file_is_not_gone_on_with() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (from, there, back) = (sshd.path("big"), sshd.path("there"), sshd.path("back"));
    fs::create_dir(&back).unwrap();
    for upwards in [true, false] {
        fs::write(&from, content(20 << 20)).unwrap();
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let progress = Arc::new(move |done: u64, _| {
            if done > 10 << 20 {
                stop.cancel()
            }
        });
        let first = TreeOptions { cancel, progress, ..options("h1", false) };
        let to = if upwards { &there } else { &back };
        let stopped = match upwards {
            true => up(&session, &[&from], to, &first).await,
            false => down(&session, &[&from], to, &first).await,
        };
        assert!(stopped.is_err());
        let mut other = content(20 << 20);
        other[7] ^= 1;
        fs::write(&from, &other).unwrap();
        let again = options("h1", true);
        match upwards {
            true => drop(up(&session, &[&from], to, &again).await.unwrap()),
            false => drop(down(&session, &[&from], to, &again).await.unwrap()),
        }
        assert!(fs::read(to.join("big")).unwrap() == other);
    }
    // What a try left is taken away by name.
    fs::write(back.join(".berth-h9-0000000000000000"), "part").unwrap();
    forget_download(&back, &[b"big".to_vec()], "h9");
    assert_eq!(hidden(&back), Vec::<String>::new());
}

/// A machine whose `tar` says what it likes.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_machine_writes_nothing_elsewhere() {
    let sshd = Sshd::with("SetEnv PATH={dir}/bin:/usr/bin:/bin HOME={dir}\n");
    let session = sshd.session();
    let (evil, back) = (sshd.path("evil.tar"), sshd.path("a/back"));
    fs::create_dir_all(&back).unwrap();
    fs::write(back.join("mine"), "mine").unwrap();
    let mut stream = Vec::new();
    let mut entry = |kind: u8, name: &[u8], link: &[u8], content: &[u8]| {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..107].copy_from_slice(b"0000777");
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link);
        block[257..265].copy_from_slice(b"ustar  \0");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        stream.extend_from_slice(&block);
        stream.extend_from_slice(content);
        stream.resize(stream.len().div_ceil(512) * 512, 0);
    };
    entry(b'5', b"it", b"", b"");
    entry(b'0', b"it/../../out", b"", b"evil");
    entry(b'0', b"../out", b"", b"evil");
    entry(b'0', b"/tmp/berth-evil-out", b"", b"evil");
    entry(b'0', b"mine", b"", b"evil");
    entry(b'2', b"it/away", b"..", b"");
    entry(b'2', b"it/abs", b"/", b"");
    entry(b'2', b"it/here", b".", b"");
    entry(b'0', b"it/here/through", b"", b"evil");
    entry(b'2', b"it/sly", b"here/../../..", b"");
    entry(b'1', b"it/hard", b"mine", b"");
    entry(b'1', b"it/hard2", b"../../etc/passwd", b"");
    entry(b'1', b"it/hard3", b"/etc/passwd", b"");
    entry(b'3', b"it/device", b"", b"");
    entry(b'0', b"it/\x1b[31mgood", b"", b"good");
    entry(b'L', b"././@LongLink", b"", &[b"it/".as_slice(), &b"../x/".repeat(200), b"out\0"].concat());
    entry(b'0', b"short", b"", b"evil");
    entry(b'x', b"it/pax", b"", b"19 path=../../out1\n");
    entry(b'0', b"it/good2", b"", b"evil");
    stream.resize(stream.len() + 1024, 0);
    fs::write(&evil, &stream).unwrap();
    fs::create_dir(sshd.path("bin")).unwrap();
    let tar = sshd.path("bin/tar");
    let becomes = |script: String| {
        fs::write(&tar, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&tar, fs::Permissions::from_mode(0o755)).unwrap();
    };
    becomes(format!("cat '{}'", evil.display()));
    let outcome = down(&session, &[Path::new("/it")], &back, &options("i1", false)).await.unwrap();
    let names: Vec<_> = tree(&sshd.path("a")).into_keys().map(|name| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["back", "back/it", "back/it/\x1b[31mgood", "back/it/here", "back/mine"], "{:?}", outcome.missed);
    assert!(!sshd.path("out").exists() && !Path::new("/tmp/berth-evil-out").exists());
    assert_eq!(fs::read(back.join("mine")).unwrap(), b"mine");

    // What is no stream, what has no end, and names without an end.
    becomes("echo this is no tar stream; head -c 100000 /dev/urandom".to_owned());
    let error = down(&session, &[Path::new("/it")], &back, &options("i2", false)).await.unwrap_err().to_string();
    assert!(error.contains("no tar stream"), "{error}");
    becomes(format!("cat '{}'; cat /dev/zero", evil.display()));
    let _ = down(&session, &[Path::new("/it")], &back, &options("i3", false)).await;
    let long = stream.chunks(512).find(|block| block.starts_with(b"././@LongLink")).unwrap();
    let mut name = long.to_vec();
    name[124..135].copy_from_slice(b"77777777777");
    name[148..156].copy_from_slice(b"        ");
    let sum: u32 = name.iter().map(|byte| u32::from(*byte)).sum();
    name[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(&evil, &name).unwrap();
    becomes(format!("cat '{}'; cat /dev/zero", evil.display()));
    let error = down(&session, &[Path::new("/it")], &back, &options("i4", false)).await.unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
}

//! Processes of this computer, as `/proc` tells of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a process has started.
pub fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let told = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    told.flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// A process and all that came of it, each before what came of it.
pub fn tree(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut next = 0;
    while next < all.len() {
        all.extend(children(all[next]));
        next += 1;
    }
    all
}

/// Whether it runs.
pub fn runs(process: u32) -> bool {
    field(process, 0).is_some_and(|state| state != "Z")
}

/// The processes of the session that one is in.
pub fn of_session(process: u32) -> Vec<u32> {
    let session = |process| field(process, 3);
    let wanted = session(process);
    all().filter(|process| wanted.is_some() && session(*process) == wanted).collect()
}

/// The processes whose home is in this folder, wherever they were started from.
pub fn at_home_in(folder: &Path) -> Vec<u32> {
    let lives = |process: &u32| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let home = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"HOME="));
        home.is_some_and(|home| Path::new(OsStr::from_bytes(home)).starts_with(folder))
    };
    all().filter(lives).collect()
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether it is an SSH server, or serves a connection of one.
pub fn is_server(process: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.starts_with("sshd") || name.trim() == "dropbear"
}

/// Ends them at once.
pub fn kill(processes: &[u32]) {
    for process in processes {
        let _ = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
    }
}

/// A field of its `stat`, counted from the one after its name.
fn field(process: u32, at: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(at).map(str::to_owned)
}

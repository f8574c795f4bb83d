//! Files, as the app sends and fetches them, beside OpenSSH's own programs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_ssh::{Session, TreeOptions};
use tokio_util::sync::CancellationToken;

use crate::machine::{Machine, Ssh, User, millis};
use crate::table::{Table, Target, median};
use berth_testbed::Way;

/// Measures it all.
pub async fn measure(table: &mut Table) {
    let machine = Machine::start(User::Plain);
    let near = |ratio| Target::RatioAtLeast(ratio);
    one_file(&machine, table, "100 MB", 100, None, 5, near(1.0), near(1.0), "scp").await;
    one_file(&machine, table, "1 GB", 1_000, None, 3, near(1.0), near(1.0), "sftp").await;
    let far = Some(Duration::from_millis(25));
    one_file(&machine, table, "60 MB, 50 ms away", 60, far, 3, near(1.5), near(1.5), "scp").await;
    small_files(&machine, table).await;
}

fn options(id: &str) -> TreeOptions {
    let (cancel, progress) = (CancellationToken::new(), Arc::new(|_, _| {}));
    TreeOptions { id: id.to_owned(), resume: false, cancel, progress }
}

async fn send(session: &Session, from: &Path, into: &Path) {
    let sent = session.upload_tree(&[from.to_owned()], into.display().to_string().as_bytes(), &options("bench")).await;
    sent.expect("sent");
}

async fn fetch(session: &Session, from: &Path, into: &Path) {
    let from = from.display().to_string().into_bytes();
    session.download_tree(&[from], into, &options("bench")).await.expect("fetched");
}

/// One of OpenSSH's programs copies a file, up or down.
fn copy(ssh: &Ssh, program: &str, local: &Path, remote: &Path, up: bool) {
    let (local, remote) = (local.display(), remote.display());
    let mut command = ssh.command(program);
    command.arg("-q");
    if program == "sftp" {
        let batch = if up { format!("put {local} {remote}") } else { format!("get {remote} {local}") };
        command.args(["-b", "-"]).arg(ssh.host()).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().expect("sftp");
        let mut stdin = child.stdin.take().expect("its input");
        std::io::Write::write_all(&mut stdin, batch.as_bytes()).expect("its batch");
        drop(stdin);
        assert!(child.wait().expect("sftp").success(), "sftp failed");
        return;
    }
    let there = format!("{}:{remote}", ssh.host());
    let local = local.to_string();
    let words = if up { [local, there] } else { [there, local] };
    assert!(command.args(words).status().expect("scp").success(), "scp failed");
}

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
async fn one_file(
    machine: &Machine,
    table: &mut Table,
    name: &str,
    megabytes: usize,
    delay: Option<Duration>,
    times: usize,
    up_target: Target,
    down_target: Target,
    peer: &str,
) {
    let way = match delay {
        Some(delay) => Some(Way::to(machine.port, delay).await),
        None => None,
    };
    let port = way.as_ref().map_or(machine.port, |way| way.port);
    let session = machine.session(port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(port));
    let folder = machine.path().join(format!("transfer-{megabytes}"));
    let (file, there, back) = (folder.join("file"), folder.join("there"), folder.join("back"));
    for made in [&folder, &there, &back] {
        std::fs::create_dir(made).expect("a folder");
    }
    {
        let mut written = std::fs::File::create(&file).expect("a file");
        // Nothing that a network or a disk could make smaller.
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..megabytes {
            let mut block = Vec::with_capacity(1_000_000);
            while block.len() < 1_000_000 {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                block.extend_from_slice(&word.to_le_bytes());
            }
            std::io::Write::write_all(&mut written, &block).expect("written");
        }
    }
    let rate = |begun: Instant| megabytes as f64 / begun.elapsed().as_secs_f64();
    let (mut up, mut down, mut peer_up, mut peer_down) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // A session that has been used, as the other's connection has been made.
    session.run(b"true", berth_ssh::RunOptions::default()).await.expect("it runs");
    for _ in 0..times {
        let begun = Instant::now();
        send(&session, &file, &there).await;
        up.push(rate(begun));
        let begun = Instant::now();
        tokio::task::block_in_place(|| copy(&ssh, peer, &file, &there.join("peers"), true));
        peer_up.push(rate(begun));
        let begun = Instant::now();
        fetch(&session, &there.join("file"), &back).await;
        down.push(rate(begun));
        let begun = Instant::now();
        tokio::task::block_in_place(|| copy(&ssh, peer, &back.join("peers"), &there.join("file"), false));
        peer_down.push(rate(begun));
        for copied in [there.join("file"), there.join("peers"), back.join("file"), back.join("peers")] {
            std::fs::remove_file(copied).expect("it was copied");
        }
    }
    table.beside(&format!("writing {name}"), median(up), peer, median(peer_up), "MB/s", up_target);
    table.beside(&format!("reading {name}"), median(down), peer, median(peer_down), "MB/s", down_target);
    std::fs::remove_dir_all(&folder).expect("taken away");
}

/// In memory, where the system has room for it: to make a thousand files takes a disk longer than the way to it, and it
/// takes longer at each time.
async fn small_files(machine: &Machine, table: &mut Table) {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { machine.path() };
    let folder = tempfile::Builder::new().prefix("bb").tempdir_in(place).expect("a folder");
    let folder = folder.path();
    let session = machine.session(machine.port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    session.run(b"true", berth_ssh::RunOptions::default()).await.expect("it runs");
    let here = folder.join("small");
    std::fs::create_dir(&here).expect("a folder");
    for number in 0..1_000 {
        std::fs::write(here.join(format!("file-{number}")), vec![b'x'; 2_000]).expect("a file");
    }
    let here_text = here.display().to_string();
    let (mut up, mut scp_up, mut rsync_up) = (Vec::new(), Vec::new(), Vec::new());
    let (mut down, mut scp_down) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let at = |who: &str| {
            let path = folder.join(format!("{who}-{round}"));
            std::fs::create_dir(&path).expect("a folder");
            path
        };
        let into = at("tree");
        let begun = Instant::now();
        send(&session, &here, &into).await;
        up.push(millis(begun));
        let into = at("scp");
        let begun = Instant::now();
        tokio::task::block_in_place(|| {
            let there = format!("{}:{}", ssh.host(), into.display());
            let status = ssh.command("scp").args(["-q", "-r", &here_text, &there]).status().expect("scp");
            assert!(status.success(), "scp failed");
        });
        scp_up.push(millis(begun));
        let into = at("rsync").display().to_string();
        let begun = Instant::now();
        tokio::task::block_in_place(|| ssh.rsync(&here_text, &into));
        rsync_up.push(millis(begun));
        let into = at("tree-back");
        let begun = Instant::now();
        fetch(&session, &here, &into).await;
        down.push(millis(begun));
        let into = at("scp-back").display().to_string();
        let begun = Instant::now();
        tokio::task::block_in_place(|| {
            let there = format!("{}:{here_text}", ssh.host());
            let status = ssh.command("scp").args(["-q", "-r", &there, &into]).status().expect("scp");
            assert!(status.success(), "scp failed");
        });
        scp_down.push(millis(begun));
    }
    let up = median(up);
    table.beside("sending 1,000 files of 2 kB", up, "scp -r", median(scp_up), "ms", Target::RatioAtMost(0.5));
    table.beside("the same", up, "rsync -a", median(rsync_up), "ms", Target::None);
    let name = "fetching 1,000 files of 2 kB";
    table.beside(name, median(down), "scp -r", median(scp_down), "ms", Target::RatioAtMost(0.5));
}

//! What a network does to it: far machines, many files, many connections, and a network that goes away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use berth_engine::kept::Keeper;
use berth_ssh::{RunOptions, TreeOptions};
use berth_tools::{Place, Run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::link::delayed;
use crate::machine::{Machine, Ssh, User, free_port, millis};
use crate::table::{Table, Target, median};

/// Measures it all.
pub async fn measure(table: &mut Table) {
    let machine = Machine::start(User::Plain);
    for trip in [20, 200_u64] {
        let port = delayed(machine.port, Duration::from_millis(trip / 2)).await;
        let session = machine.session(port);
        let ssh = tokio::task::block_in_place(|| machine.ssh(port));
        session.run(b"true", RunOptions::default()).await.expect("it runs");
        let (mut berth, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let begun = Instant::now();
            session.run(b"true", RunOptions::default()).await.expect("it runs");
            berth.push(millis(begun));
            peer.push(tokio::task::block_in_place(|| ssh.run("true")));
        }
        let name = format!("one action, {trip} ms away");
        let (berth, peer) = (median(berth), median(peer));
        table.beside(&name, berth, "ssh, multiplexed", peer, "ms", Target::None);
        table.alone(&format!("{name}, in round trips"), berth / trip as f64, "trips", Target::AtMost(1.1));
    }
    far_transfers(&machine, table).await;
    small_files(&machine, table).await;
    forward(&machine, table).await;
    for (cut, times) in [(1, 8), (10, 3)] {
        recovery(&machine, table, Duration::from_secs(cut), times).await;
    }
}

fn scp(ssh: &Ssh, arguments: &[&str]) {
    let status = ssh.command("scp").arg("-q").args(arguments).status().expect("scp");
    assert!(status.success(), "scp failed");
}

async fn far_transfers(machine: &Machine, table: &mut Table) {
    const SIZE: usize = 60 * 1_000 * 1_000;
    let port = delayed(machine.port, Duration::from_millis(25)).await;
    let session = machine.session(port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(port));
    let (here, there, back) =
        (machine.path().join("far"), machine.path().join("far-there"), machine.path().join("far-back"));
    std::fs::write(&here, vec![0x5a_u8; SIZE]).expect("a file");
    let (here_text, there_text) = (here.display().to_string(), there.display().to_string());
    let (back_text, remote) = (back.display().to_string(), format!("{}:{}", ssh.host(), there.display()));
    let rate = |begun: Instant| SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64();
    let (mut up, mut down, mut scp_up, mut scp_down) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let begun = Instant::now();
        let file = tokio::fs::File::open(&here).await.expect("the file");
        session.upload(file, SIZE as u64, there_text.as_bytes(), None, |_| {}).await.expect("sent");
        up.push(rate(begun));
        let begun = Instant::now();
        tokio::task::block_in_place(|| scp(&ssh, &[&here_text, &remote]));
        scp_up.push(rate(begun));
        let begun = Instant::now();
        let file = tokio::fs::File::create(&back).await.expect("a file");
        session.download(there_text.as_bytes(), file, |_| {}).await.expect("fetched");
        down.push(rate(begun));
        let begun = Instant::now();
        tokio::task::block_in_place(|| scp(&ssh, &[&remote, &back_text]));
        scp_down.push(rate(begun));
    }
    let target = || Target::RatioAtLeast(1.5);
    table.beside("writing 60 MB, 50 ms away", median(up), "scp", median(scp_up), "MB/s", target());
    table.beside("reading 60 MB, 50 ms away", median(down), "scp", median(scp_down), "MB/s", target());
}

async fn small_files(machine: &Machine, table: &mut Table) {
    let session = machine.session(machine.port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    let here = machine.path().join("small");
    std::fs::create_dir(&here).expect("a folder");
    for number in 0..1_000 {
        std::fs::write(here.join(format!("file-{number}")), vec![b'x'; 2_000]).expect("a file");
    }
    let here_text = here.display().to_string();
    let (mut up, mut scp_up, mut rsync_up) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..3 {
        let at = |who: &str| {
            let path = machine.path().join(format!("{who}-{round}"));
            std::fs::create_dir(&path).expect("a folder");
            path.display().to_string()
        };
        let into = at("tree");
        let begun = Instant::now();
        let options = TreeOptions {
            id: format!("bench-{round}"),
            resume: false,
            cancel: CancellationToken::new(),
            progress: Arc::new(|_, _| {}),
        };
        session.upload_tree(std::slice::from_ref(&here), into.as_bytes(), &options).await.expect("sent");
        up.push(millis(begun));
        let into = at("scp");
        let begun = Instant::now();
        tokio::task::block_in_place(|| scp(&ssh, &["-r", &here_text, &format!("{}:{into}", ssh.host())]));
        scp_up.push(millis(begun));
        let into = at("rsync");
        let begun = Instant::now();
        tokio::task::block_in_place(|| ssh.rsync(&here_text, &into));
        rsync_up.push(millis(begun));
    }
    let up = median(up);
    table.beside("sending 1,000 files of 2 kB", up, "scp -r", median(scp_up), "ms", Target::RatioAtMost(0.5));
    table.beside("the same", up, "rsync -a", median(rsync_up), "ms", Target::None);
}

/// 64 connections at once, each of which is sent 1 MB.
async fn forward(machine: &Machine, table: &mut Table) {
    const SIZE: usize = 1_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(&vec![7; SIZE]).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let session = machine.session(machine.port);
    session.run(b"true", RunOptions::default()).await.expect("it runs");
    let local = free_port();
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    tokio::task::block_in_place(|| ssh.forward(local, server));
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let begun = Instant::now();
        let all = (0..64).map(|_| async {
            let mut all = Vec::new();
            session
                .forward_tcp("127.0.0.1", server)
                .await
                .expect("a stream")
                .read_to_end(&mut all)
                .await
                .expect("read");
            assert_eq!(all.len(), SIZE);
        });
        futures::future::join_all(all).await;
        berth.push(64.0 * SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let all = (0..64).map(|_| async {
            let mut all = Vec::new();
            let mut stream = TcpStream::connect(("127.0.0.1", local)).await.expect("a stream");
            stream.read_to_end(&mut all).await.expect("read");
            assert_eq!(all.len(), SIZE);
        });
        futures::future::join_all(all).await;
        peer.push(64.0 * SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    let name = "64 connections through a forward";
    table.beside(name, median(berth), "ssh -L", median(peer), "MB/s", Target::RatioAtLeast(1.0));
}

/// A link that can be gone: what is sent meanwhile is lost as on a network that is, and new connections find nobody.
async fn fragile(to: u16, gone: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let to = SocketAddr::from(([127, 0, 0, 1], to));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let gone = gone.clone();
            tokio::spawn(async move {
                if gone.load(Ordering::SeqCst) {
                    // As a SYN that nobody answers; whoever waits gives up by itself.
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    return;
                }
                let Ok(far) = TcpStream::connect(to).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::join!(pass(near_in, far_out, gone.clone()), pass(far_in, near_out, gone));
            });
        }
    });
    port
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    gone: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if gone.load(Ordering::SeqCst) {
            // TCP would send it again, later and later. A connection that was cut for long is as good as dead.
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// From the network's return to the next byte of a command that runs.
async fn recovery(machine: &Machine, table: &mut Table, cut: Duration, times: usize) {
    let mut measured = Vec::new();
    for _ in 0..times {
        let gone = Arc::new(AtomicBool::new(false));
        let port = fragile(machine.port, gone.clone()).await;
        let session = machine.session(port);
        let (live, mut heard) = mpsc::channel(1_024);
        let command = "i=0; while [ $i -lt 400 ]; do i=$((i + 1)); echo $i; sleep 0.05; done".to_owned();
        let run = Run { at: Place::here("/"), command, env: Vec::new() };
        let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
        let running = keeper.run(&session, &run, Duration::from_secs(60), &cancel, live);
        let measure = async {
            heard.recv().await.expect("it prints");
            gone.store(true, Ordering::SeqCst);
            tokio::time::sleep(cut).await;
            while heard.try_recv().is_ok() {}
            gone.store(false, Ordering::SeqCst);
            let begun = Instant::now();
            heard.recv().await.expect("it prints again");
            millis(begun)
        };
        tokio::select! {
            _ = running => panic!("it ended"),
            ms = measure => measured.push(ms),
        }
        cancel.cancel();
        session.close().await;
    }
    measured.sort_by(f64::total_cmp);
    let at = |part: f64| measured[((measured.len() - 1) as f64 * part).round() as usize];
    let name = format!("the network was gone for {} s: its return to the next byte", cut.as_secs());
    table.alone(&format!("{name}, p50"), at(0.5), "ms", Target::None);
    table.alone(&format!("{name}, p95"), at(0.95), "ms", Target::AtMost(1_000.0));
}

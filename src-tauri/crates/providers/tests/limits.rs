//! What takes too much ends its own sandbox, and nothing else.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::time::{Duration, Instant};

use berth_model::NetworkMode;
use berth_providers::egress::EgressOptions;
use berth_providers::{Found, Limits};
use support::{Sandbox, World};

const MEMORY: &str = "bytes of memory";

async fn is_ended_by(limits: Limits, script: &str, last_words: &str) {
    let world = World::with(EgressOptions::default(), limits);
    let other = world.start(Some(NetworkMode::Proxied)).await;
    let sandbox = world.start(Some(NetworkMode::Proxied)).await;
    sandbox.ok("echo kept > kept").await;
    let begun = Instant::now();
    let ran = tokio::time::timeout(Duration::from_secs(30), sandbox.run(script)).await;
    while !matches!(world.local.find(sandbox.id()).await.unwrap(), Found::Asleep) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it still runs: {ran:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Where a systemd holds the memory, the kernel ends the sandbox without a word.
    let log = std::fs::read_to_string(world.root_of(sandbox.id()).join("log")).unwrap();
    let systemd = std::path::Path::new("/run/systemd/private").exists();
    assert!(log.contains(last_words) || systemd && last_words == MEMORY, "{log}");
    other.ok("true").await;
    let again = world.local.start(&sandbox.spec).await.unwrap();
    assert_eq!(Sandbox::new(sandbox.spec, again).ok("cat kept").await, "kept");
}

#[tokio::test]
async fn a_fork_bomb() {
    let limits = Limits { memory: 1 << 30, tasks: 100 };
    is_ended_by(limits, "bash -c 'f() { f | f & }; f; wait'; sleep 20", "processes and threads").await;
}

#[tokio::test]
async fn many_quiet_processes() {
    let limits = Limits { memory: 1 << 30, tasks: 60 };
    is_ended_by(limits, "i=0; while [ $i -lt 90 ]; do sleep 60 & i=$((i+1)); done; wait", "processes and threads")
        .await;
}

#[tokio::test]
async fn a_program_that_takes_memory() {
    let limits = Limits { memory: 192 << 20, tasks: 200 };
    let hog = "python3 -c 'import time\nkept = []\nfor _ in range(60): kept.append(bytearray(16 << 20)); time.sleep(0.02)\ntime.sleep(20)'";
    is_ended_by(limits, hog, MEMORY).await;
}

#[tokio::test]
async fn memory_that_is_shared_or_nobodys() {
    let limits = Limits { memory: 192 << 20, tasks: 200 };
    let step = "\n    time.sleep(0.02)\ntime.sleep(20)'";
    let shared = "import mmap, time\nkept = []\nfor _ in range(60):\n    kept.append(mmap.mmap(-1, 16 << 20)); kept[-1].write(b\"x\" * (16 << 20))";
    let segments = "import ctypes, time\nl = ctypes.CDLL(None); l.shmat.restype = ctypes.c_void_p\nfor _ in range(60):\n    a = l.shmat(l.shmget(0, 16 << 20, 0o1600), None, 0); ctypes.memset(a, 1, 16 << 20); l.shmdt(ctypes.c_void_p(a))";
    for take in [shared, segments] {
        is_ended_by(limits, &format!("python3 -c '{take}{step}"), MEMORY).await;
    }
}

#[tokio::test]
async fn memory_that_many_share_counts_once() {
    let world = World::with(EgressOptions::default(), Limits { memory: 256 << 20, tasks: 200 });
    let sandbox = world.start(Some(NetworkMode::Proxied)).await;
    let family = "python3 -c 'import mmap, os, time\nm = mmap.mmap(-1, 64 << 20); m.write(b\"x\" * (64 << 20))\nfor _ in range(8):\n    if os.fork() == 0: sum(m[::4096]); time.sleep(2); os._exit(0)\ntime.sleep(2)'";
    sandbox.ok(family).await;
}

#[tokio::test]
async fn files_in_memory_count_and_have_an_end() {
    let world = World::with(EgressOptions::default(), Limits { memory: 64 << 20, tasks: 200 });
    let sandbox = world.start(Some(NetworkMode::Proxied)).await;
    let ran = sandbox.run("head -c 40000000 /dev/zero > /tmp/full").await;
    assert!(ran.err.contains("No space left"), "{ran:?}");
    sandbox.ok("rm /tmp/full").await;
}

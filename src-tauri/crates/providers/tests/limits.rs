//! What takes too much ends its own sandbox, and nothing else.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::time::{Duration, Instant};

use berth_model::NetworkMode;
use berth_providers::egress::EgressOptions;
use berth_providers::{Found, Limits};
use support::{Sandbox, World};

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
    // A cgroup needs no words.
    let log = std::fs::read_to_string(world.root_of(sandbox.id()).join("log")).unwrap();
    assert!(log.contains(last_words) || sandbox.started.limits.contains("cgroup"), "{log}");
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
    is_ended_by(limits, hog, "bytes of memory").await;
}

#[tokio::test]
async fn files_in_memory_count_and_have_an_end() {
    let world = World::with(EgressOptions::default(), Limits { memory: 64 << 20, tasks: 200 });
    let sandbox = world.start(Some(NetworkMode::Proxied)).await;
    let ran = sandbox.run("head -c 40000000 /dev/zero > /tmp/full").await;
    assert!(ran.err.contains("No space left"), "{ran:?}");
    sandbox.ok("rm /tmp/full").await;
}

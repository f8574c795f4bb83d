//! A sandbox's life: made, found again, asleep, woken, taken away.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "helpers of tests are tests")]

#[path = "support/again.rs"]
mod again;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use berth_model::{ChannelId, NetworkMode};
use berth_providers::{Found, ProviderError};
use support::{Sandbox, World, count_in, is_alive, namespace_of, spec};

const PROXIED: Option<NetworkMode> = Some(NetworkMode::Proxied);

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if support::is_root() {
        again::run_with(&["--skip", "all_of_it"], &again::Who::Person, &[]);
    }
}

#[tokio::test]
async fn starts_and_runs_commands_as_an_ordinary_user_in_its_own_home() {
    let world = World::new();
    let begun = Instant::now();
    let sandbox = world.start(PROXIED).await;
    eprintln!("started in {:?}", begun.elapsed());
    assert_eq!(
        sandbox.ok("id -u; id -g; whoami; pwd; hostname; umask").await,
        "1000\n1000\ndev\n/home/dev\ndemo\n0022"
    );
    assert_eq!(sandbox.ok("cat /proc/1/comm").await, "sandboxd");
    assert_eq!(sandbox.ok("echo $HOME; touch ~/here; ls").await, "/home/dev\nhere");
    let limits = sandbox.started.limits.clone().unwrap();
    assert!(limits.contains("2.0 GB"), "{limits}");
}

#[tokio::test]
async fn a_second_start_is_the_first() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    sandbox.ok("echo 1 > /tmp/mark").await;
    let first = world.first_process(sandbox.id());
    let again = world.local.start(&sandbox.spec).await.unwrap();
    assert_eq!(world.first_process(sandbox.id()), first);
    assert_eq!(Sandbox::new(sandbox.spec.clone(), again).ok("cat /tmp/mark").await, "1");
}

#[tokio::test]
async fn outlives_the_app_and_is_found_again() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    sandbox.ok("sleep 600 > /dev/null 2>&1 & echo $! > /tmp/pid").await;
    let first = world.first_process(sandbox.id());
    let restarted = world.restarted();
    let Found::Running(found) = restarted.find(&sandbox.spec.id).await.unwrap() else { panic!("not found") };
    assert_eq!(world.first_process(&sandbox.spec.id), first);
    assert_eq!(found.network, Some(NetworkMode::Proxied));
    let found = Sandbox::new(sandbox.spec, *found);
    found.ok("kill -0 $(cat /tmp/pid)").await;
}

#[tokio::test]
async fn sleep_ends_every_process_and_keeps_files() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    sandbox.ok("echo kept > kept; trap '' TERM; setsid sleep 600 > /dev/null 2>&1 &").await;
    let namespace = namespace_of(&world, &sandbox).await;
    assert!(count_in(&namespace) >= 1, "the trap would spring on nothing");
    world.local.sleep(sandbox.id()).await.unwrap();
    assert!(count_in(&namespace) == 0 && !is_alive(namespace.1));
    assert!(matches!(world.local.find(sandbox.id()).await.unwrap(), Found::Asleep));
    assert!(!world.sockets_of(sandbox.id()).join("ssh.sock").exists());
    world.local.sleep(sandbox.id()).await.unwrap();
    let woken = world.local.start(&sandbox.spec).await.unwrap();
    assert_eq!(Sandbox::new(sandbox.spec, woken).ok("cat kept; ls /tmp").await, "kept");
}

#[tokio::test]
async fn what_runs_is_asked_before_it_is_ended() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    let script = "trap 'sleep 0.5; echo saved > saved; exit' TERM; touch ready; while :; do sleep 0.1; done";
    sandbox
        .ok(&format!(
            "setsid sh -c \"{script}\" > /dev/null 2>&1 < /dev/null & while ! test -e ready; do sleep 0.1; done"
        ))
        .await;
    world.local.sleep(sandbox.id()).await.unwrap();
    assert_eq!(std::fs::read_to_string(world.root_of(sandbox.id()).join("home/saved")).unwrap(), "saved\n");
}

#[tokio::test]
async fn destroy_leaves_nothing() {
    let world = World::new();
    let other = world.start(PROXIED).await;
    let sandbox = world.start(PROXIED).await;
    sandbox
        .ok("mkdir -p go/mod/a; touch go/mod/a/f; chmod -R a-w go; mkdir -m 0 closed; sleep 600 >/dev/null 2>&1 &")
        .await;
    let namespace = namespace_of(&world, &sandbox).await;
    world.local.destroy(sandbox.id()).await.unwrap();
    assert!(count_in(&namespace) == 0 && !is_alive(namespace.1));
    assert!(matches!(world.local.find(sandbox.id()).await.unwrap(), Found::Gone));
    let left: Vec<_> =
        walk(world.folder.path()).into_iter().filter(|path| path.contains(sandbox.id().as_str())).collect();
    assert_eq!(left, Vec::<String>::new());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(sandbox.id().as_str()));
    assert_eq!(mentioning(sandbox.id().as_str()), Vec::<String>::new());
    assert_eq!(world.local.list().await, [other.id().clone()]);
    world.local.destroy(sandbox.id()).await.unwrap();
    other.ok("true").await;
}

#[tokio::test]
async fn what_runs_and_does_not_answer_is_started_again() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    let before = world.first_process(sandbox.id());
    std::fs::remove_file(world.sockets_of(sandbox.id()).join("ssh.sock")).unwrap();
    let again = world.local.start(&sandbox.spec).await.unwrap();
    assert_ne!(world.first_process(sandbox.id()), before);
    Sandbox::new(sandbox.spec, again).ok("true").await;
}

#[tokio::test]
async fn a_sandbox_whose_record_is_damaged_is_still_ended() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    let namespace = namespace_of(&world, &sandbox).await;
    std::fs::write(world.root_of(sandbox.id()).join("sandbox.json"), "{").unwrap();
    let again = world.restarted().start(&sandbox.spec).await.unwrap();
    assert!(count_in(&namespace) == 0 && !is_alive(namespace.1), "two sandboxes on one home");
    Sandbox::new(sandbox.spec, again).ok("true").await;
}

#[tokio::test]
async fn a_failing_start_says_why_and_leaves_no_process() {
    let world = World::new();
    let broken = world.folder.path().join("broken");
    std::fs::write(&broken, "#!/bin/sh\necho broken on purpose >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let local = berth_providers::Local::new(berth_providers::LocalConfig {
        data_dir: world.folder.path().join("data"),
        runtime_dir: world.folder.path().join("run"),
        sandboxd: Some(broken),
    });
    let spec = spec(PROXIED);
    let error = local.start(&spec).await.unwrap_err();
    assert!(matches!(error, ProviderError::Start { .. }), "{error:?}");
    assert!(error.mend().unwrap().contains("broken on purpose"), "{error:?}");
    assert_eq!(mentioning(spec.id.as_str()), Vec::<String>::new());
    assert!(matches!(local.find(&spec.id).await.unwrap(), Found::Asleep));
}

#[tokio::test]
async fn ids_and_names_cannot_escape() {
    let world = World::new();
    let mut bad = spec(PROXIED);
    bad.id = ChannelId("../../etc".into());
    assert!(matches!(world.local.start(&bad).await, Err(ProviderError::BadId(_))));
    let mut bad = spec(PROXIED);
    bad.hostname = "--bind".into();
    assert!(matches!(world.local.start(&bad).await, Err(ProviderError::BadId(_))));
}

#[tokio::test]
async fn info_starts_nothing_and_says_that_it_works() {
    let world = World::new();
    let info = world.local.info().await;
    assert!(info.available, "{:?}", info.problem);
    assert!(world.local.list().await.is_empty());
}

/// Command lines of processes that mention a text.
fn mentioning(text: &str) -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        std::fs::read(entry.path().join("cmdline")).ok().map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(text)).collect()
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

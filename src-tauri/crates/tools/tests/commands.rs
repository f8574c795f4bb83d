//! Running commands, jobs, ports and what is installed, on every machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    time::{Duration, Instant},
};

use berth_tools::{ErrorKind, GitLoss, Inventory, Place, Ports, Run, jobs};
use machine::{Machine, NASTY, at, everywhere, wire};

fn run(at: Place, command: &str) -> Run {
    Run { at, command: command.to_owned(), env: Vec::new() }
}

#[test]
fn a_command_runs_as_typed_in_its_folder_with_its_environment() {
    everywhere(|machine, home| {
        for name in NASTY {
            fs::create_dir_all(home.join(OsStr::from_bytes(name))).unwrap();
            let tool = Run {
                at: at(home, OsStr::from_bytes(name)),
                command: "printf '%s|' \"$(pwd; echo .)\" \"$GREETING\"; printf 'é %s' $((6 * 7)) >&2; exit 7".into(),
                env: vec![("GREETING".into(), "it's $HOME\n`id`".into()), ("_EMPTY".into(), String::new())],
            };
            let ran = machine.run(home, &tool).unwrap();
            let cwd = String::from_utf8_lossy(home.join(OsStr::from_bytes(name)).as_os_str().as_bytes()).into_owned();
            // What a shell calls its folder may be cleaned of `.`; only its name is asked for here.
            assert!(ran.stdout.ends_with("\n.|it's $HOME\n`id`|"), "{name:?} {ran:?}");
            assert!(ran.stdout.starts_with(&cwd), "{cwd:?} {ran:?}");
            assert_eq!((ran.stderr.as_str(), ran.exit_code), ("é 42", 7));
        }
        let long = format!("x='{}'; printf %s \"${{#x}}\"", "a".repeat(200_000));
        assert_eq!(machine.run(home, &run(Place::here("~"), &long)).unwrap().stdout, "200000");
        // A command's own exit code is never mistaken for a missing folder.
        let ran = machine.run(home, &run(Place::here("~"), "exit 125")).unwrap();
        assert_eq!(ran.exit_code, 125);
        assert_eq!(machine.run(home, &run(Place::here("~"), "kill -9 $$")).unwrap().exit_code, 137);
        for (folder, kind) in
            [("gone", ErrorKind::NotFound), ("../gone/..", ErrorKind::NotFound), ("f", ErrorKind::NotFolder)]
        {
            fs::write(home.join("f"), "").unwrap();
            assert_eq!(machine.run(home, &run(at(home, folder), "echo x")).unwrap_err().kind, kind, "{folder}");
        }
    });
}

/// Waits for a job to come to something.
fn until(machine: &Machine, home: &Path, id: &str, done: impl Fn(&jobs::Part) -> bool) -> jobs::Part {
    let start = Instant::now();
    loop {
        let part = machine.run(home, &jobs::Tail { id: id.to_owned(), offset: 0, limit: 1 << 20 }).unwrap();
        if done(&part) {
            return part;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{}: {part:?}", machine.name);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(home: &Path, id: &str, command: &str) -> jobs::Start {
    Start {
        id: id.into(),
        command: command.into(),
        at: Place::here(wire(home)),
        env: vec![("A".into(), "it's".into())],
    }
}
use jobs::Start;

#[test]
fn a_job_keeps_its_output_and_its_exit_code() {
    everywhere(|machine, home| {
        let command = "echo \"out $A $BERTH_JOB\"; echo err >&2; printf '\\377'; exit 3";
        let seen = machine.run(home, &start(home, "j1", command)).unwrap();
        assert_eq!((seen.id.as_str(), seen.command.as_str(), seen.cwd), ("j1", command, wire(home)));
        let part = until(machine, home, "j1", |part| part.job.state != jobs::State::Running);
        assert_eq!(part.bytes, b"out it's j1\nerr\n\xff");
        assert_eq!(part.job.state, jobs::State::Exited { code: 3 });
        assert!(part.job.ended.unwrap() >= part.job.started && part.job.started > 1_600_000_000_000);
        for (offset, limit, first, bytes) in
            [(4, 4, 4, &b"it's"[..]), (-2, 9, 15, b"\n\xff"), (99, 9, 17, b""), (-99, 3, 0, b"out"), (0, 0, 0, b"")]
        {
            let part = machine.run(home, &jobs::Tail { id: "j1".into(), offset, limit }).unwrap();
            assert_eq!((part.offset, part.bytes.as_slice(), part.size), (first, bytes, 17));
            assert_eq!(part.next_offset, first + bytes.len() as u64);
        }
        // Sent again, since nobody saw what came of it: nothing is started.
        let again = machine.run(home, &start(home, "j1", command)).unwrap();
        assert_eq!((again.state, again.started), (part.job.state, part.job.started));
        assert_eq!(until(machine, home, "j1", |_| true).size, 17);
        let gone = machine.run(home, &jobs::Status { id: "j2".into() }).unwrap_err();
        assert_eq!(gone.kind, ErrorKind::NotFound);
        machine.run(home, &jobs::Forget { id: "j1".into() }).unwrap();
        assert!(machine.run(home, &jobs::ListAll).unwrap().is_empty());
    });
}

#[test]
fn a_job_that_a_start_of_the_machine_ended_says_so() {
    everywhere(|machine, home| {
        machine.run(home, &start(home, "old", "echo up; exec sleep 60")).unwrap();
        until(machine, home, "old", |part| part.bytes == b"up\n");
        let who = home.join(".berth/jobs/old/pid");
        let here = fs::read_to_string(&who).unwrap();
        let fields: Vec<_> = here.trim_end().split(' ').collect();
        let [pid, born, boot, at, name] = fields[..] else { panic!("{here}") };
        let stands = |written: String| {
            fs::write(&who, written).unwrap();
            let seen = machine.run(home, &jobs::Status { id: "old".into() }).unwrap();
            (seen.state, seen.rebooted)
        };
        assert_eq!(stands(format!("{pid} {born} another-boot {at} {name}\n")), (jobs::State::Lost, true));
        assert_eq!(stands(format!("{pid} {born} another-boot {at} elsewhere\n")), (jobs::State::Lost, false));
        assert_eq!(stands(format!("{pid} 1 {boot} {at} {name}\n")), (jobs::State::Lost, false));
        assert_eq!(stands(here.clone()), (jobs::State::Running, false));
        machine.run(home, &jobs::Stop { id: "old".into(), grace_ms: 2_000 }).unwrap();
    });
}

#[test]
fn of_those_that_ended_the_oldest_are_forgotten_and_never_one_that_runs() {
    everywhere(|machine, home| {
        machine.run(home, &start(home, "0-runs", "exec sleep 60")).unwrap();
        let all = home.join(".berth/jobs");
        for number in 0..61 {
            let job = all.join(format!("j{number}"));
            fs::create_dir(&job).unwrap();
            for (name, content) in [("cmd", "true"), ("cwd", "/"), ("exit", "0 1\n")] {
                fs::write(job.join(name), content).unwrap();
            }
        }
        assert_eq!(machine.run(home, &jobs::ListAll).unwrap().len(), 62);
        assert_eq!(machine.run(home, &jobs::ListAll).unwrap().len(), 51, "{}", machine.name);
        let runs = machine.run(home, &jobs::Stop { id: "0-runs".into(), grace_ms: 2_000 }).unwrap();
        assert_eq!(runs.state, jobs::State::Stopped);
    });
}

#[test]
fn stopping_ends_the_whole_group_kindly_or_not() {
    everywhere(|machine, home| {
        let kind = "trap 'echo bye; exit 5' TERM; sleep 60 & echo $! >child; echo up; wait";
        machine.run(home, &start(home, "kind", kind)).unwrap();
        until(machine, home, "kind", |part| part.bytes == b"up\n");
        let running = machine.run(home, &jobs::Status { id: "kind".into() }).unwrap();
        assert_eq!(running.state, jobs::State::Running);
        assert!(running.pid.is_some());
        assert_eq!(machine.run(home, &jobs::Forget { id: "kind".into() }).unwrap_err().kind, ErrorKind::Conflict);
        let begun = Instant::now();
        let seen = machine.run(home, &jobs::Stop { id: "kind".into(), grace_ms: 5_000 }).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3), "{}: it did not see the end", machine.name);
        assert_eq!((seen.state, seen.pid), (jobs::State::Stopped, None));
        assert!(seen.ended.is_some());
        let child = fs::read_to_string(home.join("child")).unwrap();
        assert!(!Path::new("/proc").join(child.trim()).exists(), "{}: the child lives", machine.name);
        let part = machine.run(home, &jobs::Tail { id: "kind".into(), offset: 3, limit: 100 }).unwrap();
        assert_eq!(part.bytes, b"bye\n");

        machine.run(home, &start(home, "deaf", "trap '' TERM; echo up; while :; do sleep 1; done")).unwrap();
        until(machine, home, "deaf", |part| part.bytes == b"up\n");
        let seen = machine.run(home, &jobs::Stop { id: "deaf".into(), grace_ms: 200 }).unwrap();
        assert_eq!(seen.state, jobs::State::Stopped);
        // Stopping what has ended changes nothing.
        assert_eq!(machine.run(home, &jobs::Stop { id: "deaf".into(), grace_ms: 200 }).unwrap(), seen);
        assert_eq!(machine.run(home, &jobs::ListAll).unwrap().len(), 2);
    });
}

#[test]
fn a_job_whose_processes_are_gone_is_lost_and_starts_again() {
    everywhere(|machine, home| {
        machine.run(home, &start(home, "web", "echo up; sleep 60")).unwrap();
        let pid = until(machine, home, "web", |part| part.bytes == b"up\n").job.pid.unwrap();
        let killed = machine.run(home, &run(Place::here("~"), &format!("kill -9 -{pid} || kill -9 {pid}"))).unwrap();
        assert_eq!(killed.exit_code, 0, "{killed:?}");
        let lost = until(machine, home, "web", |part| part.job.state != jobs::State::Running).job;
        assert_eq!((lost.state, lost.pid), (jobs::State::Lost, None));
        // Another process with the same number is not taken for it, and not killed.
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let file = home.join(".berth/jobs/web/pid");
        let record = fs::read_to_string(&file).unwrap();
        fs::write(&file, record.replacen(&pid.to_string(), &other.id().to_string(), 1)).unwrap();
        let seen = machine.run(home, &jobs::Stop { id: "web".into(), grace_ms: 100 }).unwrap();
        assert_eq!(seen.state, jobs::State::Lost);
        assert!(other.try_wait().unwrap().is_none(), "{}: a stranger was killed", machine.name);
        other.kill().unwrap();
        other.wait().unwrap();
        let again = machine.run(home, &jobs::Restart { id: "web".into(), grace_ms: 100 }).unwrap();
        assert_eq!(again.state, jobs::State::Running);
        until(machine, home, "web", |part| part.bytes == b"up\nup\n");
        let third = machine.run(home, &jobs::Restart { id: "web".into(), grace_ms: 2_000 }).unwrap();
        assert_ne!(third.pid, again.pid);
        machine.run(home, &jobs::Stop { id: "web".into(), grace_ms: 1_000 }).unwrap();
    });
}

#[test]
fn a_page_of_output_ends_with_a_whole_character() {
    everywhere(|machine, home| {
        machine.run(home, &start(home, "j1", "printf 'aé€'")).unwrap();
        until(machine, home, "j1", |part| part.job.state != jobs::State::Running);
        for (offset, limit, bytes) in [(0, 2, "a"), (1, 3, "é"), (1, 9, "é€"), (0, 5, "aé")] {
            let part = machine.run(home, &jobs::Tail { id: "j1".into(), offset, limit }).unwrap();
            assert_eq!(
                (part.bytes.as_slice(), part.next_offset),
                (bytes.as_bytes(), offset as u64 + bytes.len() as u64)
            );
        }
    });
}

#[test]
fn old_jobs_are_forgotten_and_the_rest_is_told_whole() {
    everywhere(|machine, home| {
        for i in 0..70 {
            let folder = home.join(format!(".berth/jobs/j{i}"));
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in [("cmd", format!("echo\n{i}")), ("cwd", "/a b".into()), ("exit", format!("0 {i}\n"))] {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let seen = machine.run(home, &jobs::ListAll).unwrap();
        assert_eq!(seen.len(), 70);
        assert!(seen.iter().all(|job| job.command == format!("echo\n{}", &job.id[1..]) && job.cwd == "/a b"));
        assert_eq!(machine.run(home, &jobs::ListAll).unwrap().len(), 50);
        // Only one restarts it.
        fs::create_dir(home.join(".berth/jobs/busy")).unwrap();
        fs::write(home.join(".berth/jobs/busy/cmd"), "true").unwrap();
        fs::create_dir(home.join(".berth/jobs/busy/restarting")).unwrap();
        let error = machine.run(home, &jobs::Restart { id: "busy".into(), grace_ms: 0 }).unwrap_err();
        assert!(error.message.contains("being restarted already"), "{error}");
    });
}

#[test]
fn ports_are_told_with_who_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpListener::bind("[::]:0").unwrap();
    let elsewhere = TcpListener::bind("127.100.0.1:0").unwrap();
    let apart = elsewhere.local_addr().unwrap().port();
    let (port, ignored) = (listener.local_addr().unwrap().port(), ours.local_addr().unwrap().port());
    everywhere(|machine, home| {
        let ports = machine.run(home, &Ports { ignore: vec![ignored] }).unwrap();
        let seen = ports.iter().find(|seen| seen.port == port).unwrap();
        assert_eq!(seen.pid, Some(std::process::id()));
        assert!(seen.loopback && seen.process.is_some() && seen.session.is_some());
        assert!(ports.iter().all(|seen| seen.port != ignored));
        let all = machine.run(home, &Ports::default()).unwrap();
        assert!(all.iter().any(|seen| seen.port == ignored && seen.loopback));
        assert!(all.iter().any(|seen| seen.port == apart && !seen.loopback));
    });
}

#[test]
fn what_is_installed_is_told_with_versions_or_how_to_get_it() {
    everywhere(|machine, home| {
        let installs = machine.run(home, &Inventory).unwrap();
        assert!(installs.system.is_some());
        for (name, program) in [("Git", "git"), ("ripgrep", "rg"), ("curl", "curl")] {
            let tool = installs.tools.iter().find(|tool| tool.name == name).unwrap();
            assert_eq!(tool.version.is_some(), machine.has(program), "{}: {tool:?}", machine.name);
        }
    });
}

#[test]
fn what_git_would_lose_is_counted() {
    everywhere(|machine, home| {
        let loss = |place| machine.run(home, &GitLoss { at: place }).unwrap();
        assert_eq!(loss(Place::here("~")), berth_tools::Loss::default());
        if !machine.has("git") {
            return;
        }
        let git = "git init -q . && git config user.email a@example.org && git config user.name a";
        machine.run(home, &run(Place::here("~"), git)).unwrap();
        fs::create_dir(home.join("new")).unwrap();
        for name in NASTY {
            fs::write(home.join("new").join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let seen = loss(at(home, "new"));
        assert_eq!((seen.uncommitted, seen.unpushed), (Some(NASTY.len() as u32), Some(0)));
        machine
            .run(home, &run(Place::here("~"), "git add -A && git commit -qm 1 && git commit -qm 2 --allow-empty"))
            .unwrap();
        let seen = loss(Place::here("~"));
        assert_eq!((seen.uncommitted, seen.unpushed), (Some(0), Some(2)));
        let push = "git init -q --bare ../remote$$ && git remote add o ../remote$$ && git push -q o HEAD:main; rm -rf ../remote$$";
        let pushed = machine.run(home, &run(Place::here("~"), push)).unwrap();
        assert_eq!((pushed.exit_code, loss(Place::here("~")).unpushed), (0, Some(0)), "{pushed:?}");
    });
}

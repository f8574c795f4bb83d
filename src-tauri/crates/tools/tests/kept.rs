//! Commands whose outcome is kept until it was seen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::ops::Not as _;
use std::path::Path;
use std::time::{Duration, Instant};

use berth_tools::kept::{End, Keep, Kept, Look, Standing};
use berth_tools::{ErrorKind, Place, Ran, Reply, Run, Tool as _};
use machine::{Machine, everywhere};

fn keep(home: &Path, id: &str, command: &str) -> Keep {
    let at = Place::here(machine::wire(home));
    Keep {
        id: id.to_owned(),
        run: Run { at, command: command.to_owned(), env: Vec::new() },
        seen: Vec::new(),
        sweep: false,
    }
}

fn look(machine: &Machine, home: &Path, keep: &Keep, out: u64, err: u64) -> Standing {
    let look = Look { id: keep.id.clone(), out, err };
    let answer = machine.send(home, &look.script().unwrap());
    let (stdout, stderr) = (answer.stdout.as_slice(), answer.stderr.as_slice());
    look.standing(&keep.run, &Reply { stdout, stderr, exit_code: answer.exit_code, truncated: false }).unwrap()
}

fn ran(stdout: &str, stderr: &str, exit_code: i32) -> Ran {
    Ran { stdout: stdout.to_owned(), stderr: stderr.to_owned(), exit_code, truncated: false }
}

/// What became of a command that is ended once it has made the file `begun`.
fn ended_once_it_has_begun(machine: &Machine, home: &Path, keep: &Keep) -> Ran {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| machine.run(home, keep));
        wait(|| home.join("begun").exists());
        machine.run(home, &End { id: keep.id.clone() }).unwrap();
        let Kept::Ended(did) = running.join().unwrap().unwrap() else { panic!("it ended") };
        did
    })
}

fn wait(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many runs a set has that are not forgotten.
fn runs(home: &Path, set: &str) -> usize {
    let folder = home.join(format!(".berth/runs/berth-run-{set}"));
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".run")).count()
}

#[test]
fn what_it_did_is_told_at_once_and_again_until_it_was_seen() {
    everywhere(|machine, home| {
        let first = keep(home, "a-1", "printf 'one\\ntwo'; echo complaint >&2; exit 7");
        let did = ran("one\ntwo", "complaint\n", 7);
        assert_eq!(machine.run(home, &first).unwrap(), Kept::Ended(did.clone()));
        assert_eq!(machine.run(home, &first).unwrap(), Kept::Taken, "the same id does not run again");
        for _ in 0..2 {
            assert_eq!(look(machine, home, &first, 0, 0), Standing::Ended(did.clone()));
        }
        assert_eq!(runs(home, "a"), 1);
        let second = Keep { seen: vec!["a-1".to_owned(), "unknown".to_owned()], ..keep(home, "a-2", "true") };
        assert_eq!(machine.run(home, &second).unwrap(), Kept::Ended(ran("", "", 0)));
        assert_eq!(runs(home, "a"), 1, "what was seen is forgotten");
        let folder = std::fs::read_dir(home.join(".berth/runs/berth-run-a")).unwrap();
        assert_eq!(folder.count(), 3, "all of it");
    });
}

#[test]
fn what_nobody_asked_after_for_a_month_is_swept_but_never_what_runs() {
    everywhere(|machine, home| {
        let left = |id: &str| home.join(".berth/runs/berth-run-".to_owned() + id);
        for id in ["ended", "runs", "new"] {
            machine.run(home, &keep(home, &format!("{id}-1"), "true")).unwrap();
            look(machine, home, &keep(home, &format!("{id}-2"), "true"), 0, 0);
            assert!(left(id).exists());
        }
        // One whose shell was killed will never say its end; the shell of another one is there.
        let born = std::fs::read_to_string("/proc/self/stat").unwrap();
        let born = born.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
        let line = |born: &str| format!("--- {} {born}\n", std::process::id());
        std::fs::write(left("ended").join("3.run"), line("1")).unwrap();
        std::fs::write(left("runs").join("3.run"), line(born)).unwrap();
        for id in ["ended", "runs"] {
            let old = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 24 * 3_600);
            std::fs::File::open(left(id)).unwrap().set_modified(old).unwrap();
        }
        machine.run(home, &Keep { sweep: true, ..keep(home, "g-2", "true") }).unwrap();
        assert!(!left("ended").exists() && left("runs").exists() && left("new").exists());
    });
}

#[test]
fn what_was_looked_for_first_never_begins() {
    everywhere(|machine, home| {
        let late = keep(home, "late", "touch ran");
        assert_eq!(look(machine, home, &late, 0, 0), Standing::Never);
        assert_eq!(machine.run(home, &late).unwrap(), Kept::Taken);
        assert_eq!(look(machine, home, &late, 0, 0), Standing::Never);
        assert!(!home.join("ran").exists());
    });
}

#[test]
fn it_runs_in_its_folder_and_says_so_where_there_is_none() {
    everywhere(|machine, home| {
        std::fs::create_dir(home.join("it's here")).unwrap();
        let mut there = keep(home, "b-1", "pwd; echo \"$A\"; printf %s \"$LC_ALL\"");
        there.run.at = machine::at(home, "it's here");
        there.run.env = vec![("A".to_owned(), "x'y\nz".to_owned())];
        let said = format!("{}/it's here\nx'y\nz\n", home.display());
        assert_eq!(machine.run(home, &there).unwrap(), Kept::Ended(ran(&said, "", 0)));
        let mut nowhere = keep(home, "b-2", "pwd");
        nowhere.run.at = machine::at(home, "nowhere");
        assert_eq!(machine.run(home, &nowhere).unwrap_err().kind, ErrorKind::NotFound);
    });
}

#[test]
fn of_a_long_output_both_ends_come() {
    everywhere(|machine, home| {
        let long = keep(
            home,
            "c-1",
            "echo first; i=0; while [ $i -lt 30 ]; do head -c 100000 /dev/zero; i=$((i+1)); done; echo last; head -c 600000 /dev/zero >&2",
        );
        assert_eq!(machine.run(home, &long).unwrap(), Kept::Untold);
        let Standing::Ended(did) = look(machine, home, &long, 0, 0) else { panic!("it ended") };
        assert!(did.truncated && did.exit_code == 0);
        let mark = "c-1\n".len();
        assert_eq!((did.stdout.len(), did.stderr.len()), (512 * 1024 - mark, 512 * 1024 - mark));
        assert!(did.stdout.starts_with("first\n") && did.stdout.ends_with("last\n"));
    });
}

#[test]
fn a_run_that_goes_on_is_followed_and_ended() {
    everywhere(|machine, home| {
        let slow = keep(home, "d-1", "echo begun; echo hm >&2; sleep 30; echo never");
        std::thread::scope(|scope| {
            let running = scope.spawn(|| machine.run(home, &slow));
            let deadline = Instant::now() + Duration::from_secs(10);
            let known = loop {
                assert!(Instant::now() < deadline, "it is not seen to run");
                // Not before the folder is there: a look makes a run that has not begun impossible.
                if runs(home, "d") == 1
                    && let Standing::Running { out, out_to, err, err_to } = look(machine, home, &slow, 0, 0)
                    && !out.is_empty()
                    && !err.is_empty()
                {
                    assert_eq!((out.as_slice(), err.as_slice()), (&b"begun\n"[..], &b"hm\n"[..]));
                    break (out_to, err_to);
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            let Standing::Running { out, .. } = look(machine, home, &slow, known.0, known.1) else { panic!("it runs") };
            assert!(out.is_empty(), "what is known is not told again");
            machine.run(home, &End { id: "d-1".to_owned() }).unwrap();
            let Kept::Ended(did) = running.join().unwrap().unwrap() else { panic!("it ended") };
            assert_eq!((did.stdout.as_str(), did.exit_code), ("begun\n", 128 + 15));
        });
        assert!(matches!(look(machine, home, &slow, 0, 0), Standing::Ended(did) if did.exit_code == 143));
    });
}

#[test]
fn a_run_whose_shell_is_gone_is_lost() {
    everywhere(|machine, home| {
        let folder = home.join(".berth/runs/berth-run-e");
        std::fs::create_dir_all(&folder).unwrap();
        // A process that is there, and was born at another time.
        std::fs::write(folder.join("1.run"), format!("--- {} 1\n", std::process::id())).unwrap();
        assert_eq!(look(machine, home, &keep(home, "e-1", "true"), 0, 0), Standing::Lost);
    });
}

#[test]
fn without_a_home_to_write_to_it_is_kept_elsewhere() {
    everywhere(|machine, _| {
        let set = format!("f-{}-{}", machine.name, std::process::id());
        let (id, folder) = (format!("{set}-1"), Path::new("/tmp").join(format!("berth-run-{set}")));
        let home = Path::new("/dev/null");
        let mut run = keep(Path::new("/"), &id, "echo fine");
        assert_eq!(machine.run(home, &run).unwrap(), Kept::Ended(ran("fine\n", "", 0)));
        assert_eq!(look(machine, home, &run, 0, 0), Standing::Ended(ran("fine\n", "", 0)));
        assert!(folder.join("1.out").exists());
        run.seen = vec![id.clone()];
        run.id = format!("{set}-2");
        machine.run(home, &run).unwrap();
        assert!(!folder.join("1.out").exists() && folder.join("2.out").exists());
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn an_output_that_came_in_part_is_not_taken_for_all() {
    let run = keep(Path::new("/"), "p-1", "true");
    let parse =
        |stdout: &[u8], stderr: &[u8], exit_code, truncated| run.parse(&Reply { stdout, stderr, exit_code, truncated });
    let (out, err) = (&b"began\0ended\x003\0p-1\nout\0p-1\0"[..], &b"p-1\nerr\0p-1\0"[..]);
    assert_eq!(parse(out, err, 0, false).unwrap(), Kept::Ended(ran("out", "err", 3)));
    for (stdout, stderr) in [(&out[..out.len() - 1], err), (out, &err[..err.len() - 1]), (out, b"\0"), (out, b"")] {
        assert_eq!(parse(stdout, stderr, 0, false).unwrap(), Kept::Cut);
    }
}

/// An output without end fills no disk: while somebody looks after its command, its first part and its last are kept.
#[test]
fn of_an_output_without_end_a_little_is_kept() {
    everywhere(|machine, home| {
        // It writes much.
        if machine.name != "dash" {
            return;
        }
        let run = keep(
            home,
            "cap-1",
            "echo first; head -c 150000000 /dev/zero; touch begun; while [ ! -e seen ]; do sleep 0.1; done; echo end",
        );
        let kept = std::thread::scope(|scope| {
            let running = scope.spawn(|| machine.run(home, &run));
            wait(|| home.join("begun").exists());
            // What it says may be cut short just then: it is asked again.
            machine.send(home, &Look { id: run.id.clone(), out: 0, err: 0 }.script().unwrap());
            let file = home.join(".berth/runs/berth-run-cap/1.out");
            wait(|| std::fs::metadata(&file).unwrap().len() < 1 << 20);
            std::fs::write(home.join("seen"), "").unwrap();
            running.join().unwrap().unwrap()
        });
        assert_eq!(kept, Kept::Untold);
        let Standing::Ended(did) = look(machine, home, &run, 0, 0) else { panic!("it ended") };
        assert!(did.truncated && did.stdout.starts_with("first\n") && did.stdout.ends_with("end\n"));
    });
}

/// Its disk is full of what it printed, and it ends: that it ended is written over what stands there.
#[test]
fn the_exit_code_needs_no_room() {
    everywhere(|machine, home| {
        let run = keep(home, "room-1", "exit 42");
        assert_eq!(machine.run(home, &run).unwrap(), Kept::Ended(ran("", "", 42)));
        let line = std::fs::read_to_string(home.join(".berth/runs/berth-run-room/1.run")).unwrap();
        assert!(line.starts_with("42- ") && line.ends_with('\n') && line.lines().count() == 1, "{line}");
    });
}

#[test]
fn an_output_that_is_gone_is_not_taken_for_none() {
    everywhere(|machine, home| {
        let run = keep(home, "gone-1", "echo important; rm -rf -- \"$HOME/.berth\"; echo done");
        assert_eq!(machine.run(home, &run).unwrap(), Kept::Cut);
    });
}

/// As over ssh, where both are pipes.
#[test]
fn a_command_may_open_its_output_by_name() {
    everywhere(|machine, home| {
        let command = "echo one; echo no >&2; echo two >/dev/stdout; echo three | tee /dev/stderr; echo four; exit 3";
        let run = keep(home, "n-1", command);
        let did = ran("one\ntwo\nthree\nfour\n", "no\nthree\n", 3);
        assert_eq!(machine.run(home, &run).unwrap(), Kept::Ended(did.clone()));
        assert_eq!(look(machine, home, &run, 0, 0), Standing::Ended(did));
        let folder = std::fs::read_dir(home.join(".berth/runs/berth-run-n")).unwrap();
        assert_eq!(folder.count(), 3, "no pipe is left");
        // A pipe has no name that one who reads the home would find.
        let names = keep(home, "n-0", "sleep 0.2; find . -type p >/dev/stdout");
        assert_eq!(machine.run(home, &names).unwrap(), Kept::Ended(ran("", "", 0)), "{}", machine.name);
        // What it leaves behind prints into the pipe, and is not waited for.
        let begun = Instant::now();
        let run = keep(home, "n-2", "sleep 20 2>/dev/null & echo one; echo two >/dev/stdout; echo $! >pid");
        assert_eq!(machine.run(home, &run).unwrap(), Kept::Ended(ran("one\ntwo\n", "", 0)));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        machine.run(home, &keep(home, "n-3", "kill $(cat pid)")).unwrap();
        let long = "head -c 300000 /dev/zero; echo >/dev/stdout; head -c 100000 /dev/zero >/dev/stderr";
        let Kept::Ended(did) = machine.run(home, &keep(home, "n-4", long)).unwrap() else { panic!("it ended") };
        assert_eq!((did.stdout.len(), did.stderr.len(), did.truncated), (300_001, 100_000, false));
    });
}

#[test]
fn one_that_is_ended_while_it_prints_into_a_pipe_has_said_what_it_said() {
    everywhere(|machine, home| {
        let slow = keep(home, "o-1", "echo begun >/dev/stdout; touch begun; sleep 30; echo never");
        let did = ended_once_it_has_begun(machine, home, &slow);
        assert_eq!((did.stdout.as_str(), did.exit_code), ("begun\n", 128 + 15), "{}", machine.name);
    });
}

/// Its first child is told to end long before the last one.
#[test]
fn one_that_is_ended_does_not_go_on_with_its_next_command() {
    everywhere(|machine, home| {
        let many = "sleep 30 & p=$!; i=0; while [ $i -lt 150 ]; do sleep 30 & i=$((i + 1)); done";
        let slow = keep(home, "next-1", &format!("{many}; touch begun; wait $p; echo next"));
        let did = ended_once_it_has_begun(machine, home, &slow);
        assert_eq!((did.stdout.as_str(), did.exit_code), ("", 128 + 15), "{}", machine.name);
    });
}

#[test]
fn a_stream_of_nul_bytes_or_of_what_a_script_printed_by_name_is_not_taken_for_none() {
    everywhere(|machine, home| {
        std::fs::write(home.join("script"), "echo out >>/dev/stdout\nprintf '\\0' >>/dev/stderr\n").unwrap();
        for (number, (command, out, err)) in [
            ("head -c 3 /dev/zero; head -c 1 /dev/zero >&2", "\0\0\0", "\0"),
            ("sh script", "out\n", "\0"),
            ("true", "", ""),
        ]
        .into_iter()
        .enumerate()
        {
            let run = keep(home, &format!("nul-{number}"), command);
            assert_eq!(machine.run(home, &run).unwrap(), Kept::Ended(ran(out, err, 0)), "{}", machine.name);
        }
    });
}

/// However little it is.
#[test]
fn a_few_bytes_that_a_script_began_anew_with_are_told() {
    everywhere(|machine, home| {
        for (number, begins) in ["echo 1", "printf '\\n\\n'", "printf ab", "printf '\\0\\n'"].into_iter().enumerate() {
            std::fs::write(home.join("script"), format!("{begins} >/dev/stderr\n")).unwrap();
            let run = keep(home, &format!("few-{number}"), "sh script");
            let Kept::Ended(did) = machine.run(home, &run).unwrap() else { panic!("it ended") };
            assert!(did.truncated && did.stderr.contains(">>/dev/stderr"), "{}: {did:?}", machine.name);
        }
    });
}

/// Stopped kindly, with something left that holds the pipe: the exit code is told all the same.
#[test]
fn what_is_left_behind_does_not_hold_up_the_end_of_one_that_is_stopped() {
    everywhere(|machine, home| {
        let slow =
            keep(home, "p-1", "echo begun >/dev/stdout; ( setsid sleep 20 & echo $! >left ); touch begun; sleep 30");
        let did = ended_once_it_has_begun(machine, home, &slow);
        assert_eq!((did.stdout.as_str(), did.exit_code), ("begun\n", 128 + 15), "{}", machine.name);
        machine.run(home, &keep(home, "p-2", "kill $(cat left)")).unwrap();
    });
}

/// In a script nobody sees it, and then it is said that something is gone.
#[test]
fn an_output_that_is_begun_anew_is_not_taken_for_all() {
    everywhere(|machine, home| {
        std::fs::write(home.join("script"), "echo gone >&2\necho told >/dev/stderr\necho on >&2\necho out\n").unwrap();
        let run = keep(home, "anew-1", "sh script");
        let Kept::Ended(did) = machine.run(home, &run).unwrap() else { panic!("it ended") };
        assert!(did.truncated && did.stderr.starts_with("told\non\n"), "{}: {did:?}", machine.name);
        assert!(did.stderr.contains(">>/dev/stderr") && !did.stderr.contains("stdout"), "{did:?}");
        assert_eq!(look(machine, home, &run, 0, 0), Standing::Ended(did));
    });
}

#[test]
fn no_id_is_taken_for_anything_else() {
    for id in ["", "a/b", "..", "a b", "$(id)", &"a".repeat(65)] {
        let keep = keep(Path::new("/"), id, "true");
        assert_eq!(berth_tools::Tool::script(&keep).unwrap_err().kind, ErrorKind::BadRequest, "{id}");
    }
}

#[test]
fn what_was_ended_before_it_began_never_begins() {
    everywhere(|machine, home| {
        let late = keep(home, "ended", "touch ran");
        machine.run(home, &End { id: late.id.clone() }).unwrap();
        assert_eq!(machine.run(home, &late).unwrap(), Kept::Taken);
        assert!(!home.join("ran").exists());
    });
}

#[test]
fn where_nothing_can_be_kept_nothing_is_run_and_nobody_knows_what_became_of_it() {
    everywhere(|machine, home| {
        let nowhere = |mut script: berth_tools::Script| {
            let text = String::from_utf8(script.text).unwrap().replace("/dev/shm", "/proc/none");
            script.text = format!("HOME=/proc/none TMPDIR=/proc/none\n{text}").into_bytes();
            machine.send(home, &script)
        };
        let lost = keep(home, "unkept", "echo ran >>times");
        let answer = nowhere(lost.script().unwrap());
        let reply = Reply { stdout: &answer.stdout, stderr: &answer.stderr, exit_code: 0, truncated: false };
        assert_eq!(lost.parse(&reply).unwrap(), Kept::NoRoom);
        assert!(!home.join("times").exists(), "it would be run again");
        let answer = nowhere(Look { id: lost.id.clone(), out: 0, err: 0 }.script().unwrap());
        let reply = Reply { stdout: &answer.stdout, stderr: &answer.stderr, exit_code: 0, truncated: false };
        let standing = Look { id: lost.id.clone(), out: 0, err: 0 }.standing(&lost.run, &reply).unwrap();
        assert_eq!(standing, Standing::Unkept);
    });
}

#[test]
fn what_runs_on_another_computer_with_the_same_home_is_left_alone() {
    everywhere(|machine, home| {
        let far = keep(home, "far", "echo $$ >pid; sleep 30");
        std::thread::scope(|scope| {
            let running = scope.spawn(|| machine.run(home, &far));
            let who = home.join(".berth/runs/berth-run-far/far.run");
            let begun = Instant::now();
            while std::fs::read_to_string(&who).is_ok_and(|who| who.ends_with('\n')).not() || !home.join("pid").exists()
            {
                assert!(begun.elapsed() < Duration::from_secs(10), "{}", machine.name);
                std::thread::sleep(Duration::from_millis(20));
            }
            let here = std::fs::read_to_string(&who).unwrap();
            let pid = here.split(' ').nth(1).unwrap().to_owned();
            std::fs::write(&who, format!("--- {pid} 1 elsewhere another-boot\n")).unwrap();
            assert!(matches!(look(machine, home, &far, 0, 0), Standing::Running { .. }), "{}", machine.name);
            machine.run(home, &End { id: far.id.clone() }).unwrap();
            assert!(Path::new("/proc").join(&pid).exists(), "{}: a process here was killed", machine.name);
            std::fs::write(&who, here).unwrap();
            machine.run(home, &End { id: far.id.clone() }).unwrap();
            running.join().unwrap().unwrap();
        });
    });
}

//! Reading and writing, on every machine, against what the file system says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
};

use berth_tools::{Applied, Content, Edit, ErrorKind, Fetch, Place, Read, ToolError, Write};
use machine::{Machine, NASTY, at, everywhere, wire};

fn read(at: Place) -> Read {
    Read { at, offset: None, limit: None }
}

fn write(at: Place, content: &[u8]) -> Write {
    Write { at, content: content.to_vec(), version: None }
}

fn text(content: &Content) -> &str {
    match content {
        Content::Text { text, .. } => text,
        other => panic!("not text: {other:?}"),
    }
}

#[test]
fn what_is_written_is_read_back_whatever_the_name() {
    everywhere(|machine, home| {
        for (i, name) in NASTY.iter().enumerate() {
            let name = OsStr::from_bytes(name);
            let content = format!("content {i}\nno newline at the end");
            let path = std::path::Path::new("dir").join(name).join("leaf").join(name);
            let written = machine.run(home, &write(at(home, &path), content.as_bytes())).unwrap();
            assert!(written.created);
            assert_eq!(fs::read(home.join(&path)).unwrap(), content.as_bytes(), "{name:?}");
            assert_eq!(written.path, wire(&home.join(&path)));
            let read = machine.run(home, &read(at(home, &path))).unwrap();
            assert_eq!((read.path, read.version), (written.path, written.version));
            assert_eq!((text(&read.content), read.size), (content.as_str(), content.len() as u64));
        }
        assert_eq!(fs::read_dir(home.join("dir")).unwrap().count(), NASTY.len());
    });
}

#[test]
fn every_byte_is_kept_inline_and_from_stdin() {
    everywhere(|machine, home| {
        let all: Vec<u8> = (0..=255).collect();
        let mut small = all.repeat(20);
        small.insert(0, b'-');
        for (name, content) in [("small", small), ("large", all.repeat(1000)), ("empty", Vec::new())] {
            let written = machine.run(home, &write(at(home, name), &content)).unwrap();
            assert!(fs::read(home.join(name)).unwrap() == content, "{name}");
            assert_eq!(written.size, content.len() as u64);
        }
    });
}

#[test]
fn a_part_of_a_file_is_the_lines_asked_for() {
    everywhere(|machine, home| {
        let small: String = (1..=3000).map(|i| format!("line {i}\n")).collect();
        // Above a megabyte the machine cuts the lines out; what comes must be the same.
        let large: String = (1..=30_000).map(|i| format!("line {i} {}é\n", "x".repeat(60))).collect();
        for content in [small.clone(), large.clone(), format!("{large}no newline")] {
            fs::write(home.join("f"), &content).unwrap();
            let lines: Vec<&str> = content.split_inclusive('\n').collect();
            for (offset, limit) in [
                (None, None),
                (Some(1), Some(1)),
                (Some(2999), Some(5)),
                (Some(29_999), Some(9)),
                (Some(99_999), Some(2)),
                (None, Some(0)),
                (Some(7), None),
            ] {
                let read = machine.run(home, &Read { at: at(home, "f"), offset, limit }).unwrap();
                let first = offset.unwrap_or(1) as usize;
                let wanted = lines.iter().skip(first - 1).take(limit.unwrap_or(2000) as usize);
                let expected: String = wanted.clone().copied().collect();
                let Content::Text { text, first_line, total_lines, more } = read.content else { panic!() };
                assert!(text == expected, "{offset:?} {limit:?}");
                assert_eq!((first_line, total_lines), (first as u64, Some(lines.len() as u64)));
                assert_eq!(more, first - 1 + wanted.count() < lines.len(), "{offset:?} {limit:?}");
            }
        }
        // Lines that are too long in all are cut at a line's end, a line that is too long at a character's.
        fs::write(home.join("f"), format!("é{}", "é\n".repeat(700_000))).unwrap();
        let read = machine.run(home, &Read { at: at(home, "f"), offset: None, limit: Some(u64::MAX) }).unwrap();
        assert_eq!(text(&read.content).len(), 2_100_002);
        fs::write(home.join("f"), "é".repeat(600_000)).unwrap();
        let Content::Text { text, more, .. } = machine.run(home, &read_at(home, "f")).unwrap().content else {
            panic!()
        };
        assert_eq!((text.len(), more), (1 << 20, true));
    });
}

fn read_at(home: &Path, name: &str) -> Read {
    read(at(home, name))
}

#[test]
fn images_and_binaries_are_known_whatever_their_size() {
    everywhere(|machine, home| {
        let put = |name: &str, head: &[u8], length: usize| {
            let mut bytes = head.to_vec();
            bytes.resize(length, 0xE9);
            fs::write(home.join(name), &bytes).unwrap();
            (machine.run(home, &read_at(home, name)).unwrap().content, bytes)
        };
        for length in [4_000, 2_000_000] {
            for (head, mime) in [
                (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
                (b"\xff\xd8\xff\xe0", "image/jpeg"),
                (b"GIF89a", "image/gif"),
                (b"RIFF\x10\x20\x30\x40WEBPVP8", "image/webp"),
            ] {
                let (content, bytes) = put("image", head, length);
                assert!(content == Content::Image { mime, bytes }, "{mime} {length}");
            }
            assert_eq!(put("elf", b"\x7fELF\0\0", length).0, Content::Binary { looks_like: Some("ELF program") });
            assert_eq!(put("odd", b"abc\0", length).0, Content::Binary { looks_like: None });
            assert_eq!(put("latin", b"abc", length).0, Content::Binary { looks_like: Some("text that is not UTF-8") });
        }
        let huge = put("huge", b"\x89PNG\r\n\x1a\n", 9 << 20).0;
        assert_eq!(huge, Content::Binary { looks_like: Some("image") });
    });
}

#[test]
fn writing_keeps_what_the_file_is() {
    everywhere(|machine, home| {
        let file = home.join("bin/tool");
        machine.run(home, &write(at(home, "bin/tool"), b"one")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o644 & !umask());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
        let old = fs::metadata(&file).unwrap();
        symlink("bin/tool", home.join("a link")).unwrap();
        symlink(home.join("a link"), home.join("link to link\n")).unwrap();
        let written = machine.run(home, &write(at(home, "link to link\n"), b"two")).unwrap();
        assert!(!written.created);
        let new = fs::metadata(&file).unwrap();
        assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
        assert_ne!(new.ino(), old.ino(), "not written atomically");
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(home.join("link to link\n")).unwrap().is_symlink());
        // A link to where nothing is yet.
        symlink("new/deep/file", home.join("dead")).unwrap();
        assert!(machine.run(home, &write(at(home, "dead"), b"three")).unwrap().created);
        assert_eq!(fs::read(home.join("new/deep/file")).unwrap(), b"three");
        let names: Vec<_> = fs::read_dir(home.join("bin")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["tool"], "something was left behind");
    });
}

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}

#[test]
fn a_file_that_changed_is_not_overwritten() {
    everywhere(|machine, home| {
        let file = home.join("f");
        let first = machine.run(home, &write(at(home, "f"), b"one")).unwrap();
        assert_eq!(machine.run(home, &read_at(home, "f")).unwrap().version, first.version);
        // Same size, and as soon as can be.
        fs::write(&file, "two").unwrap();
        let again = Write { version: Some(first.version.clone()), ..write(at(home, "f"), b"three") };
        assert_eq!(machine.run(home, &again).unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(fs::read(&file).unwrap(), b"two");
        let version = machine.run(home, &read_at(home, "f")).unwrap().version;
        assert_ne!(version, first.version);
        let large = Write { version: Some(version), ..write(at(home, "f"), &[7; 100_000]) };
        machine.run(home, &large).unwrap();
        assert_eq!(machine.run(home, &large).unwrap_err().kind, ErrorKind::Conflict);
        fs::remove_file(&file).unwrap();
        assert_eq!(machine.run(home, &again).unwrap_err().kind, ErrorKind::Conflict);
        assert!(fs::read_dir(home).unwrap().next().is_none(), "something was left behind");
    });
}

/// Two tries at one write, or two agents that read the same: one of them wins, and the others are told.
#[test]
fn of_those_who_write_at_once_one_wins() {
    everywhere(|machine, home| {
        let mut version = machine.run(home, &write(at(home, "f"), b"first")).unwrap().version;
        for round in 0..8 {
            let outcomes: Vec<_> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..6)
                    .map(|writer| {
                        let content = format!("{round} {writer}").into_bytes();
                        let write = Write { version: Some(version.clone()), ..write(at(home, "f"), &content) };
                        scope.spawn(move || machine.run(home, &write).map(|written| (written.version, content)))
                    })
                    .collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 5), "{} in round {round}", machine.name);
            assert!(lost.into_iter().all(|lost| lost.unwrap_err().kind == ErrorKind::Conflict), "{}", machine.name);
            let (now, content) = won.into_iter().next().unwrap().unwrap();
            assert_eq!(fs::read(home.join("f")).unwrap(), content, "{}", machine.name);
            assert_eq!(machine.run(home, &read_at(home, "f")).unwrap().version, now);
            version = now;
        }
        assert_eq!(fs::read_dir(home).unwrap().count(), 1, "something was left behind");
    });
}

/// One that was killed just then left its sign.
#[test]
fn a_writer_that_was_killed_keeps_nobody_from_writing() {
    everywhere(|machine, home| {
        let version = machine.run(home, &write(at(home, "f"), b"one")).unwrap().version;
        fs::write(home.join(".berth.lock.f"), "").unwrap();
        let two = Write { version: Some(version), ..write(at(home, "f"), b"two") };
        machine.run(home, &two).unwrap();
        assert_eq!(fs::read(home.join("f")).unwrap(), b"two");
        assert_eq!(fs::read_dir(home).unwrap().count(), 1, "something was left behind");
        let long = "n".repeat(250);
        machine.run(home, &write(at(home, &long), b"a name with no room for more")).unwrap();
        assert_eq!(fs::read_dir(home).unwrap().count(), 2, "something was left behind");
    });
}

#[test]
fn a_payload_that_came_in_part_changes_nothing() {
    everywhere(|machine, home| {
        fs::write(home.join("f"), "old").unwrap();
        let tool = write(at(home, "f"), &[1; 100_000]);
        let mut script = berth_tools::Tool::script(&tool).unwrap();
        script.stdin.as_mut().unwrap().truncate(99_999);
        let answer = machine.send(home, &script);
        let reply = berth_tools::Reply {
            stdout: &answer.stdout,
            stderr: &answer.stderr,
            exit_code: answer.exit_code,
            truncated: false,
        };
        assert_eq!(berth_tools::Tool::parse(&tool, &reply).unwrap_err().kind, ErrorKind::Failed);
        assert_eq!(fs::read(home.join("f")).unwrap(), b"old");
        assert_eq!(fs::read_dir(home).unwrap().count(), 1, "something was left behind");
    });
}

#[test]
fn what_cannot_be_read_or_written_says_why() {
    everywhere(|machine, home| {
        fs::create_dir(home.join("dir")).unwrap();
        fs::write(home.join("file"), "x").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
        symlink("loop", home.join("loop")).unwrap();
        symlink("gone", home.join("dead")).unwrap();
        for (name, kind) in [
            ("gone", ErrorKind::NotFound),
            ("gone/x", ErrorKind::NotFound),
            ("../gone/../x", ErrorKind::NotFound),
            ("dead", ErrorKind::NotFound),
            ("dir", ErrorKind::IsFolder),
            ("dir/.", ErrorKind::IsFolder),
            ("file/x", ErrorKind::NotFolder),
            ("socket", ErrorKind::BadRequest),
            ("loop", ErrorKind::BadRequest),
        ] {
            let error = machine.run(home, &read_at(home, name)).unwrap_err();
            assert_eq!(error.kind, kind, "{name}: {error:?}");
        }
        let long = "x".repeat(300);
        for (name, kind) in [
            ("dir", ErrorKind::IsFolder),
            ("file/x", ErrorKind::NotFolder),
            ("socket", ErrorKind::BadRequest),
            ("loop", ErrorKind::BadRequest),
            (long.as_str(), ErrorKind::BadRequest),
        ] {
            let error = machine.run(home, &write(at(home, name), b"y")).unwrap_err();
            assert_eq!(error.kind, kind, "{name}: {error:?}");
        }
        assert_eq!(fs::read(home.join("file")).unwrap(), b"x");
        for place in
            [Place::new("/", ""), Place::new("relative", "x"), Place::new("/", "a\0b"), Place::new("/", "\u{10FF00}")]
        {
            assert_eq!(machine.run(home, &read(place)).unwrap_err().kind, ErrorKind::BadRequest);
        }
    });
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    // Only where a small file system can be had: /dev/full stands in for one.
    everywhere(|machine, home| {
        let tool = write(at(home, "f"), b"new");
        fs::write(home.join("f"), "old").unwrap();
        let mut script = berth_tools::Tool::script(&tool).unwrap();
        let text = String::from_utf8(script.text.clone()).unwrap().replace("} >\"$m\"", "} >/dev/full");
        script.text = text.into_bytes();
        let answer = machine.send(home, &script);
        assert_ne!(answer.exit_code, 0, "{}: writing to a full disk went well", machine.name);
        assert_eq!(fs::read(home.join("f")).unwrap(), b"old");
        assert_eq!(fs::read_dir(home).unwrap().count(), 1, "something was left behind");
    });
}

/// An edit as the engine does it.
fn edit(machine: &Machine, home: &Path, edit: &Edit) -> Result<Applied, ToolError> {
    let applied = edit.apply(&machine.run(home, &edit.fetch())?)?;
    machine.run(home, &applied.write)?;
    Ok(applied)
}

#[test]
fn an_edit_changes_exactly_the_text_it_names() {
    everywhere(|machine, home| {
        let content: Vec<u8> = b"one\r\ntwo\n\xff three\ntwo again\nlast".to_vec();
        fs::write(home.join("f"), &content).unwrap();
        let change = |old: &str, new: &str, all| Edit {
            at: at(home, "f"),
            old: old.into(),
            new: new.into(),
            all,
            version: None,
        };
        let error = edit(machine, home, &change("two", "2", false)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoMatch);
        assert!(error.message.contains("at lines 2, 4"), "{error}");
        let applied = edit(machine, home, &change("two", "2", true)).unwrap();
        assert_eq!((applied.replaced, applied.added, applied.removed), (2, 2, 2));
        assert_eq!(fs::read(home.join("f")).unwrap(), b"one\r\n2\n\xff three\n2 again\nlast");
        let applied = edit(machine, home, &change("last", "$(id) `x`\n'", false)).unwrap();
        assert!(
            applied
                .diff
                .ends_with("-last\n\\ No newline at end of file\n+$(id) `x`\n+'\n\\ No newline at end of file\n"),
            "{}",
            applied.diff
        );
        assert!(fs::read(home.join("f")).unwrap().ends_with(b"$(id) `x`\n'"));
        let fetched = machine.run(home, &Fetch { at: at(home, "f"), max: 1000 }).unwrap();
        assert_eq!(fetched.bytes, fs::read(home.join("f")).unwrap());
        assert_eq!(machine.run(home, &Fetch { at: at(home, "f"), max: 3 }).unwrap_err().kind, ErrorKind::TooLarge);
    });
}

//! Machines that lie, and names that no one would choose.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use berth_tools::{
    Delete, Edit, Fetch, GitLoss, Glob, Grep, Inventory, List, Move, Place, Ports, Read, Reply, Run, Stat, Tool, Write,
    jobs, path, quote,
};
use machine::{at, machines, wire};
use proptest::prelude::*;

/// Parses one reply by every parser there is.
fn parse_all(reply: &Reply<'_>) {
    let at = || Place::new("~", "x");
    let id = || "j1".to_owned();
    let _ = Read { at: at(), offset: Some(3), limit: None }.parse(reply);
    let _ = Write { at: at(), content: b"abc".to_vec(), version: None }.parse(reply);
    let _ = Fetch { at: at(), max: 10 }.parse(reply);
    let _ = Glob { at: at(), pattern: "**/*.{a,b}".into(), limit: Some(3) }.parse(reply);
    let grep = Grep {
        at: at(),
        pattern: "x".into(),
        glob: Some("*".into()),
        ignore_case: false,
        literal: false,
        limit: Some(2),
    };
    let _ = grep.parse(reply);
    let _ = List { at: at(), offset: Some(1), limit: Some(2) }.parse(reply);
    let _ = Stat { at: at() }.parse(reply);
    let _ = Move { from: at(), to: at(), replace: false }.parse(reply);
    let _ = Delete { at: at(), recursive: false }.parse(reply);
    let _ = Run { at: at(), command: "x".into(), env: Vec::new() }.parse(reply);
    let _ = Ports { ignore: vec![22] }.parse(reply);
    let _ = Inventory.parse(reply);
    let _ = GitLoss { at: at() }.parse(reply);
    let _ = jobs::Status { id: id() }.parse(reply);
    let _ = jobs::Tail { id: id(), offset: 0, limit: 10 }.parse(reply);
    let _ = jobs::ListAll.parse(reply);
    let _ = jobs::Forget { id: id() }.parse(reply);
}

/// Bytes that look like replies: the words that parsers know, and noise between.
fn reply_like() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"\0".to_vec()),
        Just(b"/".to_vec()),
        Just(b"\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b"./a".to_vec()),
        Just(b"/home/dev/f\x0012\x001-2-3.4-5.6\0".to_vec()),
        prop::sample::select(vec![
            "w", "p", "t", "i", "b", "whole", "page", "s", "l", "f", "z", "c", "n", "folder", "file"
        ])
        .prop_map(|word| [word.as_bytes(), b"\0"].concat()),
        prop::sample::select(vec![
            "running",
            "exited",
            "stopped",
            "lost",
            "j1",
            "81a4 5 1.5",
            "2026 01 02",
            "0\x01d",
            "1"
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        Just(b"-rw-r--r-- 1 0 0 12 Jan  1 00:00 x\n".to_vec()),
        Just(b"0100007F:1F90 123\0".to_vec()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(word, 0..20).prop_map(|words| words.concat())
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let tricky = prop::sample::select(&b"\n'\"$`\\ -*?[]~#;&|<>(){}!%=\t\r\x1b\x7f\x81\x88\xff\xc3\xa9"[..]);
    let byte = prop_oneof![tricky, 1_u8..=255].prop_filter("no name has one", |byte| *byte != b'/');
    prop::collection::vec(byte, 1..24).prop_filter("not a name", |name| name != b"." && name != b"..")
}

proptest! {
    #[test]
    fn no_reply_breaks_a_parser(stdout in reply_like(), stderr in prop::collection::vec(any::<u8>(), 0..40), exit_code in prop_oneof![Just(0), 70..130]) {
        parse_all(&Reply { stdout: &stdout, stderr: &stderr, exit_code, truncated: false });
    }

    #[test]
    fn no_bytes_break_a_parser(stdout in prop::collection::vec(any::<u8>(), 0..200)) {
        parse_all(&Reply { stdout: &stdout, stderr: &[], exit_code: 0, truncated: false });
    }

    #[test]
    fn paths_cross_the_wire_unchanged(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(path::from_wire(&path::to_wire(&bytes)), bytes);
    }

    #[test]
    fn the_wire_is_plain_text_where_it_can_be(text in "\\PC{0,40}") {
        prop_assume!(!text.contains(|c| c >= '\u{10FF00}'));
        prop_assert_eq!(path::to_wire(text.as_bytes()), text);
    }

    #[test]
    fn no_pattern_and_no_path_breaks_a_script(pattern in "[a-c*?\\[\\]{},!^/.\\\\~\u{10FF80}-]{0,30}", path in "\\PC{0,20}") {
        let glob = Glob { at: Place::new("~", path.clone()), pattern: pattern.clone(), limit: None };
        if let Ok(script) = glob.script() {
            prop_assert!(!script.text.contains(&0));
            let _ = glob.parse(&Reply { stdout: b"n\0./a/b\0./c\0", stderr: &[], exit_code: 0, truncated: false });
        }
        let _ = Grep { at: Place::new("~", path), pattern: "x".into(), glob: Some(pattern), ignore_case: false, literal: false, limit: None }.script();
    }

    #[test]
    fn an_edit_replaces_what_it_finds(before in "[ab\n]{0,12}", old in "[ab\n]{1,4}", new in "[ab\n]{0,4}", all in any::<bool>()) {
        prop_assume!(old != new);
        let file = berth_tools::Fetched { path: "/f".into(), version: "v".into(), bytes: before.clone().into_bytes() };
        let edit = Edit { at: Place::new("/", "f"), old: old.clone(), new: new.clone(), all, version: None };
        let places = (0..before.len()).filter(|at| before[*at..].starts_with(&old)).count();
        let applied = edit.apply(&file);
        prop_assert_eq!(applied.is_ok(), if all { places > 0 } else { places == 1 });
        if let Ok(applied) = applied {
            let after = String::from_utf8(applied.write.content).unwrap();
            prop_assert_eq!(after, if all { before.replace(&old, &new) } else { before.replacen(&old, &new, 1) });
        }
    }
}

/// Any bytes are read back by every shell as they were quoted.
#[test]
fn quoting_is_read_back_by_every_shell() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let words = prop::collection::vec(prop::collection::vec(1_u8..=255, 0..120), 1..40);
    runner
        .run(&words, |words| {
            let mut command = String::from("printf '%s\\0'").into_bytes();
            for word in &words {
                command.push(b' ');
                command.extend(quote(word));
            }
            let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_slice(), b"\0"].concat()).collect();
            let home = tempfile::tempdir().unwrap();
            for machine in machines() {
                let script =
                    berth_tools::Script { text: command.clone(), stdin: None, reply_limit: 0, repeatable: true };
                prop_assert_eq!(&machine.send(home.path(), &script).stdout, &expected, "{}", machine.name);
            }
            Ok(())
        })
        .unwrap();
}

/// Any tree of any names: what is written is listed, found, read, moved and deleted.
#[test]
fn any_name_goes_through_every_action() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 6, ..ProptestConfig::default() });
    let tree = prop::collection::btree_map(name(), prop::collection::vec(any::<u8>(), 0..300), 1..6);
    runner
        .run(&(name(), tree), |(folder, files)| {
            for machine in machines() {
                let home = tempfile::tempdir().unwrap();
                let home = home.path().canonicalize().unwrap();
                let root = home.join(OsStr::from_bytes(&folder));
                for (name, content) in &files {
                    let tool =
                        Write { at: at(&root, OsStr::from_bytes(name)), content: content.clone(), version: None };
                    machine.run(&home, &tool).unwrap();
                }
                let on_disk: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
                prop_assert_eq!(on_disk.len(), files.len());
                let here = || at(&home, OsStr::from_bytes(&folder));
                let listing = machine.run(&home, &List { at: here(), offset: None, limit: None }).unwrap();
                let found = machine.run(&home, &Glob { at: here(), pattern: "**".into(), limit: None }).unwrap();
                let mut listed: Vec<_> = listing.entries.iter().map(|entry| path::from_wire(&entry.name)).collect();
                let mut globbed: Vec<_> = found.paths.iter().map(|name| path::from_wire(name)).collect();
                listed.sort();
                globbed.sort();
                let names: Vec<_> = files.keys().cloned().collect();
                prop_assert_eq!(&listed, &names, "{}", machine.name);
                prop_assert_eq!(&globbed, &names, "{}", machine.name);
                for (name, content) in &files {
                    let place = || at(&root, OsStr::from_bytes(name));
                    let fetched = machine.run(&home, &Fetch { at: place(), max: 1000 }).unwrap();
                    prop_assert_eq!(&fetched.bytes, content);
                    let to = at(&root, "a name that is free");
                    let moved = machine.run(&home, &Move { from: place(), to: to.clone(), replace: false }).unwrap();
                    prop_assert_eq!(moved.entry.size, content.len() as u64);
                    machine.run(&home, &Delete { at: to, recursive: false }).unwrap();
                }
                let path = machine.run(&home, &Stat { at: here() }).unwrap().path;
                prop_assert_eq!(path, wire(&root));
                machine.run(&home, &Delete { at: here(), recursive: false }).unwrap();
                prop_assert!(machine::tree(&home).is_empty());
            }
            Ok(())
        })
        .unwrap();
}

//! Finding files and text, on every machine, against what the file system says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
};

use berth_tools::{ErrorKind, Found, Glob, Grep, GrepFound, Place, Run, path::to_wire};
use machine::{Machine, NASTY, at, everywhere, wire};

fn glob(machine: &Machine, home: &Path, folder: &str, pattern: &str) -> Found {
    machine.run(home, &Glob { at: at(home, folder), pattern: pattern.into(), limit: None }).unwrap()
}

fn names(found: &Found) -> BTreeSet<&str> {
    let names: BTreeSet<_> = found.paths.iter().map(String::as_str).collect();
    assert_eq!(names.len(), found.paths.len(), "a file twice");
    names
}

fn grep(at: Place, pattern: &str) -> Grep {
    Grep { at, pattern: pattern.into(), glob: None, ignore_case: false, literal: false, limit: None }
}

fn lines(found: &GrepFound) -> Vec<(&str, u64, &str)> {
    found.matches.iter().map(|found| (found.path.as_str(), found.line, found.text.as_str())).collect()
}

fn put(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn git(machine: &Machine, home: &Path, folder: &str, command: &str) {
    let run = Run { at: at(home, folder), command: command.into(), env: Vec::new() };
    let ran = machine.run(home, &run).unwrap();
    assert_eq!(ran.exit_code, 0, "{ran:?}");
}

#[test]
fn every_file_is_found_whatever_its_name() {
    everywhere(|machine, home| {
        let root = home.join("w");
        let mut all = BTreeSet::new();
        for (i, name) in NASTY.iter().enumerate() {
            let path = Path::new(OsStr::from_bytes(NASTY[(i + 7) % NASTY.len()])).join(OsStr::from_bytes(name));
            put(&root.join("d").join(&path), format!("a needle: {i}\nhay\n"));
            all.insert((to_wire(path.as_os_str().as_bytes()), i));
        }
        put(&root.join(".git-not/x"), "needle");
        for repo in [false, true] {
            if repo && !machine.has("git") {
                continue;
            }
            if repo {
                git(machine, home, "w", "git init -q . && git add -A");
            }
            let found = glob(machine, home, "w/d", "**");
            assert_eq!(names(&found), all.iter().map(|(name, _)| name.as_str()).collect());
            let found = machine.run(home, &grep(at(home, "w/d"), "needle: [0-9]+$")).unwrap();
            let mut want: Vec<_> = all.iter().map(|(name, i)| (name.as_str(), 1, format!("a needle: {i}"))).collect();
            want.sort_by_key(|(name, ..)| berth_tools::path::from_wire(name));
            let want: Vec<_> = want.iter().map(|(name, line, text)| (*name, *line, text.as_str())).collect();
            assert_eq!(lines(&found), want);
            assert_eq!((found.files as usize, found.truncated), (all.len(), false));
            for (name, _) in all.iter().step_by(7) {
                let Some((_, leaf)) = name.split_once('/') else { panic!("{name}") };
                let escaped: String =
                    leaf.chars().flat_map(|c| if "*?[]{}\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
                assert!(
                    names(&glob(machine, home, "w/d", &format!("**/{escaped}"))).contains(name.as_str()),
                    "{name:?}"
                );
            }
            assert!(names(&glob(machine, home, "w", "**/.git/**")).is_empty());
        }
    });
}

/// A tree for patterns, and which files each finds.
const FILES: &[&str] = &[
    "a.rs",
    "b.ts",
    ".hidden.rs",
    "src/a.rs",
    "src/b.ts",
    "src/x/a.rs",
    "src/x/y/a.rs",
    "src/x/y/é.rs",
    "srcs/a.rs",
    "test/unit_a.py",
    "test_a/b.py",
    "x,y",
    "[a]",
    "{a}",
    "sp ace/q.md",
    "café/ü.txt",
];
const PATTERNS: &[(&str, &[&str])] = &[
    ("*.rs", &["a.rs", ".hidden.rs"]),
    ("**/*.rs", &["a.rs", ".hidden.rs", "src/a.rs", "src/x/a.rs", "src/x/y/a.rs", "src/x/y/é.rs", "srcs/a.rs"]),
    ("src/**/*.rs", &["src/a.rs", "src/x/a.rs", "src/x/y/a.rs", "src/x/y/é.rs"]),
    ("src/**/a.rs", &["src/a.rs", "src/x/a.rs", "src/x/y/a.rs"]),
    ("src/**", &["src/a.rs", "src/b.ts", "src/x/a.rs", "src/x/y/a.rs", "src/x/y/é.rs"]),
    ("src/*/a.rs", &["src/x/a.rs"]),
    ("src/*/*", &["src/x/a.rs"]),
    ("src/**/x/*.rs", &["src/x/a.rs"]),
    ("**/y/**", &["src/x/y/a.rs", "src/x/y/é.rs"]),
    ("**/?.rs", &["a.rs", "src/a.rs", "src/x/a.rs", "src/x/y/a.rs", "src/x/y/é.rs", "srcs/a.rs"]),
    ("**/[a-c].{rs,ts}", &["a.rs", "b.ts", "src/a.rs", "src/b.ts", "src/x/a.rs", "src/x/y/a.rs", "srcs/a.rs"]),
    ("**/[!a].rs", &["src/x/y/é.rs"]),
    ("{src,srcs}/a.rs", &["src/a.rs", "srcs/a.rs"]),
    ("src/{a.rs,x/{a,b}.rs}", &["src/a.rs", "src/x/a.rs"]),
    ("**/test_*.py", &[]),
    ("test*/*.py", &["test/unit_a.py", "test_a/b.py"]),
    ("x,y", &["x,y"]),
    ("\\[a\\]", &["[a]"]),
    ("\\{a\\}", &["{a}"]),
    ("{a}", &["{a}"]),
    ("[[]a]", &["[a]"]),
    ("sp ace/*", &["sp ace/q.md"]),
    ("caf?/[ü].txt", &["café/ü.txt"]),
    ("./src/./b.ts", &["src/b.ts"]),
    ("**/src/b.ts", &["src/b.ts"]),
    ("gone/**", &[]),
];

#[test]
fn patterns_mean_the_same_on_every_machine() {
    everywhere(|machine, home| {
        let root = home.join("w");
        for file in FILES {
            put(&root.join(file), "x\n");
        }
        symlink("a.rs", root.join("link.rs")).unwrap();
        symlink("src", root.join("linked")).unwrap();
        for repo in [false, true] {
            if repo && !machine.has("git") {
                continue;
            }
            if repo {
                git(machine, home, "w", "git init -q . && git add a.rs src");
            }
            for (pattern, expected) in PATTERNS {
                let found = glob(machine, home, "w", pattern);
                assert_eq!(names(&found), expected.iter().copied().collect(), "{pattern}");
                let below = glob(machine, home, "w/src", &format!("{}/{pattern}", wire(&root)));
                let expected: Vec<_> = expected.iter().map(|name| format!("{}/{name}", wire(&root))).collect();
                assert_eq!(names(&below), expected.iter().map(String::as_str).collect(), "{pattern}");
            }
            let searched =
                machine.run(home, &Grep { glob: Some("*.{rs,py}".into()), ..grep(at(home, "w"), "x") }).unwrap();
            assert_eq!(searched.files, 9);
            let searched =
                machine.run(home, &Grep { glob: Some("src/**/?.rs".into()), ..grep(at(home, "w"), "x") }).unwrap();
            assert_eq!(searched.files, 4);
        }
        for pattern in ["", "../x", "a/../b", "/", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"] {
            let error =
                machine.run(home, &Glob { at: at(home, "w"), pattern: pattern.into(), limit: None }).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{pattern}");
        }
    });
}

#[test]
fn the_newest_come_first_and_the_limit_holds() {
    everywhere(|machine, home| {
        for i in 0..20_u64 {
            let name = format!("w/{}.txt", (i * 7) % 20);
            put(&home.join(&name), "x\n");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + i * 60);
            fs::File::options().write(true).open(home.join(&name)).unwrap().set_modified(time).unwrap();
        }
        let mut newest: Vec<String> = (0..20_u64).rev().map(|i| format!("{}.txt", (i * 7) % 20)).collect();
        if !machine.has("stat") {
            newest.sort();
        }
        assert_eq!(glob(machine, home, "w", "*.txt").paths, newest);
        for (pattern, limit) in [("*.txt", 5), ("**/[0-9]*.txt", 5), ("**", 19)] {
            let found =
                machine.run(home, &Glob { at: at(home, "w"), pattern: pattern.into(), limit: Some(limit) }).unwrap();
            assert_eq!((found.paths.as_slice(), found.truncated), (&newest[..limit as usize], true), "{pattern}");
        }
        let found = machine.run(home, &Glob { at: at(home, "w"), pattern: "**".into(), limit: Some(20) }).unwrap();
        assert_eq!((found.paths.len(), found.truncated), (20, false));
        let error =
            machine.run(home, &Glob { at: at(home, "w/0.txt"), pattern: "**".into(), limit: None }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFolder);
    });
}

#[test]
fn what_git_ignores_is_not_searched() {
    everywhere(|machine, home| {
        let root = home.join("w");
        for file in
            ["a.txt", "b.log", "kept.log", "node_modules/m/x.txt", "sub/c.txt", "inner/d.txt", "inner/e.tmp", ".git-x"]
        {
            put(&root.join(file), "needle\n");
        }
        put(&root.join(".gitignore"), "*.log\n!kept.log\nnode_modules/\n");
        if machine.has("git") {
            git(machine, home, "w", "git init -q . && git add a.txt");
            put(&root.join("inner/.gitignore"), "*.tmp\n");
            git(machine, home, "w/inner", "git init -q .");
            let all = [".git-x", ".gitignore", "a.txt", "inner/.gitignore", "inner/d.txt", "kept.log", "sub/c.txt"];
            assert_eq!(names(&glob(machine, home, "w", "**")), all.into());
            let found = machine.run(home, &grep(at(home, "w"), "needle")).unwrap();
            let files: Vec<_> = found.matches.iter().map(|found| found.path.as_str()).collect();
            assert_eq!(files, [".git-x", "a.txt", "inner/d.txt", "kept.log", "sub/c.txt"]);
            // Who names what is ignored means it.
            assert_eq!(names(&glob(machine, home, "w", "node_modules/**")), ["node_modules/m/x.txt"].into());
            assert_eq!(names(&glob(machine, home, "w/node_modules", "**")), ["m/x.txt"].into());
            assert_eq!(machine.run(home, &grep(at(home, "w/node_modules/m"), "needle")).unwrap().files, 1);
            // A file that Git knows and that is gone.
            fs::remove_file(root.join("a.txt")).unwrap();
            assert!(names(&glob(machine, home, "w", "*.txt")).is_empty());
        }
        assert_eq!(machine.run(home, &grep(at(home, "w/b.log"), "needle")).unwrap().matches[0].path, "b.log");
    });
}

#[test]
fn text_is_found_the_same_on_every_machine() {
    let answers = std::cell::RefCell::new(Vec::new());
    everywhere(|machine, home| {
        let root = home.join("w");
        put(&root.join("a.txt"), "One\ntwo (x)\r\nthree\n\nfn main() {\n    x = [1];\n");
        put(&root.join("b/c.txt"), format!("{}needle{}\n", "y".repeat(500), "z".repeat(5000)));
        put(&root.join("b.txt"), "no newline at the end: needle");
        put(&root.join("bin"), b"needle\0\n");
        put(&root.join("late"), [b"needle\n".to_vec(), vec![b'a'; 200_000], b"\0".to_vec()].concat());
        put(&root.join("latin"), b"caf\xe9 needle\n");
        put(&root.join("many"), "needle\n".repeat(600));
        symlink("a.txt", root.join("link")).unwrap();
        let mut found = Vec::new();
        for (pattern, literal, ignore_case) in [
            ("needle", false, false),
            ("NEEDLE$", false, true),
            ("^t(wo|hree)", false, false),
            ("[[:digit:]]{1}", false, false),
            ("(x)", true, false),
            ("(x)", false, false),
            ("[1]", true, false),
            ("main.. {", false, false),
            ("-needle", false, false),
            ("", false, false),
            ("a\nb", false, false),
            ("(", false, false),
            ("(", true, false),
            ("^caf", false, false),
            ("x *= *\\[", false, false),
        ] {
            let tool = Grep { literal, ignore_case, limit: Some(100), ..grep(at(home, "w"), pattern) };
            let result = machine.run(home, &tool).map_err(|error| error.kind);
            if let Ok(found) = &result {
                assert!(found.matches.iter().all(|found| found.text.chars().count() <= 400));
            }
            found.push((pattern, result));
        }
        for file in ["w/many", "w/bin", "w/a.txt"] {
            found.push((file, machine.run(home, &grep(at(home, file), "needle")).map_err(|error| error.kind)));
        }
        found.push(("gone", machine.run(home, &grep(at(home, "w/gone"), "x")).map_err(|error| error.kind)));
        let of = |pattern: &str| found.iter().find(|(wanted, _)| *wanted == pattern).unwrap().1.as_ref();
        let needle = of("needle").unwrap();
        assert_eq!((needle.matches.len(), needle.files, needle.truncated), (100, 4, true));
        assert_eq!(needle.matches[1].path, "b/c.txt");
        assert_eq!(
            (needle.matches[1].text.as_str(), needle.matches[2].text.as_str()),
            (&*"y".repeat(400), "caf\u{FFFD} needle")
        );
        assert_eq!(lines(of("main.. {").unwrap()), [("a.txt", 5, "fn main() {")]);
        assert_eq!(lines(of("^t(wo|hree)").unwrap()), [("a.txt", 2, "two (x)"), ("a.txt", 3, "three")]);
        assert_eq!((of("w/many").unwrap().matches.len(), of("w/many").unwrap().truncated), (500, true));
        assert_eq!(of("w/bin").unwrap().matches.len(), 0);
        assert_eq!(of("gone"), Err(&ErrorKind::NotFound));
        assert_eq!((of(""), of("a\nb")), (Err(&ErrorKind::BadRequest), Err(&ErrorKind::BadRequest)));
        answers.borrow_mut().push((machine.name, found));
    });
    let answers = answers.into_inner();
    let (first, expected) = &answers[0];
    for (name, found) in &answers[1..] {
        for (a, b) in expected.iter().zip(found) {
            assert_eq!(a, b, "{first} and {name}");
        }
    }
}

/// A `.git` that Git cannot use hides nothing.
#[test]
fn a_broken_repository_is_searched_as_a_folder() {
    everywhere(|machine, home| {
        for (i, git) in ["folder", "file", "index", "inner"].iter().enumerate() {
            let root = home.join(format!("w{i}"));
            put(&root.join("sub/a.txt"), "needle\n");
            match *git {
                "folder" => fs::create_dir(root.join(".git")).unwrap(),
                "file" => put(&root.join(".git"), "gitdir: /nowhere\n"),
                _ if !machine.has("git") => continue,
                "index" => {
                    self::git(machine, home, &format!("w{i}"), "git init -q . && git add -A");
                    put(&root.join(".git/index"), "broken");
                }
                _ => {
                    self::git(machine, home, &format!("w{i}"), "git init -q .");
                    put(&root.join("sub/.git"), "gitdir: /nowhere\n");
                }
            }
            let folder = format!("w{i}");
            assert_eq!(names(&glob(machine, home, &folder, "**/*.txt")), ["sub/a.txt"].into(), "{git}");
            let found = machine.run(home, &grep(at(home, &folder), "needle")).unwrap();
            assert_eq!(found.files, 1, "{git}");
        }
    });
}

/// What Perl writes in its own way is found the same everywhere, or refused.
#[test]
fn patterns_of_perl_mean_the_same_on_every_machine() {
    everywhere(|machine, home| {
        put(&home.join("w/a.txt"), "d7\nfoo\nFOO\na b\n[x]\n\\w\nfoobar\n^-\n");
        let found = |pattern: &str| -> Vec<u64> {
            let found = machine.run(home, &grep(at(home, "w"), pattern)).unwrap();
            found.matches.iter().map(|found| found.line).collect()
        };
        for (pattern, lines) in [
            (r"\d", &[1][..]),
            (r"^\w\d$", &[1]),
            (r"(?i)^foo$", &[2, 3]),
            (r"^fo+?$", &[2]),
            (r"\bfoo\b", &[2]),
            (r"a\sb", &[4]),
            (r"\[[^\]]\]", &[5]),
            (r"^[\\]", &[6]),
            (r"^(?:foo|d)\S*$", &[1, 2, 7]),
            (r"[\^][-]", &[8]),
            (r"^[^\w\[\\^]", &[]),
        ] {
            assert_eq!(found(pattern), lines, "{pattern}");
        }
        for pattern in [r"\p{L}", r"foo(?=bar)", r"(o)\1"] {
            let error = machine.run(home, &grep(at(home, "w"), pattern)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{pattern}");
        }
    });
}

//! Listing, asking, moving and deleting, on every machine, against what the file system says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod machine;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
};

use berth_tools::{Delete, Entry, ErrorKind, Kind, List, Listing, Move, Place, Run, Stat};
use machine::{Machine, NASTY, at, everywhere, tree, wire};

/// Makes a folder with every nasty name as a file, a folder, a link to a file, a link to a folder, a dead link.
fn populate(root: &Path) {
    for (i, name) in NASTY.iter().enumerate() {
        let path = root.join(OsStr::from_bytes(name));
        match i % 5 {
            0 => fs::write(&path, "x".repeat(i)).unwrap(),
            1 => fs::create_dir(&path).unwrap(),
            2 => symlink(OsStr::from_bytes(NASTY[i - 2]), &path).unwrap(),
            3 => symlink(OsStr::from_bytes(NASTY[i - 2]), &path).unwrap(),
            _ => symlink(OsStr::from_bytes(b"gone\n"), &path).unwrap(),
        }
    }
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    fs::set_permissions(root.join("plain.txt"), fs::Permissions::from_mode(0o4751)).unwrap();
}

/// What the file system says about a name.
fn truth(path: &Path) -> Entry {
    let own = fs::symlink_metadata(path).unwrap();
    let leads_to = fs::metadata(path).ok();
    let folder = leads_to.as_ref().is_some_and(fs::Metadata::is_dir);
    let shown = leads_to.as_ref().unwrap_or(&own);
    Entry {
        name: berth_tools::path::to_wire(path.file_name().unwrap().as_bytes()),
        kind: match () {
            () if own.is_symlink() && folder => Kind::LinkToFolder,
            () if own.is_symlink() => Kind::Link,
            () if own.is_dir() => Kind::Folder,
            () if own.is_file() => Kind::File,
            () => Kind::Other,
        },
        size: shown.size(),
        modified: shown.mtime() * 1000 + shown.mtime_nsec() / 1_000_000,
        mode: shown.mode() & 0o7777,
        target: fs::read_link(path).ok().map(|target| wire(&target)),
        ignored: false,
    }
}

/// Times as precise as the machine tells them.
fn coarsen(machine: &Machine, mut entry: Entry) -> Entry {
    let step = match machine.name {
        "busybox" => 1_000,
        "posix" => 60_000,
        _ => 1,
    };
    entry.modified = entry.modified / step * step;
    entry
}

fn list(at: Place) -> List {
    List { at, offset: None, limit: None }
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[test]
fn a_listing_says_what_the_file_system_says() {
    everywhere(|machine, home| {
        let root = home.join("a folder\n");
        fs::create_dir(&root).unwrap();
        populate(&root);
        let listing = machine.run(home, &list(at(home, "a folder\n"))).unwrap();
        assert_eq!(listing.path, wire(&root));
        assert_eq!(listing.total as usize, NASTY.len() + 1);
        assert_eq!(listing.entries.len(), NASTY.len() + 1);
        for entry in &listing.entries {
            let path = root.join(OsStr::from_bytes(&berth_tools::path::from_wire(&entry.name)));
            assert_eq!(*entry, coarsen(machine, truth(&path)));
            let stat = machine.run(home, &Stat { at: Place::new(wire(&root), entry.name.clone().replace('~', "./~")) });
            let stat = stat.unwrap();
            assert_eq!((&stat.entry, stat.path), (entry, wire(&path)));
        }
    });
}

#[test]
fn folders_come_first_then_names_and_pages_fit_together() {
    everywhere(|machine, home| {
        // The second folder is large enough for the machine to sort and cut.
        for count in [30, 2_100] {
            let root = home.join(format!("n{count}"));
            fs::create_dir(&root).unwrap();
            for i in 0..count {
                fs::write(root.join(format!("{}{i:04}", if i % 2 == 0 { "File" } else { "file" })), "").unwrap();
            }
            for name in ["zoo", "Bar", "a\nb", "a b", "a-b", "-x", "\u{e9}"] {
                fs::create_dir(root.join(name)).unwrap();
                symlink(name, root.join(format!("{name}.link"))).unwrap();
            }
            let all = machine
                .run(home, &List { at: Place::new(wire(&root), "."), offset: None, limit: Some(10_000) })
                .unwrap();
            assert_eq!((all.entries.len(), all.total), (count + 14, count as u32 + 14));
            let start = [
                "-x",
                "-x.link",
                "a b",
                "a b.link",
                "a-b",
                "a-b.link",
                "a\nb",
                "a\nb.link",
                "Bar",
                "Bar.link",
                "zoo",
                "zoo.link",
            ];
            assert_eq!(names(&all)[..12], start);
            assert_eq!(names(&all)[12..16], ["\u{e9}", "\u{e9}.link", "File0000", "file0001"]);
            assert_eq!(all.entries[1].kind, Kind::LinkToFolder);
            let mut pages = Vec::new();
            for offset in (0..).step_by(700).take_while(|offset| *offset < all.total) {
                let page =
                    machine.run(home, &List { at: at(&root, "."), offset: Some(offset), limit: Some(700) }).unwrap();
                assert_eq!(page.total, all.total);
                pages.extend(page.entries);
            }
            assert_eq!(pages, all.entries);
        }
        let empty = home.join("empty");
        fs::create_dir(&empty).unwrap();
        let listing = machine.run(home, &list(at(&empty, "."))).unwrap();
        assert_eq!((listing.total, listing.entries), (0, Vec::new()));
    });
}

#[test]
fn what_git_ignores_is_said() {
    everywhere(|machine, home| {
        if !machine.has("git") {
            return;
        }
        for count in [0, 2_100] {
            let root = home.join(format!("n{count}"));
            fs::create_dir_all(root.join("sub")).unwrap();
            fs::write(root.join(".gitignore"), "*.log\n/build\n").unwrap();
            let git = Run { at: at(&root, "."), command: "git init -q .".into(), env: Vec::new() };
            assert_eq!(machine.run(home, &git).unwrap().exit_code, 0);
            for i in 0..count {
                fs::write(root.join(format!("sub/{i}")), "").unwrap();
            }
            for name in ["a.log", "new\nline.log", ":(top)x.log", "b.txt", "build"] {
                fs::write(root.join("sub").join(name), "").unwrap();
            }
            let listing = machine.run(home, &list(at(&root, "sub"))).unwrap();
            let ignored: Vec<_> =
                listing.entries.iter().filter(|entry| entry.ignored).map(|entry| entry.name.as_str()).collect();
            let page = machine.run(home, &List { at: at(&root, "sub"), offset: Some(count), limit: None }).unwrap();
            let later: Vec<_> =
                page.entries.iter().filter(|entry| entry.ignored).map(|entry| entry.name.as_str()).collect();
            let all = if count == 0 { ignored } else { later };
            assert_eq!(all, [":(top)x.log", "a.log", "new\nline.log"]);
            let stat = |name| machine.run(home, &Stat { at: at(&root, name) }).unwrap().entry.ignored;
            assert!(stat("sub/:(top)x.log") && !stat("sub/b.txt") && !stat("sub/build"));
        }
    });
}

#[test]
fn moving_takes_the_name_and_never_something_else() {
    everywhere(|machine, home| {
        let mv = |from: &OsStr, to: &OsStr, replace| {
            machine.run(home, &Move { from: at(home, from), to: at(home, to), replace })
        };
        for name in NASTY {
            let name = OsStr::from_bytes(name);
            fs::write(home.join("start"), "x").unwrap();
            let stat = mv(OsStr::new("start"), name, false).unwrap();
            assert_eq!((stat.path, stat.entry.name), (wire(&home.join(name)), wire(Path::new(name))));
            assert!(!home.join("start").exists());
            mv(name, OsStr::new("start"), false).unwrap();
            fs::remove_file(home.join("start")).unwrap();
        }
        assert!(tree(home).is_empty());
        fs::create_dir_all(home.join("dir/sub")).unwrap();
        fs::create_dir_all(home.join("full")).unwrap();
        for (name, text) in [("a", "a"), ("b", "b"), ("full/x", "x")] {
            fs::write(home.join(name), text).unwrap();
        }
        symlink("full", home.join("link")).unwrap();
        symlink("gone", home.join("dead")).unwrap();
        let before = tree(home);
        for (from, to, replace, kind) in [
            ("a", "b", false, ErrorKind::Exists),
            ("a", "a", true, ErrorKind::BadRequest),
            ("a", "full", true, ErrorKind::Exists),
            ("a", "link", false, ErrorKind::Exists),
            ("a", "dead", false, ErrorKind::Exists),
            ("dir", "full", true, ErrorKind::Exists),
            ("dir", "a", true, ErrorKind::Exists),
            ("dir", "dir/sub/dir", false, ErrorKind::BadRequest),
            ("gone", "c", false, ErrorKind::NotFound),
            ("a", "gone/c", false, ErrorKind::NotFound),
        ] {
            let error = mv(OsStr::new(from), OsStr::new(to), replace).unwrap_err();
            assert_eq!(error.kind, kind, "{to}: {error:?}");
            assert!(tree(home) == before, "{to}: {error:?}");
        }
        mv(OsStr::new("a"), OsStr::new("b"), true).unwrap();
        mv(OsStr::new("b"), OsStr::new("link"), true).unwrap();
        mv(OsStr::new("dead"), OsStr::new("dir/dead"), false).unwrap();
        mv(OsStr::new("full"), OsStr::new("dir/full"), false).unwrap();
        let after: Vec<_> = tree(home).into_keys().map(|path| wire(&path)).collect();
        assert_eq!(after, ["dir", "dir/dead", "dir/full", "dir/full/x", "dir/sub", "link"]);
        assert_eq!(fs::read(home.join("link")).unwrap(), b"a");
    });
}

#[test]
fn deleting_takes_what_is_named_and_nothing_else() {
    everywhere(|machine, home| {
        let delete = |place, recursive| machine.run(home, &Delete { at: place, recursive });
        fs::create_dir_all(home.join("w/keep")).unwrap();
        fs::write(home.join("w/keep/file"), "kept").unwrap();
        let kept = tree(home);
        for (i, name) in NASTY.iter().enumerate() {
            let path = home.join("w").join(OsStr::from_bytes(name));
            match i % 3 {
                0 => fs::write(&path, "").unwrap(),
                1 => fs::create_dir(&path).unwrap(),
                _ => symlink("keep", &path).unwrap(),
            }
            delete(at(&home.join("w"), OsStr::from_bytes(name)), i % 2 == 0).unwrap();
            assert!(tree(home) == kept, "{name:?}");
            fs::create_dir(&path).unwrap();
            fs::write(path.join(OsStr::from_bytes(name)), "").unwrap();
            symlink("../keep", path.join("a link")).unwrap();
            let error = delete(at(&home.join("w"), OsStr::from_bytes(name)), false).unwrap_err();
            assert_eq!(error.kind, ErrorKind::IsFolder);
            delete(at(&home.join("w"), OsStr::from_bytes(name)), true).unwrap();
            assert!(tree(home) == kept, "{name:?}");
        }
        fs::create_dir_all(home.join("ro/sub")).unwrap();
        fs::write(home.join("ro/sub/x"), "").unwrap();
        fs::set_permissions(home.join("ro/sub"), fs::Permissions::from_mode(0o555)).unwrap();
        delete(at(home, "ro"), true).unwrap();
        assert_eq!(delete(at(home, "gone"), true).unwrap_err().kind, ErrorKind::NotFound);
    });
}

#[test]
fn nothing_leads_to_deleting_or_moving_the_home_or_what_holds_it() {
    everywhere(|machine, home| {
        // Should a check be missing, what it guards is not to be found out the hard way.
        let machine = machine.without(&["rm", "rmdir", "mv", "chmod"]);
        fs::create_dir_all(home.join("w/keep")).unwrap();
        let name = home.file_name().unwrap().to_str().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(home.parent().unwrap(), outside.path().join("up")).unwrap();
        let detour = wire(&outside.path().join("up").join(name));
        for place in [
            Place::here("~"),
            Place::new("~", "~"),
            Place::new("~", "w/.."),
            Place::new("~", "w/keep/../.."),
            Place::new("~", format!("../{name}")),
            Place::new("~", "/"),
            Place::new("~", "//"),
            Place::new("~", ".."),
            Place::new("~", "../../../../.."),
            Place::new(wire(home.parent().unwrap()), "."),
            Place::new("/", detour),
        ] {
            for recursive in [true, false] {
                let error = machine.run(home, &Delete { at: place.clone(), recursive }).unwrap_err();
                assert_eq!(error.kind, ErrorKind::BadRequest, "{place:?} {error:?}");
            }
            let error =
                machine.run(home, &Move { from: place.clone(), to: at(home, "c"), replace: false }).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{place:?} {error:?}");
        }
    });
}

//! How long actions take; run by hand (`--ignored --nocapture`), since a busy computer is slow for reasons of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it is run by hand, and tells what it saw")]

mod machine;

use std::{fs, time::Instant};

use berth_tools::{Glob, Grep, Inventory, List, Place, Ports, Read, Run, Stat, Tool, Write, jobs};
use machine::{Machine, everywhere};

fn time<T: Tool>(machine: &Machine, home: &std::path::Path, what: &str, tool: &T) {
    let mut best = f64::MAX;
    for _ in 0..4 {
        let start = Instant::now();
        machine.run(home, tool).unwrap();
        best = best.min(start.elapsed().as_secs_f64() * 1000.0);
    }
    println!("{:8} {what:32} {best:8.1} ms", machine.name);
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn how_long_actions_take() {
    everywhere(|machine, home| {
        let big = home.join("big");
        fs::create_dir(&big).unwrap();
        for i in 0..100_000 {
            fs::write(big.join(format!("file-{i}.{}", if i % 10 == 0 { "rs" } else { "txt" })), "").unwrap();
        }
        fs::create_dir(home.join("small")).unwrap();
        for i in 0..50 {
            fs::write(home.join(format!("small/file-{i}.rs")), "fn main() {}\n").unwrap();
        }
        let at = |name: &str| Place::new("~", name);
        time(machine, home, "run true", &Run { at: at("."), command: "true".into(), env: vec![] });
        time(machine, home, "read", &Read { at: at("small/file-1.rs"), offset: None, limit: None });
        time(
            machine,
            home,
            "write",
            &Write { at: at("small/file-1.rs"), content: b"fn main() {}\n".to_vec(), version: None },
        );
        time(machine, home, "stat", &Stat { at: at("small/file-1.rs") });
        time(machine, home, "list 50", &List { at: at("small"), offset: None, limit: None });
        time(machine, home, "list 100,000, first page", &List { at: at("big"), offset: None, limit: None });
        time(machine, home, "list 100,000, last page", &List { at: at("big"), offset: Some(99_900), limit: None });
        time(machine, home, "glob 50", &Glob { at: at("small"), pattern: "**/*.rs".into(), limit: None });
        time(machine, home, "glob 10,000 of 100,000", &Glob { at: at("big"), pattern: "**/*.rs".into(), limit: None });
        let grep = |name| Grep {
            at: at(name),
            pattern: "main".into(),
            glob: None,
            ignore_case: false,
            literal: false,
            limit: None,
        };
        time(machine, home, "grep 50", &grep("small"));
        time(machine, home, "grep 100,000 (empty)", &grep("big"));
        time(machine, home, "ports", &Ports::default());
        time(machine, home, "jobs", &jobs::ListAll);
        time(machine, home, "inventory", &Inventory);
    });
}

//! Berth side by side with OpenSSH, interleaved in one run, as ratios. Prints a table and writes `target/bench.json`.
//!
//! A machine's speed drifts; a ratio of two things measured in turn does not. Nothing here fails for being slow: the
//! table says which targets are met.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and ends where it cannot measure")]

mod actions;
mod app;
mod machine;
mod network;
mod own;
mod table;
mod transfers;

use std::path::Path;

use table::Table;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let long = arguments.iter().any(|argument| argument == "--long");
    // With names of parts, only these are measured, and the whole's figures stay as they are.
    let all = arguments.iter().all(|argument| argument == "--long");
    let part = |name: &str| all || arguments.iter().any(|argument| argument == name);
    let mut table = Table::default();
    if part("actions") {
        runtime.block_on(actions::measure(&mut table));
    }
    if part("transfers") {
        runtime.block_on(transfers::measure(&mut table));
    }
    if part("network") {
        runtime.block_on(network::measure(&mut table, long));
    }
    if part("own") {
        runtime.block_on(own::measure(&mut table));
    }
    if part("app") {
        runtime.block_on(app::measure(&mut table));
    }
    table.print();
    if all {
        table.write(Path::new("target/bench.json"));
    }
}

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
    let long = std::env::args().any(|argument| argument == "--long");
    let mut table = Table::default();
    runtime.block_on(actions::measure(&mut table));
    runtime.block_on(transfers::measure(&mut table));
    runtime.block_on(network::measure(&mut table, long));
    runtime.block_on(own::measure(&mut table));
    runtime.block_on(app::measure(&mut table));
    table.print();
    table.write(Path::new("target/bench.json"));
}

//! The MCP project's own client does an agent's job in a channel, and a person sees it in the window.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_builds_tests_serves_and_shows() {
    let desk = Desk::new();
    let window = desk.open().await;
    window.element("//h1[contains(., 'What are you working on?')]").await;

    let script = Path::new("tests/agent/agent.py").canonicalize().expect("the agent is there");
    let mut agent = desk.computer.surround(std::process::Command::new(python()));
    let agent = agent.arg(script).arg(support::binary("berthctl")).arg("agent-work");
    let output = tokio::task::block_in_place(|| agent.output()).expect("the agent runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("what it saw");
    println!("the agent saw {seen}");

    // The preview that it opened came to the front, and what it did stands in the timeline.
    window.preview_shows("Hello, from the agent!").await;
    for (verb, subject) in [("Wrote", "test_app.py"), ("Edited", "app.py"), ("Ran", "python3 -m unittest")] {
        window.element(&format!("//main//*[contains(., '{verb}') and contains(., '{subject}')]")).await;
    }
    window.shot("agent").await;

    let audit = desk.computer.call("audit.list", json!({ "channel": "agent-work" }));
    let rows = audit["rows"].as_array().expect("rows");
    let by_agent = |row: &&Value| row["author"]["kind"] == "agent";
    assert!(rows.iter().filter(by_agent).count() >= 10, "{audit}");
    assert!(
        rows.iter().any(|row| row["verb"] == "edit" && row["script"].as_str().is_some_and(|text| !text.is_empty()))
    );
    window.client.close().await.expect("closed");
}

/// Where `make test` installed the client.
fn python() -> PathBuf {
    let target = support::binary("berth").parent().and_then(Path::parent).map(Path::to_owned).expect("a target folder");
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing: `make test` installs it", python.display());
    python
}

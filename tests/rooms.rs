//! Every room of the window: it opens, shows what is real, and is open to all.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use fantoccini::key::Key;
use serde_json::json;
use support::{Desk, Window};

#[tokio::test(flavor = "multi_thread")]
async fn every_room_is_open_to_all() {
    let desk = Desk::new();
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.is_open_to_all(&desk, "the welcome screen").await;

    let start = json!({ "kind": "python" });
    desk.computer.call("channel.create", json!({ "name": "tide-tables", "start": start }));
    desk.computer.call("channel.get", json!({ "channel": "tide-tables", "wait_s": 60 }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'tide-tables')]").await;
    let run = json!({ "channel": "tide-tables", "command": "python3 -m unittest" });
    let tested = desk.computer.call("action.run", run);
    assert_eq!(tested["exit_code"], 0, "{tested}");
    window.element("//*[contains(., 'python3 -m unittest')]").await;
    for tab in ["Files", "Preview", "Terminal", "Activity"] {
        window.click(&format!("//*[@role='tab'][contains(., '{tab}')]")).await;
        if tab == "Activity" {
            window.element("//*[@role='tabpanel']//*[contains(., 'python3 -m unittest')]").await;
        }
        look(&desk, &window, tab).await;
    }

    press(&window, Key::Control + "k").await;
    window.element("//*[@role='dialog']//input").await;
    look(&desk, &window, "Palette").await;
    press(&window, char::from(Key::Escape).to_string()).await;
    window.until("the palette is closed", "return document.querySelector('[role=dialog]') === null").await;

    window.click("//button[contains(., 'Settings')]").await;
    for section in ["Space", "Appearance", "Agents", "Keychain", "About"] {
        window.click(&format!("//nav[@aria-label='Settings']//button[contains(., '{section}')]")).await;
        window.element(&format!("//h1[contains(., '{section}')]")).await;
        look(&desk, &window, &format!("Settings {section}")).await;
    }

    // A keychain is there, and says so; MCP clients are told where to come.
    let info = desk.computer.call("app.info", json!({}));
    assert!(info["mcp_url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{info}");
    let snapshot = desk.computer.call("app.snapshot", json!({}));
    assert_eq!(snapshot["keychain"]["state"], "available", "{snapshot}");

    desk.computer.call("sandbox.sleep", json!({ "channel": "tide-tables" }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'tide-tables')]").await;
    window.element("//header//*[contains(., 'Asleep')]").await;
    look(&desk, &window, "Asleep").await;

    let nowhere = json!({ "kind": "git", "url": "https://127.0.0.1:9/nothing.git" });
    desk.computer.call("channel.create", json!({ "name": "old-importer", "start": nowhere }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'old-importer')]").await;
    window.element("//header//*[contains(., 'Could not start')]").await;
    look(&desk, &window, "Failed").await;
    window.client.close().await.expect("closed");
}

async fn look(desk: &Desk, window: &Window, room: &str) {
    window.is_open_to_all(desk, room).await;
    window.shots(desk, &room.to_lowercase().replace(' ', "-")).await;
}

async fn press(window: &Window, keys: String) {
    window.client.active_element().await.expect("something has the focus").send_keys(&keys).await.expect("pressed");
}

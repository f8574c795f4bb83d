//! Journeys through the real window: WebKitGTK on a virtual display, driven by WebDriver.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use fantoccini::key::Key;
use serde_json::json;
use support::{Desk, Window};

/// From the first start to a page that is served, to a file that is edited, to a crash that loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn first_five_minutes() {
    let desk = Desk::new();
    let window = desk.open().await;
    window.size(1280, 800).await;

    window.element("//h1[contains(., 'What are you working on?')]").await;
    window.shots(&desk, "welcome").await;
    let name = window.element("//input[@aria-label='Channel name']").await;
    name.clear().await.expect("empty");
    name.send_keys("harbour").await.expect("typed");
    window.click("//label[contains(., 'A website')]").await;
    window.click("//button[contains(., 'Create channel')]").await;

    window.preview_shows("A place to tie up").await;
    assert_eq!(window.in_preview("return typeof __TAURI_INTERNALS__ + typeof __TAURI__").await, "undefinedundefined");
    window.shots(&desk, "preview").await;

    say(&window, "The first words in this channel").await;
    say(&window, "/run echo hi > a.txt").await;
    window.element("//*[contains(., 'echo hi > a.txt')]").await;
    open_tab(&window, "Files").await;
    window.click("//*[@role='treeitem'][contains(., 'a.txt')]").await;
    window
        .until(
            "the editor shows the file",
            "return document.querySelector('.cm-content')?.innerText.includes('hi') ?? false",
        )
        .await;
    window.shots(&desk, "files").await;
    let editor = window.element("//*[contains(@class, 'cm-content')]").await;
    editor.click().await.expect("in the editor");
    editor.send_keys(&(Key::Control + "\u{E010}")).await.expect("at the end");
    editor.send_keys("edited here").await.expect("typed");
    editor.send_keys(&(Key::Control + "s")).await.expect("saved");
    berth_testbed::until("the edit is saved", || {
        let file = desk.computer.call("action.read", json!({ "channel": "harbour", "path": "a.txt" }));
        file["content"]["text"].as_str().is_some_and(|text| text.contains("edited here"))
    });

    open_tab(&window, "Terminal").await;
    let terminal = window.element("//*[contains(@class, 'xterm-helper-textarea')]").await;
    window
        .until("the shell prompts", "return document.querySelector('.xterm-rows')?.innerText.trim().length > 0")
        .await;
    terminal.send_keys("cat a.txt; echo done-$((40+2))\n").await.expect("typed");
    window
        .until(
            "the terminal shows the edit",
            "const seen = document.querySelector('.xterm-rows').innerText; \
             return seen.includes('edited here') && seen.includes('done-42')",
        )
        .await;
    window.shots(&desk, "terminal").await;

    // A second start brings the first one's window to the front, and ends.
    let again = tokio::task::block_in_place(|| desk.program("berth").status()).expect("it runs");
    assert!(again.success());

    desk.kill(window).await;
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.element("//*[contains(., 'The first words in this channel')]").await;
    window.element("//*[contains(., 'echo hi > a.txt')]").await;
    open_tab(&window, "Preview").await;
    window.preview_shows("A place to tie up").await;
    open_tab(&window, "Files").await;
    window.element("//*[@role='treeitem'][contains(., 'a.txt')]").await;
    window.shots(&desk, "again").await;
    window.client.close().await.expect("closed");
}

async fn say(window: &Window, text: &str) {
    let composer = window.element("//textarea[starts-with(@aria-label, 'Message to')]").await;
    composer.click().await.expect("in the composer");
    composer.send_keys(text).await.expect("typed");
    composer.send_keys("\u{E007}").await.expect("sent");
    window
        .until("it is sent", "return document.querySelector(\"textarea[aria-label^='Message to']\").value === ''")
        .await;
}

async fn open_tab(window: &Window, name: &str) {
    window.click(&format!("//*[@role='tab'][contains(., '{name}')]")).await;
}

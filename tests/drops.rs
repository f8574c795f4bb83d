//! Files from the desktop: dropped on the list of files, and chosen in the system's own dialogs.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use berth_testbed::until;
use fantoccini::Locator;
use serde_json::json;
use support::{Desk, Group, PATIENCE, Window};

/// A window with a thing in it that can be dragged: the file that is its argument, as a file manager gives it.
const SOURCE: &str = r#"
import sys, gi
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk
window = Gtk.Window(title="source")
window.set_default_size(160, 120)
thing = Gtk.EventBox()
thing.add(Gtk.Label(label="drag me"))
thing.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
thing.drag_source_add_uri_targets()
uri = GLib.filename_to_uri(sys.argv[1])
thing.connect("drag-data-get", lambda _, context, data, info, time: data.set_uris([uri]))
window.add(thing)
window.move(1500, 300)
window.show_all()
print("ready", flush=True)
Gtk.main()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn files_are_dropped_and_chosen() {
    let desk = Desk::new();
    let here = desk.computer.path().join("here");
    let (folder, file) = (here.join("a folder"), here.join("chosen.txt"));
    std::fs::create_dir_all(folder.join("inner")).expect("folders");
    std::fs::write(folder.join("inner/dropped.txt"), "from the desktop").expect("a file");
    std::fs::write(&file, "from a dialog").expect("a file");

    let window = desk.open().await;
    window.size(1280, 800).await;
    desk.computer.call("channel.create", json!({ "name": "quay", "start": { "kind": "blank" } }));
    desk.computer.call("channel.get", json!({ "channel": "quay", "wait_s": 60 }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'quay')]").await;
    window.click("//*[@role='tab'][contains(., 'Files')]").await;
    let list = window.element("//section[@aria-label='File list']").await;
    let (left, top, width, height) = list.rectangle().await.expect("its place");

    let _source = drag(&desk, &folder);
    let steps =
        [(0.5, 0.5), (0.52, 0.52), (0.5, 0.55)].map(|(across, down)| (left + width * across, top + height * down));
    shows(&window, "//*[@role='status'][contains(., 'Upload into')]", || {
        xdotool(&desk, &["mousemove", "1580", "360", "mouseup", "1", "sleep", "0.2", "mousedown", "1"]);
        xdotool(&desk, &["mousemove", "1540", "380", "sleep", "0.2"]);
        for (x, y) in steps {
            xdotool(&desk, &["mousemove", &format!("{x:.0}"), &format!("{y:.0}"), "sleep", "0.2"]);
        }
    })
    .await;
    window.shot("drop-over").await;
    xdotool(&desk, &["sleep", "0.3", "mouseup", "1"]);
    reads(&desk, "a folder/inner/dropped.txt", "from the desktop");
    window.element("//*[@role='treeitem'][contains(., 'a folder')]").await;
    window.shots(&desk, "dropped").await;

    // The system's own dialog, driven by its keyboard.
    window.click("//button[@aria-label='Upload']").await;
    window.click("//*[@role='menuitem'][contains(., 'Upload files')]").await;
    choose(&desk, "Upload files", &file);
    reads(&desk, "chosen.txt", "from a dialog");

    let back = desk.computer.path().join("back");
    std::fs::create_dir(&back).expect("a folder");
    let item = window.element("//*[@role='treeitem'][contains(., 'a folder')]").await;
    let (x, y, width, height) = item.rectangle().await.expect("its place");
    let (x, y) = (format!("{:.0}", x + width / 2.0), format!("{:.0}", y + height / 2.0));
    let download = "//*[@role='menuitem'][contains(., 'Download')]";
    shows(&window, download, || {
        // A key of the system's dialog may have opened another menu.
        xdotool(&desk, &["key", "Escape", "mousemove", &x, &y, "sleep", "0.2", "click", "3"]);
    })
    .await;
    window.click(download).await;
    choose(&desk, "Download to", &back);
    until("it is here", || {
        std::fs::read_to_string(back.join("a folder/inner/dropped.txt")).is_ok_and(|text| text == "from the desktop")
    });

    // Beside the app's own menu there is none: the browser's would draw the window anew, with all that is open in it.
    window.client.execute("window.isAsItWas = true", Vec::new()).await.expect("marked");
    let (x, y) = (format!("{:.0}", left - 40.0), format!("{:.0}", top + height / 2.0));
    xdotool(&desk, &["mousemove", &x, &y, "sleep", "0.2", "click", "3", "sleep", "0.5"]);
    window.shot("right-click").await;
    xdotool(&desk, &["key", "Down", "sleep", "0.2", "key", "Return", "sleep", "0.5"]);
    window.until("the window is as it was", "return window.isAsItWas === true").await;
    window.client.close().await.expect("closed");
}

/// Does it until it shows: a window that has just come starts no drag, and a dialog on its way out takes a click.
async fn shows(window: &Window, xpath: &str, act: impl Fn()) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        act();
        let shown = window.client.wait().at_most(Duration::from_secs(5)).for_element(Locator::XPath(xpath)).await;
        if shown.is_ok() {
            return;
        }
        assert!(Instant::now() < deadline, "not in the window: {xpath}\n{}", window.text().await);
    }
}

/// By the system's own Python, which GTK belongs to.
fn drag(desk: &Desk, path: &Path) -> Group {
    let mut command = desk.on_screen("/usr/bin/python3");
    command.args(["-c", SOURCE]).arg(path).stdout(Stdio::piped());
    let mut source = Group::start(&mut command);
    assert_eq!(source.first_line(), "ready");
    source
}

fn xdotool(desk: &Desk, arguments: &[&str]) {
    let mut command: Command = desk.on_screen("xdotool");
    assert!(command.args(arguments).status().expect("xdotool").success(), "xdotool {arguments:?}");
}

/// Types a path into a dialog of GTK's, until that has taken it: a slash opens the field for one.
fn choose(desk: &Desk, title: &str, path: &Path) {
    let shown = || {
        let mut command = desk.on_screen("xdotool");
        command.args(["search", "--onlyvisible", "--name", title]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("xdotool").success()
    };
    until("the dialog is there", shown);
    let path = path.display().to_string();
    until("the dialog has taken the path", || {
        let mut command = desk.on_screen("xdotool");
        command.args(["search", "--onlyvisible", "--name", title, "windowfocus", "sleep", "0.5", "key", "ctrl+a"]);
        command.args(["type", "--delay", "30", &path]);
        let _ = command.status();
        let _ = desk.on_screen("xdotool").args(["sleep", "0.5", "key", "Return", "sleep", "0.5"]).status();
        // One more Return while it is on its way out would press what is under it.
        let deadline = Instant::now() + Duration::from_secs(2);
        while shown() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
        !shown()
    });
}

fn reads(desk: &Desk, path: &str, text: &str) {
    until(&format!("{path} has arrived"), || {
        let command = format!("cat '{path}' 2>/dev/null");
        desk.computer.call("action.run", json!({ "channel": "quay", "command": command }))["stdout"] == text
    });
}

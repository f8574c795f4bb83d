//! Files on their way and ports on this computer, with a real sandbox, by `berthctl` alone.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use berth_testbed::until;
use common::Computer;
use serde_json::{Value, json};

fn transfer(computer: &Computer, id: &Value) -> Value {
    let list = computer.call("transfer.list", json!({}));
    let all = list["transfers"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|transfer| transfer["id"] == *id).expect("it is known")
}

/// Waits until it does not run.
fn ended(computer: &Computer, id: &Value) -> Value {
    until("the transfer ends", || transfer(computer, id)["status"]["state"] != "running");
    transfer(computer, id)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Says something, says that it is done, and hears the rest.
fn talk(port: u16, said: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(said.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    Ok(heard)
}

/// A server that answers only once it heard everything.
const SERVER: &str = r#"python3 -c '
import socketserver
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"heard " + self.rfile.read())
class S(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
S(("127.0.0.1", 4321), H).serve_forever()'"#;

#[test]
fn files_go_in_and_come_out_stop_and_go_on() {
    let computer = Computer::new();
    computer.channel("quay", json!({ "kind": "blank" }));
    let here = computer.path().join("here");
    let back = computer.path().join("back");
    fs::create_dir_all(here.join("sub")).expect("a folder");
    fs::create_dir(&back).expect("a folder");
    fs::write(here.join("a b"), "content").expect("a file");
    fs::write(here.join("sub/-x"), "more").expect("a file");

    let up = json!({ "channel": "quay", "from": [text(&here)], "to": "in/to" });
    let begun = computer.call("transfer.upload", up.clone());
    assert_eq!((&begun["name"], &begun["up"]), (&json!("here"), &json!(true)));
    let sent = ended(&computer, &begun["id"]);
    assert_eq!(
        (&sent["status"]["state"], &sent["done"], &sent["total"]),
        (&json!("done"), &json!(11), &json!(11)),
        "{sent}"
    );
    assert_eq!(
        computer.run("quay", "cat 'in/to/here/a b' in/to/here/sub/-x; ls -A in/to")["stdout"],
        "contentmorehere\n"
    );
    let down = json!({ "channel": "quay", "from": ["in/to/here/sub", "in/to/here/a b"], "to": text(&back) });
    let fetched = ended(&computer, &computer.call("transfer.download", down)["id"]);
    assert_eq!((&fetched["status"]["state"], &fetched["name"]), (&json!("done"), &json!("2 items")), "{fetched}");
    assert_eq!(fs::read_to_string(back.join("sub/-x")).expect("it came"), "more");
    // What is there is replaced only by who says so.
    fs::write(back.join("a b"), "mine").expect("a file");
    let mut again = json!({ "channel": "quay", "from": ["in/to/here/a b"], "to": text(&back) });
    let refused = computer.ask("transfer.download", again.clone()).expect_err("it is there");
    assert_eq!(refused["code"], "conflict");
    assert_eq!(fs::read_to_string(back.join("a b")).expect("mine"), "mine");
    again["replace"] = json!(true);
    let fetched = ended(&computer, &computer.call("transfer.download", again)["id"]);
    assert_eq!(fetched["status"]["state"], "done");
    assert_eq!(fs::read_to_string(back.join("a b")).expect("theirs"), "content");
    let rows = computer.call("audit.list", json!({ "limit": 100 }));
    for verb in ["upload", "download"] {
        let rows = rows["rows"].as_array().expect("rows");
        assert!(rows.iter().any(|row| row["verb"] == verb && row["error"].is_null()), "{verb}: {rows:?}");
    }

    // What is wrong is told before anything begins.
    for (name, wrong) in [
        ("transfer.upload", json!({ "channel": "quay", "from": ["here"], "to": "" })),
        ("transfer.upload", json!({ "channel": "quay", "from": [text(&here.join("gone"))], "to": "" })),
        ("transfer.upload", json!({ "channel": "quay", "from": [], "to": "" })),
        ("transfer.download", json!({ "channel": "quay", "from": ["in"], "to": text(&here.join("gone")) })),
    ] {
        assert!(computer.ask(name, wrong.clone()).is_err(), "{wrong}");
    }
    let missing = json!({ "channel": "quay", "from": ["nowhere"], "to": text(&back) });
    let missing = ended(&computer, &computer.call("transfer.download", missing)["id"]);
    assert_eq!(missing["status"]["state"], "failed", "{missing}");
    computer.call("transfer.dismiss", json!({ "transfer": missing["id"] }));

    // A big one is stopped on its way, leaves nothing to be seen, and goes on.
    let big = here.join("big");
    fs::File::create(&big).and_then(|file| file.set_len(120 << 20)).expect("a big file");
    let begun = computer.call("transfer.upload", json!({ "channel": "quay", "from": [text(&big)], "to": "" }));
    let name = json!({ "transfer": begun["id"] });
    until("some of it arrived", || transfer(&computer, &begun["id"])["done"].as_u64() > Some(4 << 20));
    assert!(computer.ask("transfer.dismiss", name.clone()).is_err(), "it runs");
    let stopped = computer.call("transfer.stop", name.clone());
    assert_eq!(stopped["status"]["state"], "stopped", "{stopped}");
    assert_eq!(computer.run("quay", "test -e big")["exit_code"], 1);
    computer.call("transfer.resume", name.clone());
    let whole = ended(&computer, &begun["id"]);
    assert_eq!((&whole["status"]["state"], &whole["done"]), (&json!("done"), &json!(120 << 20)), "{whole}");
    assert_eq!(computer.run("quay", "wc -c <big; ls -A | grep berth-upload")["stdout"], "125829120\n");
    computer.call("transfer.dismiss", name.clone());
    assert!(computer.ask("transfer.stop", name).is_err(), "it is forgotten");

    // What is kept of one that is not wanted any more goes with it, and so does all of a channel.
    let begun = computer.call("transfer.upload", json!({ "channel": "quay", "from": [text(&big)], "to": "x" }));
    until("some of it arrived", || transfer(&computer, &begun["id"])["done"].as_u64() > Some(4 << 20));
    computer.call("transfer.stop", json!({ "transfer": begun["id"] }));
    assert_eq!(computer.run("quay", "ls -A x | grep -c berth-upload")["stdout"], "1\n");
    computer.call("transfer.dismiss", json!({ "transfer": begun["id"] }));
    until("it is tidy", || computer.run("quay", "ls -A x")["stdout"] == "");
    computer.call("transfer.upload", json!({ "channel": "quay", "from": [text(&big)], "to": "y" }));
    computer.call("channel.destroy", json!({ "channel": "quay" }));
    assert_eq!(computer.call("transfer.list", json!({}))["transfers"], json!([]));
}

#[test]
fn a_port_of_a_sandbox_is_open_here_until_it_is_closed() {
    let computer = Computer::new();
    computer.channel("pier", json!({ "kind": "blank" }));
    let server = json!({ "channel": "pier", "command": SERVER, "background": true, "service": true });
    computer.call("action.run", server);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken_port = taken.local_addr().expect("a port").port();
    let error = computer.ask("forward.open", json!({ "channel": "pier", "port": 4321, "local_port": taken_port }));
    assert_eq!(error.expect_err("it is taken")["code"], "conflict");
    assert!(computer.ask("forward.open", json!({ "channel": "pier", "port": 0 })).is_err());

    let opened = computer.call("forward.open", json!({ "channel": "pier", "port": 4321 }));
    let port = u16::try_from(opened["local_port"].as_u64().expect("a port")).expect("a port");
    let again = computer.call("forward.open", json!({ "channel": "pier", "port": 4321 }));
    assert_eq!(again["id"], opened["id"], "it is open once");
    until("the server answers", || talk(port, "hi").is_ok_and(|heard| heard == "heard hi"));
    // As many as share one connection, each with more to say than a socket holds.
    let talks: Vec<_> = (0..20)
        .map(|number| {
            std::thread::spawn(move || talk(port, &format!("{number} {}", "x".repeat(200_000))).expect("heard"))
        })
        .collect();
    for (number, talk) in talks.into_iter().enumerate() {
        assert!(talk.join().expect("it ends").starts_with(&format!("heard {number} x")));
    }
    let connections = || computer.call("forward.list", json!({}))["forwards"][0]["connections"].clone();
    let open = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it is open");
    until("it is counted", || connections() == json!(1));
    drop(open);
    until("it is counted", || connections() == json!(0));

    // Where nothing listens the connection is closed, and the port stays.
    let nothing = computer.call("forward.open", json!({ "channel": "pier", "port": 4999 }));
    let nowhere = u16::try_from(nothing["local_port"].as_u64().expect("a port")).expect("a port");
    for _ in 0..2 {
        assert!(talk(nowhere, "").is_ok_and(|heard| heard.is_empty()));
    }

    computer.call("sandbox.sleep", json!({ "channel": "pier" }));
    assert!(!talk(port, "hi").is_ok_and(|heard| !heard.is_empty()), "nobody is there");
    computer.call("sandbox.wake", json!({ "channel": "pier" }));
    until("the server answers again", || talk(port, "hi").is_ok_and(|heard| heard == "heard hi"));

    computer.call("forward.close", json!({ "forward": nothing["id"] }));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, nowhere)).is_err(), "it is closed");
    assert!(computer.ask("forward.close", json!({ "forward": nothing["id"] })).is_err());
    computer.call("channel.destroy", json!({ "channel": "pier" }));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "it goes with its channel");
    assert_eq!(computer.call("forward.list", json!({}))["forwards"], json!([]));
}

//! An HTTP proxy on loopback that answers for one machine by itself: a registry for npm and pip, and a Git repository,
//! each of one tiny package, as files.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The machine that it answers for. No such one exists.
pub const HOST: &str = "origin.invalid";

pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

type Files = HashMap<String, (&'static str, Vec<u8>)>;

impl Origin {
    pub fn start() -> Self {
        let files = Arc::new(files());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (files.clone(), log.clone());
                std::thread::spawn(move || answer(stream, &files, &log));
            }
        });
        Self { address, seen }
    }

    /// What was asked for, each with the password it came with.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, files: &Files, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (mut authorization, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':')?;
            match name.to_lowercase().as_str() {
                "proxy-authorization" => authorization = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).ok()?;
        log.lock().unwrap().push(format!("{} {authorization}", line.trim()));
        let path = line.split(' ').nth(1)?.strip_prefix(&format!("http://{HOST}"))?.split('?').next()?;
        let (status, kind, body) = match files.get(path) {
            Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
            None => ("404 Not Found", "text/plain", &b"no"[..]),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(body).ok()?;
    }
}

fn files() -> Files {
    let mut files = Files::new();
    let folder = tempfile::tempdir().unwrap();
    let sh = |script: &str| {
        let output = Command::new("bash")
            .args(["-ec", script])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    sh("mkdir package && cd package && echo 'module.exports = \"tiny works\"' > index.js &&
        echo '{\"name\": \"tiny\", \"version\": \"1.0.0\"}' > package.json && cd .. && tar czf tiny.tgz package");
    let about = format!(
        "{{\"name\":\"tiny\",\"dist-tags\":{{\"latest\":\"1.0.0\"}},\"versions\":{{\"1.0.0\":{{\"name\":\"tiny\",\
         \"version\":\"1.0.0\",\"dist\":{{\"tarball\":\"http://{HOST}/tiny.tgz\"}}}}}}}}"
    );
    files.insert("/tiny".into(), ("application/json", about.into_bytes()));
    files.insert(
        "/tiny.tgz".into(),
        ("application/octet-stream", std::fs::read(folder.path().join("tiny.tgz")).unwrap()),
    );

    sh("mkdir -p w/tinypy w/tinypy-1.0.dist-info && echo 'says = \"tinypy works\"' > w/tinypy/__init__.py && cd w/tinypy-1.0.dist-info &&
        printf 'Metadata-Version: 2.1\\nName: tinypy\\nVersion: 1.0\\n' > METADATA &&
        printf 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' > WHEEL &&
        printf 'tinypy/__init__.py,,\\ntinypy-1.0.dist-info/METADATA,,\\ntinypy-1.0.dist-info/WHEEL,,\\ntinypy-1.0.dist-info/RECORD,,\\n' > RECORD &&
        cd .. && python3 -c 'import shutil; shutil.make_archive(\"../tinypy\", \"zip\", \".\")'");
    let page = b"<!DOCTYPE html><html><body><a href=\"/tinypy-1.0-py3-none-any.whl\">tinypy-1.0-py3-none-any.whl</a></body></html>";
    files.insert("/simple/tinypy/".into(), ("text/html", page.to_vec()));
    files.insert(
        "/tinypy-1.0-py3-none-any.whl".into(),
        ("application/octet-stream", std::fs::read(folder.path().join("tinypy.zip")).unwrap()),
    );

    sh("git init -q -b main one && cd one && echo 'from git' > file && git add file &&
        git -c user.name=a -c user.email=a@b.invalid commit -qm one && cd .. && git clone -q --bare one repo.git && cd repo.git && git update-server-info");
    add_all(&mut files, &folder.path().join("repo.git"), "/repo.git");
    files
}

fn add_all(files: &mut Files, folder: &Path, at: &str) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let at = format!("{at}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            add_all(files, &entry.path(), &at);
        } else {
            files.insert(at, ("text/plain", std::fs::read(entry.path()).unwrap()));
        }
    }
}

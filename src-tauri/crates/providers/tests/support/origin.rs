//! An HTTP proxy on loopback that answers for one machine by itself: a registry for npm and pip, and a Git repository,
//! each of one tiny package, as files; over https also, by a certificate that only its own bundle vouches for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// The machine that it answers for. No such one exists.
pub const HOST: &str = "origin.invalid";

pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    secured: Secured,
}

/// Takes the TLS off what comes to a port, and passes the rest on.
struct Secured {
    folder: TempDir,
    program: Child,
    port: u16,
}

const TAKE_TLS_OFF: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def pass_on(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(plain):
    try:
        near = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    far = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    threading.Thread(target=pass_on, args=(near, far), daemon=True).start()
    pass_on(far, near)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

impl Secured {
    fn start(plain: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("berth-origin").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut program = Command::new("python3")
            .args(["-c", TAKE_TLS_OFF])
            .args([&certificate, &key])
            .arg(plain.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut port = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { folder, program, port: port.trim().parse().unwrap() }
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

type Files = HashMap<String, (&'static str, Vec<u8>)>;

impl Origin {
    pub fn start() -> Self {
        let files = Arc::new(files());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let secured = Secured::start(address.port());
        let port = secured.port;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (files.clone(), log.clone());
                std::thread::spawn(move || answer(stream, &files, &log, port));
            }
        });
        Self { address, seen, secured }
    }

    /// The certificate that vouches for it.
    pub fn certificate(&self) -> PathBuf {
        self.secured.folder.path().join("certificate.pem")
    }

    /// What was asked for, each with the password it came with.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, files: &Files, log: &Mutex<Vec<String>>, secured: u16) -> Option<()> {
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
        let asked = line.split(' ').nth(1)?;
        let plain = format!("http://{HOST}");
        // By a proxy's form of the request, or by that of a server within the tunnel.
        log.lock().unwrap().push(format!("{} {authorization}", line.trim()));
        if asked == format!("{HOST}:443") {
            writer.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
            let far = TcpStream::connect(("127.0.0.1", secured)).ok()?;
            let (mut near_in, mut far_out) = (reader, far.try_clone().ok()?);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut near_in, &mut far_out);
                let _ = far_out.shutdown(std::net::Shutdown::Write);
            });
            std::io::copy(&mut &far, &mut writer).ok()?;
            return None;
        }
        let path = asked.strip_prefix(&plain).unwrap_or(asked).split('?').next()?;
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
         \"version\":\"1.0.0\",\"dist\":{{\"tarball\":\"https://{HOST}/tiny.tgz\"}}}}}}}}"
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

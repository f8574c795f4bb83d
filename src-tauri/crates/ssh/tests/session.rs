use berth_ssh::*;
use std::process::*;
use std::time::*;
struct Sshd(Child, tempfile::TempDir, u16);
impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
fn sshd() -> (Sshd, SshTarget) {
    let dir = tempfile::Builder::new().prefix("bs").tempdir_in("/tmp").unwrap();
    let p = dir.path();
    let host = Identity::generate().unwrap();
    let me = Identity::generate().unwrap();
    std::fs::write(p.join("hk"), host.to_openssh().unwrap()).unwrap();
    std::fs::write(p.join("ak"), me.public()).unwrap();
    Command::new("chmod").args(["600"]).arg(p.join("hk")).status().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(p.join("conf"), format!("Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/hk\nAuthorizedKeysFile {0}/ak\nStrictModes no\nPidFile none\nUsePAM no\nMaxSessions 10\nSubsystem sftp internal-sftp\n", p.display())).unwrap();
    std::fs::create_dir_all("/run/sshd").ok();
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(p.join("conf"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned();
    (
        Sshd(child, dir, port),
        SshTarget {
            endpoint: Endpoint::Tcp { host: "127.0.0.1".into(), port },
            user,
            identity: me,
            host_key: HostKeyCheck::Pinned(host.public()),
        },
    )
}
#[tokio::test(flavor = "multi_thread")]
async fn works() {
    let (_sshd, target) = sshd();
    let s = Session::new(target, SessionOptions::default());
    let o = s.run(b"echo out; echo err >&2; exit 7", RunOptions::default()).await.unwrap();
    assert_eq!((&o.stdout.bytes[..], &o.stderr.bytes[..], o.exit_code), (&b"out\n"[..], &b"err\n"[..], 7));
    let o = s.run(b"echo 'unbalanced", RunOptions::default()).await.unwrap();
    println!("{o:?}");
    assert_ne!(o.exit_code, 0);
    let t = Instant::now();
    for _ in 0..200 {
        s.run(b":", RunOptions::default()).await.unwrap();
    }
    println!("each {:?}", t.elapsed() / 200);
    let t = Instant::now();
    for _ in 0..50 {
        s.run(b"/bin/true", RunOptions::default()).await.unwrap();
    }
    println!("each true {:?}", t.elapsed() / 50);
    let o =
        s.run(b"for i in 0 1 2 3 4 5 6 7; do printf '\\000\\001\\377\\n'; done", RunOptions::default()).await.unwrap();
    assert_eq!(o.stdout.bytes, b"\0\x01\xff\n".repeat(8));
    let o = s
        .run(b"sleep 100 & sleep 50", RunOptions { timeout: Some(Duration::from_millis(300)), ..Default::default() })
        .await
        .unwrap();
    println!("{o:?}");
    assert!(o.timed_out);
    let o = s
        .run(
            b"cat; echo x >&2",
            RunOptions { stdin: Some(vec![b'q'; 3_000_000].into()), output_limit: 4_000_000, ..Default::default() },
        )
        .await
        .unwrap();
    assert_eq!(o.stdout.bytes.len(), 3_000_000);
    assert_eq!(o.stderr.bytes, b"x\n");
    let all =
        futures::future::join_all((0..32).map(|i| {
            let s = s.clone();
            async move {
                s.run(format!("sleep 0.05; echo {i}").as_bytes(), RunOptions::default()).await.unwrap().stdout.bytes
            }
        }))
        .await;
    for (i, o) in all.iter().enumerate() {
        assert_eq!(o, format!("{i}\n").as_bytes());
    }
}

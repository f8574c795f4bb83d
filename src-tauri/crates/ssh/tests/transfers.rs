//! Files, whole or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use berth_ssh::{Session, SshError};
use berth_testbed::Sshd;
use tokio::io::{AsyncRead, ReadBuf};

async fn up(session: &Session, content: &[u8], to: &Path, mode: Option<u32>) -> Result<u64, SshError> {
    let sending = session.upload(content, content.len() as u64, to.as_os_str().as_bytes(), mode, |_| {});
    tokio::time::timeout(Duration::from_secs(20), sending).await.expect("it never ends")
}

fn mode(at: &Path) -> u32 {
    fs::metadata(at).unwrap().permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_up_comes_down_the_same() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let content: Vec<u8> = (0..5_000_003_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let at = sshd.path("it's \\ a\nname");
    let mut told = 0;
    let path = at.as_os_str().as_bytes();
    session.upload(&content[..], content.len() as u64, path, Some(0o640), |sent| told = sent).await.unwrap();
    assert_eq!((fs::read(&at).unwrap() == content, mode(&at), told), (true, 0o640, content.len() as u64));
    let mut back = Vec::new();
    assert_eq!(session.download(path, &mut back, |_| {}).await.unwrap(), content.len() as u64);
    assert!(back == content);
    up(&session, b"", &at, None).await.unwrap();
    assert_eq!((fs::read(&at).unwrap().len(), mode(&at)), (0, 0o640), "its mode is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_followed_and_folders_refused() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let (real, link, folder) = (sshd.path("real"), sshd.path("link"), sshd.path("folder"));
    fs::create_dir(&folder).unwrap();
    fs::write(&real, "before").unwrap();
    symlink("real", &link).unwrap();
    up(&session, b"after", &link, None).await.unwrap();
    assert_eq!((fs::read(&real).unwrap().as_slice(), link.is_symlink()), (&b"after"[..], true));
    symlink("new", sshd.path("dangling")).unwrap();
    up(&session, b"made", &sshd.path("dangling"), None).await.unwrap();
    assert_eq!(fs::read(sshd.path("new")).unwrap(), b"made");
    // Far more than any buffer holds: the refusal comes first.
    let error = up(&session, &vec![0; 60_000_000], &folder, None).await.unwrap_err().to_string();
    assert!(error.contains("there is a folder of that name"), "{error}");
    let error = up(&session, &vec![0; 60_000_000], &sshd.path("gone/x"), None).await.unwrap_err().to_string();
    assert!(error.contains("No such file or directory") || error.contains("nonexistent"), "{error}");
    let mut sink = Vec::new();
    let error = session.download(folder.as_os_str().as_bytes(), &mut sink, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("Is a directory"), "{error}");
    assert!(
        fs::read_dir(sshd.dir.path())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().as_bytes().starts_with(b".berth") })
    );
}

/// A source that fails, and sources that are not as long as they were to be.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_never_seen() {
    struct Fails;
    impl AsyncRead for Fails {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("the disk is gone")))
        }
    }
    let sshd = Sshd::start();
    let session = sshd.session();
    let at = sshd.path("file");
    fs::write(&at, "before").unwrap();
    let path = at.as_os_str().as_bytes();
    let error = session.upload(Fails, 10, path, None, |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("the disk is gone") && error.contains("untouched"), "{error}");
    for size in [2, 4] {
        let error = session.upload(&b"abc"[..], size, path, None, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("3 bytes"), "{error}");
    }
    assert_eq!(fs::read(&at).unwrap(), b"before");
}

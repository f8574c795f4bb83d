//! Knowing that a machine is the right one, from files of known hosts and certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use berth_ssh::{HostKeyCheck, KnownHosts, Question, Session, SessionOptions, SshError, SshTarget};

mod support;

use berth_testbed::Sshd;
use support::person::{Person, key, keygen, known};
use support::{diagnose, run, says};

async fn connects(target: &SshTarget) -> Result<(), SshError> {
    diagnose(target).await.1.map(drop)
}

fn public(sshd: &Sshd) -> String {
    let HostKeyCheck::Pinned(key) = &sshd.target.host_key else { panic!("another check") };
    key.trim().to_owned()
}

fn with_host(target: &SshTarget, host: &str, port: Option<u16>) -> SshTarget {
    let HostKeyCheck::Known(known) = &target.host_key else { panic!("another check") };
    let known = KnownHosts { host: host.to_owned(), port, ..KnownHosts::clone(known) };
    SshTarget { host_key: HostKeyCheck::Known(Arc::new(known)), ..target.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_is_asked_about_once_and_remembered() {
    let sshd = Sshd::start();
    let person = Person::thinks(Duration::from_millis(200), &[""]);
    let target = known(&sshd, &[], Some(&person));
    let session = Session::new(target.clone(), SessionOptions::default());
    assert_eq!(says(&session, "echo in").await, "in");
    connects(&target).await.unwrap();
    let [Question::HostKey { host, algorithm, fingerprint }] = &person.asked()[..] else { panic!("asked otherwise") };
    assert_eq!((host.as_str(), algorithm.as_str()), (&*format!("[127.0.0.1]:{}", sshd.port), "ssh-ed25519"));
    assert!(fingerprint.starts_with("SHA256:"));
    let own = sshd.path("own/known_hosts");
    assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(own).unwrap().trim(), format!("{host} {}", public(&sshd)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_is_refused_by_one_who_says_no_and_where_nobody_is_asked() {
    let sshd = Sshd::start();
    let person = Person::says(&[]);
    assert!(matches!(connects(&known(&sshd, &[], Some(&person))).await, Err(SshError::Declined { .. })));
    assert!(matches!(connects(&known(&sshd, &[], None)).await, Err(SshError::HostKeyRefused { .. })));
    assert!(!sshd.path("own/known_hosts").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_hashed_and_stand_without_their_port() {
    let sshd = Sshd::start();
    let file = sshd.path("known");
    let name = format!("[127.0.0.1]:{}", sshd.port);
    fs::write(&file, format!("broken line\n{name} {}\n", public(&sshd))).unwrap();
    connects(&known(&sshd, from_ref(&file), None)).await.unwrap();
    // ssh-keygen does not hash a file with a broken line.
    fs::write(&file, format!("{name} {}\n", public(&sshd))).unwrap();
    keygen(&["-H", "-f", file.to_str().unwrap()]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    connects(&known(&sshd, from_ref(&file), None)).await.unwrap();
    let target = known(&sshd, from_ref(&file), None);
    let other = with_host(&target, "127.0.0.2", Some(sshd.port));
    assert!(matches!(connects(&other).await, Err(SshError::HostKeyRefused { .. })));
    fs::write(&file, format!("127.0.0.* {}\n", public(&sshd))).unwrap();
    connects(&target).await.unwrap();
    // An alias is a name without a port.
    fs::write(&file, format!("alias {}\n", public(&sshd))).unwrap();
    connects(&with_host(&target, "alias", None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changed_is_refused_and_nobody_is_asked() {
    let sshd = Sshd::start();
    key(&sshd, "other", "", false);
    keygen(&["-t", "ecdsa", "-N", "", "-f", sshd.path("another-kind").to_str().unwrap()]);
    let person = Person::says(&["", "", ""]);
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let file = sshd.path("known");
    for other in ["other.pub", "another-kind.pub"] {
        let text = format!("# comment\n{name} {}", fs::read_to_string(sshd.path(other)).unwrap());
        fs::write(&file, text).unwrap();
        let target = known(&sshd, from_ref(&file), Some(&person));
        let session = Session::new(target, SessionOptions::default());
        let Err(SshError::HostKeyChanged(changed)) = run(&session, "true").await else { panic!("it connected") };
        assert_eq!((&changed.file, changed.line, changed.host.as_str()), (&file, 2, name.as_str()));
        assert_ne!(changed.known, changed.shown);
        let text = changed.to_string();
        assert!(text.contains(&changed.known) && text.contains(&changed.shown) && text.contains("line 2"), "{text}");
        assert!(matches!(run(&session, "true").await, Err(SshError::HostKeyChanged(_))), "it is final");
    }
    // The right key in another file is enough, as it is for OpenSSH.
    let right = sshd.path("right");
    fs::write(&right, format!("{name} {}\n", public(&sshd))).unwrap();
    connects(&known(&sshd, &[file, right], Some(&person))).await.unwrap();
    assert_eq!(person.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_keys_of_two_kinds_shows_the_known_one() {
    let mut sshd = Sshd::with("HostKey {dir}/ecdsa");
    sshd.down();
    keygen(&["-t", "ecdsa", "-N", "", "-f", sshd.path("ecdsa").to_str().unwrap()]);
    keygen(&["-t", "rsa", "-N", "", "-f", sshd.path("rsa").to_str().unwrap()]);
    let config = fs::read_to_string(sshd.path("config")).unwrap();
    fs::write(sshd.path("config"), format!("{config}\nHostKey {}\n", sshd.path("rsa").display())).unwrap();
    sshd.up();
    for kind in ["ecdsa.pub", "rsa.pub"] {
        let text = format!("[127.0.0.1]:{} {}", sshd.port, fs::read_to_string(sshd.path(kind)).unwrap());
        fs::write(sshd.path("known"), text).unwrap();
        connects(&known(&sshd, &[sshd.path("known")], None)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_even_where_it_is_known() {
    let sshd = Sshd::start();
    let (file, person) = (sshd.path("known"), Person::says(&["", ""]));
    let (name, key) = (format!("[127.0.0.1]:{}", sshd.port), public(&sshd));
    fs::write(&file, format!("{name} {key}\n@revoked * {key}\n")).unwrap();
    match connects(&known(&sshd, &[file], Some(&person))).await {
        Err(SshError::HostKeyRefused { reason }) => assert!(reason.contains("revoked") && reason.contains("line 2")),
        other => panic!("{other:?}"),
    }
    assert_eq!(person.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_certificate_is_checked_against_its_authority() {
    let mut sshd = Sshd::with("HostKey {dir}/signed\nHostCertificate {dir}/signed-cert.pub");
    let text = |sshd: &Sshd, name: &str| sshd.path(name).to_str().unwrap().to_owned();
    sshd.down();
    key(&sshd, "signed", "", false);
    key(&sshd, "ca", "", false);
    key(&sshd, "other-ca", "", false);
    let (file, public) = (sshd.path("known"), |name: &str| fs::read_to_string(sshd.path(name)).unwrap());
    let (ca, other_ca) = (public("ca.pub"), public("other-ca.pub"));
    let authority = format!("@cert-authority 127.0.0.* {ca}");
    // What it is signed for, what is known, and whether that is enough.
    for (signed, lines, good) in [
        (&["-h", "-n", "127.0.0.1"][..], authority.clone(), true),
        (&["-h", "-n", "127.0.0.1"], format!("@cert-authority * {other_ca}"), false),
        (&["-h", "-n", "127.0.0.1"], format!("{authority}@revoked * {ca}"), false),
        (&["-h", "-n", "another.machine"], authority.clone(), false),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"], authority.clone(), false),
        (&["-n", "127.0.0.1"], authority.clone(), false),
    ] {
        let (ca, public) = (text(&sshd, "ca"), text(&sshd, "signed.pub"));
        let arguments: Vec<_> = ["-s", &ca, "-I", "machine"].into_iter().chain(signed.iter().copied()).collect();
        keygen(&[&arguments[..], &[&public]].concat());
        fs::write(&file, &lines).unwrap();
        sshd.up();
        let result = connects(&known(&sshd, from_ref(&file), None)).await;
        assert_eq!(result.is_ok(), good, "{signed:?} {lines}: {result:?}");
        assert!(good || matches!(result, Err(SshError::HostKeyRefused { .. })), "{result:?}");
        sshd.down();
    }
}

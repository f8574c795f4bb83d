//! Being let in by OpenSSH with what a person has: key files, an agent, certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_ssh::{Asker, Credentials, Question, Refusal, Session, SessionOptions, SshError, SshTarget};

mod support;

use berth_testbed::Sshd;
use support::person::{Agent, Person, by, key, keygen};
use support::{diagnose, run, says};

async fn is_let_in(target: SshTarget) {
    let session = Session::new(target, SessionOptions::default());
    assert_eq!(says(&session, "echo in").await, "in");
}

async fn refusal(target: SshTarget) -> Refusal {
    match diagnose(&target).await.1 {
        Err(SshError::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

/// A server that takes keys only.
fn server(lines: &str) -> Sshd {
    Sshd::with(&format!("PasswordAuthentication no\nKbdInteractiveAuthentication no\n{lines}"))
}

fn with(asker: &Arc<Person>) -> Option<Arc<dyn Asker>> {
    Some(asker.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_until_it_is_right_and_once_for_all_connections() {
    let sshd = server("");
    let file = key(&sshd, "sealed", "open sesame", true);
    let person = Person::says(&["wrong", "open sesame"]);
    let target = by(&sshd, Credentials { key_files: vec![file.clone()], asker: with(&person), ..Default::default() });
    let session = Session::new(target.clone(), SessionOptions::default());
    assert_eq!(says(&session, "echo in").await, "in");
    sshd.cut();
    // It may be sent over the connection that is gone.
    let _ = run(&session, "true").await;
    assert_eq!(says(&session, "echo again").await, "again");
    is_let_in(target).await;
    let asked = |again| Question::Passphrase { file: file.clone(), again };
    assert_eq!(person.asked(), [asked(false), asked(true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_that_stays_wrong_or_is_not_given_ends_it() {
    let sshd = server("");
    let file = key(&sshd, "sealed", "open sesame", true);
    let person = Person::says(&["a", "b", "c", "d"]);
    let mut credentials = Credentials { key_files: vec![file], asker: with(&person), ..Default::default() };
    let said = refusal(by(&sshd, credentials.clone())).await;
    assert_eq!(person.asked().len(), 3);
    assert!(said.tried[0].outcome.contains("wrong 3 times"), "{said:?}");
    // Nobody to ask: said, and nothing hangs.
    credentials.asker = None;
    let said = refusal(by(&sshd, credentials.clone())).await;
    assert!(said.tried[0].outcome.contains("nobody could be asked"), "{said:?}");
    // One who does not want to is not asked again.
    let person = Person::says(&[]);
    credentials.asker = with(&person);
    let session = Session::new(by(&sshd, credentials), SessionOptions::default());
    assert!(matches!(run(&session, "true").await, Err(SshError::Declined { .. })));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(person.asked().len(), 1);
    // Who wants it again is asked again, also at once.
    assert!(matches!(session.connect().await, Err(SshError::Declined { .. })));
    assert_eq!(person.asked().len(), 2);
    // A page that looks for its server each second does not count as that, however long ago it was.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(matches!(session.forward_tcp("127.0.0.1", 1).await, Err(SshError::Declined { .. })));
    assert_eq!(person.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_the_passphrase_of_a_key_that_is_not_wanted() {
    let sshd = server("");
    let (unwanted, wanted) = (key(&sshd, "unwanted", "secret", false), key(&sshd, "plain", "", true));
    fs::set_permissions(&wanted, fs::Permissions::from_mode(0o644)).unwrap();
    let person = Person::says(&["secret"]);
    let key_files = vec![sshd.path("missing"), sshd.path("config"), unwanted, wanted];
    let target = by(&sshd, Credentials { key_files, asker: with(&person), ..Default::default() });
    let (steps, result) = diagnose(&target).await;
    result.unwrap();
    assert_eq!(person.asked(), []);
    let told: Vec<_> = steps.iter().filter(|step| step.id == "auth-key").collect();
    assert_eq!(told.len(), 3, "a missing file is not worth a word: {told:?}");
    assert!(told[2].ok && told[2].label.contains("others can read"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_all_formats_are_read() {
    let sshd = server("");
    for (name, kind, format, passphrase) in [
        ("rsa", "rsa", "RFC4716", ""),
        ("rsa-pem", "rsa", "PEM", ""),
        ("rsa-pem-sealed", "rsa", "PEM", "secret"),
        ("ecdsa-pkcs8", "ecdsa", "PKCS8", ""),
        ("ecdsa-pkcs8-sealed", "ecdsa", "PKCS8", "secret"),
        ("ecdsa-pem", "ecdsa", "PEM", ""),
    ] {
        let file = sshd.path(name);
        keygen(&["-t", kind, "-m", format, "-N", passphrase, "-f", file.to_str().unwrap()]);
        fs::copy(sshd.path(&format!("{name}.pub")), sshd.path("keys")).unwrap();
        let person = Person::says(&["secret"]);
        let target = by(&sshd, Credentials { key_files: vec![file], asker: with(&person), ..Default::default() });
        let (_, result) = diagnose(&target).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_keys_are_used_and_only_those_of_the_files_where_that_is_wanted() {
    let sshd = server("MaxAuthTries 4");
    let agent = Agent::start(sshd.dir.path());
    for name in ["a", "b", "c", "d", "e", "f"] {
        agent.add(&key(&sshd, name, "", false));
    }
    let wanted = key(&sshd, "wanted", "", true);
    agent.add(&wanted);
    // Only the public half is there: it names the agent's key.
    fs::remove_file(&wanted).unwrap();
    let all = Credentials { agent: Some(agent.socket.clone()), ..Default::default() };
    let said = refusal(by(&sshd, all.clone())).await;
    assert!(said.hint.as_ref().is_some_and(|hint| hint.contains("IdentitiesOnly")), "{said:?}");
    let named = Credentials { key_files: vec![sshd.path("wanted.pub")], ..all.clone() };
    is_let_in(by(&sshd, named)).await;
    let only = Credentials { key_files: vec![sshd.path("wanted.pub")], identities_only: true, ..all.clone() };
    let (steps, result) = diagnose(&by(&sshd, only)).await;
    result.unwrap();
    assert_eq!(steps.iter().filter(|step| step.id == "auth-agent").count(), 1, "{steps:?}");
    let other = Credentials { key_files: vec![sshd.path("a.pub")], identities_only: true, ..all };
    assert_eq!(refusal(by(&sshd, other)).await.tried.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hangs_or_is_not_there_is_passed_over() {
    let sshd = server("");
    let file = key(&sshd, "plain", "", true);
    let _silent = UnixListener::bind(sshd.path("silent")).unwrap();
    for socket in ["silent", "missing"] {
        let agent = Some(sshd.path(socket));
        let begun = Instant::now();
        is_let_in(by(&sshd, Credentials { key_files: vec![file.clone()], agent, ..Default::default() })).await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_certificate_is_used_from_files_and_from_an_agent() {
    let sshd = server("TrustedUserCAKeys {dir}/ca.pub\nAuthorizedKeysFile none");
    let config = fs::read_to_string(sshd.path("config")).unwrap();
    let user = sshd.target.user.clone();
    key(&sshd, "ca", "", false);
    let mut sshd = sshd;
    sshd.down();
    fs::write(
        sshd.path("config"),
        config.replace(&format!("AuthorizedKeysFile {}/keys\n", sshd.dir.path().display()), ""),
    )
    .unwrap();
    sshd.up();
    let (file, other) = (key(&sshd, "signed", "", false), key(&sshd, "elsewhere", "secret", false));
    let text = |name: &str| sshd.path(name).to_str().unwrap().to_owned();
    for name in ["signed.pub", "elsewhere.pub"] {
        keygen(&["-s", &text("ca"), "-I", "me", "-n", &user, &text(name)]);
    }
    is_let_in(by(&sshd, Credentials { key_files: vec![file.clone()], ..Default::default() })).await;
    // A certificate that is somewhere else, of a key that is encrypted.
    fs::rename(sshd.path("elsewhere-cert.pub"), sshd.path("moved.pub")).unwrap();
    let person = Person::says(&["secret"]);
    let credentials = Credentials { key_files: vec![other], asker: with(&person), ..Default::default() };
    refusal(by(&sshd, credentials.clone())).await;
    let credentials = Credentials { certificates: vec![sshd.path("moved.pub")], ..credentials };
    let person = Person::says(&["secret"]);
    is_let_in(by(&sshd, Credentials { asker: with(&person), ..credentials })).await;
    // `ssh-add` gives the agent the certificate beside the key.
    let agent = Agent::start(sshd.dir.path());
    agent.add(&file);
    is_let_in(by(&sshd, Credentials { agent: Some(agent.socket.clone()), ..Default::default() })).await;
}

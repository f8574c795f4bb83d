//! Addresses, the OpenSSH configuration and jump hosts, with OpenSSH's own programs.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use berth_ssh::{
    Address, Asker, Auth, Endpoint, HostKeyCheck, Resolve, Resolved, Session, SessionOptions, SshError, SshTarget,
    resolve,
};
use tempfile::TempDir;

mod support;

use berth_testbed::Sshd;
use support::person::{Person, key};
use support::{diagnose, run, says};

/// A configuration of the test's own.
struct Config(TempDir);

impl Config {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config"), text).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self) -> Resolve {
        Resolve {
            config: Some(self.path("config")),
            own_known_hosts: self.path("own"),
            known_hosts: Some(self.path("known")),
            ..Resolve::default()
        }
    }

    async fn resolve(&self, address: &str) -> Result<Resolved, SshError> {
        resolve(&address.parse::<Address>().unwrap(), self.options()).await
    }
}

/// The lines of the configuration for a server with a key of its own, and its line of known hosts.
fn host(sshd: &Sshd, name: &str) -> (String, String) {
    let file = key(sshd, "id", "", true);
    let HostKeyCheck::Pinned(public) = &sshd.target.host_key else { panic!("another check") };
    let lines = format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentityAgent none\n",
        sshd.port,
        sshd.target.user,
        file.display()
    );
    (lines, format!("[127.0.0.1]:{} {}\n", sshd.port, public.trim()))
}

async fn port(target: SshTarget) -> String {
    let session = Session::new(target, SessionOptions::default());
    says(&session, "set -- $SSH_CONNECTION; echo $4").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_not_tried_and_what_is_not_followed_is_said() {
    let sshd = Sshd::start();
    let (lines, known) = host(&sshd, "quiet");
    let config = Config::new(&format!(
        "{lines}  IdentityFile none\n  PubkeyAuthentication no\n  PasswordAuthentication no\n  RevokedHostKeys /etc/krl\n  \
         VerifyHostKeyDNS ask\n  Ciphers aes128-ctr\nHost plain\n  HostName 127.0.0.1\n"
    ));
    fs::write(config.path("known"), known).unwrap();
    let resolved = config.resolve("quiet").await.unwrap();
    for note in ["RevokedHostKeys", "VerifyHostKeyDNS", "Ciphers"] {
        assert!(resolved.notes.iter().any(|said| said.contains(note)), "{note}: {:?}", resolved.notes);
    }
    let berth_ssh::Auth::Person(credentials) = &resolved.target.auth else { panic!("another way in") };
    assert!(credentials.no_password && !credentials.no_prompts);
    assert_eq!(config.resolve("plain").await.unwrap().notes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_says_is_followed_and_what_is_for_later_is_not() {
    let sshd = Sshd::start();
    let (lines, known) = host(&sshd, "work-*");
    let config = Config::new("");
    let text = format!(
        "Include {}\nMatch host work-box\n  ServerAliveInterval 5\nHost *\n  RemoteCommand false\n  RequestTTY yes\n  \
         LocalForward 1 localhost:1\n  RemoteForward 2 localhost:2\n  ForwardAgent yes\n",
        config.path("more").display()
    );
    fs::write(config.path("config"), text).unwrap();
    fs::write(config.path("more"), lines).unwrap();
    fs::write(config.path("known"), known).unwrap();
    let resolved = config.resolve("work-box").await.unwrap();
    assert_eq!(resolved.notes, Vec::<String>::new());
    assert_eq!(port(resolved.target).await, sshd.port.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_changes_the_user_and_typed_things_go_first() {
    let config = Config::new(
        "Match host box\n  User matched\n  HostKeyAlias known-as\n  IdentitiesOnly yes\n  IdentityFile \"~/a key\"\n  \
         CertificateFile /certs/%n-cert.pub\n  IdentityAgent /run/agent\n  StrictHostKeyChecking yes\n",
    );
    let mut options = config.options();
    options.identity = Some("/typed".into());
    options.asker = Some(Person::says(&[]) as Arc<dyn Asker>);
    let target = resolve(&"box".parse().unwrap(), options).await.unwrap().target;
    assert_eq!(target.user, "matched");
    let (Auth::Person(person), HostKeyCheck::Known(known)) = (&target.auth, &target.host_key) else { panic!() };
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    assert_eq!(person.key_files, [PathBuf::from("/typed"), home.join("a key")]);
    assert_eq!(person.certificates, [PathBuf::from("/certs/box-cert.pub")]);
    assert_eq!(person.agent.as_deref(), Some("/run/agent".as_ref()));
    assert!(person.identities_only && person.asker.is_some());
    assert_eq!((known.host.as_str(), known.port), ("known-as", None));
    assert!(known.asker.is_none(), "a strict person is not asked about new machines");
    let typed = config.resolve("ssh://me@box:77").await.unwrap().target;
    assert_eq!(typed.user, "me");
    assert!(matches!(typed.endpoint, Endpoint::Tcp { port: 77, .. }));
}

/// OpenSSH's own files count, without being named to Berth.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_knows_is_not_asked_about() {
    let sshd = Sshd::start();
    let (lines, known) = host(&sshd, "box");
    let config = Config::new("");
    let text = format!(
        "{lines}  UserKnownHostsFile \"{0}/first one\" {0}/second\n  GlobalKnownHostsFile none\n",
        config.0.path().display()
    );
    fs::write(config.path("config"), text).unwrap();
    fs::write(config.path("second"), &known).unwrap();
    let person = Person::says(&["yes"]);
    let options = || Resolve { known_hosts: None, asker: Some(person.clone() as Arc<dyn Asker>), ..config.options() };
    let resolved = resolve(&"box".parse().unwrap(), options()).await.unwrap();
    assert_eq!(port(resolved.target).await, sshd.port.to_string());
    assert_eq!(person.asked(), [], "it stands in the second file");
    fs::rename(config.path("second"), config.path("first one")).unwrap();
    let resolved = resolve(&"box".parse().unwrap(), options()).await.unwrap();
    assert_eq!(port(resolved.target).await, sshd.port.to_string());
    assert_eq!(person.asked(), [], "it stands in the first");
    fs::remove_file(config.path("first one")).unwrap();
    let resolved = resolve(&"box".parse().unwrap(), options()).await.unwrap();
    assert_eq!(port(resolved.target).await, sshd.port.to_string());
    assert_eq!(person.asked().len(), 1, "it stands nowhere");
}

/// As 1Password's is: in a folder with a space in its name, and as a variable.
#[tokio::test(flavor = "multi_thread")]
async fn an_agents_socket_is_found_where_the_configuration_says() {
    let config = Config::new(
        "Host one\n  IdentityAgent \"~/Group Containers/agent.sock\"\nHost two\n  IdentityAgent $HOME\n\
         Host three\n  IdentityAgent none\n",
    );
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    for (name, agent) in [("one", Some(home.join("Group Containers/agent.sock"))), ("two", Some(home)), ("three", None)]
    {
        let target = config.resolve(name).await.unwrap().target;
        let Auth::Person(person) = &target.auth else { panic!("{name}") };
        assert_eq!(person.agent, agent, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_are_not_known_or_not_followed_become_notes_and_errors_are_final() {
    let config = Config::new("Host box\n  Bogus yes\n  OtherBogus 1\n  PKCS11Provider /x\n  KnownHostsCommand /y\n");
    let notes = config.resolve("box").await.unwrap().notes.join("\n").to_lowercase();
    for word in ["bogus", "otherbogus", "pkcs11provider", "knownhostscommand"] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    let broken = Config::new("Host box\n  Port many\n");
    let error = broken.resolve("box").await.unwrap_err();
    assert!(matches!(&error, SshError::Config { reason } if reason.contains("line 2")), "{error}");
    assert!(error.is_final());
    let address = Address { user: None, host: "-oProxyCommand=touch /tmp/owned".into(), port: None };
    assert!(matches!(resolve(&address, config.options()).await, Err(SshError::Config { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_command_is_the_connection() {
    let sshd = Sshd::start();
    let (lines, known) = host(&sshd, "box");
    let config = Config::new(&format!("{lines}  ProxyCommand sh -c 'echo %n-%r >{{}}/said; exec nc %h %p'\n"));
    let text = fs::read_to_string(config.path("config")).unwrap();
    fs::write(config.path("config"), text.replace("{}", config.0.path().to_str().unwrap())).unwrap();
    fs::write(config.path("known"), known).unwrap();
    if !berth_testbed::has("nc") {
        return;
    }
    assert_eq!(port(config.resolve("box").await.unwrap().target).await, sshd.port.to_string());
    assert_eq!(fs::read_to_string(config.path("said")).unwrap().trim(), format!("box-{}", sshd.target.user));
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_hosts_are_gone_through_and_one_that_fails_is_named() {
    let (inner, middle, mut outer) = (Sshd::start(), Sshd::start(), Sshd::start());
    let hosts = [host(&inner, "inner"), host(&middle, "middle"), host(&outer, "outer")];
    let [(inner_lines, _), (middle_lines, _), (outer_lines, _)] = &hosts;
    let config = Config::new(&format!(
        "{inner_lines}  ProxyJump outer,middle\n{middle_lines}\n{outer_lines}\nHost loop\n  ProxyJump pool\nHost pool\n  ProxyJump loop\n"
    ));
    fs::write(config.path("known"), hosts.iter().map(|(_, known)| known.as_str()).collect::<String>()).unwrap();
    let target = config.resolve("inner").await.unwrap().target;
    let session = Session::new(target.clone(), SessionOptions::default());
    assert_eq!(says(&session, "set -- $SSH_CONNECTION; echo $4").await, inner.port.to_string());
    let (steps, result) = diagnose(&target).await;
    result.unwrap();
    for id in ["hop1-tcp", "hop1-host-key", "hop2-banner", "hop2-auth-key", "tcp", "kex", "auth-key"] {
        assert!(steps.iter().any(|step| step.id == id && step.ok), "{id}: {steps:#?}");
    }
    // One hop, from the middle.
    let one = Config::new(&format!("{inner_lines}  ProxyJump middle\n{middle_lines}"));
    fs::copy(config.path("known"), one.path("known")).unwrap();
    assert_eq!(port(one.resolve("inner").await.unwrap().target).await, inner.port.to_string());
    // The second does not let us in.
    fs::write(middle.path("keys"), "").unwrap();
    let error = diagnose(&target).await.1.unwrap_err();
    let SshError::Hop { hop, source } = &error else { panic!("{error:?}") };
    assert!(hop == "middle (2 of 2)" && matches!(**source, SshError::Refused(_)), "{error}");
    assert!(error.is_final());
    // The first is not there.
    outer.down();
    drop(session);
    let session = Session::new(target.clone(), SessionOptions::default());
    let error = run(&session, "true").await.unwrap_err();
    assert!(matches!(&error, SshError::Hop { hop, .. } if hop == "outer (1 of 2)"), "{error:?}");
    assert!(!error.is_final());
    let error = config.resolve("loop").await.unwrap_err();
    assert!(matches!(&error, SshError::Config { reason } if reason.contains("circle")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_cannot_reach_the_machine_says_so() {
    let (mut inner, outer, closed) = (Sshd::start(), Sshd::start(), Sshd::with("AllowTcpForwarding no"));
    for (jump, why) in [(&outer, "nothing answers it there"), (&closed, "does not allow forwarding")] {
        inner.down();
        let mut target = inner.target.clone();
        let through = Box::new(jump.target.clone());
        target.endpoint = Endpoint::Jump { through, host: "127.0.0.1".into(), port: inner.port };
        let (steps, result) = diagnose(&target).await;
        let error = result.unwrap_err();
        assert!(matches!(&error, SshError::Hop { hop, .. } if hop == "127.0.0.1 (1 of 1)"), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(steps.iter().any(|step| step.id == "tcp" && !step.ok && step.hint.is_some()), "{steps:#?}");
    }
}

//! Passwords and a machine's own questions, from a server that is a double: OpenSSH's would want accounts for it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use berth_ssh::{
    Auth, Credentials, Endpoint, HostKeyCheck, Identity, Question, Session, SessionOptions, SessionState, SshError,
    SshTarget,
};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth as Said, Handler, Response, Server as _, VerifiedPublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

mod support;

use support::diagnose;
use support::person::Person;

/// What the server wants.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wants {
    Password,
    /// A password and then a code, in one conversation.
    Questions,
    KeyAndCode,
    /// Never content.
    Everything,
}

#[derive(Clone)]
struct Double {
    wants: Wants,
    connections: Arc<AtomicUsize>,
    /// How far this connection has come.
    key: bool,
    password: bool,
}

impl Double {
    async fn start(wants: Wants) -> (SshTarget, Arc<AtomicUsize>, AbortOnDropHandle<()>) {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let public = key.public_key().to_openssh().unwrap();
        let methods: &[MethodKind] = match wants {
            Wants::Password => &[MethodKind::Password],
            Wants::Questions => &[MethodKind::KeyboardInteractive],
            Wants::KeyAndCode => &[MethodKind::PublicKey],
            Wants::Everything => &[MethodKind::KeyboardInteractive, MethodKind::Password],
        };
        let config = Arc::new(russh::server::Config {
            keys: vec![key],
            methods: MethodSet::from(methods),
            auth_rejection_time: std::time::Duration::from_millis(10),
            ..Default::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut double = Self { wants, connections: connections.clone(), key: false, password: false };
        let served = tokio::spawn(async move {
            let _ = double.run_on_socket(config, &listener).await;
        });
        let target = SshTarget {
            endpoint: Endpoint::Tcp { host: "127.0.0.1".into(), port },
            user: "me".into(),
            auth: Identity::generate().unwrap().into(),
            host_key: HostKeyCheck::Pinned(public),
        };
        (target, connections, AbortOnDropHandle::new(served))
    }
}

impl russh::server::Server for Double {
    type Handler = Self;

    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }
}

fn reject(methods: &[MethodKind], partial_success: bool) -> Said {
    Said::Reject { proceed_with_methods: Some(MethodSet::from(methods)), partial_success }
}

impl Handler for Double {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Said, russh::Error> {
        let methods: &[MethodKind] = match self.wants {
            Wants::Password if password == "right" => return Ok(Said::Accept),
            Wants::Everything => &[MethodKind::KeyboardInteractive, MethodKind::Password],
            _ => &[MethodKind::Password],
        };
        Ok(reject(methods, false))
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Said, russh::Error> {
        self.key = true;
        Ok(reject(&[MethodKind::KeyboardInteractive], true))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Said, russh::Error> {
        let answer = response.and_then(|mut answers| answers.next());
        let ask = |text: &'static str, echo| Said::Partial {
            name: "Title\u{1b}[2J".into(),
            instructions: "Two\nlines".into(),
            prompts: vec![(text.into(), echo)].into(),
        };
        Ok(match (self.wants, answer.as_deref()) {
            (Wants::Questions, None) => ask("Password: ", false),
            (Wants::Questions, Some(b"right")) if !self.password => {
                self.password = true;
                ask("Code: ", true)
            }
            (Wants::Questions, Some(b"123")) if self.password => Said::Accept,
            (Wants::KeyAndCode, None) if self.key => ask("Code: ", true),
            (Wants::KeyAndCode, Some(b"123")) if self.key => Said::Accept,
            (Wants::Everything, None) => ask("Question: ", false),
            (Wants::Everything, _) => reject(&[MethodKind::KeyboardInteractive, MethodKind::Password], false),
            _ => reject(&[MethodKind::KeyboardInteractive], false),
        })
    }

    async fn channel_open_session(
        &mut self,
        _: russh::Channel<russh::server::Msg>,
        reply: russh::server::ChannelOpenHandle,
        _: &mut russh::server::Session,
    ) -> Result<(), russh::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }
}

fn by(target: &SshTarget, person: &Arc<Person>) -> SshTarget {
    let credentials = Credentials { asker: Some(person.clone()), ..Credentials::default() };
    SshTarget { auth: Auth::Person(Arc::new(credentials)), ..target.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_once_for_all_connections() {
    let (target, connections, _served) = Double::start(Wants::Password).await;
    let person = Person::says(&["wrong", "right"]);
    let target = by(&target, &person);
    for _ in 0..3 {
        diagnose(&target).await.1.unwrap();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    let asked = |again| Question::Password { user: "me".into(), host: "127.0.0.1".into(), again };
    assert_eq!(person.asked(), [asked(false), asked(true)]);
    let (Auth::Person(credentials), text) = (&target.auth, format!("{target:?}")) else { panic!() };
    assert!(!text.contains("right") && !format!("{credentials:?}").contains("right"), "a secret is shown: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_asked_for_three_times_and_the_refusal_names_no_secret() {
    let (target, connections, _served) = Double::start(Wants::Password).await;
    let person = Person::says(&["s3cret-a", "s3cret-b", "s3cret-c", "s3cret-d"]);
    let session = Session::new(by(&target, &person), SessionOptions::default());
    let error = support::run(&session, "true").await.unwrap_err();
    let SshError::Refused(refusal) = &error else { panic!("{error:?}") };
    assert_eq!((refusal.offered.clone(), refusal.tried.len()), (vec!["password".to_owned()], 3));
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!((person.asked().len(), connections.load(Ordering::Relaxed)), (3, 1), "it is not tried again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_questions_are_asked_and_a_code_is_asked_for_each_time() {
    let (target, _, _served) = Double::start(Wants::Questions).await;
    let person = Person::says(&["right", "123", "123"]);
    let target = by(&target, &person);
    diagnose(&target).await.1.unwrap();
    diagnose(&target).await.1.unwrap();
    let asked = |text: &str, echo| Question::Prompts {
        title: "Title[2J".into(),
        instructions: "Two\nlines".into(),
        prompts: vec![(text.into(), echo)],
    };
    let code = asked("Code:", true);
    assert_eq!(person.asked(), [asked("Password:", false), code.clone(), code]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_thinks_is_not_overtaken_and_a_code_is_good_for_one_login() {
    let (target, connections, _served) = Double::start(Wants::Questions).await;
    // Longer in all than a connection may take before others are tried beside it.
    let person = Person::thinks(std::time::Duration::from_millis(2_500), &["right", "123"]);
    let session = Session::new(by(&target, &person), SessionOptions::default());
    let mut state = session.state();
    let using = tokio::spawn({
        let session = session.clone();
        async move { session.forward_tcp("127.0.0.1", 9).await.map(drop) }
    });
    state.wait_for(|state| *state == SessionState::Connected).await.unwrap();
    assert!(using.await.unwrap().is_err(), "it forwards nothing");
    assert_eq!((person.asked().len(), connections.load(Ordering::Relaxed)), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_then_a_code() {
    let (target, _, _served) = Double::start(Wants::KeyAndCode).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, Identity::generate().unwrap().to_openssh().unwrap()).unwrap();
    let person = Person::says(&["999", "123"]);
    let credentials = Credentials { key_files: vec![file], asker: Some(person.clone()), ..Credentials::default() };
    let target = SshTarget { auth: Auth::Person(Arc::new(credentials)), ..target };
    let (steps, result) = diagnose(&target).await;
    result.unwrap();
    assert_eq!(person.asked().len(), 2);
    let key = steps.iter().find(|step| step.id == "auth-key").unwrap();
    assert!(key.ok && key.detail.contains("then the machine wants keyboard-interactive"), "{steps:#?}");
    // What was answered is in nothing that may be copied.
    for secret in ["999", "123"] {
        let tells = |step: &&berth_ssh::Step| {
            [&step.label, &step.detail].into_iter().chain(&step.hint).any(|text| text.contains(secret))
        };
        let told: Vec<_> = steps.iter().filter(|step| step.id.starts_with("auth")).filter(tells).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_does_not_want_to_answer_is_not_asked_something_else() {
    let (target, _, _served) = Double::start(Wants::Everything).await;
    let person = Person::says(&[]);
    let error = diagnose(&by(&target, &person)).await.1.unwrap_err();
    assert!(matches!(error, SshError::Declined { .. }), "{error:?}");
    assert!(error.is_final());
    assert_eq!(person.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_never_content_is_given_up() {
    let (target, _, _served) = Double::start(Wants::Everything).await;
    let person = Person::says(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    let error = diagnose(&by(&target, &person)).await.1.unwrap_err();
    let SshError::Refused(refusal) = &error else { panic!("{error:?}") };
    assert_eq!((person.asked().len(), refusal.tried.len()), (6, 6), "{refusal}");
}

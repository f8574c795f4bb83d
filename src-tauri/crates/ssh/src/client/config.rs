//! The person's OpenSSH configuration: what it says about a machine, as OpenSSH itself understands it.
//!
//! No library evaluates `Match` and tokens; `ssh -G` does, with every rule of the version that the person has.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::address::Address;
use super::error::SshError;
use super::shown;

/// How long it may take: a `Match exec` runs programs.
const TIME: Duration = Duration::from_secs(10);
/// How much it may say.
const OUTPUT: u64 = 512 * 1024;
/// How often it is asked again without the options that it does not know.
const AGAIN: usize = 4;

/// What the configuration says about one machine.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    values: HashMap<String, Vec<String>>,
    /// What it complained about.
    pub(crate) notes: Vec<String>,
}

impl Settings {
    /// None, and why.
    pub(crate) fn none(note: &str) -> Self {
        Self { notes: vec![note.to_owned()], ..Self::default() }
    }

    /// The first value, which is the one that counts; `none` is none.
    pub(crate) fn one(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.first().map(String::as_str).filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// All values of what may be set more than once.
    pub(crate) fn all(&self, key: &str) -> &[String] {
        self.values.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn is(&self, key: &str, value: &str) -> bool {
        self.all(key).first().is_some_and(|set| set.eq_ignore_ascii_case(value))
    }

    /// Whether it is set to yes; OpenSSH prints either word.
    pub(crate) fn yes(&self, key: &str) -> bool {
        self.is(key, "yes") || self.is(key, "true")
    }

    pub(crate) fn no(&self, key: &str) -> bool {
        self.is(key, "no") || self.is(key, "false")
    }

    fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(' ') {
                settings.values.entry(key.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
            }
        }
        settings
    }
}

/// Asks OpenSSH about a machine. Nothing where this computer has no OpenSSH.
pub(crate) async fn ask(program: &str, address: &Address, config: Option<&Path>) -> Result<Option<Settings>, SshError> {
    let mut ignored: Vec<String> = Vec::new();
    for _ in 0..AGAIN {
        let Some(said) = run(program, address, config, &ignored).await? else { return Ok(None) };
        if said.success {
            let mut settings = Settings::parse(&said.output);
            settings.notes = ignored.iter().map(|option| format!("The option {option} is not known to ssh.")).collect();
            settings.notes.extend(said.complaints.lines().take(10).map(|line| shown::line(line, 300)));
            settings.notes.retain(|note| !note.is_empty() && !note.starts_with("Pseudo-terminal"));
            return Ok(Some(settings));
        }
        let unknown = said.complaints.lines().filter_map(|line| line.rsplit_once("Bad configuration option: "));
        let unknown = unknown.map(|(_, option)| option.trim()).filter(|option| {
            option.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !ignored.iter().any(|known| known == option)
        });
        let unknown: Vec<_> = unknown.map(str::to_owned).collect();
        if unknown.is_empty() {
            let why: Vec<_> = said.complaints.lines().take(3).map(|line| shown::line(line, 300)).collect();
            return Err(SshError::Config { reason: format!("ssh says: {}", why.join("; ")) });
        }
        ignored.extend(unknown);
    }
    Err(SshError::Config { reason: "ssh does not know too many of its options".to_owned() })
}

struct Said {
    success: bool,
    output: String,
    complaints: String,
}

async fn run(
    program: &str,
    address: &Address,
    config: Option<&Path>,
    ignored: &[String],
) -> Result<Option<Said>, SshError> {
    let mut command = Command::new(program);
    command.arg("-G");
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    if !ignored.is_empty() {
        command.arg("-o").arg(format!("IgnoreUnknown={}", ignored.join(",")));
    }
    if let Some(port) = address.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &address.user {
        command.args(["-l", user]);
    }
    command.args(["--", &address.host]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("SSH_ASKPASS_REQUIRE", "force");
    // No console window beside the app's.
    #[cfg(windows)]
    command.creation_flags(0x0800_0000);
    let failed = |why: String| SshError::Config { reason: format!("ssh could not be asked for it: {why}") };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let done = async {
        let (output, complaints) = tokio::join!(read(stdout), read(stderr));
        Ok::<_, io::Error>((child.wait().await?, output, complaints))
    };
    match tokio::time::timeout(TIME, done).await {
        Ok(Ok((status, output, complaints))) => Ok(Some(Said { success: status.success(), output, complaints })),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("it took longer than {} s", TIME.as_secs()))),
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(OUTPUT).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

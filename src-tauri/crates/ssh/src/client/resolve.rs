//! From an address to a target: where it is, how to be let in, and how to know that it is the right machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;

use super::address::Address;
use super::agent;
use super::config::{self, Settings};
use super::error::SshError;
use super::hosts;
use super::keys::Accounts;
use super::target::{Asker, Auth, Credentials, Endpoint, HostKeyCheck, KnownHosts, SshTarget};
use super::tokens::Tokens;

/// How deep jump hosts may have jump hosts of their own.
const DEPTH: usize = 8;

/// What an address is resolved with.
#[derive(Debug, Clone, Default)]
pub struct Resolve {
    /// An OpenSSH configuration; without one it is the person's and the computer's.
    pub config: Option<PathBuf>,
    /// A private key that is tried before those of the configuration.
    pub identity: Option<PathBuf>,
    /// Our own file of known hosts.
    pub own_known_hosts: PathBuf,
    /// A file of known hosts that is read instead of OpenSSH's.
    pub known_hosts: Option<PathBuf>,
    /// Asked for what only a person knows.
    pub asker: Option<Arc<dyn Asker>>,
    /// What was said before: nobody is asked for it again.
    pub accounts: Accounts,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Where to connect to.
    pub target: SshTarget,
    /// What in the configuration is not understood or not followed, for a person to read.
    pub notes: Vec<String>,
}

/// Finds out what an address means: OpenSSH is asked for the person's configuration.
pub async fn resolve(address: &Address, options: Resolve) -> Result<Resolved, SshError> {
    resolve_with("ssh", address, options).await
}

async fn resolve_with(program: &str, address: &Address, options: Resolve) -> Result<Resolved, SshError> {
    let mut resolver = Resolver { program, options, notes: Vec::new() };
    let target = resolver.target(address.clone(), None, 0).await?;
    let mut notes = Vec::new();
    for note in resolver.notes {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    Ok(Resolved { target, notes })
}

struct Resolver<'a> {
    program: &'a str,
    options: Resolve,
    notes: Vec<String>,
}

impl Resolver<'_> {
    /// A machine; `through` another one where that is already decided.
    fn target(
        &mut self,
        address: Address,
        through: Option<SshTarget>,
        depth: usize,
    ) -> BoxFuture<'_, Result<SshTarget, SshError>> {
        Box::pin(async move {
            address.check().map_err(|error| SshError::Config { reason: format!("{}: {error}", address.host) })?;
            if depth > DEPTH {
                let reason = format!("{} has too many jump hosts, or they lead in a circle", address.host);
                return Err(SshError::Config { reason });
            }
            let asked = config::ask(self.program, &address, self.options.config.as_deref());
            // What the system sets for everybody is nobody's wish.
            let system = Path::new("/etc/ssh/ssh_config");
            let system = if system.is_file() { system } else { Path::new("none") };
            let usual = config::ask(self.program, &address, Some(system));
            let (asked, usual) = tokio::join!(asked, usual);
            let (asked, usual) = (asked?, usual.ok().flatten().unwrap_or_default());
            let settings = asked.unwrap_or_else(|| {
                let note = "This computer has no ssh program, so the SSH configuration was not read.";
                Settings::none(note)
            });
            self.notes.extend(settings.notes.iter().cloned());
            self.notes
                .extend(unsupported(&settings, &usual).into_iter().map(|note| format!("{}: {note}", address.host)));
            let host = settings.one("hostname").unwrap_or(&address.host).to_owned();
            let port = settings.one("port").and_then(|port| port.parse().ok()).or(address.port).unwrap_or(22);
            let user = settings.one("user").map(str::to_owned).or(address.user.clone()).unwrap_or_else(login_name);
            let alias = settings.one("hostkeyalias");
            let tokens =
                Tokens { name: &address.host, host: &host, port, user: &user, alias: alias.unwrap_or(&address.host) };
            // Another port may be another machine: what is said of one is not said of the other.
            let called = match address.port {
                Some(port) if port != 22 => format!("{}:{port}", address.host),
                _ => address.host.clone(),
            };
            let (auth, host_key) = (self.auth(&settings, &tokens, called), self.host_key(&settings, &tokens));
            let endpoint = match through {
                Some(through) => Endpoint::Jump { through: Box::new(through), host: host.clone(), port },
                None => self.endpoint(&settings, &tokens, depth).await?,
            };
            Ok(SshTarget { endpoint, user, auth, host_key })
        })
    }

    async fn endpoint(&mut self, settings: &Settings, to: &Tokens<'_>, depth: usize) -> Result<Endpoint, SshError> {
        if let Some(jumps) = settings.one("proxyjump") {
            let mut through = None;
            // The first one may have jump hosts of its own; the others are reached through the one before.
            for jump in jumps.split(',') {
                let address: Address = jump.parse().map_err(|error| SshError::Config {
                    reason: format!("the jump host {jump} of {}: {error}", to.name),
                })?;
                through = Some(self.target(address, through, depth + 1).await?);
            }
            if let Some(through) = through {
                return Ok(Endpoint::Jump { through: Box::new(through), host: to.host.to_owned(), port: to.port });
            }
        }
        Ok(match settings.one("proxycommand") {
            Some(command) => {
                let command = to.expand(command);
                let (program, arguments) = if cfg!(windows) {
                    ("cmd", ["/d".to_owned(), "/c".to_owned(), command])
                } else {
                    // One process, which ends with the connection.
                    ("/bin/sh", ["-c".to_owned(), format!("exec {command}"), "sh".to_owned()])
                };
                Endpoint::Command { program: program.into(), arguments: arguments.into() }
            }
            None => Endpoint::Tcp { host: to.host.to_owned(), port: to.port },
        })
    }

    fn auth(&self, settings: &Settings, tokens: &Tokens<'_>, called: String) -> Auth {
        let mut key_files: Vec<PathBuf> = self.options.identity.iter().cloned().collect();
        let files = settings.all("identityfile").iter().filter(|file| *file != "none");
        key_files.extend(files.map(|file| tokens.path(file)));
        if settings.all("identityfile").is_empty() {
            let usual = ["id_rsa", "id_ecdsa", "id_ed25519"];
            key_files.extend(hosts::home().into_iter().flat_map(|home| usual.map(|name| home.join(".ssh").join(name))));
        }
        let certificates = settings.all("certificatefile").iter().filter(|file| *file != "none");
        let mut credentials = Credentials {
            called: Some(called),
            key_files,
            certificates: certificates.map(|file| tokens.path(file)).collect(),
            agent: agent_at(settings, tokens),
            identities_only: settings.yes("identitiesonly"),
            no_password: settings.no("passwordauthentication"),
            no_prompts: settings.no("kbdinteractiveauthentication"),
            asker: self.options.asker.clone(),
            kept: self.options.accounts.of(tokens.user, tokens.host, tokens.port),
        };
        if settings.no("pubkeyauthentication") {
            (credentials.key_files, credentials.agent) = (Vec::new(), None);
        }
        Auth::Person(Arc::new(credentials))
    }

    fn host_key(&self, settings: &Settings, tokens: &Tokens<'_>) -> HostKeyCheck {
        let files = match (&self.options.known_hosts, settings.all("userknownhostsfile")) {
            (Some(file), _) => vec![file.clone()],
            (None, []) => hosts::home().into_iter().map(|home| home.join(".ssh/known_hosts")).collect(),
            (None, users) => {
                let all = users.iter().chain(settings.all("globalknownhostsfile"));
                all.flat_map(|files| tokens.paths(files)).collect()
            }
        };
        // A person who wants no new machines is not asked about any.
        let asker = self.options.asker.clone().filter(|_| !settings.yes("stricthostkeychecking"));
        let alias = settings.one("hostkeyalias").map(str::to_owned);
        HostKeyCheck::Known(Arc::new(KnownHosts {
            port: alias.is_none().then_some(tokens.port),
            host: alias.unwrap_or_else(|| tokens.host.to_ascii_lowercase()),
            files,
            own: self.options.own_known_hosts.clone(),
            asker,
        }))
    }
}

fn agent_at(settings: &Settings, tokens: &Tokens<'_>) -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    match settings.all("identityagent").first().map(String::as_str) {
        Some("none") => None,
        Some("SSH_AUTH_SOCK") => from("SSH_AUTH_SOCK"),
        Some(path) => match path.strip_prefix('$') {
            Some(name) => from(name.trim_matches(['{', '}'])),
            None => Some(tokens.path(path)),
        },
        None if cfg!(windows) => from("SSH_AUTH_SOCK").or(Some(agent::USUAL.into())),
        None => from("SSH_AUTH_SOCK"),
    }
}

fn login_name() -> String {
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}

/// What is set, would change how one connects, and is not followed. What only matters after that is ignored on purpose:
/// forwards, commands, terminals. `usual` is what OpenSSH does without a configuration.
fn unsupported(settings: &Settings, usual: &Settings) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |is: bool, text: &str| is.then(|| notes.push(text.to_owned()));
    let keys = settings.one("pkcs11provider").is_some();
    note(keys, "PKCS11Provider is not supported: add the key to an agent (ssh-add -s).");
    let sk = settings.one("securitykeyprovider").is_some_and(|provider| provider != "internal");
    note(sk, "SecurityKeyProvider is not supported: add the key to an agent.");
    let command = settings.one("knownhostscommand").is_some();
    note(command, "KnownHostsCommand is not supported: only files of known hosts are read.");
    note(
        settings.yes("proxyusefdpass"),
        "ProxyUseFdpass is not supported: the ProxyCommand must carry the connection.",
    );
    let others = ["pubkeyauthentication", "passwordauthentication", "kbdinteractiveauthentication"];
    let only = settings.yes("gssapiauthentication") && others.iter().all(|method| settings.no(method));
    note(only, "GSSAPI (Kerberos) is not supported, and the configuration allows nothing else.");
    let hosts = settings.yes("hostbasedauthentication");
    note(hosts, "HostbasedAuthentication is not supported: the machine lets in persons, not this computer.");
    let revoked = settings.one("revokedhostkeys").is_some();
    note(revoked, "RevokedHostKeys is not followed: put the keys into known_hosts, as @revoked.");
    let dns = settings.yes("verifyhostkeydns") || settings.is("verifyhostkeydns", "ask");
    note(dns, "VerifyHostKeyDNS is not followed: only files of known hosts count.");
    note(settings.one("setenv").is_some(), "SetEnv is not followed: set it in a start-up file of the machine.");
    for (key, name) in [
        ("ciphers", "Ciphers"),
        ("kexalgorithms", "KexAlgorithms"),
        ("macs", "MACs"),
        ("hostkeyalgorithms", "HostKeyAlgorithms"),
        ("pubkeyacceptedalgorithms", "PubkeyAcceptedAlgorithms"),
    ] {
        let differs = settings.all(key) != usual.all(key) && !usual.all(key).is_empty();
        note(differs, &format!("{name} is not followed: Berth has its own choice of algorithms, none of them weak."));
    }
    note(settings.one("preferredauthentications").is_some(), "PreferredAuthentications is not followed.");
    let lax = settings.no("stricthostkeychecking") || settings.is("stricthostkeychecking", "accept-new");
    note(lax, "StrictHostKeyChecking is not followed: a machine that was never seen is always asked about.");
    let family = settings.one("addressfamily").is_some_and(|family| family != "any");
    note(family, "AddressFamily is not followed: all addresses are tried.");
    let bind = settings.one("bindaddress").or(settings.one("bindinterface")).is_some();
    note(bind, "BindAddress and BindInterface are not followed.");
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_program_the_address_is_used_as_it_is() {
        let address = "me@machine:2222".parse().unwrap();
        let resolved = resolve_with("/nonexistent/ssh", &address, Resolve::default()).await.unwrap();
        assert_eq!(resolved.target.user, "me");
        assert!(matches!(&resolved.target.endpoint, Endpoint::Tcp { host, port: 2222 } if host == "machine"));
        assert!(resolved.notes[0].contains("no ssh program"), "{:?}", resolved.notes);
    }
}

//! A full network by pasta: a program of an ordinary user that carries what leaves a network namespace by ordinary
//! sockets. Sandboxes reach everything this computer reaches, except this computer: its addresses are made unreachable in
//! the namespace, which only its owner can undo. Those that it gets while a sandbox runs are reached until the next start.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::ifaddrs::getifaddrs;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::process::Process;
use super::program::{output, program};
use super::{Account, Env};

/// Where name servers are asked, inside; pasta leads it to those of the computer.
pub(super) const RESOLV_CONF: &str = "nameserver 169.254.1.53\n";
const DNS: &str = "169.254.1.53";
const TUN: &str = "/dev/net/tun";

pub(super) const NOT_INSTALLED: &str = "the program pasta (package passt) is not installed";
const NO_TUN: &str = "/dev/net/tun may not be opened by this user";

/// A pasta that works here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pasta {
    program: PathBuf,
    flags: Vec<String>,
}

/// What is put before bubblewrap: a user and a network namespace, whose owner pasta then is, and in which this computer
/// cannot be reached.
pub(super) fn namespace() -> Result<Vec<String>, String> {
    let own = own_addresses().map_err(|error| format!("this computer's addresses are not known: {error}"))?;
    let words = ["unshare", "--user", "--map-current-user", "--net", "--keep-caps", "--", "sh", "-c", SHUT, "sh"];
    let addresses = own.iter().map(IpAddr::to_string).chain(CREDENTIALS.iter().map(|address| (*address).to_owned()));
    Ok(words.into_iter().map(str::to_owned).chain(addresses).chain(["--".to_owned()]).collect())
}

impl Pasta {
    /// Finds out whether it works, by a namespace that lasts as long as the try.
    pub(super) async fn probe(env: &Env, account: &Account) -> Result<Self, String> {
        let program = program(env, "pasta").ok_or(NOT_INSTALLED)?;
        if !may_open_tun(account) {
            return Err(NO_TUN.into());
        }
        let (help, complaints, _) = output(Command::new(&program).arg("--help"), &Account::Person).await;
        let pasta = Self { program, flags: flags(&(help + &complaints)) };

        let words = namespace()?;
        let mut trial = Command::new(&words[0]);
        trial.args(&words[1..]).args(["sh", "-c", "echo; read line"]).current_dir("/").kill_on_drop(true);
        trial.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        account.assume(&mut trial);
        let mut trial = trial.spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        if let Some(stdout) = trial.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut line).await;
        }
        let pid = trial.id().filter(|_| !line.is_empty()).ok_or("a network namespace could not be made")?;
        let attached = pasta.attach(pid, None, account).await;
        // Old versions stay when their namespace is gone. The argument is the namespace's, thus no other's.
        if attached.is_ok()
            && let Some(daemon) = find(&pasta, pid)
        {
            let _ = daemon.end().await;
        }
        drop(trial);
        attached.map(|()| pasta)
    }

    /// Gives the network namespace of `pid` its network. Returns when it is there; pasta stays in the background.
    pub(super) async fn attach(&self, pid: u32, pid_file: Option<&Path>, account: &Account) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(&self.flags);
        if let Some(pid_file) = pid_file {
            command.arg("--pid").arg(pid_file);
        }
        let (_, complaints, success) = output(command.arg(pid.to_string()), account).await;
        if success { Ok(()) } else { Err(format!("pasta failed: {}", said(&complaints))) }
    }
}

/// Where clouds give credentials to whoever asks from the machine they are for.
const CREDENTIALS: &[&str] =
    &["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254"];

/// A kernel without IPv6 has none of its addresses either. What comes after it has no capability any more.
const SHUT: &str = "\
ip link set lo up || exit
[ -e /proc/net/if_inet6 ] || v6=none
while [ \"$1\" != -- ]; do
    case $1$v6 in *:*none) ;; *) ip route replace unreachable \"$1\" || exit ;; esac
    shift
done
shift
exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"";

/// The addresses of this computer; neither those of loopback nor those that need the name of an interface beside them.
fn own_addresses() -> nix::Result<Vec<IpAddr>> {
    let addresses = getifaddrs()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    });
    Ok(addresses
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect())
}

/// The pasta whose number is in the file. The file's name is among its arguments, so that no other can be meant.
pub(super) fn daemon(pid_file: &Path) -> Option<Process> {
    let pid = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    Process::of_pid(pid).filter(|process| process.has_argument(pid_file))
}

/// Whether a reason for failing lasts until the computer is changed.
pub(super) fn is_lasting(reason: &str) -> bool {
    reason == NOT_INSTALLED || reason == NO_TUN
}

fn find(pasta: &Pasta, target: u32) -> Option<Process> {
    let target = target.to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find_map(|pid| {
        Process::of_pid(pid)
            .filter(|process| process.has_argument(&pasta.program) && process.has_argument(Path::new(&target)))
    })
}

/// Nothing is forwarded from this computer's ports or to them, and no address stands for this computer.
fn flags(help: &str) -> Vec<String> {
    let mut flags = vec!["--quiet", "--config-net", "--no-map-gw", "--dns-forward", DNS];
    for direction in ["-t", "-u", "-T", "-U"] {
        flags.extend([direction, "none"]);
    }
    // Versions that know this one map the guest's address to the computer otherwise.
    if help.contains("--map-guest-addr") {
        flags.extend(["--map-guest-addr", "none"]);
    }
    flags.into_iter().map(str::to_owned).collect()
}

fn may_open_tun(account: &Account) -> bool {
    match account {
        Account::Person => fs::OpenOptions::new().read(true).write(true).open(TUN).is_ok(),
        Account::Own { .. } => fs::metadata(TUN).is_ok_and(|meta| meta.permissions().mode() & 0o006 == 0o006),
    }
}

fn said(complaints: &str) -> String {
    let last = complaints.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.contains("syslog"));
    last.unwrap_or("it did not say why").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_to_this_computer() {
        let old = flags("");
        for direction in ["-t", "-u", "-T", "-U"] {
            let at = old.iter().position(|flag| flag == direction).unwrap();
            assert_eq!(old[at + 1], "none");
        }
        assert!(old.contains(&"--no-map-gw".into()) && !old.contains(&"--map-guest-addr".into()));
        assert!(flags("  --map-guest-addr ADDR").ends_with(&["--map-guest-addr".into(), "none".into()]));
    }

    #[test]
    fn a_stale_pid_file_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pasta.pid");
        fs::write(&file, std::process::id().to_string()).unwrap();
        assert_eq!(daemon(&file), None);
    }
}

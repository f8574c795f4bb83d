//! The profile of one sandbox, in Seatbelt's own language: a pure function of what the sandbox is to reach. Of the
//! rules that fit, the last one counts.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use berth_model::NetworkMode;

use crate::ProviderError;
use crate::error::Doing;
use crate::layout::Places;

/// The ports of the computer that a sandbox reaches, since it has none of its own: those of development servers, and
/// not those of databases and debuggers, which are the person's.
const PORTS: [RangeInclusive<u16>; 11] = [
    3000..=3010,
    4000..=4010,
    4173..=4173,
    4200..=4200,
    4321..=4321,
    5000..=5001,
    5173..=5180,
    6006..=6006,
    8000..=8010,
    8080..=8090,
    9000..=9000,
];

/// What every sandbox gets: the system's programs, and the services without which they do not start. No keychain, no
/// window server, no pasteboard; of the terminals only those that it opened itself: on the others the person types.
const BASE: &str = r#"(version 1)
(deny default)
(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow mach-host*)
(allow mach-lookup
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.bsd.dirhelper")
  (global-name "com.apple.logd")
  (global-name "com.apple.system.logger")
  (global-name "com.apple.system.notification_center")
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.opendirectoryd.membership")
  (global-name "com.apple.trustd.agent"))
(allow ipc-posix-sem)
(allow ipc-posix-shm-read* (ipc-posix-name "apple.shm.notification_center"))
(allow system-socket (socket-domain AF_UNIX))
(allow file-map-executable)
(allow file-read-metadata
  (literal "/etc") (literal "/tmp") (literal "/var") (literal "/private/tmp") (subpath "/dev")
  (path-ancestors "/Applications/Xcode.app/Contents/Developer") (path-ancestors "/Library/Developer")
  (path-ancestors "/System/Volumes/Preboot/Cryptexes") (path-ancestors "/nix/store") (path-ancestors "/opt/homebrew")
  (path-ancestors "/private/var/db/timezone"))
(allow file-read*
  (literal "/") (subpath "/bin") (subpath "/sbin") (subpath "/usr") (subpath "/private/etc")
  (subpath "/System/Cryptexes") (subpath "/System/Library") (subpath "/System/Volumes/Preboot/Cryptexes")
  (subpath "/System/iOSSupport") (subpath "/Library/Apple") (subpath "/Library/Developer") (subpath "/Library/Fonts")
  (subpath "/Library/Frameworks") (subpath "/Library/Java") (subpath "/Library/Perl") (subpath "/Library/Python")
  (subpath "/Library/Ruby") (subpath "/Applications/Xcode.app/Contents/Developer") (subpath "/nix/store")
  (subpath "/opt/homebrew") (subpath "/private/var/db/timezone") (subpath "/private/var/select")
  (literal "/private/var/db/xcode_select_link"))
; The data of the person's databases.
(deny file-read* (subpath "/opt/homebrew/var") (subpath "/usr/local/var"))
(allow file-read* file-write* file-ioctl
  (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom") (literal "/dev/tty")
  (literal "/dev/ptmx") (literal "/dev/dtracehelper") (subpath "/dev/fd"))
(allow pseudo-tty)
(allow file-read* file-write* file-ioctl
  (require-all (regex #"^/dev/ttys[0-9]+$") (extension "com.apple.sandbox.pty")))
"#;

/// The computer's own network; of its sockets in the file system only the one that resolves names.
const HOST: &str = r#"(allow system-socket)
(allow network-bind network-inbound (local ip "*:*"))
(allow network-outbound (remote ip "*:*") (remote unix-socket (path-literal "/private/var/run/mDNSResponder")))
"#;

/// The profile. All paths must be without links; what lies below `hidden` is out of reach but for the sandbox's own.
pub(super) fn text(
    network: NetworkMode,
    program: &Path,
    places: &Places,
    forwarder: u16,
    hidden: &[&Path],
) -> Result<String, ProviderError> {
    let hidden = hidden.iter().map(|path| Ok(format!(" (subpath {})", quote(path)?))).collect::<Result<String, _>>()?;
    let (program, home, egress) = (quote(program)?, quote(&places.home)?, quote(&places.egress)?);
    let (socket, lock) = (quote(&places.socket)?, quote(&places.lock)?);
    let own = format!(
        "(deny file-read* file-write*{hidden})\n\
         (allow file-read-metadata (path-ancestors {program}) (path-ancestors {home}) (path-ancestors {socket}) \
         (path-ancestors {egress}))\n\
         (allow file-read* (literal {program}))\n\
         (allow file-read* file-write* (subpath {home}) (literal {socket}))\n\
         (deny file-write-unlink (literal {home}))\n\
         (allow file-read* file-write-data (literal {lock}))\n\
         (allow network-bind network-inbound (local unix-socket (subpath {home})) \
         (local unix-socket (path-literal {socket})))\n\
         (allow network-outbound (remote unix-socket (subpath {home})))\n"
    );
    let network = match network {
        NetworkMode::Host => HOST.to_owned(),
        NetworkMode::Full | NetworkMode::Proxied => {
            let ports = PORTS.into_iter().flatten().chain([forwarder]);
            let ports: String = ports.map(|port| format!(" (remote ip \"localhost:{port}\")")).collect();
            // Servers like to listen on all addresses; they are heard on loopback only.
            format!(
                "(allow network-bind (local ip \"*:*\"))\n\
                 (allow network-inbound (local ip \"localhost:*\"))\n\
                 (allow network-outbound (remote unix-socket (path-literal {egress})){ports})\n"
            )
        }
    };
    Ok(format!("{BASE}{own}{network}"))
}

/// A path as a string of the language.
fn quote(path: &Path) -> Result<String, ProviderError> {
    match path.to_str().filter(|text| path.is_absolute() && !text.contains(char::is_control)) {
        Some(text) => Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))),
        None => Err(io::Error::other("such a path cannot stand in it")).doing("Writing the sandbox's profile", path),
    }
}

#[cfg(test)]
mod tests {
    use berth_model::ChannelId;

    use super::*;
    use crate::layout::Layout;

    fn places(data: &str) -> Places {
        Layout { data: data.into(), runtime: "/r".into() }.places(&ChannelId("demo".into())).unwrap()
    }

    fn written(network: NetworkMode) -> String {
        let places = places("/Users/me/Library/Application Support/berth");
        let hidden = [Path::new("/Users/me"), Path::new("/r")];
        text(network, Path::new("/Applications/Berth.app/sandboxd"), &places, 41_007, &hidden).unwrap()
    }

    #[test]
    fn its_own_is_allowed_after_the_persons_is_denied() {
        let text = written(NetworkMode::Proxied);
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        assert_eq!(text.matches('(').count(), text.matches(')').count());
        let at = |rule: &str| text.find(rule).unwrap_or_else(|| panic!("{rule} is not in\n{text}"));
        let home = r#"(subpath "/Users/me/Library/Application Support/berth/sandboxes/demo/home")"#;
        let order = [
            r#"(subpath "/System/Library")"#,
            r#"(deny file-read* file-write* (subpath "/Users/me") (subpath "/r"))"#,
            r#"(allow file-read* (literal "/Applications/Berth.app/sandboxd"))"#,
            &format!(r#"(allow file-read* file-write* {home} (literal "/r/sb/demo/ssh.sock"))"#),
        ];
        assert!(order.map(at).is_sorted());
        for absent in
            ["SecurityServer", "securityd", "Keychains", "cfprefsd", "pasteboard", "windowserver", "\"/Users\""]
        {
            assert!(!text.contains(absent), "{absent}");
        }
    }

    #[test]
    fn the_way_out_is_the_proxy_unless_the_computers_network_was_asked_for() {
        let proxied = written(NetworkMode::Proxied);
        assert_eq!(proxied, written(NetworkMode::Full));
        for there in [r#"(path-literal "/r/net/demo/egress.sock")"#, r#""localhost:41007""#, r#""localhost:3000""#] {
            assert!(proxied.contains(there), "{there}");
        }
        // The person's databases and debuggers; the world; the resolver, through which names leave.
        for absent in
            [":5432\"", ":6379\"", ":9229\"", r#"(remote ip "*:*")"#, r#"(remote ip "localhost:*")"#, "mDNSResponder"]
        {
            assert!(!proxied.contains(absent), "{absent}");
        }
        let host = written(NetworkMode::Host);
        assert!(host.contains(r#"(remote ip "*:*")"#) && !host.contains("(remote unix-socket)"));
    }

    #[test]
    fn a_path_cannot_add_a_rule() {
        assert_eq!(quote(Path::new(r#"/a") (allow default) ("\"#)).unwrap(), r#""/a\") (allow default) (\"\\""#);
        for bad in ["/a\nb", "/a\0b", "/a\u{85}b", "relative", ""] {
            assert!(quote(Path::new(bad)).is_err(), "{bad:?}");
        }
        assert!(text(NetworkMode::Host, Path::new("/x"), &places("/d\n"), 1, &[]).is_err());
    }
}

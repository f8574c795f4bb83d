//! A machine's address, as a person types it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// What no name of a host or a user has; OpenSSH refuses the same, for a `ProxyCommand` may give it to a shell.
const ODD: &str = "'`\"$\\;&<>|(){}";
/// The longest name.
const LONGEST: usize = 255;

/// A machine, as a person types it: `host`, `user@host:port`, `ssh://user@host:port`, `[::1]:22`, or a name from the
/// OpenSSH configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The user, where one was typed.
    pub user: Option<String>,
    /// A name, an address, or a `Host` of the configuration.
    pub host: String,
    /// The port, where one was typed.
    pub port: Option<u16>,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// There is no host in it.
    #[error("an address needs a host: type it as user@host or user@host:port")]
    NoHost,
    /// Nothing stands before the `@`.
    #[error("there is no user before the @: type it as user@host, or leave the @ out")]
    NoUser,
    /// The port is no number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// The host has characters that no host has, or begins with `-`.
    #[error("the host must be a name or an address, without spaces and other signs")]
    Host,
    /// The user has characters that no user has, or begins with `-`.
    #[error("the user must be a name, without spaces and other signs")]
    User,
    /// It is an address of something else.
    #[error("this is not an address for SSH: type it as user@host, or ssh://user@host")]
    Scheme,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let (rest, uri) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => {
                (rest.strip_suffix('/').unwrap_or(rest), true)
            }
            Some(_) => return Err(BadAddress::Scheme),
            None => (text, false),
        };
        // A user may have an @ in his name; a host has none.
        let (user, place) = match rest.rsplit_once('@') {
            Some(("", _)) => return Err(BadAddress::NoUser),
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let user = match user {
            Some(user) if uri => Some(decoded(user.split(';').next().unwrap_or_default()).ok_or(BadAddress::User)?),
            user => user.map(str::to_owned),
        };
        let (host, port) = split(place)?;
        let address = Self { user, host: host.to_owned(), port: port.map(number).transpose()? };
        address.check()?;
        Ok(address)
    }
}

impl Address {
    /// Whether it can be given to other programs as it is.
    pub fn check(&self) -> Result<(), BadAddress> {
        match &self.host[..] {
            "" => return Err(BadAddress::NoHost),
            host if !is_plain(host) => return Err(BadAddress::Host),
            host if host.contains(['/', '[', ']', '@', ',']) => return Err(BadAddress::Host),
            // One colon would be a port; an IPv6 address may have its interface behind a `%`.
            host if host.contains(':') && !is_v6(host) => return Err(BadAddress::Host),
            _ => {}
        }
        match &self.user {
            Some(user) if user.is_empty() || !is_plain(user) => Err(BadAddress::User),
            _ if self.port == Some(0) => Err(BadAddress::Port),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Host and port.
fn split(place: &str) -> Result<(&str, Option<&str>), BadAddress> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(BadAddress::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(BadAddress::Host),
        };
    }
    if is_v6(place) {
        return Ok((place, None));
    }
    match place.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((place, None)),
    }
}

fn number(port: &str) -> Result<u16, BadAddress> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or(BadAddress::Port)
}

fn is_v6(host: &str) -> bool {
    let (address, interface) = host.split_once('%').map_or((host, None), |(host, at)| (host, Some(at)));
    address.parse::<Ipv6Addr>().is_ok() && interface.is_none_or(|at| !at.is_empty() && !at.contains([':', '%']))
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || ODD.contains(c))
}

/// With `%40` and the like turned back.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(rest.next()?)? * 16 + digit(rest.next()?)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<u16>) {
        let Address { user, host, port } = text.parse().unwrap();
        (user, host, port)
    }

    #[test]
    fn what_people_type() {
        let some = |user: &str| Some(user.to_owned());
        assert_eq!(parts("host"), (None, "host".into(), None));
        assert_eq!(parts(" me@host:2222 "), (some("me"), "host".into(), Some(2222)));
        assert_eq!(parts("ssh://me@host:22/"), (some("me"), "host".into(), Some(22)));
        assert_eq!(parts("ssh://a%40b@host"), (some("a@b"), "host".into(), None));
        assert_eq!(parts("a@corp@host"), (some("a@corp"), "host".into(), None));
        assert_eq!(parts("[::1]:22"), (None, "::1".into(), Some(22)));
        assert_eq!(parts("fe80::1%eth0"), (None, "fe80::1%eth0".into(), None));
        assert_eq!(parts("me@2001:db8::1"), (some("me"), "2001:db8::1".into(), None));
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        let why = |text: &str| text.parse::<Address>().unwrap_err();
        assert_eq!(why(""), BadAddress::NoHost);
        assert_eq!(why("me@"), BadAddress::NoHost);
        assert_eq!(why("@host"), BadAddress::NoUser);
        assert_eq!(why("host:0"), BadAddress::Port);
        assert_eq!(why("host:99999"), BadAddress::Port);
        assert_eq!(why("host:+22"), BadAddress::Port);
        assert_eq!(why("-oProxyCommand=x"), BadAddress::Host);
        assert_eq!(why("a b"), BadAddress::Host);
        assert_eq!(why("$(x)"), BadAddress::Host);
        assert_eq!(why("[::1"), BadAddress::Host);
        assert_eq!(why("-l@host"), BadAddress::User);
        assert_eq!(why("https://host"), BadAddress::Scheme);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_is_harmless(text in "\\PC{0,40}|[-@:\\[\\]%a-f0-9/.$;]{0,30}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert!(!address.host.is_empty() && !address.host.starts_with('-'));
                prop_assert!(!address.host.contains(|c: char| c.is_whitespace() || ODD.contains(c)));
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            }
        }

        #[test]
        fn what_is_written_is_read(
            user in proptest::option::of("[a-z_][a-z0-9._-]{0,20}"),
            host in "[a-z0-9][a-z0-9.-]{0,30}",
            port in proptest::option::of(1_u16..),
        ) {
            let address = Address { user, host, port };
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}

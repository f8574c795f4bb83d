//! What a sandbox asks to be connected to: hostile text until it is a [`Target`].

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;

/// A machine and a port. Its text is safe to log: a name holds only letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A machine, by name or by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// Lower case, without a final dot.
    Name(String),
    Address(IpAddr),
}

/// Why a request names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("The request names no machine. This is a proxy: ask it by CONNECT, or for a whole http:// address.")]
    Missing,
    #[error("The request names no port.")]
    NoPort,
    #[error("A name and a password before the machine's name are not understood here.")]
    UserInfo,
    #[error("The machine's name is not one.")]
    Name,
    #[error("Only http:// addresses can be asked for without CONNECT.")]
    Scheme,
}

impl Target {
    /// The target of `CONNECT host:port`.
    pub(super) fn of_connect(uri: &Uri) -> Result<Self, BadTarget> {
        Self::of_authority(uri, None)
    }

    /// The target of a request for a whole `http://` address.
    pub(super) fn of_absolute(uri: &Uri) -> Result<Self, BadTarget> {
        match uri.scheme_str() {
            None => Err(BadTarget::Missing),
            Some("http") => Self::of_authority(uri, Some(80)),
            Some(_) => Err(BadTarget::Scheme),
        }
    }

    fn of_authority(uri: &Uri, default_port: Option<u16>) -> Result<Self, BadTarget> {
        let authority = uri.authority().ok_or(BadTarget::Missing)?;
        if authority.as_str().contains('@') {
            return Err(BadTarget::UserInfo);
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => return Err(BadTarget::NoPort),
            None => default_port.ok_or(BadTarget::NoPort)?,
        };
        if port == 0 {
            return Err(BadTarget::NoPort);
        }
        Ok(Self { host: Host::parse(authority.host())?, port })
    }
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, BadTarget> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().map(|v6| Self::Address(v6.into())).map_err(|_| BadTarget::Name);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(BadTarget::Name);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }

    /// Whether the name means this computer, whatever a resolver says.
    pub(super) fn is_local_name(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost" || name.ends_with(".localhost"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connect(text: &str) -> Result<String, BadTarget> {
        let uri = Uri::try_from(text).map_err(|_| BadTarget::Name)?;
        Target::of_connect(&uri).map(|target| target.to_string())
    }

    fn absolute(text: &str) -> Result<String, BadTarget> {
        Target::of_absolute(&Uri::try_from(text).unwrap()).map(|target| target.to_string())
    }

    #[test]
    fn connect_takes_names_and_addresses() {
        assert_eq!(connect("Example.COM.:443").unwrap(), "example.com:443");
        assert_eq!(connect("192.0.2.1:22").unwrap(), "192.0.2.1:22");
        assert_eq!(connect("[2001:db8::1]:443").unwrap(), "[2001:db8::1]:443");
    }

    #[test]
    fn connect_refuses_the_rest() {
        for text in ["example.com", "example.com:", "example.com:0", "user@example.com:443", "a..b:1", "[::1:443"] {
            assert!(connect(text).is_err(), "{text}");
        }
        assert_eq!(connect("exämple.com:443"), Err(BadTarget::Name));
    }

    #[test]
    fn absolute_form_is_http_only() {
        assert_eq!(absolute("http://example.com/a?b").unwrap(), "example.com:80");
        assert_eq!(absolute("http://example.com:8080/").unwrap(), "example.com:8080");
        assert_eq!(absolute("https://example.com/").unwrap_err(), BadTarget::Scheme);
        assert_eq!(absolute("/a").unwrap_err(), BadTarget::Missing);
        assert_eq!(absolute("http://u:p@example.com/").unwrap_err(), BadTarget::UserInfo);
    }

    #[test]
    fn names_of_this_computer_are_known() {
        assert!(Host::parse("LOCALHOST.").unwrap().is_local_name());
        assert!(Host::parse("a.localhost").unwrap().is_local_name());
        assert!(!Host::parse("localhost.example.com").unwrap().is_local_name());
    }

    proptest! {
        #[test]
        fn no_text_gets_through_that_could_forge_a_line(text in "\\PC{0,80}|[\\x00-\\x7f]{0,80}") {
            if let Ok(uri) = Uri::try_from(text.as_str())
                && let Ok(target) = Target::of_connect(&uri)
            {
                let shown = target.to_string();
                prop_assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
                prop_assert!(!shown.contains(['@', '/', '%', '\\']), "{shown:?}");
            }
        }

        #[test]
        fn what_is_shown_parses_to_the_same(host in "[a-z0-9]{1,9}(\\.[a-z0-9-]{1,9}){0,3}", port in 1u16..) {
            let text = format!("{host}:{port}");
            if let Ok(target) = Target::of_connect(&Uri::try_from(text.as_str()).unwrap()) {
                prop_assert_eq!(target.to_string(), text);
            }
        }
    }
}

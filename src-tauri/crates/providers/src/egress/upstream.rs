//! The computer's own proxy settings, as its environment gives them.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;

use super::target::{Host, Target};

/// The proxies that this computer itself goes through.
#[derive(Debug, Clone, Default)]
pub(super) struct Upstreams {
    https: Option<Setting>,
    http: Option<Setting>,
    exempt: Vec<Exempt>,
}

/// One proxy setting, or why it cannot be used.
type Setting = Result<Upstream, UnusableProxy>;

/// An HTTP proxy to go through.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
}

/// A proxy setting of this computer that Berth cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "This computer's proxy setting {variable} is not one that Berth can follow: only http:// proxies are supported."
)]
pub(super) struct UnusableProxy {
    variable: String,
}

impl Upstreams {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, the lower one first as curl does.
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()].into_iter().find_map(|variable| {
                let value = env(&variable)?;
                let value = value.trim();
                (!value.is_empty()).then(|| Upstream::parse(value).ok_or(UnusableProxy { variable }))
            })
        };
        let exempt = ["no_proxy", "NO_PROXY"].into_iter().find_map(&env).unwrap_or_default();
        Self {
            https: read("HTTPS_PROXY").or_else(|| read("ALL_PROXY")),
            http: read("HTTP_PROXY").or_else(|| read("ALL_PROXY")),
            exempt: exempt
                .split([',', ' '])
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(Exempt::parse)
                .collect(),
        }
    }

    /// The proxy for a target asked for by CONNECT.
    pub(super) fn for_connect(&self, target: &Target) -> Result<Option<&Upstream>, UnusableProxy> {
        self.choose(&self.https, target)
    }

    /// The proxy for a target asked for by a whole `http://` address.
    pub(super) fn for_http(&self, target: &Target) -> Result<Option<&Upstream>, UnusableProxy> {
        self.choose(&self.http, target)
    }

    fn choose<'a>(&self, setting: &'a Option<Setting>, target: &Target) -> Result<Option<&'a Upstream>, UnusableProxy> {
        if self.exempt.iter().any(|exempt| exempt.covers(target)) {
            return Ok(None);
        }
        setting.as_ref().map(|setting| setting.as_ref().map_err(Clone::clone)).transpose()
    }
}

impl Upstream {
    fn parse(text: &str) -> Option<Self> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri = Uri::try_from(text).ok().filter(|uri| uri.scheme_str() == Some("http"))?;
        let authority = uri.authority()?;
        let authorization = authority
            .as_str()
            .rsplit_once('@')
            .map(|(credentials, _)| format!("Basic {}", BASE64_STANDARD.encode(percent_decode(credentials))));
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty()).then(|| Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        if self.authorization.is_some() { f.write_str(" with a password") } else { Ok(()) }
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    All,
    /// The name itself and every name below it; perhaps on one port only.
    Domain(String, Option<u16>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
}

impl Exempt {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::All;
        }
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        if let Ok(address) = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            let width = if address.is_ipv4() { 32 } else { 128 };
            return Self::Network(address, prefix.parse().unwrap_or(width).min(width));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (text, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        Self::Domain(name.to_ascii_lowercase(), port)
    }

    fn covers(&self, target: &Target) -> bool {
        match (self, &target.host) {
            (Self::All, _) => true,
            (Self::Domain(domain, port), Host::Name(name)) => {
                port.is_none_or(|port| port == target.port)
                    && name
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| !domain.is_empty() && (rest.is_empty() || rest.ends_with('.')))
            }
            (Self::Network(network, prefix), Host::Address(address)) => match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*prefix)
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*prefix)
                }
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upstreams(pairs: &[(&str, &str)]) -> Upstreams {
        Upstreams::from_env(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    fn target(host: &str, port: u16) -> Target {
        Target { host: Host::parse(host).unwrap(), port }
    }

    #[test]
    fn each_kind_has_its_variable() {
        let found = upstreams(&[("HTTPS_PROXY", "http://a:1"), ("http_proxy", "b:2")]);
        assert_eq!(found.for_connect(&target("x.org", 443)).unwrap().unwrap().port, 1);
        assert_eq!(found.for_http(&target("x.org", 80)).unwrap().unwrap().host, "b");
        let all = upstreams(&[("all_proxy", "c")]);
        assert_eq!(all.for_connect(&target("x.org", 443)).unwrap().unwrap().port, 80);
        assert!(upstreams(&[]).for_connect(&target("x.org", 443)).unwrap().is_none());
        assert!(upstreams(&[("HTTPS_PROXY", " ")]).for_connect(&target("x.org", 443)).unwrap().is_none());
    }

    #[test]
    fn a_password_is_used_and_not_shown() {
        let found = upstreams(&[("HTTPS_PROXY", "http://me:s%40cret@proxy.corp:8080/")]);
        let upstream = found.for_connect(&target("x.org", 443)).unwrap().unwrap();
        assert_eq!(upstream.authorization.as_deref(), Some("Basic bWU6c0BjcmV0"));
        let shown = format!("{found:?}");
        assert!(!shown.contains("cret") && !shown.contains("bWU6"), "{shown}");
    }

    #[test]
    fn other_schemes_are_an_error_that_names_the_variable_only() {
        let found = upstreams(&[("ALL_PROXY", "socks5://me:secret@h:1")]);
        let error = found.for_connect(&target("x.org", 443)).unwrap_err().to_string();
        assert!(error.contains("ALL_PROXY") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn exemptions() {
        let all = "corp.example, .dot.example,*.star.example,10.0.0.0/8,[2001:db8::]/32,192.0.2.7,port.example:81";
        let found = upstreams(&[("HTTPS_PROXY", "p"), ("NO_PROXY", all)]);
        let exempt = |host: &str, port| found.for_connect(&target(host, port)).unwrap().is_none();
        for host in [
            "corp.example",
            "a.corp.example",
            "dot.example",
            "a.star.example",
            "10.9.9.9",
            "192.0.2.7",
            "[2001:db8::9]",
        ] {
            assert!(exempt(host, 443), "{host}");
        }
        for host in ["notcorp.example", "corp.example.org", "11.0.0.1", "192.0.2.8", "[2001:db9::1]"] {
            assert!(!exempt(host, 443), "{host}");
        }
        assert!(exempt("port.example", 81) && !exempt("port.example", 82));
        assert!(upstreams(&[("HTTPS_PROXY", "p"), ("no_proxy", "*")]).for_connect(&target("a", 1)).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn any_setting_parses_or_is_refused(value in "\\PC{0,60}", no in "\\PC{0,60}", host in "[a-z.]{1,12}") {
            let found = upstreams(&[("HTTPS_PROXY", &value), ("NO_PROXY", &no)]);
            if let Ok(host) = Host::parse(&host) {
                let _ = found.for_connect(&Target { host, port: 443 });
            }
        }

        #[test]
        fn percent_decoding_undoes_encoding(bytes: Vec<u8>) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(percent_decode(&encoded), bytes);
        }
    }
}

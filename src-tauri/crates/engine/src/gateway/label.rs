//! `<channel>-<port>`: a preview's name as the first label of its host.

use std::fmt;

use hyper::Request;
use hyper::header::HOST;

/// The longest name a channel can have; with a dash and a port it fits the 63 bytes of a label.
const LONGEST: usize = 40;

/// One preview. A channel's name may have dashes and digits, so the port is what follows the last dash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Label {
    pub channel: String,
    pub port: u16,
}

/// Why a request is for no preview.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAPreview {
    /// It was meant for another host, or another port: rebinding, a proxy gone astray.
    Misdirected,
    /// It is for `localhost` or below, but no preview is called so.
    Unknown,
}

impl Label {
    /// Reads a label. Exactly one text leads to each preview: no other case, no leading zeros.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (channel, digits) = text.rsplit_once('-')?;
        let named = (1..=LONGEST).contains(&channel.len())
            && channel.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let numbered = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if !named || !numbered {
            return None;
        }
        Some(Self { channel: channel.to_owned(), port: digits.parse().ok()? })
    }

    /// The preview that a request is for, by its target or its only `Host`.
    pub(super) fn of<B>(request: &Request<B>, gateway: u16) -> Result<Self, NotAPreview> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
            (_, _, Some(_)) | (None, None, None) => return Err(NotAPreview::Misdirected),
            // A target that names its host counts before the header (RFC 9112, 3.2.2).
            (Some(authority), _, None) => authority.as_str(),
            (None, Some(host), None) => host.to_str().map_err(|_| NotAPreview::Misdirected)?,
        };
        Self::of_host(host, gateway)
    }

    /// The preview that a host with or without a port means. Host names know no case.
    pub(super) fn of_host(host: &str, gateway: u16) -> Result<Self, NotAPreview> {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port == gateway.to_string() => name,
            Some(_) => return Err(NotAPreview::Misdirected),
            None => &host,
        };
        match name.strip_suffix(".localhost") {
            Some(label) => Self::parse(label).ok_or(NotAPreview::Unknown),
            None if super::is_loopback(name) => Err(NotAPreview::Unknown),
            None => Err(NotAPreview::Misdirected),
        }
    }

    /// The preview's origin: `http://<channel>-<port>.localhost:<gateway>`.
    pub(super) fn origin(&self, gateway: u16) -> String {
        format!("http://{self}.localhost:{gateway}")
    }

    /// The origin that the server in the sandbox believes to have: `http://localhost:<port>`.
    pub(super) fn inner_origin(&self) -> String {
        format!("http://{}", self.inner_host())
    }

    /// The host that the server in the sandbox believes to have: `localhost:<port>`.
    pub(super) fn inner_host(&self) -> String {
        // As browsers write it: the port that the scheme implies is left out.
        if self.port == 80 { "localhost".to_owned() } else { format!("localhost:{}", self.port) }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.channel, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(channel: &str, port: u16) -> Label {
        Label { channel: channel.to_owned(), port }
    }

    #[test]
    fn the_port_follows_the_last_dash() {
        assert_eq!(Label::parse("a-b-3000"), Some(label("a-b", 3000)));
        assert_eq!(Label::parse("a-3000-80"), Some(label("a-3000", 80)));
        assert_eq!(Label::parse("7-65535"), Some(label("7", 65535)));
        let longest = "x".repeat(40);
        assert_eq!(Label::parse(&format!("{longest}-1")), Some(label(&longest, 1)));
        let too_long = format!("{}-1", "x".repeat(41));
        for text in [
            "",
            "-",
            "a",
            "a-",
            "-1",
            "3000",
            "a-0",
            "a-00080",
            "a-080",
            "a-65536",
            "a-99999999999",
            "a-+80",
            "a- 80",
            "A-80",
            "a.b-80",
            "a_b-80",
            "ä-80",
            "a-٣",
            "a/b-80",
            "a%2d-80",
            &too_long,
        ] {
            assert_eq!(Label::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_its_own_host_leads_to_a_preview() {
        for host in ["a-b-3000.localhost:4000", "a-b-3000.localhost", "A-B-3000.LocalHost:4000"] {
            assert_eq!(Label::of_host(host, 4000), Ok(label("a-b", 3000)), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:4000",
            "a-1.localhost.evil.example:4000",
            "a-1.localhost:4001",
            "a-1.localhost:",
            "a-1.localhost:04000",
            "a-1.localhost.:4000",
            "a-1localhost:4000",
            "u@a-1.localhost:4000x",
            "10.0.0.1:4000",
            "",
            "a-1.localhost:4000:4000",
            "a-1.localhost\\evil:4000",
        ] {
            assert_eq!(Label::of_host(host, 4000), Err(NotAPreview::Misdirected), "{host}");
        }
        for host in [
            "localhost:4000",
            "127.0.0.1:4000",
            "[::1]:4000",
            ".localhost:4000",
            "a.localhost:4000",
            "a-1.b-2.localhost:4000",
            "x@a-1.localhost:4000",
            "a-0.localhost:4000",
        ] {
            assert_eq!(Label::of_host(host, 4000), Err(NotAPreview::Unknown), "{host}");
        }
    }

    #[test]
    fn one_host_is_asked_for() {
        let of = |request: hyper::http::request::Builder| Label::of(&request.body(()).unwrap(), 4000);
        let get = || Request::get("/");
        assert_eq!(of(get().header(HOST, "a-1.localhost:4000")), Ok(label("a", 1)));
        assert_eq!(of(get()), Err(NotAPreview::Misdirected));
        let twice = get().header(HOST, "a-1.localhost:4000").header(HOST, "a-1.localhost:4000");
        assert_eq!(of(twice), Err(NotAPreview::Misdirected));
        let absolute = |target: &str| Request::get(target).header(HOST, "a-1.localhost:4000");
        assert_eq!(of(absolute("http://b-2.localhost:4000/")), Ok(label("b", 2)));
        assert_eq!(of(absolute("http://evil.example/")), Err(NotAPreview::Misdirected));
    }

    proptest! {
        #[test]
        fn what_is_formatted_is_read_back(channel in "[a-z0-9-]{1,40}", port in 1..=u16::MAX) {
            let label = Label { channel, port };
            prop_assert_eq!(Label::parse(&label.to_string()), Some(label.clone()));
            prop_assert!(label.to_string().len() <= 63);
            let origin = label.origin(4000);
            prop_assert_eq!(Label::of_host(origin.strip_prefix("http://").unwrap(), 4000), Ok(label));
        }

        #[test]
        fn what_is_read_is_formatted_back(text in "[a-z0-9.-]{0,50}-[0-9]{0,6}") {
            if let Some(label) = Label::parse(&text) {
                prop_assert_eq!(label.to_string(), text);
            }
        }

        #[test]
        fn nothing_breaks_it(text in ".{0,80}") {
            let _ = Label::of_host(&text, 4000);
            if let Some(label) = Label::parse(&text) {
                prop_assert_eq!(label.to_string(), text);
            }
        }
    }
}

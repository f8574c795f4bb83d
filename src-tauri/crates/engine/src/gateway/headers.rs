//! What is rewritten between a browser and the server in a sandbox.
//!
//! The server shall believe to be at `http://localhost:<port>`, where it was written to run; the browser shall see one
//! origin a preview. A sandbox is one party: its ports may know each other as they would on a developer's machine.
//!
//! Towards the server
//! - `Host` becomes `localhost:<port>`: development servers refuse hosts they do not know.
//! - `Origin` and `Referer` of a preview of the same channel become `http://localhost:<its port>`, since servers compare
//!   them with `Host`, and allow lists name them so. Those of anybody else stay, so that checks against cross-site
//!   requests see them.
//! - `X-Forwarded-Host` and `-Proto` say where the preview is seen; not in a request that has an `Origin`: frameworks
//!   that heed the one compare it with the other (Rails, server actions of Next.js) and would refuse.
//! - `Expect` is answered here.
//!
//! Towards the browser
//! - `Location` and `Access-Control-Allow-Origin` that name a port on localhost become that port's preview.
//! - `Set-Cookie` loses its `Domain`: a cookie belongs to one preview.
//! - `X-Frame-Options` and `frame-ancestors` go: the app shows previews in a frame, and its origin is none that a server
//!   could allow. Every other directive of a policy stays.
//! - `Cross-Origin-Resource-Policy: same-origin` is added unless the server says otherwise, so that no other site and no
//!   other preview can embed a preview's scripts or images and read them that way. It does not touch frames, as long as
//!   the page around them asks for no cross-origin isolation (`Cross-Origin-Embedder-Policy`): the app must not.
//! - `Strict-Transport-Security` and `Alt-Svc` go: they would speak of a host that is the gateway's.
//!
//! What holds for one connection only (RFC 9110, 7.6.1) goes in both directions.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, CONNECTION, CONTENT_SECURITY_POLICY, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, LOCATION, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, X_FRAME_OPTIONS,
};

use super::label::Label;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The protocol that a message wants (or got) instead of HTTP, where it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// Rewrites a request's headers for the server in the sandbox.
pub(super) fn inward(headers: &mut HeaderMap, label: &Label, gateway: u16) {
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    set(headers, HOST, &label.inner_host());
    set(headers, FORWARDED_PROTO, "http");
    if headers.contains_key(ORIGIN) {
        headers.remove(FORWARDED_HOST);
    } else {
        set(headers, FORWARDED_HOST, &format!("{label}.localhost:{gateway}"));
    }
    for name in [ORIGIN, REFERER] {
        rewrite(headers, &name, |url| to_inner(url, label, gateway));
    }
}

/// Rewrites a response's headers for the browser.
pub(super) fn outward(headers: &mut HeaderMap, label: &Label, gateway: u16) {
    strip_hop_by_hop(headers);
    for name in [X_FRAME_OPTIONS, STRICT_TRANSPORT_SECURITY, ALT_SVC] {
        headers.remove(name);
    }
    for name in [LOCATION, ACCESS_CONTROL_ALLOW_ORIGIN] {
        rewrite(headers, &name, |url| to_preview(url, label, gateway));
    }
    change_all(headers, &SET_COOKIE, |cookie| Some(without_domain(cookie)));
    change_all(headers, &CONTENT_SECURITY_POLICY, without_frame_ancestors);
    headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
}

/// Puts the two headers back that ask for (or grant) another protocol on this connection.
pub(super) fn keep_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, protocol);
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = connection_options(headers).filter_map(|name| name.parse::<HeaderName>().ok()).collect();
    let fixed = [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let unofficial = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in named.into_iter().chain(fixed).chain(unofficial) {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Changes a header that has one text value, where `change` has something to say.
fn rewrite(headers: &mut HeaderMap, name: &HeaderName, change: impl Fn(&str) -> Option<String>) {
    if let Some(changed) = headers.get(name).and_then(|value| value.to_str().ok()).and_then(change) {
        set(headers, name.clone(), &changed);
    }
}

/// Changes every value of a header; `None` removes it.
fn change_all(headers: &mut HeaderMap, name: &HeaderName, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let changed: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| HeaderValue::from_bytes(&change(value.as_bytes())?).ok())
        .collect();
    headers.remove(name);
    for value in changed {
        headers.append(name.clone(), value);
    }
}

/// `http://<channel>-<port>.localhost:<gateway>/x` of the same channel as `http://localhost:<port>/x`.
fn to_inner(url: &str, label: &Label, gateway: u16) -> Option<String> {
    let (host, rest) = split_authority(url.strip_prefix("http://")?);
    let other = Label::of_host(host, gateway).ok().filter(|other| other.channel == label.channel)?;
    Some(format!("{}{rest}", other.inner_origin()))
}

/// `http://localhost:<port>/x` as `http://<channel>-<port>.localhost:<gateway>/x`.
fn to_preview(url: &str, label: &Label, gateway: u16) -> Option<String> {
    let (authority, rest) = split_authority(url.strip_prefix("http://").or_else(|| url.strip_prefix("//"))?);
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of a bare `[::1]` is no port's.
        Some((host, port)) if !authority.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (authority, 80),
    };
    if !super::is_loopback(host) {
        return None;
    }
    Some(format!("{}{rest}", Label { channel: label.channel.clone(), port }.origin(gateway)))
}

fn split_authority(text: &str) -> (&str, &str) {
    text.split_at(text.find(['/', '?', '#', '\\']).unwrap_or(text.len()))
}

fn without_domain(cookie: &[u8]) -> Vec<u8> {
    let mut parts = cookie.split(|byte| *byte == b';');
    // The first part is the cookie itself, whatever its name.
    let mut kept = parts.next().unwrap_or_default().to_vec();
    for attribute in parts {
        let name = attribute.split(|byte| *byte == b'=').next().unwrap_or_default();
        if !name.trim_ascii().eq_ignore_ascii_case(b"domain") {
            kept.push(b';');
            kept.extend_from_slice(attribute);
        }
    }
    kept
}

/// A list of policies without the directive; nothing where nothing else was in it.
fn without_frame_ancestors(policies: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for policy in policies.split(|byte| *byte == b',') {
        let directives: Vec<&[u8]> = policy
            .split(|byte| *byte == b';')
            .filter(|directive| {
                let name = directive.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
                !name.eq_ignore_ascii_case(b"frame-ancestors")
            })
            .collect();
        let policy = directives.join(&b';');
        if !policy.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';') {
            kept.push(policy);
        }
    }
    (!kept.is_empty()).then(|| kept.join(&b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label { channel: "shop".to_owned(), port: 3000 }
    }

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        headers.iter().map(parse).collect()
    }

    fn inwards(headers: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(headers);
        inward(&mut headers, &label(), 4000);
        headers
    }

    fn outwards(name: &str, value: &str) -> Option<String> {
        let mut headers = map(&[(name, value)]);
        outward(&mut headers, &label(), 4000);
        headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_server_believes_to_be_on_localhost() {
        let headers = inwards(&[("host", "shop-3000.localhost:4000"), ("cookie", "a=b")]);
        let expected = map(&[
            ("host", "localhost:3000"),
            ("cookie", "a=b"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop-3000.localhost:4000"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn origin_and_host_agree() {
        let headers = inwards(&[
            ("origin", "http://shop-3000.localhost:4000"),
            ("referer", "http://shop-3000.localhost:4000/a?b=http://shop-3000.localhost:4000"),
            ("x-forwarded-host", "forged.example"),
        ]);
        assert_eq!(headers["origin"], "http://localhost:3000");
        assert_eq!(headers["referer"], "http://localhost:3000/a?b=http://shop-3000.localhost:4000");
        assert!(!headers.contains_key("x-forwarded-host"));

        let sibling = inwards(&[("origin", "http://shop-5173.localhost:4000")]);
        assert_eq!(sibling["origin"], "http://localhost:5173");
    }

    #[test]
    fn other_origins_are_seen_as_they_are() {
        for origin in [
            "http://other-3000.localhost:4000",
            "http://shop-3000.localhost:4001",
            "https://shop-3000.localhost:4000",
            "http://shop-3000.localhost:4000.evil.example",
            "http://shop-3000.localhost:4000\\@evil.example:4000",
            "https://evil.example",
            "null",
        ] {
            if origin.contains('\\') {
                // No browser sends this; what follows the backslash is not taken for the host.
                assert!(inwards(&[("origin", origin)])["origin"].to_str().unwrap().ends_with("\\@evil.example:4000"));
            } else {
                assert_eq!(inwards(&[("origin", origin)])["origin"], origin);
            }
        }
    }

    #[test]
    fn what_holds_for_a_connection_goes() {
        let kept = inwards(&[
            ("connection", "close, X-Private"),
            ("connection", "upgrade"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("proxy-authorization", "Basic eDp5"),
            ("expect", "100-continue"),
            ("x-public", "1"),
        ]);
        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "x-forwarded-host", "x-forwarded-proto", "x-public"]);
    }

    #[test]
    fn an_upgrade_is_one_only_when_the_connection_says_so() {
        let asked = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade(&asked).unwrap(), "websocket");
        assert_eq!(upgrade(&map(&[("upgrade", "websocket")])), None);
        assert_eq!(upgrade(&map(&[("connection", "upgrade")])), None);
    }

    #[test]
    fn redirects_to_localhost_lead_to_previews() {
        for (url, expected) in [
            ("http://localhost:3000/a?b#c", "http://shop-3000.localhost:4000/a?b#c"),
            ("http://127.0.0.1:3000", "http://shop-3000.localhost:4000"),
            ("http://[::1]:3000/", "http://shop-3000.localhost:4000/"),
            ("http://[::1]/", "http://shop-80.localhost:4000/"),
            ("http://0.0.0.0:3000/", "http://shop-3000.localhost:4000/"),
            ("http://localhost?x", "http://shop-80.localhost:4000?x"),
            ("//LOCALHOST:8000/x", "http://shop-8000.localhost:4000/x"),
            // As they were.
            ("/a", "/a"),
            ("a//localhost:3000/", "a//localhost:3000/"),
            ("https://localhost:3000/", "https://localhost:3000/"),
            ("http://localhost.example:3000/", "http://localhost.example:3000/"),
            ("http://localhost:x/", "http://localhost:x/"),
            ("http://localhost:0/", "http://localhost:0/"),
            ("http://localhost:65536/", "http://localhost:65536/"),
            ("http://user@localhost:3000/", "http://user@localhost:3000/"),
            ("http://example.org/?http://localhost:3000/", "http://example.org/?http://localhost:3000/"),
        ] {
            assert_eq!(outwards("location", url).unwrap(), expected, "{url}");
        }
        let allowed = outwards("access-control-allow-origin", "http://localhost:5173").unwrap();
        assert_eq!(allowed, "http://shop-5173.localhost:4000");
        assert_eq!(outwards("access-control-allow-origin", "*").unwrap(), "*");
    }

    #[test]
    fn a_cookie_belongs_to_one_preview() {
        for (cookie, expected) in [
            ("a=b; Domain=localhost; Path=/", "a=b; Path=/"),
            ("a=b;domain=.localhost;HttpOnly;DOMAIN = x", "a=b;HttpOnly"),
            ("domain=x; Path=/", "domain=x; Path=/"),
            ("a=b; Domain", "a=b"),
            ("a=\"x; y\"; SameSite=Lax", "a=\"x; y\"; SameSite=Lax"),
        ] {
            assert_eq!(outwards("set-cookie", cookie).unwrap(), expected, "{cookie}");
        }
        let mut several = map(&[("set-cookie", "a=1; Domain=x"), ("set-cookie", "b=2")]);
        outward(&mut several, &label(), 4000);
        assert_eq!(several.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    }

    #[test]
    fn a_preview_may_be_framed_and_nothing_else_of_its_policy_is_lost() {
        assert_eq!(outwards("x-frame-options", "DENY"), None);
        for (policy, expected) in [
            ("default-src 'self'", Some("default-src 'self'")),
            ("frame-ancestors 'none'", None),
            ("default-src 'self'; Frame-Ancestors 'none' ; img-src *", Some("default-src 'self'; img-src *")),
            ("frame-ancestors a; , script-src b;frame-ancestors", Some(" script-src b")),
            ("frame-src x; report-uri /frame-ancestors", Some("frame-src x; report-uri /frame-ancestors")),
        ] {
            assert_eq!(outwards("content-security-policy", policy).as_deref(), expected, "{policy}");
        }
    }

    #[test]
    fn others_cannot_embed_what_does_not_ask_for_it() {
        assert_eq!(outwards("cross-origin-resource-policy", "cross-origin").unwrap(), "cross-origin");
        let mut headers = HeaderMap::new();
        outward(&mut headers, &label(), 4000);
        assert_eq!(headers, map(&[("cross-origin-resource-policy", "same-origin")]));
    }
}

//! What a person sees where a preview has nothing to show: plain pages without any resource of another place.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use rand::Rng;

use super::label::Label;

/// Where a page that waits asks whether the port answers; no request for it reaches a sandbox.
pub(super) const READY: &str = "/.berth/ready";

/// What a browser is answered: the server's own stream, or a page of ours.
pub(super) type Answer = Response<Either<Incoming, Full<Bytes>>>;

const TEMPLATE: &str = include_str!("page.html");

/// Asks every second, less often while nobody looks, and loads the preview once the port answers.
const WAITING: &str = r#"
const again = async () => {
  try {
    const answer = await fetch("{{READY}}", { cache: "no-store" });
    if (answer.status === 204) return location.reload();
  } catch {}
  setTimeout(again, document.hidden ? 5000 : 1000);
};
setTimeout(again, 1000);
"#;

/// A page's words.
pub(super) struct Page {
    status: StatusCode,
    title: String,
    text: String,
    /// Whether it waits for the port by itself.
    waits: bool,
}

impl Page {
    fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status, title: title.into(), text: text.into(), waits: false }
    }

    fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    pub(super) fn misdirected() -> Self {
        let text = "This is Berth's preview gateway. It answers only to addresses of previews.";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "Not an address of a preview", text)
    }

    pub(super) fn unknown() -> Self {
        let text = "A preview's address begins with the channel's name and the port, as in my-channel-3000.localhost.";
        Self::new(StatusCode::NOT_FOUND, "No preview has this address", text)
    }

    pub(super) fn no_tunnel() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This is no proxy", "A preview is asked for by its own address.")
    }

    pub(super) fn no_channel(label: &Label) -> Self {
        let text = "It was renamed or destroyed. Open the preview from Berth to get its address.";
        Self::new(StatusCode::NOT_FOUND, format!("There is no channel named {}", label.channel), text)
    }

    pub(super) fn not_running(label: &Label, how: &str) -> Self {
        let text = "If it does not start by itself, wake it in Berth. This page loads once the server answers.";
        let title = format!("The sandbox of {} is {how}", label.channel);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title, text).waiting()
    }

    pub(super) fn nothing_answers(label: &Label) -> Self {
        let text = format!(
            "Start a server on this port in the sandbox of {}; this page loads by itself once it answers.",
            label.channel
        );
        let title = format!("Nothing answers on port {} yet", label.port);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title, text).waiting()
    }

    pub(super) fn unreachable(label: &Label, why: &str) -> Self {
        let title = format!("The sandbox of {} cannot be reached", label.channel);
        Self::new(StatusCode::BAD_GATEWAY, title, why).waiting()
    }

    pub(super) fn slow(label: &Label) -> Self {
        let text = "The connection did not come about in time. This page loads by itself once it does.";
        let title = format!("Port {} is slow to answer", label.port);
        Self::new(StatusCode::GATEWAY_TIMEOUT, title, text).waiting()
    }

    pub(super) fn not_http(label: &Label) -> Self {
        let text = "Something listens there, but it closed the connection or answered with something else than HTTP. \
                    If it is a web server, see what it printed, then reload.";
        Self::new(StatusCode::BAD_GATEWAY, format!("Port {} gave no web page", label.port), text)
    }
}

/// What is known of who asks, as far as the page's form depends on it.
pub(super) struct Reader {
    html: bool,
    /// Loading the same address again does no more than load it.
    reloads: bool,
}

impl Reader {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            html: accepts.to_ascii_lowercase().contains("text/html"),
            reloads: matches!(*request.method(), Method::GET | Method::HEAD),
        }
    }

    /// The page in the form asked for: as HTML, or as a line of text for programs.
    pub(super) fn show(&self, page: &Page) -> Answer {
        let waits = page.waits && self.reloads;
        let mut answer = if self.html {
            let nonce = format!("{:032x}", rand::rng().random::<u128>());
            let mut answer = with_body(page.status, html(page, waits, &nonce));
            let policy = format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
                 base-uri 'none'; form-action 'none'"
            );
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            answer
        } else {
            let mut answer = with_body(page.status, format!("{}. {}\n", page.title, page.text));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            answer
        };
        if page.waits {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// A status and nothing else.
pub(super) fn bare(status: StatusCode) -> Answer {
    with_body(status, String::new())
}

fn with_body(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    answer
}

fn html(page: &Page, waits: bool, nonce: &str) -> String {
    let script = if waits { WAITING.replace("{{READY}}", READY) } else { String::new() };
    // Words last: what they say is never taken for a place of the template.
    TEMPLATE
        .replace("{{NONCE}}", nonce)
        .replace("{{SCRIPT}}", &script)
        .replace("{{WAITS}}", if waits { "waits" } else { "" })
        .replacen("{{TEXT}}", &escaped(&page.text), 1)
        .replace("{{TITLE}}", &escaped(&page.title))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '{' => escaped.push_str("&#123;"),
            other => escaped.push(other),
        }
    }
    escaped
}

//! One request and its response.

use http_body_util::{Either, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;

use super::headers;
use super::label::{Label, NotAPreview};
use super::pages::{self, Answer, Page, READY};
use super::pool::{Body, Failure, Pool};
use super::{Tasks, UpstreamError};

/// What every exchange of one gateway needs.
pub(super) struct Exchange {
    pub gateway: u16,
    pub pool: Pool,
    pub tasks: Tasks,
}

impl Exchange {
    /// Answers a request, whatever happens.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let reader = pages::Reader::of(&request);
        let label = match Label::of(&request, self.gateway) {
            Ok(label) => label,
            Err(NotAPreview::Misdirected) => return reader.show(&Page::misdirected()),
            Err(NotAPreview::Unknown) => return reader.show(&Page::unknown()),
        };
        if request.method() == Method::CONNECT {
            return reader.show(&Page::no_tunnel());
        }
        if request.uri().path() == READY {
            return self.ready(&label, request.method()).await;
        }
        match self.pass_on(&label, request).await {
            Ok(answer) => answer,
            Err(failure) => reader.show(&page_of(&label, &failure)),
        }
    }

    /// Whether something accepts connections on the port, as a status without a page.
    async fn ready(&self, label: &Label, method: &Method) -> Answer {
        let status = if !matches!(*method, Method::GET | Method::HEAD) {
            StatusCode::METHOD_NOT_ALLOWED
        } else if self.pool.connect(label).await.is_ok() {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        pages::bare(status)
    }

    async fn pass_on(&self, label: &Label, mut request: Request<Incoming>) -> Result<Answer, Failure> {
        let wanted = headers::upgrade(request.headers());
        let browser = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        headers::inward(&mut parts.headers, label, self.gateway);
        // The server is asked for a path, whatever form the browser's target had.
        parts.uri = origin_form(&parts.uri);
        parts.version = Version::HTTP_11;

        let mut response = match (wanted, browser) {
            (Some(protocol), Some(browser)) => {
                headers::keep_upgrade(&mut parts.headers, protocol);
                let request = Request::from_parts(parts, Either::Left(body));
                let mut response = self.pool.send_alone(label, request).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    let server = hyper::upgrade::on(&mut response);
                    self.tasks.spawn(async move {
                        if let Err(error) = splice(browser, server).await {
                            tracing::debug!(%error, "an upgraded connection broke");
                        }
                    });
                }
                response
            }
            _ => {
                let bodiless = body.is_end_stream();
                // What a server must be able to be asked twice (RFC 9110, 9.2.2), and what we can still send.
                let repeat = (bodiless && parts.method.is_idempotent())
                    .then(|| Request::from_parts(parts.clone(), Body::Right(Empty::new())));
                let body = if bodiless { Body::Right(Empty::new()) } else { Body::Left(body) };
                let response = self.pool.send(label, Request::from_parts(parts, body), repeat).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    return Err(Failure::Unasked);
                }
                response
            }
        };

        let granted = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
            .then(|| headers::upgrade(response.headers()))
            .flatten();
        headers::outward(response.headers_mut(), label, self.gateway);
        if let Some(protocol) = granted {
            headers::keep_upgrade(response.headers_mut(), protocol);
        }
        // A server may speak HTTP/1.0; this connection goes on all the same.
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(Either::Left))
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// Joins both sides of an upgraded connection until both are done.
async fn splice(browser: hyper::upgrade::OnUpgrade, server: hyper::upgrade::OnUpgrade) -> std::io::Result<()> {
    let (browser, server) = futures::try_join!(browser, server).map_err(std::io::Error::other)?;
    tokio::io::copy_bidirectional(&mut TokioIo::new(browser), &mut TokioIo::new(server)).await?;
    Ok(())
}

fn page_of(label: &Label, failure: &Failure) -> Page {
    match failure {
        Failure::Connect(UpstreamError::NoSuchChannel) => Page::no_channel(label),
        Failure::Connect(UpstreamError::NotRunning(how)) => Page::not_running(label, how),
        Failure::Connect(UpstreamError::Refused) => Page::nothing_answers(label),
        Failure::Connect(UpstreamError::Other(why)) => Page::unreachable(label, why),
        Failure::Slow => Page::slow(label),
        Failure::Http(error) => {
            tracing::debug!(%error, %label, "a preview's port gave no HTTP response");
            Page::not_http(label)
        }
        Failure::Unasked => Page::not_http(label),
    }
}

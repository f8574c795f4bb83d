//! MCP over HTTP on this computer: streamable HTTP at `/mcp/<channel>`, for clients that are no child process of ours.
//!
//! Any page a person's browser shows can send requests to 127.0.0.1. So a request must carry a token that only this
//! user can read, its `Host` must be our own address (or a name could be pointed at it: DNS rebinding), and an
//! `Origin`, which browsers send and MCP clients do not, must be our own too.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use berth_model::{Author, Channel, ChannelGet, ChannelId, ChannelRef};
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

use crate::server::BerthServer;
use crate::toolbox::{Toolbox, ask};

/// The largest request: a file that is written comes in one.
const BODY: usize = 16 * 1024 * 1024;

/// How long a session outlives its last request; what the client has read is forgotten with it.
const SESSION: Duration = Duration::from_secs(8 * 3_600);

/// MCP over HTTP, listening but not yet served.
#[derive(Debug)]
pub struct HttpDoor {
    listener: TcpListener,
    port: u16,
    token: String,
    token_file: PathBuf,
    sessions: Sessions,
}

/// The sessions of clients that come by HTTP. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Mutex<Vec<Weak<LocalSessionManager>>>>);

impl Sessions {
    /// How many there are now.
    pub async fn live(&self) -> usize {
        let managers: Vec<_> = {
            let mut managers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            managers.retain(|manager| manager.strong_count() > 0);
            managers.iter().filter_map(Weak::upgrade).collect()
        };
        let mut live = 0;
        for manager in managers {
            live += manager.sessions.read().await.len();
        }
        live
    }

    fn count(&self, manager: &Arc<LocalSessionManager>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(manager));
    }
}

impl HttpDoor {
    /// Listens on 127.0.0.1, at `port` where that is free. The token is kept in `runtime_dir`, which must be private,
    /// and is the same while the folder lasts, so that clients' settings stay true.
    pub async fn bind(runtime_dir: &Path, port: u16) -> io::Result<Self> {
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let port = listener.local_addr()?.port();
        let token_file = runtime_dir.join("mcp-token");
        let token = token(&token_file)?;
        Ok(Self { listener, port, token, token_file, sessions: Sessions::default() })
    }

    /// The address that channels' names and ids are appended to: `http://127.0.0.1:PORT/mcp`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// The file that holds the token.
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// The sessions of its clients.
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Serves for as long as it is polled.
    pub fn serve(self, toolbox: Arc<dyn Toolbox>) -> BoxFuture<'static, io::Result<()>> {
        let guard = Arc::new(Guard { port: self.port, token: self.token });
        let channels = Channels { toolbox, served: Arc::default(), sessions: self.sessions };
        let router = Router::new()
            .route("/mcp/{channel}", any(serve_channel))
            .with_state(channels)
            .layer(middleware::from_fn_with_state(guard, admit));
        Box::pin(async move { axum::serve(self.listener, router).await })
    }
}

/// The token of an earlier engine where it is whole, else a new one of 256 bits.
fn token(path: &Path) -> io::Result<String> {
    if let Ok(token) = std::fs::read_to_string(path)
        && token.len() == 64
        && token.bytes().all(|byte| byte.is_ascii_hexdigit())
        && is_private(path)
    {
        return Ok(token);
    }
    let token: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(&draft)?, token.as_bytes())?;
    std::fs::rename(&draft, path)?;
    Ok(token)
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

struct Guard {
    port: u16,
    token: String,
}

/// Lets in who is us: by the address it used, by the page it comes from, by the token it has.
async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

impl Guard {
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let ours = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let host = value(header::HOST).map(str::to_ascii_lowercase);
        if !host.is_some_and(|host| ours.contains(&host)) {
            let message = "This server has another address.\n";
            return Some((StatusCode::MISDIRECTED_REQUEST, message).into_response());
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = value(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            if !origin.is_some_and(|origin| ours.iter().any(|ours| ours == origin)) {
                return Some((StatusCode::FORBIDDEN, "No page may ask this server.\n").into_response());
            }
        }
        let given = value(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(self.token.as_bytes())) {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            let message = "A token is needed; `berthctl call app.info` names its file.\n";
            return Some((StatusCode::UNAUTHORIZED, challenge, message).into_response());
        }
        None
    }
}

type Service = StreamableHttpService<BerthServer, LocalSessionManager>;

/// The channels that were asked for, each with its sessions.
#[derive(Clone)]
struct Channels {
    toolbox: Arc<dyn Toolbox>,
    served: Arc<Mutex<HashMap<ChannelId, Served>>>,
    sessions: Sessions,
}

struct Served {
    name: String,
    server: BerthServer,
    service: Service,
}

impl Channels {
    async fn service(&self, asked: String) -> Result<Service, Response> {
        let request = ChannelGet { channel: ChannelRef(asked.clone()), wait_s: None };
        let channel: Result<Channel, _> = ask(&*self.toolbox, &Author::Berth, "channel.get", &request).await;
        let mut all = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channel.map_err(|error| {
            // A destroyed channel takes its sessions with it.
            all.retain(|id, served| id.0 != asked && served.name != asked);
            (StatusCode::NOT_FOUND, format!("{}\n", error.message)).into_response()
        })?;
        let served = all.entry(channel.id.clone()).or_insert_with(|| {
            let server = BerthServer::new(self.toolbox.clone(), &channel);
            let mut sessions = LocalSessionManager::default();
            sessions.session_config.keep_alive = Some(SESSION);
            let config = StreamableHttpServerConfig::default().with_max_request_body_bytes(BODY);
            let template = server.clone();
            let factory = move || Ok(template.for_another_client());
            let sessions = Arc::new(sessions);
            self.sessions.count(&sessions);
            let service = StreamableHttpService::new(factory, sessions, config);
            Served { name: String::new(), server, service }
        });
        served.name.clone_from(&channel.name);
        served.server.describe(&channel);
        Ok(served.service.clone())
    }
}

async fn serve_channel(
    State(channels): State<Channels>,
    UrlPath(channel): UrlPath<String>,
    request: Request,
) -> Response {
    match channels.service(channel).await {
        Ok(service) => service.handle(request).await.map(Body::new),
        Err(response) => response,
    }
}

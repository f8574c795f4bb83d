//! `berthctl`: Berth's commands for scripts, tests and MCP clients, and the engine without a window.
//!
//! It holds no logic: each subcommand is a few calls of the table of `berth-model`, over the socket of the engine that
//! owns the data folder. [`link`] starts one where none runs.

mod check;
mod engine;
mod help;
mod link;
mod proxy;
mod tools;

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use berth_engine::front::client::Update;
use berth_engine::front::folders::Folders;
use berth_mcp::BerthServer;
use berth_model::{Author, Channel, ErrorCode, RpcError};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::link::Link;

/// Berth's commands for scripts, tests and MCP clients.
///
/// With no app running it starts an engine without a window, which ends itself when nobody has needed it for a while;
/// sandboxes outlive both.
#[derive(Debug, Parser)]
#[command(name = "berthctl", version, after_help = help::ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Calls a command and prints its reply as JSON; `berthctl help call` lists the commands
    ///
    /// Exit code 0, or 1 with the error's JSON ({code, message, hint?, causes?}) on standard error. Ctrl-C stops what
    /// the command runs.
    #[command(after_long_help = help::commands())]
    Call {
        /// Its name, such as channel.list
        name: String,
        /// Its fields as a JSON object; `-` reads it from standard input
        #[arg(value_name = "JSON")]
        payload: Option<String>,
    },
    /// Prints where things stand and then every change, a line of JSON each
    ///
    /// The first line is {"snapshot":…}, the others are {"event":…}. Another snapshot follows where events were lost.
    Events,
    /// Serves a channel's sandbox to an MCP client over standard input and output
    Mcp {
        /// The channel: its name or id
        #[arg(long)]
        channel: String,
        /// Make the channel if there is none of this name
        #[arg(long)]
        create: bool,
    },
    /// Runs the engine without a window, in the foreground; also serves MCP over HTTP
    Engine {
        /// End after so many seconds in which nobody needed it
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        idle: u64,
        /// Leave the terminal, and log to <data>/logs
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Connects to a machine step by step and tries what a sandbox needs; exit code 0 only if it can be one
    ///
    /// It asks nobody: give it a key that needs no passphrase or is in the agent, and a host key that is known.
    Check {
        /// ssh://user@host:port, user@host, or a name of ~/.ssh/config
        address: String,
        /// A private key to try first
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// A file of known hosts to read instead of OpenSSH's own
        #[arg(long, value_name = "FILE")]
        known_hosts: Option<PathBuf>,
        /// Print {ok, checks: [{id, ok, detail, hint?, …}], round_trip_ms}
        #[arg(long)]
        json: bool,
    },
    /// Connects standard input and output to a sandbox's SSH server: OpenSSH's ProxyCommand
    Proxy {
        /// The channel: its name or id
        channel: String,
    },
    /// Prints a block for ~/.ssh/config with which ssh, scp, sftp and rsync reach a sandbox
    SshConfig {
        /// The channel: its name or id
        channel: String,
    },
}

/// Why a subcommand ended without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// An error of the table, for a person to read.
    #[error("{0}")]
    Rpc(#[from] RpcError),
    /// An error of the table, for a program to read.
    #[error("{0}")]
    Json(RpcError),
    /// Standard input or output.
    #[error("standard input or output failed")]
    Stdio(#[from] io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// The report, which was printed, says why.
    #[error("this machine cannot be a sandbox")]
    NoSandbox,
    /// Another engine owns the data folder: told apart by its exit code, for who started this one.
    #[error("{0}")]
    Held(berth_engine::front::lock::LockError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has read enough.
        Err(Failure::Stdio(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure);
            match failure {
                Failure::Held(_) => ExitCode::from(engine::HELD),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn tell(failure: &Failure) {
    let mut text = match failure {
        Failure::Json(error) => json!(error).to_string(),
        Failure::Rpc(error) => {
            let mut text = format!("error: {}", error.message);
            for cause in &error.causes {
                text.push_str(&format!("\nbecause: {cause}"));
            }
            if let Some(hint) = &error.hint {
                text.push_str(&format!("\nhint: {hint}"));
            }
            text
        }
        other => {
            let mut text = format!("error: {other}");
            let mut source = match other {
                Failure::Other(error) => error.source(),
                other => std::error::Error::source(other),
            };
            while let Some(cause) = source {
                text.push_str(&format!("\nbecause: {cause}"));
                source = cause.source();
            }
            text
        }
    };
    text.push('\n');
    // There is nobody left to tell when this fails.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn run(command: Command) -> Result<(), Failure> {
    let folders = Folders::from_env().map_err(|error| Failure::Other(error.into()))?;
    if let Command::Engine { idle, detached } = command {
        return engine::run(&folders, Duration::from_secs(idle), detached);
    }
    log_to_stderr();
    if let Command::Check { address, identity, known_hosts, json } = command {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(check::run(&folders, &address, identity, known_hosts, json));
        runtime.shutdown_background();
        return done;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let link = Link::new(folders);
    let done = match command {
        Command::Call { name, payload } => runtime.block_on(call(&link, &name, payload)),
        Command::Events => runtime.block_on(events(&link)),
        Command::Mcp { channel, create } => runtime.block_on(mcp(link, &channel, create)),
        Command::Proxy { channel } => {
            let access = runtime.block_on(link.call_as(&Author::Script, "sandbox.ssh", json!({ "channel": channel })));
            access.map_err(Failure::from).and_then(|access| proxy::run(&access))
        }
        Command::SshConfig { channel } => runtime.block_on(ssh_config(&link, &channel)),
        Command::Engine { .. } | Command::Check { .. } => Ok(()),
    };
    // A read of standard input that still waits must not keep the process.
    runtime.shutdown_background();
    done
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BERTH_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Prints a line at once: whoever reads it may be waiting for it.
fn print(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

async fn call(link: &Link, name: &str, payload: Option<String>) -> Result<(), Failure> {
    let text = match payload.as_deref() {
        Some("-") => {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text)?;
            text
        }
        Some(text) => text.to_owned(),
        None => "{}".to_owned(),
    };
    let payload: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::Json(RpcError::new(ErrorCode::BadRequest, format!("The payload is no JSON: {error}.")))
    })?;
    let mut calling = std::pin::pin!(link.call_as(&Author::Script, name, payload));
    let reply = tokio::select! {
        reply = &mut calling => reply.map_err(Failure::Json)?,
        // Leaving is enough: the engine stops what a client that leaves was running.
        _ = tokio::signal::ctrl_c() => {
            return Err(Failure::Json(RpcError::new(ErrorCode::Cancelled, format!("{name} was interrupted."))));
        }
    };
    print(&reply.to_string())
}

async fn events(link: &Link) -> Result<(), Failure> {
    let client = link.client().await?;
    let mut updates = client.subscribe().await.map_err(RpcError::from)?;
    let mut reader_gone = std::pin::pin!(stdout_closed());
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            // Nothing may happen for hours, and only a write would tell.
            () = &mut reader_gone => return Ok(()),
        };
        let line = match update {
            Some(Update::Snapshot(snapshot)) => json!({ "snapshot": snapshot }),
            Some(Update::Event(event)) => json!({ "event": event }),
            None => {
                let hint = "Run it again; the first line says where things stand.";
                return Err(RpcError::new(ErrorCode::Failed, "The engine has ended.").hint(hint).into());
            }
        };
        print(&line.to_string())?;
    }
}

/// Ends when nobody can read standard output any more, as far as that can be known.
#[cfg(unix)]
async fn stdout_closed() {
    use std::os::fd::AsFd as _;
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    let output = io::stdout().as_fd().try_clone_to_owned();
    // Unchecked leaves it blocking: it is only watched here. A file cannot be, and has no reader that could leave.
    match output.and_then(Sender::from_owned_fd_unchecked) {
        Ok(output) => drop(output.ready(Interest::ERROR).await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn stdout_closed() {
    std::future::pending().await
}

async fn mcp(link: Link, name: &str, create: bool) -> Result<(), Failure> {
    // The client's own time limit for starting a server is a few seconds: a sandbox that takes longer to come up is
    // waited for by the first action.
    let wait = json!({ "channel": name, "wait_s": 5 });
    let channel = match link.call_as(&Author::Script, "channel.get", wait.clone()).await {
        Err(error) if error.code == ErrorCode::NotFound && create => {
            let author = Author::Script;
            match link.call_as(&author, "channel.create", json!({ "name": name })).await {
                // Two clients may start at once.
                Err(error) if error.code != ErrorCode::Conflict => return Err(error.into()),
                _ => link.call_as(&author, "channel.get", wait).await?,
            }
        }
        other => other?,
    };
    let channel: Channel = serde_json::from_value(channel).map_err(|error| Failure::Other(error.into()))?;
    let server = BerthServer::new(Arc::new(link), &channel);
    server.serve_stdio().await.map_err(Failure::Other)
}

async fn ssh_config(link: &Link, channel: &str) -> Result<(), Failure> {
    let access = link.call_as(&Author::Script, "sandbox.ssh", json!({ "channel": channel })).await?;
    print(access["config"].as_str().unwrap_or_default().trim_end())
}

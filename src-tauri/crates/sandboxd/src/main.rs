//! `sandboxd`: the first process of a sandbox on this computer, by which it is a machine reached by SSH.
//!
//! It reads one JSON object from standard input (see [`settings`]), takes its lock, listens on its socket, prints
//! `ready` and closes standard output. From then on it serves SSH, reaps what is orphaned, leads the sandbox's web
//! traffic out, and ends everything on SIGTERM or when the sandbox exceeds its limits.
//! `sandboxd --connect SOCKET` is a client's way to that socket from outside (see [`berth_ssh::stdio`]).
//!
//! Where standard input is a socket that listens already, it serves that one, and its settings come on the socket that
//! standard output is: so the way to it lies in no folder of the sandbox.
//!
//! It isolates nothing: the namespaces it runs in are made by whoever starts it. It works outside of any, too.

#![cfg(unix)]

#[cfg(target_os = "linux")]
mod abstract_sockets;
mod egress;
mod processes;
mod settings;
mod watchdog;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;

use berth_ssh::server::{Children, Server};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
use nix::sys::stat::{Mode, umask};
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::Settings;

/// Why `sandboxd` could not serve, or ended by itself.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the settings on standard input do not make sense: {0}")]
    Settings(#[from] serde_json::Error),
    #[error("the settings name no socket, and none was given")]
    NoSocket,
    #[error("another sandboxd holds the lock {0}")]
    Locked(String),
    #[error("{what}: {cause}")]
    System { what: String, cause: io::Error },
    #[error(transparent)]
    Exceeded(#[from] watchdog::Exceeded),
}

/// Says what was attempted when the system refuses.
trait Attempt<T> {
    fn attempt(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|cause| Failure::System { what: what.to_string(), cause: cause.into() })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        [] => start(),
        ["--connect", socket] => {
            berth_ssh::stdio::connect(Path::new(socket)).attempt(format_args!("the connection to {socket} failed"))
        }
        ["--version"] => {
            writeln!(io::stdout(), "sandboxd {}", env!("CARGO_PKG_VERSION")).attempt("could not say the version")
        }
        _ => {
            log("usage: sandboxd < settings.json | sandboxd --connect SOCKET | sandboxd --version");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log(failure);
            ExitCode::FAILURE
        }
    }
}

/// Standard error is the log. When nobody reads it any more there is nobody to tell.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "sandboxd: {line}");
}

fn start() -> Result<(), Failure> {
    // What runs in the sandbox runs as the same user, who may otherwise look into this process and change it: its
    // memory has the host key, its descriptors lead outside.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).attempt("could not close this process to others")?;
    let given = given_listener().attempt("could not take the socket over")?;
    let (settings, listener) = match given {
        Some((listener, control)) => (Settings::read(control)?, Some(listener)),
        None => (Settings::read(io::stdin())?, None),
    };
    let _lock = lock(&settings.lock)?;
    #[cfg(target_os = "linux")]
    if processes::is_first()
        && let Err(error) = abstract_sockets::keep_to_own()
    {
        // Only of interest where the network is shared, and there whoever started this has said so.
        log(format_args!("abstract sockets are not restricted: {error}"));
    }
    watchdog::limit_tasks(settings.limits).attempt("could not limit the processes")?;
    let listener = match (listener, &settings.socket) {
        (Some(listener), _) => listener,
        (None, Some(path)) => listen(path)?,
        (None, None) => return Err(Failure::NoSocket),
    };
    listener.set_nonblocking(true).attempt("could not prepare the socket")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .attempt("could not start the runtime")?;
    let socket = settings.socket.clone();
    let result = runtime.block_on(serve(settings, listener));
    if let Some(socket) = socket {
        let _ = std::fs::remove_file(socket);
    }
    // Nothing that this process does may outlive the processes it ends.
    runtime.shutdown_background();
    if result.is_ok() {
        processes::ask_to_end();
    }
    processes::end_all();
    result
}

fn lock(path: &Path) -> Result<Flock<File>, Failure> {
    // One that was made outside cannot be written to.
    let file = File::open(path).or_else(|_| File::options().create(true).append(true).open(path));
    let file = file.attempt(format_args!("could not open the lock {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| Failure::Locked(path.display().to_string()))
}

fn listen(path: &Path) -> Result<UnixListener, Failure> {
    // Whoever held the lock before may have left it.
    let _ = std::fs::remove_file(path);
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener.attempt(format_args!("could not listen on {}", path.display()))
}

/// The socket that whoever started this process listens on already, and where the settings come from then.
fn given_listener() -> io::Result<Option<(UnixListener, File)>> {
    let stdin = io::stdin();
    if !getsockopt(&stdin, AcceptConn).unwrap_or(false) {
        return Ok(None);
    }
    let listener = UnixListener::from(stdin.as_fd().try_clone_to_owned()?);
    Ok(Some((listener, File::from(io::stdout().as_fd().try_clone_to_owned()?))))
}

async fn serve(settings: Settings, listener: UnixListener) -> Result<(), Failure> {
    let listener = tokio::net::UnixListener::from_std(listener).attempt("could not prepare the socket")?;
    let mut term = signal(SignalKind::terminate()).attempt("could not watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).attempt("could not watch for SIGINT")?;
    processes::keep_orphans();
    let children = Children::reap().attempt("could not watch for ended processes")?;
    let server = Server::new(settings.server, children);
    if let Some(egress) = settings.egress {
        egress::listen(egress).await.attempt("could not listen for web traffic")?;
    }
    announce().attempt("could not say that all is ready")?;

    tokio::select! {
        () = accept(listener, server) => Ok(()),
        exceeded = watchdog::watch(settings.limits) => Err(exceeded.into()),
        _ = term.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// The descriptors stay in use: a pipe for a command must not get the number of one that the command has as its own.
fn announce() -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&nothing)?;
    nix::unistd::dup2_stdout(&nothing)?;
    Ok(())
}

async fn accept(listener: tokio::net::UnixListener, server: Server) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Err(error) = server.serve(stream).await {
                        log(format_args!("a connection failed: {}", Causes(&error)));
                    }
                });
            }
            // No descriptor free, most likely; those in use come back.
            Err(error) => {
                log(format_args!("could not take a connection: {error}"));
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// An error with all that led to it, in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

//! One command of one session channel: its start, its streams, its end.
//!
//! The end is OpenSSH's: the exit status goes out when the command exits, and the channel closes when its output is
//! drained, which with a child left in the background that holds the output is later. A channel that goes away
//! before the command does hangs the command's process group up.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use nix::fcntl::OFlag;
use nix::spawn::PosixSpawnFileActions;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use rustix::process::WaitStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use super::ServerConfig;
use super::children::{Child, Children, Group, Program};
use super::environment::Environment;
use super::flow::Outlet;
use super::terminal::Terminal;

/// The stream number of standard error, RFC 4254 section 5.2.
const STDERR: u32 = 1;

/// One read of a command's output: what a pipe holds, so that a fast command costs few wake-ups.
const READ: usize = 64 * 1024;

/// What a client may ask a session channel to run.
pub(super) enum Command {
    /// The user's login shell.
    Shell,
    /// A line for the user's shell.
    Line(Vec<u8>),
}

/// A running command with the server's ends of its streams.
pub(super) struct Process {
    child: Child,
    streams: Streams,
}

struct Streams {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    /// A terminal shows both in one.
    stderr: Option<pipe::Receiver>,
    /// Open for as long as the command is served.
    _terminal: Option<Arc<Terminal>>,
}

/// How a command's channel is written to.
pub(super) struct Client {
    pub channel: ChannelWriteHalf<Msg>,
    pub session: Handle,
}

impl Process {
    pub fn start(
        config: &ServerConfig,
        children: &Children,
        command: &Command,
        environment: &Environment,
        terminal: Option<Arc<Terminal>>,
    ) -> io::Result<Self> {
        let mut program = Program {
            path: &config.shell,
            arguments: arguments(&config.shell, command)?,
            environment: environment.to_strings()?,
            directory: &config.home,
            descriptors: PosixSpawnFileActions::init()?,
        };
        if let Some(terminal) = terminal {
            // The child leads a session without a terminal, so the one that it opens first becomes the session's.
            program.descriptors.add_open(0, terminal.device(), OFlag::O_RDWR, Mode::empty())?;
            program.descriptors.add_dup2(0, 1)?;
            program.descriptors.add_dup2(0, 2)?;
            let (stdin, stdout) = terminal.streams()?;
            let streams = Streams { stdin, stdout, stderr: None, _terminal: Some(terminal) };
            return Ok(Self { child: children.spawn(program)?, streams });
        }
        let ((theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err)) =
            (io::pipe()?, io::pipe()?, io::pipe()?);
        program.descriptors.add_dup2(theirs_in.as_raw_fd(), 0)?;
        program.descriptors.add_dup2(theirs_out.as_raw_fd(), 1)?;
        program.descriptors.add_dup2(theirs_err.as_raw_fd(), 2)?;
        let streams = Streams {
            stdin: pipe::Sender::from_owned_fd(OwnedFd::from(ours_in))?,
            stdout: pipe::Receiver::from_owned_fd(OwnedFd::from(ours_out))?,
            stderr: Some(pipe::Receiver::from_owned_fd(OwnedFd::from(ours_err))?),
            _terminal: None,
        };
        Ok(Self { child: children.spawn(program)?, streams })
    }

    pub fn group(&self) -> Group {
        self.child.group()
    }

    /// Carries bytes until the command and its output have ended, or until the client has `left`.
    pub async fn serve(self, input: Outlet, client: Client, left: CancellationToken) {
        let Self { mut child, streams: Streams { stdin, stdout, stderr, _terminal } } = self;
        let group = child.group();
        let run = async {
            tokio::join!(conclude(&mut child, feed(input, stdin), &client), drain(stdout, &client, None), async {
                if let Some(stderr) = stderr {
                    drain(stderr, &client, Some(STDERR)).await;
                }
            },);
            let _ = client.channel.eof().await;
            let _ = client.channel.close().await;
        };
        tokio::select! {
            () = run => {}
            () = left.cancelled() => group.hang_up(),
        }
    }
}

fn arguments(shell: &Path, command: &Command) -> io::Result<Vec<CString>> {
    let name = shell.file_name().unwrap_or(shell.as_os_str()).as_bytes();
    Ok(match command {
        // The leading dash is what tells a shell that it is a login shell.
        Command::Shell => vec![CString::new([b"-", name].concat())?],
        Command::Line(line) => vec![CString::new(name)?, CString::new("-c")?, CString::new(line.as_slice())?],
    })
}

/// Feeds the command until it exits, then tells how it did.
async fn conclude(child: &mut Child, feed: impl Future<Output = ()>, client: &Client) {
    let fed_for_ever = async {
        feed.await;
        std::future::pending::<()>().await;
    };
    let status = tokio::select! {
        status = child.exited() => status,
        () = fed_for_ever => None,
    };
    let Some(status) = status else { return };
    report(status, client).await;
}

async fn report(status: WaitStatus, client: &Client) {
    if let Some(signal) = status.terminating_signal() {
        let id = client.channel.id();
        // The lowest bit above the signal's seven says that the core was dumped.
        let dumped = status.as_raw() & 0x80 != 0;
        let _ = client.session.exit_signal_request(id, signal_name(signal), dumped, String::new(), String::new()).await;
    } else if let Some(code) = status.exit_status() {
        let _ = client.channel.exit_status(code.unsigned_abs()).await;
    }
}

fn signal_name(number: i32) -> Sig {
    let name = Signal::try_from(number).map(Signal::as_str).unwrap_or("SIG");
    Sig::Custom(name.strip_prefix("SIG").unwrap_or(name).to_owned())
}

/// The signal that a client means, if Linux has it.
pub(super) fn signal_number(signal: &Sig) -> Option<Signal> {
    Some(match signal {
        Sig::ABRT => Signal::SIGABRT,
        Sig::ALRM => Signal::SIGALRM,
        Sig::FPE => Signal::SIGFPE,
        Sig::HUP => Signal::SIGHUP,
        Sig::ILL => Signal::SIGILL,
        Sig::INT => Signal::SIGINT,
        Sig::KILL => Signal::SIGKILL,
        Sig::PIPE => Signal::SIGPIPE,
        Sig::QUIT => Signal::SIGQUIT,
        Sig::SEGV => Signal::SIGSEGV,
        Sig::TERM => Signal::SIGTERM,
        Sig::USR1 => Signal::SIGUSR1,
        Sig::Custom(name) => return format!("SIG{name}").parse().ok(),
    })
}

async fn feed(mut input: Outlet, mut stdin: pipe::Sender) {
    while let Some(bytes) = input.next().await {
        if stdin.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

async fn drain(mut output: pipe::Receiver, client: &Client, stream: Option<u32>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match output.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let bytes = buffer.split().freeze();
        let sent = match stream {
            None => client.channel.data_bytes(bytes).await,
            Some(stream) => client.channel.extended_data_bytes(stream, bytes).await,
        };
        if sent.is_err() {
            break;
        }
    }
}

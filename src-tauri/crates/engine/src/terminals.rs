//! Terminals: a login shell of the person's own, its bytes untouched.
//!
//! Where the connection may be lost, the shell runs in a terminal multiplexer that the machine has (tmux, else screen or
//! dtach): the terminal comes back by itself, on the screen as it was left. Where there is none, its first line says so.

use std::time::Duration;

use berth_model::{ChannelId, RpcError, TerminalId};
use berth_ssh::{Pty, PtyRequest, RunOptions, Session, SessionState, SshError};
use berth_tools::BORN;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::sleep;

use crate::error::ssh_error;
use crate::front::{Terminal, TerminalHost, TerminalInput, TerminalOutput};
use crate::live::Live;

/// Between two tries to come back to a terminal.
const AGAIN: Duration = Duration::from_millis(300);
/// What is said where a connection may be lost and nothing keeps a terminal.
const FLEETING: &str =
    "This machine has no tmux, screen or dtach that can be used: if the connection is lost, this terminal ends.\r\n";
/// No terminal's name begins so.
const NONE: &str = "none-";
/// So often may a terminal be lost that has never printed a thing: a server that drops who asks for one does so for ever.
const TRIES: usize = 5;
const LOST: &str = "\r\n\x1b[33mThe connection was lost. This terminal comes back when the machine does.\x1b[0m\r\n";
/// What the shell says first that is started because there is no terminal to come back to.
const ANEW: &str = "printf '\\033[33m%s\\033[0m\\n' 'What ran in this terminal has ended; this is a new shell.'; ";
const ENDED: &str = "\r\n\x1b[7m The connection was lost, and this terminal with it. \x1b[0m\r\n";
const REFUSED: &str = "\r\n\x1b[7m The machine ends the connection whenever a terminal is opened. \x1b[0m\r\n\
                       Ask who runs it whether this account may have one. Commands and files work without.\r\n";

/// Says what the machine has to keep terminals, and fails where it has nothing. All but tmux need a folder in the home.
pub(crate) const FIND_KEEPER: &str = "for p in tmux screen dtach; do command -v $p >/dev/null 2>&1 || continue
case $p in tmux) ;; *) [ -w \"$HOME/.berth\" ] || { [ ! -e \"$HOME/.berth\" ] && [ -w \"$HOME\" ]; } || continue;; esac
echo $p; exit 0; done; exit 1";

/// Where the system has no folder for screen's sockets, only root could make one.
const SCREENS: &str =
    "mkdir -p -m 700 \"$HOME/.berth\" \"$HOME/.berth/screens\"; export SCREENDIR=\"$HOME/.berth/screens\"";

/// What keeps a terminal while nobody is connected to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Tmux,
    Screen,
    Dtach,
}

impl Keeper {
    /// What the machine has. A connection that breaks meanwhile says nothing about that.
    async fn of(session: &Session) -> Result<Option<Self>, SshError> {
        let look = || session.run(FIND_KEEPER.as_bytes(), RunOptions { tidy: true, ..RunOptions::default() });
        let output = match look().await {
            Err(SshError::OutcomeUnknown {}) => look().await?,
            looked => looked?,
        };
        Ok(match output.stdout.bytes.trim_ascii() {
            b"tmux" => Some(Self::Tmux),
            b"screen" => Some(Self::Screen),
            b"dtach" => Some(Self::Dtach),
            _ => None,
        })
    }

    /// Runs `shell` in a terminal of this name, or comes back to it.
    fn attach(self, name: &str, shell: &str) -> String {
        let shell = quoted(shell);
        match self {
            // As little of tmux as possible: no line of its own, no keys, and the window's own scrollback.
            Self::Tmux => format!(
                "exec tmux -L berth -f /dev/null new-session -A -D -s {name} sh -c {shell} \\; set -g status off \\; \
                 set -g prefix None \\; unbind -a \\; set -g escape-time 0 \\; \
                 set -ga terminal-overrides ,xterm*:smcup@:rmcup@:RGB"
            ),
            Self::Screen => {
                format!("{SCREENS}; exec screen -c /dev/null -e '^@^@' -d -RR -S {name} sh -c {shell}")
            }
            Self::Dtach => format!(
                "mkdir -p -m 700 \"$HOME/.berth\" && exec dtach -A \"$HOME/.berth/{name}\" -E -z -r winch \
                 sh -c '{BORN}; _born $$; echo \"$$ $_x\" >\"$HOME/.berth/{name}.pid\"; '{shell}"
            ),
        }
    }

    /// Succeeds where the terminal of this name is there. dtach sends nobody away.
    fn look(self, name: &str) -> Option<String> {
        match self {
            Self::Tmux => Some(format!("tmux -L berth has-session -t '={name}' 2>/dev/null")),
            Self::Screen => Some(format!("{SCREENS}; screen -ls 2>/dev/null | grep -q '[0-9]\\.{name}[[:space:]]'")),
            Self::Dtach => None,
        }
    }

    /// Ends the terminals of this name, or of names that begin with it, but of those that begin with `but`.
    fn end(self, name: &str, but: &str) -> String {
        match self {
            Self::Tmux => format!(
                "tmux -L berth list-sessions -F '#{{session_name}}' 2>/dev/null | grep '^{name}' | grep -v '^{but}' | \
                 while read -r s; do tmux -L berth kill-session -t \"=$s\"; done"
            ),
            Self::Screen => format!(
                "{SCREENS}; screen -ls 2>/dev/null | sed -n 's/^[[:space:]]*\\([0-9]*\\.{name}[^[:space:]]*\\).*/\\1/p' | \
                 grep -v '\\.{but}' | \
                 while read -r s; do screen -S \"$s\" -X quit; done"
            ),
            Self::Dtach => format!(
                "{BORN}; for f in \"$HOME/.berth/{name}\"*.pid; do [ -f \"$f\" ] || continue
                 case ${{f##*/}} in {but}*) continue;; esac; p= w=; read -r p w <\"$f\"
                 _born \"$p\"; [ \"$_x\" != \"$w\" ] || kill -HUP \"$p\" 2>/dev/null
                 rm -f \"$f\" \"${{f%.pid}}\"; done"
            ),
        }
    }
}

fn quoted(text: &str) -> String {
    String::from_utf8_lossy(&berth_tools::quote(text.as_bytes())).into_owned()
}

/// A terminal that is open, as it has to be opened again.
struct Way {
    session: Session,
    keeper: Option<Keeper>,
    name: String,
    shell: String,
    size: (u16, u16),
}

impl Way {
    /// Opens it, or comes back to it: a multiplexer starts the shell only where it has none of this name.
    async fn open(&self, again: bool) -> Result<Pty, RpcError> {
        let command = match self.keeper {
            Some(keeper) if again => keeper.attach(&self.name, &format!("{ANEW}{}", self.shell)),
            Some(keeper) => keeper.attach(&self.name, &self.shell),
            None => self.shell.clone(),
        };
        let request = PtyRequest {
            cols: self.size.0,
            rows: self.size.1,
            term: "xterm-256color".to_owned(),
            command: Some(command),
        };
        self.session.pty(request).await.map_err(ssh_error)
    }

    /// Whether it only looks as if it had ended: a try of ours from before, which the network brings late, sends away
    /// whoever looks at it.
    async fn is_there(&self) -> bool {
        let Some(look) = self.keeper.and_then(|keeper| keeper.look(&self.name)) else { return false };
        loop {
            match self.session.run(look.as_bytes(), RunOptions::default()).await {
                Ok(output) => return output.exit_code == 0,
                Err(error) if error.is_final() || *self.session.state().borrow() == SessionState::Closed => {
                    return false;
                }
                Err(_) => {
                    self.session.welcome().await;
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn end(&self) {
        if let Some(keeper) = self.keeper {
            let _ = self.session.run(keeper.end(&self.name, NONE).as_bytes(), RunOptions::default()).await;
        }
    }
}

/// Opens a login shell in the channel's folder.
pub(crate) async fn open(live: &Live, channel: &ChannelId, cols: u16, rows: u16) -> Result<Terminal, RpcError> {
    let keeper = if live.keeper.is_some() { Keeper::of(&live.session).await.map_err(ssh_error)? } else { None };
    if let Some(keeper) = keeper
        && live.first_terminal()
    {
        // What an app that was killed has left: nobody can come back to it any more. It may arrive late.
        let (all, ours) = (format!("{channel}-"), format!("{channel}-{}-", live.stay));
        let _ = live.session.run(keeper.end(&all, &ours).as_bytes(), RunOptions::default()).await;
    }
    let folder = quoted(&live.workdir);
    let way = Way {
        session: live.session.clone(),
        keeper,
        name: format!("{channel}-{}-{}", live.stay, TerminalId::fresh()),
        shell: format!("cd {folder} 2>/dev/null; exec \"${{SHELL:-/bin/sh}}\" -l"),
        size: (cols, rows),
    };
    let pty = way.open(false).await?;
    let (terminal, host) = Terminal::pair();
    if keeper.is_none() && live.keeper.is_some() {
        let _ = host.output.send(TerminalOutput::Data(Bytes::from_static(FLEETING.as_bytes()))).await;
    }
    // Owned by both its ends: it is over when the viewer lets go of it or the shell ends.
    tokio::spawn(keep(way, pty, host));
    Ok(terminal)
}

/// Ends the terminals of a channel that is left: nobody can come back to them.
pub(crate) async fn end(session: &Session, channel: &ChannelId) {
    if let Ok(Some(keeper)) = Keeper::of(session).await {
        let all = format!("{channel}-");
        let _ = session.run(keeper.end(&all, NONE).as_bytes(), RunOptions::default()).await;
    }
}

/// How serving one connection of a terminal ended.
enum End {
    Exited(Option<i32>),
    Lost,
    Closed,
}

async fn keep(mut way: Way, mut pty: Pty, mut host: TerminalHost) {
    // One that has printed something works: it is a bad network that takes it away, however often.
    let (mut printed, mut tries) = (false, 0);
    loop {
        let mut end = serve(&mut way, &mut pty, &mut host, &mut printed).await;
        tries += 1;
        if matches!(end, End::Exited(_)) {
            tokio::select! {
                there = way.is_there() => if there { end = End::Lost },
                () = host.output.closed() => end = End::Closed,
            }
        }
        match end {
            // The viewer is gone: the programs are told that their terminal is, as when a window is closed.
            End::Closed => {
                let _ = pty.writer.close().await;
                return way.end().await;
            }
            End::Exited(code) => {
                let _ = host.output.send(TerminalOutput::Exit(code)).await;
                // It leaves a file.
                if way.keeper == Some(Keeper::Dtach) {
                    way.end().await;
                }
                return;
            }
            End::Lost if !printed && tries == TRIES => {
                let _ = host.output.send(TerminalOutput::Data(Bytes::from_static(REFUSED.as_bytes()))).await;
                let _ = host.output.send(TerminalOutput::Exit(None)).await;
                return way.end().await;
            }
            End::Lost if way.keeper.is_none() => {
                let _ = host.output.send(TerminalOutput::Data(Bytes::from_static(ENDED.as_bytes()))).await;
                let _ = host.output.send(TerminalOutput::Exit(None)).await;
                return;
            }
            End::Lost => {
                if host.output.send(TerminalOutput::Data(Bytes::from_static(LOST.as_bytes()))).await.is_err() {
                    return way.end().await;
                }
                match back(&mut way, &mut host, printed).await {
                    Some(again) => pty = again,
                    None => return way.end().await,
                }
            }
        }
    }
}

/// Waits for the machine; nothing where the viewer went away meanwhile. What is typed into the void is let go of.
async fn back(way: &mut Way, host: &mut TerminalHost, printed: bool) -> Option<Pty> {
    loop {
        // One that never came about is begun, and no new one.
        if let Ok(pty) = way.open(printed).await {
            return Some(pty);
        }
        let again = async {
            way.session.welcome().await;
            sleep(AGAIN).await;
        };
        tokio::select! {
            () = again => {}
            input = host.input.recv() => match input {
                Some(TerminalInput::Resize { cols, rows }) => way.size = (cols, rows),
                Some(TerminalInput::Write(_)) => {}
                None => return None,
            },
        }
    }
}

async fn serve(way: &mut Way, pty: &mut Pty, host: &mut TerminalHost, printed: &mut bool) -> End {
    // What the machine does not take yet waits here: it may take no more before it has said what it says.
    let mut writing: Option<BoxFuture<'static, Result<(), SshError>>> = None;
    loop {
        let free = writing.is_none();
        let written = async {
            match writing.as_mut() {
                Some(writing) => writing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = host.output.closed() => return End::Closed,
            // Where it failed, what is read says how it ended.
            _ = written => writing = None,
            bytes = pty.reader.recv() => match bytes {
                Some(bytes) => {
                    *printed = true;
                    if host.output.send(TerminalOutput::Data(bytes)).await.is_err() {
                        return End::Closed;
                    }
                }
                None => match pty.reader.exit_code() {
                    None if pty.reader.is_lost() => return End::Lost,
                    code => return End::Exited(code),
                },
            },
            input = host.input.recv(), if free => {
                let writer = pty.writer.clone();
                writing = Some(match input {
                    Some(TerminalInput::Write(bytes)) => async move { writer.write(bytes).await }.boxed(),
                    Some(TerminalInput::Resize { cols, rows }) => {
                        way.size = (cols, rows);
                        async move { writer.resize(cols, rows).await }.boxed()
                    }
                    None => return End::Closed,
                });
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on stops")]
mod tests {
    use std::time::Instant;

    use berth_ssh::SessionOptions;
    use berth_testbed::machine::{Home, Kind, Machine};

    use super::*;

    /// What a terminal prints until `wanted` is among it, or it ends.
    async fn prints(pty: &mut Pty, wanted: &str) -> String {
        let mut printed = String::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !printed.contains(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, pty.reader.recv()).await {
                Ok(Some(bytes)) => printed.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(None) => break,
                Err(_) => panic!("no {wanted} in {printed:?}"),
            }
        }
        printed
    }

    /// Each keeps a shell while the connection is gone, shows what it showed, and ends it when it is told to.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_keeper_keeps_a_terminal() {
        if !berth_testbed::has_terminals() {
            return;
        }
        let kind = Kind { name: "one with keepers", shell: "bash", ..Default::default() };
        let Some(machine) = Machine::start(&kind) else { return };
        for (keeper, program) in [(Keeper::Tmux, "tmux"), (Keeper::Screen, "screen"), (Keeper::Dtach, "dtach")] {
            if !berth_testbed::has(program) {
                continue;
            }
            let session = Session::new(machine.target.clone(), SessionOptions::default());
            let name = format!("t{}-{}", std::process::id(), TerminalId::fresh());
            let shell = "exec bash --norc".to_owned();
            let way = Way { session: session.clone(), keeper: Some(keeper), name, shell, size: (80, 24) };
            let mut pty = way.open(false).await.unwrap();
            pty.writer.write(Bytes::from_static(b"kept=still; echo shell-$$-is-\"\"up\n")).await.unwrap();
            prints(&mut pty, "-is-up").await;
            machine.cut();
            while pty.reader.recv().await.is_some() {}
            assert!(pty.reader.is_lost(), "{program}: it ended with its connection");

            let mut again = way.open(true).await.unwrap();
            again.writer.write(Bytes::from_static(b"echo $kept-here; echo pid-$$-\"\"pid\n")).await.unwrap();
            let shown = prints(&mut again, "-pid").await;
            assert!(shown.contains("still-here"), "{program}: {shown:?}");
            assert!(shown.contains("-is-up") || keeper == Keeper::Dtach, "{program} shows what was there: {shown:?}");
            assert!(!shown.contains("has ended"), "{program}: {shown:?}");
            let pid = shown.rsplit("pid-").find_map(|part| part.split('-').next()?.parse::<u32>().ok()).unwrap();
            assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
            if keeper != Keeper::Dtach {
                // A try from before comes late, and sends away who looks at it.
                let late = way.open(true).await.unwrap();
                while again.reader.recv().await.is_some() {}
                assert!(!again.reader.is_lost() && way.is_there().await, "{program}: it seems to have ended");
                again = late;
            }
            way.end().await;
            prints(&mut again, "nothing that is printed").await;
            let deadline = Instant::now() + Duration::from_secs(10);
            while std::path::Path::new(&format!("/proc/{pid}")).exists() {
                assert!(Instant::now() < deadline, "{program}: its shell runs on");
                sleep(Duration::from_millis(50)).await;
            }
            assert!(!way.is_there().await, "{program}: it has ended");
            // As after a start of the machine: there is nothing to come back to, and that is said.
            let mut anew = way.open(true).await.unwrap();
            let shown = prints(&mut anew, "a new shell").await;
            assert!(shown.contains("has ended"), "{program}: {shown:?}");
            way.end().await;
            session.close().await;
        }
    }

    /// A login shell in the app's own way, whichever that is.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_opens_on_every_kind_of_machine() {
        if !berth_testbed::has_terminals() {
            return;
        }
        let shells = ["bash", "zsh", "fish", "tcsh", "ash"].map(|shell| Kind { shell, ..Kind::default() });
        let dropbear = Kind { dropbear: true, shell: "sh", ..Kind::default() };
        let homes = [Home::ReadOnly, Home::Full].map(|home| Kind { shell: "bash", home, ..Kind::default() });
        for kind in shells.into_iter().chain([dropbear]).chain(homes) {
            let Some(machine) = Machine::start(&Kind { name: "one with a terminal", ..kind }) else { continue };
            let session = Session::new(machine.target.clone(), SessionOptions::default());
            let live = Live::new(session.clone(), machine.target.clone(), "/".to_owned());
            let mut terminal = open(&live, &ChannelId::fresh(), 100, 30).await.unwrap();
            let mut said = String::new();
            let deadline = Instant::now() + Duration::from_secs(30);
            while !said.contains("30 100") {
                assert!(Instant::now() < deadline, "{} {:?}: {said:?}", kind.shell, kind.home);
                // Some shells lose what is typed before they ask for it.
                terminal.input.send(TerminalInput::Write(Bytes::from_static(b"stty size\n"))).await.unwrap();
                while let Ok(Some(output)) = tokio::time::timeout(Duration::from_secs(1), terminal.output.recv()).await
                {
                    match output {
                        TerminalOutput::Data(bytes) => said.push_str(&String::from_utf8_lossy(&bytes)),
                        TerminalOutput::Exit(code) => panic!("it ended with {code:?}: {said:?}"),
                    }
                }
            }
            drop(terminal);
            session.close().await;
        }
    }

    /// Not one that has no place for what it needs.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_keeper_that_can_keep_nothing_is_none() {
        for (home, found) in [(Home::Plain, &b"screen\n"[..]), (Home::ReadOnly, b"")] {
            let kind = Kind { name: "one without tmux", shell: "bash", home, ..Default::default() };
            let Some(machine) = Machine::start(&kind) else { return };
            let programs = tempfile::tempdir().unwrap();
            for program in ["screen", "dtach"] {
                std::fs::write(programs.path().join(program), "").unwrap();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(programs.path().join(program), mode).unwrap();
            }
            let session = Session::new(machine.target.clone(), SessionOptions::default());
            let script = format!("PATH={}\n{FIND_KEEPER}", programs.path().display());
            let output = session.run(script.as_bytes(), RunOptions::default()).await.unwrap();
            assert_eq!((&output.stdout.bytes[..], output.exit_code), (found, i32::from(found.is_empty())));
            session.close().await;
        }
    }

    /// What is asked for runs, though a start-up file starts a shell that runs only what is typed.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_up_file_that_starts_another_shell_gets_no_terminal_for_itself() {
        if !berth_testbed::has_terminals() {
            return;
        }
        let files = &[(".bashrc", "exec zsh\n")];
        let kind = Kind { name: "one with exec zsh", shell: "bash", files, ..Default::default() };
        let Some(machine) = Machine::start(&kind) else { return };
        let session = Session::new(machine.target.clone(), SessionOptions::default());
        let name = format!("z{}-{}", std::process::id(), TerminalId::fresh());
        let shell = "cd /usr; exec bash --norc".to_owned();
        let way = Way { session: session.clone(), keeper: Some(Keeper::Tmux), name, shell, size: (80, 24) };
        let mut pty = way.open(false).await.unwrap();
        pty.writer.write(Bytes::from_static(b"echo in-$(pwd)-${TMUX:+kept}-\n")).await.unwrap();
        let shown = prints(&mut pty, "in-/usr-kept-").await;
        assert!(shown.contains("in-/usr-kept-"), "{shown:?}");
        way.end().await;
        session.close().await;
    }

    /// Where nothing keeps a terminal that is said first, and that it ended with its connection last.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_that_nothing_keeps_says_so() {
        if !berth_testbed::has_terminals() {
            return;
        }
        let files = &[(".profile", "PATH=$HOME/bin; export PATH\n")];
        let kind = Kind { name: "one without a multiplexer", shell: "bash", files, ..Default::default() };
        let Some(machine) = Machine::start(&kind) else { return };
        std::fs::create_dir(machine.home().join("bin")).unwrap();
        for program in ["/usr/bin", "/bin"].iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten()) {
            if !["tmux", "screen", "dtach"].contains(&program.file_name().to_str().unwrap_or_default()) {
                let _ =
                    std::os::unix::fs::symlink(program.path(), machine.home().join("bin").join(program.file_name()));
            }
        }
        let session = Session::new(machine.target.clone(), SessionOptions::default());
        let live = Live::new(session.clone(), machine.target.clone(), "/".to_owned());
        let mut terminal = open(&live, &ChannelId::fresh(), 80, 24).await.unwrap();
        let mut said = String::new();
        let mut cut = false;
        loop {
            match tokio::time::timeout(Duration::from_secs(30), terminal.output.recv()).await.unwrap() {
                Some(TerminalOutput::Data(bytes)) => said.push_str(&String::from_utf8_lossy(&bytes)),
                Some(TerminalOutput::Exit(code)) => break assert_eq!(code, None),
                None => panic!("it is gone without a word: {said}"),
            }
            if said.len() > FLEETING.len() && !std::mem::replace(&mut cut, true) {
                machine.cut();
            }
        }
        assert!(said.starts_with(FLEETING) && said.ends_with(ENDED), "{said:?}");
        session.close().await;
    }

    /// A machine takes no more of a paste before what it says about it is read.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_paste_stands_in_nobodys_way() {
        if !berth_testbed::has_terminals() {
            return;
        }
        for dropbear in [false, true] {
            let kind = Kind { name: "one that is pasted into", dropbear, shell: "sh", ..Default::default() };
            let Some(machine) = Machine::start(&kind) else { return };
            let session = Session::new(machine.target.clone(), SessionOptions::default());
            let (name, shell) = ("p".to_owned(), "stty raw -echo; echo ready; exec cat".to_owned());
            let way = Way { session: session.clone(), keeper: None, name, shell, size: (80, 24) };
            let mut pty = way.open(false).await.unwrap();
            prints(&mut pty, "ready").await;
            let (mut terminal, host) = Terminal::pair();
            tokio::spawn(keep(way, pty, host));
            let paste = Bytes::from(vec![b'x'; 64 * 1024]);
            let typing = async {
                for _ in 0..64 {
                    terminal.input.send(TerminalInput::Write(paste.clone())).await.unwrap();
                }
            };
            let mut came = 0;
            let reading = async {
                while came < 64 * paste.len() {
                    match terminal.output.recv().await {
                        Some(TerminalOutput::Data(bytes)) => came += bytes.iter().filter(|byte| **byte == b'x').count(),
                        _ => panic!("it ended"),
                    }
                }
            };
            let both = async { tokio::join!(typing, reading) };
            tokio::time::timeout(Duration::from_secs(60), both).await.expect("all of it comes back");
            session.close().await;
        }
    }

    /// It is said once, and not asked for again and again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_machine_that_drops_who_asks_for_a_terminal_is_left_alone() {
        if !berth_testbed::has_terminals() {
            return;
        }
        let config = "ForceCommand [ -z \"$SSH_TTY\" ] || kill -9 $PPID; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
        let kind = Kind { name: "one without terminals", shell: "bash", config, ..Default::default() };
        let Some(machine) = Machine::start(&kind) else { return };
        let session = Session::new(machine.target.clone(), SessionOptions::default());
        let (name, shell) = ("t".to_owned(), "exec bash".to_owned());
        let way = Way { session: session.clone(), keeper: Some(Keeper::Tmux), name, shell, size: (80, 24) };
        let pty = way.open(false).await.unwrap();
        let (mut terminal, host) = Terminal::pair();
        tokio::spawn(keep(way, pty, host));
        let mut printed = String::new();
        loop {
            match tokio::time::timeout(Duration::from_secs(60), terminal.output.recv()).await.unwrap() {
                Some(TerminalOutput::Data(bytes)) => printed.push_str(&String::from_utf8_lossy(&bytes)),
                Some(TerminalOutput::Exit(code)) => break assert_eq!(code, None),
                None => panic!("it ended without a word: {printed}"),
            }
        }
        assert!(printed.contains("whenever a terminal is opened"), "{printed}");
        let output = session.run(b"echo works", RunOptions::default()).await.unwrap();
        assert_eq!(&output.stdout.bytes[..], b"works\n");
        session.close().await;
    }
}

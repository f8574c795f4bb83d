//! Terminals: a login shell of the person's own, its bytes untouched.

use berth_model::RpcError;
use berth_ssh::{Pty, PtyRequest};

use crate::actions::ssh_error;
use crate::channel::Live;
use crate::front::{Terminal, TerminalHost, TerminalInput, TerminalOutput};

/// Opens a login shell in the channel's folder.
pub(crate) async fn open(live: &Live, cols: u16, rows: u16) -> Result<Terminal, RpcError> {
    let folder = berth_tools::quote(live.workdir.as_bytes());
    let folder = String::from_utf8_lossy(&folder);
    let request = PtyRequest {
        cols,
        rows,
        term: "xterm-256color".to_owned(),
        command: Some(format!("cd {folder} 2>/dev/null; exec \"${{SHELL:-/bin/sh}}\" -l")),
        ..PtyRequest::default()
    };
    let pty = live.session.pty(request).await.map_err(ssh_error)?;
    let (terminal, host) = Terminal::pair();
    // Owned by both its ends: it is over when the viewer lets go of it or the shell ends.
    tokio::spawn(serve(pty, host));
    Ok(terminal)
}

async fn serve(mut pty: Pty, mut host: TerminalHost) {
    loop {
        tokio::select! {
            bytes = pty.reader.recv() => match bytes {
                Some(bytes) => {
                    if host.output.send(TerminalOutput::Data(bytes)).await.is_err() {
                        break;
                    }
                }
                None => {
                    let _ = host.output.send(TerminalOutput::Exit(pty.reader.exit_code())).await;
                    return;
                }
            },
            input = host.input.recv() => {
                let done = match input {
                    Some(TerminalInput::Write(bytes)) => pty.writer.write(bytes).await,
                    Some(TerminalInput::Resize { cols, rows }) => pty.writer.resize(cols, rows).await,
                    None => break,
                };
                if done.is_err() {
                    break;
                }
            }
        }
    }
    // The viewer is gone: the programs are told that their terminal is, as when a window is closed.
    let _ = pty.writer.close().await;
}

//! The local stream under the protocol: a Unix socket, or a named pipe on Windows (written, never run).

use std::io;
use std::path::Path;

#[cfg(unix)]
pub use self::unix::{Listener, connect};
#[cfg(windows)]
pub use self::windows::{Listener, connect};

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use tokio::net::{UnixListener, UnixStream};

    use super::{Path, io};

    /// What the shortest of the systems' `sun_path` holds (macOS: 104 bytes), without its NUL.
    const PATH_LIMIT: usize = 103;

    /// Listens; takes its socket away when it is dropped.
    #[derive(Debug)]
    pub struct Listener {
        inner: UnixListener,
        path: PathBuf,
    }

    impl Listener {
        /// Listens at `path` with mode 0600. What was left there by an engine that died is replaced: the caller owns
        /// the data folder's lock, so no living engine listens there.
        pub fn bind(path: &Path) -> io::Result<Self> {
            let length = path.as_os_str().len();
            if length > PATH_LIMIT {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "the socket's path has {length} bytes and may have {PATH_LIMIT}: \
                         set BERTH_RUNTIME_DIR to a shorter folder"
                    ),
                ));
            }
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let inner = UnixListener::bind(path)?;
            // Nobody else gets in between: the folder is 0700.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            Ok(Self { inner, path: path.to_owned() })
        }

        /// The next client.
        pub async fn accept(&mut self) -> io::Result<UnixStream> {
            self.inner.accept().await.map(|(stream, _)| stream)
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Connects to a listener.
    pub async fn connect(path: &Path) -> io::Result<UnixStream> {
        UnixStream::connect(path).await
    }
}

#[cfg(windows)]
mod windows {
    use std::ffi::OsString;

    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

    use super::{Path, io};

    /// Listens on a pipe named after the path. By default only its creator may write to a pipe, and remote clients
    /// are turned away; who cannot write a line is told nothing.
    #[derive(Debug)]
    pub struct Listener {
        next: NamedPipeServer,
        name: OsString,
    }

    impl Listener {
        /// Listens; another listener of the same name is an error.
        pub fn bind(path: &Path) -> io::Result<Self> {
            let name = pipe_name(path);
            let next = ServerOptions::new().first_pipe_instance(true).create(&name)?;
            Ok(Self { next, name })
        }

        /// The next client.
        pub async fn accept(&mut self) -> io::Result<NamedPipeServer> {
            self.next.connect().await?;
            let next = ServerOptions::new().create(&self.name)?;
            Ok(std::mem::replace(&mut self.next, next))
        }
    }

    /// Connects to a listener.
    pub async fn connect(path: &Path) -> io::Result<NamedPipeClient> {
        ClientOptions::new().open(pipe_name(path))
    }

    fn pipe_name(path: &Path) -> OsString {
        let path = path.to_string_lossy().replace(['\\', '/', ':'], "-");
        OsString::from(format!(r"\\.\pipe\berth-{path}"))
    }
}

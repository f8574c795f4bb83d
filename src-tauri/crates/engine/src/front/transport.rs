//! The local stream under the protocol: a Unix socket, or a named pipe on Windows (written, never run).

use std::io;
use std::path::Path;

#[cfg(unix)]
pub use self::unix::{Listener, connect};
#[cfg(windows)]
pub use self::windows::{Listener, connect};

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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
        /// Which file that is: device and number.
        file: (u64, u64),
    }

    impl Listener {
        /// Listens at `path` with mode 0600. What was left there by an engine that died is replaced; one that answers
        /// is of another data folder, since the caller owns the lock of its own, and is left alone.
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
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    format!(
                        "the engine of another data folder listens at {}: set BERTH_RUNTIME_DIR to a folder of its \
                         own for each data folder",
                        path.display()
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
            let file = std::fs::symlink_metadata(path)?;
            Ok(Self { inner, path: path.to_owned(), file: (file.dev(), file.ino()) })
        }

        /// The next client.
        pub async fn accept(&mut self) -> io::Result<UnixStream> {
            self.inner.accept().await.map(|(stream, _)| stream)
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // What somebody else put there is not ours to take away.
            if std::fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
                let _ = std::fs::remove_file(&self.path);
            }
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_answers_is_left_alone_and_a_dead_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("engine.sock");
        let first = Listener::bind(&path).expect("listens");
        let refused = Listener::bind(&path).expect_err("somebody listens");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(refused.to_string().contains("BERTH_RUNTIME_DIR"), "{refused}");
        connect(&path).await.expect("still listens");

        // As if its file had been taken from under it: what stands there then belongs to another.
        std::fs::remove_file(&path).expect("taken");
        let second = Listener::bind(&path).expect("listens");
        drop(first);
        connect(&path).await.expect("the second is still there");
        std::mem::forget(second);
        std::fs::remove_file(&path).expect("taken");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        Listener::bind(&path).expect("what a killed engine left is replaced");
    }
}

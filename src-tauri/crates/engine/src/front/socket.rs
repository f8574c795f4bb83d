//! The engine's socket: whoever may open it (this user only) speaks the protocol of [`super::connection`].

use std::io;
use std::path::Path;

use berth_model::Author;
use tokio::io::split;
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};

pub use super::transport::Listener;

use super::presence::Presence;
use super::{Door, connection};

/// The longest line that is read: a file that is written crosses in one.
pub const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// Listens at `path`, for this user only. Its folder must be private, and the caller must own the data folder's lock.
pub fn bind(path: &Path) -> io::Result<Listener> {
    Listener::bind(path)
}

/// Serves clients for as long as it is polled; dropping it drops them all.
pub async fn serve<D: Door>(mut listener: Listener, door: D, presence: Presence) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            stream = listener.accept() => match stream {
                Ok(stream) => {
                    let (door, visit) = (door.clone(), presence.enter());
                    clients.spawn(async move {
                        let (reader, writer) = split(stream);
                        let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LINE_LIMIT));
                        let outgoing = FramedWrite::new(writer, LinesCodec::new());
                        connection::serve(door, Author::Script, lines, outgoing).await;
                        drop(visit);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: it passes, and clients that exist must live on.
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            },
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a client's task panicked");
                }
            }
        }
    }
}

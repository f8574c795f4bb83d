//! The engine's socket: whoever may open it (this user only) speaks the protocol of [`super::connection`].

use std::io;
use std::path::Path;

use berth_model::Author;
use tokio::io::split;
use tokio::task::{JoinError, JoinSet};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};
use tokio_util::sync::CancellationToken;

pub use super::transport::Listener;

use super::presence::Presence;
use super::{Door, connection};

/// The longest line that is read: a file that is written crosses in one.
pub const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// How long clients may take, once the engine ends, until they have their answers.
const LAST_ANSWERS: std::time::Duration = std::time::Duration::from_secs(8);

/// Listens at `path`, for this user only. Its folder must be private, and the caller must own the data folder's lock.
pub fn bind(path: &Path) -> io::Result<Listener> {
    Listener::bind(path)
}

/// Serves clients until `stop`, and then lets what they asked for end: for a while. Dropping it drops them all.
pub(crate) async fn serve<D: Door>(listener: Listener, door: D, presence: Presence, stop: impl Future<Output = ()>) {
    let mut listener = Some(listener);
    let mut clients = JoinSet::new();
    let closing = CancellationToken::new();
    let mut stop = std::pin::pin!(stop);
    while let Some(open) = &mut listener {
        tokio::select! {
            stream = open.accept() => match stream {
                Ok(stream) => {
                    let (door, visit, closing) = (door.clone(), presence.enter(), closing.clone());
                    clients.spawn(async move {
                        let (reader, writer) = split(stream);
                        let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LINE_LIMIT));
                        let outgoing = FramedWrite::new(writer, LinesCodec::new());
                        connection::serve(door, Author::Script, lines, outgoing, closing).await;
                        drop(visit);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: it passes, and clients that exist must live on.
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            },
            Some(ended) = clients.join_next() => panicked(ended),
            // Nobody new: who comes now comes to the next engine.
            () = &mut stop => listener = None,
        }
    }
    closing.cancel();
    let ends = async {
        while let Some(ended) = clients.join_next().await {
            panicked(ended);
        }
    };
    if tokio::time::timeout(LAST_ANSWERS, ends).await.is_err() {
        tracing::warn!("some clients were not told the last of what they asked for");
    }
    clients.shutdown().await;
}

fn panicked(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a client's task panicked");
    }
}

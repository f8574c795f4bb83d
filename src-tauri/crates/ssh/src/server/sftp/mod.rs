//! The `sftp` subsystem: version 3 of the protocol with OpenSSH's extensions, as its own clients use them.
//!
//! The packets are the `russh-sftp` crate's. Its server loop is not used: it cannot carry names that are not UTF-8,
//! and it asks for a future for each read of a few kilobytes, where here a session is one thread that does what it is
//! asked in the order in which it is asked.

mod attributes;
mod files;
mod reply;
mod wire;

use std::path::PathBuf;

use bytes::{Buf, Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::files::Files;
use super::flow::Outlet;
use super::process::Client;

/// The largest packet taken. OpenSSH's limit too.
const MAX_PACKET: usize = 256 * 1024;

/// Serves one client until it ends its input or has `left`. Relative paths start at `home`.
pub(super) async fn serve(home: PathBuf, input: Outlet, client: Client, left: CancellationToken) {
    let runtime = Handle::current();
    let session = tokio::task::spawn_blocking(move || {
        run(home, input, |packet| {
            runtime.block_on(async {
                tokio::select! {
                    sent = client.channel.data_bytes(packet) => sent.is_ok(),
                    () = left.cancelled() => false,
                }
            })
        });
        client
    });
    if let Ok(client) = session.await {
        let _ = client.channel.exit_status(0).await;
        let _ = client.channel.eof().await;
        let _ = client.channel.close().await;
    }
}

/// Answers requests until there are no more, or an answer cannot be sent, or what comes is not SFTP.
fn run(home: PathBuf, mut input: Outlet, mut send: impl FnMut(Bytes) -> bool) {
    let mut files = Files::new(home);
    let mut received = BytesMut::new();
    while let Some(bytes) = input.blocking_next() {
        received.extend_from_slice(&bytes);
        loop {
            match next_packet(&mut received) {
                Ok(Some(packet)) => {
                    if !send(files.answer(packet)) {
                        return;
                    }
                }
                Ok(None) => break,
                Err(TooLarge) => return,
            }
        }
    }
}

struct TooLarge;

/// Takes a whole packet, without its length, off the front of what was received.
fn next_packet(received: &mut BytesMut) -> Result<Option<Bytes>, TooLarge> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_PACKET {
        return Err(TooLarge);
    }
    if received.len() < 4 + length {
        received.reserve(4 + length - received.len());
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_whole_and_in_order() {
        let mut received = BytesMut::from(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1][..]);
        assert_eq!(next_packet(&mut received).ok().flatten().as_deref(), Some(&[7, 8][..]));
        assert!(matches!(next_packet(&mut received), Ok(None)));
        received.extend_from_slice(&[9]);
        assert_eq!(next_packet(&mut received).ok().flatten().as_deref(), Some(&[9][..]));
        assert!(received.is_empty());
    }

    #[test]
    fn a_length_that_no_client_means_ends_the_session() {
        let mut received = BytesMut::from(&[0xff; 4][..]);
        assert!(matches!(next_packet(&mut received), Err(TooLarge)));
    }
}

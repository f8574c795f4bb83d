//! Local forwarding: channels that lead to a TCP port or a Unix socket of this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{ChannelOpenFailure, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::flow::Outlet;

const READ: usize = 64 * 1024;

/// Where a client wants to go.
pub(super) enum Destination {
    Tcp(String, u32),
    Unix(String),
}

/// Connects, answers the client's request to open the channel, and carries bytes until both directions have ended.
pub(super) async fn serve(
    destination: Destination,
    reply: ChannelOpenHandle,
    channel: ChannelWriteHalf<Msg>,
    input: Outlet,
    left: CancellationToken,
) {
    let work = async {
        match destination {
            Destination::Tcp(host, port) => match connect(&host, port).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    let (reader, writer) = stream.into_split();
                    reply.accept().await;
                    carry(reader, writer, channel, input).await;
                }
                Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            },
            Destination::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => {
                    let (reader, writer) = stream.into_split();
                    reply.accept().await;
                    carry(reader, writer, channel, input).await;
                }
                Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            },
        }
    };
    tokio::select! {
        () = work => {}
        () = left.cancelled() => {}
    }
}

async fn carry(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    channel: ChannelWriteHalf<Msg>,
    mut input: Outlet,
) {
    let to_client = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ);
            match reader.read_buf(&mut buffer).await {
                Ok(0) => return channel.eof().await.is_ok(),
                Ok(_) => {}
                Err(_) => return false,
            }
            if channel.data_bytes(buffer.split().freeze()).await.is_err() {
                return false;
            }
        }
    };
    let from_client = async {
        while let Some(bytes) = input.next().await {
            if writer.write_all(&bytes).await.is_err() {
                return false;
            }
        }
        writer.shutdown().await.is_ok()
    };
    tokio::pin!(to_client, from_client);
    // A direction that ends well leaves the other running; one that fails takes it along.
    tokio::select! {
        well = &mut to_client => if well { from_client.await; },
        well = &mut from_client => if well { to_client.await; },
    }
    let _ = channel.close().await;
}

async fn connect(host: &str, port: u32) -> io::Result<TcpStream> {
    let port = u16::try_from(port).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolve(host).await? {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    // Development servers listen on either of the two, and "localhost" means both.
    if host.is_empty() || host == "*" || host.eq_ignore_ascii_case("localhost") || is_below_localhost(host) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    Err(io::ErrorKind::NotFound.into())
}

fn is_below_localhost(host: &str) -> bool {
    host.rsplit_once('.').is_some_and(|(_, top)| top.eq_ignore_ascii_case("localhost"))
}

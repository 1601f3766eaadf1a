//! The handshake of `panvault-keys` over a stream, within its time.

use core::time::Duration;
use std::io;

use panvault_keys::limits::{SOCKET_ANSWER_BYTES, SOCKET_CHALLENGE_BYTES, SOCKET_HELLO_BYTES};
use panvault_keys::{KeysError, OperatorKey, SocketClient, SocketServer, SystemEntropy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::socket::HANDSHAKE_SECONDS_MAX;
use crate::socket::stream::SealedStream;

const LIMIT: Duration = Duration::from_secs(HANDSHAKE_SECONDS_MAX);

/// Why there is nobody at the other end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFault {
    #[error("it said nothing within {HANDSHAKE_SECONDS_MAX} seconds")]
    Slow,
    #[error("it broke off")]
    Io(#[source] io::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// The command's end.
pub(super) async fn client<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    key: &OperatorKey,
) -> Result<SealedStream<S>, HandshakeFault> {
    within(LIMIT, async {
        let mut stream = stream;
        let (client, hello) = SocketClient::hello(key, &SystemEntropy::new())?;
        stream.write_all(&hello).await.map_err(HandshakeFault::Io)?;
        let mut challenge = [0; SOCKET_CHALLENGE_BYTES];
        stream.read_exact(&mut challenge).await.map_err(HandshakeFault::Io)?;
        let (answer, opened) = client.answer(&challenge)?;
        stream.write_all(&answer).await.map_err(HandshakeFault::Io)?;
        Ok(SealedStream::new(stream, opened))
    })
    .await
}

/// The server's end.
pub(super) async fn server<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    key: &OperatorKey,
) -> Result<SealedStream<S>, HandshakeFault> {
    within(LIMIT, async {
        let mut stream = stream;
        let mut hello = [0; SOCKET_HELLO_BYTES];
        stream.read_exact(&mut hello).await.map_err(HandshakeFault::Io)?;
        let challenged = SocketServer::challenge(key, &hello, &SystemEntropy::new());
        if let Err(KeysError::SocketProtocol { .. }) = challenged {
            let other = SocketServer::other_protocol();
            stream.write_all(&other).await.map_err(HandshakeFault::Io)?;
        }
        let (server, challenge) = challenged?;
        stream.write_all(&challenge).await.map_err(HandshakeFault::Io)?;
        let mut answer = [0; SOCKET_ANSWER_BYTES];
        stream.read_exact(&mut answer).await.map_err(HandshakeFault::Io)?;
        Ok(SealedStream::new(stream, server.accept(&answer)?))
    })
    .await
}

/// What is under way at the end of its time is given up, with its stream.
pub(super) async fn within<T>(
    limit: Duration,
    handshake: impl Future<Output = Result<T, HandshakeFault>>,
) -> Result<T, HandshakeFault> {
    timeout(limit, handshake).await.unwrap_or(Err(HandshakeFault::Slow))
}

//! The socket of a sealed vault. Nobody can prove the root key to a server that has none: whoever has the vault's directory, or is root, may bring what opens the
//! vault, and ask how far it is; nothing else is taken here.
//!
//! A request is one byte that says what it is, its length in two bytes, and its text; the answer is one object of JSON. Then the connection ends.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::sealed::waiting::Waiting;
use crate::socket::{Socket, open_directory, path_of};

/// Its name in the data directory.
pub(crate) const NAME: &str = "unseal.socket";
/// The same, until it is listened at.
pub(crate) const NEW: &str = "unseal.socket.new";
/// Time for a request to arrive.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Time for an answer: several may wait for a passphrase to be tried, one after the other.
const ANSWER_TIME: Duration = Duration::from_secs(120);
/// Bytes of what is brought.
const TEXT_BYTES_MAX: u16 = 2048;
const ANSWER_BYTES_MAX: u64 = 16 << 10;
const CONNECTIONS_MAX: usize = 16;

/// What is asked.
pub(crate) enum Asked<'a> {
    Status,
    Share(&'a str),
    Passphrase(&'a str),
    Unattended,
    Reset,
}

impl<'a> Asked<'a> {
    const fn parts(&self) -> (u8, &'a str) {
        match self {
            Self::Status => (b'?', ""),
            Self::Share(text) => (b's', text),
            Self::Passphrase(text) => (b'p', text),
            Self::Unattended => (b'k', ""),
            Self::Reset => (b'r', ""),
        }
    }

    const fn read(what: u8, text: &'a str) -> Option<Self> {
        Some(match what {
            b'?' => Self::Status,
            b's' => Self::Share(text),
            b'p' => Self::Passphrase(text),
            b'k' => Self::Unattended,
            b'r' => Self::Reset,
            _ => return None,
        })
    }
}

/// Why a sealed server was not asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkFault {
    /// No server waits for its vault there.
    #[error("no server waits there for its vault to be unsealed")]
    Nobody,
    #[error("{NAME} belongs to somebody else than the vault: find out who put it there")]
    Stranger,
    #[error("{NAME} cannot be used")]
    Io(#[source] io::Error),
}

/// Answers in a directory until `stop` is done.
pub(super) async fn serve(directory: PathBuf, waiting: Arc<Waiting>, stop: impl Future<Output = ()>) {
    let listened = Socket::listen_as(&directory, NAME, NEW);
    let owner = directory.metadata().map(|metadata| metadata.uid());
    let (Ok(mut socket), Ok(owner)) = (listened, owner) else {
        let advice = "nothing can be brought; see that the directory is there, and start the server again";
        tracing::error!(directory = %directory.display(), advice, "socket.unavailable");
        return;
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::pin!(stop);
    loop {
        let stream = tokio::select! {
            () = &mut stop => return,
            stream = socket.next() => stream,
        };
        let is_theirs = stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0);
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        if !is_theirs {
            tracing::debug!("unseal.stranger");
            continue;
        }
        let waiting = Arc::clone(&waiting);
        tokio::spawn(async move {
            // Whoever breaks off asks again.
            drop(answer(stream, &waiting).await);
            drop(permit);
        });
    }
}

async fn answer(mut stream: UnixStream, waiting: &Waiting) -> io::Result<()> {
    let read = timeout(REQUEST_TIME, async {
        let what = stream.read_u8().await?;
        let length = stream.read_u16().await?;
        if length > TEXT_BYTES_MAX {
            return Err(io::Error::from(ErrorKind::InvalidData));
        }
        let mut text = Zeroizing::new(vec![0; length.into()]);
        stream.read_exact(&mut text).await?;
        Ok((what, text))
    });
    let (what, text) = read.await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?;
    let text = core::str::from_utf8(&text).map_err(|_| ErrorKind::InvalidData)?;
    let asked = Asked::read(what, text).ok_or(ErrorKind::InvalidData)?;
    let answer = waiting.answer(asked).await.to_string();
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Whether a server waits in a directory for its vault to be unsealed.
pub(crate) async fn is_there(directory: &Path) -> bool {
    ask(directory, Asked::Status).await.is_ok()
}

/// Asks the server that waits in a directory.
pub(crate) async fn ask(directory: &Path, asked: Asked<'_>) -> Result<Value, LinkFault> {
    let owner = directory.metadata().map_err(LinkFault::Io)?.uid();
    let held = open_directory(directory).map_err(LinkFault::Io)?;
    // As of the socket for commands: what stands there is held, and looked at, before anything is connected to.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = match rustix::fs::openat(&held, NAME, flags, Mode::empty()) {
        Ok(held) => held,
        Err(rustix::io::Errno::NOENT) => return Err(LinkFault::Nobody),
        Err(error) => return Err(LinkFault::Io(error.into())),
    };
    let found = rustix::fs::fstat(&held).map_err(|error| LinkFault::Io(error.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(LinkFault::Stranger);
    }
    let mut stream = match UnixStream::connect(path_of(held.as_fd(), "")).await {
        Ok(stream) => stream,
        // A server that died leaves its socket behind.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Err(LinkFault::Nobody),
        Err(error) => return Err(LinkFault::Io(error)),
    };
    let peer = stream.peer_cred().map_err(LinkFault::Io)?.uid();
    if peer != owner && peer != 0 {
        return Err(LinkFault::Stranger);
    }
    let answered = timeout(ANSWER_TIME, async {
        let (what, text) = asked.parts();
        let length = u16::try_from(text.len()).map_err(|_| ErrorKind::InvalidInput)?;
        if length > TEXT_BYTES_MAX {
            return Err(ErrorKind::InvalidInput.into());
        }
        stream.write_u8(what).await?;
        stream.write_u16(length).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        (&mut stream).take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        serde_json::from_slice(&answer).map_err(|_| ErrorKind::UnexpectedEof.into())
    });
    answered.await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())).map_err(LinkFault::Io)
}

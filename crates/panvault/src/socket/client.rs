use core::time::Duration;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::Path;

use panvault_keys::OperatorKey;
use rustix::fs::{FileType, Mode, OFlags};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::sealed;
use crate::socket::handshake::{self, HandshakeFault};
use crate::socket::stream::SealedStream;
use crate::socket::{HANDSHAKE_SECONDS_MAX, NAME, open_directory, path_of};

/// Why no server was reached by the socket of a directory. None of these says that no server has the directory: its lock does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreached {
    #[error("{NAME} is not there")]
    Missing,
    /// A server has it, and cannot be shown the root key.
    #[error("the vault is sealed: panvault unseal opens it")]
    Sealed,
    #[error("{NAME} is not a socket")]
    NotASocket,
    #[error("nobody listens at {NAME}")]
    Nobody,
    #[error("{NAME} cannot be used")]
    Io(#[source] io::Error),
    #[error("what listens at {NAME} said nothing within {HANDSHAKE_SECONDS_MAX} seconds")]
    Silent,
    #[error("what listens at {NAME} is not this vault's server")]
    Handshake(#[source] HandshakeFault),
}

impl Unreached {
    /// With its causes.
    pub(crate) fn said(&self) -> String {
        let causes = core::iter::successors(Some(self as &dyn core::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

/// Connects to the server that has a directory, and proves the root key to it as it does to us.
pub(crate) async fn connect(shown: &Path, key: &OperatorKey) -> Result<SealedStream<UnixStream>, Unreached> {
    let directory = open_directory(shown).map_err(Unreached::Io)?;
    // What stands there is held by this, and looked at, before anything is connected to: a link would lead elsewhere.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = match rustix::fs::openat(&directory, NAME, flags, Mode::empty()) {
        Ok(held) => held,
        Err(rustix::io::Errno::NOENT) if sealed::is_there(shown).await => return Err(Unreached::Sealed),
        Err(rustix::io::Errno::NOENT) => return Err(Unreached::Missing),
        Err(error) => return Err(Unreached::Io(error.into())),
    };
    let found = rustix::fs::fstat(&held).map_err(|error| Unreached::Io(error.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(Unreached::NotASocket);
    }
    let connecting = UnixStream::connect(path_of(held.as_fd(), ""));
    let connected = timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX), connecting).await;
    let stream = match connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        // A server that died leaves its socket behind.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && sealed::is_there(shown).await => {
            return Err(Unreached::Sealed);
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Err(Unreached::Nobody),
        Err(error) => return Err(Unreached::Io(error)),
    };
    handshake::client(stream, key).await.map_err(|fault| match fault {
        HandshakeFault::Slow => Unreached::Silent,
        fault @ (HandshakeFault::Io(_) | HandshakeFault::Keys(_)) => Unreached::Handshake(fault),
    })
}

//! The socket of a running vault, by which commands on this machine administer it.
//!
//! Whoever can write to the data directory may put anything in its place, and is nobody yet. Both ends prove that they have the root key,
//! and seal what they say from then on with keys that come of the proof: so one that stands between two honest ends and passes on what
//! they say (it can, by moving the true socket away) learns nothing of it and changes nothing. See docs/adr/0012.

mod client;
mod handshake;
mod server;
mod stream;

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

pub(crate) use client::{Unreached, connect};
pub(crate) use server::Socket;

/// Its name in the data directory.
pub(crate) const NAME: &str = "admin.socket";
/// The same, until it is listened at.
pub(crate) const NEW: &str = "admin.socket.new";
/// Seconds for a handshake, and for the other end to take the connection.
const HANDSHAKE_SECONDS_MAX: u64 = 5;
/// Connections at a time, those included that have proved nothing yet.
const CONNECTIONS_MAX: usize = 32;

/// Opens the directory once: from here on it is meant, whatever its path comes to lead to.
pub(crate) fn open_directory(path: &Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// A path to what a descriptor is open for. It is short, as the address of a socket must be (108 bytes), however long the path of the
/// data directory is.
pub(crate) fn path_of(descriptor: BorrowedFd<'_>, name: &str) -> String {
    let end = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("/proc/self/fd/{}{end}", descriptor.as_raw_fd())
}

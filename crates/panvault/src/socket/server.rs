use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panvault_server::Local;
use rustix::fs::{AtFlags, Mode, fchmod, renameat, statat, unlinkat};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::socket::handshake::HandshakeFault;
use crate::socket::{CONNECTIONS_MAX, NAME, NEW, handshake, open_directory, path_of};

/// Connections that may wait to be taken.
const BACKLOG: i32 = 64;
/// Time between two looks at whether the socket is in its place.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time to rest when no connection can be taken.
const REST: Duration = Duration::from_millis(50);

/// The server's end. Only who holds the lock of the directory may listen: it takes the place of whatever a dead server left.
pub(crate) struct Socket {
    directory: OwnedFd,
    /// What it is called, and while it is made.
    names: [&'static str; 2],
    shown: PathBuf,
    listening: Option<Listening>,
    is_said: bool,
    looks: Interval,
}

struct Listening {
    listener: UnixListener,
    /// Device and number of the socket's file.
    file: (u64, u64),
}

impl Socket {
    /// Listens in a directory. Where that cannot be, it is said, and tried again for as long as it is served.
    pub(crate) fn listen(directory: &Path) -> io::Result<Self> {
        Self::listen_as(directory, NAME, NEW)
    }

    /// The same by another name.
    pub(crate) fn listen_as(directory: &Path, name: &'static str, new: &'static str) -> io::Result<Self> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut socket = Self {
            directory: open_directory(directory)?,
            names: [name, new],
            shown: directory.join(name),
            listening: None,
            is_said: false,
            looks,
        };
        socket.begin();
        Ok(socket)
    }

    /// Puts it in its place. What is in the way is said once, until it is not.
    fn begin(&mut self) {
        match begin(&self.directory, self.names) {
            Ok(listening) => (self.listening, self.is_said) = (Some(listening), false),
            Err(error) => {
                self.listening = None;
                if !core::mem::replace(&mut self.is_said, true) {
                    let advice = "commands do not reach this server; remove what is in its place, it is tried again every second";
                    tracing::error!(file = %self.shown.display(), %error, advice, "socket.unavailable");
                }
            }
        }
    }

    /// Puts it back where somebody took it away.
    fn look(&mut self) {
        if self.is_in_place() {
            return;
        }
        if self.listening.is_some() {
            let advice = "find out who removed or replaced it; it is put back";
            tracing::warn!(file = %self.shown.display(), advice, "socket.not_in_place");
        }
        self.begin();
    }

    /// Whether commands find this socket.
    fn is_in_place(&self) -> bool {
        let ours = self.listening.as_ref().map(|listening| listening.file);
        ours.is_some() && file(&self.directory, self.names[0]).ok() == ours
    }

    /// The next connection. Meanwhile it sees that it is in its place.
    pub(crate) async fn next(&mut self) -> UnixStream {
        loop {
            tokio::select! {
                _ = self.looks.tick() => self.look(),
                stream = accept(self.listening.as_ref()) => return stream,
            }
        }
    }

    /// Answers commands until `stopped`, and is gone when all of them have their answer.
    pub(crate) async fn serve(mut self, local: Local, mut stopped: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let stream = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                stream = self.next() => stream,
            };
            // One too many is closed without a word: it has proved nothing.
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
            // As it is now: another root key is another one.
            let Some(operator) = local.operator() else { continue };
            let (local, mut stopped) = (local.clone(), stopped.clone());
            tokio::spawn(async move {
                let proved = tokio::select! {
                    proved = handshake::server(stream, &operator) => Some(proved),
                    // Nobody who has asked nothing yet is waited for.
                    _ = stopped.wait_for(|stopped| *stopped) => None,
                };
                match proved {
                    Some(Ok(stream)) => local.serve(stream, operator, stopped).await,
                    Some(Err(error)) => {
                        if matches!(error, HandshakeFault::Keys(_)) {
                            local.operator_refused();
                        }
                        tracing::debug!(%error, "socket.refused");
                    }
                    None => {}
                }
                drop(permit);
            });
        }
        self.end();
        // Each holds a permit as long as it runs.
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        drop(room.acquire_many(all).await);
    }

    /// Takes the socket away, if it is this one.
    fn end(&mut self) {
        if self.is_in_place() {
            // What stays behind is in nobody's way: the next server replaces it.
            let _ = unlinkat(&self.directory, self.names[0], AtFlags::empty());
        }
        self.listening = None;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.end();
    }
}

/// The next connection; none while there is no listener.
async fn accept(listening: Option<&Listening>) -> UnixStream {
    let Some(Listening { listener, .. }) = listening else { return core::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(%error, "socket.accept_failed");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Binds a socket under a name of its own, and gives it its place when it is whole. What stands there goes: a link is not followed, and
/// what it leads to stays. A directory is in the way, and is an error.
fn begin(directory: &OwnedFd, [name, new]: [&str; 2]) -> io::Result<Listening> {
    match unlinkat(directory, new, AtFlags::empty()) {
        Err(error) if error != rustix::io::Errno::NOENT => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Before it has a name: nobody can put something else under that name, whose mode this would change. The file gets it when it is made.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path_of(directory.as_fd(), new))?)?;
    let file = file(directory, new)?;
    listen(&socket, BACKLOG)?;
    renameat(directory, new, directory, name)?;
    let listener = UnixListener::from_std(StdListener::from(socket))?;
    Ok(Listening { listener, file })
}

/// Tells a file of a directory from any other.
fn file(directory: &OwnedFd, name: &str) -> io::Result<(u64, u64)> {
    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((found.st_dev, found.st_ino))
}

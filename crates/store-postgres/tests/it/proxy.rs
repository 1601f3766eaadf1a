//! Stands between a node and its database, and cuts a connection exactly where a commit is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the database hears of it.
    Before,
    /// When the database has done it, before the node hears that.
    After,
    /// The node is cut off; what it sent reaches the database when [`Proxy::let_through`] is called.
    Late,
}

/// A proxy to a port of the loopback address.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    /// Where the next connection is cut that sends these words, so many times.
    armed: Mutex<Option<(&'static [u8], Cut, u32)>>,
    /// Nobody gets through.
    closed: Mutex<bool>,
    closing: Notify,
    late: Notify,
    arrived: Notify,
}

impl Proxy {
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            to,
            armed: Mutex::new(None),
            closed: Mutex::new(false),
            closing: Notify::new(),
            late: Notify::new(),
            arrived: Notify::new(),
        });
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                tokio::spawn(async move { shared.carry(client).await });
            }
        });
        Self { port, shared }
    }

    /// Cuts the next connections that send these words.
    pub(crate) fn cut(&self, words: &'static str, cut: Cut, times: u32) {
        *self.shared.armed.lock().unwrap() = Some((words.as_bytes(), cut, times));
    }

    /// How many cuts are left to come.
    pub(crate) fn left(&self) -> u32 {
        self.shared.armed.lock().unwrap().map_or(0, |(_, _, times)| times)
    }

    /// What came late reaches the database; returns when it has answered, or refused.
    pub(crate) async fn let_through(&self) {
        let arrived = self.shared.arrived.notified();
        self.shared.late.notify_one();
        arrived.await;
    }

    /// Cuts all connections, and refuses further ones.
    pub(crate) fn close(&self) {
        *self.shared.closed.lock().unwrap() = true;
        self.shared.closing.notify_waiters();
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        *self.shared.closed.lock().unwrap() = false;
    }
}

impl Shared {
    /// The cut for these bytes, if it is their turn.
    fn take(&self, sent: &[u8]) -> Option<Cut> {
        let mut armed = self.armed.lock().unwrap();
        let (words, cut, times) = armed.as_mut()?;
        if *times == 0 || !sent.windows(words.len()).any(|window| window == *words) {
            return None;
        }
        *times -= 1;
        Some(*cut)
    }

    async fn carry(&self, mut client: TcpStream) {
        let closing = self.closing.notified();
        tokio::pin!(closing);
        closing.as_mut().enable();
        if *self.closed.lock().unwrap() {
            return;
        }
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.to)).await else { return };
        let (mut up, mut down) = (vec![0; 1 << 20], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                () = &mut closing => return,
                read = client.read(&mut up) => {
                    let Ok(read) = read else { return };
                    if read == 0 {
                        return;
                    }
                    match self.take(&up[..read]) {
                        None => server.write_all(&up[..read]).await.unwrap(),
                        Some(Cut::Before) => return,
                        Some(Cut::After) => {
                            server.write_all(&up[..read]).await.unwrap();
                            // It answers all at once, when all is done.
                            assert_ne!(server.read(&mut down).await.unwrap(), 0);
                            return;
                        }
                        Some(Cut::Late) => {
                            drop(client);
                            self.late.notified().await;
                            server.write_all(&up[..read]).await.unwrap();
                            drop(server.read(&mut down).await);
                            self.arrived.notify_one();
                            return;
                        }
                    }
                }
                read = server.read(&mut down) => {
                    let Ok(read) = read else { return };
                    if read == 0 || client.write_all(&down[..read]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

//! A way to a server that loses and delays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Stands between a node and a server.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    cuts: AtomicBool,
    holds_back: watch::Sender<bool>,
    /// Connections with something that is held back.
    waiting: AtomicUsize,
    answered: watch::Sender<usize>,
}

/// What comes from the node is kept until this is released.
pub(crate) struct HeldBack(Arc<State>);

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            cuts: AtomicBool::new(false),
            holds_back: watch::channel(false).0,
            waiting: AtomicUsize::new(0),
            answered: watch::channel(0).0,
        });
        let its = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                tokio::spawn(passed(node, server, Arc::clone(&its)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next request reaches the server, and its answer nobody.
    pub(crate) fn cut_before_answer(&self) {
        self.state.cuts.store(true, Ordering::SeqCst);
    }

    pub(crate) fn hold_back(&self) -> HeldBack {
        self.state.holds_back.send_replace(true);
        HeldBack(Arc::clone(&self.state))
    }
}

impl HeldBack {
    /// Lets it go on, and waits until the server has answered it.
    pub(crate) async fn release(self) {
        let mut answered = self.0.answered.subscribe();
        let waiting = self.0.waiting.load(Ordering::SeqCst);
        assert!(waiting > 0, "nothing was held back");
        self.0.holds_back.send_replace(false);
        answered.wait_for(|answered| *answered >= waiting).await.unwrap();
    }
}

async fn passed(node: TcpStream, server: u16, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_node, mut to_node) = node.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let its = Arc::clone(&state);
    let was_held_back = Arc::new(AtomicBool::new(false));
    let held_back = Arc::clone(&was_held_back);
    tokio::spawn(async move {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_node.read(&mut bytes).await {
            let mut holds_back = its.holds_back.subscribe();
            if *holds_back.borrow_and_update() {
                if !held_back.swap(true, Ordering::SeqCst) {
                    its.waiting.fetch_add(1, Ordering::SeqCst);
                }
                holds_back.wait_for(|holds_back| !holds_back).await.unwrap();
            }
            if to_server.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
        // What the node has sent is delivered, also when it has gone.
        std::future::pending::<()>().await;
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
        if was_held_back.swap(false, Ordering::SeqCst) {
            state.answered.send_modify(|answered| *answered += 1);
        }
        if state.cuts.swap(false, Ordering::SeqCst) {
            return;
        }
        // The node may have gone.
        let _ = to_node.write_all(&bytes[..count]).await;
    }
}

//! The API for commands on this machine: over any stream whose other end has proved that it has the root key.

mod work;

use core::time::Duration;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use panvault_vault::{OperatorKey, Origin, RefusalReason};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::accept::{Site, requests};
use crate::app::App;
use crate::dispatch::{Peer, router};
use crate::limits::{LOCAL_ANSWER_BYTES_MAX, LOCAL_IDLE_SECONDS_MAX, ServerSettings};

/// The API as commands on this machine see it: the same as everyone's, asked by the operator.
#[derive(Clone)]
pub struct Local {
    router: Router,
    settings: ServerSettings,
    app: Arc<App>,
}

impl Local {
    /// Of this server.
    pub fn new(app: &Arc<App>) -> Self {
        let header_timeout = Duration::from_secs(LOCAL_IDLE_SECONDS_MAX);
        let settings = ServerSettings { header_timeout, ..app.settings().clone() };
        let router = router(Arc::clone(app)).merge(work::routes(Arc::clone(app)));
        Self { router, settings, app: Arc::clone(app) }
    }

    /// What commands prove themselves by now; `None` where this node does not know it.
    pub fn operator(&self) -> Option<Arc<OperatorKey>> {
        self.app.vault().operator_key()
    }

    /// Counts that somebody on this machine did not prove to have the root key.
    pub fn operator_refused(&self) {
        // What it answers is for who asks over HTTP.
        let _ = self.app.vault().signin_refused(Origin::LOCAL, RefusalReason::OperatorProof);
    }

    /// Answers one connection, whose other end has proved itself by `operator`, until that is done, or until `stopped` and what runs has ended.
    pub async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        operator: Arc<OperatorKey>,
        stopped: watch::Receiver<bool>,
    ) {
        let Self { router, settings, .. } = self;
        let site = Site {
            router,
            full: None,
            settings,
            tls: None,
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_evicted: Counter::default(),
            draining: Arc::default(),
            stay: crate::room::Stay::Keys,
        };
        requests(stream, Peer::Operator(operator), None, site, stopped, core::future::pending()).await;
    }
}

/// A command's end of a connection to it.
pub struct LocalClient {
    sender: SendRequest<Full<Bytes>>,
}

/// What a command does with what is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalMethod {
    /// Sees it.
    Get,
    /// Makes or changes it.
    Post,
    /// Deletes it.
    Delete,
}

/// What a command was answered.
pub struct LocalAnswer {
    /// The HTTP status.
    pub status: u16,
    /// JSON, or nothing. It may hold a key that is shown once.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LocalFault {
    /// The connection ended before the request was sent: nothing was done.
    #[error("the connection to the vault ended before anything was asked")]
    Unsent(#[source] hyper::Error),
    /// The connection ended; whether the request was done is not known.
    #[error("the connection to the vault ended")]
    Ended(#[source] hyper::Error),
    /// The answer is longer than any is, or broke off.
    #[error("the answer of the vault cannot be read")]
    Answer(#[source] Box<dyn core::error::Error + Send + Sync>),
    /// The request is none.
    #[error("the request cannot be sent")]
    Request(#[source] http::Error),
}

impl LocalClient {
    /// Begins on a stream whose other end is a [`Local`]. Must be called in a runtime.
    pub async fn begin(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, LocalFault> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(LocalFault::Ended)?;
        // What goes wrong is said to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Sends a request, with JSON or without, and waits for its answer. One at a time.
    pub async fn send(
        &mut self,
        method: LocalMethod,
        path: &str,
        json: Option<Vec<u8>>,
    ) -> Result<LocalAnswer, LocalFault> {
        let method = match method {
            LocalMethod::Get => Method::GET,
            LocalMethod::Post => Method::POST,
            LocalMethod::Delete => Method::DELETE,
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(json.unwrap_or_default()));
        let request = request.body(body).map_err(LocalFault::Request)?;
        self.sender.ready().await.map_err(LocalFault::Unsent)?;
        let answered = self.sender.send_request(request).await;
        let unanswered = |error: hyper::Error| {
            if error.is_canceled() { LocalFault::Unsent(error) } else { LocalFault::Ended(error) }
        };
        let (head, body) = answered.map_err(unanswered)?.into_parts();
        let body = Limited::new(body, LOCAL_ANSWER_BYTES_MAX).collect().await.map_err(LocalFault::Answer)?;
        Ok(LocalAnswer { status: head.status.as_u16(), body: Zeroizing::new(body.to_bytes().to_vec()) })
    }
}

//! The listener: connections, their limits, and an orderly end.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::server::TlsStream;
use tower::Service;

use crate::app::App;
use crate::console::Certified;
use crate::dispatch::{Peer, full_router, router};
use crate::far_end::Watched;
use crate::framing::Strict;
use crate::limits::{
    ACCEPT_LOG_EVERY, ACCEPT_PAUSE_MILLIS, ANSWER_BYTES_PER_SECOND_MIN, HEAD_BYTES_MAX, HEADERS_MAX,
    METRICS_CONNECTIONS_MAX, METRICS_SECONDS_MAX, ROOM_MILLIS_MAX, SEND_BUFFER_BYTES, STALL_SECONDS_MAX,
    ServerSettings, TURNED_AWAY_MAX, TURNED_AWAY_SECONDS_MAX,
};
use crate::room::{Held, Place, Room, Stay};
use crate::stall::{Stall, StallLimits};
use crate::tls::{Tls, person_named};
use crate::unread::{Unread, linger};

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeReport {
    /// Connections that still had a request running when the time for it was over.
    pub cut_off: usize,
}

/// Why a server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The listener failed for good.
    #[error("the listener failed")]
    Listener(#[source] io::Error),
}

/// Serves the API until `stop` is done, then lets what runs end.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) -> Result<ServeReport, ServerError> {
    let site = Site {
        router: router(Arc::clone(&app)),
        full: Some(full_router(Arc::clone(&app))),
        settings: app.settings().clone(),
        connections: app.metrics().connections.clone(),
        connections_refused: app.metrics().connections_refused.clone(),
        connections_evicted: app.metrics().connections_evicted.clone(),
        tls,
        draining: Arc::clone(app.stopping()),
        stay: Stay::Keys,
    };
    let stop = async {
        stop.await;
        app.drain();
    };
    Ok(serve_site(listener, site, stop).await)
}

/// What a listener leads to.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) router: Router,
    /// What connections beyond the limit lead to.
    pub(crate) full: Option<Router>,
    pub(crate) settings: ServerSettings,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) connections: Gauge<i64, AtomicI64>,
    pub(crate) connections_refused: Counter,
    pub(crate) connections_evicted: Counter,
    /// Whether each answer is the last of its connection.
    pub(crate) draining: Arc<AtomicBool>,
    /// Whose connections stay when there is room for no more.
    pub(crate) stay: Stay,
}

/// Serves any site until `stop` is done, then lets what runs end.
pub(crate) async fn serve_site(
    listener: TcpListener,
    site: Site,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    // Connections have it from their listener. By itself, the kernel takes megabytes for each that does not read.
    if let Err(error) = set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES) {
        tracing::warn!(%error, advice = "report this", "listener.send_buffer_not_set");
    }
    let room = Room::new(site.settings.connections_max, site.stay);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    let mut failures = 0;
    loop {
        let (stream, address) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &mut failures) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        let held = match room.take() {
            Some(held) => Some(held),
            None => tokio::select! {
                () = &mut stop => break,
                held = made_room(&room, &site) => held,
            },
        };
        let Some(held) = held else {
            site.connections_refused.inc();
            if let (Some(full), Ok(permit)) = (&site.full, Arc::clone(&turned_away).try_acquire_owned()) {
                let timeout = Duration::from_secs(TURNED_AWAY_SECONDS_MAX);
                let settings = ServerSettings {
                    header_timeout: timeout.min(site.settings.header_timeout),
                    body_timeout: timeout.min(site.settings.body_timeout),
                    handshake_timeout: timeout.min(site.settings.handshake_timeout),
                    ..site.settings.clone()
                };
                let full = Site { router: full.clone(), settings, ..site.clone() };
                let stopped = stopped.clone();
                tokio::spawn(async move {
                    connection(stream, address, Arc::default(), full, stopped).await;
                    drop(permit);
                });
            }
            continue;
        };
        let (site, stopped) = (site.clone(), stopped.clone());
        let (place, counted) = (Arc::clone(&held.place), Counted::new(&site.connections));
        let task = tokio::spawn(async move {
            let (place, _leave) = (Arc::clone(&held.place), (counted, held));
            connection(stream, address, place, site, stopped).await;
        });
        room.note(place, address.ip(), task.abort_handle());
    }
    drop(listener);
    stopping.send_replace(true);
    drop(stopped);
    // Every connection holds a receiver: when none is left, all have ended.
    let cut_off = match tokio::time::timeout(site.settings.stop_grace, stopping.closed()).await {
        Ok(()) => 0,
        Err(_elapsed) => stopping.receiver_count(),
    };
    ServeReport { cut_off }
}

/// A place that another connection made room for, if one does. It is gone in a moment, for nothing is under way on it.
async fn made_room(room: &Room, site: &Site) -> Option<Held> {
    if !room.make() {
        return None;
    }
    site.connections_evicted.inc();
    tokio::time::timeout(Duration::from_millis(ROOM_MILLIS_MAX), room.wait()).await.ok().flatten()
}

/// A connection in the gauge of connections, also when its task is ended.
struct Counted(Gauge<i64, AtomicI64>);

impl Counted {
    fn new(connections: &Gauge<i64, AtomicI64>) -> Self {
        connections.inc();
        Self(connections.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The next connection; `None` after a failure and a rest. Out of file descriptors, or a client that has gone: neither ends
/// a server.
async fn accept(listener: &TcpListener, failures: &mut u32) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => {
            *failures = 0;
            Some(accepted)
        }
        Err(error) => {
            if failures.is_multiple_of(ACCEPT_LOG_EVERY) {
                let advice = "raise the limit of open files, or lower connections_max";
                tracing::warn!(%error, advice, "listener.accept_failed");
            }
            *failures = failures.wrapping_add(1);
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLIS)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: Arc<Place>,
    site: Site,
    stopped: watch::Receiver<bool>,
) {
    // Small answers go out at once.
    drop(stream.set_nodelay(true));
    let stream = Watched::new(stream, place.far_end().clone());
    let peer = Peer::Address(address.ip(), place);
    match &site.tls {
        None => requests(stream, peer, None, site, stopped, pending()).await,
        Some(tls) => {
            let stales = tls.certificate_stales();
            let handshake = tls.acceptor().accept(stream);
            if let Ok(Ok(stream)) = tokio::time::timeout(site.settings.handshake_timeout, handshake).await {
                let certified = tls.asks_clients().then(|| person_of(&stream)).flatten();
                requests(stream, peer, certified, site, stopped, stales).await;
            }
        }
    }
}

/// Whom the certificate at the other end names.
fn person_of<S>(stream: &TlsStream<S>) -> Option<Certified> {
    let (_, connection) = stream.get_ref();
    person_named(connection.peer_certificates()?.first()?).map(Certified)
}

/// Answers the requests of one connection, until it ends or `stales` is done: what is under way then is answered still.
pub(crate) async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    certified: Option<Certified>,
    site: Site,
    mut stopped: watch::Receiver<bool>,
    stales: impl Future<Output = ()>,
) {
    let Site { router, settings, draining, .. } = site;
    let unread = Unread::default();
    let (lender, body_timeout) = (unread.clone(), settings.body_timeout);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Peer::Address(_, place) = &peer {
            place.ask();
        }
        request.extensions_mut().insert(peer.clone());
        if let Some(certified) = &certified {
            request.extensions_mut().insert(certified.clone());
        }
        let (request, waits) = lender.lend(request);
        let (answering, unread) = (router.clone().call(request), lender.clone());
        let draining = Arc::clone(&draining);
        async move {
            let mut response = answering.await?;
            unread.settle(waits, body_timeout, &mut response).await;
            // Whoever kept the connection for another request would send that into its end.
            if draining.load(Ordering::Relaxed) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let limits = StallLimits {
        time: Duration::from_secs(STALL_SECONDS_MAX),
        bytes_per_second_min: ANSWER_BYTES_PER_SECOND_MIN,
    };
    let mut stream = Strict::new(Stall::new(stream, limits));
    let ended = {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client that has sent its request and closes its side still gets its answer.
            .half_close(true)
            .header_read_timeout(settings.header_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX.max(8192))
            .serve_connection(TokioIo::new(&mut stream), service);
        tokio::pin!(connection);
        // What went wrong on a connection is the client's to know; its bytes are not ours to log.
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            _ = stopped.wait_for(|stopped| *stopped) => None,
            () = stales => None,
        };
        match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    drop(stopped);
    if unread.more_may_come() || ended.is_err_and(|error| error.is_parse()) {
        linger(&mut stream.stream).await;
    }
}

/// Serves metrics and health on a listener of its own until `stop` is done.
pub async fn serve_metrics(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) {
    let timeout = Duration::from_secs(METRICS_SECONDS_MAX);
    let settings = ServerSettings {
        connections_max: METRICS_CONNECTIONS_MAX,
        header_timeout: timeout,
        body_timeout: timeout,
        stop_grace: Duration::ZERO,
        ..ServerSettings::default()
    };
    let site = Site {
        router: Router::new().fallback(move |uri: Uri| core::future::ready(metrics_answer(&app, uri.path()))),
        full: None,
        settings,
        tls: None,
        connections: Gauge::default(),
        connections_refused: Counter::default(),
        connections_evicted: Counter::default(),
        draining: Arc::default(),
        stay: Stay::Keys,
    };
    serve_site(listener, site, stop).await;
}

fn metrics_answer(app: &App, path: &str) -> Response<String> {
    // As of the API, with or without a slash at its end.
    let mut response = match path.strip_suffix('/').unwrap_or(path) {
        "/metrics" => {
            let standbys = app.process().and_then(|process| process.standbys());
            let mut response = Response::new(app.metrics().page(app.vault(), app.answers(), standbys));
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            response
        }
        "/livez" => Response::new("ok\n".to_owned()),
        "/readyz" => {
            let (status, text) = app.ready();
            let mut response = Response::new(format!("{text}\n"));
            *response.status_mut() = status;
            response
        }
        _ => {
            let mut response = Response::new("not found\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    response.headers_mut().insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

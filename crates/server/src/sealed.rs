//! What is answered while the vault is sealed: that the process lives, that it is not ready and why, and 141 to everything else.

mod console;

use core::pin::Pin;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode, Uri};
use panvault_model::{RequestId, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;

use crate::accept::{ServeReport, Site, serve_site};
use crate::answer::{Answer, object_body};
use crate::error::{ErrorCode, Refusal};
use crate::limits::{METRICS_CONNECTIONS_MAX, ServerSettings};
use crate::metrics::sealed_page;
use crate::tls::Tls;

pub use self::console::serve_sealed_console;
pub(crate) use self::console::{STYLE_PATH, style};

/// What a process knows whose vault is sealed.
pub trait SealedVault: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;
    /// A name for a request.
    fn make_request_id(&self) -> RequestId;
    /// Why it is sealed and what opens it, in words and without anything secret.
    fn why(&self) -> String;
    /// Takes what somebody brought at the console, and says what came of it.
    fn unseal<'a>(
        &'a self,
        brought: Unseal<'a>,
        address: Option<IpAddr>,
    ) -> Pin<Box<dyn Future<Output = UnsealAnswer> + Send + 'a>>;
}

/// What somebody brings to unseal a vault.
pub enum Unseal<'a> {
    /// Nothing: they want to know how far it is.
    Status,
    /// The text of a share.
    Share(&'a str),
    /// A passphrase.
    Passphrase(&'a str),
    /// The word that shares given before are to be forgotten.
    Reset,
}

impl Unseal<'_> {
    /// In a word, for the log.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Share(_) => "share",
            Self::Passphrase(_) => "passphrase",
            Self::Reset => "reset",
        }
    }
}

/// What came of it.
pub struct UnsealAnswer {
    /// Whether the vault is open now.
    pub is_open: bool,
    /// Why what was brought was not taken.
    pub error: Option<String>,
    /// How far it is, in words.
    pub said: String,
    /// Shares that are there, and that are needed.
    pub shares: Option<(usize, usize)>,
}

/// Answers at the listener of the API until `stop` is done, then lets what runs end.
pub async fn serve_sealed(
    listener: TcpListener,
    vault: Arc<dyn SealedVault>,
    settings: ServerSettings,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    let router = Router::new().fallback(move |uri: Uri| core::future::ready(answered(&*vault, uri.path())));
    serve_site(listener, site(router, settings, tls), stop).await
}

/// The same at the listener of the metrics.
pub async fn serve_sealed_metrics(
    listener: TcpListener,
    vault: Arc<dyn SealedVault>,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    let router = Router::new().fallback(move |uri: Uri| core::future::ready(metrics(&*vault, uri.path())));
    let settings = ServerSettings { connections_max: METRICS_CONNECTIONS_MAX, ..ServerSettings::default() };
    serve_site(listener, site(router, settings, None), stop).await
}

pub(crate) fn site(router: Router, settings: ServerSettings, tls: Option<Arc<Tls>>) -> Site {
    Site {
        router,
        full: None,
        settings,
        tls,
        connections: Gauge::default(),
        connections_refused: prometheus_client::metrics::counter::Counter::default(),
        connections_evicted: prometheus_client::metrics::counter::Counter::default(),
        // What is answered now may be wrong in a moment: nobody keeps a connection to it.
        draining: Arc::new(true.into()),
        stay: crate::room::Stay::Keys,
    }
}

fn answered(vault: &dyn SealedVault, path: &str) -> Response<axum::body::Body> {
    let said = |status, text: &str| Answer::new(status, object_body(|json| json.always("status", text)));
    let answer = match path.strip_suffix('/').unwrap_or(path) {
        "/livez" => said(StatusCode::OK, "ok"),
        "/readyz" => said(StatusCode::SERVICE_UNAVAILABLE, &vault.why()),
        _ => Answer::refusal(Refusal::new(ErrorCode::Sealed), vault.now()),
    };
    answer.into_response(vault.make_request_id())
}

fn metrics(vault: &dyn SealedVault, path: &str) -> Response<String> {
    let (status, body) = match path.strip_suffix('/').unwrap_or(path) {
        "/metrics" => (StatusCode::OK, sealed_page()),
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", vault.why())),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if path.starts_with("/metrics") {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

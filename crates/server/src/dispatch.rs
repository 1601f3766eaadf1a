//! The path of a request up to its route: request id, endpoint, caller, body; and of its answer back.

use core::sync::atomic::{AtomicBool, Ordering};
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use http::header::{ALLOW, CONNECTION, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use panvault_model::RequestId;
use panvault_vault::{
    Caller, Idempotency, Operation, Origin, Permit, StoreFault, Vault, VaultError, VaultStatus,
};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::body::Body;
use crate::canonical::canonical;
use crate::error::{ErrorCode, NAMES_NOTHING, Refusal};
use crate::fault::Faults;
use crate::fields::{FieldSpec, Fields};
use crate::json::{self, NotJson};
use crate::limits::{IDEMPOTENCY_KEY_CHARS_MAX, ServerSettings};
use crate::metrics::Metrics;
use crate::rate::Rate;
use crate::table::{ENDPOINTS, Endpoint};
use crate::{body, caller, docs_page, openapi};

/// What all requests share.
pub struct App {
    vault: Vault,
    settings: ServerSettings,
    metrics: Metrics,
    bin_lookups: Rate,
    stopping: AtomicBool,
    openapi: String,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// What stands in a path where the table has `{id}` or `{bin}`.
type Params = Result<RawPathParams, RawPathParamsRejection>;

/// A request that has found its endpoint and its caller.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    /// What is wrong with query and headers.
    faults: Faults,
    /// What is in the path where the table has a name in braces, if it has one.
    pub(crate) id: Option<String>,
    pub(crate) query: Option<String>,
    body: Body,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) path: String,
}

impl App {
    /// A server of this vault.
    pub fn new(vault: Vault, settings: ServerSettings) -> Self {
        let openapi = openapi::openapi().to_string();
        let bin_lookups = Rate::new(settings.bin_lookups_per_minute);
        let stopping = AtomicBool::new(false);
        Self { vault, settings, metrics: Metrics::new(), bin_lookups, stopping, openapi }
    }

    pub(crate) const fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) const fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) const fn bin_lookups(&self) -> &Rate {
        &self.bin_lookups
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the vault takes writes, and why not; or what else is amiss.
    pub(crate) fn ready(&self) -> (StatusCode, &'static str) {
        let unavailable = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
        if self.stopping.load(Ordering::SeqCst) {
            return unavailable("stopping");
        }
        let VaultStatus { store, lease_lost, .. } = self.vault.status();
        match store.fault {
            None if lease_lost => unavailable("this node has lost its lease: transactions are refused"),
            None if store.lists_full => {
                (StatusCode::OK, "ready, but the disk has no room for the view: lists are refused")
            }
            None => (StatusCode::OK, "ready"),
            Some(StoreFault::Full) => unavailable("the disk is full: writes are refused"),
            Some(StoreFault::Busy) if store.lists_full => {
                unavailable("the disk has no room for the view, which is too far behind: writes are refused")
            }
            Some(StoreFault::Busy) => unavailable("the view is too far behind: writes are refused"),
            Some(StoreFault::Stopped | StoreFault::Damaged | StoreFault::Read | StoreFault::TooLarge) => {
                unavailable("the store has stopped")
            }
        }
    }

    fn make_request_id(&self) -> RequestId {
        let mut random = [0; 8];
        // A request without a random name is still named by its time.
        drop(self.vault.entropy().fill(&mut random));
        RequestId::make(self.vault.now().wall, random)
    }
}

impl Asked {
    /// The permit for an operation of which query and headers are all that can be wrong.
    pub(crate) fn permit<O: Operation>(&mut self) -> Result<Permit<O>, Refusal> {
        let (permit, faults) = self.permit_and_faults()?;
        if faults.is_empty() { Ok(permit) } else { Err(faults.into()) }
    }

    /// The permit, and the faults so far, to which those of the body or the list are added.
    pub(crate) fn permit_and_faults<O: Operation>(&mut self) -> Result<(Permit<O>, Faults), Refusal> {
        Ok((self.caller.permit()?, core::mem::take(&mut self.faults)))
    }

    /// The id in the path. What is not an id is not found, like an id that is nobody's.
    pub(crate) fn id<T, E>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Refusal> {
        let parsed = self.id.as_deref().and_then(|text| parse(text).ok());
        parsed.ok_or_else(|| Refusal::with(ErrorCode::NotFound, "path.id", NAMES_NOTHING))
    }

    /// What a repetition of this request is told by, if it may be repeated.
    pub(crate) fn idempotency<O>(
        &self,
        vault: &Vault,
        permit: &Permit<O>,
        fields: &Fields<'_>,
    ) -> Option<Idempotency> {
        let key = self.idempotency_key.as_deref()?;
        Some(vault.idempotency(permit, &self.path, key, &canonical(fields)))
    }

    /// The body, which is wiped where it is read.
    pub(crate) fn take_body(&mut self) -> Body {
        core::mem::take(&mut self.body)
    }
}

/// The router of the whole server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    let mut paths: Vec<&'static str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let route = any(move |State(app): State<Arc<App>>, params: Params, request: Request| {
            endpoint(app, path, params, request)
        });
        router = router.route(path, route.clone()).route(&format!("{path}/"), route);
    }
    router
        .route("/livez", get(|State(app): State<Arc<App>>| plain(app, StatusCode::OK, "ok")))
        .route(
            "/readyz",
            get(|State(app): State<Arc<App>>| async move {
                let (status, text) = app.ready();
                plain(app, status, text).await
            }),
        )
        .route(
            "/openapi.json",
            get(|State(app): State<Arc<App>>| async move {
                let id = app.make_request_id();
                Answer::new(StatusCode::OK, app.openapi.clone().into_bytes()).into_response(id)
            }),
        )
        .merge(docs_page::routes())
        .fallback(|State(app): State<Arc<App>>| {
            refused(app, Refusal::with(ErrorCode::NotFound, "path", "is none of this API"))
        })
        .method_not_allowed_fallback(|State(app): State<Arc<App>>| {
            refused(app, Refusal::new(ErrorCode::Method))
        })
        .with_state(app)
}

/// The router of connections for which there is no room: each request is told so, and its connection ends.
pub(crate) fn full_router(app: Arc<App>) -> Router {
    let full = |State(app): State<Arc<App>>| async move {
        let mut response = refused(app, Refusal::new(ErrorCode::Busy)).await;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    };
    Router::new().fallback(full).with_state(app)
}

async fn plain(app: Arc<App>, status: StatusCode, text: &'static str) -> Response {
    let mut json = crate::answer::Json::object();
    json.text("status", text);
    Answer::new(status, json.end()).into_response(app.make_request_id())
}

/// Answers what is not in the table.
async fn refused(app: Arc<App>, refusal: Refusal) -> Response {
    Answer::refusal(&refusal, app.vault.now().wall).into_response(app.make_request_id())
}

/// Answers a request to a path of the table.
async fn endpoint(app: Arc<App>, path: &'static str, params: Params, request: Request) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    // What is answered to HEAD is what GET has, without its body.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let found = ENDPOINTS.iter().find(|endpoint| endpoint.path == path && endpoint.method == *method);
    let operation = found.map_or("none", |endpoint| endpoint.operation);
    let answer = match found {
        Some(endpoint) => answer(&app, endpoint, id, params, request).await,
        None => Ok(method_not_allowed(path, &app)),
    };
    let answer = answer.unwrap_or_else(|refusal| {
        // What is refused for want of room or time is said once, by the store.
        if refusal.code.status().is_server_error() && refusal.code != ErrorCode::Busy {
            tracing::warn!(request.id = %id, operation, code = refusal.code.number(), "request.failed");
        }
        Answer::refusal(&refusal, app.vault.now().wall)
    });
    let duration = started.elapsed();
    app.metrics.answered(operation, answer.status.as_u16(), duration.as_secs_f64());
    tracing::debug!(
        request.id = %id,
        operation,
        status = answer.status.as_u16(),
        duration_ms = duration.as_secs_f64() * 1000.0,
        "request.answered"
    );
    answer.into_response(id)
}

async fn answer(
    app: &Arc<App>,
    endpoint: &'static Endpoint,
    id: RequestId,
    params: Params,
    request: Request,
) -> Result<Answer, Refusal> {
    let (parts, incoming) = request.into_parts();
    if parts.version == Version::HTTP_11 && parts.headers.get_all(HOST).iter().count() != 1 {
        // RFC 9112, section 3.2
        return Err(Refusal::with(ErrorCode::Malformed, "headers.host", "must be there once"));
    }
    let address = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
    let caller = caller::caller(&app.vault, &parts.headers, Origin { request: Some(id), address }).map_err(
        |error| Refusal { asks_basic: caller::is_by_authorization(&parts.headers), ..Refusal::from(error) },
    )?;
    let body = if endpoint.body.is_some() {
        body::read(&parts.headers, incoming, app.settings.body_timeout).await?
    } else {
        Body::default()
    };
    let mut faults = Faults::default();
    let idempotency_key = idempotency_key(&parts.headers, &mut faults);
    if endpoint.list.is_none() {
        for (name, _) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            faults.unexpected("query", &name);
        }
    }
    let asked = Asked {
        caller,
        faults,
        // What is not UTF-8 is no id.
        id: params.ok().and_then(|params| params.iter().next().map(|(_, value)| value.to_owned())),
        query: parts.uri.query().map(str::to_owned),
        body,
        idempotency_key,
        path: parts.uri.path().trim_end_matches('/').to_owned(),
    };
    (endpoint.handler)(Arc::clone(app), asked).await
}

fn method_not_allowed(path: &str, app: &App) -> Answer {
    let mut answer = Answer::refusal(&Refusal::new(ErrorCode::Method), app.vault.now().wall);
    let mut methods: Vec<&str> = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path == path)
        .map(|endpoint| endpoint.method.as_str())
        .collect();
    if methods.contains(&Method::GET.as_str()) {
        methods.push(Method::HEAD.as_str());
    }
    methods.sort_unstable();
    if let Ok(methods) = HeaderValue::from_str(&methods.join(", ")) {
        answer.headers.push((ALLOW, methods));
    }
    answer
}

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_KEY_OF_GATEWAY: HeaderName = HeaderName::from_static("x-vfi-api-idempotencykey");

/// `Idempotency-Key`, or the gateway's own name for it.
fn idempotency_key(headers: &HeaderMap, faults: &mut Faults) -> Option<String> {
    let mut found: Option<String> = None;
    for name in [&IDEMPOTENCY_KEY, &IDEMPOTENCY_KEY_OF_GATEWAY] {
        for value in headers.get_all(name) {
            let key = value.to_str().unwrap_or_default();
            let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
            if !visible || key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX {
                let what = "must have 1 to 255 visible ASCII characters, and no spaces";
                faults.malformed("headers.idempotency-key", what);
            } else if found.as_deref().is_some_and(|known| known != key) {
                faults.malformed("headers.idempotency-key", "was sent twice, and differs");
            } else {
                found = Some(key.to_owned());
            }
        }
    }
    found
}

/// Reads a body of JSON as these fields and hands them on while it lives, with what is wrong with the rest of the request. The body
/// comes in by value, so that it is wiped here.
pub(crate) fn parsed<T>(
    body: Body,
    specs: &[FieldSpec],
    mut faults: Faults,
    read: impl FnOnce(&Fields<'_>, Faults) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match json::parse(&body) {
        Ok(value) => {
            let fields = Fields::take(value, body.len(), specs, &mut faults);
            read(&fields, faults)
        }
        Err(at) => Err(not_json(&at, faults)),
    }
}

/// Says where a body stops being JSON, and nothing of what it holds.
pub(crate) fn not_json(at: &NotJson, mut faults: Faults) -> Refusal {
    faults.not_json(at.to_string());
    faults.into()
}

/// An unfinished handler is not cut off by a client that hangs up: it runs in a task of its own.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, VaultError>> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::spawn(work).await {
        Ok(done) => Ok(done?),
        Err(_panicked) => Err(Refusal::new(ErrorCode::Internal)),
    }
}

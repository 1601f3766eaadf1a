//! The path of a request up to its route: request id, endpoint, caller, body; and of its answer back.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{Redirect, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use const_format::formatcp;
use http::header::{ALLOW, CONNECTION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version};
use panvault_model::{Id, RequestId};
use panvault_vault::{
    Caller, OperatorKey, Origin, RefusalReason, RowKey, StoreFault, VaultError, with_causes,
};
use tokio::time::Instant;

use crate::answer::{Answer, TOTAL_COUNT, TOTAL_COUNT_EXACT, object_body};
use crate::app::App;
use crate::asked::{Asked, Reads};
use crate::body::{Accepts, Body};
use crate::console::OfConsole;
use crate::error::{ErrorCode, Refusal};
use crate::fault::Faults;
use crate::limits::{
    ANSWER_OWN_BYTES_MAX, IDEMPOTENCY_KEY_CHARS_MAX, IDEMPOTENCY_KEY_RANDOM_CHARS_MIN, STREAM_PAGE_ROWS,
};
use crate::object::organisation;
use crate::own_origin::base;
use crate::room::Place;
use crate::table::{AnswerSchema, ENDPOINTS, Endpoint};
use crate::{
    body, caller, checkout_page, cors, csv, docs_page, hosted, keyless, list, notification, openapi,
    populate, try_page,
};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) enum Peer {
    /// Whoever is there; each request says who sends it. The place of its connection goes with it.
    Address(IpAddr, Arc<Place>),
    /// A command on this machine, which has proved that it has the root key: the operator sends every request.
    Operator(Arc<OperatorKey>),
}

/// What stands in a path where the table has `{id}` or `{bin}`.
type Params = Result<RawPathParams, RawPathParamsRejection>;

/// The endpoints of the table.
pub(crate) fn api() -> Router<Arc<App>> {
    let mut router = Router::new();
    let mut paths: Vec<&'static str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        // Looked up here once, and not among all for each request.
        let of_path: Arc<[&'static Endpoint]> =
            ENDPOINTS.iter().filter(|endpoint| endpoint.path == path).collect();
        let route = any(move |State(app): State<Arc<App>>, params: Params, request: Request| {
            endpoint(app, path, of_path, params, request)
        });
        router = router.route(path, route.clone()).route(&format!("{path}/"), route);
    }
    router
}

/// The document of the API. Most commands have a router too, and nobody asks them for it.
static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi::openapi_served().to_string()));

/// The router of the whole server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = api();
    if let Some(shop) = app.try_shop() {
        let api = router.clone().with_state(Arc::clone(&app));
        router = router.merge(try_page::routes(api, Arc::clone(shop)));
    }
    let livez = get(|State(app): State<Arc<App>>| plain(app, StatusCode::OK, "ok"));
    let readyz = get(|State(app): State<Arc<App>>| async move {
        let (status, text) = app.ready();
        plain(app, status, text).await
    });
    let openapi = get(|State(app): State<Arc<App>>| async move {
        let id = app.make_request_id();
        Answer::new(StatusCode::OK, OPENAPI.clone()).into_response(id)
    });
    router
        .route("/livez", livez.clone())
        .route("/livez/", livez)
        .route("/readyz", readyz.clone())
        .route("/readyz/", readyz)
        .route("/openapi.json", openapi.clone())
        .route("/openapi.json/", openapi)
        .route("/", get(|| core::future::ready(Redirect::to("/docs"))))
        .merge(docs_page::routes())
        .merge(hosted::routes())
        .merge(notification::routes())
        .merge(checkout_page::routes())
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
    let full = |State(app): State<Arc<App>>, request: Request| async move {
        let mut response = refused(app, Refusal::new(ErrorCode::Busy)).await;
        if checkout_page::is_page(&request) {
            checkout_page::make_busy(&mut response);
        }
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    };
    Router::new().fallback(full).with_state(app)
}

async fn plain(app: Arc<App>, status: StatusCode, text: &'static str) -> Response {
    let body = object_body(|json| json.always("status", text));
    Answer::new(status, body).into_response(app.make_request_id())
}

/// Answers what is not in the table.
async fn refused(app: Arc<App>, refusal: Refusal) -> Response {
    app.refused(refusal).into_response(app.make_request_id())
}

/// Answers a request to a path of the table.
async fn endpoint(
    app: Arc<App>,
    path: &'static str,
    of_path: Arc<[&'static Endpoint]>,
    params: Params,
    request: Request,
) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    // What is answered to HEAD is what GET has, without its body.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let found = of_path.iter().copied().find(|endpoint| endpoint.method == *method);
    let operation = found.map_or("none", |endpoint| endpoint.operation);
    let person = request.extensions().get::<OfConsole>().and_then(|of| of.person.clone());
    let is_read = *method == Method::GET;
    let mut page = None;
    let answer = match found {
        Some(endpoint) => answer(&app, endpoint, id, &params, request, &mut page).await,
        None => Ok(cors::preflight(app.vault(), path, method, request.headers())
            .unwrap_or_else(|| method_not_allowed(&of_path, &app))),
    };
    let mut answer = answer.unwrap_or_else(|refusal| {
        if let Some(reached) = refusal.limit {
            app.metrics().limit_reached(reached.limit);
        }
        log(&refusal, id, operation, path, in_path(&params));
        app.refused(refusal)
    });
    if let Some(page) = page {
        cors::let_read(&mut answer, page);
    }
    let ended = Instant::now();
    let duration = ended.saturating_duration_since(started);
    app.metrics().answered(operation, answer.status.as_u16(), ended, duration);
    let status = answer.status.as_u16();
    match person.as_deref() {
        // Who did it stands in no other place: the audit trail knows the key, and this request.
        Some(person) if !is_read || matches!(status, 401 | 403) => {
            tracing::info!(request.id = %id, operation, person, status, "console.answered");
        }
        person => tracing::debug!(
            request.id = %id,
            operation,
            person,
            status,
            duration_ms = duration.as_secs_f64() * 1000.0,
            "request.answered"
        ),
    }
    answer.into_response(id)
}

/// Where a request is from, as far as that is known; a command on this machine is from nowhere.
pub(crate) fn client_address(app: &App, peer: Option<&Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    match peer {
        Some(Peer::Address(address, _)) => Some(app.settings().trusted_proxies.client(*address, headers)),
        Some(Peer::Operator(_)) | None => None,
    }
}

/// Says why a request failed that should not have: the one place where that is said, with all that is known of it.
pub(crate) fn log(refusal: &Refusal, request: RequestId, operation: &str, path: &str, in_path: Option<&str>) {
    let code = refusal.code.number();
    if let Some(fault) = &refusal.fault {
        // What the fault is of; else what the request is about. Nothing of the path is repeated but an id.
        let row = fault.row();
        let named = in_path.and_then(|text| Id::parse(text).ok());
        let kind = row.map(RowKey::kind).or_else(|| named.and_then(|_| path.split('/').nth(2)));
        let id = row.map(RowKey::id).or_else(|| named.map(|id| id.to_string()));
        let stopped = matches!(**fault, VaultError::Store(StoreFault::Stopped | StoreFault::Unresolved));
        let advice = if stopped { "see the store's own log lines" } else { "run panvault doctor" };
        let error = with_causes(fault.as_ref());
        tracing::error!(request.id = %request, operation, code, object.kind = kind, object.id = id, %error, advice, "request.failed");
    } else if refusal.code.status().is_server_error() && refusal.code != ErrorCode::Busy {
        // What is refused for want of room or time is said once, by the store.
        tracing::warn!(request.id = %request, operation, code, "request.failed");
    }
}

/// What stands in the path where the table has a name in braces.
fn in_path(params: &Params) -> Option<&str> {
    params.as_ref().ok().and_then(|params| params.iter().next().map(|(_, value)| value))
}

async fn answer(
    app: &Arc<App>,
    endpoint: &'static Endpoint,
    id: RequestId,
    params: &Params,
    request: Request,
    page: &mut Option<HeaderValue>,
) -> Result<Answer, Refusal> {
    let (parts, incoming) = request.into_parts();
    if parts.version == Version::HTTP_11 && parts.headers.get_all(HOST).iter().count() != 1 {
        // RFC 9112, section 3.2
        return Err(Refusal::with(ErrorCode::Malformed, "headers.host", "must be there once"));
    }
    let peer = parts.extensions.get::<Peer>();
    let address = client_address(app, peer, &parts.headers);
    let origin = Origin { request: Some(id), address };
    let place = match peer {
        Some(Peer::Address(_, place)) => Some(place),
        Some(Peer::Operator(_)) | None => None,
    };
    let arriving = Arriving { app, endpoint, parts: &parts, origin, place };
    let (caller, body) = match keyless::page(app, endpoint, &parts) {
        // Boxed, as all that few requests need: what waits in a request makes up its size, which is allocated and wiped for each.
        Some(from) => Box::pin(arriving.keyless(from, incoming, page)).await?,
        None => arriving.with_key(incoming, page).await?,
    };
    // What is on this machine's own side alone, such as sealing the vault, is never kept from anybody.
    if parts.method != Method::GET && !endpoint.path.starts_with("/local/") {
        app.vault().trail_allows_changes()?;
    }
    let mut faults = Faults::default();
    let is_browser = caller.is_browser();
    let refused = caller.as_refused();
    let access_refused = |reason| app.vault().access_refused(&refused, endpoint.operation, reason);
    let idempotency_key =
        idempotency_key(&parts.headers, is_browser, &mut faults).unwrap_or_else(|Guessable| {
            app.metrics().idempotency_refused(is_browser, "guessable");
            access_refused(RefusalReason::IdempotencyGuessable);
            None
        });
    let mut wanted = Vec::new();
    if let Some(list) = endpoint.list {
        wanted = populate::read(list, parts.uri.query(), &mut faults);
    } else {
        for (name, _) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            faults.unexpected("query", &name);
        }
    }
    // What was done is said, however long it takes: only what is asked for again without harm may be refused.
    let holder = caller.organisation().filter(|_| endpoint.method == Method::GET);
    let is_list = matches!(endpoint.answer, Some(AnswerSchema::List(_)));
    let as_table = is_list && csv::is_liked_better(&parts.headers);
    // Only those of a checkout say where a page is.
    let is_checkout = endpoint.path.starts_with("/v1/checkout");
    let base = if is_checkout { base(app.settings(), &parts) } else { String::new() };
    if let Some(AnswerSchema::List(object)) = endpoint.answer
        && endpoint.list.is_some()
        && as_table
        && csv::is_of_all(endpoint, parts.uri.query())
    {
        csv::judge(parts.uri.query(), parts.version, &mut faults);
        if faults.is_empty() {
            let pages = csv::Pages {
                app: Arc::clone(app),
                caller,
                request: id,
                endpoint,
                object,
                wanted,
                place: place.cloned(),
                base,
                query: parts.uri.query().unwrap_or_default().to_owned(),
                next: None,
                rows: STREAM_PAGE_ROWS,
                room_bytes: 0,
            };
            return Box::pin(pages.answer()).await.inspect_err(|refusal| {
                if let Some(reason) = refusal.code.refusal_reason() {
                    access_refused(reason);
                }
            });
        }
    }
    let reader = (!wanted.is_empty()).then(|| caller.clone());
    let counter = caller.documents_counter();
    // What only reads, and names what it reads, can be judged once more, where another node may have changed what it is judged by.
    let may_be_again = app.vault().has_beside() && parts.method == Method::GET && endpoint.list.is_none();
    let again = may_be_again.then(|| caller.clone());
    let asked = Asked {
        base: base.clone(),
        caller,
        faults,
        // What is not UTF-8 is no id.
        id: in_path(params).map(str::to_owned),
        query: parts.uri.query().map(str::to_owned),
        body,
        idempotency: idempotency_key.map(|key| (parts.uri.path().trim_end_matches('/').to_owned(), key)),
        reads: Reads::Page,
    };
    let _working = place.map(|place| place.work()).transpose()?;
    let working = (endpoint.handler)(Arc::clone(app), asked);
    let answered = match place.filter(|_| endpoint.list.is_some()) {
        Some(place) => place.far_end().wait_for(working).await.unwrap_or_else(|| Err(Refusal::unwaited())),
        None => working.await,
    };
    let answered = match answered {
        Ok(answer) => Ok(answer),
        Err(refusal) => match (Box::pin(missed(app, counter, refusal)).await, again) {
            (Missed::Not(refusal), _) | (Missed::MovedOn(refusal), None) => Err(refusal),
            // By documents of a moment after the request began: what is not found now was not there, however often they change.
            (Missed::MovedOn(_), Some(caller)) => {
                let asked = Asked {
                    base,
                    caller: app.vault().caller_again(&caller)?,
                    faults: Faults::default(),
                    id: in_path(params).map(str::to_owned),
                    query: parts.uri.query().map(str::to_owned),
                    body: Body::default(),
                    idempotency: None,
                    reads: Reads::Page,
                };
                (endpoint.handler)(Arc::clone(app), asked).await
            }
        },
    };
    let mut answer = answered.inspect_err(|refusal| {
        if refusal.code == ErrorCode::IdempotencyMismatch {
            app.metrics().idempotency_refused(is_browser, "mismatch");
        } else if refusal.code == ErrorCode::IdempotencyInUse {
            app.metrics().idempotency_refused(is_browser, "running");
        }
        if let Some(reason) = refusal.code.refusal_reason() {
            access_refused(reason);
        }
    })?;
    if endpoint.list.is_some() && list::wants_no_total(parts.uri.query()) {
        answer.headers.retain(|(name, _)| *name != TOTAL_COUNT && *name != TOTAL_COUNT_EXACT);
    }
    if let Some(AnswerSchema::List(object)) = endpoint.answer
        && (reader.is_some() || as_table)
    {
        let showing = Box::pin(async {
            let _turn = app.turn_to_show().await;
            if let Some(reader) = reader {
                answer = populate::populated(app.vault(), &reader, &wanted, answer).await?;
            }
            if as_table { csv::table(answer, object) } else { Ok(answer) }
        });
        answer = match place {
            Some(place) => {
                place.far_end().wait_for(showing).await.unwrap_or_else(|| Err(Refusal::unwaited()))?
            }
            None => showing.await?,
        };
    }
    if let Some(holder) = holder
        && answer.body.len() > ANSWER_OWN_BYTES_MAX
    {
        answer.body = app.hold(holder, answer.body)?;
    }
    Ok(answer)
}

/// A request of which the head is there.
struct Arriving<'r> {
    app: &'r App,
    endpoint: &'static Endpoint,
    parts: &'r Parts,
    origin: Origin,
    place: Option<&'r Arc<Place>>,
}

impl Arriving<'_> {
    /// The caller by its key, and the body.
    async fn with_key(
        &self,
        incoming: axum::body::Body,
        page: &mut Option<HeaderValue>,
    ) -> Result<(Caller, Body), Refusal> {
        let Self { app, endpoint, parts, origin, place } = *self;
        if administers(endpoint) {
            Box::pin(app.vault().documents_follow()).await?;
        }
        let caller = match parts.extensions.get::<Peer>() {
            Some(Peer::Operator(key)) => app.vault().operator(key, origin),
            Some(Peer::Address(..)) | None => caller::caller(app.vault(), &parts.headers, origin).await,
        };
        let caller = judged(app, caller, endpoint, parts, page)?;
        self.count(&caller, origin.address)?;
        // A browser's key is in everybody's hands.
        if let (Some(place), false) = (place, caller.is_browser()) {
            place.keep()?;
        }
        let Some(spec) = endpoint.body else { return Ok((caller, Body::default())) };
        let accepts = if spec.may_lack { Accepts::JsonOrNothing } else { Accepts::Json };
        let body = if core::ptr::eq(spec, &raw const organisation::LOGO) {
            Box::pin(app.picture(&parts.headers, incoming)).await?
        } else {
            body::read(&parts.headers, incoming, app.settings().body_timeout, accepts).await?
        };
        // A body takes its time, in which a key may end or be revoked: the request is judged by when it is whole.
        Ok((judged(app, app.vault().caller_again(&caller), endpoint, parts, page)?, body))
    }

    /// The caller by the organisation that the body names. Until that is read, only the address is known.
    async fn keyless(
        &self,
        from: keyless::Page,
        incoming: axum::body::Body,
        page: &mut Option<HeaderValue>,
    ) -> Result<(Caller, Body), Refusal> {
        let Self { app, endpoint, parts, origin, .. } = *self;
        if let keyless::Page::Listed(origin) = from {
            *page = Some(origin);
        }
        app.rates().take_address(origin.address, app.vault().now()).map_err(|reached| {
            // What it answers is for who has a wrong key.
            let _ = app.vault().signin_refused(origin, RefusalReason::Rate);
            Refusal::too_many(reached)
        })?;
        let body =
            body::read(&parts.headers, incoming, app.settings().body_timeout, Accepts::JsonOrForm).await?;
        let caller = app.vault().keyless_caller(keyless::organisation(&body)?, origin);
        let caller = judged(app, caller, endpoint, parts, page)?;
        self.count(&caller, None)?;
        Ok((caller, body))
    }

    fn count(&self, caller: &Caller, address: Option<IpAddr>) -> Result<(), Refusal> {
        self.app.rates().take(caller, self.endpoint.operation, address).map_err(|reached| {
            let refused = caller.as_refused();
            self.app.vault().access_refused(&refused, self.endpoint.operation, RefusalReason::Rate);
            Refusal::too_many(reached)
        })
    }
}

/// Whether it shows or changes who may do what and where money goes. Of several nodes each answers that by what was last changed at any; all else goes by
/// what was changed a moment ago.
fn administers(endpoint: &Endpoint) -> bool {
    ["organisation_", "account_", "processor_", "apikey_", "key_"]
        .iter()
        .any(|noun| endpoint.operation.starts_with(noun))
}

/// What becomes of a refusal.
enum Missed {
    /// It stands.
    Not(Refusal),
    /// Nothing was found, and documents have changed since the request began: it may be there by now. Nothing was done, and what is sent again is judged
    /// by them.
    MovedOn(Refusal),
}

/// Looks whether another node has changed documents since a request began that found nothing.
async fn missed(app: &App, counter: u32, refusal: Refusal) -> Missed {
    // Sealed with a key that another node has activated: whoever looks again has it.
    let is_later =
        app.vault().has_beside() && refusal.fault.as_ref().is_some_and(|fault| fault.is_of_later_key());
    if refusal.code != ErrorCode::NotFound && !is_later {
        return Missed::Not(refusal);
    }
    match app.vault().documents_moved_on(counter).await {
        // Then there is no later key either, and what names one is not what the vault wrote.
        Ok(false) => Missed::Not(refusal),
        Ok(true) => {
            let what = "has just seen what another changed; try again";
            Missed::MovedOn(Refusal::with(ErrorCode::Busy, "node", what))
        }
        // It was away while that key was handed over, and is to be started again; the log says so.
        Err(_) if is_later => {
            let what = "does not have a key yet that another node has; try again";
            Missed::MovedOn(Refusal::with(ErrorCode::Busy, "node", what))
        }
        Err(error) => Missed::Not(error.into()),
    }
}

/// The caller, if the endpoint is open to it and to the page that it stands on.
fn judged(
    app: &App,
    caller: Result<Caller, VaultError>,
    endpoint: &Endpoint,
    parts: &Parts,
    page: &mut Option<HeaderValue>,
) -> Result<Caller, Refusal> {
    let asks_basic = || caller::is_by_authorization(&parts.headers);
    let caller = caller.map_err(|error| Refusal { asks_basic: asks_basic(), ..Refusal::from(error) })?;
    let refused = |reason| app.vault().access_refused(&caller.as_refused(), endpoint.operation, reason);
    *page = cors::page(&caller, app.settings(), parts).inspect_err(|_| refused(RefusalReason::Page))?;
    // The same table says it in the documentation; the operation asks for its permit once more.
    if caller.has_any(endpoint.roles) {
        Ok(caller)
    } else {
        refused(RefusalReason::Role);
        Err(Refusal::new(ErrorCode::RoleNotAllowed))
    }
}

fn method_not_allowed(of_path: &[&Endpoint], app: &App) -> Answer {
    let mut answer = app.refused(Refusal::new(ErrorCode::Method));
    let mut methods: Vec<&str> = of_path.iter().map(|endpoint| endpoint.method.as_str()).collect();
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

/// `Idempotency-Key`, or the gateway's own name for it. A browser's must be one that nobody guesses: its API key is in everybody's hands,
/// and who sends an idempotency key of somebody else's is answered as they were.
pub(crate) fn idempotency_key(
    headers: &HeaderMap,
    is_browser: bool,
    faults: &mut Faults,
) -> Result<Option<String>, Guessable> {
    let mut found: Option<String> = None;
    let mut is_guessable = false;
    for name in [&IDEMPOTENCY_KEY, &IDEMPOTENCY_KEY_OF_GATEWAY] {
        for value in headers.get_all(name) {
            let key = value.to_str().unwrap_or_default();
            let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
            if !visible || key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX {
                let what = formatcp!(
                    "must have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters, and no spaces"
                );
                faults.malformed("headers.idempotency-key", what);
            } else if is_browser && !is_unguessable(key) {
                let what = formatcp!(
                    "must be, from a browser, a random UUID (version 4) or {IDEMPOTENCY_KEY_RANDOM_CHARS_MIN} to \
                     {IDEMPOTENCY_KEY_CHARS_MAX} random characters A-Z a-z 0-9 - _"
                );
                faults.malformed("headers.idempotency-key", what);
                is_guessable = true;
            } else if found.as_deref().is_some_and(|known| known != key) {
                faults.malformed("headers.idempotency-key", "was sent twice, and differs");
            } else {
                found = Some(key.to_owned());
            }
        }
    }
    if is_guessable { Err(Guessable) } else { Ok(found) }
}

/// An idempotency key that anybody may guess, of which a fault is noted.
pub(crate) struct Guessable;

/// Whether a key has the form of 122 random bits or more: a UUID of version 4 (RFC 9562, section 5.4), or as many characters of base64url
/// (RFC 4648, section 5) as 16 bytes have. A UUID of another version is made of a time or a name.
fn is_unguessable(key: &str) -> bool {
    let key = key.as_bytes();
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'-' | b'_');
    if is_uuid(key) {
        key.get(14) == Some(&b'4') && matches!(key.get(19), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'))
    } else {
        key.len() >= IDEMPOTENCY_KEY_RANDOM_CHARS_MIN && key.iter().all(is_base64url)
    }
}

/// Whether it is written as a UUID is, of whatever version.
fn is_uuid(key: &[u8]) -> bool {
    key.len() == 36
        && key.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_sends_a_key_that_nobody_guesses() {
        for key in [
            "0b9d1c7e-5f0a-4c53-9a57-3d5f1c2a7e90",
            "0B9D1C7E-5F0A-4C53-BA57-3D5F1C2A7E90",
            "q7Zp0Hq3Tn6v9xYw_-4kLm",
            &"k".repeat(IDEMPOTENCY_KEY_RANDOM_CHARS_MIN),
            &"k".repeat(IDEMPOTENCY_KEY_CHARS_MAX),
        ] {
            assert!(is_unguessable(key), "{key}");
        }
        for key in [
            "",
            "order-77",
            &"k".repeat(IDEMPOTENCY_KEY_RANDOM_CHARS_MIN - 1),
            "0b9d1c7e-5f0a-1c53-9a57-3d5f1c2a7e90",
            "0b9d1c7e-5f0a-7c53-9a57-3d5f1c2a7e90",
            "0b9d1c7e-5f0a-4c53-7a57-3d5f1c2a7e90",
            "q7Zp0Hq3Tn6v9xYw/+4kLm",
            "q7Zp0Hq3Tn6v9xYw_-4kLm==",
        ] {
            assert!(!is_unguessable(key), "{key}");
        }
    }
}

//! The page at which a shopper pays a checkout, and what it asks the vault for. It has no key: it names a checkout, whose id is a right to see what is asked for,
//! to bring a card, and to pay with that, until it ends. The page is static, the same bytes for each checkout; all that differs it asks for.
//!
//! Nothing here tells a token, a customer or a reference, but for the return URL of a checkout that has ended.

use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, RETRY_AFTER, USER_AGENT,
};
use http::request::Parts;
use http::{StatusCode, Version};
use panvault_card::masked_text;
use panvault_model::{Brand, CheckoutId, CheckoutStatus, OrganisationId, RequestId};
use panvault_vault::{
    CardCreate, CheckoutSession, CheckoutView, LogoRow, Operation, Origin, RefusalReason, VaultError,
};
use panvault_web::{CHECKOUT_PAGE, CHECKOUT_SCRIPT, CHECKOUT_STYLE, WebFile};
use tokio::time::Instant;

use crate::answer::{Answer, object_body};
use crate::app::App;
use crate::asked::{parsed, to_the_end};
use crate::body::{self, Accepts, Body};
use crate::canonical::canonical;
use crate::dispatch::{Peer, client_address, idempotency_key, log};
use crate::error::{ErrorCode, NAMES_NOTHING, Refusal, action_code};
use crate::fault::Faults;
use crate::limits::USER_AGENT_BYTES_MAX;
use crate::object::checkout::{ATTEMPT, BRING, CANCEL, PAY};
use crate::object::organisation::Theme;
use crate::object::{Number, Shape, Shown};
use crate::own_origin::{is_from_own, is_own};
use crate::routes::card::{Judged, NewCardRequest, create_parse};

/// As metrics and the log name it.
const OPERATION: &str = "checkout_page";
/// What a fault is said to be about.
const PATH: &str = "/v1/checkout/{id}";

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
static FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// In the languages of the page.
const BUSY_PAGE: &str = include_str!("checkout_page/busy.html");
/// What never changes under its address is kept for a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What the page may load and do: what the vault serves, frames of fields among it, and requests to the vault. Nobody shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// What it has no use for.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
                           magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()";

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/checkout/checkout.js", get(|| async { asset(CHECKOUT_SCRIPT) }))
        .route("/checkout/checkout.css", get(|| async { asset(CHECKOUT_STYLE) }))
        .route("/checkout/logo/{organisation}/{digest}", get(logo))
        .route("/v1/checkout/view/{file}", get(view))
        .route("/v1/checkout/{id}/card", post(|app, params, request| act(app, params, request, Act::Card)))
        .route("/v1/checkout/{id}/pay", post(|app, params, request| act(app, params, request, Act::Pay)))
        .route(
            "/v1/checkout/{id}/cancel",
            post(|app, params, request| act(app, params, request, Act::Cancel)),
        )
}

/// What the page asks to be done.
#[derive(Clone, Copy)]
enum Act {
    Card,
    Pay,
    Cancel,
}

fn asset(file: WebFile) -> Response {
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CACHE_CONTROL, "no-cache"),
        (NO_SNIFF, "nosniff"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    (headers, file.bytes).into_response()
}

/// The page, or what it shows.
async fn view(State(app): State<Arc<App>>, params: RawPathParams, request: Request) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    let file = params.iter().next().map(|(_, file)| file.to_owned()).unwrap_or_default();
    let (parts, _) = request.into_parts();
    let response = if let Some(named) = file.strip_suffix(".html") {
        // Of whatever is not a checkout, the page says that there is none.
        match session(&app, named, &parts, id).await {
            Ok(_) => page(StatusCode::OK),
            Err(refusal) if refusal.code == ErrorCode::NotFound => page(StatusCode::NOT_FOUND),
            Err(refusal) => refused_page(&app, refusal, id, named),
        }
    } else if asks_for_page(&parts.headers) {
        refused_page(&app, nobody(), id, "")
    } else if let Some(named) = file.strip_suffix(".json") {
        let shown = match from_own(&app, &parts) {
            Ok(()) => Box::pin(state(&app, named, &parts, id)).await,
            Err(refusal) => Err(refusal),
        };
        match shown {
            Ok(answer) => answer.into_response(id),
            Err(refusal) => refused(&app, refusal, id, named),
        }
    } else {
        refused(&app, nobody(), id, "")
    };
    answered(&app, response, started)
}

fn answered(app: &App, response: Response, started: Instant) -> Response {
    let ended = Instant::now();
    let after = ended.saturating_duration_since(started);
    app.metrics().answered(OPERATION, response.status().as_u16(), ended, after);
    response
}

fn page(status: StatusCode) -> Response {
    let headers = [
        (CONTENT_TYPE, CHECKOUT_PAGE.content_type),
        (CACHE_CONTROL, "no-store"),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (CONTENT_SECURITY_POLICY, POLICY),
        (RESOURCE_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ];
    (status, headers, CHECKOUT_PAGE.bytes).into_response()
}

/// The picture of an organisation, which anybody may see. Another one has another address.
async fn logo(State(app): State<Arc<App>>, params: RawPathParams, request: Request) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    let mut params = params.iter().map(|(_, text)| text);
    let (organisation, digest) = (params.next().unwrap_or_default(), params.next().unwrap_or_default());
    let (parts, _) = request.into_parts();
    let response = match Box::pin(picture(&app, organisation, digest, &parts)).await {
        Ok(row) => {
            let headers = [
                (CONTENT_TYPE, row.logo.format.media_type()),
                (CACHE_CONTROL, FOR_EVER),
                (NO_SNIFF, "nosniff"),
                (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
                (RESOURCE_POLICY, "same-origin"),
            ];
            (headers, row.bytes).into_response()
        }
        Err(refusal) => refused(&app, refusal, id, organisation),
    };
    answered(&app, response, started)
}

async fn picture(
    app: &Arc<App>,
    organisation: &str,
    digest: &str,
    parts: &Parts,
) -> Result<LogoRow, Refusal> {
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    app.rates().take_frame(address, app.vault().now()).map_err(Refusal::too_many)?;
    let organisation = OrganisationId::parse(organisation).map_err(|_| nobody())?;
    app.vault().organisation_logo(organisation, digest).await?.ok_or_else(nobody)
}

/// Whether a shopper's browser asks for a page.
pub(crate) fn is_page<B>(request: &http::Request<B>) -> bool {
    request.uri().path().starts_with("/v1/checkout/view/") && asks_for_page(request.headers())
}

/// What a refusal is to a shopper where there is no room even for what the page loads: a page that needs nothing, and asks again by itself.
pub(crate) fn make_busy(response: &mut Response) {
    const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = AxumBody::from(BUSY_PAGE);
}

/// Whether a browser asks for something to show to whoever sits before it (Fetch Metadata, or the types that it likes).
fn asks_for_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    headers.get(&FETCH_MODE).is_some_and(|mode| mode == "navigate")
        || accepts.flat_map(|value| value.split(',')).any(|kind| kind.trim_start().starts_with("text/html"))
}

/// The page, with the status of a refusal and when it may be asked again: its script finds out in the shopper's language, and tries again when it is told to.
fn refused_page(app: &App, refusal: Refusal, id: RequestId, named: &str) -> Response {
    let told = refused(app, refusal, id, named);
    let mut response = page(told.status());
    if let Some(again) = told.headers().get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, again.clone());
    }
    response
}

/// What the page shows.
async fn state(app: &Arc<App>, named: &str, parts: &Parts, id: RequestId) -> Result<Answer, Refusal> {
    let session = session(app, named, parts, id).await?;
    let seen = app.vault().checkout_seen(&session).await?;
    let left = seen.row.expires_at.unix_millis().saturating_sub(seen.at.unix_millis());
    let locale = seen.row.locale.as_deref();
    let back = seen.return_url();
    let brands = app.vault().checkout_brands(&session);
    let body = object_body(|json| {
        json.always("status", seen.status);
        json.always("does", seen.purpose());
        json.always("amount", seen.row.amount);
        json.always("currency_code", session.currency());
        json.always("merchant", session.merchant());
        json.always("organisation", seen.row.organisation);
        json.always("brands", brands.as_slice());
        json.always("attempt", count(seen.row.attempts.into()));
        json.always("attempts_left", count(seen.attempts_left().into()));
        json.always("expires_at", seen.row.expires_at);
        json.always("expires_in_seconds", count(left / 1000));
        json.always("theme", Theme(session.themes().concat()));
        json.optional(
            "logo",
            session.logo().map(|(of, logo)| format!("/checkout/logo/{of}/{}", logo.digest_text())),
        );
        json.optional("locale", locale);
        json.optional("return", back.as_deref());
        if let Some(code) = failed(&seen) {
            json.always("error", Problem(code));
        }
    });
    Ok(Answer::new(StatusCode::OK, body))
}

/// What became of the last attempt, if nothing did.
fn failed(seen: &CheckoutView) -> Option<ErrorCode> {
    match seen.status {
        CheckoutStatus::Expired => Some(ErrorCode::CheckoutExpired),
        CheckoutStatus::Completed | CheckoutStatus::Processing | CheckoutStatus::Cancelled => None,
        CheckoutStatus::Open | CheckoutStatus::Failed => {
            seen.transaction.as_ref().and_then(|transaction| action_code(transaction.state))
        }
    }
}

const fn count(number: u64) -> Number<0, { u64::MAX }> {
    Number(number)
}

/// A code, with its words.
struct Problem(ErrorCode);

impl Shown for Problem {
    const SHAPE: Shape = Shape::Details;

    fn write(&self, out: &mut Vec<u8>) {
        crate::answer::Json::object(out, |json| {
            json.always("code", count(self.0.number().into()));
            json.always("message", self.0.message());
        });
    }
}

async fn act(State(app): State<Arc<App>>, params: RawPathParams, request: Request, act: Act) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    let named = params.iter().next().map(|(_, id)| id.to_owned()).unwrap_or_default();
    let (parts, incoming) = request.into_parts();
    let response = match Box::pin(acted(&app, &named, &parts, incoming, id, act)).await {
        Ok(answer) => answer.into_response(id),
        Err(refusal) => refused(&app, refusal, id, &named),
    };
    answered(&app, response, started)
}

async fn acted(
    app: &Arc<App>,
    named: &str,
    parts: &Parts,
    incoming: AxumBody,
    id: RequestId,
    act: Act,
) -> Result<Answer, Refusal> {
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    // Browsers name the page that sends something; where none is named, it is none of this vault's.
    match (origins.next(), origins.next()) {
        (Some(origin), None) if is_own(app.settings(), parts, origin) => {}
        _ => return Err(foreign()),
    }
    let session = session(app, named, parts, id).await?;
    let body =
        body::read(&parts.headers, incoming, app.settings().body_timeout, Accepts::JsonOrNothing).await?;
    match act {
        Act::Card => bring(app, &session, &parts.headers, named, body).await,
        Act::Pay => pay(app, session, parts, body).await,
        Act::Cancel => {
            parsed(body, &CANCEL, Faults::default(), |_, faults| end(faults))?;
            let vault = app.vault().clone();
            let seen = to_the_end(async move { vault.checkout_cancel(&session).await }).await?;
            Ok(standing(&seen))
        }
    }
}

fn end(faults: Faults) -> Result<(), Refusal> {
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// Stores the card that is in the body. The plaintext lives inside the closure.
async fn bring(
    app: &Arc<App>,
    session: &CheckoutSession,
    headers: &HeaderMap,
    named: &str,
    body: Body,
) -> Result<Answer, Refusal> {
    let permit = session.caller().permit::<CardCreate>()?;
    let mut faults = Faults::default();
    let key = idempotency_key(headers, true, &mut faults).unwrap_or_default();
    let path = format!("/v1/checkout/{named}/card");
    let bringing = parsed(body, &BRING, faults, |fields, faults| {
        let judged = Judged { now: session.caller().now().wall, may_be_repeated: key.is_some() };
        let NewCardRequest { card, .. } =
            create_parse(fields, session.caller().organisation(), judged, faults)?;
        let idempotency =
            key.as_ref().map(|key| app.vault().idempotency(&permit, &path, key, &canonical(fields)));
        Ok(app.vault().checkout_card(session, card, idempotency))
    })?;
    let done = to_the_end(bringing).await?;
    let card = Brought { brand: done.value.row.brand, last_four: done.value.row.last_four };
    let attempt = count(session.row().attempts.into());
    let body = object_body(|json| {
        json.always("card", card);
        json.always("attempt", attempt);
    });
    Ok(Answer::new(StatusCode::OK, body).replayed(done.replayed))
}

/// What the page learns of a card: never its token.
struct Brought {
    brand: Option<Brand>,
    last_four: panvault_model::LastFour,
}

impl Shown for Brought {
    const SHAPE: Shape = Shape::Details;

    fn write(&self, out: &mut Vec<u8>) {
        crate::answer::Json::object(out, |json| {
            json.nullable("brand", self.brand);
            json.always("last_four", self.last_four);
        });
    }
}

async fn pay(app: &Arc<App>, session: CheckoutSession, parts: &Parts, body: Body) -> Result<Answer, Refusal> {
    let attempt = parsed(body, &PAY, Faults::default(), |fields, faults| {
        let attempt = fields.of(&ATTEMPT).and_then(|attempt| u8::try_from(attempt).ok());
        attempt.filter(|_| faults.is_empty()).ok_or_else(|| faults.into())
    })?;
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    let customer_ip = address.map(|address| address.to_string()).unwrap_or_default();
    let user_agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let user_agent = masked_text(user_agent, USER_AGENT_BYTES_MAX);
    let vault = app.vault().clone();
    let paying =
        to_the_end(async move { vault.checkout_pay(&session, attempt, customer_ip, user_agent).await });
    outcome(&paying.await?)
}

/// What became of an attempt.
fn outcome(seen: &CheckoutView) -> Result<Answer, Refusal> {
    let code = match seen.status {
        CheckoutStatus::Completed | CheckoutStatus::Processing => return Ok(standing(seen)),
        CheckoutStatus::Failed => ErrorCode::CheckoutFailed,
        CheckoutStatus::Cancelled => ErrorCode::State,
        CheckoutStatus::Open | CheckoutStatus::Expired => {
            failed(seen).filter(|_| seen.transaction.is_some()).unwrap_or(ErrorCode::CheckoutExpired)
        }
    };
    Err(Refusal::with(code, "attempts_left", seen.attempts_left().to_string()))
}

fn standing(seen: &CheckoutView) -> Answer {
    let back = seen.return_url();
    let body = object_body(|json| {
        json.always("status", seen.status);
        json.optional("return", back.as_deref());
    });
    Answer::new(StatusCode::OK, body)
}

/// The checkout that is named. How often an address, and the page of one checkout, may ask is limited.
async fn session(
    app: &Arc<App>,
    named: &str,
    parts: &Parts,
    id: RequestId,
) -> Result<CheckoutSession, Refusal> {
    if parts.version == Version::HTTP_11 && parts.headers.get_all(HOST).iter().count() != 1 {
        // RFC 9112, section 3.2
        return Err(Refusal::with(ErrorCode::Malformed, "headers.host", "must be there once"));
    }
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    let origin = Origin { request: Some(id), address };
    app.rates().take_address(address, app.vault().now()).map_err(|reached| {
        // What it answers is for who has a wrong key.
        let _ = app.vault().signin_refused(origin, RefusalReason::Rate);
        Refusal::too_many(reached)
    })?;
    let checkout = CheckoutId::parse(named).map_err(|_| nobody())?;
    let session = app.vault().checkout_session(checkout, origin).await.map_err(|error| match error {
        VaultError::NotFound(_) => nobody(),
        error => error.into(),
    })?;
    app.rates().take(session.caller(), CardCreate::NAME, None).map_err(Refusal::too_many)?;
    Ok(session)
}

/// That no other site's page asks. Whoever asks without a browser knows the id, which is all that is needed.
fn from_own(app: &App, parts: &Parts) -> Result<(), Refusal> {
    let origin_fits =
        parts.headers.get_all(ORIGIN).iter().all(|origin| is_own(app.settings(), parts, origin));
    let site_fits = !parts.headers.contains_key(&FETCH_SITE) || is_from_own(parts);
    if origin_fits && site_fits { Ok(()) } else { Err(foreign()) }
}

fn foreign() -> Refusal {
    Refusal::with(ErrorCode::Blocked, "headers.origin", "must be that of this vault")
}

/// One answer for what is no checkout, and for one that nobody can use.
fn nobody() -> Refusal {
    Refusal::with(ErrorCode::NotFound, "path.id", NAMES_NOTHING)
}

fn refused(app: &App, refusal: Refusal, id: RequestId, named: &str) -> Response {
    if let Some(reached) = refusal.limit {
        app.metrics().limit_reached(reached.limit);
    }
    log(&refusal, id, OPERATION, PATH, Some(named));
    let mut response = Answer::refusal(refusal, app.vault().now().wall).into_response(id);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

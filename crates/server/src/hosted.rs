//! What a browser loads from here: the script of a shop's page, the frames of hosted fields, and the script of the gateway's forms.
//!
//! The document of a frame is the same for every field. Which pages may show it is said to the browser (`frame-ancestors`), and to its script, which
//! asks the page that it talks to where it is from.

use core::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, ORIGIN, REFERRER_POLICY,
};
use http::request::Parts;
use panvault_model::{CheckoutId, OrganisationId};
use panvault_vault::{Caller, Origin, VaultError};
use panvault_web::{FORM_SCRIPT, HASHES, Release, WebFile, integrity, release};

use crate::answer::{Answer, object_body};
use crate::app::App;
use crate::dispatch::{Peer, client_address};
use crate::error::{ErrorCode, Refusal};
use crate::own_origin::{host_asked, host_of, is_from_own, is_own, own_origins};

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// A released file never changes: a browser keeps it for a year, and does not ask again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What a frame may load and do: its script and style sheet, and requests to the vault.
const FRAME_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                            form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Said to a frame in the place of origins: the one that it comes from itself.
const OWN: &str = "self";
/// What a frame has no use for.
const FRAME_PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), \
                                 geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), \
                                 serial=(), usb=(), xr-spatial-tracking=()";

pub(crate) fn routes() -> Router<Arc<App>> {
    let form_script = get(|| async { asset(FORM_SCRIPT, "no-cache", Readers::Anyone) });
    Router::new()
        .route("/js/hashes.json", get(|| async { asset(HASHES, "no-cache", Readers::Anyone) }))
        .route("/js/{version}/panvault.js", released(|of| of.script, Readers::Anyone))
        .route("/js/{version}/panvault.mjs", released(|of| of.module, Readers::Anyone))
        .route("/fields/check", get(check))
        .route("/fields/{version}/frame.html", get(frame))
        .route("/fields/{version}/frame.js", released(|of| of.frame_script, Readers::Own))
        .route("/fields/{version}/frame.css", released(|of| of.frame_style, Readers::Own))
        .route("/static/jsclient/script.js", form_script.clone())
        .route("/cdn/jsclient.js", form_script)
}

/// The same for the console's own pages, whose frames are shown on them alone and use the key of whoever sits before them. That key comes from the
/// page, so that it stands in no address.
pub(crate) fn console_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/js/hashes.json", get(|| async { asset(HASHES, "no-cache", Readers::Own) }))
        .route("/js/{version}/panvault.js", released(|of| of.script, Readers::Own))
        .route("/js/{version}/panvault.mjs", released(|of| of.module, Readers::Own))
        .route("/fields/{version}/frame.html", get(console_frame))
        .route("/fields/{version}/frame.js", released(|of| of.frame_script, Readers::Own))
        .route("/fields/{version}/frame.css", released(|of| of.frame_style, Readers::Own))
}

/// Whose pages may load a file.
#[derive(Clone, Copy)]
enum Readers {
    Anyone,
    /// Those that the vault serves.
    Own,
}

/// Answers with a file of the version that is named.
fn released(file: fn(&Release) -> WebFile, readers: Readers) -> MethodRouter<Arc<App>> {
    get(move |State(app): State<Arc<App>>, Path(version): Path<String>| async move {
        release(&version).map_or_else(|| not_found(&app), |release| asset(file(release), FOR_EVER, readers))
    })
}

fn asset(file: WebFile, cache: &'static str, readers: Readers) -> Response {
    let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, cache), (NO_SNIFF, "nosniff")];
    let mut response = (headers, file.bytes).into_response();
    let policy = match readers {
        Readers::Anyone => {
            // A browser holds a script against its hash only where it may read it.
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            "cross-origin"
        }
        Readers::Own => "same-origin",
    };
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static(policy));
    response
}

/// The document of every frame, for the pages that its key or organisation allows.
async fn frame(State(app): State<Arc<App>>, Path(version): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(release) = release(&version) else { return not_found(&app) };
    if let Some(checkout) = of_checkout(&parts) {
        return match at_checkout(&app, &parts, checkout).await {
            Ok(true) => {
                let own = own_origins(app.settings(), &parts).join(" ");
                frame_document(release, &own, &own)
            }
            Ok(false) => no_frame(),
            Err(refusal) => refused(&app, refusal),
        };
    }
    match browser(&app, &parts) {
        Ok(Some(caller)) => {
            let origins = caller.allowed_origins().unwrap_or_default().join(" ");
            frame_document(release, &origins, &origins)
        }
        Ok(None) => no_frame(),
        Err(refusal) => refused(&app, refusal),
    }
}

fn no_frame() -> Response {
    let text = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Panvault</title></head>\
                <body><p>This key is not valid here.</p></body></html>\n";
    document(StatusCode::FORBIDDEN, text.to_owned(), "'none'")
}

/// The document of a frame for the console's own pages: `self` is the origin that it comes from itself, whatever a proxy calls that.
async fn console_frame(
    State(app): State<Arc<App>>,
    Path(version): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Some(release) = release(&version) else { return not_found(&app) };
    match count_frame(&app, &parts) {
        Ok(_) => frame_document(release, OWN, "'self'"),
        Err(refusal) => refused(&app, refusal),
    }
}

/// Origins are written by `origin_fits` alone, or [`OWN`]: nothing that means something in a header or in HTML.
fn frame_document(release: &Release, origins: &str, ancestors: &str) -> Response {
    let mut text = String::from(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\"><title>Panvault</title>",
    );
    let hash = |file: WebFile| integrity(file.path).unwrap_or_default();
    // Writing into a string does not fail.
    let _ = write!(
        text,
        "<meta name=panvault-origins content=\"{origins}\">\
         <link rel=stylesheet href=frame.css integrity=\"{}\">\
         <script src=frame.js integrity=\"{}\" defer></script></head><body></body></html>",
        hash(release.frame_style),
        hash(release.frame_script),
    );
    document(StatusCode::OK, text, ancestors)
}

fn document(status: StatusCode, text: String, ancestors: &str) -> Response {
    let policy = format!("{FRAME_POLICY}; frame-ancestors {ancestors}");
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (PERMISSIONS_POLICY, FRAME_PERMISSIONS),
    ];
    let mut response = (status, headers, text).into_response();
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// Whether the page that asks may use the key: what a shop's script says when no frame answers it.
async fn check(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Some(checkout) = of_checkout(&parts) {
        let result = match at_checkout(&app, &parts, checkout).await {
            Ok(true) if is_asked_by_own(&app, &parts) => "ready",
            Ok(true) => "origin",
            Ok(false) => "key",
            Err(refusal) => return own(refused(&app, refusal)),
        };
        let body = object_body(|json| json.always("result", result));
        return own(Answer::new(StatusCode::OK, body).into_response(app.make_request_id()));
    }
    let result = match browser(&app, &parts) {
        Ok(Some(caller)) if allows(&app, &caller, &parts) => "ready",
        Ok(Some(_)) => "origin",
        Ok(None) => "key",
        Err(refusal) => return readable(refused(&app, refusal)),
    };
    let body = object_body(|json| json.always("result", result));
    readable(Answer::new(StatusCode::OK, body).into_response(app.make_request_id()))
}

fn allows(app: &App, caller: &Caller, parts: &Parts) -> bool {
    let mut allowed = caller.allowed_origins().unwrap_or_default().iter();
    match (parts.headers.get(ORIGIN), &app.settings().public_origin) {
        (Some(page), _) => allowed.any(|origin| origin.as_bytes() == page.as_bytes()),
        (None, _) if !is_from_own(parts) => false,
        (None, Some(own)) => allowed.any(|origin| origin == own),
        (None, None) => allowed.any(|origin| host_of(origin) == host_asked(parts)),
    }
}

/// Any page may read it: it tells whether a key that the page knows works there.
fn readable(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    response
}

/// No page but that of the checkout, which is of this origin, has business with it.
fn own(mut response: Response) -> Response {
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The checkout that the query names, if it names one and nothing else.
fn of_checkout(parts: &Parts) -> Option<Option<CheckoutId>> {
    let mut named = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "key" || name == "organisation" || name == "checkout");
    match (named.next(), named.next()) {
        (Some((name, value)), None) if name == "checkout" => Some(CheckoutId::parse(&value).ok()),
        _ => None,
    }
}

/// Whether there is such a checkout, whose page, the vault's own, shows frames without a key.
async fn at_checkout(app: &App, parts: &Parts, checkout: Option<CheckoutId>) -> Result<bool, Refusal> {
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    app.rates().take_frame(address, app.vault().now()).map_err(Refusal::too_many)?;
    let found = match checkout {
        Some(checkout) => app.vault().checkout_session(checkout, Origin { request: None, address }).await,
        None => return Ok(missed(app, address)),
    };
    match found {
        Ok(_) => Ok(true),
        Err(VaultError::NotFound(_)) => Ok(missed(app, address)),
        Err(error) => Err(error.into()),
    }
}

/// Nobody is told whether that was a guess, but it counts as one.
fn missed(app: &App, address: Option<IpAddr>) -> bool {
    app.rates().take_guess(address, app.vault().now());
    false
}

fn is_asked_by_own(app: &App, parts: &Parts) -> bool {
    match parts.headers.get(ORIGIN) {
        Some(origin) => is_own(app.settings(), parts, origin),
        None => is_from_own(parts),
    }
}

/// The caller that the query names, by a browser's key that is valid, or by an organisation whose cards are created without one. How often an
/// address may ask is limited.
fn browser(app: &App, parts: &Parts) -> Result<Option<Caller>, Refusal> {
    let address = count_frame(app, parts)?;
    let mut named = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "key" || name == "organisation");
    let (Some((name, value)), None) = (named.next(), named.next()) else { return Ok(None) };
    let origin = Origin { request: None, address };
    let caller = if name == "key" {
        app.vault().caller(&value, origin).ok()
    } else {
        let organisation = OrganisationId::parse(&value).ok();
        organisation.and_then(|organisation| app.vault().keyless_caller(organisation, origin).ok())
    };
    Ok(caller.filter(Caller::is_browser))
}

/// Counts a request for a frame, and gives the address that it is from.
fn count_frame(app: &App, parts: &Parts) -> Result<Option<IpAddr>, Refusal> {
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    app.rates().take_frame(address, app.vault().now()).map_err(Refusal::too_many)?;
    Ok(address)
}

fn not_found(app: &App) -> Response {
    refused(app, Refusal::with(ErrorCode::NotFound, "path", "is none of this API"))
}

fn refused(app: &App, refusal: Refusal) -> Response {
    if let Some(reached) = refusal.limit {
        app.metrics().limit_reached(reached.limit);
    }
    app.refused(refusal).into_response(app.make_request_id())
}

//! `/try`: a small shop to play with, of a vault that is for trying. Its page creates cards as a shop's does; what the shop's own server would do, it does
//! here, with a key that the page does not see.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, ORIGIN, REFERRER_POLICY, USER_AGENT,
};
use http::{HeaderMap, StatusCode};
use panvault_web::{TRY_PAGE, TRY_SCRIPT, TRY_STYLE, WebFile};
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt;

use crate::answer::{Answer, object_body};
use crate::app::App;
use crate::body::{self, Accepts, Body};
use crate::dispatch::{Peer, client_address};
use crate::error::{ErrorCode, Refusal};
use crate::own_origin::{is_at_this_machine, is_own};

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
static API_KEY: HeaderName = HeaderName::from_static("x-apikey");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The shop of the page for trying. Its keys are those of a test vault.
pub struct TryShop {
    /// What its page creates cards with.
    pub publishable_key: String,
    /// What its server pays with.
    pub api_key: String,
    /// Whose the cards are.
    pub organisation: String,
    /// Where the money goes.
    pub account: String,
}

/// What the page asks its shop for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    card: String,
    amount: u32,
}

/// The page, over the endpoints that its shop asks.
pub(crate) fn routes(api: Router, shop: Arc<TryShop>) -> Router<Arc<App>> {
    let known = Arc::clone(&shop);
    let of_shop = get(move |State(app): State<Arc<App>>| async move {
        let body = object_body(|json| {
            json.always("publishable_key", known.publishable_key.as_str());
            json.always("organisation", known.organisation.as_str());
        });
        Answer::new(StatusCode::OK, body).into_response(app.make_request_id())
    });
    let pay = post(move |State(app): State<Arc<App>>, request: Request| async move {
        pay(&app, &shop, api, request)
            .await
            .unwrap_or_else(|refusal| app.refused(refusal).into_response(app.make_request_id()))
    });
    let page = get(|| async { file(TRY_PAGE) });
    Router::new()
        .route("/try", page.clone())
        .route("/try/", page)
        .route("/try.js", get(|| async { file(TRY_SCRIPT) }))
        .route("/try.css", get(|| async { file(TRY_STYLE) }))
        .route("/try.json", of_shop)
        .route("/try/pay", pay)
}

fn file(file: WebFile) -> Response {
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.bytes).into_response()
}

/// Pays as the shop's server would: the page says with what and how much, and the rest is the shop's.
async fn pay(app: &App, shop: &TryShop, api: Router, request: Request) -> Result<Response, Refusal> {
    let (parts, incoming) = request.into_parts();
    // A name that somebody else points here would make their page one of ours, which pays with the shop's key.
    let of_page = |origin| is_at_this_machine(&parts) && is_own(app.settings(), &parts, origin);
    if !parts.headers.get(ORIGIN).is_some_and(of_page) {
        let what = "must be the web origin of this page";
        return Err(Refusal::with(ErrorCode::Blocked, "headers.origin", what));
    }
    let body = body::read(&parts.headers, incoming, app.settings().body_timeout, Accepts::Json).await?;
    let peer = parts.extensions.get::<Peer>().cloned();
    let address = client_address(app, peer.as_ref(), &parts.headers);
    let transaction = transaction(shop, &body, address, &parts.headers)?;
    let asked = Request::post("/v1/transaction")
        .header(http::header::HOST, "localhost")
        .header(&API_KEY, &shop.api_key)
        .header(CONTENT_TYPE, "application/json")
        .body(AxumBody::from(transaction));
    let mut asked = asked.map_err(|_| Refusal::new(ErrorCode::Internal))?;
    if let Some(peer) = peer {
        asked.extensions_mut().insert(peer);
    }
    match api.oneshot(asked).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

fn transaction(
    shop: &TryShop,
    body: &Body,
    address: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<String, Refusal> {
    // What is wrong with it is the page's to know, which is of this build; its words would repeat what was sent.
    let Pay { card, amount } = serde_json::from_slice(body.expose_bytes())
        .map_err(|_| Refusal::with(ErrorCode::Malformed, "body", "must hold a card and an amount"))?;
    let user_agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("unknown");
    let transaction = json!({
        "account": shop.account,
        "amount": amount,
        "card": card,
        "customer_ip": address.map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string()),
        "dynamic_descriptor": "Example shop",
        "merchant_reference": "try",
        "user_agent": user_agent,
    });
    Ok(transaction.to_string())
}

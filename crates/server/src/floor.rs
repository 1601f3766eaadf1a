//! The floor that the API is measured against: the same listener, the same reading and parsing of the body, and a constant for
//! an answer. No vault, no caller.

use core::time::Duration;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use panvault_model::{RequestId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;

use crate::accept::{ServeReport, Site, serve_site};
use crate::answer::Answer;
use crate::asked::not_json;
use crate::body::{self, Accepts, Body};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::json;
use crate::limits::ServerSettings;

/// Answers every `POST /v1/card` with the same card until `stop` is done.
pub async fn serve(
    listener: TcpListener,
    settings: ServerSettings,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    let site = Site {
        router: Router::new().route("/v1/card", post(card_create)).with_state(settings.body_timeout),
        full: None,
        settings,
        tls: None,
        connections: Gauge::default(),
        connections_refused: Counter::default(),
        connections_evicted: Counter::default(),
        draining: Arc::default(),
        stay: crate::room::Stay::Keys,
    };
    serve_site(listener, site, stop).await
}

async fn card_create(State(body_timeout): State<Duration>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body::read(&parts.headers, body, body_timeout, Accepts::Json).await;
    let answer = match body.and_then(|body| read(&body)) {
        Ok(()) => Answer::new(StatusCode::OK, CARD.to_vec()),
        Err(refusal) => Answer::refusal(refusal, NEVER),
    };
    answer.into_response(RequestId::make(NEVER, [0; 8]))
}

fn read(body: &Body) -> Result<(), Refusal> {
    json::parse(body).map(drop).map_err(|at| not_json(&at, Faults::default()))
}

const NEVER: Timestamp = Timestamp::from_unix_millis(0);

/// As long as the answer to a new card of sixteen digits with a CVV, from an issuer of the test table.
const CARD: &[u8] = br#"{"_id":"000000000000000000000000","organisation":"000000000000000000000000","brand":"Visa","bin":"400000","last_four":"0002","masked_card_number":"400000******0002","expiry_month":"12","expiry_year":"30","issuer_name":"TEST BANK VISA GB","issuer_country":"GB","currency":"GBP","type":"credit","variant":"CLASSIC","fingerprint":"00000000000000000000000000000000","cvv_present":true,"cvv_expires_at":"2000-01-01T01:00:00.000Z","created_at":"2000-01-01T00:00:00.000Z","updated_at":"2000-01-01T00:00:00.000Z"}"#;

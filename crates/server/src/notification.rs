//! What processors tell by themselves. They have no API key: what they tell is signed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::post;
use const_format::formatcp;
use http::header::HOST;
use http::{StatusCode, Version};
use panvault_model::{ProcessorId, RequestId};
use panvault_vault::{
    NOTIFICATION_BYTES_MAX, NoticeOutcome, Notification, NotificationFault, NotificationRefusal,
    NotificationScheme, NotificationTaken, Origin, RefusalReason, VaultError,
};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::app::App;
use crate::asked::to_the_end;
use crate::body::{self, Accepts};
use crate::dispatch::{Peer, client_address, log};
use crate::error::{ErrorCode, NAMES_NOTHING, Refusal};

/// Where processors tell.
pub(crate) const PATH: &str = "/v1/notification/{processor}";
/// As metrics and the log name it.
pub(crate) const OPERATION: &str = "notification_take";

/// Codes that it can fail with.
pub(crate) const FAILURES: &[ErrorCode] = &[
    ErrorCode::Internal,
    ErrorCode::Malformed,
    ErrorCode::NotFound,
    ErrorCode::NotJson,
    ErrorCode::NotAuthenticated,
    ErrorCode::TooMany,
    ErrorCode::Busy,
    ErrorCode::MediaType,
    ErrorCode::TooLarge,
    ErrorCode::Slow,
];

/// The route.
pub(crate) fn routes() -> Router<Arc<App>> {
    let take = post(|State(app): State<Arc<App>>, params: RawPathParams, request: Request| async move {
        let processor = params.iter().next().and_then(|(_, text)| ProcessorId::parse(text).ok());
        answered(app, processor, request).await
    });
    Router::new().route(PATH, take.clone()).route(&format!("{PATH}/"), take)
}

async fn answered(app: Arc<App>, processor: Option<ProcessorId>, request: Request) -> Response {
    let started = Instant::now();
    let id = app.make_request_id();
    // Boxed, as all that few requests need.
    let answer = Box::pin(take(&app, processor, id, request)).await.unwrap_or_else(|refusal| {
        if let Some(reached) = refusal.limit {
            app.metrics().limit_reached(reached.limit);
        }
        let named = processor.map(|processor| processor.to_string());
        log(&refusal, id, OPERATION, PATH, named.as_deref());
        app.refused(refusal)
    });
    let ended = Instant::now();
    let after = ended.saturating_duration_since(started);
    app.metrics().answered(OPERATION, answer.status.as_u16(), ended, after);
    answer.into_response(id)
}

async fn take(
    app: &Arc<App>,
    processor: Option<ProcessorId>,
    id: RequestId,
    request: Request,
) -> Result<Answer, Refusal> {
    let (parts, incoming) = request.into_parts();
    if parts.version == Version::HTTP_11 && parts.headers.get_all(HOST).iter().count() != 1 {
        // RFC 9112, section 3.2
        return Err(Refusal::with(ErrorCode::Malformed, "headers.host", "must be there once"));
    }
    let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
    let origin = Origin { request: Some(id), address };
    app.rates().take_notification(address, app.vault().now()).map_err(|reached| {
        // What it answers is for who has a wrong key.
        let _ = app.vault().signin_refused(origin, RefusalReason::Rate);
        Refusal::too_many(reached)
    })?;
    let processor = processor.ok_or_else(nobody)?;
    let scheme = app.vault().notification_scheme(processor)?.ok_or_else(nobody)?;
    let timeout = app.settings().body_timeout;
    let read = body::read_up_to(NOTIFICATION_BYTES_MAX, &parts.headers, incoming, timeout, Accepts::Json);
    let body = read.await.map_err(|refusal| match refusal.code {
        ErrorCode::TooLarge => too_large(),
        _ => refusal,
    })?;
    let values = scheme.signature_header().map(|name| parts.headers.get_all(name));
    // What is no ASCII is no signature.
    let signatures: Vec<String> =
        values.iter().flatten().map(|value| value.to_str().unwrap_or_default().to_owned()).collect();
    let vault = app.vault().clone();
    // Whoever tells may hang up: what is begun goes on to its end.
    let taking = to_the_end(async move {
        let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
        let notification = Notification { body: body.expose_bytes(), signatures: &signatures };
        Ok::<_, VaultError>(vault.notification_take(processor, notification, origin).await)
    });
    let taken = taking.await?.map_err(|refusal| refused(app, refusal))?;
    shown(app, &taken)
}

/// The answer by which its sender knows that it need not tell it again, once all of it is durable.
fn shown(app: &App, taken: &NotificationTaken) -> Result<Answer, Refusal> {
    for outcome in &taken.outcomes {
        app.metrics().notified(taken.scheme.name(), outcome.as_str());
    }
    if taken.outcomes.is_empty() {
        app.metrics().notified(taken.scheme.name(), NoticeOutcome::Ignored.as_str());
    }
    if taken.outcomes.contains(&NoticeOutcome::InHand) {
        let what = "is still being answered that this tells of; tell it again";
        return Err(Refusal::with(ErrorCode::Busy, "request", what));
    }
    Ok(Answer::new(StatusCode::OK, taken.scheme.accepted()))
}

fn refused(app: &App, refusal: NotificationRefusal) -> Refusal {
    let (scheme, fault) = match refusal {
        NotificationRefusal::Nobody => return nobody(),
        NotificationRefusal::Vault(error) => return error.into(),
        NotificationRefusal::Fault(scheme, fault) => (scheme, fault),
    };
    app.metrics().notified(scheme.name(), "refused");
    match fault {
        NotificationFault::Signature | NotificationFault::Secret => {
            Refusal::with(ErrorCode::NotAuthenticated, signature(scheme), "is not that of this processor")
        }
        NotificationFault::Time => {
            let what = "is of another time; it must be at most five minutes old";
            Refusal::with(ErrorCode::NotAuthenticated, signature(scheme), what)
        }
        NotificationFault::TooLarge => too_large(),
        NotificationFault::Shape => {
            Refusal::with(ErrorCode::Malformed, "body", "is not what the PSP's notifications are")
        }
    }
}

/// Where a scheme has its signature.
const fn signature(scheme: NotificationScheme) -> &'static str {
    match scheme {
        NotificationScheme::Stripe => "headers.stripe-signature",
        NotificationScheme::Checkout => "headers.cko-signature",
        NotificationScheme::Adyen => "body.additionalData.hmacSignature",
    }
}

/// One answer for no processor, one that tells nothing, and one that is not set up for it: nobody finds out by it which there are.
fn nobody() -> Refusal {
    Refusal::with(ErrorCode::NotFound, "path.processor", NAMES_NOTHING)
}

fn too_large() -> Refusal {
    let what = formatcp!("of a notification may have {NOTIFICATION_BYTES_MAX} bytes at most, and 64 items");
    Refusal::with(ErrorCode::TooLarge, "body", what)
}

use core::time::Duration;

use axum::body::Body as Incoming;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ErrorCode, Refusal};
use crate::limits::BODY_BYTES_MAX;

/// A request body, whole, wiped when it goes.
pub(crate) type Body = Zeroizing<Vec<u8>>;

/// Reads a body under its limits of kind, size and time.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming, timeout: Duration) -> Result<Body, Refusal> {
    let compressed = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if compressed || !is_json(headers) {
        return Err(Refusal::new(ErrorCode::MediaType));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Refusal::new(ErrorCode::TooLarge));
    }
    match tokio::time::timeout(timeout, collect(body, length.unwrap_or(1024))).await {
        Ok(read) => read,
        Err(_elapsed) => Err(Refusal::new(ErrorCode::Slow)),
    }
}

async fn collect(mut body: Incoming, length: usize) -> Result<Body, Refusal> {
    let mut whole = Zeroizing::new(Vec::with_capacity(length.min(BODY_BYTES_MAX)));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::with(ErrorCode::State, "body", "did not arrive whole"));
        };
        let Ok(chunk) = frame.into_data() else { continue };
        if whole.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(ErrorCode::TooLarge));
        }
        if whole.len() + chunk.len() > whole.capacity() {
            // Growing would leave a copy behind that nobody wipes.
            let mut larger = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX));
            larger.extend_from_slice(&whole);
            whole = larger;
        }
        whole.extend_from_slice(&chunk);
        wipe(chunk);
    }
    Ok(whole)
}

/// Wipes a part of a body, where nobody else holds it.
pub(crate) fn wipe(chunk: Bytes) {
    if let Ok(mut chunk) = chunk.try_into_mut() {
        chunk.as_mut().zeroize();
    }
}

/// `application/json`, with no parameter but a charset of UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = only.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\"" | "")
    })
}

use core::time::Duration;

use axum::body::Body as Incoming;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Frame;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ErrorCode, Refusal};
use crate::limits::BODY_BYTES_MAX;

/// A request body, whole, wiped when it goes. It may hold a card number or a CVV.
#[derive(Default)]
pub(crate) struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// What was sent.
    pub(crate) fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it says nothing: there is none, or an empty array or `null`, as some programs write that.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.0.trim_ascii(), b"" | b"[]" | b"null")
    }

    /// How many bytes were sent.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A body of these bytes, for tests and fuzz targets.
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Zeroizing::new(bytes.as_ref().to_vec()))
    }
}

/// A part of a body as it arrives, wiped when it goes where nobody else holds it.
pub(crate) struct Part(Bytes);

impl Part {
    /// The part in a frame; `None` where it holds trailers.
    pub(crate) fn of(frame: Frame<Bytes>) -> Option<Self> {
        frame.into_data().ok().map(Self)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Ok(mut alone) = core::mem::take(&mut self.0).try_into_mut() {
            alone.as_mut().zeroize();
        }
    }
}

/// Reads a body under its limits of kind, size and time. One that `may_lack`, and of which nothing comes, need not say of what kind it is.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    timeout: Duration,
    may_lack: bool,
) -> Result<Body, Refusal> {
    let lacks_kind = may_lack && !headers.contains_key(CONTENT_TYPE);
    if !lacks_kind {
        kind_fits(headers)?;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Refusal::new(ErrorCode::TooLarge));
    }
    let read = match tokio::time::timeout(timeout, collect(body, length.unwrap_or(1024))).await {
        Ok(read) => read?,
        Err(_elapsed) => return Err(Refusal::new(ErrorCode::Slow)),
    };
    if lacks_kind && read.len() > 0 {
        kind_fits(headers)?;
    }
    Ok(read)
}

async fn collect(mut body: Incoming, length: usize) -> Result<Body, Refusal> {
    let mut whole = Zeroizing::new(Vec::with_capacity(length.min(BODY_BYTES_MAX)));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::with(ErrorCode::NotJson, "body", "did not arrive whole"));
        };
        let Some(part) = Part::of(frame) else { continue };
        if whole.len() + part.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(ErrorCode::TooLarge));
        }
        if whole.len() + part.len() > whole.capacity() {
            // Growing would leave a copy behind that nobody wipes.
            let mut larger = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX));
            larger.extend_from_slice(&whole);
            whole = larger;
        }
        whole.extend_from_slice(part.expose_bytes());
    }
    Ok(Body(whole))
}

/// `application/json`, whose parameters have no effect (RFC 8259, section 11), and not compressed.
fn kind_fits(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut refusal = Refusal::new(ErrorCode::MediaType);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let what = match (types.next(), types.next()) {
        (Some(only), None) if is_json(only) => None,
        (Some(_), None) => Some("must be application/json"),
        (Some(_), Some(_)) => Some("must be there once"),
        (None, _) => Some("is required: application/json"),
    };
    refusal.details.extend(what.map(|what| ("headers.content-type".to_owned(), what.to_owned())));
    if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        refusal.details.push(("headers.content-encoding".to_owned(), "must not be there".to_owned()));
    }
    if refusal.details.is_empty() { Ok(()) } else { Err(refusal) }
}

fn is_json(value: &HeaderValue) -> bool {
    let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

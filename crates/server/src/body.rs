use core::time::Duration;

use axum::body::Body as Incoming;
use bytes::Bytes;
use const_format::formatcp;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Frame;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ErrorCode, Refusal};
use crate::limits::{BODY_BYTES_MAX, FORM_BYTES_MAX};
use crate::object::write_text;

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

/// What a body may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// JSON.
    Json,
    /// JSON, or nothing, which need not say of what kind it is.
    JsonOrNothing,
    /// JSON, or a form (URL Standard, section 5), which is read as JSON of its texts.
    JsonOrForm,
}

/// Reads a body under its limits of kind, size and time.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    timeout: Duration,
    accepts: Accepts,
) -> Result<Body, Refusal> {
    read_up_to(BODY_BYTES_MAX, headers, body, timeout, accepts).await
}

/// The same, of a body that may have so many bytes.
pub(crate) async fn read_up_to(
    bytes_max: usize,
    headers: &HeaderMap,
    body: Incoming,
    timeout: Duration,
    accepts: Accepts,
) -> Result<Body, Refusal> {
    let lacks_kind = accepts == Accepts::JsonOrNothing && !headers.contains_key(CONTENT_TYPE);
    let kind = if lacks_kind { Kind::Json } else { kind_of(headers, accepts)? };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(Refusal::new(ErrorCode::TooLarge));
    }
    let read = match tokio::time::timeout(timeout, collect(body, length.unwrap_or(1024), bytes_max)).await {
        Ok(read) => read?,
        Err(_elapsed) => return Err(Refusal::new(ErrorCode::Slow)),
    };
    if lacks_kind && read.len() > 0 {
        kind_of(headers, accepts)?;
    }
    match kind {
        Kind::Json => Ok(read),
        Kind::Form => form(&read),
    }
}

/// A form as JSON: an object of texts, in which a name that is there twice is there twice.
pub(crate) fn form(body: &Body) -> Result<Body, Refusal> {
    if body.len() > FORM_BYTES_MAX {
        let what = formatcp!("of a form may have {FORM_BYTES_MAX} bytes at most");
        return Err(Refusal::with(ErrorCode::TooLarge, "body", what));
    }
    // A byte becomes an escape of six at most, what stands around a pair is another six, and there is a byte between two pairs: it never grows, and
    // leaves no copy behind.
    let mut json = Zeroizing::new(Vec::with_capacity(8 + 6 * body.len()));
    json.push(b'{');
    for (name, value) in form_urlencoded::parse(body.expose_bytes()) {
        let (name, value) = (Zeroizing::new(name.into_owned()), Zeroizing::new(value.into_owned()));
        // What is not UTF-8 was replaced, and would be kept as something else than was meant.
        if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::with(ErrorCode::Malformed, "body", "must be UTF-8"));
        }
        if json.len() > 1 {
            json.push(b',');
        }
        write_text(&name, &mut json);
        json.push(b':');
        write_text(&value, &mut json);
    }
    json.push(b'}');
    Ok(Body(json))
}

async fn collect(mut body: Incoming, length: usize, bytes_max: usize) -> Result<Body, Refusal> {
    let mut whole = Zeroizing::new(Vec::with_capacity(length.min(bytes_max)));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::with(ErrorCode::NotJson, "body", "did not arrive whole"));
        };
        let Some(part) = Part::of(frame) else { continue };
        if whole.len() + part.len() > bytes_max {
            return Err(Refusal::new(ErrorCode::TooLarge));
        }
        if whole.len() + part.len() > whole.capacity() {
            // Growing would leave a copy behind that nobody wipes.
            let mut larger = Zeroizing::new(Vec::with_capacity(bytes_max));
            larger.extend_from_slice(&whole);
            whole = larger;
        }
        whole.extend_from_slice(part.expose_bytes());
    }
    Ok(Body(whole))
}

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Form,
}

/// `application/json`, whose parameters have no effect (RFC 8259, section 11), or a form where that is taken; and not compressed.
fn kind_of(headers: &HeaderMap, accepts: Accepts) -> Result<Kind, Refusal> {
    let mut refusal = Refusal::new(ErrorCode::MediaType);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let takes_form = accepts == Accepts::JsonOrForm;
    let kind = match (types.next(), types.next()) {
        (Some(only), None) if is_of(only, b"application/json") => Ok(Kind::Json),
        (Some(only), None) if takes_form && is_of(only, b"application/x-www-form-urlencoded") => {
            Ok(Kind::Form)
        }
        (Some(_), None) if takes_form => Err("must be application/json or application/x-www-form-urlencoded"),
        (Some(_), None) => Err("must be application/json"),
        (Some(_), Some(_)) => Err("must be there once"),
        (None, _) => Err("is required: application/json"),
    };
    let what = kind.as_ref().err().map(|what| ("headers.content-type".to_owned(), (*what).to_owned()));
    refusal.details.extend(what);
    if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        refusal.details.push(("headers.content-encoding".to_owned(), "must not be there".to_owned()));
    }
    kind.ok().filter(|_| refusal.details.is_empty()).ok_or(refusal)
}

fn is_of(value: &HeaderValue, kind: &[u8]) -> bool {
    let found = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    found.trim_ascii().eq_ignore_ascii_case(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(form_text: &str) -> Option<String> {
        let read = form(&Body::of(form_text)).ok()?;
        // Whatever is sent, nothing was copied to a larger place.
        assert_eq!(read.0.capacity(), 8 + 6 * form_text.len(), "{form_text}");
        Some(String::from_utf8(read.expose_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_form_is_read_as_texts() {
        for (form, as_json) in [
            ("", "{}"),
            ("cvv=111", r#"{"cvv":"111"}"#),
            ("cvv=&account=a%20b+c", r#"{"cvv":"","account":"a b c"}"#),
            ("cvv=1&cvv=2", r#"{"cvv":"1","cvv":"2"}"#),
            ("cvv", r#"{"cvv":""}"#),
            ("&&cvv=1&", r#"{"cvv":"1"}"#),
            ("=&=&=", r#"{"":"","":"","":""}"#),
            ("a=%22%7D%2C%22cvv%22%3A%22&b=%5C", r#"{"a":"\"},\"cvv\":\"","b":"\\"}"#),
            ("card_holder_name=J%C3%B6rg", "{\"card_holder_name\":\"J\u{f6}rg\"}"),
            ("a=%00%0a", r#"{"a":"\u0000\n"}"#),
            ("a=\u{1}\u{1}\u{1}", r#"{"a":"\u0001\u0001\u0001"}"#),
        ] {
            assert_eq!(json(form).as_deref(), Some(as_json), "{form}");
        }
        for form in ["a=%ff", "%ff=1", "a=%c3%28", "a=%ef%bf%bd"] {
            assert_eq!(json(form), None, "{form}");
        }
        assert!(
            json(&"a".repeat(FORM_BYTES_MAX)).is_some() && json(&"a".repeat(FORM_BYTES_MAX + 1)).is_none()
        );
        assert!(json(&"=&".repeat(FORM_BYTES_MAX / 2)).is_some());
        assert!(json(&"\u{1}".repeat(FORM_BYTES_MAX)).is_some());
    }
}

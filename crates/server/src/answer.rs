//! Answers, written straight into bytes.

use core::fmt::{self, Display, Write};

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use panvault_model::{RequestId, Timestamp};

use crate::error::{ErrorCode, Refusal};

/// An answer on its way to the client.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

pub(crate) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

impl Answer {
    pub(crate) const fn new(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// Says that the answer was given before.
    pub(crate) fn replayed(mut self, replayed: bool) -> Self {
        if replayed {
            self.headers.push((REPLAYED, HeaderValue::from_static("true")));
        }
        self
    }

    pub(crate) fn refusal(refusal: &Refusal, now: Timestamp) -> Self {
        let mut details = Json::object();
        refusal.details.iter().for_each(|(name, what)| details.pair(name, what));
        let details = (!refusal.details.is_empty()).then(|| details.end());
        let mut answer = Self::failure(refusal.code, details.as_deref(), now);
        if refusal.code == ErrorCode::NotAuthenticated {
            // A browser that is asked for Basic shows a window of its own, so only who sent something of the kind is.
            let schemes = if refusal.asks_basic {
                "Bearer realm=\"panvault\", Basic realm=\"panvault\""
            } else {
                "Bearer realm=\"panvault\""
            };
            answer.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(schemes)));
        }
        if let Some(seconds) = refusal.retry_after {
            answer.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        answer
    }

    /// A failure, with details that are JSON already.
    pub(crate) fn failure(code: ErrorCode, details: Option<&[u8]>, now: Timestamp) -> Self {
        let mut json = Json::object();
        json.number("code", code.number());
        json.text("message", code.message());
        json.number("timestamp", now.unix_millis());
        if let Some(details) = details {
            json.name("details");
            json.raw(details);
        }
        let mut answer = Self::new(code.status(), json.end());
        if code == ErrorCode::Busy {
            answer.headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
        }
        answer
    }

    pub(crate) fn into_response(self, request: RequestId) -> Response<Body> {
        let empty = self.body.is_empty();
        let mut response = Response::new(if empty { Body::empty() } else { Body::from(self.body) });
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !empty {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(NO_SNIFF, HeaderValue::from_static("nosniff"));
        if let Ok(request) = HeaderValue::from_str(&request.to_string()) {
            headers.insert(REQUEST_ID, request);
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

/// A JSON object in the making.
pub(crate) struct Json {
    out: Vec<u8>,
    empty: bool,
}

impl Json {
    pub(crate) fn object() -> Self {
        let mut out = Vec::with_capacity(640);
        out.push(b'{');
        Self { out, empty: true }
    }

    /// The name of the next member: one of ours, which needs no escapes.
    pub(crate) fn name(&mut self, name: &'static str) {
        self.next();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn next(&mut self) {
        if !core::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
    }

    /// A member whose name is not ours.
    pub(crate) fn pair(&mut self, name: &str, text: &str) {
        self.next();
        self.string(name);
        self.out.push(b':');
        self.string(text);
    }

    pub(crate) fn raw(&mut self, json: &[u8]) {
        self.out.extend_from_slice(json);
    }

    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.string(text);
    }

    pub(crate) fn text_option(&mut self, name: &'static str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    /// A value whose text needs no escapes: an id, a moment, a name of ours.
    pub(crate) fn plain(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        self.out.push(b'"');
        // Writing into a vector does not fail.
        let _ = write!(Plain(&mut self.out), "{value}");
        self.out.push(b'"');
    }

    /// A text of the last two digits of a number.
    pub(crate) fn two_digits(&mut self, name: &'static str, number: impl Into<u16>) {
        let number = number.into() % 100;
        let digit = |number: u16| u8::try_from(number % 10).map_or(b'0', |digit| b'0' + digit);
        self.name(name);
        self.out.extend_from_slice(&[b'"', digit(number / 10), digit(number), b'"']);
    }

    pub(crate) fn plain_option(&mut self, name: &'static str, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.name(name);
        let _ = write!(Plain(&mut self.out), "{}", value.into());
    }

    pub(crate) fn bool(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.raw(if value { b"true" } else { b"false" });
    }

    pub(crate) fn null(&mut self, name: &'static str) {
        self.name(name);
        self.raw(b"null");
    }

    /// An object of texts.
    pub(crate) fn pairs(&mut self, name: &'static str, pairs: &[(String, String)]) {
        self.name(name);
        self.out.push(b'{');
        self.empty = true;
        pairs.iter().for_each(|(name, value)| self.pair(name, value));
        self.out.push(b'}');
        self.empty = false;
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    fn string(&mut self, text: &str) {
        let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            drop(serde_json::to_writer(&mut self.out, text));
        }
    }
}

/// Where text is formatted to.
struct Plain<'v>(&'v mut Vec<u8>);

impl Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// How many.
pub(crate) fn count_answer(total: u64) -> Answer {
    let mut json = Json::object();
    json.number("count", total);
    Answer::new(StatusCode::OK, json.end())
}

/// A JSON array of objects.
pub(crate) fn array(objects: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, object) in objects.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&object);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_one_after_the_other() {
        let mut json = Json::object();
        json.pairs("none", &[]);
        json.plain("brand", format_args!("{}-{}", 1, 'a'));
        json.pairs("metadata", &[("a".to_owned(), "1".to_owned()), ("b\"".to_owned(), "\n".to_owned())]);
        for (name, number) in [("month", 7_u16), ("year", 2031), ("turn", 2000), ("last", 99)] {
            json.two_digits(name, number);
        }
        json.number("count", 0_u64);
        let expected = r#"{"none":{},"brand":"1-a","metadata":{"a":"1","b\"":"\n"},"month":"07","year":"31","turn":"00","last":"99","count":0}"#;
        assert_eq!(String::from_utf8(json.end()).unwrap(), expected);
    }
}

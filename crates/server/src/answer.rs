//! Answers, written straight into bytes.

use core::iter::once;

use axum::body::Body;
use bytes::Bytes;
use const_format::formatcp;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use panvault_model::{RequestId, Timestamp};
use panvault_vault::{Cursor, Done, LimitReached, Page, Quota};

use crate::csv::{Rest, Streamed};
use crate::error::{ErrorCode, Refusal};
use crate::limits::LIST_ANSWER_BYTES_MAX;
use crate::object::api_error::{ApiError, Details, Failure};
use crate::object::count::Count;
use crate::object::{Object, Shown};

/// An answer on its way to the client.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What comes behind the body, where a list is streamed.
    pub(crate) rest: Option<Rest>,
    /// Where a list goes on behind this part of it.
    pub(crate) next: Option<Cursor>,
}

/// Said of a list that is longer than an answer.
pub(crate) const TOO_LONG: &str =
    formatcp!("asks for more than an answer holds, {} MiB; ask for fewer rows", LIST_ANSWER_BYTES_MAX >> 20);

pub(crate) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
pub(crate) const TOTAL_COUNT_EXACT: HeaderName = HeaderName::from_static("x-total-count-exact");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// How many rows match, whether that is all of them, and where the list goes on.
#[derive(Clone, Copy)]
pub(crate) struct Total {
    rows: u64,
    is_exact: bool,
    next: Option<Cursor>,
}

impl Total {
    pub(crate) const fn of<T>(page: &Page<T>) -> Self {
        Self { rows: page.total, is_exact: page.is_exact, next: page.next }
    }

    fn headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        once((TOTAL_COUNT, HeaderValue::from(self.rows))).chain(self.inexact())
    }

    /// Said only of what is not exact: to who reads the number alone, it is what it always was.
    fn inexact(self) -> Option<(HeaderName, HeaderValue)> {
        (!self.is_exact).then_some((TOTAL_COUNT_EXACT, HeaderValue::from_static("false")))
    }
}

impl Answer {
    pub(crate) fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), headers: Vec::new(), rest: None, next: None }
    }

    /// Says that the answer was given before.
    pub(crate) fn replayed(mut self, replayed: bool) -> Self {
        if replayed {
            self.headers.push((REPLAYED, HeaderValue::from_static("true")));
        }
        self
    }

    /// An object, whole.
    pub(crate) fn of<O: Object>(row: &O::Row) -> Self {
        Self::new(StatusCode::OK, object_body(|json| O::write::<true>(row, json)))
    }

    /// An object that a request made or changed, once or now.
    pub(crate) fn done<O: Object>(done: &Done<O::Row>) -> Self {
        Self::of::<O>(&done.value).replayed(done.replayed)
    }

    /// What is shown of an object where only its part is.
    pub(crate) fn part_of<O: Object>(row: &O::Row) -> Self {
        Self::new(StatusCode::OK, object_body(|json| O::write::<false>(row, json)))
    }

    /// Objects, and how many there are in all. Refused where they are more than an answer holds: nobody would notice that a list is
    /// cut.
    pub(crate) fn list_of<'r, O: Object<Row: 'r>>(
        rows: impl ExactSizeIterator<Item = &'r O::Row>,
        total: Option<Total>,
    ) -> Result<Self, Refusal> {
        let mut out = Vec::with_capacity(2 + OBJECT_BYTES * rows.len());
        out.push(b'[');
        for (at, row) in rows.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            Json::object(&mut out, |json| O::write::<true>(row, json));
            if out.len() >= LIST_ANSWER_BYTES_MAX {
                return Err(Refusal::with(ErrorCode::Malformed, "query._limit", TOO_LONG));
            }
        }
        out.push(b']');
        // What is held of it is what it is.
        out.shrink_to_fit();
        let mut answer = Self::new(StatusCode::OK, out);
        answer.next = total.and_then(|total| total.next);
        answer.headers.extend(total.into_iter().flat_map(Total::headers));
        Ok(answer)
    }

    /// How many rows match.
    pub(crate) fn count(total: Total) -> Self {
        let mut answer = Self::of::<Count>(&total.rows);
        answer.headers.extend(total.inexact());
        answer
    }

    pub(crate) fn refusal(refusal: Refusal, now: Timestamp) -> Self {
        let Refusal { code, details, limit, asks_basic, fault: _ } = refusal;
        let details = (!details.is_empty()).then_some(Details::Faults(details));
        let mut answer = Self::failure(Failure { code, at: now, details });
        if code == ErrorCode::NotAuthenticated {
            // A browser that is asked for Basic shows a window of its own, so only who sent something of the kind is.
            let schemes = if asks_basic {
                "Bearer realm=\"panvault\", Basic realm=\"panvault\""
            } else {
                "Bearer realm=\"panvault\""
            };
            answer.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(schemes)));
        }
        if let Some(reached) = limit {
            answer.headers.extend(limit_headers(reached));
        }
        answer
    }

    pub(crate) fn failure(failure: Failure) -> Self {
        let mut answer = Self { status: failure.code.status(), ..Self::of::<ApiError>(&failure) };
        if failure.code == ErrorCode::Busy {
            answer.headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if failure.code == ErrorCode::Sealed {
            // Somebody has to come.
            answer.headers.push((RETRY_AFTER, HeaderValue::from_static("10")));
        }
        answer
    }

    pub(crate) fn into_response(self, request: RequestId) -> Response<Body> {
        let empty = self.body.is_empty();
        let body = match self.rest {
            Some(rest) => Body::new(Streamed::new(self.body, rest)),
            None if empty => Body::empty(),
            None => Body::from(self.body),
        };
        let mut response = Response::new(body);
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

/// When to ask again, and what limit was reached (draft-ietf-httpapi-ratelimit-headers-11).
fn limit_headers(reached: LimitReached) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let LimitReached { limit, quota: Quota { uses, seconds }, retry_after_seconds } = reached;
    let policy = format!("\"{limit}\";q={uses};w={seconds}");
    let left = format!("\"{limit}\";r=0;t={retry_after_seconds}");
    let texts = [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text).ok()?)));
    texts.chain([(RETRY_AFTER, HeaderValue::from(retry_after_seconds))])
}

/// Bytes that most objects fit in.
const OBJECT_BYTES: usize = 640;

/// A body that is one object.
pub(crate) fn object_body(write: impl FnOnce(&mut Json<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(OBJECT_BYTES);
    Json::object(&mut out, write);
    out
}

/// A JSON object in the making.
pub(crate) struct Json<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl Json<'_> {
    /// Appends an object with the members that `write` adds to it.
    pub(crate) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Json<'_>)) {
        out.push(b'{');
        write(&mut Json { out, empty: true });
        out.push(b'}');
    }

    /// A member.
    pub(crate) fn always<V: Shown>(&mut self, name: &'static str, value: V) {
        self.name(name);
        value.write(self.out);
    }

    /// A member that is left out where there is no value.
    pub(crate) fn optional<V: Shown>(&mut self, name: &'static str, value: Option<V>) {
        if let Some(value) = value {
            self.always(name, value);
        }
    }

    /// A member that is `null` where the value is not known.
    pub(crate) fn nullable<V: Shown>(&mut self, name: &'static str, value: Option<V>) {
        self.name(name);
        match value {
            Some(value) => value.write(self.out),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// The name of the next member: one of ours, which needs no escapes.
    fn name(&mut self, name: &'static str) {
        if !core::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_one_after_the_other() {
        let pairs = [("a".to_owned(), "1".to_owned()), ("b\"".to_owned(), "\n".to_owned())];
        let body = object_body(|json| {
            json.optional::<&str>("none", None);
            json.nullable::<&str>("unknown", None);
            json.always("metadata", &pairs[..]);
            json.optional("there", Some(true));
        });
        let expected = r#"{"unknown":null,"metadata":{"a":"1","b\"":"\n"},"there":true}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}

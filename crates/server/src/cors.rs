//! Which pages may use a browser's key (Fetch standard, section 3.2). Only such keys have web origins (RFC 6454), and only to them are CORS
//! headers given: no page can use any other key from a browser, whatever it knows.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use panvault_model::Role;
use panvault_vault::{Caller, Vault};

use crate::answer::Answer;
use crate::error::{ErrorCode, Refusal};
use crate::limits::ServerSettings;
use crate::own_origin::{is_of_console, is_own};
use crate::table::ENDPOINTS;

/// What a page may read beside the body.
const EXPOSED: &str = "x-request-id, idempotency-replayed, retry-after, ratelimit, ratelimit-policy";
/// What a page may send.
const HEADERS: &str =
    "content-type, x-apikey, x-api-key, authorization, idempotency-key, x-vfi-api-idempotencykey";
/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "600";

/// The page that a request of a browser's key comes from: `None` for any other key, of which no page is told anything. Code 111 when
/// it is none of those that the key allows, also where none is named. A page of the vault itself may use it too: such a page is the frame of a
/// hosted field, which browsers show on pages of the key's origins alone, and needs no leave to read what it is answered.
pub(crate) fn page(
    caller: &Caller,
    settings: &ServerSettings,
    parts: &Parts,
) -> Result<Option<HeaderValue>, Refusal> {
    let Some(allowed) = caller.allowed_origins() else { return Ok(None) };
    if is_of_console(parts) {
        return Ok(None);
    }
    match only_origin(&parts.headers) {
        Some(origin) if allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) => {
            Ok(Some(origin.clone()))
        }
        Some(origin) if is_own(settings, parts, origin) => Ok(None),
        Some(_) | None => {
            let what = if caller.is_keyless() {
                "must be one of the web origins that the organisation allows"
            } else {
                "must be one of the web origins that this key allows"
            };
            Err(Refusal::with(ErrorCode::Blocked, "headers.origin", what))
        }
    }
}

/// Lets the page read an answer.
pub(crate) fn let_read(answer: &mut Answer, page: HeaderValue) {
    answer.headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, page));
    answer.headers.push((ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED)));
    answer.headers.push((VARY, HeaderValue::from_name(ORIGIN)));
}

/// The answer to a browser that asks before it sends a page's request: the key is not in it, so any page is let ask that some browser's
/// key allows. `None` for all other requests.
pub(crate) fn preflight(vault: &Vault, path: &str, method: &Method, headers: &HeaderMap) -> Option<Answer> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| *method == Method::OPTIONS)?;
    let of_browsers = ENDPOINTS.iter().find(|endpoint| {
        endpoint.path == path
            && endpoint.method.as_str().as_bytes() == asked.as_bytes()
            && endpoint.roles.contains(&Role::Publishable)
    })?;
    let page = only_origin(headers)?;
    if !vault.allows_origin(page.to_str().ok()?) {
        return None;
    }
    let mut answer = Answer::new(StatusCode::NO_CONTENT, Vec::new());
    let_read(&mut answer, page.clone());
    let method = HeaderValue::from_str(of_browsers.method.as_str()).ok()?;
    answer.headers.push((ACCESS_CONTROL_ALLOW_METHODS, method));
    answer.headers.push((ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS)));
    answer.headers.push((ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE)));
    Some(answer)
}

/// The origin that is named, if one is.
fn only_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut named = headers.get_all(ORIGIN).into_iter();
    named.next().filter(|_| named.next().is_none())
}

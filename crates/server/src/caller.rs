use base64ct::{Base64Unpadded, Encoding};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use panvault_vault::{Caller, Origin, RefusalReason, Vault, VaultError};
use zeroize::Zeroizing;

static API_KEY: HeaderName = HeaderName::from_static("x-apikey");
static API_KEY_DASHED: HeaderName = HeaderName::from_static("x-api-key");

/// Who sends a request: `X-APIKEY` or `X-API-KEY`, which win over `Authorization`; else a bearer token, or Basic with the key as
/// user name or password. Several that differ are refused.
///
/// Beside a key of its own header, `Authorization` may be a proxy's, which is none of ours to judge.
pub(crate) async fn caller(vault: &Vault, headers: &HeaderMap, origin: Origin) -> Result<Caller, VaultError> {
    match sent(headers) {
        Ok(Some(key)) => vault.caller_now(key.expose_text(), origin).await,
        Ok(None) => Err(vault.signin_refused(origin, RefusalReason::KeyMissing)),
        Err(Malformed) => Err(vault.signin_refused(origin, RefusalReason::KeyMalformed)),
    }
}

/// Whether a key was sent, or something in a key's place.
pub(crate) fn is_sent(headers: &HeaderMap) -> bool {
    !matches!(sent(headers), Ok(None))
}

/// What was sent is no key, or keys that differ.
struct Malformed;

/// The key that was sent, if one was.
fn sent(headers: &HeaderMap) -> Result<Option<Key<'_>>, Malformed> {
    let mut key: Option<Key<'_>> = None;
    for name in [&API_KEY, &API_KEY_DASHED] {
        for value in headers.get_all(name) {
            let value = value.to_str().map_err(|_| Malformed)?.trim();
            if !value.is_empty() {
                take(&mut key, Key::Sent(value))?;
            }
        }
    }
    if key.is_none() {
        for value in headers.get_all(AUTHORIZATION) {
            let value = value.to_str().map_err(|_| Malformed)?;
            let (scheme, rest) = value.split_once(' ').ok_or(Malformed)?;
            let found = if scheme.eq_ignore_ascii_case("bearer") {
                Key::Sent(rest.trim())
            } else if scheme.eq_ignore_ascii_case("basic") {
                Key::Decoded(basic(rest.trim()).ok_or(Malformed)?)
            } else {
                return Err(Malformed);
            };
            take(&mut key, found)?;
        }
    }
    Ok(key)
}

/// Whether it is `Authorization` that a request is judged by: no key stands in a header of its own.
pub(crate) fn is_by_authorization(headers: &HeaderMap) -> bool {
    let own = [&API_KEY, &API_KEY_DASHED].into_iter().flat_map(|name| headers.get_all(name));
    headers.contains_key(AUTHORIZATION)
        && own.into_iter().all(|value| value.as_bytes().trim_ascii().is_empty())
}

/// A key where it stands in its header, or a copy where it is written otherwise there.
enum Key<'h> {
    Sent(&'h str),
    Decoded(Zeroizing<String>),
}

impl Key<'_> {
    fn expose_text(&self) -> &str {
        match self {
            Self::Sent(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

fn take<'h>(key: &mut Option<Key<'h>>, found: Key<'h>) -> Result<(), Malformed> {
    match key {
        Some(known) if known.expose_text() != found.expose_text() => Err(Malformed),
        Some(_) => Ok(()),
        None => {
            *key = Some(found);
            Ok(())
        }
    }
}

/// The key in a user name or a password (RFC 7617): whichever looks like one. Without a colon, which some programs leave out, all
/// of it.
fn basic(encoded: &str) -> Option<Zeroizing<String>> {
    let decoded = base64(encoded)?;
    let text = core::str::from_utf8(&decoded).ok()?;
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let key = if user.starts_with("pv_") { user } else { password };
    Some(Zeroizing::new(key.to_owned()))
}

/// Base64 of RFC 4648, section 4, with or without padding, in a time that tells nothing of the key.
fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let len = Base64Unpadded::decode(text.trim_end_matches('='), &mut bytes).ok()?.len();
    bytes.truncate(len);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE", "fooba")]
        {
            assert_eq!(base64(text).unwrap().as_slice(), bytes.as_bytes(), "{text}");
        }
        for text in ["Zm9v!", "Zm9v-_", "Z", "Zm9vZ", "Z g", "Zg\n"] {
            assert!(base64(text).is_none(), "{text}");
        }
    }

    #[test]
    fn basic_takes_the_key_from_either_side() {
        // printf of `pv_test_x:`, `merchant:pv_test_x`, `:pv_test_x` and `pv_test_x`, each through base64
        for encoded in ["cHZfdGVzdF94Og==", "bWVyY2hhbnQ6cHZfdGVzdF94", "OnB2X3Rlc3RfeA==", "cHZfdGVzdF94"] {
            assert_eq!(basic(encoded).as_deref().map(String::as_str), Some("pv_test_x"), "{encoded}");
        }
    }
}

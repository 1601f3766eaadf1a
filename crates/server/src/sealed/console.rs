//! The console of a sealed vault: one page without a script, at which custodians bring what opens it, and the same as JSON. That the key file is to open it cannot be
//! said here: whoever is let in would need to bring nothing.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::{Deserialize, Deserializer};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::accept::{ServeReport, serve_site};
use crate::answer::{Answer, object_body};
use crate::console::{Console, OfConsole, PERMISSIONS, PERMISSIONS_POLICY, harden};
use crate::dispatch::Peer;
use crate::error::{ErrorCode, Refusal};
use crate::limits::{CONSOLE_CONNECTIONS_MAX, ServerSettings, UNSEAL_BODY_BYTES_MAX};
use crate::sealed::{SealedVault, Unseal, UnsealAnswer, site};

/// What the page may do: it loads its style sheet, and sends its form here.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const STYLE: &str = include_str!("console.css");
/// Where that is, also once the vault is open: the page that says so is still this one.
pub(crate) const STYLE_PATH: &str = "/console/sealed.css";

/// What is brought: one of these.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Brought {
    #[serde(deserialize_with = "secret")]
    share: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    passphrase: Option<Zeroizing<String>>,
    reset: Option<bool>,
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::deserialize(text)?.map(Zeroizing::new))
}

impl Brought {
    /// What it is; `None` unless it is exactly one.
    fn one(&self) -> Option<Unseal<'_>> {
        let share = self.share.as_ref().filter(|text| !text.is_empty()).map(|text| Unseal::Share(text));
        let passphrase =
            self.passphrase.as_ref().filter(|text| !text.is_empty()).map(|text| Unseal::Passphrase(text));
        let reset = self.reset.filter(|is_so| *is_so).map(|_| Unseal::Reset);
        let mut found = [share, passphrase, reset].into_iter().flatten();
        found.next().filter(|_| found.next().is_none())
    }

    fn of_form(body: &[u8]) -> Self {
        let mut brought = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let text = || Some(Zeroizing::new(value.to_string()));
            match name.as_ref() {
                "share" => brought.share = text(),
                "passphrase" => brought.passphrase = text(),
                "reset" => brought.reset = Some(true),
                _ => {}
            }
        }
        brought
    }
}

/// Serves the console of a sealed vault until `stop` is done, then lets what runs end. Whoever is let in is who is let in while the vault is open.
pub async fn serve_sealed_console(
    listener: TcpListener,
    vault: Arc<dyn SealedVault>,
    settings: ServerSettings,
    console: Console,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    let settings =
        ServerSettings { connections_max: CONSOLE_CONNECTIONS_MAX.min(settings.connections_max), ..settings };
    let (tls, console) = (console.tls.clone(), Arc::new(console));
    let router = Router::new().fallback(move |request: Request| {
        let (vault, console) = (Arc::clone(&vault), Arc::clone(&console));
        async move {
            let mut response = answered(&*vault, &console, request).await;
            harden(response.headers_mut());
            response
        }
    });
    serve_site(listener, site(router, settings, tls), stop).await
}

async fn answered(vault: &dyn SealedVault, console: &Console, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let refused = |refusal| Answer::refusal(refusal, vault.now()).into_response(vault.make_request_id());
    let person = match console.judged(&parts) {
        Ok(OfConsole { person }) => person,
        Err(refusal) => return refused(refusal),
    };
    let path = parts.uri.path();
    match (&parts.method, path.strip_suffix('/').unwrap_or(path)) {
        (&Method::GET, "") => Redirect::to("/console").into_response(),
        (&Method::GET, "/console") => page(&vault.unseal(Unseal::Status, None).await),
        (&Method::GET, STYLE_PATH) => style(),
        (&Method::GET, "/console/unseal") => json(vault, &vault.unseal(Unseal::Status, None).await),
        (&Method::POST, "/console/unseal") => brought(vault, &parts, person.as_deref(), body).await,
        _ => refused(Refusal::new(ErrorCode::Sealed)),
    }
}

async fn brought(vault: &dyn SealedVault, parts: &Parts, person: Option<&str>, body: Body) -> Response {
    let refused = |refusal| Answer::refusal(refusal, vault.now()).into_response(vault.make_request_id());
    let Ok(bytes) = to_bytes(body, UNSEAL_BODY_BYTES_MAX).await else {
        return refused(Refusal::new(ErrorCode::TooLarge));
    };
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_form = kind.starts_with(b"application/x-www-form-urlencoded");
    let brought = if is_form {
        Brought::of_form(&bytes)
    } else {
        match serde_json::from_slice(&bytes) {
            Ok(brought) => brought,
            // What it says of the text is not repeated.
            Err(_) => return refused(Refusal::new(ErrorCode::NotJson)),
        }
    };
    let Some(one) = brought.one() else {
        let what = "must be one of share, passphrase and reset";
        return refused(Refusal::with(ErrorCode::Malformed, "body", what));
    };
    let what = one.what();
    let answer = vault.unseal(one, address(parts)).await;
    // Who brought it stands in no other place: the audit trail has which share it was, and the address.
    tracing::info!(person, what, taken = answer.error.is_none(), open = answer.is_open, "console.unseal");
    if is_form { page(&answer) } else { json(vault, &answer) }
}

pub(crate) fn style() -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE).into_response()
}

fn address(parts: &Parts) -> Option<IpAddr> {
    match parts.extensions.get::<Peer>() {
        Some(Peer::Address(address, _)) => Some(*address),
        Some(Peer::Operator(_)) | None => None,
    }
}

fn json(vault: &dyn SealedVault, answer: &UnsealAnswer) -> Response {
    let body = object_body(|json| {
        json.always("open", answer.is_open);
        json.optional("error", answer.error.as_deref());
        json.always("said", answer.said.as_str());
        let (there, needed) = answer.shares.unzip();
        let count = |count: usize| crate::object::Number::<0, { u64::MAX }>(count as u64);
        json.optional("shares", there.map(count));
        json.optional("needed", needed.map(count));
    });
    let status = if answer.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Answer::new(status, body).into_response(vault.make_request_id())
}

/// The page. All that is put into it is our own words, and escaped all the same.
fn page(answer: &UnsealAnswer) -> Response {
    let said = escaped(answer.error.as_deref().unwrap_or(&answer.said));
    let title = if answer.is_open { "The vault is open" } else { "The vault is sealed" };
    let tone = if answer.error.is_some() { "wrong" } else { "said" };
    let form = if answer.is_open {
        "<p><a href=\"/console\">To the console</a></p>"
    } else {
        "<form method=post action=\"/console/unseal\" autocomplete=off>\
         <label for=share>Share</label><input id=share name=share type=password autocomplete=off autofocus>\
         <button>Give the share</button></form>\
         <form method=post action=\"/console/unseal\" autocomplete=off>\
         <label for=passphrase>Passphrase</label><input id=passphrase name=passphrase type=password autocomplete=off>\
         <button>Open with the passphrase</button></form>\
         <form method=post action=\"/console/unseal\"><button class=quiet name=reset value=1>Forget the shares given so far</button></form>"
    };
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\"><title>{title} · Panvault</title>\
         <link rel=stylesheet href=\"{STYLE_PATH}\"><body><main><p class=brand>Panvault</p><h1>{title}</h1><p role=status class={tone}>{said}</p>{form}</main></body></html>"
    );
    let status = if answer.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS)),
    ];
    (status, headers, html).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(json: &str) -> bool {
        serde_json::from_str::<Brought>(json).is_ok_and(|brought| brought.one().is_some())
    }

    /// The bug: no browser could send the form. Its cause: a page in a sandbox has no origin, so that its own form came from elsewhere. Its cure: it is in none.
    #[test]
    fn the_page_has_an_origin_to_send_its_form_from() {
        let page = page(&UnsealAnswer { is_open: false, error: None, said: String::new(), shares: None });
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("form-action 'self'") && !policy.contains("sandbox"), "{policy}");
        // It loads nothing from elsewhere, and its own style sheet is let in by the same policy.
        assert!(policy.contains("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn one_thing_is_brought_at_a_time() {
        for json in [
            r#"{"share": "a"}"#,
            r#"{"passphrase": "a"}"#,
            r#"{"reset": true}"#,
            r#"{"reset": true, "share": ""}"#,
        ] {
            assert!(is_one(json), "{json}");
        }
        for json in [
            "{}",
            r#"{"share": ""}"#,
            r#"{"share": "a", "passphrase": "b"}"#,
            r#"{"share": "a", "reset": true}"#,
            r#"{"reset": false}"#,
            // That word needs who has the directory.
            r#"{"key_file": true}"#,
        ] {
            assert!(!is_one(json), "{json}");
        }
        assert!(matches!(Brought::of_form(b"share=a+b&x=y").one(), Some(Unseal::Share("a b"))));
        assert!(Brought::of_form(b"share=&passphrase=").one().is_none());
    }
}

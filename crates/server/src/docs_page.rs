//! `/docs`: the API as a page, made from the same tables as the OpenAPI document. It loads its own style sheet and script, and nothing
//! else; without the script it lacks the buttons that copy.

mod answers;
mod endpoint;
mod sample;
mod text;

use core::fmt::Write;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use serde_json::Value;

use crate::app::App;
use crate::object::{OBJECTS, ObjectSpec};
use crate::openapi;
use crate::table::{ENDPOINTS, Endpoint};

const STYLE: &str = include_str!("docs_page/style.css");
const SCRIPT: &str = include_str!("docs_page/script.js");
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'none'";
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8>\
                    <meta name=viewport content=\"width=device-width, initial-scale=1\">\
                    <title>Panvault API</title><link rel=stylesheet href=/docs/style.css>\
                    <script src=/docs/script.js defer></script></head><body>\
                    <a class=skip href=#main>Skip to the endpoints</a>";
const INTRODUCTION: &str = "<main id=main><h1>Panvault API</h1><p>Send the API key as <code>X-APIKEY</code>, \
                            <code>X-API-KEY</code>, a bearer token, or with Basic as user name or password. Bodies and \
                            answers are JSON; an unknown field is refused by name. Every answer bears \
                            <code>X-Request-Id</code>. A POST may bear <code>Idempotency-Key</code>.</p>\
                            <p>The requests below take <code>$PANVAULT</code> for the URL, <code>$KEY</code> for an API key, and \
                            <code>$ORGANISATION</code> and <code>$ACCOUNT</code> for ids: <code>panvault dev</code> prints a line \
                            that sets them. <code>$CARD</code>, <code>$TRANSACTION</code> and <code>$REFUND</code> are the <code>_id</code> of an answer. \
                            The same as a document for machines: \
                            <a href=/openapi.json>openapi.json</a>.</p>";

pub(crate) fn routes() -> Router<Arc<App>> {
    static PAGE: LazyLock<String> = LazyLock::new(page);
    let html = || async { answer("text/html; charset=utf-8", &PAGE) };
    Router::new()
        .route("/docs", get(html))
        .route("/docs/", get(html))
        .route("/docs/style.css", get(|| async { answer("text/css; charset=utf-8", STYLE) }))
        .route("/docs/script.js", get(|| async { answer("text/javascript; charset=utf-8", SCRIPT) }))
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// The page, whole. Writing into a string does not fail, so that the results are dropped.
fn page() -> String {
    let mut out = String::with_capacity(128 * 1024);
    out.push_str(HEAD);
    navigation(&mut out);
    out.push_str(INTRODUCTION);
    for (group, endpoints) in groups() {
        let _ = write!(
            out,
            "<section class=group><h2 id=\"{}\">{}</h2><p>{}</p>",
            group.id,
            group.title,
            text::escaped(&group.description)
        );
        endpoints.iter().for_each(|endpoint| endpoint::section(endpoint, &mut out));
        out.push_str("</section>");
    }
    out.push_str("<section class=group><h2 id=answers>Answers</h2>");
    OBJECTS.iter().for_each(|object| answers::section(object, &mut out));
    out.push_str("</section>");
    answers::leniences(&mut out);
    answers::errors(&mut out);
    out.push_str("</main></body></html>\n");
    out
}

fn navigation(out: &mut String) {
    out.push_str("<nav aria-label=Contents><details open><summary>Contents</summary>");
    for (group, endpoints) in groups() {
        let _ = write!(out, "<h2><a href=\"#{}\">{}</a></h2><ul>", group.id, group.title);
        for endpoint in endpoints {
            let _ = write!(
                out,
                "<li><a href=\"#{}\"><span class=\"method {method}\">{method}</span> <span>{}</span></a></li>",
                endpoint.operation,
                endpoint.summary,
                method = endpoint.method
            );
        }
        out.push_str("</ul>");
    }
    out.push_str("<h2><a href=#answers>Answers</a></h2><ul>");
    for ObjectSpec { name, .. } in OBJECTS {
        let _ = write!(out, "<li><a href=\"#{name}\">{name}</a></li>");
    }
    out.push_str(
        "</ul><h2><a href=#leniences>What is taken as it is meant</a></h2><h2><a href=#errors>Errors</a></h2></details></nav>",
    );
}

/// What endpoints have in common that are shown together.
struct Group {
    id: String,
    title: String,
    description: String,
}

/// The endpoints by the tags of the OpenAPI document, in its order.
fn groups() -> Vec<(Group, Vec<&'static Endpoint>)> {
    let mut groups: Vec<(Group, Vec<&'static Endpoint>)> = Vec::new();
    let document = openapi::openapi();
    for endpoint in ENDPOINTS {
        let tag = endpoint.path.split('/').nth(2).unwrap_or_default();
        let id = format!("group-{tag}");
        match groups.iter_mut().find(|(group, _)| group.id == id) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => {
                let mut letters = tag.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let title = first.into_iter().chain(letters).collect();
                groups.push((Group { id, title, description: description(&document, tag) }, vec![endpoint]));
            }
        }
    }
    groups
}

fn description(document: &Value, tag: &str) -> String {
    let tags = document.get("tags").and_then(Value::as_array);
    let is_it = |of: &&Value| of.get("name").and_then(Value::as_str) == Some(tag);
    let found = tags.and_then(|tags| tags.iter().find(is_it)).and_then(|of| of.get("description"));
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn shows_every_endpoint_and_field_and_loads_nothing_from_elsewhere() {
        let page = page();
        for endpoint in ENDPOINTS {
            assert_eq!(page.matches(&format!("id=\"{}\"", endpoint.operation)).count(), 1);
            for spec in endpoint.fields() {
                assert!(page.contains(&format!("<code>{}</code>", spec.name)), "{}", spec.name);
            }
        }
        for row in crate::lenience::LENIENCES {
            let sent = text::escaped(row.sent);
            assert!(page.contains(&format!("<code>{sent}</code>")), "{sent}");
        }
        for ObjectSpec { name, .. } in OBJECTS {
            assert_eq!(page.matches(&format!("id=\"{name}\"")).count(), 1);
        }
        assert!(page.contains("<code>masked_card_number</code>"));
        assert_eq!(page.matches("src=").count(), 1, "its own script");
        assert!(!page.contains("=\"http") && !page.contains("=http") && !page.contains("style=\""));
        for (open, close) in [("<code", "</code>"), ("<section", "</section>"), ("<pre", "</pre>")] {
            assert_eq!(page.matches(open).count(), page.matches(close).count(), "{open}");
        }
    }

    #[test]
    fn every_place_that_is_linked_is_there() {
        let page = page();
        let mut links = 0;
        for link in page.split("href=").skip(1) {
            let link = link.trim_start_matches('"').split(['"', '>', ' ']).next().unwrap();
            let Some(id) = link.strip_prefix('#') else { continue };
            let is_there = page.contains(&format!("id=\"{id}\"")) || page.contains(&format!("id={id}>"));
            assert!(is_there, "{id}");
            links += 1;
        }
        assert!(links > 3 * ENDPOINTS.len(), "{links}");
        for code in ErrorCode::ALL {
            assert!(page.contains(&format!("id=\"error-{}\"", code.number())));
        }
    }
}

//! `/docs`: the API as a page, made from the same tables as the OpenAPI document. It loads nothing but its own style sheet.

use core::fmt::Write;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use serde_json::Value;

use crate::dispatch::App;
use crate::error::ErrorCode;
use crate::fields::{FieldSpec, Kind};
use crate::lenience::{LENIENCES, Lenience};
use crate::openapi;
use crate::table::{ENDPOINTS, Endpoint};

/// Schemas that the page shows.
const ANSWERS: [&str; 5] = ["Card", "BrowserCard", "Transaction", "HistoryStep", "Error"];
const STYLE: &str = include_str!("docs_page/style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

pub(crate) fn routes() -> Router<Arc<App>> {
    static PAGE: LazyLock<String> = LazyLock::new(page);
    let html = || async { answer("text/html; charset=utf-8", &PAGE) };
    Router::new()
        .route("/docs", get(html))
        .route("/docs/", get(html))
        .route("/docs/style.css", get(|| async { answer("text/css; charset=utf-8", STYLE) }))
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
    let mut out = String::with_capacity(64 * 1024);
    out.push_str(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Panvault API</title><link rel=stylesheet href=/docs/style.css>",
    );
    out.push_str("<nav><h1>Panvault API</h1><p><a href=/openapi.json>openapi.json</a></p><ul>");
    for endpoint in ENDPOINTS {
        let _ = write!(
            out,
            "<li><a href=\"#{}\"><span class=\"method {method}\">{method}</span> {}</a>",
            endpoint.operation,
            endpoint.path,
            method = endpoint.method
        );
    }
    for name in ANSWERS {
        let _ = write!(out, "<li><a href=\"#{name}\">{name}</a>");
    }
    out.push_str("<li><a href=#leniences>Leniences</a><li><a href=#errors>Errors</a></ul></nav><main>");
    out.push_str(
        "<p>Send the API key as <code>X-APIKEY</code>, <code>X-API-KEY</code>, a bearer token, or with Basic as user \
         name or password. Bodies and answers are JSON; an unknown field is refused by name. Every answer bears \
         <code>X-Request-Id</code>. A POST may bear <code>Idempotency-Key</code>.</p>",
    );
    ENDPOINTS.iter().for_each(|endpoint| section(endpoint, &mut out));
    ANSWERS.iter().for_each(|name| answer_section(name, &mut out));
    leniences(&mut out);
    errors(&mut out);
    out.push_str("</main>");
    out
}

fn section(endpoint: &Endpoint, out: &mut String) {
    let _ = write!(
        out,
        "<section id=\"{}\"><h2><span class=\"method {method}\">{method}</span> <code>{}</code></h2><p><b>{}.</b> {}</p>",
        endpoint.operation,
        endpoint.path,
        endpoint.summary,
        marked(endpoint.doc),
        method = endpoint.method
    );
    if let Some(body) = endpoint.body {
        out.push_str("<table><tr><th>field<th>what<th>meaning");
        body.iter().for_each(|spec| field(spec, "", out));
        let _ = write!(out, "</table><pre>{}</pre>", escaped(&curl(endpoint, body)));
    }
    if let Some(list) = endpoint.list {
        let names: Vec<String> =
            list.fields().iter().map(|(name, _)| format!("<code>{name}</code>")).collect();
        let _ = write!(
            out,
            "<p>Conditions: <code>field=value</code>, repeated for any of several, <code>field!=</code>, \
             <code>field&gt;=</code>, <code>field&lt;=</code> (in a URL: <code>%3E=</code>, <code>%3C=</code>), on {}. Also <code>_limit</code> (1 to 1000, default 100), \
             <code>_skip</code>, <code>_sort=field</code> or <code>_sort=-field</code>.</p>",
            names.join(" ")
        );
    }
    let mut codes = endpoint.codes();
    codes.sort_by_key(|code| code.number());
    codes.dedup_by_key(|code| code.number());
    let codes: Vec<String> =
        codes.iter().map(|code| format!("{} (HTTP {})", code.number(), code.status().as_u16())).collect();
    let _ = write!(
        out,
        "<p>Answers {} when done; fails with {}.</p></section>",
        endpoint.success,
        codes.join(", ")
    );
}

fn field(spec: &FieldSpec, prefix: &str, out: &mut String) {
    let what = match spec.kind {
        Kind::Typed { nullable: true, .. } => "string or null".to_owned(),
        Kind::Typed { .. } => "string".to_owned(),
        Kind::Id => "id".to_owned(),
        Kind::Text { max, .. } | Kind::Phone { max } => format!("string, at most {max} bytes"),
        Kind::Masked { .. } => "string".to_owned(),
        Kind::Choice(choices) => choices.join(" | "),
        Kind::Integer { min, max } => format!("integer, {min} to {max}"),
        Kind::Bool => "true or false".to_owned(),
        Kind::Pairs => "object of strings".to_owned(),
        Kind::Object(_) => "object".to_owned(),
    };
    let required = if spec.required { ", required" } else { "" };
    let _ =
        write!(out, "<tr><td><code>{prefix}{}</code><td>{what}{required}<td>{}", spec.name, marked(spec.doc));
    if let Kind::Object(specs) = spec.kind {
        specs.iter().for_each(|inner| field(inner, &format!("{}.", spec.name), out));
    }
}

/// A request that works when the ids and the key are filled in.
fn curl(endpoint: &Endpoint, body: &[FieldSpec]) -> String {
    let shown = |spec: &&FieldSpec| spec.required || spec.name == "cvv";
    let members: Vec<String> =
        body.iter().filter(shown).map(|spec| format!("\"{}\": {}", spec.name, example(spec))).collect();
    format!(
        "curl \"$PANVAULT{}\" -H \"X-APIKEY: $KEY\" -H \"Content-Type: application/json\" \\\n  -d '{{{}}}'",
        endpoint.path.replace("{id}", "$CARD"),
        members.join(", ")
    )
}

fn example(spec: &FieldSpec) -> String {
    match spec.kind {
        Kind::Typed { example, .. } | Kind::Text { example, .. } | Kind::Masked { example } => {
            format!("\"{example}\"")
        }
        // The quotes let the shell put the variable in.
        Kind::Phone { .. } => "\"\"".to_owned(),
        Kind::Id => format!("\"'\"${}\"'\"", spec.name.to_uppercase()),
        Kind::Choice(choices) => format!("\"{}\"", choices.first().unwrap_or(&"")),
        Kind::Integer { .. } => "1099".to_owned(),
        Kind::Bool => "true".to_owned(),
        Kind::Pairs | Kind::Object(_) => "{}".to_owned(),
    }
}

/// The members of what is answered, from the schemas of the OpenAPI document.
fn answer_section(name: &str, out: &mut String) {
    let schemas = openapi::schemas();
    let members = schemas.pointer(&format!("/{name}/properties")).and_then(Value::as_object);
    let _ = write!(out, "<section id=\"{name}\"><h2>{name}</h2><table><tr><th>member<th>what");
    for (member, schema) in members.into_iter().flatten() {
        let _ = write!(out, "<tr><td><code>{member}</code><td>{}", escaped(&described(schema)));
    }
    out.push_str("</table></section>");
}

/// A schema in a few words.
fn described(schema: &Value) -> String {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let list = |name: &str| schema.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let joined = |values: &[Value]| {
        values.iter().map(|value| value.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" | ")
    };
    if !list("enum").is_empty() {
        joined(list("enum"))
    } else if !list("anyOf").is_empty() {
        list("anyOf").iter().map(described).collect::<Vec<_>>().join(" or ")
    } else if !list("type").is_empty() {
        joined(list("type"))
    } else if let Some(format) = text("format").or_else(|| text("pattern")) {
        format!("{}, {format}", text("type").unwrap_or_default())
    } else {
        text("type").unwrap_or_default().to_owned()
    }
}

fn leniences(out: &mut String) {
    out.push_str("<section id=leniences><h2>What is taken as it is meant</h2><table><tr><th>where<th>for example<th>is taken");
    for Lenience { place, sent, taken, .. } in LENIENCES {
        let _ =
            write!(out, "<tr><td>{}<td><code>{}</code><td>{}", marked(place), escaped(sent), marked(taken));
    }
    out.push_str("</table></section>");
}

fn errors(out: &mut String) {
    out.push_str("<section id=errors><h2>Errors</h2><table><tr><th>code<th>HTTP<th>meaning");
    for code in ErrorCode::ALL.iter().filter(|code| !code.is_reserved()) {
        let (number, status) = (code.number(), code.status().as_u16());
        let _ = write!(out, "<tr><td>{number}<td>{status}<td>{}", escaped(code.message()));
    }
    out.push_str("</table></section>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text with `code` in backquotes.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for (at, part) in escaped(text).split('`').enumerate() {
        if at > 0 {
            out.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_endpoint_and_field_and_loads_nothing_from_elsewhere() {
        let page = page();
        for endpoint in ENDPOINTS {
            assert!(page.contains(&format!("id=\"{}\"", endpoint.operation)));
            for spec in endpoint.body.unwrap_or_default() {
                assert!(page.contains(&format!("<code>{}</code>", spec.name)), "{}", spec.name);
            }
        }
        for row in LENIENCES {
            assert!(page.contains(&format!("<code>{}</code>", escaped(row.sent))), "{}", row.sent);
        }
        for name in ANSWERS {
            assert!(page.contains(&format!("id=\"{name}\"")));
        }
        assert!(page.contains("<code>masked_card_number</code><td>string, ^[0-9]{6}"));
        assert!(!page.contains("src=") && !page.contains("href=\"http") && !page.contains("<script"));
        assert_eq!(page.matches("<code>").count(), page.matches("</code>").count());
    }

    #[test]
    fn marks_code_and_escapes_the_rest() {
        assert_eq!(marked("a < `b`"), "a &lt; <code>b</code>");
    }
}

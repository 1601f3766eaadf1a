use core::fmt::Write;

use serde_json::Value;

use super::text::{escaped, marked};
use crate::error::ErrorCode;
use crate::lenience::{LENIENCES, Lenience};

/// The members of what is answered, from the schemas of the OpenAPI document.
pub(super) fn section(name: &str, schemas: &Value, out: &mut String) {
    let members = schemas.pointer(&format!("/{name}/properties")).and_then(Value::as_object);
    let _ = write!(
        out,
        "<section><h3 id=\"{name}\">{name} <a class=anchor href=\"#{name}\" aria-label=\"Link to {name}\">#</a></h3>\
         <table class=members><thead><tr><th>member<th>what</thead><tbody>"
    );
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

/// The table of what is taken although it is not written as it is documented.
pub(super) fn leniences(out: &mut String) {
    out.push_str(
        "<section class=group><h2 id=leniences>What is taken as it is meant</h2>\
         <table class=members><thead><tr><th>where<th>for example<th>is taken</thead><tbody>",
    );
    for Lenience { place, sent, taken, .. } in LENIENCES {
        let _ =
            write!(out, "<tr><td>{}<td><code>{}</code><td>{}", marked(place), escaped(sent), marked(taken));
    }
    out.push_str("</table></section>");
}

/// The table of errors, each with a place of its own.
pub(super) fn errors(out: &mut String) {
    out.push_str(
        "<section class=group><h2 id=errors>Errors</h2><p>Every failure has this body; <code>details</code> names the fields at \
         fault, and never repeats a value that was sent.</p><table class=codes><thead><tr><th>code<th>HTTP<th>meaning</thead><tbody>",
    );
    let mut before = None;
    for code in ErrorCode::ALL.iter().filter(|code| !code.is_reserved()) {
        let (number, status) = (code.number(), code.status().as_u16());
        // A code of two meanings has two rows and one place.
        let place = if before == Some(number) { String::new() } else { format!(" id=\"error-{number}\"") };
        before = Some(number);
        let message = escaped(code.message());
        let _ = write!(out, "<tr{place}><td>{number}<td>{status}<td>{message}");
    }
    out.push_str("</table></section>");
}

use core::fmt::Write;

use super::sample;
use super::text::{block, marked};
use crate::fields::{FieldSpec, Kind};
use crate::limits::{LIST_ROWS_DEFAULT, LIST_ROWS_MAX};
use crate::object::ObjectSpec;
use crate::table::Endpoint;

/// An endpoint: what it does and takes, a request, and an answer of either kind.
pub(super) fn section(endpoint: &Endpoint, out: &mut String) {
    let _ = write!(
        out,
        "<section class=endpoint><h3 id=\"{operation}\"><span class=\"method {method}\">{method}</span> <code>{path}</code> \
         <a class=anchor href=\"#{operation}\" aria-label=\"Link to {operation}\">#</a></h3><p><b>{summary}.</b> {doc}</p>",
        operation = endpoint.operation,
        method = endpoint.method,
        path = endpoint.path,
        summary = endpoint.summary,
        doc = marked(endpoint.doc),
    );
    let roles: Vec<String> = endpoint.roles.iter().map(|role| format!("<code>{role}</code>")).collect();
    let _ = write!(out, "<p>Roles: {}.</p>", roles.join(" "));
    if let Some(body) = endpoint.body {
        out.push_str("<table><thead><tr><th>field<th>what<th>meaning</thead><tbody>");
        body.fields.iter().for_each(|spec| field(spec, "", out));
        out.push_str("</table>");
    }
    if let Some(list) = endpoint.list {
        conditions(list, out);
    }
    out.push_str("<div class=samples>");
    out.push_str(&block("Request", &sample::request(endpoint)));
    let success = sample::success(endpoint);
    out.push_str(&block(&format!("Answer {}", endpoint.success), success.as_deref().unwrap_or("(no body)")));
    let (code, failure) = sample::failure(endpoint);
    let failure = block(&format!("Failure {}", code.status().as_u16()), &failure);
    let _ = write!(out, "{failure}</div>");
    codes(endpoint, out);
    out.push_str("</section>");
}

fn conditions(list: &ObjectSpec, out: &mut String) {
    let fields = list.members().filter(|member| member.is_by);
    let names: Vec<String> = fields.map(|member| format!("<code>{}</code>", member.name)).collect();
    let _ = write!(
        out,
        "<p>Conditions: <code>field=value</code>, repeated for any of several, <code>field!=</code>, \
         <code>field&gt;=</code>, <code>field&lt;=</code> (in a URL: <code>%3E=</code>, <code>%3C=</code>), on {}. Also \
         <code>_limit</code> (1 to {LIST_ROWS_MAX}, default {LIST_ROWS_DEFAULT}), <code>_skip</code>, <code>_after</code> (an <code>_id</code>), \
         <code>_sort=field</code> or <code>_sort=-field</code>, <code>_populate</code> (members that hold ids), <code>_count=none</code> (no <code>X-Total-Count</code>).</p>",
        names.join(" ")
    );
}

/// What it can fail with, each linked to the table.
fn codes(endpoint: &Endpoint, out: &mut String) {
    let mut codes = endpoint.codes();
    codes.sort_by_key(|code| code.number());
    codes.dedup_by_key(|code| code.number());
    out.push_str("<p class=codes>Fails with ");
    for (at, code) in codes.iter().enumerate() {
        let (comma, number) = (if at == 0 { "" } else { ", " }, code.number());
        let _ = write!(
            out,
            "{comma}<a href=\"#error-{number}\" title=\"{}\">{number}</a> ({})",
            code.message(),
            code.status().as_u16()
        );
    }
    out.push_str(".</p>");
}

fn field(spec: &FieldSpec, prefix: &str, out: &mut String) {
    let what = words(spec.kind);
    let required = if spec.required {
        ", <b>required</b>"
    } else if spec.nullable {
        " or null"
    } else {
        ""
    };
    let _ =
        write!(out, "<tr><td><code>{prefix}{}</code><td>{what}{required}<td>{}", spec.name, marked(spec.doc));
    if let Kind::Object(specs) | Kind::Settings(specs) | Kind::Open(specs) = spec.kind {
        specs.iter().for_each(|inner| field(inner, &format!("{prefix}{}.", spec.name), out));
    }
    if let Kind::Array { of: Kind::Object(specs), .. } = spec.kind {
        specs.iter().for_each(|inner| field(inner, &format!("{prefix}{}.0.", spec.name), out));
    }
}

/// What a field may hold, in a few words.
fn words(kind: Kind) -> String {
    match kind {
        Kind::Secret { .. } | Kind::Typed { .. } => "string".to_owned(),
        Kind::Id => "id".to_owned(),
        Kind::Text { max, .. } | Kind::Phone { max } => format!("string, at most {max} bytes"),
        Kind::Masked { .. } => "string".to_owned(),
        Kind::Choice(choices) => choices.join(" | "),
        Kind::Integer { min, max } => format!("integer, {min} to {max}"),
        Kind::Bool => "true or false".to_owned(),
        Kind::Pairs => "object of strings".to_owned(),
        Kind::Array { of, max } => format!("array of at most {max}: {}", words(*of)),
        Kind::Object(_) | Kind::Settings(_) | Kind::Open(_) => "object".to_owned(),
        Kind::Ignored => "anything".to_owned(),
    }
}

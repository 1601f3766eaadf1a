use core::fmt::Write;

use super::text::{escaped, marked};
use crate::error::ErrorCode;
use crate::lenience::{LENIENCES, Lenience};
use crate::object::{ObjectSpec, Presence};

/// The members of what is answered.
pub(super) fn section(object: &ObjectSpec, out: &mut String) {
    let name = object.name;
    let _ = write!(
        out,
        "<section><h3 id=\"{name}\">{name} <a class=anchor href=\"#{name}\" aria-label=\"Link to {name}\">#</a></h3><p>{}</p>\
         <table class=members><thead><tr><th>member<th>what<th>meaning</thead><tbody>",
        marked(object.doc.trim())
    );
    for member in object.members() {
        let presence = match member.presence {
            Presence::Always => "",
            Presence::Optional => ", <i>left out</i> without a value",
            Presence::Nullable => " or null",
        };
        let (what, doc) = (escaped(&member.shape.words()), marked(member.doc()));
        let _ = write!(out, "<tr><td><code>{}</code><td>{what}{presence}<td>{doc}", member.name);
    }
    out.push_str("</table>");
    if let Some(part) = object.part {
        let members: Vec<String> = object
            .members()
            .filter(|member| member.in_part)
            .map(|member| format!("<code>{}</code>", member.name))
            .collect();
        let _ = write!(out, "<p>Of these, <code>{part}</code> has {}.</p>", members.join(" "));
    }
    out.push_str("</section>");
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
    for code in ErrorCode::ALL {
        let (number, status) = (code.number(), code.status().as_u16());
        // A code of two meanings has two rows and one place.
        let place = if before == Some(number) { String::new() } else { format!(" id=\"error-{number}\"") };
        before = Some(number);
        let message = escaped(code.message());
        let _ = write!(out, "<tr{place}><td>{number}<td>{status}<td>{message}");
    }
    out.push_str("</table></section>");
}

//! Acts and questions: what is sent.

use panvault_model::{Brand, TransactionAction};
use toml::de::DeValue;

use super::Known;
use super::answers;
use super::members::{Located, Members, Reader};
use crate::card_http::act::ActName;
use crate::card_http::body::{Format, Node};
use crate::card_http::description::{Ask, Exchange, TokenBody};
use crate::card_http::limits::BODY_DEPTH_MAX;
use crate::card_http::placeholder::{Field, Place};
use crate::card_http::template::{Piece, Template};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Headers that the engine writes itself, or that change how a message is read.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "user-agent",
    "proxy-connection",
    "proxy-authorization",
];

const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("form", Format::Form)];

const ASKED: &[(&str, TransactionAction)] = &[
    ("authorise", TransactionAction::Authorise),
    ("capture", TransactionAction::Capture),
    ("void", TransactionAction::Void),
    ("void_capture", TransactionAction::VoidCapture),
    ("refund", TransactionAction::Refund),
];

pub(super) struct Acts {
    pub(super) acts: Vec<(ActName, Exchange)>,
    pub(super) takes_zero: bool,
}

/// The header with the key of idempotency, and those of every request.
pub(super) fn shared(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
) -> (Option<String>, Vec<(String, Template)>) {
    let idempotency = members.take("idempotency_header").and_then(|value| {
        reader.parsed(value, |text| header_name(text).map_or_else(|| Ok(text.to_owned()), Err))
    });
    // What stands in every request must be known in every one.
    let headers = headers(members, reader, known, ActName::Ask);
    (idempotency, headers)
}

pub(super) fn acts(members: &mut Members<'_>, reader: &mut Reader<'_>, known: &Known) -> Acts {
    let mut found = Acts { acts: Vec::new(), takes_zero: false };
    let Some(mut table) = members.required("acts", reader).and_then(|value| reader.table(value)) else {
        return found;
    };
    for name in ActName::SENT {
        let Some(value) = table.take(name.as_str()) else { continue };
        let Some(mut members) = reader.table(value) else { continue };
        if *name == ActName::Authorise {
            found.takes_zero =
                members.take("takes_zero").and_then(|value| reader.boolean(value)).unwrap_or(false);
        }
        let token = if name.bears_card() { members.take("network_token") } else { None };
        let exchange = exchange(&mut members, reader, known, *name);
        members.end(reader);
        if let Some(mut exchange) = exchange {
            let body = exchange.body.as_deref().unwrap_or_default();
            let mut fault = |words: &str| {
                reader.fault(value.span().start, format!("{} {words}", name.as_str()));
            };
            if name.bears_card() && !bears(body, &Field::CardNumber) {
                fault("sends no {{card.number}}");
            }
            // A PSP that is told no amount takes all that it has, or what it likes; another would be on our books.
            if name.moves_amount() && !sends(&exchange, &Field::Amount) {
                fault("sends no {{amount}}");
            }
            if *name != ActName::Authorise
                && sends(&exchange, &Field::Reference)
                && !has_reference(&found.acts)
            {
                fault("sends {{reference}}, which no answer of authorise gives");
            }
            if [Field::CardCryptogram, Field::CardCryptogramEci].iter().any(|field| bears(body, field)) {
                fault("sends a cryptogram with cards that have none: it goes into network_token.body");
            }
            exchange.network_token = token.and_then(|value| token_body(value, body, reader, known, *name));
            found.acts.push((*name, exchange));
        }
    }
    table.end(reader);
    found
}

/// What is sent where the card is a network token: the same, but for the members of `body` here, each of which takes the place of the whole one of
/// its name.
fn token_body(
    value: Located<'_>,
    body: &[(String, Node)],
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
) -> Option<TokenBody> {
    let mut members = reader.table(value)?;
    let names: Vec<_> = Brand::ALL.iter().map(|brand| (brand.as_str(), *brand)).collect();
    let brands = members.required("brands", reader).and_then(|value| {
        let items = reader.list(value)?;
        items.into_iter().map(|item| reader.choice(item, &names)).collect::<Option<Vec<_>>>()
    });
    let own = members.required("body", reader).and_then(|value| members_of(value, reader, known, act));
    members.end(reader);
    let (brands, own) = (brands?, own?);
    let is_kept = |(name, _): &&(String, Node)| !own.iter().any(|(other, _)| other == name);
    let mut whole: Vec<_> = body.iter().filter(is_kept).cloned().collect();
    whole.extend(own);
    for (field, is_there, words) in [
        (Field::CardNumber, true, "sends no {{card.number}}"),
        (Field::CardCryptogram, true, "sends no {{card.cryptogram}}"),
        (Field::CardCvv, false, "sends {{card.cvv}}, which a network token has not"),
    ] {
        if bears(&whole, &field) != is_there {
            reader.fault(value.span().start, format!("network_token {words}"));
        }
    }
    Some(TokenBody { brands, body: whole })
}

/// Whether it sends this, in its path, its headers or its body.
fn sends(exchange: &Exchange, field: &Field) -> bool {
    let templates = exchange.headers.iter().map(|(_, template)| template).chain([&exchange.target]);
    templates.flat_map(Template::placeholders).any(|one| one.field == *field)
        || bears(exchange.body.as_deref().unwrap_or_default(), field)
}

/// Whether the PSP says what it calls a payment. One that is only verified has nothing to follow.
fn has_reference(acts: &[(ActName, Exchange)]) -> bool {
    let paid = acts.iter().find(|(name, _)| *name == ActName::Authorise);
    paid.is_none_or(|(_, exchange)| !exchange.answers.reference.is_empty())
}

fn bears(body: &[(String, Node)], field: &Field) -> bool {
    let mut templates = Vec::new();
    body.iter().for_each(|(_, node)| node.templates(&mut templates));
    templates.iter().flat_map(|template| template.placeholders()).any(|one| one.field == *field)
}

pub(super) fn asks(members: &mut Members<'_>, reader: &mut Reader<'_>, known: &Known) -> Vec<Ask> {
    let Some(items) = members.take("asks").and_then(|value| reader.list(value)) else { return Vec::new() };
    let mut found = Vec::new();
    for value in items {
        let Some(mut members) = reader.table(value) else { continue };
        let of = members.required("of", reader).and_then(|value| {
            let items = reader.list(value)?;
            items.into_iter().map(|item| reader.choice(item, ASKED)).collect::<Option<Vec<_>>>()
        });
        let pick = members.take("pick").and_then(|value| answers::pick(value, reader));
        let exchange = exchange(&mut members, reader, known, ActName::Ask);
        members.end(reader);
        if let (Some(of), Some(exchange)) = (of, exchange) {
            if exchange.method != "GET" {
                reader.fault(value.span().start, "asking changes nothing: its method must be GET".to_owned());
            }
            found.push(Ask { of, exchange, pick });
        }
    }
    found
}

fn exchange(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
) -> Option<Exchange> {
    let line = members.required("request", reader).and_then(|value| request_line(value, reader, known, act));
    let headers = headers(members, reader, known, act);
    let format =
        members.take("format").and_then(|value| reader.choice(value, FORMATS)).unwrap_or(Format::Json);
    let body = members.take("body").map(|value| members_of(value, reader, known, act).unwrap_or_default());
    let answers = members.required("answer", reader).and_then(|value| {
        let name = reader.text(value)?;
        let found = known.answers.get(&name).cloned();
        if found.is_none() {
            reader.fault(value.span().start, format!("there is no [answers.{name}]"));
        }
        found
    });
    let (method, target) = line?;
    if method == "GET" && body.is_some() {
        reader.fault(members.at(), "a GET has no body".to_owned());
    }
    Some(Exchange { method, target, headers, format, body, network_token: None, answers: answers? })
}

/// The members of a body.
fn members_of(
    value: Located<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
) -> Option<Vec<(String, Node)>> {
    match node(value, reader, known, act, 0)? {
        Node::Object(members) => Some(members),
        Node::Text(_) | Node::Literal(_) | Node::List(_) => reader.must_be(value, "a table"),
    }
}

fn request_line(
    value: Located<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
) -> Option<(&'static str, Template)> {
    let (method, target) = reader.parsed(value, |text| {
        let wanted = || format!("must be a method and a path: {} /…", METHODS.join(", "));
        let (method, target) = text.split_once(' ').ok_or_else(wanted)?;
        let method = METHODS.iter().find(|known| **known == method).ok_or_else(wanted)?;
        if !target.starts_with('/') || target.starts_with("//") {
            return Err(wanted());
        }
        let template = Template::parse(target)?;
        // RFC 3986: what may stand in a path or a query, and no fragment.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?&=:,'+*!@;%".contains(&byte);
        let is_literal = |piece: &Piece| match piece {
            Piece::Literal(text) => text.bytes().all(is_plain),
            Piece::Value(_) => true,
        };
        if !template.0.iter().all(is_literal) {
            return Err("has what no path or query has; %XX stands for it".to_owned());
        }
        Ok((*method, template))
    })?;
    if let Some(words) = known.fault(&target, act, Place::Target) {
        reader.fault(value.span().start, words);
    }
    Some((method, target))
}

fn headers(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
) -> Vec<(String, Template)> {
    let Some(table) = members.take("headers").and_then(|value| reader.table(value)) else {
        return Vec::new();
    };
    let mut found: Vec<(String, Template)> = Vec::new();
    for (name, at, value) in table.all() {
        if let Some(words) = header_name(name) {
            reader.fault(at, words);
        }
        if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            reader.fault(at, format!("{name} is there twice"));
        }
        let Some(template) = reader.parsed(value, Template::parse) else { continue };
        let is_printable = |piece: &Piece| match piece {
            Piece::Literal(text) => text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            Piece::Value(_) => true,
        };
        if !template.0.iter().all(is_printable) {
            reader.fault(value.span().start, "a header must be printable ASCII".to_owned());
        }
        if let Some(words) = known.fault(&template, act, Place::Header) {
            reader.fault(value.span().start, words);
        }
        found.push((name.to_owned(), template));
    }
    found
}

/// What is wrong with the name of a header (RFC 9110, section 5.1).
fn header_name(name: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Some(format!("{name:?} is no name of a header"));
    }
    RESERVED
        .contains(&name.to_ascii_lowercase().as_str())
        .then(|| format!("{name} is not for a description to set"))
}

fn node(
    value: Located<'_>,
    reader: &mut Reader<'_>,
    known: &Known,
    act: ActName,
    depth: usize,
) -> Option<Node> {
    if depth > BODY_DEPTH_MAX {
        return reader.must_be(value, &format!("at most {BODY_DEPTH_MAX} members deep"));
    }
    match value.get_ref() {
        DeValue::Boolean(boolean) => Some(Node::Literal(boolean.to_string())),
        DeValue::Integer(_) => reader.number(value).map(|number| Node::Literal(number.to_string())),
        DeValue::Float(_) | DeValue::Datetime(_) => {
            reader.must_be(value, "a text, whole number, boolean, list or table")
        }
        DeValue::String(text) => {
            let template =
                Template::parse(text).map_err(|words| reader.fault(value.span().start, words)).ok()?;
            if let Some(words) = known.fault(&template, act, Place::Body) {
                reader.fault(value.span().start, words);
            }
            Some(Node::Text(template))
        }
        DeValue::Array(_) => {
            let items = reader.list(value)?;
            Some(Node::List(
                items.into_iter().filter_map(|item| node(item, reader, known, act, depth + 1)).collect(),
            ))
        }
        DeValue::Table(_) => {
            let mut members = Vec::new();
            for (name, at, value) in reader.table(value)?.all() {
                if name.contains("{{") {
                    reader.fault(at, "a name has no placeholders".to_owned());
                }
                members
                    .extend(node(value, reader, known, act, depth + 1).map(|node| (name.to_owned(), node)));
            }
            Some(Node::Object(members))
        }
    }
}

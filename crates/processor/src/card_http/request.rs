//! A request of HTTP/1.1, made in one buffer of exactly its length.

use zeroize::Zeroizing;

use super::act::ActName;
use super::description::{Description, Exchange};
use super::facts::Facts;
use super::origin::Origin;
use super::template::{Escape, Measure, Out};

/// Why an act cannot be sent to this PSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmade {
    /// The PSP counts the currency in units of which the amount is no whole number.
    Amount,
    /// Something that the path needs is not known.
    Target,
    /// A header without which the PSP does not know who asks has no value.
    Header,
}

/// The length of the body of a request that can be made.
pub(super) fn measure(
    description: &Description,
    exchange: &Exchange,
    origin: &Origin,
    facts: &Facts<'_>,
) -> Result<Measured, Unmade> {
    if facts.name != ActName::Ask && facts.units().is_none() {
        return Err(Unmade::Amount);
    }
    if !exchange.target.is_whole_target(facts) {
        return Err(Unmade::Target);
    }
    if !all_headers(description, exchange).all(|(_, template)| template.is_whole(facts)) {
        return Err(Unmade::Header);
    }
    let mut body = Measure::default();
    if let Some(members) = exchange.members(facts.act) {
        exchange.format.write(members, facts, &mut body);
    }
    let mut whole = Measure::default();
    write(description, exchange, origin, facts, body.0, &mut whole);
    Ok(Measured { body: body.0, whole: whole.0 })
}

/// How long a request is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    body: usize,
    whole: usize,
}

/// The request. Its buffer does not grow, so no copy stays behind, and is wiped when it goes.
pub(super) fn make(
    description: &Description,
    exchange: &Exchange,
    origin: &Origin,
    facts: &Facts<'_>,
    measured: Measured,
) -> Zeroizing<Vec<u8>> {
    let mut request = Zeroizing::new(Vec::with_capacity(measured.whole));
    write(description, exchange, origin, facts, measured.body, &mut request);
    request
}

fn all_headers<'a>(
    description: &'a Description,
    exchange: &'a Exchange,
) -> impl Iterator<Item = &'a (String, super::template::Template)> {
    let is_own = |name: &str| exchange.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    description.headers.iter().filter(move |(name, _)| !is_own(name)).chain(&exchange.headers)
}

fn write(
    description: &Description,
    exchange: &Exchange,
    origin: &Origin,
    facts: &Facts<'_>,
    body: usize,
    out: &mut impl Out,
) {
    out.push(exchange.method.as_bytes());
    out.push(b" ");
    out.push(origin.base.as_bytes());
    exchange.target.write_target(facts, out);
    out.push(b" HTTP/1.1\r\nHost: ");
    out.push(origin.authority.as_bytes());
    out.push(
        concat!("\r\nUser-Agent: panvault/", env!("CARGO_PKG_VERSION"), "\r\nAccept: application/json")
            .as_bytes(),
    );
    for (name, template) in all_headers(description, exchange) {
        out.push(b"\r\n");
        out.push(name.as_bytes());
        out.push(b": ");
        template.write(facts, Escape::Nothing, out);
    }
    if let Some(name) = &description.idempotency_header
        && let Some(key) = facts.idempotency_key()
    {
        for part in ["\r\n", name, ": ", &key] {
            out.push(part.as_bytes());
        }
    }
    if exchange.body.is_some() {
        out.push(b"\r\nContent-Type: ");
        out.push(exchange.format.content_type().as_bytes());
    }
    // A request that could have a body and has none says so.
    if exchange.body.is_some() || exchange.method != "GET" {
        out.push(b"\r\nContent-Length: ");
        out.push(body.to_string().as_bytes());
    }
    out.push(b"\r\n\r\n");
    if let Some(members) = exchange.members(facts.act) {
        exchange.format.write(members, facts, out);
    }
}

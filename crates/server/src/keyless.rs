//! Keyless capture: a card that a shopper's browser creates without an API key, in an organisation that lets its pages do so. Old programs for the gateway
//! send nothing else than the card and the organisation's id.

use http::header::{HeaderValue, ORIGIN};
use http::request::Parts;
use panvault_model::OrganisationId;
use panvault_vault::{CardCreate, Operation};

use crate::app::App;
use crate::asked::not_json;
use crate::body::Body;
use crate::caller;
use crate::dispatch::Peer;
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::json;
use crate::object::card::CREATE;
use crate::own_origin::{is_of_console, is_own};
use crate::routes::document::owner;
use crate::table::Endpoint;

/// The page that a request may come from without a key.
pub(crate) enum Page {
    /// One of an organisation that lets its pages create cards.
    Listed(HeaderValue),
    /// The frame of a hosted field.
    Own,
}

/// The page, if the request creates a card, has no key at all, is none of the console's, and comes from a page that some organisation lets do so. Who says no page is asked for
/// a key before anything of the body is read.
pub(crate) fn page(app: &App, endpoint: &Endpoint, parts: &Parts) -> Option<Page> {
    if endpoint.operation != CardCreate::NAME
        || is_of_console(parts)
        || caller::is_sent(&parts.headers)
        || matches!(parts.extensions.get::<Peer>(), Some(Peer::Operator(_)))
    {
        return None;
    }
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    if app.vault().allows_keyless(Some(origin.to_str().ok()?)) {
        Some(Page::Listed(origin.clone()))
    } else if app.vault().allows_keyless(None) && is_own(app.settings(), parts, origin) {
        Some(Page::Own)
    } else {
        None
    }
}

/// The organisation that a body names: it says whose request it is, so that it is looked for before the rest is read.
pub(crate) fn organisation(body: &Body) -> Result<OrganisationId, Refusal> {
    let mut faults = Faults::default();
    let value = match json::parse(body) {
        Ok(value) => value,
        Err(at) => return Err(not_json(&at, faults)),
    };
    let fields = Fields::take(value, body.len(), CREATE.fields, &mut faults);
    owner(&fields, None, &mut faults).ok_or_else(|| faults.into())
}

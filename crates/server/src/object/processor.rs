//! A processor.

use panvault_model::{OrganisationId, ProcessorId, Timestamp};
use panvault_vault::{ProcessorField, ProcessorRow, RouteConfiguration, is_route};

use super::account::{OWNER_DOC, OWNER_KEPT_DOC};
use super::organisation::NAME_DOC;
use super::route::{ROUTES, Route};
use super::shape::Shape;
use super::shown::{Shown, write_texts};
use super::{BodySpec, Object, object};
use crate::answer::Json;
use crate::fields::{Field, Settings};
use crate::lenience::Rule;

pub(crate) use super::account::{ORGANISATION, TYPE};
pub(crate) use super::organisation::NAME;

pub(crate) const CONFIGURATION: Field<Settings> = Field::settings(
    "configuration",
    &[
        Field::text(TYPE, 64, "card_dummy").optional("The kind of processor: `card_dummy` in a test vault, one that goes by a description, such as `card_stripe`, or `card_route`, which tries others in turn."),
        Field::text("decline_without_cvv", 3, "20")
            .optional(
                "Of `card_dummy`: percent of the transactions without a CVV that it declines, 0 to 100.",
            )
            .also(Rule::IntegerForDigits),
        ROUTES.optional("Of `card_route`: the processors at which payments are tried, in their order. A change names all of them."),
    ],
);

/// The body of `POST /v1/processor`.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "ProcessorCreate",
    may_lack: false,
    fields: &[
        NAME.required(NAME_DOC),
        CONFIGURATION.required("Its kind in `_type`, and what that kind needs: settings, and secrets, which are never shown again."),
        ORGANISATION.optional(OWNER_DOC),
    ],
};

/// The body of `POST /v1/processor/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "ProcessorUpdate",
    may_lack: false,
    fields: &[
        NAME.optional(NAME_DOC),
        CONFIGURATION
            .optional("Settings and secrets that change; what is not named stays, and so does `_type`."),
        ORGANISATION.optional(OWNER_KEPT_DOC),
    ],
};

object! {
    /// A processor: a configured connection to an acquirer or PSP. Secrets of its configuration are never shown.
    Processor "Processor" of row: ProcessorRow, by ProcessorField {
        /// Its name in the API.
        always "_id" => ProcessorId = row.id, by Id;
        /// Whose it is.
        always ORGANISATION.name => OrganisationId = row.organisation, by Organisation;
        /// Its name.
        always NAME.name => &str = row.name.as_str(), by Name, example "Dummy";
        /// Its kind in `_type`, and its other settings.
        always CONFIGURATION.name => Configured = Configured(row);
        /// Names of the secrets that are set of its configuration.
        optional "secrets" => SecretNames<'_> = Some(SecretNames(row)).filter(|_| !row.secrets.is_empty()), example "[\"api_key\"]";
        /// When it was made.
        always "created_at" => Timestamp = row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = row.updated_at, by UpdatedAt;
    }
}

/// Which secrets are set, and nothing of them.
pub(crate) struct SecretNames<'r>(&'r ProcessorRow);

impl Shown for SecretNames<'_> {
    const SHAPE: Shape = <&[String] as Shown>::SHAPE;

    fn write(&self, out: &mut Vec<u8>) {
        let names: Vec<_> = self.0.secrets.iter().map(|(name, _)| name.clone()).collect();
        names.as_slice().write(out);
    }
}

/// A configuration: its type, and its settings beside it.
pub(crate) struct Configured<'r>(&'r ProcessorRow);

/// Routes as they are sent.
struct Routes<'r>(&'r RouteConfiguration);

impl Shown for Routes<'_> {
    const SHAPE: Shape = Shape::List(&Shape::Texts);

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, route) in self.0.routes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            Json::object(out, |json| Route::write::<true>(route, json));
        }
        out.push(b']');
    }
}

impl Shown for Configured<'_> {
    const SHAPE: Shape = Shape::Configuration;

    fn write(&self, out: &mut Vec<u8>) {
        if is_route(&self.0.type_name)
            && let Ok(routes) = RouteConfiguration::read(&self.0.settings)
        {
            return Json::object(out, |json| {
                json.always(TYPE, self.0.type_name.as_str());
                json.always(ROUTES.name, Routes(&routes));
            });
        }
        let settings = self.0.settings.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        write_texts([(TYPE, self.0.type_name.as_str())].into_iter().chain(settings), out);
    }
}

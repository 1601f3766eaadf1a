//! An API key.

use const_format::formatcp;
use panvault_model::{ApiKeyId, OrganisationId, Role, Timestamp};
use panvault_vault::limits::{ALLOWED_ORIGINS_MAX, KEY_OVERLAP_SECONDS_MAX, ORIGIN_BYTES_MAX};
use panvault_vault::{ApiKeyField, ApiKeyView};

use super::account::{OWNER_DOC, OWNER_KEPT_DOC};
use super::organisation::NAME_DOC;
use super::{BodySpec, object};
use crate::fields::{Field, Kind, Texts, Typed};

pub(crate) use super::account::ORGANISATION;
pub(crate) use super::organisation::NAME;

pub(crate) const ROLES: Field<Texts> = Field::texts("roles", Role::ALL.len(), &Kind::Choice(&ROLE_NAMES));
pub(crate) const ALLOWED_ORIGINS: Field<Texts> = Field::texts(
    "allowed_origins",
    ALLOWED_ORIGINS_MAX,
    &Kind::Text { max: ORIGIN_BYTES_MAX, example: "https://shop.example" },
);
pub(crate) const EXPIRES_AT: Field<Typed> = Field::typed(
    "expires_at",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt].*([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "2035-01-31T12:00:00Z",
);
pub(crate) const OVERLAP_SECONDS: Field<i64> =
    Field::integer("overlap_seconds", 0, KEY_OVERLAP_SECONDS_MAX.cast_signed());

const ROLE_NAMES: [&str; Role::ALL.len()] = [
    Role::ProviderAdmin.as_str(),
    Role::ProviderUser.as_str(),
    Role::MerchantAdmin.as_str(),
    Role::MerchantSupervisor.as_str(),
    Role::MerchantCashier.as_str(),
    Role::MerchantUser.as_str(),
    Role::Publishable.as_str(),
];

const ROLES_DOC: &str =
    "What its bearer may do: at least one role, none above those of the caller; `Publishable` stands alone.";
const ORIGINS_DOC: &str = formatcp!(
    "Of a key with the role `Publishable`, and only of one: 1 to {ALLOWED_ORIGINS_MAX} web origins (RFC 6454) whose pages may use it."
);
const EXPIRES_DOC: &str = "When it stops working; without it, never.";

/// The body of `POST /v1/apikey`.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "ApiKeyCreate",
    may_lack: false,
    fields: &[
        NAME.required(NAME_DOC),
        ROLES.required(ROLES_DOC),
        ORGANISATION.optional(OWNER_DOC),
        ALLOWED_ORIGINS.optional(ORIGINS_DOC),
        EXPIRES_AT.optional(EXPIRES_DOC),
    ],
};

/// The body of `POST /v1/apikey/{id}`.
pub(crate) static UPDATE: BodySpec = BodySpec {
    name: "ApiKeyUpdate",
    may_lack: false,
    fields: &[
        NAME.optional(NAME_DOC),
        ROLES.optional(ROLES_DOC),
        ORGANISATION.optional(OWNER_KEPT_DOC),
        ALLOWED_ORIGINS.optional(ORIGINS_DOC),
        EXPIRES_AT.optional("When it stops working, which may be at once; `null` for never.").or_null(),
    ],
};

/// The body of `POST /v1/apikey/{id}/rotate`.
pub(crate) static ROTATE: BodySpec = BodySpec {
    name: "ApiKeyRotate", may_lack: false,
    fields: &[
        OVERLAP_SECONDS.required(formatcp!(
            "Seconds for which the old key works on, 0 to {KEY_OVERLAP_SECONDS_MAX}; its own end is not moved back."
        )),
        EXPIRES_AT
            .optional("When the new key stops working; `null` for never. Left out, when the old one would have.")
            .or_null(),
    ],
};

object! {
    /// An API key, but for the key itself.
    ApiKey "ApiKey" of view: ApiKeyView, by ApiKeyField {
        /// Its name in the API.
        always "_id" => ApiKeyId = view.row.id, by Id;
        /// Whose it is: its bearer sees this organisation and all below it.
        always ORGANISATION.name => OrganisationId = view.row.organisation, by Organisation;
        /// Its name.
        always NAME.name => &str = view.row.name.as_str(), by Name, example "Web shop";
        /// What its bearer may do.
        always ROLES.name => &[Role] = view.row.roles.as_slice();
        /// Of a browser's key: web origins whose pages may use it.
        optional ALLOWED_ORIGINS.name => &[String] = Some(view.row.allowed_origins.as_slice()).filter(|origins| !origins.is_empty()), example "[\"https://shop.example\"]";
        /// When it stops working.
        optional EXPIRES_AT.name => Timestamp = view.row.expires_at, by ExpiresAt;
        /// When it was last used, to the minute.
        optional "last_used_at" => Timestamp = view.last_used_at;
        /// When it was made.
        always "created_at" => Timestamp = view.row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = view.row.updated_at, by UpdatedAt;
    }
}

/// An API key that was just made, and the key itself the first time.
pub(crate) struct Made {
    pub(crate) view: ApiKeyView,
    pub(crate) key: Option<panvault_vault::ApiKey>,
}

object! {
    /// An API key that was just made.
    MadeApiKey "MadeApiKey" of made: Made, by ApiKeyField, with [ApiKey of &made.view] {
        /// The key itself, this once: nobody can show it again. It is not there in the answer to a repeated request.
        optional "api_key" => &str = made.key.as_ref().map(panvault_vault::ApiKey::expose_text), example "pv_test_4fS0mVqYk2cN8xJ7bLw1ZtHr5pQe9uGdA6iKoX3yBvM2nRs0TjC";
    }
}

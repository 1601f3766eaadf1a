//! A route of a processor of type `card_route`: another processor, and which payments are tried there.

use panvault_model::{AMOUNT_MAX, Amount, Brand, Country, Currency, Id, ProcessorId};
use panvault_vault::{ROUTE_AGAIN_BYTES_MAX, ROUTE_AGAIN_MAX, ROUTE_CODES_MAX, ROUTES_MAX};

use super::{Number, object};
use crate::fields::{Field, FieldSpec, Kind, Objects, Texts};

pub(crate) const ROUTES: Field<Objects> = Field::objects("routes", ROUTES_MAX, &Kind::Object(MEMBERS));

const PROCESSOR: Field<Id> = Field::id("processor");
const BRANDS: Field<Texts> = Field::texts("brands", Brand::ALL.len(), &Kind::Choice(&BRAND_NAMES));
const CURRENCIES: Field<Texts> =
    Field::texts("currencies", ROUTE_CODES_MAX, &Kind::Text { max: 3, example: "EUR" });
const AMOUNT_LEAST: Field<i64> = Field::integer("amount_min", 0, AMOUNT_MAX as i64);
const AMOUNT_MOST: Field<i64> = Field::integer("amount_max", 0, AMOUNT_MAX as i64);
const ISSUER_COUNTRIES: Field<Texts> =
    Field::texts("issuer_countries", ROUTE_CODES_MAX, &Kind::Text { max: 2, example: "NL" });
const PERCENTAGE: Field<i64> = Field::integer("percentage", 0, 100);
const AGAIN_AFTER: Field<Texts> =
    Field::texts("again_after", ROUTE_AGAIN_MAX, &Kind::Text { max: ROUTE_AGAIN_BYTES_MAX, example: "91" });

#[expect(clippy::indexing_slicing, reason = "it is made by the compiler, which would stop")]
const BRAND_NAMES: [&str; Brand::ALL.len()] = {
    let (mut names, mut at) = ([""; Brand::ALL.len()], 0);
    while at < names.len() {
        names[at] = Brand::ALL[at].as_str();
        at += 1;
    }
    names
};

/// What is said of each route where one is made.
const MEMBERS: &[FieldSpec] = &[
    PROCESSOR.required(PROCESSOR_DOC),
    BRANDS.optional(BRANDS_DOC),
    CURRENCIES.optional(CURRENCIES_DOC),
    AMOUNT_LEAST.optional(AMOUNT_LEAST_DOC),
    AMOUNT_MOST.optional(AMOUNT_MOST_DOC),
    ISSUER_COUNTRIES.optional(ISSUER_COUNTRIES_DOC),
    PERCENTAGE.optional(PERCENTAGE_DOC),
    AGAIN_AFTER.optional(AGAIN_AFTER_DOC),
];

const PROCESSOR_DOC: &str = "Where payments are tried: a processor for cards, of the organisation or one above it, and no `card_route`.";
const BRANDS_DOC: &str = "With cards of these brands; any, when it is left out.";
const CURRENCIES_DOC: &str = "In these currencies; any, when it is left out.";
const AMOUNT_LEAST_DOC: &str = "Of this amount at least, in minor units.";
const AMOUNT_MOST_DOC: &str = "Of this amount at most, in minor units.";
const ISSUER_COUNTRIES_DOC: &str =
    "With cards that were issued in these countries, as far as that is known; any, when it is left out.";
const PERCENTAGE_DOC: &str = "How many in a hundred of the payments that fit otherwise; the routes of a list divide them in their order.";
const AGAIN_AFTER_DOC: &str =
    "Reason codes of this processor after which a decline is tried again at the next route, without a CVV.";

object! {
    /// A route of a `card_route`.
    Route "Route" of row: panvault_vault::Route {
        /// Where payments are tried.
        always PROCESSOR.name => ProcessorId = row.processor;
        /// With cards of these brands.
        optional BRANDS.name => &[Brand] = some(&row.brands);
        /// In these currencies.
        optional CURRENCIES.name => &[Currency] = some(&row.currencies);
        /// Of this amount at least, in minor units.
        optional AMOUNT_LEAST.name => Amount = row.amount_min;
        /// Of this amount at most, in minor units.
        optional AMOUNT_MOST.name => Amount = row.amount_max;
        /// With cards that were issued in these countries.
        optional ISSUER_COUNTRIES.name => &[Country] = some(&row.issuer_countries);
        /// How many in a hundred of the payments that fit otherwise.
        optional PERCENTAGE.name => Number<0, 100> = row.percentage.map(|percentage| Number(percentage.into()));
        /// Reason codes after which a decline is tried again at the next route.
        optional AGAIN_AFTER.name => &[String] = some(&row.again_after), example "[\"91\"]";
    }
}

fn some<T>(values: &[T]) -> Option<&[T]> {
    Some(values).filter(|values| !values.is_empty())
}

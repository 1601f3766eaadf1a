//! What the values of a member can be: how the documentation says it, and what a condition of a list may compare it with. A value that a
//! member cannot have matches nothing, and is more likely a mistake than a question: it is refused.

use std::net::IpAddr;

use panvault_model::{Country, Currency, Expiry, Fingerprint, Id, Timestamp};
use panvault_vault::FieldValue;
use serde_json::{Value, json};

use crate::limits::LIST_NUMBER_MAX;
use crate::object::{EXAMPLE_CARD, ObjectSpec};

/// What values can be.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Id,
    /// An id, or this instead.
    IdOr(&'static str),
    /// Names of ours, in a list taken in any case.
    Names(&'static Names),
    /// A code of letters, in a list taken in any case.
    Country,
    Currency,
    /// So many digits.
    Digits(usize),
    /// Two digits; in a list also one.
    Month,
    /// Two digits; in a list also four.
    Year,
    /// So many digits.
    Hexadecimal(usize),
    Address,
    /// Any text.
    Text,
    /// A text of this pattern, with an example. No list goes by it.
    Pattern(&'static str, &'static str),
    Integer {
        min: u64,
        max: u64,
    },
    Bool,
    Time,
    /// Several. A list goes by one of them.
    List(&'static Self),
    /// An object of texts. No list goes by it.
    Texts,
    /// An object of numbers. No list goes by it.
    Numbers,
    /// An object that is described by itself. No list goes by it.
    Object(&'static ObjectSpec),
    /// The configuration of a processor: texts, and the routes of a `card_route`. No list goes by it.
    Configuration,
    /// What the details of an error are.
    Details,
}

/// Values that have names, with a schema of their own. Later versions may have more.
pub(crate) struct Names {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) all: fn() -> Vec<&'static str>,
}

impl Shape {
    /// The value that a list is to be compared with as rows have it; what else it must be, if it is none.
    pub(crate) fn read(self, text: &str) -> Result<FieldValue<'static>, String> {
        let kept = |text: String| FieldValue::Text(text.into());
        let one_of = |names: &[&'static str]| match names.iter().find(|name| name.eq_ignore_ascii_case(text))
        {
            Some(name) => Ok(FieldValue::Text((*name).into())),
            None => Err(format!("must be one of {}", names.join(", "))),
        };
        let (read, what) = match self {
            Self::Id => {
                let read = Id::parse(text).ok().map(|id| kept(id.to_string()));
                (read, "must be an id: 24 lowercase hexadecimal digits")
            }
            Self::IdOr(other) => {
                let read = Id::parse(text).ok().map(|id| id.to_string());
                let read = read.or_else(|| (text == other).then(|| other.to_owned())).map(kept);
                return read
                    .ok_or_else(|| format!("must be {other}, or an id: 24 lowercase hexadecimal digits"));
            }
            Self::Names(names) => return one_of(&(names.all)()),
            Self::Bool => return one_of(&["true", "false"]),
            Self::Country => {
                let read = Country::parse(&text.to_ascii_uppercase()).map(|code| kept(code.to_string()));
                (read, "must be two letters (ISO 3166-1)")
            }
            Self::Currency => {
                let code = Currency::parse(&text.to_ascii_uppercase()).filter(|code| code.is_assigned());
                (
                    code.map(|code| kept(code.to_string())),
                    "must be the code of a currency (ISO 4217), such as EUR",
                )
            }
            Self::Digits(count) => {
                let fits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
                return if fits { Ok(kept(text.to_owned())) } else { Err(format!("must be {count} digits")) };
            }
            Self::Month => {
                let read = Expiry::parse_month(text).ok().map(|month| kept(format!("{month:02}")));
                (read, "must be a month, 1 to 12 or 01 to 12")
            }
            Self::Year => {
                let read = Expiry::parse_year(text).ok().map(|year| kept(format!("{:02}", year % 100)));
                (read, "must be a year of two or four digits")
            }
            Self::Hexadecimal(_) => {
                let read = Fingerprint::parse(text).map(|found| kept(found.to_string()));
                (read, "must be 32 lowercase hexadecimal digits")
            }
            // Kept as it was sent, so compared as it is sent.
            Self::Address => {
                let read = text.parse::<IpAddr>().ok().map(|_| kept(text.to_owned()));
                (read, "must be an IP address")
            }
            Self::Text => (Some(kept(text.to_owned())), ""),
            Self::Integer { max, .. } => {
                let most = max.min(LIST_NUMBER_MAX);
                let read = whole(text).filter(|number| *number <= most);
                return read
                    .map(FieldValue::Number)
                    .ok_or_else(|| format!("must be an integer, at most {most}"));
            }
            Self::List(of) => return of.read(text),
            Self::Time => {
                let time = Timestamp::parse(text).ok();
                (time.map(|time| FieldValue::Number(time.unix_millis())), "must be a time (RFC 3339)")
            }
            Self::Pattern(..)
            | Self::Texts
            | Self::Numbers
            | Self::Object(_)
            | Self::Configuration
            | Self::Details => (None, "is nothing that a list goes by"),
        };
        read.ok_or_else(|| what.to_owned())
    }

    /// As the OpenAPI document says it of an answer. Names are open: a later version may have more of them.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Names(names) => json!({ "$ref": format!("#/components/schemas/{}", names.name) }),
            Self::Month | Self::Year => pattern("^[0-9]{2}$"),
            Self::Integer { min, max: u64::MAX } => json!({ "type": "integer", "minimum": min }),
            Self::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Texts => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            Self::Numbers => {
                json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } })
            }
            Self::Object(object) => json!({ "$ref": format!("#/components/schemas/{}", object.name) }),
            Self::Configuration => json!({
                "type": "object",
                "properties": {
                    "_type": { "type": "string" },
                    "routes": { "type": "array", "items": { "$ref": "#/components/schemas/Route" } },
                },
                "additionalProperties": { "type": "string" },
            }),
            Self::List(of) => json!({ "type": "array", "items": of.schema() }),
            Self::Details => {
                let of = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
                json!({ "anyOf": [of("TransactionOutcome"), of("RefundOutcome"), of("FieldFaults")] })
            }
            Self::Id
            | Self::IdOr(_)
            | Self::Country
            | Self::Currency
            | Self::Digits(_)
            | Self::Hexadecimal(_)
            | Self::Address
            | Self::Text
            | Self::Pattern(..)
            | Self::Bool
            | Self::Time => self.value_schema(),
        }
    }

    /// As the OpenAPI document says it of a value that a list is compared with.
    pub(crate) fn value_schema(self) -> Value {
        match self {
            Self::Id => json!({ "type": "string", "pattern": "^[0-9a-f]{24}$" }),
            Self::IdOr(other) => pattern(&format!("^({other}|[0-9a-f]{{24}})$")),
            Self::Names(names) => json!({ "type": "string", "enum": (names.all)() }),
            Self::Country => pattern("^[A-Z]{2}$"),
            Self::Currency => pattern("^[A-Z]{3}$"),
            Self::Digits(count) => pattern(&format!("^[0-9]{{{count}}}$")),
            Self::Month => pattern("^(0?[1-9]|1[0-2])$"),
            Self::Year => pattern("^([0-9]{2}|[0-9]{4})$"),
            Self::Hexadecimal(count) => pattern(&format!("^[0-9a-f]{{{count}}}$")),
            Self::Pattern(text, _) => pattern(text),
            Self::Address | Self::Text => json!({ "type": "string" }),
            Self::Integer { max, .. } => {
                json!({ "type": "integer", "minimum": 0, "maximum": max.min(LIST_NUMBER_MAX) })
            }
            Self::Bool => json!({ "type": "boolean" }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
            Self::List(of) => of.value_schema(),
            Self::Texts | Self::Numbers | Self::Object(_) | Self::Configuration | Self::Details => {
                self.schema()
            }
        }
    }

    /// A value, where one says enough.
    pub(crate) fn example(self) -> Option<Value> {
        Some(match self {
            Self::Id | Self::IdOr(_) => json!(EXAMPLE_CARD),
            Self::Names(names) => json!((names.all)().first()),
            Self::Country => json!("NL"),
            Self::Currency => json!("EUR"),
            Self::Month => json!("12"),
            Self::Year => json!("35"),
            Self::Hexadecimal(_) => json!("0f6b1d2c3a495867e8f9a0b1c2d3e4f5"),
            Self::Address => json!("203.0.113.7"),
            Self::Pattern(_, example) => json!(example),
            Self::Integer { min, .. } => json!(min),
            Self::Bool => json!(true),
            Self::Time => json!("2026-01-31T12:00:00.000Z"),
            Self::List(of) => json!([of.example()?]),
            Self::Object(object) => object.example(),
            Self::Digits(_)
            | Self::Text
            | Self::Texts
            | Self::Numbers
            | Self::Configuration
            | Self::Details => {
                return None;
            }
        })
    }

    /// In a few words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Id => "id".to_owned(),
            Self::IdOr(other) => format!("id, or {other}"),
            Self::Names(names) => (names.all)().join(" | "),
            Self::Country => "two letters, ISO 3166-1".to_owned(),
            Self::Currency => "three letters, ISO 4217".to_owned(),
            Self::Digits(count) => format!("{count} digits"),
            Self::Month | Self::Year => "2 digits".to_owned(),
            Self::Hexadecimal(count) => format!("{count} hexadecimal digits"),
            Self::Address | Self::Text | Self::Pattern(..) => "string".to_owned(),
            Self::Integer { min, max: u64::MAX } => format!("integer, from {min}"),
            Self::Integer { min, max } => format!("integer, {min} to {max}"),
            Self::Bool => "true or false".to_owned(),
            Self::Time => "time, RFC 3339".to_owned(),
            Self::List(of) => format!("array: {}", of.words()),
            Self::Texts | Self::Numbers | Self::Object(_) | Self::Configuration | Self::Details => {
                "object".to_owned()
            }
        }
    }
}

fn pattern(text: &str) -> Value {
    json!({ "type": "string", "pattern": text })
}

/// A number of digits and nothing else, up to [`LIST_NUMBER_MAX`].
pub(crate) fn whole(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= LIST_NUMBER_MAX)
}
#[cfg(test)]
mod tests {
    use panvault_model::Brand;

    use super::*;
    use crate::object::Object;
    use crate::object::card::Card;
    use crate::object::transaction::Transaction;

    fn card(name: &str) -> Shape {
        Card::by(name).unwrap().1
    }

    fn transaction(name: &str) -> Shape {
        Transaction::by(name).unwrap().1
    }

    fn refused(values: Shape, texts: &[&str]) {
        for text in texts {
            let fault = values.read(text).err();
            assert!(fault.is_some_and(|fault| !fault.contains("4111")), "{text}");
        }
    }

    fn taken(values: Shape, pairs: &[(&str, &str)]) {
        for (text, kept) in pairs {
            assert_eq!(values.read(text), Ok(FieldValue::Text((*kept).to_owned().into())), "{text}");
        }
    }

    #[test]
    fn values_are_read_as_rows_keep_them() {
        let id = "0123456789abcdef01234567";
        taken(card("_id"), &[(id, id)]);
        taken(card("expiry_month"), &[("1", "01"), ("12", "12")]);
        taken(card("expiry_year"), &[("29", "29"), ("2029", "29")]);
        taken(card("issuer_country"), &[("nl", "NL"), ("NL", "NL")]);
        taken(transaction("currency_code"), &[("eur", "EUR")]);
        taken(transaction("status"), &[("declined", "DECLINED"), ("Declined", "DECLINED")]);
        taken(transaction("capture_now"), &[("TRUE", "true")]);
        taken(transaction("customer_ip"), &[("2001:DB8::1", "2001:DB8::1")]);
        for brand in Brand::ALL {
            let name = brand.as_str();
            let (upper, lower) = (name.to_uppercase(), name.to_lowercase());
            taken(card("brand"), &[(name, name), (&upper, name), (&lower, name)]);
        }
        assert_eq!(transaction("amount").read("10"), Ok(FieldValue::Number(10)));
    }

    #[test]
    fn values_that_a_field_cannot_have_are_refused() {
        refused(card("_id"), &["", "x", "0123456789ABCDEF01234567", "4111111111111111"]);
        refused(card("brand"), &["", "Visaa", "4111111111111111"]);
        refused(card("bin"), &["", "41111", "4111111", "41111x"]);
        refused(card("last_four"), &["111", "11111", "4111111111111111"]);
        refused(card("expiry_month"), &["0", "13", "jan"]);
        refused(card("expiry_year"), &["2", "029"]);
        refused(card("issuer_country"), &["N", "NLD", "N1"]);
        refused(card("type"), &["visa"]);
        refused(card("fingerprint"), &["x", "4111111111111111"]);
        refused(transaction("amount"), &["", "-1", "1.5", "1e3", "1000000000000000"]);
        refused(transaction("status"), &["DONE"]);
        refused(transaction("capture_now"), &["yes", "1"]);
        refused(transaction("customer_ip"), &["1.2.3", "here"]);
        refused(transaction("created_at"), &["yesterday", "2026-01-31"]);
    }
}

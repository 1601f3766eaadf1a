//! What the fields of a list may be compared with. A value that a field cannot have matches nothing, and is more likely a
//! mistake than a question: it is refused.

use std::net::IpAddr;

use panvault_model::{
    Brand, CardType, Country, Currency, CvvResult, Expiry, Fingerprint, Id, RecurringType,
    ShopperInteraction, Timestamp, TransactionStatus,
};
use panvault_vault::{CardField, Field, FieldValue, TransactionField};
use serde_json::{Value, json};

use crate::limits::LIST_NUMBER_MAX;

/// The values that a field can have.
#[derive(Clone, Copy)]
pub(crate) enum Values {
    Id,
    /// Names of ours, taken in any case.
    Names(fn() -> Vec<&'static str>),
    /// A code of letters, taken in any case.
    Country,
    Currency,
    /// So many digits.
    Digits(usize),
    Month,
    Year,
    Fingerprint,
    Address,
    /// Any text.
    Text,
    Number,
    Time,
}

/// A field whose values are known.
pub(crate) trait Filtered: Field + PartialEq {
    /// What it may be compared with.
    fn values(self) -> Values;
}

impl Filtered for CardField {
    fn values(self) -> Values {
        match self {
            Self::Id | Self::Organisation => Values::Id,
            Self::Brand => Values::Names(|| Brand::ALL.iter().map(|brand| brand.as_str()).collect()),
            Self::Bin => Values::Digits(6),
            Self::LastFour => Values::Digits(4),
            Self::ExpiryMonth => Values::Month,
            Self::ExpiryYear => Values::Year,
            Self::IssuerCountry => Values::Country,
            Self::CurrencyCode => Values::Currency,
            Self::Type => Values::Names(|| CardType::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::IssuerName | Self::Variant => Values::Text,
            Self::Fingerprint => Values::Fingerprint,
            Self::CreatedAt | Self::UpdatedAt => Values::Time,
        }
    }
}

impl Filtered for TransactionField {
    fn values(self) -> Values {
        match self {
            Self::Id | Self::Organisation | Self::Account | Self::Card | Self::Customer => Values::Id,
            Self::Amount => Values::Number,
            Self::CurrencyCode => Values::Currency,
            Self::CaptureNow | Self::CvvPresent => Values::Names(|| vec!["true", "false"]),
            Self::CustomerIp => Values::Address,
            Self::Processor | Self::MerchantReference | Self::ReasonCode => Values::Text,
            Self::PaymentProduct => Values::Names(|| vec!["card"]),
            Self::RecurringType => {
                Values::Names(|| RecurringType::ALL.iter().map(|kind| kind.as_str()).collect())
            }
            Self::ShopperInteraction => {
                Values::Names(|| ShopperInteraction::ALL.iter().map(|kind| kind.as_str()).collect())
            }
            Self::Status => {
                Values::Names(|| TransactionStatus::ALL.iter().map(|status| status.as_str()).collect())
            }
            Self::CvvResult => Values::Names(|| CvvResult::ALL.iter().map(|kind| kind.as_str()).collect()),
            Self::CreatedAt | Self::UpdatedAt => Values::Time,
        }
    }
}

impl Values {
    /// The value as it is kept in rows; what else it must be, if it is none.
    pub(crate) fn read(self, text: &str) -> Result<FieldValue<'static>, String> {
        let kept = |text: String| FieldValue::Text(text.into());
        let (read, what) = match self {
            Self::Id => {
                let read = Id::parse(text).ok().map(|id| kept(id.to_string()));
                (read, "must be an id: 24 lowercase hexadecimal digits")
            }
            Self::Names(names) => {
                let names = names();
                let found = names.iter().find(|name| name.eq_ignore_ascii_case(text));
                return match found {
                    Some(name) => Ok(FieldValue::Text((*name).into())),
                    None => Err(format!("must be one of {}", names.join(", "))),
                };
            }
            Self::Country => {
                let read = Country::parse(&text.to_ascii_uppercase()).map(|code| kept(code.to_string()));
                (read, "must be two letters (ISO 3166-1)")
            }
            Self::Currency => {
                let read = Currency::parse(&text.to_ascii_uppercase()).map(|code| kept(code.to_string()));
                (read, "must be three letters (ISO 4217)")
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
            Self::Fingerprint => {
                let read = Fingerprint::parse(text).map(|found| kept(found.to_string()));
                (read, "must be 32 lowercase hexadecimal digits")
            }
            // Kept as it was sent, so compared as it is sent.
            Self::Address => {
                let read = text.parse::<IpAddr>().ok().map(|_| kept(text.to_owned()));
                (read, "must be an IP address")
            }
            Self::Text => (Some(kept(text.to_owned())), ""),
            Self::Number => {
                let read = whole(text).map(FieldValue::Number);
                (read, "must be an integer of at most 15 digits")
            }
            Self::Time => {
                let time = Timestamp::parse(text).ok();
                (time.map(|time| FieldValue::Number(time.unix_millis())), "must be a time (RFC 3339)")
            }
        };
        read.ok_or_else(|| what.to_owned())
    }

    /// As the OpenAPI document says it.
    pub(crate) fn schema(self) -> Value {
        let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match self {
            Self::Id => id_schema(),
            Self::Names(names) => json!({ "type": "string", "enum": names() }),
            Self::Country => pattern("^[A-Z]{2}$"),
            Self::Currency => pattern("^[A-Z]{3}$"),
            Self::Digits(count) => pattern(&format!("^[0-9]{{{count}}}$")),
            Self::Month => pattern("^(0?[1-9]|1[0-2])$"),
            Self::Year => pattern("^([0-9]{2}|[0-9]{4})$"),
            Self::Fingerprint => pattern("^[0-9a-f]{32}$"),
            Self::Address | Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": "integer", "minimum": 0, "maximum": LIST_NUMBER_MAX }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
        }
    }
}

/// The schema of an id.
pub(crate) fn id_schema() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{24}$", "examples": ["65f1c0de8a4b3c2d1e0f9a8b"] })
}

/// A number of digits and nothing else, up to [`LIST_NUMBER_MAX`].
pub(crate) fn whole(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= LIST_NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(values: Values, texts: &[&str]) {
        for text in texts {
            let fault = values.read(text).err();
            assert!(fault.is_some_and(|fault| !fault.contains("4111")), "{text}");
        }
    }

    fn taken(values: Values, pairs: &[(&str, &str)]) {
        for (text, kept) in pairs {
            assert_eq!(values.read(text), Ok(FieldValue::Text((*kept).to_owned().into())), "{text}");
        }
    }

    #[test]
    fn values_are_read_as_rows_keep_them() {
        let id = "0123456789abcdef01234567";
        taken(CardField::Id.values(), &[(id, id)]);
        taken(CardField::ExpiryMonth.values(), &[("1", "01"), ("12", "12")]);
        taken(CardField::ExpiryYear.values(), &[("29", "29"), ("2029", "29")]);
        taken(CardField::IssuerCountry.values(), &[("nl", "NL"), ("NL", "NL")]);
        taken(TransactionField::CurrencyCode.values(), &[("eur", "EUR")]);
        taken(TransactionField::Status.values(), &[("declined", "DECLINED"), ("Declined", "DECLINED")]);
        taken(TransactionField::CaptureNow.values(), &[("TRUE", "true")]);
        taken(TransactionField::CustomerIp.values(), &[("2001:DB8::1", "2001:DB8::1")]);
        for brand in Brand::ALL {
            let name = brand.as_str();
            let (upper, lower) = (name.to_uppercase(), name.to_lowercase());
            taken(CardField::Brand.values(), &[(name, name), (&upper, name), (&lower, name)]);
        }
        assert_eq!(TransactionField::Amount.values().read("10"), Ok(FieldValue::Number(10)));
    }

    #[test]
    fn values_that_a_field_cannot_have_are_refused() {
        refused(CardField::Id.values(), &["", "x", "0123456789ABCDEF01234567", "4111111111111111"]);
        refused(CardField::Brand.values(), &["", "Visaa", "4111111111111111"]);
        refused(CardField::Bin.values(), &["", "41111", "4111111", "41111x"]);
        refused(CardField::LastFour.values(), &["111", "11111", "4111111111111111"]);
        refused(CardField::ExpiryMonth.values(), &["0", "13", "jan"]);
        refused(CardField::ExpiryYear.values(), &["2", "029"]);
        refused(CardField::IssuerCountry.values(), &["N", "NLD", "N1"]);
        refused(CardField::Type.values(), &["visa"]);
        refused(CardField::Fingerprint.values(), &["x", "4111111111111111"]);
        refused(TransactionField::Amount.values(), &["", "-1", "1.5", "1e3", "1000000000000000"]);
        refused(TransactionField::Status.values(), &["DONE"]);
        refused(TransactionField::CaptureNow.values(), &["yes", "1"]);
        refused(TransactionField::CustomerIp.values(), &["1.2.3", "here"]);
        refused(TransactionField::CreatedAt.values(), &["yesterday", "2026-01-31"]);
    }
}

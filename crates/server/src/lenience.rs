//! What is taken as it is meant although it is not written as documented: public programs for the gateway send it. Everything
//! else is refused. Parser, documentation and tests come from this table.

use core::fmt::Write;

use const_format::formatcp;
use zeroize::Zeroizing;

use crate::fields::{FieldSpec, Kind};
use crate::json::{Integer, Text, Value};
use crate::limits::TEXT_BYTES_MAX;

/// A way of writing that is taken as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `null` for a member that is not there.
    Null,
    /// An empty text for an optional member that is not there.
    Empty,
    /// A number that is an integer, written as another.
    Whole,
    /// One of several names, in another case.
    Case,
    /// Digits in a text for an integer.
    DigitsForInteger,
    /// An integer for a text of digits.
    IntegerForDigits,
    /// Another name of the member `capture_now`.
    Capture,
    /// A member that has no meaning here and is not kept.
    Ignored,
    /// The members of 3-D Secure 1 beside those of the later versions.
    Flat,
}

/// A row of the table: a rule, and an example of it.
#[derive(Clone, Copy, Debug)]
pub struct Lenience {
    /// The rule.
    pub rule: Rule,
    /// Where it holds, in words.
    pub place: &'static str,
    /// The operation that the example is of.
    pub operation: &'static str,
    /// Members of a body as they are sent.
    pub sent: &'static str,
    /// The same members as they are documented.
    pub meant: &'static str,
    /// How it is taken, in words.
    pub taken: &'static str,
}

/// Every lenience.
pub static LENIENCES: &[Lenience] = &[
    Lenience {
        rule: Rule::Null,
        place: "any member, also of an object inside, but `cvv` of an update",
        operation: "transaction_create",
        sent: r#"{"customer": null, "installments": null, "shipping_information": {"city": null}}"#,
        meant: r#"{"shipping_information": {}}"#,
        taken: "as absent, so that a required member is missing; `cvv: null` of an update ends the CVV",
    },
    Lenience {
        rule: Rule::Empty,
        place: "any optional member that is a string, but pairs of `metadata`",
        operation: "card_create",
        sent: r#"{"cvv": "", "card_holder_name": ""}"#,
        meant: "{}",
        taken: "as absent",
    },
    Lenience {
        rule: Rule::Whole,
        place: "any integer",
        operation: "transaction_create",
        sent: r#"{"amount": 1e3, "installments": 2.0}"#,
        meant: r#"{"amount": 1000, "installments": 2}"#,
        taken: "by value",
    },
    Lenience {
        rule: Rule::Case,
        place: "any member that is one of several names: `kind`, `payment_product`, `recurring_type`, `shopper_interaction`",
        operation: "transaction_create",
        sent: r#"{"recurring_type": "First", "shopper_interaction": "ecommerce"}"#,
        meant: r#"{"recurring_type": "first", "shopper_interaction": "ECOMMERCE"}"#,
        taken: "as the name that it is in another case",
    },
    Lenience {
        rule: Rule::DigitsForInteger,
        place: "`amount`",
        operation: "transaction_create",
        sent: r#"{"amount": "10000"}"#,
        meant: r#"{"amount": 10000}"#,
        taken: "as the integer; ASCII digits only",
    },
    Lenience {
        rule: Rule::IntegerForDigits,
        place: "`expiry_month`, `expiry_year`",
        operation: "card_create",
        sent: r#"{"expiry_month": 7, "expiry_year": 2029}"#,
        meant: r#"{"expiry_month": "7", "expiry_year": "2029"}"#,
        taken: "as its digits",
    },
    Lenience {
        rule: Rule::Capture,
        place: "`capture`",
        operation: "transaction_create",
        sent: r#"{"capture": false}"#,
        meant: r#"{"capture_now": false}"#,
        taken: "as `capture_now`; both are refused when they differ",
    },
    Lenience {
        rule: Rule::Ignored,
        place: "`account` beside a new card",
        operation: "card_create",
        sent: r#"{"account": "shopper 1001"}"#,
        meant: "{}",
        taken: formatcp!(
            "as absent: a string of at most {TEXT_BYTES_MAX} bytes or an integer, neither looked up nor kept"
        ),
    },
    Lenience {
        rule: Rule::Flat,
        place: "`eci`, `cavv2`, `pares`",
        operation: "transaction_create",
        sent: r#"{"eci": "05", "cavv2": "AAABBWcSNIdjeUZThmNHAAAAAAA", "pares": "eJzVWFm"}"#,
        meant: r#"{"eci": "05", "cavv2": "AAABBWcSNIdjeUZThmNHAAAAAAA", "pares": "eJzVWFm"}"#,
        taken: "and shown as they are, beside `threed_authentication`",
    },
];

/// A value as it is meant. What is then still not of its field's kind is a fault.
pub(crate) fn meant<'a>(spec: &FieldSpec, value: Value<'a>) -> Value<'a> {
    match value {
        Value::Null if !spec.nullable => Value::Absent,
        Value::Text(text) => text_meant(spec, text),
        Value::Integer(number) => integer_meant(spec, number),
        Value::Null
        | Value::Absent
        | Value::Bool(_)
        | Value::Number
        | Value::Array(_)
        | Value::Object(_)
        | Value::Id(_)
        | Value::Clear(_)
        | Value::Secret(..)
        | Value::Refused => value,
    }
}

fn text_meant<'a>(spec: &FieldSpec, text: Text<'a>) -> Value<'a> {
    if text.len() == 0 {
        let absent = !spec.required && spec.kind.is_text();
        return if absent { Value::Absent } else { Value::Text(text) };
    }
    match spec.rule {
        Some(Rule::DigitsForInteger) => match digits(text.expose_text()) {
            Some(number) => Value::Integer(Integer::new(number)),
            None => Value::Text(text),
        },
        Some(Rule::Ignored) if matches!(spec.kind, Kind::Text { max, .. } if text.len() <= max) => {
            Value::Absent
        }
        Some(
            Rule::Ignored
            | Rule::Null
            | Rule::Empty
            | Rule::Whole
            | Rule::Case
            | Rule::IntegerForDigits
            | Rule::Capture
            | Rule::Flat,
        )
        | None => Value::Text(text),
    }
}

/// The number that ASCII digits and nothing else are.
fn digits(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn integer_meant<'a>(spec: &FieldSpec, number: Integer) -> Value<'a> {
    match spec.rule {
        Some(Rule::IntegerForDigits) => {
            Value::Text(Text::copied(Zeroizing::new(number.expose_integer().to_string())))
        }
        Some(Rule::Ignored) => Value::Absent,
        Some(
            Rule::Null
            | Rule::Empty
            | Rule::Whole
            | Rule::Case
            | Rule::DigitsForInteger
            | Rule::Capture
            | Rule::Flat,
        )
        | None => Value::Integer(number),
    }
}

/// The integer that a number is, however it is written; up to what a number of JSON holds exactly (RFC 8259, section 6). Of its bits
/// (IEEE 754, binary64), not of its digits, which may be a card number's and would lie in a text.
pub(crate) fn whole(number: f64) -> Option<i64> {
    const FRACTION_BITS: u64 = 52;
    const BIAS: u64 = 1023;
    if number == 0.0 {
        return Some(0);
    }
    if number.fract() != 0.0 || number.abs() >= 9_007_199_254_740_992.0 {
        return None;
    }
    let bits = number.to_bits();
    let power = (bits >> FRACTION_BITS & 0x7ff).checked_sub(BIAS)?;
    let fraction = bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS;
    let value = i64::try_from(fraction >> FRACTION_BITS.checked_sub(power)?).ok()?;
    Some(if number.is_sign_negative() { -value } else { value })
}

/// The table as it stands in the guide.
pub fn leniences_markdown() -> String {
    let mut table = String::from("| where | for example | is taken |\n| --- | --- | --- |\n");
    for Lenience { place, sent, taken, .. } in LENIENCES {
        let _ = writeln!(table, "| {place} | `{sent}` | {taken} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ENDPOINTS;

    #[test]
    fn numbers_are_taken_by_value() {
        for (number, value) in [
            (1e3, 1000),
            (0.0, 0),
            (-0.0, 0),
            (1.0, 1),
            (-5.0, -5),
            (3.0, 3),
            (2_147_483_647.0, 2_147_483_647),
            (4.111_111_111_111_111e15, 4_111_111_111_111_111),
            (9_007_199_254_740_991.0, 9_007_199_254_740_991),
            (-9_007_199_254_740_991.0, -9_007_199_254_740_991),
        ] {
            assert_eq!(whole(number), Some(value), "{number}");
        }
        for number in
            [0.5, 1e300, -1e300, 9_007_199_254_740_993.0, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY]
        {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    #[test]
    fn every_rule_of_a_field_is_in_the_table_and_the_table_in_the_guide() {
        for endpoint in ENDPOINTS {
            for spec in endpoint.fields() {
                let named = |row: &Lenience| Some(row.rule) == spec.rule && row.place.contains(spec.name);
                assert!(spec.rule.is_none() || LENIENCES.iter().any(named), "{}", spec.name);
            }
        }
        assert!(include_str!("../../../docs/guide.md").contains(&leniences_markdown()));
    }
}

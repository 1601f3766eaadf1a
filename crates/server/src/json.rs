//! Request bodies as a tree that borrows from the body. serde_json reads; its words about what it read are never shown.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::lenience;
use crate::limits::BODY_DEPTH_MAX;

/// A JSON value. It has no `Debug`: it may hold a card number.
pub(crate) enum Value<'a> {
    /// Was sent, and is taken as not sent.
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no integer of 64 bits, or none that is exact.
    Number,
    Text(Text<'a>),
    Array,
    Object(Vec<(Text<'a>, Value<'a>)>),
}

/// A text of the body, or a copy where the body spells it with escapes.
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Unescaped(Zeroizing<String>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}

/// Where a body stops being JSON that is read here, and why. It is shown: it holds nothing of the body.
pub(crate) struct NotJson {
    what: What,
    line: usize,
    column: usize,
}

enum What {
    Empty,
    TooDeep,
    NumberTooLarge,
    HalfOfPair,
    NotJson,
}

impl NotJson {
    fn new(bytes: &[u8], error: &serde_json::Error) -> Self {
        // serde_json tells these apart by its words only. They begin with one of its own and are compared, never shown.
        let words = error.to_string();
        let what = if bytes.trim_ascii().is_empty() {
            What::Empty
        } else if error.is_data() {
            What::TooDeep
        } else if words.starts_with("number out of range") {
            What::NumberTooLarge
        } else if words.starts_with("lone leading surrogate") || words.starts_with("unexpected end of hex") {
            What::HalfOfPair
        } else {
            What::NotJson
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Empty => return f.write_str("is empty"),
            What::TooDeep => write!(f, "is deeper than {BODY_DEPTH_MAX} levels"),
            What::NumberTooLarge => f.write_str("has a number that is too large to be read"),
            What::HalfOfPair => f.write_str("has an escape that is half of a surrogate pair"),
            What::NotJson => f.write_str("stops being JSON"),
        }?;
        write!(f, " at line {}, column {}", self.line, self.column)
    }
}

/// Reads a whole body: UTF-8 without a mark, one value, at most [`BODY_DEPTH_MAX`] levels.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value<'_>, NotJson> {
    let not_json = |error: serde_json::Error| NotJson::new(bytes, &error);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Level(BODY_DEPTH_MAX).deserialize(&mut reader).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(value)
}

/// Levels that are left.
#[derive(Clone, Copy)]
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number, Value::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(lenience::whole(value).map_or(Value::Number, Value::Integer))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Text::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Text::Unescaped(Zeroizing::new(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        // No field of the API is an array, so that its elements need not be kept.
        let below = self.below()?;
        while elements.next_element_seed(below)?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let below = self.below()?;
        let mut found = Vec::with_capacity(8);
        while let Some(name) = members.next_key_seed(Name)? {
            found.push((name, members.next_value_seed(below)?));
        }
        Ok(Value::Object(found))
    }
}

/// Reads a member's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text::Unescaped(Zeroizing::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn reads_what_json_is_and_nothing_else() {
        for text in ["{}", "null", " {\"a\": [1, -2.5, \"x\\u00e9\", true, null]} ", "\"\\ud83d\\ude00\""] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [
            "",
            "{",
            "{}{}",
            "{} x",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":1,}",
            "1e400",
            "\"\\ud83d\"",
            "\u{feff}{}",
            "NaN",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn is_eight_levels_deep_at_most() {
        assert!(parse(nested(BODY_DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse(nested(BODY_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(16_000).as_bytes()).is_err());
    }
}

//! Request bodies as a tree that borrows from the body. serde_json reads; its words about what it read are never shown. What the tree
//! holds is reached through `expose_…` alone, until it was held against its field (`fields.rs`).

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use panvault_model::Id;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::lenience;
use crate::limits::{BODY_DEPTH_MAX, BODY_MEMBERS_MAX};

/// A JSON value, as it was sent or as it was taken. What holds it has no `Debug`: it may hold a card number.
pub(crate) enum Value<'a> {
    /// Was sent, and is taken as not sent.
    Absent,
    Null,
    Bool(bool),
    Integer(Integer),
    /// A number that is no integer of 64 bits, or none that is exact.
    Number,
    /// A text that nothing is known of.
    Text(Text<'a>),
    Array(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
    /// An id, read.
    Id(Id),
    /// A text of a field that is kept in clear, which was held against card numbers.
    Clear(Text<'a>),
    /// A text of a field that is a secret.
    Secret(Text<'a>, Digested),
    /// Was sent, and is not what its field may hold.
    Refused,
}

/// A member of an object: its name and its value.
pub(crate) type Member<'a> = (Name<'a>, Value<'a>);

/// What the digest of a request that may be repeated takes of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digested {
    /// All of it: the digest is keyed.
    Text,
    /// Only whether it is there: a digest of a CVV, even a keyed one, could be tried out by whoever has the key, and nothing is to be kept that comes
    /// of a cryptogram.
    Presence,
}

/// A text of a body, which may be a card number or a CVV wherever it stands. It is not to be printed, compared or cloned, and not
/// `Send`, so that it cannot be held across a wait.
pub(crate) struct Text<'a> {
    spelled: Spelled<'a>,
    _one_step: PhantomData<*const ()>,
}

/// A text where it stands in the body, or a copy where the body spells it with escapes.
enum Spelled<'a> {
    Borrowed(&'a str),
    Unescaped(Zeroizing<String>),
}

impl<'a> Text<'a> {
    pub(crate) const fn borrowed(text: &'a str) -> Self {
        Self { spelled: Spelled::Borrowed(text), _one_step: PhantomData }
    }

    pub(crate) const fn copied(text: Zeroizing<String>) -> Self {
        Self { spelled: Spelled::Unescaped(text), _one_step: PhantomData }
    }

    /// What it says.
    pub(crate) fn expose_text(&self) -> &str {
        match &self.spelled {
            Spelled::Borrowed(text) => text,
            Spelled::Unescaped(text) => text,
        }
    }

    /// Its bytes in UTF-8.
    pub(crate) fn len(&self) -> usize {
        self.expose_text().len()
    }
}

/// The name of a member, which may be a card number that stands in the wrong place.
pub(crate) struct Name<'a>(Text<'a>);

impl Name<'_> {
    /// A name of ours.
    pub(crate) const fn known(name: &'static str) -> Self {
        Self(Text::borrowed(name))
    }

    /// Whether it is this one of ours.
    pub(crate) fn is(&self, known: &'static str) -> bool {
        self.0.expose_text() == known
    }

    /// Whether a member has this name already.
    pub(crate) fn is_in(&self, members: &[Member<'_>]) -> bool {
        members.iter().any(|(name, _)| name.0.expose_text() == self.0.expose_text())
    }

    /// What it says.
    pub(crate) fn expose_text(&self) -> &str {
        self.0.expose_text()
    }
}

/// A number of a body, which may be a card number that is written as one; wiped when it goes.
pub(crate) struct Integer(Zeroizing<i64>);

impl Integer {
    pub(crate) fn new(number: i64) -> Self {
        Self(Zeroizing::new(number))
    }

    /// Its value.
    pub(crate) fn expose_integer(&self) -> i64 {
        *self.0
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
    TooMany,
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
        } else if words.starts_with(TOO_MANY) {
            What::TooMany
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
            What::TooMany => write!(f, "has more than {BODY_MEMBERS_MAX} members and elements"),
            What::NumberTooLarge => f.write_str("has a number that is too large to be read"),
            What::HalfOfPair => f.write_str("has an escape that is half of a surrogate pair"),
            What::NotJson => f.write_str("stops being JSON"),
        }?;
        write!(f, " at line {}, column {}", self.line, self.column)
    }
}

/// Reads a whole body: UTF-8 without a mark, one value, at most [`BODY_DEPTH_MAX`] levels and [`BODY_MEMBERS_MAX`] members and elements.
/// Reading stops at what is beyond.
pub(crate) fn parse(body: &Body) -> Result<Value<'_>, NotJson> {
    let bytes = body.expose_bytes();
    // The reader's words repeat what it read, which may be a card number: only the place is kept, and which of our own words fit.
    let not_json = |error: serde_json::Error| NotJson::new(bytes, &error);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let members = Cell::new(BODY_MEMBERS_MAX);
    let level = Level { below: BODY_DEPTH_MAX, members: &members };
    let value = level.deserialize(&mut reader).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(value)
}

/// What is left of the limits of a body.
#[derive(Clone, Copy)]
struct Level<'c> {
    /// Levels.
    below: usize,
    /// Members and elements, on all levels.
    members: &'c Cell<usize>,
}

/// What an error of ours begins with.
const TOO_MANY: &str = "too many";

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_> {
    fn below<E: Error>(self) -> Result<Self, E> {
        let below = self.below.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { below, members: self.members })
    }

    /// Counts a member or an element.
    fn one_more<E: Error>(self) -> Result<(), E> {
        self.members.set(self.members.get().checked_sub(1).ok_or_else(|| E::custom(TOO_MANY))?);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Level<'_> {
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
        Ok(Value::Integer(Integer::new(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number, |value| Value::Integer(Integer::new(value))))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(lenience::whole(value).map_or(Value::Number, |value| Value::Integer(Integer::new(value))))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Text::borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Text::copied(Zeroizing::new(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let below = self.below()?;
        let mut found = Vec::new();
        while let Some(element) = elements.next_element_seed(below)? {
            self.one_more()?;
            found.push(element);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let below = self.below()?;
        let mut found = Vec::with_capacity(8);
        while let Some(name) = members.next_key_seed(NameReader)? {
            self.one_more()?;
            found.push((name, members.next_value_seed(below)?));
        }
        Ok(Value::Object(found))
    }
}

/// Reads a member's name.
struct NameReader;

impl<'de> DeserializeSeed<'de> for NameReader {
    type Value = Name<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameReader {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Text::borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name(Text::copied(Zeroizing::new(text.to_owned()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: impl AsRef<[u8]>) -> bool {
        parse(&Body::of(text)).is_ok()
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn reads_what_json_is_and_nothing_else() {
        for text in ["{}", "null", " {\"a\": [1, -2.5, \"x\\u00e9\", true, null]} ", "\"\\ud83d\\ude00\""] {
            assert!(is_json(text), "{text}");
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
            assert!(!is_json(text), "{text}");
        }
        assert!(!is_json(b"\"\xff\""));
    }

    #[test]
    fn is_eight_levels_deep_at_most() {
        assert!(is_json(nested(BODY_DEPTH_MAX)));
        assert!(!is_json(nested(BODY_DEPTH_MAX + 1)));
        assert!(!is_json("[".repeat(16_000)));
    }

    fn array(elements: usize) -> String {
        format!("[{}1]", "1,".repeat(elements - 1))
    }

    fn object(members: usize) -> String {
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(members - 1))
    }

    /// The bug: a body of 2,300 members took a core 18 ms. Its cause: only bytes were bounded, and each member was held against all before
    /// it. Its cure: there is a limit of members, at which reading stops.
    #[test]
    fn has_256_members_and_elements_at_most() {
        let nested = |outer, inner| format!("{{\"a\":{},\"b\":{}}}", array(outer), object(inner));
        for make in [array, object] {
            assert!(is_json(make(BODY_MEMBERS_MAX)) && !is_json(make(BODY_MEMBERS_MAX + 1)));
        }
        assert!(is_json(nested(100, BODY_MEMBERS_MAX - 102)));
        assert!(!is_json(nested(100, BODY_MEMBERS_MAX - 101)), "on all levels together");
        let body = Body::of(object(2_300));
        let words = parse(&body).err().unwrap().to_string();
        assert_eq!(words, "has more than 256 members and elements at line 1, column 1540");
    }
}

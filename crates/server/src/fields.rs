//! What the fields of a body are: one description that the parser goes by and the OpenAPI document is made from.

use panvault_card::{holds_card_number, is_secret_name, phone_holds_card_number};
use panvault_model::Id;

use crate::fault::Faults;
use crate::json::{Text, Value};
use crate::limits::{
    METADATA_BYTES_MAX, METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX,
};

/// A field of a body.
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

/// What a field may hold.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A text that its own type reads: the pattern and an example are for the documentation.
    Typed { pattern: &'static str, example: &'static str, nullable: bool },
    /// 24 lowercase hexadecimal digits.
    Id,
    /// A text of at most so many bytes that is kept in clear, and so must not hold a card number.
    Text { max: usize, example: &'static str },
    /// The number of a telephone, else as a text.
    Phone { max: usize },
    /// Any text: of what is kept, card numbers are masked and what is too long is cut.
    Masked { example: &'static str },
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// An integer in a range.
    Integer { min: i64, max: i64 },
    /// `true` or `false`.
    Bool,
    /// Pairs of texts that are kept in clear.
    Pairs,
    /// Further fields.
    Object(&'static [FieldSpec]),
}

pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> FieldSpec {
    FieldSpec { name, kind, required: true, doc }
}

pub(crate) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> FieldSpec {
    FieldSpec { name, kind, required: false, doc }
}

/// A body whose every field is known and of the right kind, save for what its own type still has to read.
pub(crate) struct Fields<'v, 'a>(&'v [(Text<'a>, Value<'a>)]);

impl<'v, 'a> Fields<'v, 'a> {
    /// Holds a body against its description and collects every fault.
    pub(crate) fn read(value: &'v Value<'a>, specs: &[FieldSpec], faults: &mut Faults) -> Self {
        match value {
            Value::Object(members) => {
                object(members, specs, "body", faults);
                Self(members)
            }
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Text(_)
            | Value::Array => {
                faults.malformed("body", "must be a JSON object");
                Self(&[])
            }
        }
    }

    fn value(&self, name: &str) -> Option<&'v Value<'a>> {
        self.0.iter().find(|(found, _)| found.as_str() == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'v str> {
        match self.value(name)? {
            Value::Text(text) => Some(text.as_str()),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Array
            | Value::Object(_) => None,
        }
    }

    pub(crate) fn is_null(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Null))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn id(&self, name: &str) -> Option<Id> {
        self.text(name).and_then(|text| Id::parse(text).ok())
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        if let Some(Value::Integer(value)) = self.value(name) { Some(*value) } else { None }
    }

    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        if let Some(Value::Bool(value)) = self.value(name) { Some(*value) } else { None }
    }

    /// Pairs, sorted by name.
    pub(crate) fn pairs(&self, name: &str) -> Option<Vec<(String, String)>> {
        let Value::Object(members) = self.value(name)? else { return None };
        let mut pairs: Vec<_> = members
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Text(text) => Some((name.as_str().to_owned(), text.as_str().to_owned())),
                _ => None,
            })
            .collect();
        pairs.sort();
        Some(pairs)
    }

    /// Texts of a nested object, with the names flattened.
    pub(crate) fn flattened(&self, name: &str, out: &mut Vec<(String, String)>) {
        for (member, value) in self.pairs(name).unwrap_or_default() {
            out.push((format!("{name}.{member}"), value));
        }
    }
}

fn object(members: &[(Text<'_>, Value<'_>)], specs: &[FieldSpec], place: &str, faults: &mut Faults) {
    for (at, (name, value)) in members.iter().enumerate() {
        let name = name.as_str();
        let twice = members.iter().take(at).any(|(earlier, _)| earlier.as_str() == name);
        match specs.iter().find(|spec| spec.name == name) {
            None => faults.unexpected(place, name),
            Some(spec) if twice => faults.malformed(format!("{place}.{}", spec.name), "is there twice"),
            Some(spec) => {
                if let Err(what) = spec.kind.fits(value, &mut || format!("{place}.{}", spec.name), faults) {
                    faults.malformed(format!("{place}.{}", spec.name), what);
                }
            }
        }
    }
    for spec in specs.iter().filter(|spec| spec.required) {
        if !members.iter().any(|(name, _)| name.as_str() == spec.name) {
            faults.missing(format!("{place}.{}", spec.name));
        }
    }
}

impl Kind {
    fn fits(
        self,
        value: &Value<'_>,
        place: &mut dyn FnMut() -> String,
        faults: &mut Faults,
    ) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Typed { nullable: true, .. }, Value::Null) | (Self::Typed { .. }, Value::Text(_)) => {
                Ok(())
            }
            (Self::Typed { .. }, _) => Err("must be a string"),
            (Self::Id, Value::Text(text)) if Id::parse(text.as_str()).is_ok() => Ok(()),
            (Self::Id, _) => Err("must be an id: 24 lowercase hexadecimal digits"),
            (Self::Text { max, .. }, Value::Text(text)) => text_fits(text.as_str(), max),
            (Self::Phone { max }, Value::Text(text)) => {
                text_fits_but_for(phone_holds_card_number, text.as_str(), max)
            }
            (Self::Masked { .. }, Value::Text(_)) => Ok(()),
            (Self::Text { .. } | Self::Phone { .. } | Self::Masked { .. }, _) => Err("must be a string"),
            (Self::Choice(choices), Value::Text(text)) if choices.contains(&text.as_str()) => Ok(()),
            (Self::Choice(_), _) => Err("must be one of the documented values"),
            (Self::Integer { min, max }, Value::Integer(number)) if (min..=max).contains(number) => Ok(()),
            (Self::Integer { .. }, Value::Integer(_)) => Err("is out of range"),
            (Self::Integer { .. }, _) => Err("must be an integer"),
            (Self::Bool, Value::Bool(_)) => Ok(()),
            (Self::Bool, _) => Err("must be true or false"),
            (Self::Pairs, Value::Object(members)) => pairs_fit(members),
            (Self::Object(specs), Value::Object(members)) => {
                object(members, specs, &place(), faults);
                Ok(())
            }
            (Self::Pairs | Self::Object(_), _) => Err("must be an object"),
        }
    }
}

fn text_fits(text: &str, max: usize) -> Result<(), &'static str> {
    text_fits_but_for(holds_card_number, text, max)
}

fn text_fits_but_for(holds: fn(&str) -> bool, text: &str, max: usize) -> Result<(), &'static str> {
    if text.len() > max {
        Err("is too long")
    } else if text.chars().any(char::is_control) {
        Err("must not hold control characters")
    } else if holds(text) {
        Err("looks like it holds a card number")
    } else {
        Ok(())
    }
}

fn pairs_fit(members: &[(Text<'_>, Value<'_>)]) -> Result<(), &'static str> {
    if members.len() > METADATA_PAIRS_MAX {
        return Err("has more than 20 pairs");
    }
    let bytes = |(name, value): &(Text<'_>, Value<'_>)| {
        name.as_str().len() + if let Value::Text(text) = value { text.as_str().len() } else { 0 }
    };
    if members.iter().map(bytes).sum::<usize>() > METADATA_BYTES_MAX {
        return Err("has more than 2048 bytes in all");
    }
    for (at, (name, value)) in members.iter().enumerate() {
        let name = name.as_str();
        if name.is_empty() || name.len() > METADATA_NAME_BYTES_MAX {
            return Err("has a name that is empty or longer than 40 bytes");
        }
        if members.iter().take(at).any(|(earlier, _)| earlier.as_str() == name) {
            return Err("has a name twice");
        }
        text_fits(name, METADATA_NAME_BYTES_MAX)?;
        if is_secret_name(name) {
            return Err("has a name of something that must not be kept");
        }
        match value {
            Value::Text(text) => text_fits(text.as_str(), METADATA_VALUE_BYTES_MAX)?,
            _ => return Err("must hold strings only"),
        }
    }
    Ok(())
}

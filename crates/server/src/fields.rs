//! What the fields of a body are: one description that the parser goes by and the OpenAPI document is made from.

use std::borrow::Cow;

use panvault_card::{holds_card_number, is_secret_name, phone_holds_card_number};
use panvault_model::Id;

use crate::fault::Faults;
use crate::json::{Text, Value};
use crate::lenience::{self, Rule};
use crate::limits::{
    METADATA_BYTES_MAX, METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX,
};

/// The member that has another name.
pub(crate) const CAPTURE_NOW: &str = "capture_now";

/// A field of a body.
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
    /// What else it is taken from.
    pub(crate) rule: Option<Rule>,
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
    FieldSpec { name, kind, required: true, doc, rule: None }
}

pub(crate) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> FieldSpec {
    FieldSpec { name, kind, required: false, doc, rule: None }
}

impl FieldSpec {
    /// The same field, taken from something else too.
    pub(crate) const fn also(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }
}

/// A body whose every field is known and of the right kind, save for what its own type still has to read.
pub(crate) struct Fields<'v, 'a>(&'v [(Text<'a>, Value<'a>)]);

impl<'v, 'a> Fields<'v, 'a> {
    /// Takes a body as it is meant, holds it against its description and collects every fault.
    pub(crate) fn read(value: &'v mut Value<'a>, specs: &[FieldSpec], faults: &mut Faults) -> Self {
        match value {
            Value::Object(members) => {
                object(members, specs, "body", faults);
                Self(members)
            }
            Value::Absent
            | Value::Null
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
        let there = |(found, value): &&(Text<'a>, Value<'a>)| {
            found.as_str() == name && !matches!(value, Value::Absent)
        };
        self.0.iter().find(there).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'v str> {
        match self.value(name)? {
            Value::Text(text) => Some(text.as_str()),
            Value::Absent
            | Value::Null
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

    /// Whether members were sent, and none of them but this one is to be taken.
    pub(crate) fn is_only(&self, name: &str) -> bool {
        let other = |(found, value): &(Text<'a>, Value<'a>)| {
            found.as_str() != name && !matches!(value, Value::Absent)
        };
        !self.0.is_empty() && !self.0.iter().any(other)
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
                Value::Absent
                | Value::Null
                | Value::Bool(_)
                | Value::Integer(_)
                | Value::Number
                | Value::Array
                | Value::Object(_) => None,
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

fn object<'a>(members: &mut [(Text<'a>, Value<'a>)], specs: &[FieldSpec], place: &str, faults: &mut Faults) {
    for at in 0..members.len() {
        let (earlier, rest) = members.split_at_mut(at);
        let Some((name, value)) = rest.first_mut() else { continue };
        let name = name.as_str();
        match specs.iter().find(|spec| spec.name == name) {
            None => faults.unexpected(place, name),
            Some(spec) if earlier.iter().any(|(known, _)| known.as_str() == name) => {
                faults.malformed(format!("{place}.{}", spec.name), "is there twice");
            }
            Some(spec) => {
                lenience::take(spec, value);
                if let Err(what) = spec.kind.fits(value, &mut || format!("{place}.{}", spec.name), faults) {
                    faults.malformed(format!("{place}.{}", spec.name), what);
                }
            }
        }
    }
    for spec in specs.iter().filter(|spec| spec.rule == Some(Rule::Capture)) {
        capture_meant(members, spec.name, place, faults);
    }
    for spec in specs.iter().filter(|spec| spec.required) {
        let there = |(name, value): &(Text<'_>, Value<'_>)| {
            name.as_str() == spec.name && !matches!(value, Value::Absent)
        };
        if !members.iter().any(there) {
            faults.missing(format!("{place}.{}", spec.name));
        }
    }
}

/// Takes a member for `capture_now`, of which it is another name.
fn capture_meant(members: &mut [(Text<'_>, Value<'_>)], other: &str, place: &str, faults: &mut Faults) {
    let sent = |name: &str| {
        let found =
            members.iter().find(|(found, value)| found.as_str() == name && matches!(value, Value::Bool(_)));
        if let Some((_, Value::Bool(flag))) = found { Some(*flag) } else { None }
    };
    let (Some(flag), known) = (sent(other), sent(CAPTURE_NOW)) else { return };
    if known.is_some_and(|known| known != flag) {
        let what = "differs from capture_now, of which it is another name";
        return faults.malformed(format!("{place}.{other}"), what);
    }
    if let Some((name, value)) = members.iter_mut().find(|(name, _)| name.as_str() == other) {
        if known.is_some() {
            *value = Value::Absent;
        } else {
            *name = Text::Borrowed(CAPTURE_NOW);
        }
    }
}

impl Kind {
    /// Whether `null` has a meaning of its own.
    pub(crate) const fn is_nullable(self) -> bool {
        matches!(self, Self::Typed { nullable: true, .. })
    }

    /// Whether it is written as a text.
    pub(crate) const fn is_text(self) -> bool {
        match self {
            Self::Typed { .. }
            | Self::Id
            | Self::Text { .. }
            | Self::Phone { .. }
            | Self::Masked { .. }
            | Self::Choice(_) => true,
            Self::Integer { .. } | Self::Bool | Self::Pairs | Self::Object(_) => false,
        }
    }

    fn fits(
        self,
        value: &mut Value<'_>,
        place: &mut dyn FnMut() -> String,
        faults: &mut Faults,
    ) -> Result<(), Cow<'static, str>> {
        let what = match (self, value) {
            (_, Value::Absent)
            | (Self::Typed { nullable: true, .. }, Value::Null)
            | (Self::Typed { .. }, Value::Text(_)) => return Ok(()),
            (Self::Typed { .. }, _) => "must be a string",
            (Self::Id, Value::Text(text)) if Id::parse(text.as_str()).is_ok() => return Ok(()),
            (Self::Id, _) => "must be an id: 24 lowercase hexadecimal digits",
            (Self::Text { max, .. }, Value::Text(text)) => {
                return text_fits(text.as_str(), max).map_err(Cow::Borrowed);
            }
            (Self::Phone { max }, Value::Text(text)) => {
                return text_fits_but_for(phone_holds_card_number, text.as_str(), max).map_err(Cow::Borrowed);
            }
            (Self::Masked { .. }, Value::Text(_)) => return Ok(()),
            (Self::Text { .. } | Self::Phone { .. } | Self::Masked { .. }, _) => "must be a string",
            (Self::Choice(choices), Value::Text(text)) if choices.contains(&text.as_str()) => return Ok(()),
            (Self::Choice(choices), _) => {
                return Err(Cow::Owned(format!("must be {}", choices.join(" or "))));
            }
            (Self::Integer { min, max }, Value::Integer(number)) if (min..=max).contains(number) => {
                return Ok(());
            }
            (Self::Integer { min, max }, Value::Integer(_)) => {
                return Err(Cow::Owned(format!("must be {min} to {max}")));
            }
            (Self::Integer { .. }, _) => "must be an integer",
            (Self::Bool, Value::Bool(_)) => return Ok(()),
            (Self::Bool, _) => "must be true or false",
            (Self::Pairs, Value::Object(members)) => return pairs_fit(members),
            (Self::Object(specs), Value::Object(members)) => {
                object(members, specs, &place(), faults);
                return Ok(());
            }
            (Self::Pairs | Self::Object(_), _) => "must be an object",
        };
        Err(Cow::Borrowed(what))
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

/// Every fault of the pairs, once each.
fn pairs_fit(members: &mut [(Text<'_>, Value<'_>)]) -> Result<(), Cow<'static, str>> {
    let mut found: Vec<&'static str> = Vec::new();
    if members.len() > METADATA_PAIRS_MAX {
        found.push("has more than 20 pairs");
    }
    let bytes = |(name, value): &(Text<'_>, Value<'_>)| {
        name.as_str().len() + if let Value::Text(text) = value { text.as_str().len() } else { 0 }
    };
    if members.iter().map(bytes).sum::<usize>() > METADATA_BYTES_MAX {
        found.push("has more than 2048 bytes in all");
    }
    for at in 0..members.len() {
        let (earlier, rest) = members.split_at_mut(at);
        let Some((name, value)) = rest.first_mut() else { continue };
        let name = name.as_str();
        if name.is_empty() || name.len() > METADATA_NAME_BYTES_MAX {
            found.push("has a name that is empty or longer than 40 bytes");
        } else {
            found.extend(text_fits(name, METADATA_NAME_BYTES_MAX).err());
        }
        if earlier.iter().any(|(known, _)| known.as_str() == name) {
            found.push("has a name twice");
        }
        if is_secret_name(name) {
            found.push("has a name of something that must not be kept");
        }
        match value {
            Value::Text(text) => found.extend(text_fits(text.as_str(), METADATA_VALUE_BYTES_MAX).err()),
            Value::Null => *value = Value::Absent,
            Value::Absent
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Array
            | Value::Object(_) => found.push("must hold strings only"),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    found.sort_unstable();
    found.dedup();
    Err(Cow::Owned(found.join("; ")))
}

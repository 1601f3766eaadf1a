//! What the fields of a body are: constants, each with a type, that the parser, its faults, the OpenAPI document and the answers go by. The
//! type says how a field is read. A secret is read through `expose_text` alone; no ordinary way leads to it.

mod take;

use core::marker::PhantomData;

use panvault_model::Id;

use crate::json::{Digested, Value};
use crate::lenience::Rule;
use crate::object::{EXAMPLE_ACCOUNT, EXAMPLE_CARD, EXAMPLE_ORGANISATION, EXAMPLE_PROCESSOR};

pub(crate) use take::Fields;

/// A field of the API: its name, what it may hold, and as what it is read.
pub(crate) struct Field<T: ?Sized> {
    pub(crate) name: &'static str,
    kind: Kind,
    read_as: PhantomData<fn(&T)>,
}

/// A text that only its own secret type reads: [`Fields::secret`].
pub(crate) enum Secret {}

/// A text that its own type reads, and that may hold anything until then: [`Fields::typed`].
pub(crate) enum Typed {}

/// A text that may hold anything, and of which only what is masked is kept: [`Fields::masked`].
pub(crate) enum Masked {}

/// Pairs of texts that are kept in clear, sorted by name.
pub(crate) enum Pairs {}

/// Texts of which only who takes them knows which are secrets: [`Fields::settings`].
pub(crate) enum Settings {}

/// Texts that are kept in clear, in their order.
pub(crate) enum Texts {}

/// Further fields, of which others than ours are ignored: [`Fields::inside`].
pub(crate) enum Open {}

/// What has no meaning here, whatever it is: it is read by nobody.
pub(crate) enum Ignored {}

/// Objects with names of ours, inside settings: [`Fields::settings`].
pub(crate) enum Objects {}

/// What a field that is kept in clear is read as: [`Fields::of`]. [`Secret`], [`Settings`], [`Typed`] and [`Masked`] are none of these.
pub(crate) trait InClear {
    /// What it is read as.
    type Read<'v>;

    /// The value of such a field, once it was held against it.
    fn read<'v>(value: &'v Value<'_>) -> Option<Self::Read<'v>>;
}

/// A field in the description of a body.
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Whether `null` has a meaning of its own: what there is ends.
    pub(crate) nullable: bool,
    pub(crate) doc: &'static str,
    /// What else it is taken from.
    pub(crate) rule: Option<Rule>,
}

/// What a field may hold.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A text that nobody reads but its own type: the pattern and an example are for the documentation.
    Secret { pattern: &'static str, example: &'static str, digested: Digested },
    /// A text that its own type reads, with its documentation.
    Typed { pattern: &'static str, example: &'static str },
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
    /// So many values of a kind at most.
    Array { of: &'static Self, max: usize },
    /// Further fields.
    Object(&'static [FieldSpec]),
    /// Further fields, and texts with other names, which may be secrets.
    Settings(&'static [FieldSpec]),
    /// Further fields; what has other names is not looked at.
    Open(&'static [FieldSpec]),
    /// Anything, which is not looked at.
    Ignored,
}

impl<T: ?Sized> Field<T> {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, read_as: PhantomData }
    }

    /// Where a fault of it is said to be.
    pub(crate) fn place(&self) -> String {
        format!("body.{}", self.name)
    }

    pub(crate) const fn required(&self, doc: &'static str) -> FieldSpec {
        FieldSpec { name: self.name, kind: self.kind, required: true, nullable: false, doc, rule: None }
    }

    pub(crate) const fn optional(&self, doc: &'static str) -> FieldSpec {
        FieldSpec { name: self.name, kind: self.kind, required: false, nullable: false, doc, rule: None }
    }
}

impl Field<Secret> {
    pub(crate) const fn secret(
        name: &'static str,
        digested: Digested,
        pattern: &'static str,
        example: &'static str,
    ) -> Self {
        Self::new(name, Kind::Secret { pattern, example, digested })
    }
}

impl Field<Typed> {
    pub(crate) const fn typed(name: &'static str, pattern: &'static str, example: &'static str) -> Self {
        Self::new(name, Kind::Typed { pattern, example })
    }
}

impl Field<Masked> {
    pub(crate) const fn masked(name: &'static str, example: &'static str) -> Self {
        Self::new(name, Kind::Masked { example })
    }
}

impl Field<str> {
    pub(crate) const fn text(name: &'static str, max: usize, example: &'static str) -> Self {
        Self::new(name, Kind::Text { max, example })
    }

    pub(crate) const fn phone(name: &'static str, max: usize) -> Self {
        Self::new(name, Kind::Phone { max })
    }

    pub(crate) const fn choice(name: &'static str, choices: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(choices))
    }
}

impl Field<Id> {
    pub(crate) const fn id(name: &'static str) -> Self {
        Self::new(name, Kind::Id)
    }
}

impl Field<i64> {
    pub(crate) const fn integer(name: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Integer { min, max })
    }
}

impl Field<bool> {
    pub(crate) const fn bool(name: &'static str) -> Self {
        Self::new(name, Kind::Bool)
    }
}

impl Field<[Id]> {
    pub(crate) const fn ids(name: &'static str, max: usize) -> Self {
        Self::new(name, Kind::Array { of: &Kind::Id, max })
    }
}

impl Field<Texts> {
    /// Texts of one kind: [`Kind::Text`], [`Kind::Choice`] and the like.
    pub(crate) const fn texts(name: &'static str, max: usize, of: &'static Kind) -> Self {
        Self::new(name, Kind::Array { of, max })
    }
}

impl Field<Objects> {
    /// Objects of one kind: [`Kind::Object`].
    pub(crate) const fn objects(name: &'static str, max: usize, of: &'static Kind) -> Self {
        Self::new(name, Kind::Array { of, max })
    }
}

impl Field<Settings> {
    pub(crate) const fn settings(name: &'static str, specs: &'static [FieldSpec]) -> Self {
        Self::new(name, Kind::Settings(specs))
    }
}

impl Field<Open> {
    pub(crate) const fn open(name: &'static str, specs: &'static [FieldSpec]) -> Self {
        Self::new(name, Kind::Open(specs))
    }
}

impl Field<Ignored> {
    pub(crate) const fn ignored(name: &'static str) -> Self {
        Self::new(name, Kind::Ignored)
    }
}

impl Field<Pairs> {
    pub(crate) const fn pairs(name: &'static str) -> Self {
        Self::new(name, Kind::Pairs)
    }

    /// Texts with names of ours.
    pub(crate) const fn object(name: &'static str, specs: &'static [FieldSpec]) -> Self {
        Self::new(name, Kind::Object(specs))
    }
}

impl FieldSpec {
    /// The same field, where `null` ends what there is.
    pub(crate) const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// The same field, with an example of its own.
    pub(crate) const fn such_as(self, example: &'static str) -> Self {
        let kind = match self.kind {
            Kind::Secret { pattern, digested, .. } => Kind::Secret { pattern, example, digested },
            other => other,
        };
        Self { kind, ..self }
    }

    /// Whether it is in the example of its body: what is required, and what most send.
    pub(crate) fn in_example(&self) -> bool {
        self.required || (self.rule.is_none() && self.kind.is_exemplary())
    }

    /// The same field, taken from something else too.
    pub(crate) const fn also(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }
}

impl Kind {
    /// Whether it is shown in an example where it is not required.
    const fn is_exemplary(self) -> bool {
        match self {
            Self::Text { example, .. } | Self::Secret { example, .. } => !example.is_empty(),
            Self::Typed { .. } | Self::Masked { .. } => true,
            Self::Id
            | Self::Phone { .. }
            | Self::Choice(_)
            | Self::Integer { .. }
            | Self::Bool
            | Self::Pairs
            | Self::Array { .. }
            | Self::Object(_)
            | Self::Settings(_)
            | Self::Open(_)
            | Self::Ignored => false,
        }
    }

    /// A value that is taken, where one says enough.
    pub(crate) fn example(self, name: &str) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Secret { example, .. }
            | Self::Typed { example, .. }
            | Self::Text { example, .. }
            | Self::Masked { example } => {
                json!(example)
            }
            Self::Id => match name {
                "account" => json!(EXAMPLE_ACCOUNT),
                "card" => json!(EXAMPLE_CARD),
                "processors" => json!(EXAMPLE_PROCESSOR),
                _ => json!(EXAMPLE_ORGANISATION),
            },
            Self::Choice(choices) => json!(choices.first()),
            Self::Integer { min, max } => json!(1099_i64.clamp(min, max)),
            Self::Bool => json!(true),
            Self::Array { of, .. } => json!([of.example(name)]),
            Self::Phone { .. } => json!("+31 20 123 4567"),
            Self::Pairs => json!({}),
            Self::Ignored => json!(null),
            Self::Object(specs) | Self::Settings(specs) | Self::Open(specs) => {
                let shown = specs.iter().filter(|spec| spec.in_example());
                shown.map(|spec| (spec.name.to_owned(), spec.kind.example(spec.name))).collect()
            }
        }
    }

    /// Whether it is written as a text.
    pub(crate) const fn is_text(self) -> bool {
        match self {
            Self::Secret { .. }
            | Self::Typed { .. }
            | Self::Id
            | Self::Text { .. }
            | Self::Phone { .. }
            | Self::Masked { .. }
            | Self::Choice(_) => true,
            Self::Integer { .. }
            | Self::Bool
            | Self::Pairs
            | Self::Array { .. }
            | Self::Object(_)
            | Self::Settings(_)
            | Self::Open(_)
            | Self::Ignored => false,
        }
    }
}

#[cfg(test)]
mod tests;

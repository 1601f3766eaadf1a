//! A body held against its description: what comes out of here was taken by the type of its field.

use std::borrow::Cow;

use const_format::formatcp;
use panvault_card::{holds_card_number, is_secret_name, masked_text, phone_holds_card_number};
use panvault_model::Id;
use zeroize::Zeroizing;

use super::{Field, FieldSpec, InClear, Kind, Masked, Pairs, Secret, Settings, Texts, Typed};
use crate::fault::Faults;
use crate::json::{Digested, Member, Name, Text, Value};
use crate::lenience::{self, Rule};
use crate::limits::{
    METADATA_BYTES_MAX, METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX,
};
use crate::object::transaction::CAPTURE_NOW;

/// A body whose every field is known and of the right kind, save for what its own type still has to read.
pub(crate) struct Fields<'a> {
    members: Vec<Member<'a>>,
    /// How many bytes the body has.
    bytes: usize,
}

impl<'a> Fields<'a> {
    /// Takes a body as it is meant, holds it against its description and collects every fault.
    pub(crate) fn take(value: Value<'a>, bytes: usize, specs: &[FieldSpec], faults: &mut Faults) -> Self {
        match value {
            Value::Object(mut members) => {
                object(&mut members, specs, "body", faults);
                Self { members, bytes }
            }
            Value::Absent
            | Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Text(_)
            | Value::Array(_)
            | Value::Id(_)
            | Value::Clear(_)
            | Value::Secret(..)
            | Value::Refused => {
                faults.malformed("body", "must be a JSON object");
                Self { members: Vec::new(), bytes }
            }
        }
    }

    /// All members, for the digest of the request.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn value(&self, name: &'static str) -> Option<&Value<'a>> {
        let there = |(found, value): &&Member<'a>| found.is(name) && !matches!(value, Value::Absent);
        self.members.iter().find(there).map(|(_, value)| value)
    }

    /// The value of a field that is kept in clear.
    pub(crate) fn of<T: InClear + ?Sized>(&self, field: &Field<T>) -> Option<T::Read<'_>> {
        T::read(self.value(field.name)?)
    }

    /// The value of a field inside others.
    pub(crate) fn inside<T: InClear + ?Sized>(
        &self,
        outer: &[&'static str],
        field: &Field<T>,
    ) -> Option<T::Read<'_>> {
        let mut members = self.members.as_slice();
        for name in outer {
            let found = members.iter().find(|(found, _)| found.is(name));
            let Some((_, Value::Object(inner))) = found else { return None };
            members = inner;
        }
        let there = |(found, value): &&Member<'a>| found.is(field.name) && !matches!(value, Value::Absent);
        members.iter().find(there).and_then(|(_, value)| T::read(value))
    }

    /// The members of an object of texts, and those that are to end, which are `null`.
    pub(crate) fn members_of(&self, field: &Field<Pairs>) -> Vec<(&str, Option<&str>)> {
        let Some(Value::Object(members)) = self.value(field.name) else { return Vec::new() };
        let mut found = Vec::with_capacity(members.len());
        for (name, value) in members {
            let text = <str as InClear>::read(value);
            if text.is_some() || matches!(value, Value::Null) {
                found.push((name.expose_text(), text));
            }
        }
        found
    }

    /// The text of a secret, for its own type to read.
    pub(crate) fn secret(&self, field: &Field<Secret>) -> Option<&Text<'a>> {
        if let Some(Value::Secret(text, _)) = self.value(field.name) { Some(text) } else { None }
    }

    /// The members of an object of which any may be a secret, each in a text that is wiped. Members of a member have its name before theirs,
    /// `routes.0.processor`; the values of a list are one text, a line each.
    pub(crate) fn settings(&self, field: &Field<Settings>) -> Vec<(String, Zeroizing<String>)> {
        let Some(Value::Object(members)) = self.value(field.name) else { return Vec::new() };
        let mut found = Vec::with_capacity(members.len());
        for (name, value) in members {
            setting(name.expose_text().to_owned(), value, &mut found);
        }
        found
    }

    /// What its own type reads in a text.
    pub(crate) fn typed<T, E: ToString>(
        &self,
        field: &Field<Typed>,
        parse: impl FnOnce(&str) -> Result<T, E>,
        faults: &mut Faults,
    ) -> Option<T> {
        match self.value(field.name) {
            Some(Value::Text(text)) => faults.field(field, parse(text.expose_text())),
            Some(_) | None => None,
        }
    }

    /// What may be kept of a text, in so many bytes at most.
    pub(crate) fn masked(&self, field: &Field<Masked>, bytes_max: usize) -> String {
        match self.value(field.name) {
            Some(Value::Text(text)) => masked_text(text.expose_text(), bytes_max),
            Some(_) | None => String::new(),
        }
    }

    pub(crate) fn is_null<T: ?Sized>(&self, field: &Field<T>) -> bool {
        matches!(self.value(field.name), Some(Value::Null))
    }

    pub(crate) fn has(&self, name: &'static str) -> bool {
        self.value(name).is_some()
    }

    /// Whether no member was sent that is to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.iter().all(|(_, value)| matches!(value, Value::Absent))
    }

    /// Whether no member is to be taken, or this one alone.
    pub(crate) fn has_none_but<T: ?Sized>(&self, field: &Field<T>) -> bool {
        let other = |(found, value): &Member<'a>| !found.is(field.name) && !matches!(value, Value::Absent);
        !self.members.iter().any(other)
    }
}

fn setting(name: String, value: &Value<'_>, found: &mut Vec<(String, Zeroizing<String>)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                setting(format!("{name}.{}", member.expose_text()), value, found);
            }
        }
        Value::Array(elements) if matches!(elements.first(), Some(Value::Object(_))) => {
            for (at, element) in elements.iter().enumerate() {
                setting(format!("{name}.{at}"), element, found);
            }
        }
        Value::Array(elements) => {
            let texts: Vec<_> = elements.iter().filter_map(<str as InClear>::read).collect();
            found.push((name, Zeroizing::new(texts.join("\n"))));
        }
        Value::Clear(text) | Value::Secret(text, _) => {
            found.push((name, Zeroizing::new(text.expose_text().to_owned())));
        }
        Value::Integer(number) => found.push((name, Zeroizing::new(number.expose_integer().to_string()))),
        Value::Id(id) => found.push((name, Zeroizing::new(id.to_string()))),
        Value::Absent | Value::Null | Value::Bool(_) | Value::Number | Value::Text(_) | Value::Refused => {}
    }
}

impl InClear for str {
    type Read<'v> = &'v str;

    fn read<'v>(value: &'v Value<'_>) -> Option<&'v Self> {
        if let Value::Clear(text) = value { Some(text.expose_text()) } else { None }
    }
}

impl InClear for Id {
    type Read<'v> = Self;

    fn read(value: &Value<'_>) -> Option<Self> {
        if let Value::Id(id) = value { Some(*id) } else { None }
    }
}

impl InClear for i64 {
    type Read<'v> = Self;

    fn read(value: &Value<'_>) -> Option<Self> {
        if let Value::Integer(number) = value { Some(number.expose_integer()) } else { None }
    }
}

impl InClear for bool {
    type Read<'v> = Self;

    fn read(value: &Value<'_>) -> Option<Self> {
        if let Value::Bool(flag) = value { Some(*flag) } else { None }
    }
}

impl InClear for [Id] {
    type Read<'v> = Vec<Id>;

    fn read(value: &Value<'_>) -> Option<Vec<Id>> {
        let Value::Array(elements) = value else { return None };
        Some(elements.iter().filter_map(<Id as InClear>::read).collect())
    }
}

impl InClear for Texts {
    type Read<'v> = Vec<&'v str>;

    fn read<'v>(value: &'v Value<'_>) -> Option<Vec<&'v str>> {
        let Value::Array(elements) = value else { return None };
        Some(elements.iter().filter_map(<str as InClear>::read).collect())
    }
}

impl InClear for Pairs {
    type Read<'v> = Vec<(String, String)>;

    fn read(value: &Value<'_>) -> Option<Vec<(String, String)>> {
        let Value::Object(members) = value else { return None };
        let pair = |(name, value): &Member<'_>| {
            // Only fields of ours are anything else than texts.
            let text = if let Value::Integer(number) = value {
                number.expose_integer().to_string()
            } else {
                <str as InClear>::read(value)?.to_owned()
            };
            Some((name.expose_text().to_owned(), text))
        };
        let mut pairs: Vec<_> = members.iter().filter_map(pair).collect();
        pairs.sort();
        Some(pairs)
    }
}

fn object(members: &mut [Member<'_>], specs: &[FieldSpec], place: &str, faults: &mut Faults) {
    let (mut sent, mut there) = (Seen::default(), Seen::default());
    for (name, value) in &mut *members {
        // What is not taken goes here, and is wiped.
        let found = core::mem::replace(value, Value::Refused);
        let Some((at, spec)) = specs.iter().enumerate().find(|(_, spec)| name.is(spec.name)) else {
            faults.unexpected(place, name.expose_text());
            continue;
        };
        *name = Name::known(spec.name);
        if sent.has(at) {
            faults.malformed(format!("{place}.{}", spec.name), "is there twice");
        } else {
            let place = || format!("{place}.{}", spec.name);
            match lenience::meant(spec, found) {
                Value::Null if spec.nullable => *value = Value::Null,
                meant => match spec.kind.taken(meant, &place, faults) {
                    Ok(taken) => *value = taken,
                    Err(what) => faults.malformed(place(), what),
                },
            }
        }
        sent.add(at);
        if !matches!(value, Value::Absent) {
            there.add(at);
        }
    }
    for spec in specs.iter().filter(|spec| spec.rule == Some(Rule::Capture)) {
        capture_meant(members, spec.name, place, faults);
    }
    for (_, spec) in specs.iter().enumerate().filter(|(at, spec)| spec.required && !there.has(*at)) {
        faults.missing(format!("{place}.{}", spec.name));
    }
}

/// Fields by their place in a description, which has at most 64.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    fn bit(at: usize) -> u64 {
        u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
    }

    fn add(&mut self, at: usize) {
        self.0 |= Self::bit(at);
    }

    fn has(&self, at: usize) -> bool {
        self.0 & Self::bit(at) != 0
    }
}

/// Takes a member for `capture_now`, of which it is another name.
fn capture_meant(members: &mut [Member<'_>], other: &'static str, place: &str, faults: &mut Faults) {
    let sent = |name: &'static str| {
        let found = members.iter().find(|(found, value)| found.is(name) && matches!(value, Value::Bool(_)));
        if let Some((_, Value::Bool(flag))) = found { Some(*flag) } else { None }
    };
    let (Some(flag), known) = (sent(other), sent(CAPTURE_NOW.name)) else { return };
    if known.is_some_and(|known| known != flag) {
        let what = "differs from capture_now, of which it is another name";
        return faults.malformed(format!("{place}.{other}"), what);
    }
    if let Some((name, value)) = members.iter_mut().find(|(name, _)| name.is(other)) {
        if known.is_some() {
            *value = Value::Absent;
        } else {
            *name = Name::known(CAPTURE_NOW.name);
        }
    }
}

impl Kind {
    /// The value as that of a field of this kind; what else it must be, if it is none.
    fn taken<'a>(
        self,
        value: Value<'a>,
        place: &dyn Fn() -> String,
        faults: &mut Faults,
    ) -> Result<Value<'a>, Cow<'static, str>> {
        let what = match (self, value) {
            // It goes here, and is wiped.
            (Self::Ignored, _) | (_, Value::Absent) => return Ok(Value::Absent),
            (Self::Secret { digested, .. }, Value::Text(text)) => return Ok(Value::Secret(text, digested)),
            // Still unread.
            (Self::Typed { .. } | Self::Masked { .. }, Value::Text(text)) => return Ok(Value::Text(text)),
            (Self::Text { max, .. }, Value::Text(text)) => {
                return clear(text, max, holds_card_number);
            }
            (Self::Phone { max }, Value::Text(text)) => {
                return clear(text, max, phone_holds_card_number);
            }
            (
                Self::Secret { .. }
                | Self::Typed { .. }
                | Self::Masked { .. }
                | Self::Text { .. }
                | Self::Phone { .. },
                _,
            ) => "must be a string",
            (Self::Id, value) => return id(&value).map_err(Cow::Borrowed),
            (Self::Choice(choices), value) => return choice(choices, value),
            (Self::Integer { min, max }, Value::Integer(number)) => {
                if (min..=max).contains(&number.expose_integer()) {
                    return Ok(Value::Integer(number));
                }
                return Err(Cow::Owned(format!("must be {min} to {max}")));
            }
            (Self::Integer { .. }, _) => "must be an integer",
            (Self::Bool, Value::Bool(flag)) => return Ok(Value::Bool(flag)),
            (Self::Bool, _) => "must be true or false",
            (Self::Pairs, Value::Object(members)) => return pairs(members),
            (Self::Object(specs), Value::Object(mut members)) => {
                object(&mut members, specs, &place(), faults);
                return Ok(Value::Object(members));
            }
            (Self::Open(specs), Value::Object(mut members)) => {
                members.retain(|(name, _)| specs.iter().any(|spec| name.is(spec.name)));
                object(&mut members, specs, &place(), faults);
                return Ok(Value::Object(members));
            }
            (Self::Settings(specs), Value::Object(members)) => {
                return Ok(Value::Object(settings(members, specs, &place(), faults)));
            }
            (Self::Pairs | Self::Object(_) | Self::Settings(_) | Self::Open(_), _) => "must be an object",
            (Self::Array { of, max }, Value::Array(elements)) => {
                return array(elements, of, max, place, faults).map_err(Cow::Owned);
            }
            (Self::Array { .. }, _) => "must be an array",
        };
        Err(Cow::Borrowed(what))
    }
}

/// Members of which those that are not known here may be secrets.
fn settings<'a>(
    members: Vec<Member<'a>>,
    specs: &[FieldSpec],
    place: &str,
    faults: &mut Faults,
) -> Vec<Member<'a>> {
    let is_known = |(name, _): &Member<'_>| specs.iter().any(|spec| name.is(spec.name));
    let (mut taken, others): (Vec<_>, Vec<_>) = members.into_iter().partition(is_known);
    object(&mut taken, specs, place, faults);
    for (name, value) in others {
        let mut wrong = Vec::new();
        pair_name(name.expose_text(), &mut wrong);
        // A point stands between an object and its member.
        if !wrong.is_empty() || name.expose_text().contains('.') {
            faults.unexpected(place, name.expose_text());
            continue;
        }
        let place = || format!("{place}.{}", name.expose_text());
        if name.is_in(&taken) {
            faults.malformed(place(), "is there twice");
            continue;
        }
        match value {
            Value::Null => taken.push((name, Value::Absent)),
            Value::Text(text) if text.len() == 0 => taken.push((name, Value::Absent)),
            Value::Text(text) => taken.push((name, Value::Secret(text, Digested::Text))),
            Value::Absent
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Array(_)
            | Value::Object(_)
            | Value::Id(_)
            | Value::Clear(_)
            | Value::Secret(..)
            | Value::Refused => faults.malformed(place(), "must be a string"),
        }
    }
    taken
}

/// The elements of an array, each a value of this kind; a fault is said of the element.
fn array<'a>(
    elements: Vec<Value<'a>>,
    of: &Kind,
    max: usize,
    place: &dyn Fn() -> String,
    faults: &mut Faults,
) -> Result<Value<'a>, String> {
    if elements.len() > max {
        return Err(format!("has more than {max} elements"));
    }
    let mut taken = Vec::with_capacity(elements.len());
    for (at, element) in elements.into_iter().enumerate() {
        let place = || format!("{}.{at}", place());
        match of.taken(element, &place, faults) {
            Ok(element) => taken.push(element),
            Err(what) => faults.malformed(place(), what),
        }
    }
    Ok(Value::Array(taken))
}

fn id<'a>(value: &Value<'_>) -> Result<Value<'a>, &'static str> {
    let read = if let Value::Text(text) = value { Id::parse(text.expose_text()).ok() } else { None };
    read.map(Value::Id).ok_or("must be an id: 24 lowercase hexadecimal digits")
}

fn choice<'a>(choices: &[&'static str], value: Value<'_>) -> Result<Value<'a>, Cow<'static, str>> {
    let sent = if let Value::Text(text) = &value { Some(text.expose_text()) } else { None };
    let is_sent = |choice: &&&str| sent.is_some_and(|sent| choice.eq_ignore_ascii_case(sent));
    match choices.iter().find(is_sent) {
        Some(choice) => Ok(Value::Clear(Text::borrowed(choice))),
        None => Err(Cow::Owned(format!("must be {}", choices.join(" or ")))),
    }
}

/// A text that may be kept in clear.
fn clear(text: Text<'_>, max: usize, holds: fn(&str) -> bool) -> Result<Value<'_>, Cow<'static, str>> {
    text_fault(text.expose_text(), max, holds).map_or(Ok(Value::Clear(text)), Err)
}

fn text_fault(text: &str, max: usize, holds: fn(&str) -> bool) -> Option<Cow<'static, str>> {
    if text.len() > max {
        Some(Cow::Owned(format!("is longer than {max} bytes")))
    } else if text.chars().any(char::is_control) {
        Some(Cow::Borrowed("must not hold control characters"))
    } else if holds(text) {
        Some(Cow::Borrowed("looks like it holds a card number"))
    } else {
        None
    }
}

/// Pairs that may be kept in clear; every fault of them, once each. Of too many, those beyond are not looked at: they are refused already,
/// and each is held against all before it.
fn pairs(mut members: Vec<Member<'_>>) -> Result<Value<'_>, Cow<'static, str>> {
    let mut found: Vec<Cow<'static, str>> = Vec::new();
    if members.len() > METADATA_PAIRS_MAX {
        found.push(formatcp!("has more than {METADATA_PAIRS_MAX} pairs").into());
    }
    let bytes = |(name, value): &Member<'_>| {
        name.expose_text().len() + if let Value::Text(text) = value { text.len() } else { 0 }
    };
    if members.iter().map(bytes).sum::<usize>() > METADATA_BYTES_MAX {
        found.push(formatcp!("has more than {METADATA_BYTES_MAX} bytes in all").into());
    }
    for at in 0..members.len().min(METADATA_PAIRS_MAX + 1) {
        let (earlier, rest) = members.split_at_mut(at);
        let Some((name, value)) = rest.first_mut() else { continue };
        if name.is_in(earlier) {
            found.push("has a name twice".into());
        }
        pair_name(name.expose_text(), &mut found);
        match core::mem::replace(value, Value::Refused) {
            Value::Text(text) => match clear(text, METADATA_VALUE_BYTES_MAX, holds_card_number) {
                Ok(taken) => *value = taken,
                Err(what) => found.push(what),
            },
            Value::Null => *value = Value::Absent,
            Value::Absent
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number
            | Value::Array(_)
            | Value::Object(_)
            | Value::Id(_)
            | Value::Clear(_)
            | Value::Secret(..)
            | Value::Refused => found.push("must hold strings only".into()),
        }
    }
    if found.is_empty() {
        return Ok(Value::Object(members));
    }
    found.sort_unstable();
    found.dedup();
    Err(Cow::Owned(found.join("; ")))
}

/// What is wrong with the name of a pair.
fn pair_name(name: &str, found: &mut Vec<Cow<'static, str>>) {
    if name.is_empty() || name.len() > METADATA_NAME_BYTES_MAX {
        found.push(
            formatcp!("has a name that is empty or longer than {METADATA_NAME_BYTES_MAX} bytes").into(),
        );
    } else {
        found.extend(text_fault(name, METADATA_NAME_BYTES_MAX, holds_card_number));
    }
    if is_secret_name(name) {
        found.push("has a name of something that must not be kept".into());
    }
}

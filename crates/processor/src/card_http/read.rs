//! Reads a description: every fault is told with its line, and nothing that is not known is passed over.

mod answers;
mod exchange;
mod head;
pub(super) mod limits;
mod members;

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeTable;

use super::act::ActName;
use super::answer::Answers;
use super::description::{Description, Fault, HttpMode};
use super::origin::Origin;
use super::placeholder::{Field, Place};
use super::setting::{Pattern, SettingKind};
use super::template::Template;
use members::{Members, Reader};

/// Finds the bytes of a file of certificates that lies beside a description.
pub(super) type Beside<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// What other parts of a description may name.
#[derive(Default)]
struct Known {
    /// Texts and secrets.
    settings: Vec<(String, SettingKind)>,
    tables: Vec<String>,
    answers: BTreeMap<String, Arc<Answers>>,
}

impl Known {
    /// What is wrong with a template that stands in a place of an act.
    fn fault(&self, template: &Template, act: ActName, place: Place) -> Option<String> {
        template.placeholders().find_map(|placeholder| {
            let field = &placeholder.field;
            let name = field.name();
            if !field.may_stand(place) {
                return Some(format!("{{{{{name}}}}} may not stand in {}", place.words()));
            }
            if !field.is_of(act) {
                return Some(format!("{{{{{name}}}}} is not known in {}", act.as_str()));
            }
            let (is_known, what) = match field {
                Field::Setting(one) => (self.has(one, SettingKind::Text), "setting of kind text"),
                Field::Secret(one) => (self.has(one, SettingKind::Secret), "setting of kind secret"),
                Field::Table(one) => (self.tables.contains(one), "table"),
                _ => (true, ""),
            };
            (!is_known).then(|| format!("{{{{{name}}}}}: there is no such {what}"))
        })
    }

    fn has(&self, name: &str, kind: SettingKind) -> bool {
        self.settings.iter().any(|(known, of)| known == name && *of == kind)
    }
}

/// Reads the text of a description.
pub(super) fn read(text: &str, beside: Beside<'_>) -> Result<Description, Vec<Fault>> {
    let mut reader = Reader::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        errors.iter().for_each(|error| reader.error(error));
        return Err(reader.into_faults());
    }
    let mut members = Members::new(root.get_ref(), 0);
    let description = description(&mut members, &mut reader, beside);
    members.end(&mut reader);
    let faults = reader.into_faults();
    match description {
        Some(description) if faults.is_empty() => Ok(description),
        _ if faults.is_empty() => Err(vec![Fault { line: 1, words: "is no description".to_owned() }]),
        _ => Err(faults),
    }
}

fn description(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
    beside: Beside<'_>,
) -> Option<Description> {
    let name = head::name(members, reader);
    let title = members.required("title", reader).and_then(|value| reader.text(value));
    let replaces_shipped =
        members.take("replaces_shipped").and_then(|value| reader.boolean(value)).unwrap_or(false);
    let roots = head::roots(members, reader, beside);
    let limits = limits::limits(members, reader);
    let exponents = head::exponents(members, reader);
    let settings = head::settings(members, reader);
    let tables = head::tables(members, reader);
    let mut known = Known {
        settings: settings.iter().map(|one| (one.name.clone(), one.kind)).collect(),
        tables: tables.iter().map(|one| one.name.clone()).collect(),
        answers: BTreeMap::new(),
    };
    let (test_origin, live_origin) = head::origins(members, reader);
    for (origin, mode) in [(&test_origin, HttpMode::Test), (&live_origin, HttpMode::Live)] {
        let Some((template, at)) = origin else { continue };
        let labels = |name: &str| {
            let is_label = |pattern| pattern == Pattern::Label;
            let setting = settings.iter().find(|one| one.name == name)?;
            is_label(setting.pattern).then(|| "x".to_owned())
        };
        let filled = Origin::filled(template, labels)
            .map_err(|_| "an origin may have settings of kind text with the pattern label only".to_owned());
        if let Err(words) = filled.and_then(|text| Origin::parse(&text, mode)) {
            reader.fault(*at, words);
        }
    }
    known.answers = answers::answers(members, reader);
    let (idempotency_header, headers) = exchange::shared(members, reader, &known);
    let acts = exchange::acts(members, reader, &known);
    let asks = exchange::asks(members, reader, &known);
    let notification = head::notification(members, reader, &settings);
    if acts.acts.is_empty() && reader.is_sound() {
        reader.fault(0, "describes no act".to_owned());
    }
    Some(Description {
        name: name?,
        title: title?,
        replaces_shipped,
        test_origin: test_origin.map(|(template, _)| template),
        live_origin: live_origin.map(|(template, _)| template),
        roots: roots?,
        limits,
        settings,
        exponents,
        tables,
        idempotency_header,
        headers,
        acts: acts.acts,
        authorise_takes_zero: acts.takes_zero,
        asks,
        notification,
    })
}

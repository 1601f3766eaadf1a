//! What answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::CvvResult;
use toml::de::DeValue;

use super::head::{NAME, is_name};
use super::members::{Located, Members, Reader};
use crate::Verdict;
use crate::card_http::act::ActName;
use crate::card_http::answer::{Answers, Meaning, Pick, ResultTable, Rule, Status};
use crate::card_http::path::Path;
use crate::card_http::placeholder::Place;
use crate::card_http::template::Template;

/// The results of the address as the API numbers them.
const AVS_RESULT_MAX: u64 = 10;

const CVV_RESULTS: &[(&str, CvvResult)] = &[
    ("matched", CvvResult::Matched),
    ("not_matched", CvvResult::NotMatched),
    ("not_checked", CvvResult::NotChecked),
    ("unavailable", CvvResult::Unavailable),
];

pub(super) fn answers(members: &mut Members<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, Arc<Answers>> {
    let mut found = BTreeMap::new();
    let Some(table) = members.required("answers", reader).and_then(|value| reader.table(value)) else {
        return found;
    };
    for (name, at, value) in table.all() {
        if !is_name(name) {
            reader.fault(at, NAME.to_owned());
        }
        if let Some(mut members) = reader.table(value) {
            let answers = one(&mut members, reader);
            members.end(reader);
            found.insert(name.to_owned(), Arc::new(answers));
        }
    }
    found
}

fn one(members: &mut Members<'_>, reader: &mut Reader<'_>) -> Answers {
    let at = members.at();
    let rules = members.required("rules", reader).and_then(|value| reader.list(value)).unwrap_or_default();
    if rules.is_empty() {
        reader.fault(at, "an answer needs rules".to_owned());
    }
    let rules = rules.into_iter().filter_map(|value| rule(value, reader)).collect();
    let mut some = |name| members.take(name).map(|value| paths(value, reader)).unwrap_or_default();
    let (reason_code, status_reason, reference) =
        (some("reason_code"), some("status_reason"), some("reference"));
    let (network_transaction_id, authorization_code) =
        (some("network_transaction_id"), some("authorization_code"));
    let cvv_result = members.take("cvv_result").and_then(|value| result_table(value, cvv_cell, reader));
    let avs_result = members.take("avs_result").and_then(|value| result_table(value, avs_cell, reader));
    Answers {
        rules,
        reason_code,
        status_reason,
        reference,
        network_transaction_id,
        authorization_code,
        cvv_result,
        avs_result,
    }
}

fn paths(value: Located<'_>, reader: &mut Reader<'_>) -> Vec<Path> {
    let texts = reader.texts(value).unwrap_or_default();
    let mut found = Vec::new();
    for text in texts {
        match Path::parse(&text) {
            Ok(path) => found.push(path),
            Err(words) => reader.fault(value.span().start, words),
        }
    }
    found
}

fn rule(value: Located<'_>, reader: &mut Reader<'_>) -> Option<Rule> {
    let mut members = reader.table(value)?;
    let statuses =
        members.required("status", reader).map(|value| statuses(value, reader)).unwrap_or_default();
    let when = members.take("when").map(|value| matches(value, reader)).unwrap_or_default();
    let has = members.take("has").map(|value| paths(value, reader)).unwrap_or_default();
    let meaning = members.required("verdict", reader).and_then(|value| reader.choice(value, Meaning::ALL));
    members.end(reader);
    let meaning = meaning?;
    // One that is not the caller's fault may come from in front of a PSP that has done what was asked for.
    let is_behind = statuses.iter().any(|status| status.is_of_server());
    let (is_yes, needs_more) = match meaning {
        Meaning::Verdict(Verdict::Approved | Verdict::Pending) => (true, true),
        Meaning::Verdict(Verdict::Declined) => (false, true),
        Meaning::Verdict(Verdict::Failed | Verdict::NotSupported) => (false, is_behind),
        Meaning::Unknown | Meaning::Unheard => (false, false),
    };
    // Anything between the vault and the PSP can answer with a status.
    if needs_more && when.is_empty() && has.is_empty() {
        return reader.must_be(value, "said by more than a status: when or has is missing");
    }
    if is_yes && !statuses.iter().all(|status| status.is_of_success()) {
        return reader.must_be(value, "of a status 200 to 299: this rule says yes");
    }
    Some(Rule { statuses, when, has, meaning })
}

fn statuses(value: Located<'_>, reader: &mut Reader<'_>) -> Vec<Status> {
    let items = match value.get_ref() {
        DeValue::Array(_) => reader.list(value).unwrap_or_default(),
        _ => vec![value],
    };
    let mut found = Vec::new();
    for item in items {
        let status = match item.get_ref() {
            DeValue::Integer(_) => {
                let number = reader.number(item).and_then(|number| u16::try_from(number).ok());
                number.filter(|number| (200..=599).contains(number)).map(Status::One)
            }
            DeValue::String(text) => {
                let digit = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
                digit.filter(|digit| (2..=5).contains(digit)).map(Status::Class)
            }
            _ => None,
        };
        match status {
            Some(status) => found.push(status),
            None => reader
                .fault(item.span().start, "must be a status, 200 to 599, or \"2xx\" to \"5xx\"".to_owned()),
        }
    }
    found
}

/// Paths, each with the values of which it must have one.
fn matches(value: Located<'_>, reader: &mut Reader<'_>) -> Vec<(Path, Vec<Template>)> {
    let Some(table) = reader.table(value) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, at, value) in table.all() {
        let path = Path::parse(name).map_err(|words| reader.fault(at, words)).ok();
        let items = match value.get_ref() {
            DeValue::Array(_) => reader.list(value).unwrap_or_default(),
            _ => vec![value],
        };
        let values: Vec<_> = items.into_iter().filter_map(|item| expected(item, reader)).collect();
        if values.is_empty() {
            reader.fault(at, "needs a value to be compared with".to_owned());
        }
        found.extend(path.map(|path| (path, values)));
    }
    found
}

fn expected(value: Located<'_>, reader: &mut Reader<'_>) -> Option<Template> {
    let template = match value.get_ref() {
        DeValue::Boolean(boolean) => Template::parse(&boolean.to_string()),
        DeValue::Integer(_) => Template::parse(&reader.number(value)?.to_string()),
        _ => Template::parse(&reader.text(value)?),
    };
    let template = template.map_err(|words| reader.fault(value.span().start, words)).ok()?;
    let placeholders = template.placeholders();
    let wrong: Vec<_> = placeholders
        .filter(|one| !one.field.may_stand(Place::Expected) || !one.field.is_of(ActName::Ask))
        .map(|one| one.field.name())
        .collect();
    for name in wrong {
        reader.fault(
            value.span().start,
            format!("{{{{{name}}}}} may not stand in {}", Place::Expected.words()),
        );
    }
    Some(template)
}

fn result_table(
    value: Located<'_>,
    cell: fn(Located<'_>, &mut Reader<'_>) -> Option<u8>,
    reader: &mut Reader<'_>,
) -> Option<ResultTable> {
    let mut members = reader.table(value)?;
    let paths = members.required("paths", reader).map(|value| paths(value, reader)).unwrap_or_default();
    let rows = members.required("rows", reader).and_then(|value| reader.list(value)).unwrap_or_default();
    members.end(reader);
    let mut found = Vec::new();
    for row in rows {
        let mut cells = reader.list(row)?;
        if cells.len() != paths.len() + 1 {
            return reader
                .must_be(row, &format!("{} values: one for each path, and the result", paths.len() + 1));
        }
        let result = cell(cells.pop()?, reader)?;
        let texts = cells.into_iter().map(|cell| reader.text(cell)).collect::<Option<Vec<_>>>()?;
        found.push((texts, result));
    }
    Some(ResultTable { paths, rows: found })
}

fn cvv_cell(value: Located<'_>, reader: &mut Reader<'_>) -> Option<u8> {
    reader.choice(value, CVV_RESULTS).map(CvvResult::code)
}

fn avs_cell(value: Located<'_>, reader: &mut Reader<'_>) -> Option<u8> {
    let number = reader.number(value)?;
    let result = u8::try_from(number).ok().filter(|_| number <= AVS_RESULT_MAX);
    result.or_else(|| reader.must_be(value, "a result of the address, 0 to 10"))
}

/// Which item of a list an answer is about.
pub(super) fn pick(value: Located<'_>, reader: &mut Reader<'_>) -> Option<Pick> {
    let mut members = reader.table(value)?;
    let list = members.required("list", reader).and_then(|value| reader.parsed(value, Path::parse));
    let wanted = members.required("where", reader).map(|value| matches(value, reader)).unwrap_or_default();
    members.end(reader);
    if wanted.is_empty() {
        return reader.must_be(value, "a list and where: which item of it");
    }
    Some(Pick { list: list?, matches: wanted })
}

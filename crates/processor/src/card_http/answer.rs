//! What an answer means, by closed tables.

use std::borrow::Cow;

use panvault_card::masked_text;
use panvault_model::CvvResult;
use serde_json::Value;

use super::facts::Facts;
use super::limits::ANSWER_TEXT_BYTES_MAX;
use super::path::Path;
use super::template::Template;
use crate::{Reply, Sent, Verdict};

/// The tables of one kind of answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) rules: Vec<Rule>,
    pub(super) reason_code: Vec<Path>,
    pub(super) status_reason: Vec<Path>,
    pub(super) reference: Vec<Path>,
    pub(super) network_transaction_id: Vec<Path>,
    pub(super) authorization_code: Vec<Path>,
    pub(super) cvv_result: Option<ResultTable>,
    pub(super) avs_result: Option<ResultTable>,
}

/// What is said by answers with one of these statuses and values. The first that fits decides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) statuses: Vec<Status>,
    /// Each path must have one of its values.
    pub(super) when: Vec<(Path, Vec<Template>)>,
    /// Each path must have a text, number or boolean.
    pub(super) has: Vec<Path>,
    pub(super) meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    One(u16),
    /// All that begin with this digit.
    Class(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Verdict(Verdict),
    /// It says nothing that settles.
    Unknown,
    /// The PSP has not heard of it.
    Unheard,
}

/// Results of a check, by what one or more paths have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResultTable {
    pub(super) paths: Vec<Path>,
    /// For each path a text, which may end with `*`; and the result.
    pub(super) rows: Vec<(Vec<String>, u8)>,
}

/// Which item of a list an answer is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) list: Path,
    pub(super) matches: Vec<(Path, Vec<Template>)>,
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    /// What it says, where that is JSON.
    pub(super) json: Option<Value>,
}

impl Sent {
    /// The acquirer says that it has not heard of what it was asked about. That settles nothing: it may have been on its way.
    pub const UNHEARD: Self = Self::Unknown { reason: Cow::Borrowed("the processor has not heard of it") };
}

const NOT_TOLD: Sent =
    Sent::Unknown { reason: Cow::Borrowed("the processor refused to say what became of it") };

/// Members of an answer that are named where it means nothing.
const NAMED_MAX: usize = 12;
const NAME_BYTES_MAX: usize = 40;

impl Meaning {
    pub(super) const ALL: &'static [(&'static str, Self)] = &[
        ("approved", Self::Verdict(Verdict::Approved)),
        ("pending", Self::Verdict(Verdict::Pending)),
        ("declined", Self::Verdict(Verdict::Declined)),
        ("failed", Self::Verdict(Verdict::Failed)),
        ("not_supported", Self::Verdict(Verdict::NotSupported)),
        ("unknown", Self::Unknown),
        ("unheard", Self::Unheard),
    ];
}

impl Status {
    pub(super) const fn fits(self, status: u16) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Class(digit) => status / 100 == digit,
        }
    }

    /// Whether it is one of those that say yes.
    pub(super) const fn is_of_success(self) -> bool {
        matches!(self, Self::Class(2) | Self::One(200..=299))
    }

    /// Whether it says that it is not the caller who has erred.
    pub(super) const fn is_of_server(self) -> bool {
        match self {
            Self::One(one) => one >= 500,
            Self::Class(digit) => digit >= 5,
        }
    }
}

impl Answers {
    /// What an answer to a question means. What is refused with a status is the question: for want of a right, too often, or because whoever is asked now
    /// is another. The act may have been done all the same.
    pub(super) fn read_told(&self, answer: &Answer, pick: Option<&Pick>, facts: &Facts<'_>) -> Sent {
        match self.read(answer, pick, facts) {
            Sent::Answered(_) if !Status::Class(2).fits(answer.status) => NOT_TOLD,
            sent => sent,
        }
    }

    /// What an answer to an act means.
    pub(super) fn read(&self, answer: &Answer, pick: Option<&Pick>, facts: &Facts<'_>) -> Sent {
        let whole = answer.json.as_ref().unwrap_or(&Value::Null);
        let picked =
            pick.filter(|_| Status::Class(2).fits(answer.status)).map(|pick| pick.find(whole, facts));
        let json = match picked {
            None => whole,
            Some(Picked::One(item)) => item,
            Some(Picked::Nothing) => return Sent::UNHEARD,
            Some(Picked::NoList) => return not_meant(answer.status, whole),
        };
        let fits = |rule: &&Rule| {
            rule.statuses.iter().any(|status| status.fits(answer.status))
                && rule.has.iter().all(|path| path.scalar(json).is_some())
                && all_match(&rule.when, json, facts)
        };
        match self.rules.iter().find(fits).map(|rule| rule.meaning) {
            None => not_meant(answer.status, json),
            Some(Meaning::Unknown) => {
                Sent::Unknown { reason: Cow::Borrowed("the processor gave an answer that settles nothing") }
            }
            Some(Meaning::Unheard) => Sent::UNHEARD,
            Some(Meaning::Verdict(verdict)) => Sent::Answered(self.reply(verdict, answer.status, json)),
        }
    }

    fn reply(&self, verdict: Verdict, status: u16, json: &Value) -> Reply {
        let said =
            |paths: &[Path]| paths.iter().find_map(|path| path.scalar(json)).filter(|text| !text.is_empty());
        let reason_code = match verdict {
            Verdict::Approved => "00".to_owned(),
            Verdict::Pending | Verdict::Declined | Verdict::Failed | Verdict::NotSupported => {
                let code = said(&self.reason_code).map(|code| masked_text(&code, ANSWER_TEXT_BYTES_MAX));
                code.unwrap_or_else(|| format!("http_{status}"))
            }
        };
        let cvv = self.cvv_result.as_ref().and_then(|table| table.read(json)).and_then(CvvResult::from_code);
        Reply {
            verdict,
            reason_code,
            status_reason: said(&self.status_reason).map(|text| masked_text(&text, ANSWER_TEXT_BYTES_MAX)),
            cvv_result: cvv.unwrap_or(CvvResult::Unavailable),
            avs_result: self.avs_result.as_ref().and_then(|table| table.read(json)).unwrap_or(0),
            authorization_code: said(&self.authorization_code),
            reference: said(&self.reference),
            network_transaction_id: said(&self.network_transaction_id),
        }
    }
}

/// An answer that no rule fits, with what whoever writes a description needs to see of it: its status and the names of its members, and none of its values.
fn not_meant(status: u16, json: &Value) -> Sent {
    let mut names = Vec::new();
    named(json, "", &mut names);
    let is_all = names.len() <= NAMED_MAX;
    names.truncate(NAMED_MAX);
    let with = match names.as_slice() {
        [] => "no JSON with members".to_owned(),
        _ => format!("{}{}", names.join(", "), if is_all { "" } else { " and more" }),
    };
    let words = format!(
        "the processor gave an answer that its description does not know: status {status} with {with}"
    );
    Sent::Unknown { reason: masked_text(&words, ANSWER_TEXT_BYTES_MAX).into() }
}

/// The paths of the members, as a description names them. What could be more than a name is none: a PSP may answer with anything that it was sent.
fn named(json: &Value, above: &str, names: &mut Vec<String>) {
    for (name, value) in json.as_object().into_iter().flatten() {
        if names.len() > NAMED_MAX {
            return;
        }
        if !is_name(name) {
            continue;
        }
        let path = format!("{above}{name}");
        match value {
            Value::Object(_) => named(value, &format!("{path}."), names),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                names.push(path)
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_of_names = |symbol: char| symbol.is_ascii_alphanumeric() || matches!(symbol, '_' | '-');
    text.len() <= NAME_BYTES_MAX
        && text.chars().all(is_of_names)
        && text.chars().filter(char::is_ascii_digit).count() < 3
}

enum Picked<'a> {
    One(&'a Value),
    Nothing,
    NoList,
}

impl Pick {
    fn find<'a>(&self, answer: &'a Value, facts: &Facts<'_>) -> Picked<'a> {
        let Some(list) = self.list.find(answer).and_then(Value::as_array) else { return Picked::NoList };
        let found = list.iter().find(|item| all_match(&self.matches, item, facts));
        found.map_or(Picked::Nothing, Picked::One)
    }
}

fn all_match(wanted: &[(Path, Vec<Template>)], json: &Value, facts: &Facts<'_>) -> bool {
    wanted.iter().all(|(path, values)| {
        let Some(there) = path.scalar(json) else { return false };
        values.iter().any(|value| value.text(facts).is_some_and(|value| value == there))
    })
}

impl ResultTable {
    fn read(&self, json: &Value) -> Option<u8> {
        let there: Vec<_> = self.paths.iter().map(|path| path.scalar(json).unwrap_or_default()).collect();
        let fits = |texts: &[String]| {
            texts.iter().zip(&there).all(|(wanted, there)| match wanted.strip_suffix('*') {
                Some(beginning) => there.starts_with(beginning),
                None => there == wanted,
            })
        };
        self.rows.iter().find(|(texts, _)| fits(texts)).map(|(_, result)| *result)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_means_nothing_is_named_without_its_values() {
        let reason = |json: Value| match not_meant(200, &json) {
            Sent::Unknown { reason } => reason.into_owned(),
            sent => panic!("{sent:?}"),
        };
        let said = reason(json!({
            "id": "secret", "result": { "code": "05" }, "4111111111111111": 1, "123": "x", "a b": 1, "list": [1]
        }));
        assert!(said.ends_with("status 200 with id, list, result.code"), "{said}");
        let many: serde_json::Map<_, _> = (0..40).map(|n| (format!("m{n}"), Value::Null)).collect();
        let said = reason(many.into());
        assert!(said.ends_with(" and more") && said.matches(", ").count() == NAMED_MAX - 1, "{said}");
        for nothing in [Value::Null, json!([1]), json!("4111111111111111")] {
            assert!(reason(nothing).ends_with("with no JSON with members"));
        }
    }
}

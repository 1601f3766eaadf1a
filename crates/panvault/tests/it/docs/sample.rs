use serde_json::{Deserializer, Value};

use super::page::Sample;

/// Members that are made up by a processor.
const FREE: [&str; 1] = ["authorization_code"];
/// Stands for any lines of a text, once.
const REST: &str = "…";

/// Holds what was printed against what is shown. Ids, keys, times, versions and paths may be others.
pub(super) fn compare(printed: &str, sample: Option<&Sample<'_>>) -> Result<(), String> {
    let Some(sample) = sample else {
        return if printed.is_empty() {
            Ok(())
        } else {
            Err(format!("it prints what is not shown:\n{printed}"))
        };
    };
    let shown = sample.lines.join("\n");
    let is_alike = if sample.is_json {
        let values = |text: &str| Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>();
        let shown = values(&shown).map_err(|error| format!("what is shown is no JSON: {error}"))?;
        values(printed).is_ok_and(|printed| {
            shown.len() == printed.len()
                && shown.iter().zip(&printed).all(|(shown, printed)| values_alike(shown, printed))
        })
    } else {
        texts_alike(&shown, printed)
    };
    if is_alike { Ok(()) } else { Err(format!("it does not print what is shown, but:\n{printed}")) }
}

fn values_alike(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::Object(shown), Value::Object(printed)) => {
            shown.len() == printed.len()
                && shown.iter().all(|(name, value)| {
                    printed
                        .get(name)
                        .is_some_and(|printed| FREE.contains(&name.as_str()) || values_alike(value, printed))
                })
        }
        (Value::Array(shown), Value::Array(printed)) => {
            shown.len() == printed.len()
                && shown.iter().zip(printed).all(|(shown, printed)| values_alike(shown, printed))
        }
        (Value::String(shown), Value::String(printed)) => texts_alike(shown, printed),
        (shown, printed) => shown == printed || words_alike(&shown.to_string(), &printed.to_string()),
    }
}

fn texts_alike(shown: &str, printed: &str) -> bool {
    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }
    let (shown, mut printed) = (words(shown), words(printed));
    let Some(rest) = shown.iter().position(|word| *word == REST) else { return all_alike(&shown, &printed) };
    let behind = &shown[rest + 1..];
    rest + behind.len() <= printed.len()
        && all_alike(behind, &printed.split_off(printed.len() - behind.len()))
        && all_alike(&shown[..rest], &printed[..rest])
}

fn all_alike(shown: &[&str], printed: &[&str]) -> bool {
    shown.len() == printed.len() && shown.iter().zip(printed).all(|(a, b)| words_alike(a, b))
}

fn words_alike(shown: &str, printed: &str) -> bool {
    shown == printed || kind(shown).is_some_and(|of_shown| kind(printed) == Some(of_shown))
}

/// What a word is that is another one every time.
fn kind(word: &str) -> Option<&'static str> {
    let word = word.trim_matches(['"', ',', ';', '.', '(', ')', ':']);
    let is_hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match word.len() {
        24 if is_hex => Some("id"),
        32 if is_hex => Some("fingerprint"),
        10.. if word.bytes().all(|byte| byte.is_ascii_digit()) => Some("time or version"),
        24 if word.ends_with('Z') && word.as_bytes()[10] == b'T' => Some("time"),
        26.. if is_record(word) => Some("record"),
        _ if word.starts_with("pv_") => Some("key"),
        _ if word.starts_with('/') => Some("path"),
        _ => None,
    }
}

/// The id of a record of the audit trail: who wrote it, and its place.
fn is_record(word: &str) -> bool {
    word.split_once('-').is_some_and(|(writer, place)| {
        kind(writer) == Some("id") && place.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[test]
fn what_differs_every_time_may_differ_and_nothing_else() {
    let is_alike = |shown: &str, printed: &str| {
        let lines = [shown.to_owned()];
        compare(printed, Some(&Sample { line: 1, is_json: shown.starts_with('{'), lines: &lines })).is_ok()
    };
    let id = "\"65f1c0de8a4b3c2d1e0f9a8b\"";
    for (shown, printed) in [
        (format!("{{\"a\": {id}, \"b\": [1]}}"), "{\"b\":[1],\"a\":\"75f1c0de8a4b3c2d1e0f9a8b\"}".to_owned()),
        (
            "{\"at\": \"2026-01-31T12:00:00.000Z\"}".to_owned(),
            "{\"at\":\"2027-11-30T02:10:01.123Z\"}".to_owned(),
        ),
        ("{\"timestamp\": 1700000000000}".to_owned(), "{\"timestamp\":1800000000001}".to_owned()),
        ("path  /home/a/vault".to_owned(), "path /tmp/x\n".to_owned()),
        ("{\"authorization_code\": \"1\"}".to_owned(), "{\"authorization_code\": \"2\"}".to_owned()),
        ("a … d".to_owned(), "a b c d".to_owned()),
        ("a … d".to_owned(), "a d".to_owned()),
    ] {
        assert!(is_alike(&shown, &printed), "{shown} {printed}");
    }
    for (shown, printed) in [
        (format!("{{\"a\": {id}}}"), "{\"a\": \"x\"}"),
        ("{\"a\": 1}".to_owned(), "{\"a\": 2}"),
        ("{\"a\": 1}".to_owned(), "{\"a\": 1, \"b\": 1}"),
        ("{\"a\": null}".to_owned(), "{\"a\": true}"),
        ("{\"a\": 1}".to_owned(), "no JSON"),
        ("a b".to_owned(), "a c"),
        ("a … d".to_owned(), "a b c"),
        ("a … a".to_owned(), "a"),
    ] {
        assert!(!is_alike(&shown, printed), "{shown} {printed}");
    }
}

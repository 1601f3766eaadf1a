//! A description of a PSP, read as a server would read it: its faults, or what it maps.

use std::path::Path;

use anyhow::bail;
use panvault_processor::card_http::{
    ActSummary, AskSummary, Description, Fault, Registry, Setting, SettingKind, Summary,
};
use serde_json::{Value, json};

use crate::output;

/// Characters that labels have room in.
const LABEL_CHARS: usize = 16;

/// Says what is wrong in the file, or what it maps.
pub(super) fn processor_check(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let name = file.display().to_string();
    match Registry::check(file) {
        Ok(description) => {
            let said = if as_json { mapped(&name, &description).to_string() } else { table(&description) };
            Ok(output::line(said)?)
        }
        Err(faults) => {
            output::line(if as_json { refused(&name, &faults).to_string() } else { lines(&name, &faults) })?;
            match faults.len() {
                1 => bail!("the description has a fault"),
                many => bail!("the description has {many} faults"),
            }
        }
    }
}

fn refused(file: &str, faults: &[Fault]) -> Value {
    let fault = |fault: &Fault| json!({ "line": fault.line, "what": fault.words });
    json!({ "file": file, "faults": faults.iter().map(fault).collect::<Vec<_>>() })
}

/// As compilers say it, so that editors find the place.
fn lines(file: &str, faults: &[Fault]) -> String {
    let line = |fault: &Fault| format!("{file}:{}: {}", fault.line, fault.words);
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

const fn kind(setting: &Setting) -> &'static str {
    match setting.kind {
        SettingKind::Text => "setting",
        SettingKind::Secret => "secret",
    }
}

fn mapped(file: &str, description: &Description) -> Value {
    let Summary { calls, acts, asks } = description.summary();
    let setting = |one: &Setting| json!({ "name": one.name, "is_secret": one.kind == SettingKind::Secret, "required": one.required, "words": one.words });
    let answers = |answers: &[(String, &'static str)]| {
        answers.iter().map(|(when, verdict)| json!({ "when": when, "verdict": verdict })).collect::<Vec<_>>()
    };
    let act = |act: &ActSummary| {
        json!({
            "name": act.name, "request": act.request, "sends": act.sends, "network_tokens": act.network_tokens,
            "answers": answers(&act.answers), "reads": act.reads,
        })
    };
    let ask =
        |ask: &AskSummary| json!({ "of": ask.of, "request": ask.request, "answers": answers(&ask.answers) });
    json!({
        "file": file, "type": description.type_name(), "title": description.title(), "faults": [],
        "can": description.abilities(),
        "calls": calls.into_iter().map(|(mode, origin)| (mode.to_owned(), json!(origin))).collect::<serde_json::Map<_, _>>(),
        "settings": description.settings().iter().map(setting).collect::<Vec<_>>(),
        "acts": acts.iter().map(act).collect::<Vec<_>>(),
        "asks": asks.iter().map(ask).collect::<Vec<_>>(),
    })
}

fn table(description: &Description) -> String {
    let Summary { calls, acts, asks } = description.summary();
    let mut rows = vec![
        ("type", description.type_name()),
        ("title", description.title().to_owned()),
        ("can", description.abilities().join(", ")),
    ];
    rows.extend(calls.into_iter().map(|(mode, origin)| ("calls", format!("{mode}: {origin}"))));
    for setting in description.settings() {
        let required = if setting.required { ", required" } else { "" };
        let words = setting.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        rows.push((kind(setting), format!("{}{required}{words}", setting.name)));
    }
    for act in acts {
        rows.push(("", String::new()));
        rows.push(("act", format!("{}, {}", act.name, act.request)));
        rows.push(("sends", act.sends.join(", ")));
        if !act.network_tokens.is_empty() {
            rows.push(("network tokens", act.network_tokens.join(", ")));
        }
        rows.extend(act.answers.iter().map(|(when, verdict)| (*verdict, when.clone())));
        rows.push(("reads", act.reads.join(", ")));
    }
    for ask in asks {
        rows.push(("", String::new()));
        rows.push(("asks about", format!("{}, {}", ask.of.join(", "), ask.request)));
        rows.extend(ask.answers.iter().map(|(when, verdict)| (*verdict, when.clone())));
    }
    let line = |(label, text): &(&str, String)| format!("{label:LABEL_CHARS$} {text}").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

//! A description of a PSP, or a file of limits, read as a server would read it: its faults, or what it comes to.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use panvault_model::ProcessorId;
use panvault_processor::card_http::{
    ActSummary, AskSummary, Description, Fault, HttpLimits, Registry, Setting, SettingKind, Summary,
    TypeLimits,
};
use serde_json::{Value, json};

use crate::output;

/// Characters that labels have room in.
const LABEL_CHARS: usize = 16;

/// Says what is wrong in the file, or what it maps.
pub(super) fn processor_check(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let name = file.display().to_string();
    if let Some(limits) = Registry::check_limits(file) {
        let shown = |limits: Vec<TypeLimits>| {
            if as_json { limits_json(&name, &limits).to_string() } else { limits_table(&limits) }
        };
        return said(&name, "the file of limits", limits.map(shown), as_json);
    }
    let shown = |description: Arc<Description>| {
        if as_json { mapped(&name, &description).to_string() } else { table(&description) }
    };
    said(&name, "the description", Registry::check(file).map(shown), as_json)
}

fn said(name: &str, what: &str, said: Result<String, Vec<Fault>>, as_json: bool) -> anyhow::Result<()> {
    match said {
        Ok(said) => Ok(output::line(said)?),
        Err(faults) => {
            output::line(if as_json { refused(name, &faults).to_string() } else { lines(name, &faults) })?;
            match faults.len() {
                1 => bail!("{what} has a fault"),
                many => bail!("{what} has {many} faults"),
            }
        }
    }
}

fn limits_json(file: &str, limits: &[TypeLimits]) -> Value {
    let of_type = |one: &TypeLimits| {
        let processors = one.processors.iter().map(|(id, limits)| (id.to_string(), limits_object(*limits)));
        json!({
            "type": one.type_name, "limits": limits_object(one.limits),
            "processors": processors.collect::<serde_json::Map<_, _>>(),
        })
    };
    json!({ "file": file, "faults": [], "limits": limits.iter().map(of_type).collect::<Vec<_>>() })
}

fn limits_object(limits: HttpLimits) -> Value {
    Value::Object(limits.shown().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// What each processor has that the file names, those limits included that it leaves as they are.
fn limits_table(limits: &[TypeLimits]) -> String {
    if limits.is_empty() {
        return "no limits are set: each processor has those of its description".to_owned();
    }
    let block = |whose: String, limits: HttpLimits| format!("{whose}\n{}", limit_rows(limits).join("\n"));
    let blocks = limits.iter().flat_map(|one| {
        let of_type = block(one.type_name.clone(), one.limits);
        let named =
            |(id, limits): &(ProcessorId, HttpLimits)| block(format!("{} {id}", one.type_name), *limits);
        [of_type].into_iter().chain(one.processors.iter().map(named)).collect::<Vec<_>>()
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn limit_rows(limits: HttpLimits) -> Vec<String> {
    let row = |(name, value): (&str, u64)| format!("{:LABEL_CHARS$} {name} = {value}", "limit");
    limits.shown().into_iter().map(row).collect()
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
        "limits": limits_object(description.limits()),
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
    rows.extend(
        description.limits().shown().into_iter().map(|(name, value)| ("limit", format!("{name} = {value}"))),
    );
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

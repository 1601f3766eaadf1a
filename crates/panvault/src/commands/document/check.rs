//! A description of a PSP, a file of limits, or a directory of both, read as a server would read it: its faults, or what it comes to.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use panvault_processor::card_http::{
    ActSummary, AskSummary, Description, Fault, FileFault, HttpLimits, NotificationSummary, ProcessorLimits,
    Registry, Setting, SettingKind, Summary, TypeLimits,
};
use serde_json::{Value, json};

use crate::output;

/// Characters that labels have room in.
const LABEL_CHARS: usize = 16;

/// Says what is wrong in the file or directory, or what it maps.
pub(super) fn processor_check(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let name = file.display().to_string();
    if file.is_dir() {
        return directory_check(file, &name, as_json);
    }
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

/// All of a directory, as a server takes it or does not.
fn directory_check(directory: &Path, name: &str, as_json: bool) -> anyhow::Result<()> {
    match Registry::load(directory) {
        Ok(registry) if as_json => Ok(output::line(directory_json(name, &registry).to_string())?),
        Ok(registry) => Ok(output::line(directory_table(&registry))?),
        Err(faults) => {
            let many: usize = faults.iter().map(|fault| fault.faults.len()).sum();
            output::line(if as_json {
                json!({ "directory": name, "faults": faults.iter().flat_map(of_file).collect::<Vec<_>>() })
                    .to_string()
            } else {
                let lines = faults.iter().map(|fault| lines(&fault.file, &fault.faults));
                lines.collect::<Vec<_>>().join("\n")
            })?;
            match many {
                1 => bail!("the directory has a fault: a server that it is set for does not start"),
                many => bail!("the directory has {many} faults: a server that it is set for does not start"),
            }
        }
    }
}

fn of_file(fault: &FileFault) -> Vec<Value> {
    let of_line = |one: &Fault| json!({ "file": fault.file, "line": one.line, "what": one.words });
    fault.faults.iter().map(of_line).collect()
}

fn directory_json(name: &str, registry: &Registry) -> Value {
    let files = registry.files().iter().filter_map(|(type_name, file)| {
        let description = registry.of_type(type_name)?;
        Some(mapped(&file.display().to_string(), description))
    });
    let limits = registry.limits_set().map(|(file, limits)| limits_json(&file.display().to_string(), limits));
    json!({ "directory": name, "faults": [], "descriptions": files.collect::<Vec<_>>(), "limits": limits })
}

/// A line for each file, and where the PSP of each is called.
fn directory_table(registry: &Registry) -> String {
    let mut rows = Vec::new();
    for (type_name, file) in registry.files() {
        let Some(description) = registry.of_type(type_name) else { continue };
        let Summary { calls, roots, .. } = description.summary();
        rows.push(("file", file.display().to_string()));
        rows.push(("type", format!("{type_name}, {}", description.title())));
        rows.extend(calls_rows(calls));
        rows.push(("roots", roots_words(roots)));
        rows.push(("", String::new()));
    }
    if let Some((file, limits)) = registry.limits_set() {
        rows.push(("file", file.display().to_string()));
        rows.extend(limits.iter().map(|one| ("limits of", limited(one))));
        rows.push(("", String::new()));
    }
    rows.pop();
    if rows.is_empty() {
        return "no files: a server has the descriptions that come with the program".to_owned();
    }
    labelled(&rows)
}

/// Whose limits are set.
fn limited(limits: &TypeLimits) -> String {
    let ids: Vec<_> = limits.processors.iter().map(|one| one.id.to_string()).collect();
    if ids.is_empty() {
        limits.type_name.clone()
    } else {
        format!("{}, and of its processors {}", limits.type_name, ids.join(", "))
    }
}

/// Where it calls, and for which kind of vault nowhere.
fn calls_rows(calls: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let missing = ["test", "live"].into_iter().filter(|mode| !calls.iter().any(|(known, _)| known == mode));
    let nowhere =
        missing.map(|mode| ("calls", format!("{mode}: nobody; a {mode} vault has no such processor")));
    let nowhere: Vec<_> = nowhere.collect();
    calls.into_iter().map(|(mode, origin)| ("calls", format!("{mode}: {origin}"))).chain(nowhere).collect()
}

fn roots_words(roots: Option<usize>) -> String {
    match roots {
        None => "web: the public authorities".to_owned(),
        Some(1) => "a certificate, and no others".to_owned(),
        Some(many) => format!("{many} certificates, and no others"),
    }
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
        let processors = one.processors.iter().map(|one| (one.id.to_string(), limits_object(one.limits)));
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
        let named = |own: &ProcessorLimits| block(format!("{} {}", one.type_name, own.id), own.limits);
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
    let Summary { calls, roots, idempotency_header, notification, acts, asks, remarks } =
        description.summary();
    let notification = notification.map(|NotificationSummary { scheme, secret, account }| {
        json!({ "scheme": scheme, "secret": secret, "account": account })
    });
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
    let ask = |ask: &AskSummary| json!({ "of": ask.of, "request": ask.request, "pick": ask.pick, "answers": answers(&ask.answers) });
    json!({
        "file": file, "type": description.type_name(), "title": description.title(), "faults": [],
        "can": description.abilities(),
        "calls": calls.into_iter().map(|(mode, origin)| (mode.to_owned(), json!(origin))).collect::<serde_json::Map<_, _>>(),
        "roots": roots.map_or_else(|| json!("web"), |many| json!({ "certificates": many })),
        "idempotency_header": idempotency_header, "notification": notification,
        "limits": limits_object(description.limits()),
        "settings": description.settings().iter().map(setting).collect::<Vec<_>>(),
        "acts": acts.iter().map(act).collect::<Vec<_>>(),
        "asks": asks.iter().map(ask).collect::<Vec<_>>(),
        "remarks": remarks,
    })
}

fn table(description: &Description) -> String {
    let Summary { calls, roots, idempotency_header, notification, acts, asks, remarks } =
        description.summary();
    let mut rows = vec![
        ("type", description.type_name()),
        ("title", description.title().to_owned()),
        ("can", description.abilities().join(", ")),
    ];
    rows.extend(calls_rows(calls));
    rows.push(("roots", roots_words(roots)));
    rows.push((
        "idempotency",
        idempotency_header.unwrap_or_else(|| "none: no header has the name of an act".to_owned()),
    ));
    rows.push((
        "notification",
        match notification {
            None => "none: it is told nothing".to_owned(),
            Some(NotificationSummary { scheme, secret, account: None }) => {
                format!("{scheme}, signed with {secret}")
            }
            Some(NotificationSummary { scheme, secret, account: Some(account) }) => {
                format!("{scheme}, signed with {secret}, of the account in {account}")
            }
        },
    ));
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
        if !act.reads.is_empty() {
            rows.push(("reads", act.reads.join(", ")));
        }
    }
    for ask in asks {
        rows.push(("", String::new()));
        rows.push(("asks about", format!("{}, {}", ask.of.join(", "), ask.request)));
        rows.extend(ask.pick.map(|pick| ("picks", pick)));
        rows.extend(ask.answers.iter().map(|(when, verdict)| (*verdict, when.clone())));
    }
    if !remarks.is_empty() {
        rows.push(("", String::new()));
    }
    rows.extend(remarks.into_iter().map(|remark| ("remark", remark)));
    labelled(&rows)
}

fn labelled(rows: &[(&str, String)]) -> String {
    let line = |(label, text): &(&str, String)| format!("{label:LABEL_CHARS$} {text}").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

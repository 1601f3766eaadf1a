use panvault_store_embedded::Settings;
use serde_json::{Map, Value, json};

use crate::cli::ConfigCommand;
use crate::config::{self, Origin};
use crate::{memory, output};

/// Prints every setting as it would stand in a file, with its origin, and what memory they come to. Faults are said afterwards instead, and
/// are an error.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Print(shared) = command;
    let settings = config::shown(&shared.settings, &[]);
    if shared.json {
        output::line(as_json(settings).to_string())?;
        return config::read(&shared.settings, &[]).map(drop);
    }
    for shown in settings {
        let value =
            if shown.setting.bare { shown.value } else { toml::Value::String(shown.value).to_string() };
        let from = origin(&shown.origin);
        output::line(format!("# {}\n{} = {value}  # {from}", shown.setting.doc, shown.setting.name))?;
    }
    let config = config::read(&shared.settings, &[])?;
    Ok(output::line(memory::page(&config, &Settings::default()).trim_end())?)
}

/// One object: each setting with its value and where that is from. What is no number, true or false is the text that was given.
fn as_json(settings: Vec<config::Shown>) -> Value {
    let setting = |shown: config::Shown| {
        let bare = shown.setting.bare.then(|| serde_json::from_str(&shown.value).ok()).flatten();
        let value = bare.unwrap_or(Value::String(shown.value));
        (shown.setting.name.to_owned(), json!({ "value": value, "source": origin(&shown.origin) }))
    };
    Value::Object(settings.into_iter().map(setting).collect::<Map<_, _>>())
}

fn origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Flag => "flag",
        Origin::Environment => "environment",
        Origin::File { .. } => "file",
        Origin::Default => "default",
    }
}

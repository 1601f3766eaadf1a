use panvault_store_embedded::Settings;

use crate::cli::ConfigCommand;
use crate::config::{self, Origin};
use crate::{memory, output};

/// Prints every setting as it would stand in a file, with its origin, and what memory they come to. Faults are said afterwards instead, and
/// are an error.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Print(settings) = command;
    for shown in config::shown(settings, &[]) {
        let value =
            if shown.setting.bare { shown.value } else { toml::Value::String(shown.value).to_string() };
        let from = match shown.origin {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::File { .. } => "file",
            Origin::Default => "default",
        };
        output::line(format!("# {}\n{} = {value}  # {from}", shown.setting.doc, shown.setting.name))?;
    }
    let config = config::read(settings, &[])?;
    Ok(output::line(memory::page(&config, &Settings::default()).trim_end())?)
}

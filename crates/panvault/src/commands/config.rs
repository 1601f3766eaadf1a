use crate::cli::ConfigCommand;
use crate::config::{self, Origin};
use crate::output;

/// Prints every setting as it would stand in a file, with its origin; faults are said afterwards, and are an error.
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
    config::read(settings, &[]).map(drop)
}

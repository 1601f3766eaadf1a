use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};

use crate::cli;
use crate::config::Origin;
use crate::config::table::SETTINGS;

const PREFIX: &str = "PANVAULT_";

/// The text of every setting that some source sets.
#[derive(Debug)]
pub(super) struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    pub(super) fn read(settings: &cli::Settings, flags: &[(&'static str, String)]) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
        let environment = std::env::vars();
        let file = match &settings.config {
            Some(path) => Some(file(path)?),
            None => None,
        };
        let mut values = Self(BTreeMap::new());
        values.take(file.unwrap_or_default(), &Origin::File)?;
        values.take(of_environment(environment), &Origin::Environment)?;
        let mut given: Vec<(String, String)> =
            flags.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if let Some(data) = &settings.data {
            given.push(("data_directory".to_owned(), path_text(data)?));
        }
        for pair in &settings.set {
            let (name, value) = pair.split_once('=').context("--set takes NAME=VALUE")?;
            given.push((name.to_owned(), value.to_owned()));
        }
        values.take(given, &Origin::Flag)?;
        Ok(values)
    }

    /// The value of a setting, and where it came from.
    pub(super) fn of(&self, name: &str) -> (String, Origin) {
        let default = || {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            (setting.map_or("", |setting| setting.default).to_owned(), Origin::Default)
        };
        self.0.get(name).cloned().unwrap_or_else(default)
    }

    fn take(&mut self, given: Vec<(String, String)>, origin: &Origin) -> anyhow::Result<()> {
        for (name, value) in given {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                let from = match origin {
                    Origin::Flag => "--set",
                    Origin::Environment => "the environment",
                    Origin::File | Origin::Default => "the configuration file",
                };
                bail!(
                    "{from} has a setting that does not exist: {name}; panvault config print lists all of them"
                );
            };
            self.0.insert(setting.name, (value, origin.clone()));
        }
        Ok(())
    }
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).context("a path must be UTF-8")
}

fn of_environment(environment: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    environment.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_lowercase(), value))).collect()
}

/// The file is flat: `name = value`. Relative paths in it are relative to the file.
fn file(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    let table: toml::Table =
        text.parse().with_context(|| format!("the configuration file {} is not TOML", path.display()))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut values = Vec::with_capacity(table.len());
    for (name, value) in table {
        let value = match value {
            toml::Value::String(text) if is_path(&name) && !text.is_empty() => {
                path_text(&directory.join(text))?
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                bail!(
                    "the configuration file {}: {name} must be a text, a number or true or false",
                    path.display()
                )
            }
        };
        values.push((name, value));
    }
    Ok(values)
}

fn is_path(name: &str) -> bool {
    name.ends_with("_file") || name.ends_with("_directory")
}

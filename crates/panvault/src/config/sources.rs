use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::cli;
use crate::config::table::{SETTINGS, Setting};
use crate::config::{Origin, environment, file};

/// Bytes of an unknown name that is repeated; keys are longer.
const NAME_BYTES_MAX: usize = 40;
/// So many digits in a name could be a part of a card number.
const NAME_DIGITS_END: usize = 6;
const LIST: &str = "panvault config print lists all settings";

/// The text of every setting that some source sets, and what is wrong with the sources themselves.
#[derive(Debug, Default)]
pub(super) struct Values {
    set: BTreeMap<&'static str, (String, Origin)>,
    /// Each names its place, and never a value.
    pub(super) faults: Vec<String>,
    /// A file was named and nothing of it is known, so that what is missing may be in it.
    pub(super) file_unread: bool,
}

impl Values {
    pub(super) fn read(settings: &cli::Settings, flags: &[(&'static str, String)]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
        let environment = std::env::vars_os();
        Self::from_sources(settings, flags, environment)
    }

    pub(super) fn from_sources(
        settings: &cli::Settings,
        flags: &[(&'static str, String)],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut values = Self::default();
        if let Some(path) = &settings.config {
            values.take_file(path);
        }
        values.take_environment(environment);
        values.take_flags(settings, flags);
        values
    }

    /// The value of a setting, and where it came from.
    pub(super) fn of(&self, name: &str) -> (String, Origin) {
        let default = || {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            (setting.map_or("", |setting| setting.default).to_owned(), Origin::Default)
        };
        self.set.get(name).cloned().unwrap_or_else(default)
    }

    fn take_file(&mut self, path: &Path) {
        match file::read(path) {
            Ok(found) => {
                self.faults.extend(found.faults);
                for entry in found.entries {
                    let file::Entry { name, line, value } = entry;
                    let place = format!("line {line} of {}", path.display());
                    let Some(setting) = setting(&name) else {
                        self.faults.push(format!(
                            "{place} has a setting that does not exist: {}; {LIST}",
                            shown(&name)
                        ));
                        continue;
                    };
                    match value {
                        Ok(value) => self.put(setting, value, Origin::File { line }),
                        Err(what) => self.faults.push(format!("the setting {name} ({place}) {what}")),
                    }
                }
            }
            Err(what) => {
                self.file_unread = true;
                self.faults.push(format!("the configuration file {} {what}", path.display()));
            }
        }
    }

    fn take_environment(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut found: Vec<_> = environment
            .into_iter()
            .filter_map(|(name, value)| environment::variable(name.as_encoded_bytes(), &value))
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        for variable in found {
            let environment::Variable { name, what } = variable;
            match what {
                environment::What::Setting(setting, Some(value)) => {
                    self.put(setting, value, Origin::Environment);
                }
                environment::What::Setting(_, None) => {
                    self.faults.push(format!("{name} in the environment must be UTF-8"));
                }
                environment::What::Unknown => self.faults.push(format!(
                    "the environment has a variable of no setting: {}; {LIST}, and a variable is PANVAULT_ and its \
                     name in capitals",
                    shown(&name)
                )),
            }
        }
    }

    fn take_flags(&mut self, settings: &cli::Settings, flags: &[(&'static str, String)]) {
        let given = flags.iter().map(|(name, value)| (*name, Some(value.clone())));
        let data = settings.data.as_ref().map(|path| ("data_directory", path.to_str().map(str::to_owned)));
        for (name, value) in given.chain(data) {
            match (setting(name), value) {
                (Some(setting), Some(value)) => self.put(setting, value, Origin::Flag),
                (_, _) => self.faults.push("--data must be UTF-8".to_owned()),
            }
        }
        for pair in &settings.set {
            match pair.split_once('=') {
                None => self.faults.push("--set takes NAME=VALUE".to_owned()),
                Some((name, value)) => match setting(name) {
                    Some(setting) => self.put(setting, value.to_owned(), Origin::Flag),
                    None => {
                        let name = shown(name);
                        self.faults.push(format!("--set has a setting that does not exist: {name}; {LIST}"));
                    }
                },
            }
        }
    }

    fn put(&mut self, setting: &'static Setting, value: String, origin: Origin) {
        self.set.insert(setting.name, (value, origin));
    }
}

/// An unknown name as it may be repeated: not one that could be a key, a card number, or what a terminal obeys.
fn shown(name: &str) -> &str {
    let plain = name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && name.bytes().filter(u8::is_ascii_digit).count() < NAME_DIGITS_END;
    if plain { name } else { "…" }
}

pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

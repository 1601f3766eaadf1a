use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::config::judged;

/// What a configuration file sets. It is flat: `name = value`. Relative paths in it are relative to the file.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// Places that are not TOML.
    pub(super) faults: Vec<String>,
}

/// A line of it.
pub(super) struct Entry {
    pub(super) name: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// The value as text, or what is wrong with it.
    pub(super) value: Result<String, String>,
}

/// Reads a file, or says why it cannot be read. Its words are left out of what is wrong: one of them may be a key.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let bytes = judged::read(path)?;
    let Ok(text) = core::str::from_utf8(&bytes) else { return Err("must be UTF-8".to_owned()) };
    let directory = path.parent().unwrap_or(Path::new(""));
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults = Vec::new();
    for error in errors {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let fault = format!(
            "line {line} of {} is not TOML: a setting is name = value, a text stands in quotes, and a name comes once",
            path.display()
        );
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let mut entries: Vec<Entry> = table
        .into_inner()
        .into_iter()
        .map(|(name, value)| {
            let line = line_of(text, name.span().start);
            let name = name.into_inner().into_owned();
            let value = value_text(&name, value.into_inner(), directory);
            Entry { name, line, value }
        })
        .collect();
    entries.sort_by_key(|entry| entry.line);
    Ok(Found { entries, faults })
}

fn value_text(name: &str, value: DeValue<'_>, directory: &Path) -> Result<String, String> {
    match value {
        DeValue::String(text) if is_path(name) && !text.is_empty() => {
            let path = directory.join(text.as_ref());
            path.to_str().map(str::to_owned).ok_or_else(|| "must be a path in UTF-8".to_owned())
        }
        DeValue::String(text) => Ok(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "is too large a number".to_owned()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err("must be a text, a number, or true or false".to_owned())
        }
    }
}

fn is_path(name: &str) -> bool {
    name.ends_with("_file") || name.ends_with("_directory")
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

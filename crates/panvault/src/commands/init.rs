mod ceremony;
mod shared;

use std::path::{Path, PathBuf};

use anyhow::ensure;

use panvault_store_embedded::Settings;
use panvault_vault::Mode;

use crate::cli::{Init, ModeArg};
use crate::config::SETTINGS;
use crate::data::{self, write_private};
use crate::output;

/// Makes a vault, its key file and a configuration file to start from.
pub(crate) fn run(args: &Init) -> anyhow::Result<()> {
    let mode = match args.mode {
        ModeArg::Test => Mode::Test,
        ModeArg::Live => Mode::Live,
    };
    let data = std::path::absolute(&args.data)?;
    if args.ceremony {
        return ceremony::run(args, mode, &data);
    }
    let slot_key_file = slot_key_place(&data, args.slot_key_file.as_deref())?;
    if let Some(store) = &args.store {
        return shared::run(args, store, mode, &data, &slot_key_file);
    }
    data::is_free_for_a_vault(&data)?;
    let config = free_config_place(&data)?;
    let relative = |path: &Path| relative_to_config(path, &data);
    let wal = log_place(args, &data)?;
    let mut set = vec![("data_directory", relative(&data)), ("slot_key_file", relative(&slot_key_file))];
    set.extend(wal.as_deref().map(|wal| ("wal_directory", relative(wal))));
    let mut written = false;
    let store = Settings { log_directory: wal, ..Settings::default() };
    data::create(&data, mode, &slot_key_file, &store, |_| {
        write_private(&config, configuration(&set).as_bytes())?;
        written = true;
        // All is there but for its name: a vault of which nobody could be told where its key is, is not made.
        output::show(made(args.json, &data, mode, &slot_key_file, &config))
    })
    .inspect_err(|_| {
        if written {
            drop(std::fs::remove_file(&config));
        }
    })
}

/// What is said of a vault.
fn made(as_json: bool, data: &Path, mode: Mode, slot_key_file: &Path, configuration: &Path) -> String {
    if as_json {
        return serde_json::json!({
            "data": data, "mode": data::mode_name(mode), "slot_key_file": slot_key_file, "config": configuration,
        })
        .to_string();
    }
    format!(
        "Made a {} vault in {data}.\n\
         Its key file is {key}. Keep a copy where the backups of the vault are not: without the key, \
         nothing in the vault opens.\n\n\
         Next, make who owns cards, and a key to call with:\n\n  \
         panvault organisation create --config {configuration} --name 'Example Ltd'\n  \
         panvault apikey create --config {configuration} --organisation ID --name server --role MerchantAdmin\n\n\
         Then serve it:\n\n  panvault serve --config {configuration}",
        data::mode_name(mode),
        data = data.display(),
        key = slot_key_file.display(),
        configuration = configuration.display(),
    )
}

/// Where the key file goes: where it was asked for, or beside the vault, and never into it.
pub(super) fn slot_key_place(data: &Path, wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let slot_key_file = match wanted {
        Some(file) => std::path::absolute(file)?,
        None => data::slot_key_beside(data)?,
    };
    ensure!(
        !slot_key_file.starts_with(data),
        "the key file must not be in the vault's directory: who gets a copy of that must not get the key; \
         name another place with --slot-key-file"
    );
    Ok(slot_key_file)
}

/// Where the settings of a vault go, if nothing is there.
fn free_config_place(data: &Path) -> anyhow::Result<PathBuf> {
    let config = config_place(data)?;
    is_free(&config, "the settings")?;
    Ok(config)
}

/// Whether nothing is in the way of a file beside the vault that is to be made.
fn is_free(file: &Path, what: &str) -> anyhow::Result<()> {
    ensure!(
        file.symlink_metadata().is_err(),
        "{} is there already, perhaps {what} of another vault, and is not overwritten: move it away, or name another directory",
        file.display()
    );
    Ok(())
}

/// Where the log goes, if not into the vault's directory.
fn log_place(args: &Init, data: &Path) -> anyhow::Result<Option<PathBuf>> {
    let wal = args.wal_directory.as_deref().map(std::path::absolute).transpose()?;
    ensure!(
        wal.as_ref().is_none_or(|wal| !wal.starts_with(data)),
        "the log is in the vault's directory by itself: leave --wal-directory out, or name a directory elsewhere"
    );
    Ok(wal)
}

/// A path as it stands in the settings. They are beside the vault, not in it: who can write there is not to say what is served, and with which key.
fn relative_to_config(path: &Path, data: &Path) -> String {
    match path.strip_prefix(data.parent().unwrap_or(Path::new("/"))) {
        Ok(name) => name.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

/// Where the settings of a vault go: beside it, under its name.
pub(super) fn config_place(data: &Path) -> anyhow::Result<PathBuf> {
    data::named_beside(data, ".settings.toml")
}

/// A file with every setting: those that are set, and the others at their defaults in comments.
pub(super) fn configuration(set: &[(&str, String)]) -> String {
    let mut text = String::from("# Settings of this vault. Relative paths are relative to this file.\n");
    for setting in SETTINGS {
        let set = set.iter().find(|(name, _)| *name == setting.name).map(|(_, value)| value.as_str());
        let (comment, value) = match set {
            Some(value) => ("", value),
            None => ("# ", setting.default),
        };
        let value = if setting.bare { value.to_owned() } else { toml::Value::from(value).to_string() };
        text.push_str(&format!("\n# {}\n{comment}{} = {value}\n", setting.doc, setting.name));
    }
    text
}

//! A vault in a database, which several nodes may share.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_vault::Mode;

use crate::cli::{self, Init};
use crate::commands::init::{config_place, configuration, free_config_place, relative_to_config};
use crate::commands::runtime;
use crate::config::{self, Cvvs, SETTINGS, Shared};
use crate::data::{self, write_private};
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Makes the vault in the database, its key file, and the directory and settings of its first node.
pub(super) fn run(
    args: &Init,
    store: &str,
    mode: Mode,
    data: &Path,
    slot_key_file: &Path,
) -> anyhow::Result<()> {
    // What an earlier try left, of which it was not known whether it had come through.
    let is_begun = data::NodeDirectory::is_unfinished(data);
    let config = if is_begun { config_place(data)? } else { free_config_place(data)? };
    let set: Vec<String> =
        core::iter::once(format!("store={store}")).chain(args.set.iter().cloned()).collect();
    let settings = cli::Settings { config: None, data: Some(data.to_owned()), set };
    for (name, flag) in
        [("data_directory", "DIR"), ("slot_key_file", "--slot-key-file"), ("store", "--store")]
    {
        let is_set = args.set.iter().any(|pair| pair.split_once('=').is_some_and(|(set, _)| set == name));
        ensure!(!is_set, "{name} is what {flag} says: leave it out of --set");
    }
    let shared = config::read(&settings, &[])?.shared.context("store names no database")?;
    telemetry::start("warn", LogFormat::Text)?;
    let written = configuration(&written(&settings.set, data, slot_key_file)?);
    let is_there = is_begun && config.exists();
    ensure!(
        !is_there || fs::read(&config).is_ok_and(|there| there == written.as_bytes()),
        "{} is there already, of a vault that was begun and not finished, and says otherwise: give the same settings, or remove it",
        config.display()
    );
    let mut is_written = false;
    let made = runtime()?.block_on(data::create_shared(data, mode, slot_key_file, &shared, || {
        if !is_there {
            write_private(&config, written.as_bytes())?;
            is_written = true;
        }
        // All is there but the row that makes it a vault: one of which nobody could be told where its key is, is not made.
        output::show(said(args.json, &shared, data, mode, slot_key_file, &config))
    }));
    // Where it may be there all the same, its key is kept, and the settings with it.
    made.inspect_err(|_| {
        if is_written && !slot_key_file.exists() {
            drop(fs::remove_file(&config));
        }
    })
}

/// What stands in the settings. Paths that were given are relative to where the command was run, and those in the file to the file.
fn written(set: &[String], data: &Path, slot_key_file: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let relative = |path: &Path| relative_to_config(path, data);
    let mut written = vec![("data_directory", relative(data)), ("slot_key_file", relative(slot_key_file))];
    for (name, value) in set.iter().filter_map(|pair| pair.split_once('=')) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else { continue };
        let is_path = name.ends_with("_file") || name.ends_with("_directory");
        let value = if is_path && !value.is_empty() {
            relative(&std::path::absolute(value)?)
        } else {
            value.to_owned()
        };
        written.retain(|(there, _)| *there != name);
        written.push((setting.name, value));
    }
    Ok(written)
}

/// What is said of the vault and its first node.
fn said(
    as_json: bool,
    shared: &Shared,
    data: &Path,
    mode: Mode,
    slot_key_file: &Path,
    configuration: &Path,
) -> String {
    if as_json {
        return serde_json::json!({
            "store": shared.store.to_string(), "data": data, "mode": data::mode_name(mode), "slot_key_file": slot_key_file,
            "config": configuration,
        })
        .to_string();
    }
    let nodes = match &shared.cvvs {
        Cvvs::Server(_) => format!(
            "Every further node has a directory of its own, and copies of the key file and of the settings, with\n\
             data_directory and slot_key_file changed where they are elsewhere:\n\n  \
             panvault serve --config {}",
            configuration.display()
        ),
        Cvvs::InProcess => "CVVs are held in the process of this node, so there must be no other: before there is one, set cvv_store\n\
                            in place of nodes = \"one\"."
            .to_owned(),
    };
    format!(
        "Made a {mode} vault in the database at {store}.\n\
         Its key file is {key}. Keep a copy where the backups of the database are not: without the key, \
         nothing in the vault opens.\n\n\
         The directory of this node is {data}. Make who owns cards, and a key to call with:\n\n  \
         panvault organisation create --config {configuration} --name 'Example Ltd'\n  \
         panvault apikey create --config {configuration} --organisation ID --name server --role MerchantAdmin\n\n\
         Then serve it:\n\n  panvault serve --config {configuration}\n\n{nodes}",
        mode = data::mode_name(mode),
        store = shared.store,
        data = data.display(),
        key = slot_key_file.display(),
        configuration = configuration.display(),
    )
}

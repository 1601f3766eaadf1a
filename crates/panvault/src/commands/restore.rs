//! Makes a vault of a backup, or reads a backup whole.

use std::path::Path;

use panvault_keys::Slot;
use serde_json::json;

use crate::cli::Restore;
use crate::commands::runtime;
use crate::commands::slot::key;
use crate::config::{self, Config};
use crate::data::backup::{Verified, found, restore, verify};
use crate::data::{DataDirectory, OpenSettings, Place, served_by, slot_key_beside};
use crate::telemetry::{self, LogFormat};
use crate::{harden, output};

pub(crate) fn run(args: &Restore) -> anyhow::Result<()> {
    let config = config::read(&args.by.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let backup = found(&args.backup)?;
    let path = std::path::absolute(&config.data_directory)?;
    let verified = runtime()?.block_on(async {
        let slot = slot(args, &backup, &config).await?;
        if args.verify {
            return tokio::task::block_in_place(|| verify(&backup, slot.as_ref()));
        }
        let settings = OpenSettings { processors: config.processors.clone(), ..OpenSettings::default() };
        restore(&backup, &path, slot.as_ref(), &settings).await
    })?;
    let Verified { manifest, cards, transactions, refunds, customers } = verified;
    let rows =
        format!("{cards} cards, {transactions} transactions, {refunds} refunds, {customers} customers");
    if args.json {
        let value = json!({
            "backup": manifest.id.to_string(), "vault": manifest.vault.to_string(), "made_at": manifest.made_at.to_string(),
            "version": manifest.version, "order": manifest.order, "cards": cards, "transactions": transactions, "refunds": refunds,
            "customers": customers, "restored_to": (!args.verify).then(|| path.display().to_string()),
        });
        return Ok(output::line(value.to_string())?);
    }
    if args.verify {
        return Ok(output::line(format!(
            "{} is whole: {rows}, as of {} (step {}). Nothing was made.",
            backup.display(),
            manifest.made_at,
            manifest.order
        ))?);
    }
    Ok(output::line(format!(
        "{} is the vault again as of {}: {rows}.\n\
         What was done after that is not in it: API keys that were revoked since are valid again, and what was deleted since is there again. Do that anew before you\n\
         serve it, which {} does.",
        path.display(),
        manifest.made_at,
        served_by(&path)
    ))?)
}

/// What opens the backup: what is said, else the key file beside the place of the vault.
async fn slot(args: &Restore, backup: &Path, config: &Config) -> anyhow::Result<Box<dyn Slot>> {
    let place = Place::Directory(DataDirectory::of_backup(backup)?);
    let file = match &config.slot_key_file {
        Some(named) => named.clone(),
        None => slot_key_beside(&config.data_directory)?,
    };
    let config = Config { slot_key_file: Some(file), ..config.clone() };
    key::slot(&args.by, &place, &config).await
}

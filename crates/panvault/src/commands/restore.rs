//! Makes a vault of a backup, or reads a backup whole; or makes a database that was put back fit to be served, and holds it against a backup.

use std::path::Path;

use anyhow::Context;
use panvault_keys::Slot;
use panvault_model::Id;
use serde_json::{Value, json};

use crate::cli::Restore;
use crate::commands::progress::Counted;
use crate::commands::runtime;
use crate::commands::slot::key;
use crate::config::{self, Config};
use crate::data::backup::{
    Applied, Export, RestoredVault, Series, Since, Verified, restore, restore_database, verify,
    verify_database,
};
use crate::data::{DataDirectory, NodeDirectory, OpenSettings, Place, parent, served_by, slot_key_beside};
use crate::telemetry::{self, LogFormat};
use crate::trail::public_keys;
use crate::{harden, output};

pub(crate) fn run(args: &Restore) -> anyhow::Result<()> {
    let config = config::read(&args.by.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let series = Series::found(&args.backups)?;
    let backup = series.newest()?.to_owned();
    let path = std::path::absolute(&config.data_directory)?;
    let export = export(args)?;
    let mut progress = Counted::new("rows read");
    let mut at = |rows| progress.at(rows);
    let restored = runtime()?.block_on(async {
        let slot = slot(args, &backup, &config).await?;
        let slot = slot.as_ref();
        let node = config.shared.as_ref().map(|shared| NodeDirectory::find(&path, shared)).transpose()?;
        if args.verify {
            let verified = match &node {
                Some(node) => verify_database(&backup, slot, node, &mut at).await?,
                None => tokio::task::block_in_place(|| verify(&series, slot, parent(&path)))?,
            };
            let since = tokio::task::block_in_place(|| {
                export.as_ref().map(|export| export.since(&verified)).transpose()
            })?;
            return Ok(RestoredVault { verified, since: since.map(|since| (since, Applied::default())) });
        }
        let settings = OpenSettings { processors: config.processors.clone(), ..OpenSettings::default() };
        match node {
            // What opens a vault is large: it lies apart.
            Some(node) => {
                Box::pin(restore_database(&backup, slot, node, &settings, export.as_ref(), &mut at)).await
            }
            None => restore(&series, &path, slot, &settings, export.as_ref()).await,
        }
    });
    progress.end();
    let RestoredVault { verified, since } = restored?;
    let Verified { manifest, records, cards, transactions, refunds, customers, heads: _ } = verified;
    let to = match &config.shared {
        Some(shared) => format!("the database at {}", shared.store),
        None => path.display().to_string(),
    };
    let rows =
        format!("{cards} cards, {transactions} transactions, {refunds} refunds, {customers} customers");
    if args.json {
        let value = json!({
            "backup": manifest.id.to_string(), "vault": manifest.vault.to_string(), "made_at": manifest.made_at.to_string(),
            "version": manifest.version, "base": manifest.base.as_ref().map(|base| base.id.to_string()), "order": manifest.order, "records": records, "cards": cards, "transactions": transactions, "refunds": refunds,
            "customers": customers, "restored_to": (!args.verify).then(|| config.shared.as_ref().map_or_else(|| path.display().to_string(), |shared| shared.store.to_string())),
            "trail": since.as_ref().map(|(since, applied)| trail_value(since, applied)),
        });
        return Ok(output::line(value.to_string())?);
    }
    let (shown, made_at, order) = (backup.display(), manifest.made_at, manifest.order);
    match (&config.shared, args.verify) {
        (None, true) => {
            output::line(format!(
                "{shown} is whole: {rows}, as of {made_at} (step {order}). Nothing was made."
            ))?;
        }
        (None, false) => output::line(format!("{to} is the vault again as of {made_at}: {rows}."))?,
        (Some(_), is_verify) => {
            let more = records.saturating_sub(order);
            let done = if is_verify { "Nothing was changed." } else { "It may be served again." };
            output::line(format!(
                "{to} has all that {shown} tells of, and each row is as the vault wrote it last: {rows}. The backup is of {made_at}, with {order} records of the trail; {more} came behind it. {done}"
            ))?;
        }
    }
    match &since {
        Some((since, applied)) => trail_lines(since, applied, args.verify)?,
        None if args.verify => {}
        None => output::line(format!(
            "What was done after that is not in it: API keys that were revoked since are valid again, and what was deleted since is there again. Do that anew before you\n\
             serve it, which {} does.",
            served(&path, config.shared.is_some())
        ))?,
    }
    Ok(())
}

/// The command that serves it.
fn served(path: &Path, is_shared: bool) -> String {
    if is_shared { "panvault serve with the settings of a node".to_owned() } else { served_by(path) }
}

/// The exported trail that is named.
fn export(args: &Restore) -> anyhow::Result<Option<Export>> {
    if args.trail.is_empty() {
        return Ok(None);
    }
    let accepted = args.accept_older.as_deref().map(Id::parse).transpose();
    Ok(Some(Export {
        files: args.trail.clone(),
        keys: public_keys(&args.key)?,
        identities: args.identity.clone(),
        accept_older: accepted
            .ok()
            .context("--accept-older must be the id of a backup: 24 hexadecimal digits")?,
        accept_unapplied: args.accept_unapplied.iter().copied().collect(),
    }))
}

fn trail_value(since: &Since, applied: &Applied) -> Value {
    let unapplied: Vec<_> = applied
        .unapplied
        .iter()
        .map(|one| {
            json!({ "record": one.sequence, "action": one.action, "object": one.object, "why": one.why })
        })
        .collect();
    json!({
        "records": since.summary.records, "last_place": since.last.0, "last_at": since.last.1, "unproven": since.summary.unproven,
        "applied": applied.done, "unapplied": unapplied, "not_in_backup": since.not_in_backup(),
    })
}

/// What the exported trail said of the time after the backup.
fn trail_lines(since: &Since, applied: &Applied, verify: bool) -> anyhow::Result<()> {
    let counted = |counts: &mut dyn Iterator<Item = String>| counts.collect::<Vec<_>>().join(", ");
    let (place, at) = &since.last;
    output::line(format!("The exported trail goes on to record {place} of the vault, of {at}."))?;
    let done = counted(&mut applied.done.iter().map(|(what, count)| format!("{what}: {count}")));
    if !done.is_empty() {
        output::line(format!("What it says has ended since has ended here too: {done}."))?;
    } else if !verify {
        output::line("It says of nothing in the backup that it has ended since.")?;
    }
    for one in &applied.unapplied {
        let (record, action, object, why) = (one.sequence, &one.action, &one.object, &one.why);
        output::line(format!("Left to you: record {record}, {action} of {object}: {why}"))?;
    }
    let lost = since.not_in_backup();
    let lost = counted(&mut lost.iter().map(|(action, count)| format!("{count} {action}")));
    if !lost.is_empty() {
        output::line(format!("Done since and not in the backup: {lost}."))?;
    }
    if since.summary.unproven > 0 {
        let unproven = since.summary.unproven;
        output::line(format!(
            "{unproven} records behind the last checkpoint are proved by nothing, and nothing of them was applied: look at them yourself."
        ))?;
    }
    Ok(())
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

//! Makes a backup of a vault: asks the server that has it, or does it where none has.

use std::path::Path;

use anyhow::{Context, bail};
use panvault_server::BackupMade;
use panvault_vault::{Permit, VaultBackup};
use serde_json::{Value, json};

use crate::cli::Backup;
use crate::client::Client;
use crate::commands::runtime;
use crate::data::Place;
use crate::process::shown;
use crate::telemetry::{self, LogFormat};
use crate::{config, harden, output};

pub(crate) fn run(args: &Backup) -> anyhow::Result<()> {
    let config = config::read(&args.shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let destination = std::path::absolute(&args.destination)?;
    let since = args.since.as_deref().map(std::path::absolute).transpose()?;
    let place = Place::of(&config)?;
    let made = runtime()?.block_on(async {
        let mut client = Client::begin(&config).await?;
        // The server that has the vault when it begins makes it, or nobody.
        client.stay();
        let made = match client.own() {
            None => {
                let text = |path: &Path| {
                    path.to_str().map(str::to_owned).context("the name of the directory is no text")
                };
                asked(&mut client, &text(&destination)?, since.as_deref().map(text).transpose()?).await
            }
            Some(open) => {
                let permit: Permit<VaultBackup> = open.operator()?.permit()?;
                open.backups(place.path()).make(&permit, &destination, since.as_deref()).await.map(shown)
            }
        };
        client.end().await;
        made
    })?;
    for unfinished in &made.unfinished {
        output::note(format!("{unfinished} was begun and never finished: it is no backup; remove it"));
    }
    if let Some(why) = &made.full_because {
        output::note(format!("this is a full backup, for {why}"));
    }
    let BackupMade { path, id, order, bytes, base, full_because, unfinished: _ } = made;
    if args.shared.json {
        let value = json!({ "path": path, "backup": id, "order": order, "bytes": bytes, "base": base, "full_because": full_because });
        return Ok(output::line(value.to_string())?);
    }
    if let Some(shared) = &config.shared {
        return Ok(output::line(format!(
            "{path}: the keys of the vault, and how far the trail had come, {order} records. The rows are in the database at {}: a dump or base backup of it that is begun from now on \
             is held against this by panvault restore. Keep the two together, and the slot key apart.",
            shared.store
        ))?);
    }
    if let Some(base) = base {
        return Ok(output::line(format!(
            "{path}: the steps of the vault behind backup {base}, up to step {order}, {bytes} bytes. It is worth nothing without that backup and all that it goes on from: keep them together, and a \
             slot key apart."
        ))?);
    }
    Ok(output::line(format!(
        "{path}: all {order} steps of the vault, {bytes} bytes. No slot key is in it, and without one nothing in it opens: keep one apart."
    ))?)
}

async fn asked(client: &mut Client, destination: &str, since: Option<String>) -> anyhow::Result<BackupMade> {
    let since = since.map_or_else(String::new, |since| format!("&since={}", encoded(&since)));
    let path = format!("/local/backup?destination={}{since}", encoded(destination));
    let answer = client.post(&path, &json!({})).await?;
    if answer.get("done").and_then(Value::as_bool) != Some(true) {
        bail!("{}", answer.get("said").and_then(Value::as_str).unwrap_or("the server made no backup"));
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let unfinished = answer.get("unfinished").and_then(Value::as_array).into_iter().flatten();
    let made = || {
        Some(BackupMade {
            path: text("path")?,
            id: text("backup")?,
            order: number("order")?,
            bytes: number("bytes")?,
            base: text("base"),
            full_because: text("full_because"),
            unfinished: unfinished.filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        })
    };
    made().context("the server's answer cannot be read")
}

/// A value of a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

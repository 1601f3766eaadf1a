//! An exported trail, held against public keys alone.

use std::path::PathBuf;
use std::process::ExitCode;

use panvault_keys::{HandOver, VaultKeyDescription, VaultKeys, VaultPurpose};
use panvault_trail::{Fault, Restored, key_id};
use serde_json::{Value, json};

use crate::cli::Shared;
use crate::client::Client;
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::{DataDirectory, Place};
use crate::output;
use crate::telemetry::{self, LogFormat};
use crate::trail::{Exported, exported, identities, public_keys};

/// Reads files as one export, in the order in which they are named.
pub(super) fn verify(
    files: &[PathBuf],
    keys: &[String],
    identity: &[PathBuf],
    shared: &Shared,
) -> anyhow::Result<ExitCode> {
    let Exported { summary, sealed, fault: found } =
        exported(files, public_keys(keys)?, identities(identity)?, &mut |_, _| ())?;
    let is_whole = found.is_none() && summary.checkpoints > 0;
    let none =
        (found.is_none() && summary.checkpoints == 0).then_some("there is no checkpoint: nothing is proved");
    if shared.json {
        let finding = found.as_ref().map(|(place, fault)| {
            let file = files.get(place.file).map(|path| path.display().to_string());
            json!({ "file": file, "line": place.line, "what": fault.to_string() })
        });
        let restored: Vec<_> = summary.restored.iter().map(restored_value).collect();
        let findings: Vec<Value> =
            finding.into_iter().chain(none.map(|what| json!({ "what": what }))).collect();
        let value = json!({
            "verified": is_whole,
            "vault": summary.vault,
            "records": summary.records,
            "first": summary.first,
            "last": summary.last,
            "checkpoints": summary.checkpoints,
            "proved_at": summary.proved_at,
            "unproven": summary.unproven,
            "restored": restored,
            "encrypted_lines": sealed.lines,
            "plain_lines": sealed.lines_plain,
            "recipients": sealed.recipients,
            "findings": findings,
        });
        print(&value, true)?;
        return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if let (Some(vault), Some(at)) = (&summary.vault, &summary.proved_at) {
        output::line(format!(
            "{} records of vault {vault}, {} to {}, under {} checkpoints, the last of {at}",
            summary.records, summary.first, summary.last, summary.checkpoints
        ))?;
    }
    if summary.first > 1 {
        output::line(format!("Records 1 to {} are not in these files.", summary.first - 1))?;
    }
    for restored in &summary.restored {
        output::line(format!(
            "The vault was restored from backup {} at {}, and goes on from there with record {}: {} records of the trail before are behind that backup.",
            restored.backup.as_deref().unwrap_or("-"),
            restored.created_at,
            restored.sequence,
            restored.abandoned
        ))?;
    }
    if sealed.lines > 0 {
        output::line(format!("{} lines are encrypted to {}", sealed.lines, sealed.recipients.join(", ")))?;
        if sealed.lines_plain > 0 {
            output::line(format!("{} lines are not: anybody could read them", sealed.lines_plain))?;
        }
    }
    if let Some((place, fault)) = &found {
        let file = files.get(place.file).map(|path| path.display().to_string()).unwrap_or_default();
        output::line(format!("{file}, line {}: {fault}", place.line))?;
        if matches!(fault, Fault::Encrypted { .. }) {
            output::line("Give --identity FILE, the file of age with the secret half of one of these.")?;
        }
        output::line("What is before it is proved up to the checkpoint above; nothing behind it is.")?;
    } else if let Some(none) = none {
        output::line(none)?;
    } else {
        output::line("Every record is what the vault wrote, in its place, up to the last checkpoint.")?;
    }
    if found.is_none() && summary.unproven > 0 {
        output::line(format!("{} records behind it are not proved yet.", summary.unproven))?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn restored_value(restored: &Restored) -> Value {
    json!({
        "sequence": restored.sequence, "backup": restored.backup, "created_at": restored.created_at, "abandoned": restored.abandoned,
    })
}

/// Shows the public halves of the keys that sign checkpoints, the newest first.
pub(super) fn keys(shared: &Shared) -> anyhow::Result<()> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    let keys = match Place::of(&config)? {
        Place::Directory(directory) => runtime()?.block_on(keys_of(&directory, &config))?,
        Place::Node(node) => runtime()?.block_on(node.vault_keys(config.unattended()))?,
    };
    let (vault, described) = (keys.vault().to_string(), keys.descriptions());
    let state = |version| {
        let is_it = |key: &&VaultKeyDescription| {
            (key.purpose, key.version) == (VaultPurpose::TrailCheckpoint, version)
        };
        described.iter().find(is_it).map_or("-", |key| key.state.as_str())
    };
    let shown: Vec<_> = keys
        .checkpoint_keys()
        .map(|(version, key)| {
            let public = key.public();
            (version, state(version), hex::encode(public.as_bytes()), key_id(&public))
        })
        .collect();
    if shared.json {
        let keys: Vec<_> = shown
            .iter()
            .map(|(version, state, public_key, key)| {
                json!({ "version": version, "state": state, "public_key": public_key, "key": key })
            })
            .collect();
        return print(&json!({ "vault": vault, "keys": keys }), true);
    }
    for (version, state, public_key, key) in shown {
        let signs = match state {
            "active" => "",
            "pre_active" => "  signs nothing yet",
            _ => "  signs nothing more",
        };
        output::line(format!("{public_key}  version {version}  named {key} in checkpoints{signs}"))?;
    }
    Ok(())
}

/// The keys of a vault in its directory, in the states that its documents say: its header is not told each step of a rotation.
async fn keys_of(directory: &DataDirectory, config: &Config) -> anyhow::Result<VaultKeys> {
    let named = async {
        let mut client = Client::begin(config).await?;
        let named = client.header_named().await;
        client.end().await;
        named
    };
    let named: anyhow::Result<HandOver> = named.await;
    // Behind that: a key is in the header before documents name it.
    let keys = directory.header_unattended(config.unattended()).await?.keys;
    match named {
        Ok(named) => keys.take(&named)?,
        Err(error) => output::note(format!(
            "which of them signs is as it was when the header was last written, for the vault is not asked: {error:#}"
        )),
    }
    Ok(keys)
}

//! An exported trail, held against public keys alone.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use panvault_directory::open_to_read;
use panvault_trail::limits::LINE_BYTES_MAX;
use panvault_trail::{CheckpointPublicKey, Fault, Step, Verifier, key_id};
use serde_json::{Value, json};

use crate::cli::Shared;
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config;
use crate::data::Place;
use crate::output;
use crate::telemetry::{self, LogFormat};

/// A line of an export that is not what the vault wrote there.
struct Found {
    file: usize,
    line: u64,
    fault: Fault,
}

/// Reads files as one export, in the order in which they are named.
pub(super) fn verify(files: &[PathBuf], keys: &[String], shared: &Shared) -> anyhow::Result<ExitCode> {
    let keys: Vec<_> = keys.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?;
    ensure!(
        !keys.is_empty(),
        "give --key KEY, which panvault audit key shows, for each key that the vault signs with"
    );
    let mut verifier = Verifier::new(keys);
    let mut found = None;
    for (file, path) in files.iter().enumerate() {
        if let Some((line, fault)) = read(path, &mut verifier)? {
            found = Some(Found { file, line, fault });
            break;
        }
    }
    let summary = verifier.finish();
    let is_whole = found.is_none() && summary.checkpoints > 0;
    let none =
        (found.is_none() && summary.checkpoints == 0).then_some("there is no checkpoint: nothing is proved");
    if shared.json {
        let finding = found.as_ref().map(|found| {
            let file = files.get(found.file).map(|path| path.display().to_string());
            json!({ "file": file, "line": found.line, "what": found.fault.to_string() })
        });
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
    if let Some(found) = &found {
        let file = files.get(found.file).map(|path| path.display().to_string()).unwrap_or_default();
        output::line(format!("{file}, line {}: {}", found.line, found.fault))?;
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

/// The first line of a file that is not what the vault wrote there. Lines are bounded, whatever the file has.
fn read(path: &Path, verifier: &mut Verifier) -> anyhow::Result<Option<(u64, Fault)>> {
    let file = open_to_read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    for number in 1.. {
        line.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut reader).take(most).read_until(b'\n', &mut line);
        if read.with_context(|| format!("{} cannot be read", path.display()))? == 0 {
            break;
        }
        match verifier.line(&line) {
            Ok(Step::Pending | Step::Proven(..) | Step::Again) => {}
            Err(fault) => return Ok(Some((number, fault))),
        }
    }
    Ok(None)
}

fn public_key(text: &str) -> anyhow::Result<CheckpointPublicKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok().context(EXPECTED)?;
    Ok(CheckpointPublicKey::from_bytes(bytes))
}

const EXPECTED: &str = "--key must be 64 hexadecimal digits, as panvault audit key shows them";

/// Shows the public halves of the keys that sign checkpoints, the newest first.
pub(super) fn keys(shared: &Shared) -> anyhow::Result<()> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    let keys = match Place::of(&config)? {
        Place::Directory(directory) => {
            runtime()?.block_on(directory.header_unattended(config.unattended()))?.keys
        }
        Place::Node(node) => runtime()?.block_on(node.vault_keys(config.unattended()))?,
    };
    let vault = keys.vault().to_string();
    let shown: Vec<_> = keys
        .checkpoint_keys()
        .map(|(version, key)| {
            let public = key.public();
            (version, hex::encode(public.as_bytes()), key_id(&public))
        })
        .collect();
    if shared.json {
        let keys: Vec<_> = shown
            .iter()
            .map(|(version, public_key, key)| json!({ "version": version, "public_key": public_key, "key": key }))
            .collect();
        return print(&json!({ "vault": vault, "keys": keys }), true);
    }
    for (version, public_key, key) in shown {
        output::line(format!("{public_key}  version {version}  named {key} in checkpoints"))?;
    }
    Ok(())
}

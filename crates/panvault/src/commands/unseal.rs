use std::path::Path;

use anyhow::{Context, bail};
use panvault_keys::{Passphrase, Share, Shares, Slot};
use panvault_vault::Unsealing;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::{SlotKind, Unseal};
use crate::client::{Client, is_in_use};
use crate::commands::runtime;
use crate::commands::slot::key;
use crate::config::{self, Config};
use crate::data::{OpenSettings, OpenVault, Place};
use crate::sealed::{self, Asked, LinkFault, Way};
use crate::telemetry::{self, LogFormat};
use crate::{harden, output};

/// Brings what opens a vault to the server that waits for it; where none does, unseals what was sealed.
pub(crate) fn run(args: &Unseal) -> anyhow::Result<()> {
    let config = config::read(&args.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let place = Place::of(&config)?;
    place.private()?;
    runtime()?.block_on(async {
        let first = if args.reset { Asked::Reset } else { Asked::Status };
        match sealed::ask(place.path(), first).await {
            Ok(status) if args.reset || args.status => said(&status),
            Ok(status) => bring(args, &place, &status).await,
            Err(LinkFault::Nobody) if args.reset || args.status => bail!(unserved(&place, &config).await),
            Err(LinkFault::Nobody) => alone(args, &place, &config).await,
            Err(error) => Err(error).context("the vault was not unsealed"),
        }
    })
}

/// Why nothing waits.
async fn unserved(place: &Place, config: &Config) -> String {
    match Client::reach(place, config).await {
        Ok(Ok(_)) => "the vault is open: a server has it".to_owned(),
        Ok(Err(_)) | Err(_) => LinkFault::Nobody.to_string(),
    }
}

/// What opens the vault: as it was said, or as files say, or as the vault has it.
fn kind(args: &Unseal, has_shares: bool, has_passphrase: bool) -> anyhow::Result<SlotKind> {
    let of_files = match (&args.passphrase_file, args.share_file.is_empty()) {
        (Some(_), _) => Some(SlotKind::Passphrase),
        (None, false) => Some(SlotKind::Shares),
        (None, true) => None,
    };
    if let (Some(said), Some(of_files)) = (args.with, of_files)
        && said != of_files
    {
        bail!("--with says one kind, and the files are of another");
    }
    let found = if has_shares {
        SlotKind::Shares
    } else if has_passphrase {
        SlotKind::Passphrase
    } else {
        SlotKind::KeyFile
    };
    Ok(args.with.or(of_files).unwrap_or(found))
}

/// Brings it to the server.
async fn bring(args: &Unseal, place: &Place, status: &Value) -> anyhow::Result<()> {
    let has = |name: &str| status.get(name).and_then(Value::as_bool) == Some(true);
    let directory = place.path();
    match kind(args, has("takes_shares"), has("passphrase"))? {
        // By the server's settings.
        SlotKind::KeyFile | SlotKind::Pkcs11 | SlotKind::AwsKms | SlotKind::Transit => {
            said(&sealed::ask(directory, Asked::Unattended).await?)
        }
        SlotKind::Passphrase => {
            let typed = typed(args.passphrase_file.as_deref(), "Passphrase: ")?;
            said(&sealed::ask(directory, Asked::Passphrase(&typed)).await?)
        }
        SlotKind::Shares if args.share_file.is_empty() => {
            let typed = share_typed(status)?;
            said(&sealed::ask(directory, Asked::Share(&typed)).await?)
        }
        SlotKind::Shares => {
            let mut answer = Value::Null;
            for file in &args.share_file {
                let text = key::read(file)?;
                Share::parse(&text).with_context(|| format!("the share in {}", file.display()))?;
                answer = sealed::ask(directory, Asked::Share(&text)).await?;
                refused(&answer).with_context(|| format!("the share in {}", file.display()))?;
            }
            said(&answer)
        }
    }
}

/// One custodian's share. What is mistyped is asked for again.
fn share_typed(status: &Value) -> anyhow::Result<Zeroizing<String>> {
    let count = |name: &str| status.get(name).and_then(Value::as_u64);
    let which = match (count("shares"), count("needed")) {
        (Some(there), Some(needed)) => format!("Share ({there} of {needed} are there): "),
        _ => "Share: ".to_owned(),
    };
    loop {
        let typed = key::ask(&which)?;
        match Share::parse(&typed) {
            Ok(_) => return Ok(typed),
            Err(fault) => output::note(fault.to_string()),
        }
    }
}

fn typed(file: Option<&Path>, prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    file.map_or_else(|| key::ask(prompt), key::read)
}

fn refused(answer: &Value) -> anyhow::Result<()> {
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => bail!("{error}"),
        None => Ok(()),
    }
}

/// Says what became of it.
fn said(answer: &Value) -> anyhow::Result<()> {
    refused(answer)?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64);
    let line = match (count("slot"), count("shares"), count("needed")) {
        (Some(slot), ..) => format!("the vault is open: slot {slot} opened it"),
        (None, Some(there), Some(needed)) => format!(
            "{there} of {needed} shares are there: the next custodian runs panvault unseal; what is there is forgotten after 10 minutes without another"
        ),
        (None, ..) => answer.get("why").and_then(Value::as_str).unwrap_or("sealed").to_owned(),
    };
    Ok(output::line(line)?)
}

/// Unseals a vault that no server has.
async fn alone(args: &Unseal, place: &Place, config: &Config) -> anyhow::Result<()> {
    let ways = sealed::ways(place).await.unwrap_or_default();
    let has_shares = ways.iter().any(|way| matches!(way, Way::Shares { .. }));
    let settings = OpenSettings {
        slot_key_file: config.slot_key_file.clone(),
        slot_peers: config.slot_peers.clone(),
        processors: config.processors.clone(),
        ..OpenSettings::default()
    };
    match place.open(&settings).await {
        Ok(OpenVault { vault, .. }) => {
            vault.close().await?;
            bail!("the vault is not sealed, and its key file opens it: panvault serve serves it");
        }
        Err(error) if is_in_use(&error) => bail!(unserved(place, config).await),
        // Sealed, or without a key file: what was asked for opens it, or says why not.
        Err(_) => {}
    }
    let has_key_file = place.unattended(config.unattended()).await.is_ok();
    let slot: Option<Box<dyn Slot + Send>> = match kind(
        args,
        has_shares && !has_key_file,
        !ways.is_empty() && !has_key_file,
    )? {
        SlotKind::KeyFile | SlotKind::Pkcs11 | SlotKind::AwsKms | SlotKind::Transit => None,
        SlotKind::Passphrase => {
            Some(Box::new(Passphrase::typed(typed(args.passphrase_file.as_deref(), "Passphrase: ")?)?))
        }
        SlotKind::Shares if args.share_file.is_empty() => {
            bail!(
                "no server has the vault: start panvault serve, which collects shares; or name all that are needed by --share-file"
            )
        }
        SlotKind::Shares => {
            let parsed = |file: &std::path::PathBuf| {
                Share::parse(&key::read(file)?).with_context(|| format!("the share in {}", file.display()))
            };
            Some(Box::new(Shares(args.share_file.iter().map(parsed).collect::<anyhow::Result<_>>()?)))
        }
    };
    let unsealing = Unsealing { slot: 0, address: None, brought: Vec::new() };
    let (OpenVault { vault, .. }, slot) = sealed::open_with(place, slot, unsealing, &settings).await?;
    vault.close().await?;
    Ok(output::line(format!(
        "the vault is unsealed: slot {slot} opened it. No server has it: panvault serve serves it"
    ))?)
}

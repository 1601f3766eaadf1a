//! What opens a vault for a command: a file, or what somebody types.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_keys::{Passphrase, PeerKind, Share, Shares, Slot};
use panvault_slots::Peer;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::{SlotKind, Unlock};
use crate::config::{Config, secret};
use crate::data::{Place, of_kind};
use crate::output;

/// The slot that a command was told to open the vault with.
pub(in crate::commands) async fn slot(
    by: &Unlock,
    place: &Place,
    config: &Config,
) -> anyhow::Result<Box<dyn Slot>> {
    let Some(kind) = kind(by)? else {
        let slot: Box<dyn Slot> = place.unattended(config.unattended()).await?;
        return Ok(slot);
    };
    Ok(match kind {
        SlotKind::KeyFile => Box::new(place.slot(config.slot_key_file.as_deref())?),
        SlotKind::Pkcs11 | SlotKind::AwsKms | SlotKind::Transit => {
            Box::new(place.peer_key(&[peer(&config.slot_peers, kind)?]).await?)
        }
        SlotKind::Passphrase => {
            let typed = match &by.passphrase_file {
                Some(file) => read(file)?,
                None => ask("Passphrase: ")?,
            };
            Box::new(Passphrase::typed(typed)?)
        }
        SlotKind::Shares => Box::new(Shares(shares(&by.share_file)?)),
    })
}

/// Whether nothing is brought: what opens the vault while nobody is there does, or its key file.
pub(in crate::commands) fn is_unattended(by: &Unlock) -> anyhow::Result<bool> {
    Ok(matches!(kind(by)?, None | Some(SlotKind::KeyFile)))
}

/// The peer of that kind, of which the settings name at most one.
pub(super) fn peer(peers: &[Peer], kind: SlotKind) -> anyhow::Result<Peer> {
    let (kind, names) = match kind {
        SlotKind::Pkcs11 => (PeerKind::Pkcs11, "slot_pkcs11_library and those beside it"),
        SlotKind::AwsKms => (PeerKind::AwsKms, "slot_aws_kms_region and those beside it"),
        SlotKind::Transit => (PeerKind::Transit, "slot_transit_address and those beside it"),
        SlotKind::KeyFile | SlotKind::Passphrase | SlotKind::Shares => bail!("no peer has such a slot"),
    };
    of_kind(peers, kind)
        .pop()
        .with_context(|| format!("the settings name none: set {names} (panvault config print)"))
}

/// The kind that is said, or that the files say; `None` for what opens it while nobody is there.
fn kind(by: &Unlock) -> anyhow::Result<Option<SlotKind>> {
    let kind = match (by.with, &by.passphrase_file, by.share_file.is_empty()) {
        (None, Some(_), true) => Some(SlotKind::Passphrase),
        (None, None, false) => Some(SlotKind::Shares),
        (kind, ..) => kind,
    };
    ensure!(
        (kind == Some(SlotKind::Passphrase) || by.passphrase_file.is_none())
            && (kind == Some(SlotKind::Shares) || by.share_file.is_empty()),
        "a passphrase and shares were given: one of them opens the vault"
    );
    Ok(kind)
}

/// As many shares as their first says that are needed. What is mistyped is asked for again.
fn shares(files: &[std::path::PathBuf]) -> anyhow::Result<Vec<Share>> {
    let mut shares = Vec::new();
    for file in files {
        let text = read(file)?;
        let share = Share::parse(&text).with_context(|| format!("the share in {}", file.display()))?;
        shares.push(share);
    }
    while files.is_empty() && needed(&shares).is_none_or(|needed| shares.len() < usize::from(needed)) {
        let wanted = needed(&shares).map(|needed| format!(" of {needed}")).unwrap_or_default();
        match Share::parse(&ask(&format!("Share {}{wanted}: ", shares.len() + 1))?) {
            Ok(share) if shares.iter().any(|other| Share::number(other) == share.number()) => {
                output::note("that share was given already: the next custodian's is wanted");
            }
            Ok(share) => shares.push(share),
            Err(fault) => output::note(fault.to_string()),
        }
    }
    Ok(shares)
}

fn needed(shares: &[Share]) -> Option<u8> {
    shares.first().map(|share| share.scheme().needed)
}

/// The passphrase of a new slot: from a file, or typed twice.
pub(super) fn new_passphrase(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    if let Some(file) = file {
        return read(file);
    }
    let (first, second) = (ask("New passphrase: ")?, ask("Once more: ")?);
    if *first != *second {
        bail!("the two differ, so no slot was added");
    }
    Ok(first)
}

/// What somebody types on the terminal, where it is not shown. An end of input is not taken for an empty line.
pub(in crate::commands) fn ask(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let _unseen = Unseen::begin();
    let typed = rpassword::prompt_password(prompt);
    typed
        .map(Zeroizing::new)
        .context("there is no terminal to type at: name a file instead (--help says how)")
}

/// The terminal shows nothing that is typed while this is there. The library that asks prints its question first: what came between that and its turning the
/// echo off would be shown.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    /// `None` where there is no terminal, which the question then says.
    fn begin() -> Option<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &unseen).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to set right.
        let _gone = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// What is in a file of which others can read nothing.
pub(in crate::commands) fn read(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    secret::password(file).map_err(anyhow::Error::msg)
}

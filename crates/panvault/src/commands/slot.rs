//! Slots: the ways to the root key of a vault are listed, added, removed and tried.

pub(super) mod change;
pub(super) mod custodians;
pub(super) mod key;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use panvault_keys::{
    Entropy, Header, HeaderSlot, KeyFile, KeysError, NewSlot, Passphrase, PeerKind, Protection, RootKey,
    ShareScheme, Slot, SlotKey, SystemEntropy,
};
use panvault_model::Timestamp;
use panvault_slots::{Context as SlotContext, Env, Peer};
use panvault_vault::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::cli::{Added, SlotAdd, SlotCommand, SlotKind, Unlock};
use crate::commands::runtime;
use crate::config::Config;
use crate::data::Place;
use crate::telemetry::{self, LogFormat};
use crate::{config, harden, output};

pub(crate) fn run(command: SlotCommand) -> anyhow::Result<()> {
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    match command {
        SlotCommand::List { by, json } => list(&by, json),
        SlotCommand::Add(SlotAdd::KeyFile { file, added }) => add_key_file(&file, &added),
        SlotCommand::Add(SlotAdd::Passphrase { new_passphrase_file, added }) => {
            add_passphrase(new_passphrase_file.as_deref(), &added)
        }
        SlotCommand::Add(SlotAdd::Shares { needed, made, out, recipient, added }) => {
            add_shares((needed, made), out.as_deref(), &recipient, &added)
        }
        SlotCommand::Add(SlotAdd::Pkcs11 { make_key, added }) => add_peer(SlotKind::Pkcs11, make_key, &added),
        SlotCommand::Add(SlotAdd::AwsKms { added }) => add_peer(SlotKind::AwsKms, false, &added),
        SlotCommand::Add(SlotAdd::Transit { added }) => add_peer(SlotKind::Transit, false, &added),
        SlotCommand::Remove { number, by } => remove(number, &by),
        SlotCommand::Test(by) => test(&by),
    }
}

/// A vault, and what opens it.
pub(super) struct Opening {
    pub(super) place: Place,
    pub(super) config: Config,
    pub(super) slot: Box<dyn Slot>,
    peers: Vec<Peer>,
    slot_key_file: Option<PathBuf>,
}

impl Opening {
    pub(super) fn of(by: &Unlock) -> anyhow::Result<Self> {
        let config = config::read(&by.settings, &[])?;
        let place = Place::of(&config)?;
        place.private()?;
        let slot = runtime()?.block_on(key::slot(by, &place, &config))?;
        let (peers, slot_key_file) = (config.slot_peers.clone(), config.slot_key_file.clone());
        Ok(Self { place, config, slot, peers, slot_key_file })
    }

    fn header(&self) -> anyhow::Result<Header> {
        runtime()?.block_on(self.place.header_by(self.slot.as_ref()))
    }

    /// Makes the next header, and the root key that it is under where that is another.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&Header, &RootKey) -> Result<(Header, Option<RootKey>), KeysError>,
    ) -> anyhow::Result<Header> {
        runtime()?.block_on(change::change(&self.place, &self.config, self.slot.as_ref(), change))
    }

    /// Adds a slot and says so. Where it was not added, `undo` takes away what would have opened it; where that is not certain, nothing is taken away.
    fn add(&self, new: NewSlot, entropy: &dyn Entropy, undo: impl FnOnce()) -> anyhow::Result<()> {
        let public = *new.public();
        let changed = self.change(|header, root| Ok((header.slot_add(root, new, now(), entropy)?, None)));
        let header = changed.inspect_err(|_| {
            let there = self.header();
            if there.is_ok_and(|header| header.slots().iter().all(|slot| *slot.public() != public)) {
                undo();
            }
        })?;
        let slot = header.slots().last().context("the slot was not added")?;
        output::line(format!("slot {} is added: {}, {}", slot.number(), slot.label(), described(slot)))?;
        Ok(())
    }

    /// Opens the header, and refuses a label that another slot has: whoever removes one would not know which. Nor is it a card number, for anybody may read it.
    fn may_be_called(&self, label: &str) -> anyhow::Result<()> {
        let header = self.header()?;
        ensure!(
            header.slots().iter().all(|slot| slot.label() != label),
            "another slot has that label: give each its own"
        );
        ensure!(
            !panvault_card::holds_card_number(label),
            "the label is written as a card number is: call the slot otherwise"
        );
        Ok(())
    }

    /// Refuses a place in the vault's own directory: who gets a copy of that must not get what opens it.
    fn outside(&self, file: &Path) -> anyhow::Result<()> {
        let (file, data) = (std::path::absolute(file)?, std::path::absolute(self.place.path())?);
        let parent = file.parent().and_then(|parent| parent.canonicalize().ok());
        let is_inside = file.starts_with(&data)
            || parent.zip(data.canonicalize().ok()).is_some_and(|(parent, data)| parent.starts_with(data));
        ensure!(
            !is_inside,
            "{} is in the vault's directory: who gets a copy of that must not get what opens it; name another place",
            file.display()
        );
        Ok(())
    }

    /// Whether the key file that the settings name is of this slot.
    fn is_named_by_settings(&self, slot: &HeaderSlot) -> Option<PathBuf> {
        let file = self.place.slot(self.slot_key_file.as_deref()).ok()?;
        let key = file.read_key().ok()?;
        (key.public().ok()? == *slot.public()).then(|| file.path().to_owned())
    }
}

pub(super) fn now() -> Timestamp {
    SystemClock::start().now().wall
}

fn list(by: &Unlock, as_json: bool) -> anyhow::Result<()> {
    let header = Opening::of(by)?.header()?;
    if as_json {
        let slots: Vec<Value> = header.slots().iter().map(shown).collect();
        return Ok(output::line(json!({ "slots": slots }).to_string())?);
    }
    for slot in header.slots() {
        let (number, since) = (slot.number(), slot.created_at());
        output::line(format!("{number}  {}, {}, since {since}", slot.label(), described(slot)))?;
    }
    Ok(())
}

/// What it takes to open it.
pub(super) fn described(slot: &HeaderSlot) -> String {
    match slot.protection() {
        Protection::KeyFile => "a key file".to_owned(),
        Protection::Passphrase(lock) => {
            let (kib, passes) = lock.cost();
            format!("a passphrase (Argon2id, {} MiB, {passes} passes)", kib >> 10)
        }
        Protection::Shares(ShareScheme { needed, made, set }) => {
            format!("{needed} of {made} shares (set {set:08x})")
        }
        Protection::Peer(lock) => {
            let (place, key, detail) = (lock.place(), lock.key(), lock.detail());
            match lock.kind() {
                PeerKind::Pkcs11 => format!("the key {key} of the token {place} (id {detail})"),
                PeerKind::AwsKms => format!("the KMS key {key}"),
                PeerKind::Transit => format!("the transit key {place}/{key} (version {detail})"),
            }
        }
    }
}

fn shown(slot: &HeaderSlot) -> Value {
    let (number, label, kind) = (slot.number(), slot.label(), slot.protection().name());
    let created_at = slot.created_at().to_string();
    match slot.protection() {
        Protection::KeyFile => {
            json!({ "number": number, "label": label, "kind": kind, "created_at": created_at })
        }
        Protection::Passphrase(lock) => {
            let (kib, passes) = lock.cost();
            json!({
                "number": number, "label": label, "kind": kind, "created_at": created_at,
                "memory_kib": kib, "passes": passes,
            })
        }
        Protection::Shares(ShareScheme { needed, made, set }) => json!({
            "number": number, "label": label, "kind": kind, "created_at": created_at,
            "needed": needed, "made": made, "set": format!("{set:08x}"),
        }),
        Protection::Peer(lock) => {
            let mut shown =
                json!({ "number": number, "label": label, "kind": kind, "created_at": created_at });
            let (place, detail) = match lock.kind() {
                PeerKind::Pkcs11 => ("token", Some("key_id")),
                PeerKind::AwsKms => ("region", None),
                PeerKind::Transit => ("mount", Some("key_version")),
            };
            if let Value::Object(members) = &mut shown {
                members.insert(place.to_owned(), json!(lock.place()));
                members.insert("key".to_owned(), json!(lock.key()));
                detail
                    .into_iter()
                    .for_each(|name| drop(members.insert(name.to_owned(), json!(lock.detail()))));
            }
            shown
        }
    }
}

fn add_key_file(file: &Path, added: &Added) -> anyhow::Result<()> {
    let (opening, entropy) = (Opening::of(&added.by)?, SystemEntropy::new());
    // Before a key is made that nothing would open with.
    opening.may_be_called(&added.label)?;
    opening.outside(file)?;
    let key = SlotKey::make(&entropy)?;
    let slot = NewSlot::of_key_file(&key, &added.label)?;
    let key_file = KeyFile::new(file);
    key_file.create(&key)?;
    opening.add(slot, &entropy, || drop(std::fs::remove_file(file)))?;
    output::note(format!(
        "whoever has {} and the vault can open every card: move it to where it is kept, away from the vault and its backups",
        file.display()
    ));
    Ok(())
}

fn add_passphrase(new_passphrase_file: Option<&Path>, added: &Added) -> anyhow::Result<()> {
    let (opening, entropy) = (Opening::of(&added.by)?, SystemEntropy::new());
    opening.may_be_called(&added.label)?;
    let passphrase = Passphrase::new(key::new_passphrase(new_passphrase_file)?)?;
    opening.add(NewSlot::of_passphrase(&passphrase, &added.label, &entropy)?, &entropy, || {})
}

fn add_shares(
    (needed, made): (u8, u8),
    out: Option<&Path>,
    recipients: &[String],
    added: &Added,
) -> anyhow::Result<()> {
    let recipients = custodians::recipients(recipients, made)?;
    let (opening, entropy) = (Opening::of(&added.by)?, SystemEntropy::new());
    opening.may_be_called(&added.label)?;
    out.map_or(Ok(()), |out| opening.outside(out))?;
    let mut set = [0; 4];
    entropy.fill_secret(&mut set)?;
    let scheme = ShareScheme::new(needed, made, u32::from_be_bytes(set))
        .context("needed must be at least 2 and at most made, and made at most 16")?;
    let (slot, shares) = NewSlot::of_shares(scheme, &added.label, &entropy)?;
    match out {
        Some(directory) if !recipients.is_empty() => {
            custodians::seal(directory, &shares, &recipients, &entropy)?;
            let undo = || drop(std::fs::remove_dir_all(directory));
            custodians::prove(&shares, directory).inspect_err(|_| undo())?;
            opening.add(slot, &entropy, undo)?;
            output::note(format!(
                "{made} files are in {}, which only their custodians can read: give each theirs, and remove it here; {needed} of them open every card",
                directory.display()
            ));
            Ok(())
        }
        Some(directory) => {
            let handed = custodians::write(directory, &shares)?;
            opening.add(slot, &entropy, || drop(std::fs::remove_dir_all(directory)))?;
            output::note(format!(
                "{handed} files are in {}: give each to one custodian, and remove it here; {needed} of them open every card",
                directory.display()
            ));
            Ok(())
        }
        None => {
            custodians::hand_out(&shares)?;
            opening.add(slot, &entropy, || {})
        }
    }
}

/// Has a peer wrap the key of a new slot, and give it back, before the slot counts.
fn add_peer(kind: SlotKind, make_key: bool, added: &Added) -> anyhow::Result<()> {
    let (opening, entropy) = (Opening::of(&added.by)?, SystemEntropy::new());
    opening.may_be_called(&added.label)?;
    let peer = key::peer(&opening.peers, kind)?;
    let (key, env) = (SlotKey::make(&entropy)?, Env { now: now(), entropy: &entropy });
    let lock = runtime()?.block_on(async {
        if let (true, Peer::Pkcs11(token)) = (make_key, &peer) {
            token.key_make(env).await?;
            output::note(format!("{} is made", peer.describe()));
        }
        let (vault, _) = opening.place.headers().await?;
        let context = SlotContext::of_key(vault, &key).context("the slot's key has no public half")?;
        anyhow::Ok(peer.wrap(&key, context, env).await?)
    })?;
    opening.add(NewSlot::of_peer(&key, &added.label, lock)?, &entropy, || {})
}

fn remove(number: u16, by: &Unlock) -> anyhow::Result<()> {
    let opening = Opening::of(by)?;
    let header = opening.header()?;
    let slot = header.slots().iter().find(|slot| slot.number() == number);
    let slot = slot.with_context(|| format!("there is no slot {number}; panvault slot list lists them"))?;
    let own = opening.slot.open(&header)?;
    // Whoever removes the slot that they came with would not know whether another opens the vault.
    ensure!(
        header.slot_of(&own)? != number || header.slots().len() == 1,
        "slot {number} is the one that opened the vault for this command: open it with another (--with, --set slot_key_file=FILE), which shows that \
         there is one that works"
    );
    let said = format!("slot {number} is removed: {}, {}", slot.label(), described(slot));
    let named = opening.is_named_by_settings(slot);
    let entropy = SystemEntropy::new();
    opening.change(|header, old| {
        let root = RootKey::make(&entropy)?;
        Ok((header.slot_remove(old, &root, number, &entropy)?, Some(root)))
    })?;
    output::line(said)?;
    output::note(format!(
        "the root key is a new one. Backups made before {} still open with the slot that was removed; make a new one, and destroy those that must not",
        now()
    ));
    if let Some(file) = named {
        output::note(format!(
            "{} is the key file of that slot, and the one that the settings name: set slot_key_file to another, or serve will not open the vault; and remove this one",
            file.display()
        ));
    }
    Ok(())
}

fn test(by: &Unlock) -> anyhow::Result<()> {
    let opening = Opening::of(by)?;
    let header = opening.header()?;
    let number = header.slot_of(&opening.slot.open(&header)?)?;
    let slot = header.slots().iter().find(|slot| slot.number() == number);
    let slot = slot.context("the slot is gone")?;
    output::line(format!("slot {number} opens the vault: {}, {}", slot.label(), described(slot)))?;
    Ok(())
}

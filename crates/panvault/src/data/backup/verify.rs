//! A backup is read whole, and nothing is made.

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{Slot, VaultKeys};
use panvault_store::AuditRecord;
use panvault_store_embedded::examine_copy;

use crate::data::backup::manifest::Manifest;
use crate::data::backup::{MANIFEST, PARTS, digested};
use crate::data::header::OpenHeader;
use crate::data::judged::judged;
use crate::data::{DataDirectory, FILE, VIEW, chain};

/// A backup all of which is as the vault wrote it.
pub(crate) struct Verified {
    pub(crate) manifest: Manifest,
    /// Records of its trail: where a database was put back, those too that came behind the backup.
    pub(crate) records: u64,
    pub(crate) cards: u64,
    pub(crate) transactions: u64,
    pub(crate) refunds: u64,
    pub(crate) customers: u64,
    /// The last record of its trail, or of each chain of that.
    pub(crate) heads: Vec<AuditRecord>,
}

/// A backup whose files are those of its manifest, and that is the vault's.
pub(super) struct OpenBackup {
    pub(super) manifest: Manifest,
    pub(super) keys: VaultKeys,
}

/// Findings that are said.
const LISTED_MAX: usize = 10;

/// Holds the files of a backup against its manifest, and that against the vault's keys. The slot must be one that the vault had when the backup was made.
pub(super) fn opened(path: &Path, slot: &dyn Slot) -> anyhow::Result<OpenBackup> {
    let shown = path.display();
    let backup = Directory::open(path).with_context(|| format!("{shown} cannot be used"))?;
    let read = Manifest::read(&backup)?;
    // The file of the vault is believed no more than the rest: what it says is held against the keys.
    let directory = DataDirectory::of_backup(path)?;
    ensure!(
        read.vault() == directory.vault,
        "{MANIFEST} in {shown} is of another vault than {FILE} beside it"
    );
    let OpenHeader { keys, .. } = directory.header_by(slot)?;
    let manifest = read.open(&keys.backups())?;
    ensure!(manifest.mode == directory.mode, "{FILE} in {shown} is of another mode than the backup");
    is_whole(&backup, &manifest)?;
    Ok(OpenBackup { manifest, keys })
}

/// Holds all of a backup of a vault in its directory against its manifest, that against the vault's keys, every row against its tag and the trail against its chain.
pub(crate) fn verify(path: &Path, slot: &dyn Slot) -> anyhow::Result<Verified> {
    let shown = path.display();
    let OpenBackup { manifest, keys } = opened(path, slot)?;
    ensure!(
        manifest.chains.is_none(),
        "{shown} is of a vault in a database: put the dump or base backup that was made behind it into a database, and name that with store (--config FILE of a node)"
    );
    let examined = examine_copy(path, manifest.vault, chain(&keys).as_ref())
        .and_then(|examination| judged(examination, keys));
    let examination = examined.with_context(|| format!("{VIEW} in {shown} cannot be looked at"))?;
    let found = examination.findings.iter().map(|found| format!("{}: {}", found.part, found.what));
    let damaged = || format!("{shown} was damaged when it was made, so take an older one");
    is_sound(found.collect(), damaged)?;
    ensure!(
        examination.applied == manifest.order,
        "{VIEW} in {shown} ends at step {}, and the backup at {}",
        examination.applied,
        manifest.order
    );
    let head = examination.audit_record(manifest.vault, manifest.order);
    let head = head.with_context(|| format!("{VIEW} in {shown} cannot be looked at"))?;
    Ok(Verified {
        heads: head.into_iter().collect(),
        records: manifest.order,
        cards: examination.cards,
        transactions: examination.transactions,
        refunds: examination.refunds,
        customers: examination.customers,
        manifest,
    })
}

/// Refuses what an examination has found anything wrong with.
pub(super) fn is_sound(found: Vec<String>, said: impl FnOnce() -> String) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(LISTED_MAX);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let listed: Vec<_> = found.into_iter().take(LISTED_MAX).collect();
    bail!("{}:\n  {}{more}", said(), listed.join("\n  "))
}

/// Whether a backup has exactly the files of its manifest, each as it was.
fn is_whole(backup: &Directory, manifest: &Manifest) -> anyhow::Result<()> {
    let shown = backup.path().display();
    let is_part = |name: &str| manifest.parts.iter().any(|(part, _)| *part == name);
    for name in backup.names()? {
        let name = name.to_str().map_or("a file of no readable name", |name| {
            PARTS
                .into_iter()
                .chain([MANIFEST])
                .find(|known| *known == name)
                .unwrap_or("a file that it never has")
        });
        ensure!(name == MANIFEST || is_part(name), "{name} is in {shown}, and does not belong to the backup");
    }
    for (name, part) in &manifest.parts {
        let found = digested(backup, name, &mut |_| Ok(()));
        let found = found.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => anyhow!("{name} is missing in {shown}"),
            _ => anyhow!("{name} in {shown} cannot be read: {error}"),
        })?;
        ensure!(
            found.bytes == part.bytes && found.sha256 == part.sha256,
            "{name} in {shown} is not what was backed up: it was changed, cut or mixed up with that of another backup"
        );
    }
    Ok(())
}

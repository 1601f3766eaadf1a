//! A backup is read whole, and nothing is made.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{Slot, VaultKeys};
use panvault_store::{AuditRecord, Chain};
use panvault_store_embedded::{Settings, examine_copy, frames_apply};
use panvault_vault::with_causes;

use crate::data::backup::make::parts_copy;
use crate::data::backup::manifest::{Manifest, ReadManifest};
use crate::data::backup::series::Series;
use crate::data::backup::{FRAMES, MANIFEST, PARTS, digested};
use crate::data::header::OpenHeader;
use crate::data::judged::judged;
use crate::data::make::making_in;
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
    let read = ReadManifest::of(&backup)?;
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

/// Holds all of a backup of a vault in its directory, and of those that it goes on from, against its manifest, that against the vault's keys, every row against its tag and the trail
/// against its chain. An increment is put together beside this directory, and taken away again.
pub(crate) fn verify(series: &Series, slot: &dyn Slot, beside: &Path) -> anyhow::Result<Verified> {
    if series.is_incremental() {
        verify_in(series, slot, making_in(beside)?.path())
    } else {
        // It is looked at where it is.
        verify_in(series, slot, series.newest()?)
    }
}

/// The same; the view of an increment is put together in this directory, and stays there.
pub(super) fn verify_in(series: &Series, slot: &dyn Slot, room: &Path) -> anyhow::Result<Verified> {
    let newest = series.newest()?;
    let shown = newest.display();
    let OpenBackup { manifest, keys } = opened(newest, slot)?;
    ensure!(
        manifest.chains.is_none(),
        "{shown} is of a vault in a database: put the dump or base backup that was made behind it into a database, and name that with store (--config FILE of a node)"
    );
    let view = if series.is_incremental() {
        let manifests = manifests_before(series, &manifest)?;
        put_together(series, &manifests, &manifest, &chain(&keys), room)?;
        room
    } else {
        ensure!(manifest.base.is_none(), "{shown} is an increment: name what it goes on from before it");
        newest
    };
    let examined = examine_copy(view, manifest.vault, chain(&keys).as_ref())
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

/// The manifests of the backups before the one that is meant, the full one first. The newest stands for the one before it, and so on: none of them needs a slot of its own, or a key
/// that may have been destroyed since.
fn manifests_before(series: &Series, newest: &Manifest) -> anyhow::Result<Vec<Manifest>> {
    let mut named = newest.base.clone();
    let mut manifests = Vec::new();
    for (path, next) in series.bases() {
        let shown = path.display();
        let backup = Directory::open(path).with_context(|| format!("{shown} cannot be used"))?;
        let manifest = named.and_then(|base| ReadManifest::of(&backup).ok()?.open_as(&base));
        let manifest = manifest.with_context(|| {
            format!("{MANIFEST} in {shown} is not that which {} goes on from: it was changed", next.display())
        })?;
        is_whole(&backup, &manifest)?;
        named = manifest.base.clone();
        manifests.push(manifest);
    }
    ensure!(named.is_none(), "the first of these backups is no full one");
    manifests.reverse();
    Ok(manifests)
}

/// Copies the view of the full backup, and carries into it what the increments have.
fn put_together(
    series: &Series,
    manifests: &[Manifest],
    newest: &Manifest,
    chain: &Arc<dyn Chain>,
    room: &Path,
) -> anyhow::Result<()> {
    let (full, increments) = series.split()?;
    let into = Directory::open(room).with_context(|| format!("{} cannot be used", room.display()))?;
    let first = manifests.first().context("there is no full backup among them")?;
    // A server may have its vault on the same disk, and refuses writes where that is full.
    let parts = manifests.iter().chain([newest]).flat_map(|manifest| &manifest.parts);
    let rows = parts.filter(|(name, _)| [VIEW, FRAMES].contains(name)).map(|(_, part)| part.bytes);
    has_room(room, rows.fold(0, u64::saturating_add))?;
    parts_copy(&Directory::open(full)?, &into, first, |name| name == VIEW)?;
    into.sync().with_context(|| format!("{} cannot be flushed", room.display()))?;
    for (path, manifest) in increments.iter().zip(manifests.iter().skip(1).chain([newest])) {
        let shown = path.display();
        let unfit = || format!("{FRAMES} in {shown} cannot be carried into the rows of the backup before it");
        let frames = Directory::open(path).and_then(|backup| backup.read(FRAMES)).with_context(unfit)?;
        let end = frames_apply(room, frames, manifest.vault, chain, &Settings::default());
        let end = end.map_err(|fault| anyhow!(with_causes(&fault))).with_context(unfit)?;
        ensure!(
            (end.sequence, Some(end.tag)) == (manifest.order, manifest.end),
            "{FRAMES} in {shown} ends with step {}, and the backup with step {}",
            end.sequence,
            manifest.order
        );
    }
    Ok(())
}

/// Refuses a place where so many bytes, and a quarter as many beside them, are too many.
fn has_room(place: &Path, bytes: u64) -> anyhow::Result<()> {
    let shown = place.display();
    let disk = rustix::fs::statvfs(place).with_context(|| format!("{shown} cannot be used"))?;
    let (needed, free) = (bytes.saturating_add(bytes / 4), disk.f_bavail.saturating_mul(disk.f_frsize));
    ensure!(
        needed <= free,
        "the rows of these backups are put together in {shown}, which takes {needed} bytes, and its disk has {free}: free some, or name another place with --data"
    );
    Ok(())
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

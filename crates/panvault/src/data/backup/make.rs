//! A backup is made, by who has the vault open.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{BackupKey, Entropy, FileDigest, SystemEntropy};
use panvault_model::{Id, Timestamp};
use panvault_store_embedded::{EmbeddedStore, LogPlace};
use panvault_store_postgres::PostgresStore;
use panvault_vault::{Permit, Vault, VaultBackup, with_causes};

use crate::data::backup::increment::Asked;
use crate::data::backup::manifest::{BYTES_MAX, Manifest};
use crate::data::backup::{BINS, Digested, MANIFEST, MANIFEST_NEW, digested, listed};
use crate::data::header::COPIES;
use crate::data::{FILE, vault_file};

/// Whoever has a vault open, as far as backups are made of it.
#[derive(Clone)]
pub(crate) struct Backups {
    pub(crate) vault: Vault,
    pub(crate) rows: BackedUp,
    /// The vault's, or the node's.
    pub(crate) directory: PathBuf,
    pub(crate) key: BackupKey,
}

/// Where the rows are that a backup is made of.
#[derive(Clone)]
pub(crate) enum BackedUp {
    /// In the directory: they are copied.
    View(Arc<EmbeddedStore>),
    /// In a database, whose own tools copy them.
    Database(Arc<PostgresStore>),
}

/// A backup that was made.
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    pub(crate) id: Id,
    /// The last durable step that it has.
    pub(crate) order: u64,
    /// Of all its files.
    pub(crate) bytes: u64,
    /// Of an increment the backup that it goes on from.
    pub(crate) base: Option<Id>,
    /// Why it is a full one, where an increment was asked for.
    pub(crate) full_because: Option<String>,
    /// What an earlier one left that was never finished.
    pub(crate) unfinished: Vec<PathBuf>,
}

/// What a backup was filled with.
#[derive(Default)]
struct Filled {
    order: u64,
    bytes: u64,
    base: Option<Id>,
    full_because: Option<String>,
    /// The segment of the log that has the last step.
    segment: u64,
}

impl Backups {
    /// Makes one below this directory, which is made if it is not there: of all, or of what came behind an earlier one, where the log still has that. Nothing of it is left when
    /// it fails.
    pub(crate) async fn make(
        &self,
        permit: &Permit<VaultBackup>,
        destination: &Path,
        since: Option<&Path>,
    ) -> anyhow::Result<Made> {
        let asked = self.asked(since)?;
        let destination = self.destination(destination)?;
        let unfinished =
            listed(&destination).with_context(|| format!("{} cannot be read", destination.display()))?.1;
        let now = self.vault.now().wall;
        let id = Id::make(now, SystemEntropy::new().make_id_bytes()?);
        let name = format!("{}-{id}", name_of(now));
        if let BackedUp::View(store) = &self.rows {
            store.archive_begin();
        }
        // It has this record, so it is written first.
        let noted = self.vault.backup_note(permit, id).await;
        noted.map_err(|error| anyhow!("nothing was copied: {}", with_causes(&error)))?;
        let around = Directory::open(&destination)?;
        let path = destination.join(&name);
        let shown = || format!("{} cannot be made", path.display());
        DirBuilder::new().mode(0o700).create(&path).with_context(shown)?;
        let begun = Self { key: self.key.begun(), ..self.clone() };
        let made = match around.below(&name).with_context(shown) {
            Ok(into) => begun.fill(&into, id, now, asked).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(Filled { order, bytes, base, full_because, segment }) => {
                around.sync().with_context(shown)?;
                if let BackedUp::View(store) = &self.rows {
                    // The next goes on from this one.
                    store.archive_release(segment);
                }
                Ok(Made { path, id, order, bytes, base, full_because, unfinished })
            }
            Err(error) => {
                // It has no manifest: what cannot be removed is no backup either.
                drop(fs::remove_dir_all(&path));
                Err(error.context(format!("no backup was made in {}", destination.display())))
            }
        }
    }

    /// The directory that backups are in.
    fn destination(&self, named: &Path) -> anyhow::Result<PathBuf> {
        ensure!(named.is_absolute(), "the directory for backups must be named by its whole path");
        let destination: PathBuf = named.components().collect();
        let shown = destination.display();
        // Before it is made: the nearest that is there.
        let there = destination.ancestors().find_map(|around| fs::canonicalize(around).ok());
        let of_vault = fs::canonicalize(&self.directory)?;
        ensure!(
            !there.is_some_and(|there| there.starts_with(&of_vault)),
            "{shown} is in the vault's own directory, with which it would be lost: name another"
        );
        match destination.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                bail!("{shown} is a symbolic link: name the directory that it leads to")
            }
            Ok(found) if found.is_dir() => {}
            Ok(_) => bail!("{shown} is not a directory"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = DirBuilder::new().mode(0o700).create(&destination);
                made.with_context(|| format!("{shown} cannot be made"))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be used")),
        }
        Ok(destination)
    }

    /// Copies everything, and then writes down what that is.
    async fn fill(&self, into: &Directory, id: Id, now: Timestamp, asked: Asked) -> anyhow::Result<Filled> {
        let from = Directory::open(&self.directory)
            .with_context(|| format!("{} cannot be used", self.directory.display()))?;
        match &self.rows {
            BackedUp::View(store) => self.fill_of_view(store, from, into, (id, now), asked).await,
            BackedUp::Database(store) => self.fill_of_database(store, from, into, (id, now)).await,
        }
    }

    async fn fill_of_view(
        &self,
        store: &EmbeddedStore,
        from: Directory,
        into: &Directory,
        named: (Id, Timestamp),
        asked: Asked,
    ) -> anyhow::Result<Filled> {
        let before = Before::of(&from)?;
        let rows = Self::rows(store, into, asked).await?;
        let (into, backups) = (into.again()?, self.clone());
        let work = move || {
            let copy = |name: &'static str| {
                let copied = part_copy(&from, &into, name);
                Ok::<_, anyhow::Error>((name, copied.with_context(|| format!("{name} cannot be copied"))?))
            };
            let mut parts = Vec::new();
            if from.entry(BINS)?.is_some() {
                parts.push(copy(BINS)?);
            }
            for name in COPIES {
                parts.push(copy(name)?);
            }
            before.is_unchanged(&parts)?;
            parts.push(copy(FILE)?);
            let copied = digested(&into, rows.part, &mut |_| Ok(()));
            let copied = copied.with_context(|| format!("{} of the copy cannot be read", rows.part))?;
            parts.push((rows.part, copied));
            parts.sort_unstable_by_key(|(name, _)| *name);
            let (base, LogPlace { sequence: order, tag }) = (rows.base_id(), rows.copied.end);
            let manifest = backups.manifest(named, parts);
            let manifest = Manifest { order, end: Some(tag), base: rows.base, ..manifest };
            let filled = backups.finish(&into, manifest)?;
            Ok(Filled { base, full_because: rows.full_because, segment: rows.copied.segment, ..filled })
        };
        aside(work).await.context("the thread that copied has ended")?
    }

    /// Nothing of the rows: how far each chain has come, which tells whether what the database's tools copy from now on has all that there is now.
    async fn fill_of_database(
        &self,
        store: &PostgresStore,
        from: Directory,
        into: &Directory,
        named: (Id, Timestamp),
    ) -> anyhow::Result<Filled> {
        let database = store.database();
        let unread = || format!("the database at {} cannot be read", database.url());
        let read = async || {
            let row = database.vault_read().await.with_context(unread)?;
            row.with_context(|| format!("the database at {} holds no vault", database.url()))
        };
        let before = read().await?;
        let mut chains = store.chain_marks().await.with_context(unread)?;
        chains.sort_unstable_by_key(|mark| mark.writer);
        let row = read().await?;
        // What a later header says is in no backup that names an earlier one.
        ensure!(row.header == before.header, "{KEYS_CHANGED}");
        let file = vault_file(self.vault.id(), self.vault.mode(), row.created_at)?;
        let (into, backups) = (into.again()?, self.clone());
        let work = move || {
            let write = |name: &'static str, bytes: &[u8]| {
                let written = part_write(&into, name, bytes);
                Ok::<_, anyhow::Error>((name, written.with_context(|| format!("{name} cannot be written"))?))
            };
            let mut parts = Vec::new();
            if from.entry(BINS)?.is_some() {
                let copied = part_copy(&from, &into, BINS);
                parts.push((BINS, copied.with_context(|| format!("{BINS} cannot be copied"))?));
            }
            for (name, copy) in COPIES.into_iter().zip(&row.header) {
                parts.push(write(name, copy)?);
            }
            parts.push(write(FILE, file.as_bytes())?);
            let order = chains.iter().map(|mark| mark.place).sum();
            let manifest = backups.manifest(named, parts);
            backups.finish(&into, Manifest { order, chains: Some(chains), ..manifest })
        };
        tokio::task::spawn_blocking(work).await.context("the thread that wrote has ended")?
    }

    fn manifest(&self, (id, now): (Id, Timestamp), parts: Vec<(&'static str, Digested)>) -> Manifest {
        Manifest {
            id,
            vault: self.vault.id(),
            mode: self.vault.mode(),
            made_at: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            order: 0,
            chains: None,
            end: None,
            base: None,
            parts,
        }
    }

    /// Writes the manifest, which makes what is there a backup.
    fn finish(&self, into: &Directory, manifest: Manifest) -> anyhow::Result<Filled> {
        // All of it is durable before it is a backup.
        into.sync().context("the copy cannot be flushed")?;
        let encoded = manifest.encode(&self.key)?;
        ensure!(
            encoded.len() as u64 <= BYTES_MAX,
            "the vault has had more nodes than a manifest can name: {}",
            manifest.chains.map_or(0, |chains| chains.len())
        );
        let written = into.create(MANIFEST_NEW).and_then(|mut file| {
            file.write_all(&encoded)?;
            file.sync_all()
        });
        written.with_context(|| format!("{MANIFEST} cannot be written"))?;
        into.rename(MANIFEST_NEW, MANIFEST)?;
        into.sync().with_context(|| format!("{MANIFEST} cannot be flushed"))?;
        let bytes = manifest.parts.iter().map(|(_, part)| part.bytes).sum();
        Ok(Filled { order: manifest.order, bytes, ..Filled::default() })
    }
}

/// Runs what reads much and nobody waits for, on a thread to which whoever is served goes before.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (done, answer) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("backup".to_owned()).spawn(move || {
        // Where that is not allowed it goes on as it is.
        let _stays = rustix::process::nice(BACKUP_NICE);
        drop(done.send(work()));
    })?;
    Ok(answer.await?)
}

/// How far a thread that makes a backup steps back: a tenth of the time of a processor that others want.
const BACKUP_NICE: i32 = 10;

const KEYS_CHANGED: &str = "the keys of the vault were changed meanwhile: take the backup again";

/// What is copied beside the view, as it was before that: it belongs to the view if it is the same behind it.
struct Before {
    header: [[u8; 32]; 2],
    bins: Option<[u8; 32]>,
}

impl Before {
    fn of(from: &Directory) -> anyhow::Result<Self> {
        let digest = |name: &str| {
            let found = digested(from, name, &mut |_| Ok(())).map(|found| found.sha256);
            found.with_context(|| format!("{name} of the vault cannot be read"))
        };
        let [first, second] = COPIES;
        let bins = from.entry(BINS)?.map(|_| digest(BINS)).transpose()?;
        Ok(Self { header: [digest(first)?, digest(second)?], bins })
    }

    /// Refuses copies of what was changed meanwhile.
    fn is_unchanged(&self, parts: &[(&'static str, Digested)]) -> anyhow::Result<()> {
        let of = |name: &str| parts.iter().find(|(part, _)| *part == name).map(|(_, part)| part.sha256);
        ensure!(COPIES.map(of) == self.header.map(Some), "{KEYS_CHANGED}");
        // The trail of the copy tells of the table before.
        ensure!(
            of(BINS) == self.bins,
            "a list of issuers was imported or removed meanwhile: take the backup again"
        );
        Ok(())
    }
}

/// Copies some parts of a backup, and looks at them once more: what was verified a moment ago may be another file by now.
pub(super) fn parts_copy(
    from: &Directory,
    into: &Directory,
    manifest: &Manifest,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    for (name, part) in manifest.parts.iter().filter(|(name, _)| is_wanted(name)) {
        let copied =
            part_copy(from, into, name).with_context(|| format!("{name} of the backup cannot be copied"))?;
        ensure!(
            copied.bytes == part.bytes && copied.sha256 == part.sha256,
            "{name} of the backup was changed while it was copied"
        );
    }
    Ok(())
}

/// Copies a file, durably.
fn part_copy(from: &Directory, into: &Directory, name: &str) -> io::Result<Digested> {
    let mut file = into.create(name)?;
    let copied = digested(from, name, &mut |part| file.write_all(part))?;
    file.sync_all()?;
    Ok(copied)
}

/// Writes a file, durably.
fn part_write(into: &Directory, name: &str, bytes: &[u8]) -> io::Result<Digested> {
    let mut file = into.create(name)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let mut digest = FileDigest::default();
    digest.update(bytes);
    Ok(Digested { bytes: bytes.len() as u64, sha256: digest.finish() })
}

/// A time as the name of a backup begins with it: 20261127T201834Z.
fn name_of(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    let digits: String = seconds.chars().filter(|character| !matches!(character, '-' | ':')).collect();
    format!("{digits}Z")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn copied(from: &Directory) -> anyhow::Result<Vec<(&'static str, Digested)>> {
        let into = tempfile::tempdir()?;
        let into = Directory::open(into.path())?;
        let mut parts = Vec::new();
        for name in [BINS, COPIES[0], COPIES[1]] {
            if from.entry(name)?.is_some() {
                parts.push((name, part_copy(from, &into, name)?));
            }
        }
        Ok(parts)
    }

    /// The view tells of the header and of the table of issuers that were there when it was copied.
    #[test]
    fn what_changes_while_the_view_is_copied_is_not_taken_for_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        COPIES.iter().for_each(|name| write(name, "header"));
        let from = Directory::open(directory.path()).unwrap();
        let none = Before::of(&from).unwrap();
        none.is_unchanged(&copied(&from).unwrap()).unwrap();
        write(BINS, "table");
        let refused = |before: &Before| before.is_unchanged(&copied(&from).unwrap()).unwrap_err().to_string();
        assert!(refused(&none).contains("a list of issuers was imported"));
        let one = Before::of(&from).unwrap();
        one.is_unchanged(&copied(&from).unwrap()).unwrap();
        write(BINS, "another");
        assert!(refused(&one).contains("a list of issuers was imported"));
        fs::remove_file(directory.path().join(BINS)).unwrap();
        assert!(refused(&one).contains("imported or removed"));
        for name in COPIES {
            write(BINS, "table");
            write(name, "another");
            assert!(refused(&one).contains("the keys of the vault were changed"));
            write(name, "header");
        }
    }
}

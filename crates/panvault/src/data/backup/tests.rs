//! Backups are made, harmed in every way, and restored.

mod export;
mod increment;
mod retired;
mod retired_database;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use panvault_keys::KeyFile;
use panvault_model::{CardId, TransactionId};
use panvault_store::{Action, DocumentKind, Store};
use panvault_store_embedded::Settings;
use panvault_vault::{Mode, NewOrganisation, Origin};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::data::header::tests::fill;
use crate::data::{self, DataDirectory, Kept, OpenSettings, OpenVault};

/// A vault with one of everything.
struct Trial {
    directory: TempDir,
    card: CardId,
    transaction: TransactionId,
    key: String,
    /// Bytes of the log that are kept for increments.
    archive_bytes_max: u64,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The smallest log there is: a vault is made for each restore.
fn store() -> Settings {
    Settings { segment_bytes: 1 << 20, spares_max: 1, ..Settings::default() }
}

impl Trial {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        data::create(&path, Mode::Test, &directory.path().join("slot.key"), &store(), |_| Ok(())).unwrap();
        let mut trial = Self {
            directory,
            card: CardId::from_bytes([0; 12]),
            transaction: TransactionId::from_bytes([0; 12]),
            key: String::new(),
            archive_bytes_max: 64 << 20,
        };
        (trial.card, trial.transaction, trial.key) = trial.with(async |open| fill(open).await);
        trial
    }

    fn vault(&self) -> PathBuf {
        self.directory.path().join("vault")
    }

    fn destination(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    fn slot(&self) -> KeyFile {
        KeyFile::new(self.directory.path().join("slot.key"))
    }

    fn settings(&self) -> OpenSettings {
        let slot_key_file = Some(self.directory.path().join("slot.key"));
        let store = Settings { archive_bytes_max: self.archive_bytes_max, ..store() };
        OpenSettings { slot_key_file, store, ..OpenSettings::default() }
    }

    /// Opens a vault, does something and closes it.
    fn with_vault<T>(&self, path: &Path, work: impl AsyncFnOnce(&OpenVault) -> T) -> T {
        runtime().block_on(async {
            let open = DataDirectory::find(path).unwrap().open(&self.settings()).await.unwrap();
            let done = work(&open).await;
            open.vault.close().await.unwrap();
            done
        })
    }

    fn with<T>(&self, work: impl AsyncFnOnce(&OpenVault) -> T) -> T {
        self.with_vault(&self.vault(), work)
    }

    fn try_backup(&self, destination: &Path) -> anyhow::Result<Made> {
        self.try_backup_since(destination, None)
    }

    fn try_backup_since(&self, destination: &Path, since: Option<&Path>) -> anyhow::Result<Made> {
        self.with(async |open| {
            let backups = open.backups(&self.vault());
            backups.make(&open.operator().unwrap().permit().unwrap(), destination, since).await
        })
    }

    fn backup(&self) -> Made {
        self.try_backup(&self.destination()).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// What came behind an earlier one.
    fn backup_since(&self, since: &Path) -> Made {
        let made = self.try_backup_since(&self.destination(), Some(since));
        made.unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn add(&self, name: &str) {
        self.with(async |open| {
            let new = NewOrganisation { name: name.to_owned(), ..NewOrganisation::default() };
            open.vault.organisation_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap();
        });
    }

    fn verify(&self, backup: &Path) -> anyhow::Result<Verified> {
        self.verify_all(&[backup])
    }

    fn verify_all(&self, backups: &[&Path]) -> anyhow::Result<Verified> {
        let backups: Vec<_> = backups.iter().map(|path| path.to_path_buf()).collect();
        verify(&Series::found(&backups)?, &self.slot(), self.directory.path())
    }

    fn restore(&self, backup: &Path, to: &Path) -> anyhow::Result<RestoredVault> {
        self.restore_all(&[backup], to, None)
    }

    fn restore_all(
        &self,
        backups: &[&Path],
        to: &Path,
        export: Option<&Export>,
    ) -> anyhow::Result<RestoredVault> {
        let backups: Vec<_> = backups.iter().map(|path| path.to_path_buf()).collect();
        let series = Series::found(&backups)?;
        runtime().block_on(restore(&series, to, &self.slot(), &self.settings(), export))
    }

    /// Why a backup is not taken. Nothing is made of it.
    fn refused(&self, backup: &Path) -> String {
        self.refused_all(&[backup])
    }

    fn refused_all(&self, backups: &[&Path]) -> String {
        let to = self.directory.path().join("restored");
        let verified = self.verify_all(backups).err().expect("it is taken for whole");
        let restored = self.restore_all(backups, &to, None);
        let restored = format!("{:#}", restored.err().expect("a vault is made of it"));
        assert_eq!(format!("{verified:#}"), restored);
        assert!(!to.exists());
        restored
    }
}

/// Every file of a backup.
fn files(backup: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let paths = fs::read_dir(backup).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn put(backup: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        fs::write(backup.join(name), bytes).unwrap();
    }
}

/// What each record of the trail is, with its object.
async fn trail(open: &OpenVault) -> Vec<(Action, Vec<u8>)> {
    let Kept::Directory(store) = &open.kept else { panic!("it is in its directory") };
    let writer = store.audit_writers().await.unwrap()[0];
    let records = store.audit_read(writer, 1, 1000).await.unwrap();
    records.iter().map(|record| (record.note.action, record.note.object.as_bytes().to_vec())).collect()
}

/// With nothing but the backup and a slot, the vault is there again as of the backup, and its trail says so.
#[test]
fn a_vault_is_restored_as_it_was_and_says_of_what() {
    let trial = Trial::new();
    let made = trial.backup();
    trial.add("After");
    let found = found(&trial.destination()).unwrap();
    assert_eq!(found, made.path);
    let whole = trial.verify(&found).unwrap();
    assert_eq!((whole.cards, whole.transactions, whole.manifest.order), (1, 1, made.order));
    fs::remove_dir_all(trial.vault()).unwrap();
    let to = trial.directory.path().join("elsewhere").join("vault");
    let restored = trial.restore(&found, &to);
    assert_eq!(restored.unwrap().verified.manifest.id, made.id);
    trial.with_vault(&to, async |open| {
        let caller = open.vault.caller(&trial.key, Origin::LOCAL).unwrap();
        let card = open.vault.card_read(&caller.permit().unwrap(), trial.card).await.unwrap();
        assert_eq!(card.row.id, trial.card);
        let history = open.vault.transaction_history(&caller.permit().unwrap(), trial.transaction).await;
        assert!(!history.unwrap().is_empty());
        let Kept::Directory(store) = &open.kept else { panic!("it is in its directory") };
        let documents = store.document_read_all().await.unwrap();
        let organisations = documents.iter().filter(|row| row.kind == DocumentKind::Organisation);
        assert_eq!(organisations.count(), 1, "the other was made after the backup");
        let trail = trail(open).await;
        let of = |action| trail.iter().filter(|(of, _)| *of == action).cloned().collect::<Vec<_>>();
        let id = made.id.as_bytes().to_vec();
        assert_eq!(of(Action::VaultBackup), [(Action::VaultBackup, id.clone())]);
        assert_eq!(of(Action::VaultRestore), [(Action::VaultRestore, id)]);
    });
    // Every row against its seal or tag, the trail against its chain, the log against the view.
    let directory = DataDirectory::find(&to).unwrap();
    let keys = directory.header_by(&trial.slot()).unwrap().keys;
    let said: Vec<_> = data::judged::examined(&directory, keys).unwrap().findings;
    assert_eq!(said, []);
    let again = trial.restore(&found, &to);
    assert!(format!("{:#}", again.err().unwrap()).contains("holds a vault already"));
}

#[test]
fn what_is_flipped_cut_added_missing_or_of_another_is_refused_by_name() {
    let trial = Trial::new();
    let path = trial.backup().path;
    trial.add("Between");
    let other = trial.backup().path;
    let (good, others) = (files(&path), files(&other));
    assert_eq!(
        good.keys().collect::<Vec<_>>(),
        ["keys.1", "keys.2", "manifest.json", "vault.toml", "view.sqlite"]
    );
    for (name, bytes) in &good {
        let file = path.join(name);
        let step = if name == "manifest.json" { 1 } else { bytes.len() / 7 };
        for at in (0..bytes.len()).step_by(step.max(1)).chain([bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(&file, flipped).unwrap();
            // A backup is read whole only when its manifest is good: that is the quick part, and each of its bytes is tried.
            let refused = trial.verify(&path).err().unwrap_or_else(|| panic!("{name}, byte {at}"));
            assert!(format!("{refused:#}").contains(name.as_str()), "{name}, byte {at}: {refused:#}");
        }
        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert!(trial.refused(&path).contains(name.as_str()), "cut: {name}");
        fs::remove_file(&file).unwrap();
        assert!(trial.refused(&path).contains(name.as_str()), "missing: {name}");
        symlink(other.join(name), &file).unwrap();
        let refused = trial.refused(&path);
        assert!(refused.contains(name.as_str()) && refused.contains("link"), "a link: {name}: {refused}");
        fs::remove_file(&file).unwrap();
        put(&path, &good);
        if others[name] != *bytes {
            fs::write(&file, &others[name]).unwrap();
            assert!(trial.refused(&path).contains("is not what was backed up"), "of another: {name}");
            put(&path, &good);
        }
    }
    for added in ["bins.table", "view.sqlite-wal", "note"] {
        fs::write(path.join(added), "").unwrap();
        let refused = trial.refused(&path);
        assert!(refused.contains("does not belong to the backup"), "{added}: {refused}");
        fs::remove_file(path.join(added)).unwrap();
    }
    trial.verify(&path).unwrap();
}

/// A pipe would be waited for, and a second name is another's.
#[test]
fn what_is_no_file_of_its_own_is_no_part_of_a_backup() {
    let trial = Trial::new();
    let path = trial.backup().path;
    let good = files(&path);
    let aside = trial.directory.path().join("aside");
    for name in good.keys() {
        let file = path.join(name);
        let refused = |said: &str| {
            let refused = format!("{:#}", trial.verify(&path).err().unwrap());
            assert!(refused.contains(name.as_str()) && refused.contains(said), "{name}: {refused}");
        };
        fs::hard_link(&file, &aside).unwrap();
        refused("hard links");
        fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        assert!(made.success());
        refused("is not a regular file");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refused("");
        fs::remove_dir(&file).unwrap();
        fs::rename(&aside, &file).unwrap();
        trial.verify(&path).unwrap();
    }
}

/// A manifest is good for the vault that wrote it, and its slot opens no other.
#[test]
fn a_backup_of_another_vault_is_refused() {
    let (trial, stranger) = (Trial::new(), Trial::new());
    let (path, theirs) = (trial.backup().path, stranger.backup().path);
    assert!(trial.refused(&theirs).contains("does not belong to the vault"));
    let good = files(&path);
    // Their manifest over our files, and our manifest over theirs.
    fs::write(path.join(MANIFEST), &files(&theirs)[MANIFEST]).unwrap();
    assert!(trial.refused(&path).contains("is of another vault"));
    put(&path, &good);
    // Somebody without the keys makes a manifest that fits.
    let forged = String::from_utf8(good[MANIFEST].clone()).unwrap();
    let order = forged.lines().find(|line| line.contains("\"order\"")).unwrap();
    let forged = forged.replace(order, "  \"order\": 1,");
    fs::write(path.join(MANIFEST), forged).unwrap();
    assert!(trial.refused(&path).contains("was not written by the vault"));
}

/// Killed at any step, a backup has some of its parts and no manifest: it is none, and is named when the next is made.
#[test]
fn what_was_never_finished_is_no_backup() {
    let trial = Trial::new();
    let made = trial.backup();
    let good = files(&made.path);
    let half = trial.destination().join("20200101T000000Z-0123456789abcdef01234567");
    // In the order in which they are written.
    let steps = ["view.sqlite", "keys.1", "keys.2", "vault.toml", MANIFEST_NEW];
    for done in 0..=steps.len() {
        fs::create_dir(&half).unwrap();
        for name in &steps[..done] {
            let bytes = if *name == MANIFEST_NEW { &good[MANIFEST] } else { &good[*name] };
            fs::write(half.join(name), bytes).unwrap();
        }
        let refused = format!("{:#}", found(&half).unwrap_err());
        assert!(refused.contains("was never finished"), "after {done} steps: {refused}");
        assert_eq!(found(&trial.destination()).unwrap(), made.path, "it is passed over");
        assert_eq!(trial.backup().unfinished, std::slice::from_ref(&half));
        fs::remove_dir_all(&half).unwrap();
        for path in listed(&trial.destination()).unwrap().0 {
            if path != made.path {
                fs::remove_dir_all(path).unwrap();
            }
        }
    }
    fs::remove_dir_all(&made.path).unwrap();
    fs::create_dir(&half).unwrap();
    assert!(format!("{:#}", found(&trial.destination()).unwrap_err()).contains("no finished backup"));
}

#[test]
fn a_backup_that_fails_leaves_nothing_and_the_vault_goes_on() {
    let trial = Trial::new();
    let bins = trial.vault().join(BINS);
    let (failed, after) = trial.with(async |open| {
        let backups = open.backups(&trial.vault());
        let permit = open.operator().unwrap().permit().unwrap();
        symlink("elsewhere", &bins).unwrap();
        let failed = backups.make(&permit, &trial.destination(), None).await.err().unwrap();
        fs::remove_file(&bins).unwrap();
        (failed, backups.make(&permit, &trial.destination(), None).await.unwrap())
    });
    assert!(format!("{failed:#}").contains("no backup was made"), "{failed:#}");
    assert_eq!(fs::read_dir(trial.destination()).unwrap().count(), 1);
    trial.verify(&after.path).unwrap();
}

#[test]
fn a_backup_goes_only_into_a_directory_that_is_one_and_for_its_owner_alone() {
    let trial = Trial::new();
    let link = trial.directory.path().join("link");
    symlink(trial.directory.path(), &link).unwrap();
    fs::write(trial.directory.path().join("file"), "").unwrap();
    for (destination, said) in [
        (link.clone(), "is a symbolic link"),
        (trial.directory.path().join("file"), "is not a directory"),
        (trial.vault().join("backups"), "is in the vault's own directory"),
        (trial.directory.path().join("no/such"), "cannot be made"),
        (PathBuf::from("backups"), "whole path"),
    ] {
        let refused = format!("{:#}", trial.try_backup(&destination).err().unwrap());
        assert!(refused.contains(said), "{}: {refused}", destination.display());
    }
    let made = trial.backup();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&trial.destination()), mode(&made.path)), (0o700, 0o700));
    for name in files(&made.path).keys() {
        assert_eq!(mode(&made.path.join(name)), 0o600, "{name}");
    }
    // A vault is made only where there is none, and not over a link.
    fs::set_permissions(&made.path, Permissions::from_mode(0o500)).unwrap();
    trial.verify(&made.path).unwrap();
    let occupied = trial.restore(&made.path, &trial.vault());
    assert!(format!("{:#}", occupied.err().unwrap()).contains("holds a vault already"));
    let over = trial.restore(&made.path, &link);
    assert!(format!("{:#}", over.err().unwrap()).contains("is a symbolic link"));
}

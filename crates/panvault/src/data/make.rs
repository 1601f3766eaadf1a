//! A vault that is made.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_keys::{
    Entropy, Header, KeyFile, KeysError, NewSlot, RootKey, SlotKey, SystemEntropy, VaultKeys,
};
use panvault_model::{Timestamp, VaultId};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_vault::{Clock, Mode, SystemClock};
use tempfile::TempDir;

use crate::data::{DataDirectory, FILE, chain, header, key_mode, served_by, target, vault_file};

/// What the slot of a new vault is called.
pub(super) const FIRST_SLOT: &str = "made with the vault";

/// Refuses a place where no vault can be made, before anything is.
pub(crate) fn is_free_for_a_vault(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.join(FILE).exists(),
        "{} holds a vault already: serve it with {}, or name another directory",
        path.display(),
        served_by(path)
    );
    target::is_free(path, parent(path))
}

/// Makes a vault in a directory that is not there or is empty. It is made beside it and moved there whole, so that a crash
/// leaves no half of one. `fill` may add to it before it is moved.
///
/// `slot_key_file`, if relative, is relative to the directory of the vault.
pub(crate) fn create(
    path: &Path,
    mode: Mode,
    slot_key_file: &Path,
    store: &Settings,
    fill: impl FnOnce(&DataDirectory) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut key_path = None;
    let with_key = |making: &Path| {
        let key = SlotKey::make(&SystemEntropy::new())?;
        let path = making.join(slot_key_file);
        KeyFile::new(path.clone()).create(&key)?;
        key_path = Some(path);
        Ok(NewSlot::of_key_file(&key, FIRST_SLOT)?)
    };
    // A key without a vault is of no use, and would be in the way of the next try. It is where it was made: what stands in the place
    // of the vault by now is somebody else's.
    create_by(path, mode, store, with_key, fill)
        .inspect_err(|_| key_path.into_iter().for_each(|path| drop(fs::remove_file(path))))
}

/// The same with whatever slot `first` gives; it is told the directory in which the vault is made.
pub(crate) fn create_by(
    path: &Path,
    mode: Mode,
    store: &Settings,
    first: impl FnOnce(&Path) -> anyhow::Result<NewSlot>,
    fill: impl FnOnce(&DataDirectory) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let parent = parent(path);
    target::is_free(path, parent)?;
    // Removed again if anything below fails.
    let making = making_in(parent)?;
    let entropy = SystemEntropy::new();
    let now = SystemClock::start().now().wall;
    let vault = VaultId::make(now, entropy.make_id_bytes()?);
    let slot = first(making.path())?;
    let file = vault_file(vault, mode, now)?;
    let mut made_wal = None;
    let made = header_make(slot, vault, mode, now, &entropy)
        .map_err(anyhow::Error::from)
        .and_then(|(header, keys)| make_files(making.path(), &file, &header, &keys, store))
        .inspect(|()| made_wal = store.log_directory.as_deref())
        .and_then(|()| {
            fill(&DataDirectory { wal: store.log_directory.clone(), ..DataDirectory::find(making.path())? })
        })
        .and_then(|()| {
            let making = making.keep();
            fs::rename(&making, path)
                .inspect_err(|_| drop(fs::remove_dir_all(&making)))
                .map_err(|error| target::not_moved(path, error))
        });
    made.inspect_err(|_| made_wal.into_iter().for_each(|wal| drop(fs::remove_dir_all(wal))))?;
    fs::File::open(parent)?.sync_all()?;
    Ok(())
}

/// A header under a new root key, which this slot opens.
pub(super) fn header_make(
    slot: NewSlot,
    vault: VaultId,
    mode: Mode,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(Header, VaultKeys), KeysError> {
    let root = RootKey::make(entropy)?;
    let header = Header::make(&root, slot, vault, key_mode(mode), now, entropy)?;
    let keys = header.open(&root, vault, key_mode(mode))?;
    Ok((header, keys))
}

fn make_files(
    path: &Path,
    file: &str,
    header: &Header,
    keys: &VaultKeys,
    store: &Settings,
) -> anyhow::Result<()> {
    write_private(&path.join(FILE), file.as_bytes())?;
    header::write(path, header)?;
    Ok(EmbeddedStore::create(path, keys.vault(), chain(keys).as_ref(), store)?)
}

/// Writes a new file that only its owner can read, durably.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            let written = file.write_all(bytes).and_then(|()| file.sync_all());
            // It was made here, so nobody else misses it.
            written.inspect_err(|_| drop(fs::remove_file(path)))
        });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// A directory beside what is to be made, for its making.
pub(super) fn making_in(parent: &Path) -> anyhow::Result<TempDir> {
    fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    tempfile::Builder::new()
        .prefix(".panvault-making-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .with_context(|| format!("{} cannot be written to", parent.display()))
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::small_store;

    /// The bug: where a link was in the place of the vault, `panvault init` said that the vault was made, and then that it was not. Its
    /// cause: the link was looked through, and a directory cannot be moved over it. Its cure: a link is refused before anything is made.
    #[test]
    fn a_link_is_no_place_for_a_vault() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("vault");
        for leads_to in ["nowhere", "."] {
            std::os::unix::fs::symlink(leads_to, &link).unwrap();
            for path in [link.clone(), directory.path().join("vault/")] {
                let made =
                    create(&path, Mode::Test, Path::new("slot.key"), &small_store(), |_| panic!("begun"));
                assert!(
                    made.is_err_and(|error| error.to_string().contains("vault is a symbolic link")),
                    "{leads_to}"
                );
            }
            fs::remove_file(&link).unwrap();
        }
    }

    /// The bug: of two `panvault dev` that made the same vault at once, the one that came too late removed the root key of the other,
    /// and nothing in that vault opened again. Its cause: the key was looked for in the place of the vault, not where it was made.
    /// Its cure: what is removed is what this process made.
    #[test]
    fn who_comes_too_late_leaves_the_vault_of_another_alone() {
        let directory = tempfile::tempdir().unwrap();
        for slot_key_file in [PathBuf::from("slot.key"), directory.path().join("own.slot-key")] {
            let path = directory.path().join("vault");
            let made = create(&path, Mode::Test, &slot_key_file, &small_store(), |_| {
                fs::create_dir(&path)?;
                Ok(fs::write(path.join("slot.key"), "of another")?)
            });
            assert!(made.is_err());
            assert_eq!(fs::read_to_string(path.join("slot.key")).unwrap(), "of another");
            fs::remove_dir_all(&path).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "and leaves nothing of its own");
        }
    }
}

//! Where the key file of a vault is: the vault is not asked.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use panvault_keys::{KeyFile, KeyFileFault, KeysError};
use panvault_vault::Mode;

use crate::data::{DataDirectory, whom};

/// The key file of a vault that `panvault dev` makes, in its directory.
pub(crate) const SLOT_KEY_INSIDE: &str = "slot.key";

impl DataDirectory {
    pub(super) fn slot(&self, slot_key_file: Option<&Path>) -> anyhow::Result<KeyFile> {
        let owner = self.path.metadata()?.uid();
        if let Some(named) = slot_key_file {
            return Ok(KeyFile::new(named).of_vault_of(owner));
        }
        let (beside, inside) = (slot_key_beside(&self.path)?, self.path.join(SLOT_KEY_INSIDE));
        let of_dev = self.mode == Mode::Test && is_absent(&beside) && !is_absent(&inside);
        Ok(KeyFile::new(if of_dev { inside } else { beside }).of_vault_of(owner))
    }

    /// The key file of a vault that is to be served: where it was said to be, or beside the vault, and nowhere else.
    pub(crate) fn slot_key_outside(&self, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
        if let Some(named) = named {
            return Ok(named);
        }
        let (beside, inside) = (slot_key_beside(&self.path)?, self.path.join(SLOT_KEY_INSIDE));
        ensure!(
            !is_absent(&beside) || is_absent(&inside),
            "there is no key file in {}; the one in the vault's directory is taken only when it is named, for who can write there could put \
             another vault and its key there: if panvault dev made the vault, add --set slot_key_file={}",
            beside.display(),
            inside.display()
        );
        Ok(beside)
    }
}

/// Why a key file does not open, with what to do in the words of the command line.
pub(super) fn unopened(error: KeysError) -> anyhow::Error {
    let KeysError::KeyFile { path, fault } = &error else { return error.into() };
    let shown = path.display();
    if let KeyFileFault::Missing = fault {
        return anyhow!(
            "key file {shown}: is missing; where it is elsewhere, name it: --config FILE of the vault's settings, or --set \
             slot_key_file=FILE; else restore it from its backup, for nothing in the vault opens without it"
        );
    }
    if let KeyFileFault::Io(cause) = fault {
        let advice = whom::advice(path, cause).map(|advice| format!("; {advice}")).unwrap_or_default();
        return anyhow!("key file {shown}: cannot be used: {cause}{advice}");
    }
    error.into()
}

/// The same where it need not be there, since a peer may open the vault.
pub(super) fn missing_beside_peers(error: &KeysError) -> String {
    match error {
        KeysError::KeyFile { path, .. } => format!("there is no key file {}", path.display()),
        other => other.to_string(),
    }
}

/// Where the key file of a vault is when nobody says: beside the vault, under its name.
pub(crate) fn slot_key_beside(data: &Path) -> anyhow::Result<PathBuf> {
    named_beside(data, ".slot-key")
}

/// A file beside a vault, under its name with this behind it.
pub(crate) fn named_beside(data: &Path, end: &str) -> anyhow::Result<PathBuf> {
    let data = std::path::absolute(data)?;
    let mut name = data.file_name().context("the vault's directory needs a name")?.to_owned();
    name.push(end);
    Ok(data.with_file_name(name))
}

fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

//! What says that a vault is on its way, or has gone, or is being restored: in a directory a file, in a database a word behind the mode of the vault.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use panvault_directory::Directory;
use panvault_model::{Id, VaultId};
use panvault_vault::Mode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::{mode_name, mode_parse, text};

/// In a directory whose vault has gone.
const MOVED: &str = "moved.toml";
/// In a directory to which a vault comes. It is there before anything else is, and until all is.
pub(super) const MOVING: &str = "moving.toml";
const FORMAT: u32 = 1;

/// What `moved.toml` says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MovedFile {
    format: u32,
    pub(super) vault: String,
    /// Where it is now.
    pub(super) to: String,
}

/// What `moving.toml` says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MovingFile {
    format: u32,
    pub(super) vault: String,
    /// Where it comes from.
    pub(super) from: String,
    /// The state of the source that is copied.
    pub(super) state: String,
}

impl MovedFile {
    pub(super) fn new(vault: VaultId, to: &str) -> Self {
        Self { format: FORMAT, vault: vault.to_string(), to: to.to_owned() }
    }

    pub(super) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        Ok(read::<Self>(directory, MOVED)?.filter(|found| found.format == FORMAT))
    }

    /// Writes it, durably.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let about = "# The vault that was in this directory is elsewhere: what is here is as it was when it was moved, and is not served any more.";
        write(directory, MOVED, &format!("{about}\n{}", toml::to_string(self)?))
    }
}

impl MovingFile {
    pub(super) fn new(vault: VaultId, from: &str, state: &str) -> Self {
        let (vault, from, state) = (vault.to_string(), from.to_owned(), state.to_owned());
        Self { format: FORMAT, vault, from, state }
    }

    pub(super) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        Ok(read::<Self>(directory, MOVING)?.filter(|found| found.format == FORMAT))
    }

    /// Writes it, durably.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let about = "# A vault is being moved into this directory. It is served when all of it is here.";
        write(directory, MOVING, &format!("{about}\n{}", toml::to_string(self)?))
    }
}

/// Why nothing of a directory is served: the vault that was in it is elsewhere. `None` where it is here.
pub(in crate::data) fn directory_moved(directory: &Path) -> anyhow::Result<Option<String>> {
    let shown = directory.display();
    Ok(MovedFile::read(directory)?.map(|moved| {
        let to = plain(&moved.to);
        format!(
            "the vault that was in {shown} was moved to {to}, and is served there: what is here is as it was before, and two that are served would both \
             pay. To go back, move it from there into a new directory, with panvault move"
        )
    }))
}

/// Whether a vault is being moved into a directory.
pub(in crate::data) fn is_arriving(directory: &Path) -> bool {
    directory.join(MOVING).symlink_metadata().is_ok()
}

/// A text that stood in a file or a row, without what a terminal obeys.
pub(in crate::data) fn plain(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// So many letters of where a vault is are shown.
const TEXT_CHARS_MAX: usize = 500;

fn read<T: DeserializeOwned>(directory: &Path, name: &str) -> anyhow::Result<Option<T>> {
    let file = directory.join(name);
    let found = match text::read(&file) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => bail!("{} cannot be read: {error}", file.display()),
    };
    let parsed = found.and_then(|text| toml::from_str(&text).ok());
    let parsed = parsed.with_context(|| {
        format!("{} is not what panvault wrote: find out who or what changed it; until then nothing here is served", file.display())
    });
    parsed.map(Some)
}

fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let new = format!("{name}.new");
    let written = || {
        let held = Directory::open(directory)?;
        held.clear(&new)?;
        let mut file = held.create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        held.rename(&new, name)?;
        held.sync()
    };
    written().with_context(|| format!("{} cannot be written", directory.join(name).display()))
}

/// What the row of a database says of its vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) enum VaultState {
    /// It is there.
    Here,
    /// It is being moved there, from this state of its source.
    Arriving(String),
    /// It was moved from there to here.
    Moved(String),
    /// It was put back there, and is made fit to be served, of this backup.
    Restoring(Id),
}

const ARRIVING: &str = "arriving";
const GONE: &str = "moved";
const RESTORING: &str = "restoring";

impl VaultState {
    /// Reads what [`VaultState::text`] wrote.
    pub(in crate::data) fn parse(text: &str) -> Option<(Mode, Self)> {
        let (mode, rest) = match text.split_once(' ') {
            None => (text, None),
            Some((mode, rest)) => (mode, Some(rest.split_once(' ')?)),
        };
        let state = match rest {
            None => Self::Here,
            Some((ARRIVING, state)) => Self::Arriving(state.to_owned()),
            Some((GONE, to)) => Self::Moved(to.to_owned()),
            Some((RESTORING, backup)) => Self::Restoring(Id::parse(backup).ok()?),
            Some(_) => return None,
        };
        Some((mode_parse(mode)?, state))
    }

    /// The mode of the vault, and what is to be said of it.
    pub(in crate::data) fn text(&self, mode: Mode) -> String {
        let mode = mode_name(mode);
        match self {
            Self::Here => mode.to_owned(),
            Self::Arriving(state) => format!("{mode} {ARRIVING} {state}"),
            Self::Moved(to) => format!("{mode} {GONE} {to}"),
            Self::Restoring(backup) => format!("{mode} {RESTORING} {backup}"),
        }
    }

    /// Why the vault is not served from this database, if so.
    pub(in crate::data) fn refusal(&self, url: &str) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Arriving(_) => Some(format!(
                "the vault in the database at {url} is not whole: it is being moved there, or was, when that was interrupted; run the same \
                 panvault move again, which finishes it"
            )),
            Self::Moved(to) => Some(format!(
                "the vault that was in the database at {url} was moved to {}, and is served there: what is here is as it was before, and two that \
                 are served would both pay. To go back, move it from there into an empty database, with panvault move",
                plain(to)
            )),
            Self::Restoring(backup) => Some(format!(
                "the vault in the database at {url} is being restored from backup {backup}, or was, when that was interrupted or refused; run the same panvault restore again, \
                 which finishes it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_is_read_as_it_was_written_and_else_refused() {
        for state in [
            VaultState::Here,
            VaultState::Arriving("0a1b".to_owned()),
            VaultState::Moved("/srv/a vault".to_owned()),
            VaultState::Restoring(Id::from_bytes([7; 12])),
        ] {
            for mode in [Mode::Test, Mode::Live] {
                assert_eq!(VaultState::parse(&state.text(mode)), Some((mode, state.clone())));
            }
        }
        assert_eq!(VaultState::Here.text(Mode::Live), "live");
        assert_eq!(VaultState::Arriving("7".to_owned()).text(Mode::Test), "test arriving 7");
        for wrong in
            ["", "Test", "test ", "test arriving", "test going x", "other moved x", "test restoring x"]
        {
            assert_eq!(VaultState::parse(wrong), None, "{wrong}");
        }
    }

    /// Who can write to a database or a directory would have a terminal do what they wish.
    #[test]
    fn where_a_vault_went_is_said_without_what_a_terminal_obeys() {
        let moved = VaultState::Moved("\u{1b}[2J/srv".to_owned());
        assert!(moved.refusal("x").is_some_and(|said| said.contains("moved to ?[2J/srv, ")));
    }
}

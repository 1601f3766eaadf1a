//! The header of keys, kept twice: whatever a crash or a bad disk does to one copy, the other opens.

pub(super) mod change;

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::Context;
use panvault_directory::{Directory, Unsafe, open_to_read};
use panvault_keys::limits::HEADER_BYTES_MAX;
use panvault_keys::{Header, KeyMode, KeysError, OperatorKey, RootKey, Slot, SlotKey, VaultKeys};
use panvault_model::VaultId;
use panvault_store::{Pending, StoreFault};
use panvault_vault::HeaderPlace;

/// The two copies, in the order in which they are written.
pub(super) const COPIES: [&str; 2] = ["keys.1", "keys.2"];
/// A copy in the making.
const NEW: &str = "keys.new";

/// A header whose keys are open.
pub(crate) struct OpenHeader {
    pub(crate) keys: VaultKeys,
    /// For who changes the header; whoever serves lets it go.
    pub(crate) root: RootKey,
    /// What of the root key is kept.
    pub(crate) operator: OperatorKey,
    pub(crate) copies: Copies,
}

/// How the two copies of a header are, of which at least one serves.
pub(crate) struct Copies {
    /// What is wrong with the copy that does not serve.
    pub(crate) faults: Vec<CopyFault>,
    header: Header,
}

/// A copy that does not serve.
#[derive(Debug, thiserror::Error)]
#[error("{place} {what}")]
pub(crate) struct CopyFault {
    /// Where it is, for people.
    place: String,
    /// Which of the two.
    index: usize,
    what: Fault,
}

/// Why no copy opens.
pub(super) enum Unopened {
    /// The slot gave no key.
    Slot(KeysError),
    /// It did, and it serves neither.
    Copies(Vec<CopyFault>),
}

/// What is wrong with a copy.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("is missing")]
    Missing,
    /// It leads elsewhere, or is no file.
    #[error(transparent)]
    Unsafe(Unsafe),
    #[error("is longer than any header of keys")]
    TooLong,
    #[error("cannot be read: {0}")]
    Io(io::Error),
    #[error("is older than the other copy")]
    Older,
    #[error("does not open: {0}")]
    Keys(KeysError),
    /// There is no key to open it with.
    #[error("was not opened")]
    Unlocked,
}

impl CopyFault {
    /// Says that it does not serve, and is written anew.
    pub(super) fn log(&self) {
        let advice = "find out who or what changed it; it is written anew from the other copy";
        tracing::warn!(file = self.place, error = %self, advice, "keys.copy_bad");
    }

    /// Which of the two it is.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// Whether the copy is whole, and the key that was given is of no slot of it.
    pub(crate) const fn is_key_wrong(&self) -> bool {
        matches!(self.what, Fault::Keys(KeysError::SlotUnknown | KeysError::RootKeyWrong))
    }

    /// Whether the copy is whole, and of another vault or mode than it should be.
    pub(crate) const fn is_foreign(&self) -> bool {
        matches!(self.what, Fault::Keys(KeysError::HeaderOfOtherVault | KeysError::HeaderOfOtherMode))
    }
}

/// Opens the newest copy that verifies. Changes nothing. The faults of both when neither does.
pub(super) fn open(
    directory: &Path,
    slot: &dyn Slot,
    vault: VaultId,
    mode: KeyMode,
) -> Result<OpenHeader, Unopened> {
    let copies = COPIES.map(|name| {
        let path = directory.join(name);
        (path.display().to_string(), read(&path))
    });
    open_newest(copies, slot, vault, mode)
}

/// The copies that can be read and say that they are of this vault: for who looks which slots there are. Nobody vouches for them.
pub(super) fn readable(directory: &Path, vault: VaultId, mode: KeyMode) -> Vec<Header> {
    let copies = COPIES.iter().filter_map(|name| read(&directory.join(name)).ok());
    of_vault(copies, vault, mode)
}

/// The same of copies that are rows.
pub(super) fn readable_rows(rows: &[Vec<u8>; 2], vault: VaultId, mode: KeyMode) -> Vec<Header> {
    of_vault(rows.iter().cloned(), vault, mode)
}

fn of_vault(copies: impl Iterator<Item = Vec<u8>>, vault: VaultId, mode: KeyMode) -> Vec<Header> {
    let headers = copies.filter_map(|bytes| Header::parse(&bytes).ok());
    headers.filter(|header| header.is_of(vault, mode).is_ok()).collect()
}

/// The same as [`open`] of copies that are rows.
pub(super) fn open_rows(
    rows: &[Vec<u8>; 2],
    slot: &dyn Slot,
    vault: VaultId,
    mode: KeyMode,
) -> Result<OpenHeader, Unopened> {
    let [first, second] = rows;
    let copies = [(1, first), (2, second)];
    let copies =
        copies.map(|(number, row)| (format!("copy {number} of the keys in the database"), Ok(row.clone())));
    open_newest(copies, slot, vault, mode)
}

fn open_newest(
    copies: [(String, Result<Vec<u8>, Fault>); 2],
    slot: &dyn Slot,
    vault: VaultId,
    mode: KeyMode,
) -> Result<OpenHeader, Unopened> {
    let copies = copies
        .map(|(place, bytes)| (place, bytes.and_then(|bytes| Header::parse(&bytes).map_err(Fault::Keys))));
    let key = slot_key(slot, copies.iter().filter_map(|(_, header)| header.as_ref().ok()));
    let (mut opened, mut faults) = (Vec::new(), Vec::new());
    for (index, (place, header)) in copies.into_iter().enumerate() {
        match header.and_then(|header| open_copy(header, &key, vault, mode)) {
            Ok(copy) => opened.push((place, index, copy)),
            Err(what) => faults.push(CopyFault { place, index, what }),
        }
    }
    let version = |copy: &OpenCopy| copy.keys.header_version();
    opened.sort_by_key(|(.., copy)| core::cmp::Reverse(version(copy)));
    let mut opened = opened.into_iter();
    let Some((.., copy)) = opened.next() else {
        return Err(match key {
            Some(Err(error)) => Unopened::Slot(error),
            Some(Ok(_)) | None => Unopened::Copies(faults),
        });
    };
    let older = opened.filter(|(.., other)| version(other) < version(&copy));
    faults.extend(older.map(|(place, index, ..)| CopyFault { place, index, what: Fault::Older }));
    let OpenCopy { header, root, keys } = copy;
    let operator = root.derive_operator_key(vault);
    Ok(OpenHeader { keys, root, operator, copies: Copies { faults, header } })
}

/// The key of the slot, from the first copy that knows how to come by it; `None` where no copy can be read. None is believed yet.
fn slot_key<'h>(
    slot: &dyn Slot,
    headers: impl Iterator<Item = &'h Header>,
) -> Option<Result<SlotKey, KeysError>> {
    let mut failed = None;
    for header in headers {
        match slot.open(header) {
            Ok(key) => return Some(Ok(key)),
            Err(error) => failed = Some(Err(error)),
        }
    }
    failed
}

/// A copy that opens.
struct OpenCopy {
    header: Header,
    root: RootKey,
    keys: VaultKeys,
}

fn open_copy(
    header: Header,
    key: &Option<Result<SlotKey, KeysError>>,
    vault: VaultId,
    mode: KeyMode,
) -> Result<OpenCopy, Fault> {
    header.is_of(vault, mode).map_err(Fault::Keys)?;
    let Some(Ok(key)) = key else { return Err(Fault::Unlocked) };
    let root = header.root(key).map_err(Fault::Keys)?;
    let keys = header.open(&root, vault, mode).map_err(Fault::Keys)?;
    Ok(OpenCopy { header, root, keys })
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let file = open_to_read(path).map_err(|error| match (Unsafe::of(&error), error.kind()) {
        (Some(refused), _) => Fault::Unsafe(refused),
        (None, ErrorKind::NotFound) => Fault::Missing,
        (None, _) => Fault::Io(error),
    })?;
    let bytes_max = u64::try_from(HEADER_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(1024);
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(Fault::Io)?;
    if bytes.len() > HEADER_BYTES_MAX { Err(Fault::TooLong) } else { Ok(bytes) }
}

/// Writes both copies, one after the other: a crash between them leaves one as it was.
pub(super) fn write(directory: &Path, header: &Header) -> anyhow::Result<()> {
    COPIES.iter().try_for_each(|name| write_copy(directory, name, header))
}

/// Where the header of a directory is, for the server that has it.
pub(super) struct Files(pub(super) std::path::PathBuf);

impl HeaderPlace for Files {
    fn header_replace(&self, header: Vec<u8>, before: u32) -> Pending<'_, bool> {
        let path = self.0.clone();
        Box::pin(async move {
            let replaced = tokio::task::spawn_blocking(move || replace_files(&path, &header, before)).await;
            replaced.unwrap_or(Err(StoreFault::Read("the header of keys was not written")))
        })
    }
}

fn replace_files(path: &Path, header: &[u8], before: u32) -> Result<bool, StoreFault> {
    let kept = COPIES.map(|name| read(&path.join(name)).ok());
    if !is_next(kept.iter().flatten(), header, before) {
        return Ok(false);
    }
    for name in COPIES {
        if let Err(error) = write_bytes(path, name, header) {
            let advice = "see why the directory does not take files, and run the command again; the keys are as they were";
            tracing::error!(file = %path.join(name).display(), error = format!("{error:#}"), advice, "keys.copy_not_written");
            // What was written goes back to what it was.
            for (name, kept) in COPIES.iter().zip(&kept) {
                if let Some(kept) = kept {
                    drop(write_bytes(path, name, kept));
                }
            }
            return Err(StoreFault::Full);
        }
    }
    Ok(true)
}

/// Whether a header takes the place of these copies: they are of the version before, or this one already. A copy that cannot be read is in nobody's way,
/// if the other can.
pub(super) fn is_next<'c>(copies: impl Iterator<Item = &'c Vec<u8>>, header: &[u8], before: u32) -> bool {
    let mut known = 0;
    for copy in copies {
        let Ok(parsed) = Header::parse(copy) else { continue };
        if parsed.version() > before && copy != header {
            return false;
        }
        known += usize::from(parsed.version() == before || copy == header);
    }
    known > 0
}

/// Puts a copy in the place of the one before, durably: a crash leaves the one or the other, whole.
fn write_copy(directory: &Path, name: &str, header: &Header) -> anyhow::Result<()> {
    write_bytes(directory, name, &header.encode())
}

/// The same of its bytes.
pub(super) fn write_bytes(directory: &Path, name: &str, header: &[u8]) -> anyhow::Result<()> {
    let replaced = || {
        let held = Directory::open(directory)?;
        held.clear(NEW)?;
        let mut file = held.create(NEW)?;
        file.write_all(header)?;
        file.sync_all()?;
        held.rename(NEW, name)?;
        held.sync()
    };
    replaced().with_context(|| format!("{} cannot be written", directory.join(name).display()))
}

impl Copies {
    /// Says of the copy that does not serve that it does not, and writes it anew. Call it when the vault is open for writing, and
    /// the documents have agreed to this header: a header that was rolled back must not take the place of a newer one.
    ///
    /// A copy that cannot be written is said too, and keeps no vault from being served.
    pub(crate) fn mend(&self, directory: &Path) {
        for fault in &self.faults {
            fault.log();
            let written = match COPIES.get(fault.index) {
                Some(name) => write_copy(directory, name, &self.header),
                None => Ok(()),
            };
            if let Err(error) = written {
                let advice = "make the directory writable and start again; one copy is left";
                tracing::error!(
                    file = fault.place,
                    error = format!("{error:#}"),
                    advice,
                    "keys.copy_not_written"
                );
            }
        }
    }

    /// The header that serves.
    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// The header that serves, alone.
    pub(crate) fn into_header(self) -> Header {
        self.header
    }

    /// The header that serves, as a copy has it.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.header.encode()
    }

    /// Puts another header in the place of this one, in both copies. When either cannot be written both are as before.
    pub(super) fn replace(&self, directory: &Path, header: &Header) -> anyhow::Result<()> {
        write(directory, header).inspect_err(|_| drop(write(directory, &self.header)))
    }
}

#[cfg(test)]
pub(super) mod tests;

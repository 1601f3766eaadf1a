//! The view: SQLite tables that the applier keeps behind the log.

mod apply;
mod checkout;
mod delivery;
pub(crate) mod fingerprints;
mod list;
mod log;
mod notes;
mod page;
mod read;
mod schema;
mod tally;

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use panvault_directory::Directory;
use panvault_model::VaultId;
use panvault_store::Chain;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::fault::OpenFault;
use crate::limits::VIEW_BUSY_MILLIS;
use crate::view::schema::{Journal, PAGE_BYTES, SCHEMA};

pub(crate) use apply::{ApplyFrame, apply, apply_new, forget_notes};
pub(crate) use checkout::{checkout, checkout_over};
pub(crate) use delivery::{
    delivery, delivery_due, delivery_first, delivery_lanes, delivery_over, delivery_waiting,
};
pub(crate) use fingerprints::{Fingerprints, FoundBy, Tail};
pub(crate) use list::{ListSource, list};
pub(crate) use log::{carry_log, end_log, log_bytes};
pub(crate) use notes::unpack as unpack_notes;
pub(crate) use page::{last_key, row_page};
pub(crate) use read::{
    api_key_use, audit, card, card_cvv, card_cvv_expired, card_page, customer, document, documents, history,
    idempotency, idempotency_expired, largest, nodes, open_refunds, open_transactions, refund, standing,
    transaction, unreadable,
};
pub(crate) use schema::SchemaWatch;
pub(crate) use tally::{Counted, Each, Step, Tallies, Tally, hash, toggle};

/// Format of the tables.
const FORMAT: u32 = 12;

/// Name of the view's file.
const VIEW: &str = "view.sqlite";
/// Name of the view in the making.
const NEW: &str = "view.sqlite.new";
/// What SQLite puts behind the name of a file, for the files that it keeps beside it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", JOURNAL];
/// That of a rollback journal, which a view never has: it is in WAL mode from its making on.
const JOURNAL: &str = "-journal";

/// SQLite's own log of the view.
pub(crate) fn log_path(directory: &Path) -> PathBuf {
    directory.join("view.sqlite-wal")
}

/// The view's file.
pub(crate) fn view_path(directory: &Path) -> PathBuf {
    directory.join(VIEW)
}

/// Makes an empty view. It gets its name when it is whole: what a crash leaves of it, the next try replaces.
pub(crate) fn create(directory: &Directory, vault: VaultId, chain: &dyn Chain) -> Result<(), OpenFault> {
    let (path, making) = (view_path(directory.path()), directory.path().join(NEW));
    // SQLite gives its companion files the mode of the file itself.
    clear(directory, VIEW)
        .and_then(|()| clear(directory, NEW))
        .and_then(|()| directory.create(NEW).map(drop))
        .map_err(OpenFault::io(&making))?;
    let connection = open(directory, NEW, Access::Write)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(&format!("BEGIN; {SCHEMA}"))?;
    let mut put = connection.prepare("INSERT INTO meta VALUES (?, ?)")?;
    put.execute(params!["format", FORMAT])?;
    put.execute(params!["vault", vault.as_bytes()])?;
    put.execute(params!["applied", 0])?;
    put.execute(params!["tallies", tally::nothing(chain)])?;
    drop(put);
    connection.execute_batch("COMMIT")?;
    // Closing checkpoints SQLite's own log and removes it, so that the one file is all.
    connection.close().map_err(|(_, error)| error)?;
    let named = directory.rename(NEW, VIEW).and_then(|()| directory.sync());
    named.map_err(OpenFault::io(&path))
}

/// Removes a view and its companions. SQLite would take a companion that outlived its view for the new view's own.
fn clear(directory: &Directory, name: &str) -> io::Result<()> {
    directory.clear(name)?;
    COMPANIONS.iter().try_for_each(|end| directory.clear(format!("{name}{end}")))
}

/// Whether a view is there that can be used.
pub(crate) fn is_there(directory: &Directory) -> Result<bool, OpenFault> {
    let found = directory.judged(VIEW, false).map_err(OpenFault::io(view_path(directory.path())))?;
    Ok(found.is_some())
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The applier's.
    Write,
    /// Everyone else's.
    Read,
}

/// Connects to the view.
pub(crate) fn connect(
    directory: &Directory,
    access: Access,
    cache_kib: u32,
) -> Result<Connection, OpenFault> {
    let connection = open(directory, VIEW, access)?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.set_prepared_statement_cache_capacity(64);
    if access == Access::Write {
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "secure_delete", true)?;
    }
    Ok(connection)
}

/// Makes an empty file for a copy of the view, and connects to it. What a crash leaves of it is nobody's view, so it has no journal and is flushed once, by
/// whoever makes it.
pub(crate) fn create_copy(directory: &Directory) -> Result<(Connection, File), OpenFault> {
    let file = directory.create(VIEW).map_err(OpenFault::io(view_path(directory.path())))?;
    let connection = open(directory, VIEW, Access::Write)?;
    connection.pragma_update(None, "journal_mode", "off")?;
    connection.pragma_update(None, "synchronous", "off")?;
    Ok((connection, file))
}

/// Connects to a copy of the view that nobody writes to, and makes no file beside it.
pub(crate) fn connect_copy(directory: &Directory) -> Result<Connection, OpenFault> {
    let path = view_path(directory.path());
    judged(directory, VIEW, Access::Read)?;
    for end in COMPANIONS {
        let companion = format!("{VIEW}{end}");
        if directory.entry(&companion).map_err(OpenFault::io(&path))?.is_some() {
            let refused = "is beside a copy of the view, and copies have nothing beside them";
            return Err(OpenFault::io(directory.path().join(companion))(io::Error::other(refused)));
        }
    }
    let whole = std::fs::canonicalize(directory.path()).map_err(OpenFault::io(directory.path()))?.join(VIEW);
    let mut uri = "file:".to_owned();
    for byte in whole.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(uri, flags)?;
    schema::harden(&connection)?;
    Ok(connection)
}

/// Opens a file of SQLite's. SQLite opens by path, and makes and cuts short its companions as it needs them: so all are looked at
/// through the directory that is held, before and after, and the path must lead to the same file.
fn open(directory: &Directory, name: &str, access: Access) -> Result<Connection, OpenFault> {
    let flags = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let before = judged(directory, name, access)?;
    let io = |path: &Path| OpenFault::io(path.to_owned());
    let path = std::fs::canonicalize(directory.path()).map_err(io(directory.path()))?.join(name);
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(Duration::from_millis(VIEW_BUSY_MILLIS))?;
    schema::harden(&connection)?;
    // The first look makes it open what is beside the file.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let opened = std::fs::symlink_metadata(&path).map_err(io(&path))?;
    let after = judged(directory, name, access)?;
    if before != after || before != (opened.dev(), opened.ino()) {
        let moved =
            io::Error::other("is not the same file as a moment before; find out who changes the directory");
        return Err(OpenFault::io(path)(moved));
    }
    Ok(connection)
}

/// Refuses a file of SQLite's, or a companion of it, that leads elsewhere. Gives what tells the file from another.
fn judged(directory: &Directory, name: &str, access: Access) -> Result<(u64, u64), OpenFault> {
    let to_write = access == Access::Write;
    let look =
        |name: &str| directory.judged(name, to_write).map_err(OpenFault::io(directory.path().join(name)));
    for end in COMPANIONS {
        let companion = format!("{name}{end}");
        if look(&companion)?.is_some() && end == JOURNAL {
            let refused = "is a rollback journal, which panvault never makes: SQLite would write back what it says. Remove it, and find \
                           out who put it there";
            return Err(OpenFault::io(directory.path().join(companion))(io::Error::other(refused)));
        }
    }
    let missing = || OpenFault::io(directory.path().join(name))(io::ErrorKind::NotFound.into());
    look(name)?.map(|found| (found.dev(), found.ino())).ok_or_else(missing)
}

/// What the view says of itself.
pub(crate) struct Meta {
    /// Last step that it holds.
    pub(crate) applied: u64,
    /// Tag of the frame of that step, and the version of its key.
    pub(crate) link: Option<([u8; 32], u16)>,
}

impl Meta {
    /// Where a log goes on behind it: behind its last frame, or before the first.
    pub(crate) fn link_or_first(&self, vault: VaultId, chain: &dyn Chain) -> ([u8; 32], u16) {
        self.link.unwrap_or_else(|| (chain.digest(vault.as_bytes()), 0))
    }
}

/// Reads it, and refuses a view of another vault or another version.
pub(crate) fn meta(connection: &Connection, vault: VaultId) -> Result<Meta, OpenFault> {
    meta_beside(connection, vault, Journal::Log)
}

/// The same of a copy that was opened by [`connect_copy`].
pub(crate) fn copy_meta(connection: &Connection, vault: VaultId) -> Result<Meta, OpenFault> {
    meta_beside(connection, vault, Journal::None)
}

fn meta_beside(connection: &Connection, vault: VaultId, journal: Journal) -> Result<Meta, OpenFault> {
    let what = || "view.sqlite".to_owned();
    let value = "SELECT value FROM meta WHERE name = ?";
    let format: u32 = connection.query_row(value, ["format"], |row| row.get(0))?;
    if format > FORMAT {
        return Err(OpenFault::NewerFormat { what: what() });
    }
    if format < FORMAT {
        return Err(OpenFault::OlderFormat { what: what(), format });
    }
    let owner: [u8; 12] = connection.query_row(value, ["vault"], |row| row.get(0))?;
    if VaultId::from_bytes(owner) != vault {
        return Err(OpenFault::Foreign { what: what() });
    }
    schema::is_sound(connection, journal)?;
    let applied: i64 = connection.query_row(value, ["applied"], |row| row.get(0))?;
    let applied =
        u64::try_from(applied).map_err(|_| OpenFault::ViewDamaged { what: "its last step is negative" })?;
    if !is_chain_sound(connection, applied)? {
        return Err(OpenFault::ViewDamaged {
            what: "it has commits before the first or after the last step",
        });
    }
    if !fingerprints::are_runs_sound(connection)? {
        return Err(OpenFault::ViewDamaged { what: "its runs of fingerprints are none that are ever made" });
    }
    let last = "SELECT tag, key FROM chain ORDER BY first_sequence DESC LIMIT 1";
    let link = connection.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(Meta { applied, link })
}

/// Version of the key that the first frame of a view is chained with; `None` of a view without one.
pub(crate) fn first_key(connection: &Connection) -> Result<Option<u16>, rusqlite::Error> {
    let first = "SELECT key FROM chain ORDER BY first_sequence LIMIT 1";
    connection.prepare_cached(first)?.query_row([], |row| row.get(0)).optional()
}

/// The segment that had the last step of a view; 0 for none.
pub(crate) fn last_segment(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let last = "SELECT segment FROM chain ORDER BY first_sequence DESC LIMIT 1";
    let segment: Option<i64> = connection.query_row(last, [], |row| row.get(0)).optional()?;
    Ok(segment.map_or(0, i64::cast_unsigned))
}

/// Whether all commits are of steps that there are.
fn is_chain_sound(connection: &Connection, applied: u64) -> Result<bool, rusqlite::Error> {
    let ends = "SELECT min(first_sequence), max(first_sequence) FROM chain";
    let (first, last): (Option<i64>, Option<i64>) =
        connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.is_none_or(|first| first > 0) && last.is_none_or(|last| last.cast_unsigned() <= applied))
}

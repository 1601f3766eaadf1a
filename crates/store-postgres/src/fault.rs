//! What the library says, in the words of a store. Its own words may repeat values, and are dropped.

use panvault_store::StoreFault;
use tokio_postgres::error::SqlState;

/// Nothing is written there.
pub(crate) const ACKNOWLEDGES_EARLY: StoreFault = StoreFault::Read(
    "the database acknowledges what it has not written: set fsync and synchronous_commit to on",
);

/// What a statement that failed means for whoever asked. Of a commit it is known that nothing was changed.
pub(crate) fn store_fault(error: &tokio_postgres::Error) -> StoreFault {
    let Some(code) = error.code() else { return StoreFault::Unreachable };
    if *code == SqlState::QUERY_CANCELED {
        StoreFault::TimedOut
    } else if is_away(code) {
        StoreFault::Unreachable
    } else if is_full(code) {
        StoreFault::Full
    } else if *code == SqlState::INVALID_PARAMETER_VALUE {
        ACKNOWLEDGES_EARLY
    } else if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN {
        StoreFault::Read("the database has not the tables of this version; run panvault migrate")
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        StoreFault::Read("the user of the database may not do this")
    } else {
        StoreFault::Read("the database refused a statement")
    }
}

/// Whether it met another one, and may be tried again.
pub(crate) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::T_R_SERIALIZATION_FAILURE
            || *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::UNIQUE_VIOLATION
    })
}

/// Whether it is not known what became of the statement: nothing was heard, or the server went before it said that it was undone. A primary that
/// is told to stop while it waits for a standby has committed already.
pub(crate) fn is_unknown(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    code.code().starts_with("08") || code.code().starts_with("57P") || code.code() == "40003"
}

/// Whether the server goes, comes, takes no writes, or takes no more connections. The classes are 08, 57 and 53300.
pub(crate) fn is_away(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
        || *code == SqlState::CANNOT_CONNECT_NOW
        || *code == SqlState::TOO_MANY_CONNECTIONS
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
}

fn is_full(code: &SqlState) -> bool {
    *code == SqlState::DISK_FULL
        || *code == SqlState::OUT_OF_MEMORY
        || *code == SqlState::INSUFFICIENT_RESOURCES
}

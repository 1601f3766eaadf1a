//! The database of a vault: reached, with a schema that is known, and the vault in it.

use core::time::Duration;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use panvault_keys::{Header, Slot, VaultKeys};
use panvault_model::{Id, VaultId};
use panvault_store_postgres::{
    Applied, ConnectError, Database, MigrateError, Password, PostgresSettings, PostgresUrl, SchemaState,
    VaultRow,
};
use panvault_vault::Mode;

use crate::config::{Shared, secret};
use crate::data::header::{self, CopyFault, OpenHeader, Unopened};
use crate::data::moving::VaultState;
use crate::data::node::NodeDirectory;
use crate::data::{Unattended, key_mode, slot_key, slots};

/// Reaches the database, whatever is in it.
pub(in crate::data) async fn reach(shared: &Shared, list_time: Duration) -> anyhow::Result<Database> {
    let password = shared.store_password_file.as_deref().map(secret::password).transpose();
    let password = password.map_err(|fault| anyhow!(fault))?.map(Password::new);
    let settings = PostgresSettings {
        url: shared.store.clone(),
        password,
        commit_rows_max: shared.commit_rows_max,
        connections_max: shared.store_connections_max,
        list_seconds: list_time.as_secs(),
    };
    let said = |error: &ConnectError| match error {
        ConnectError::Refused(state) if state.starts_with("28") && shared.store_password_file.is_none() => {
            "; store_password_file names no password"
        }
        // A password that is asked for and not there is no answer of the database's.
        ConnectError::Unreachable if shared.store_password_file.is_none() => {
            "; store_password_file names no password, if it wants one"
        }
        ConnectError::Refused(_)
        | ConnectError::Roots
        | ConnectError::Tls
        | ConnectError::NoTls
        | ConnectError::Unreachable => "",
    };
    Database::connect(settings).await.map_err(|error| {
        let more = said(&error);
        anyhow::Error::from(error).context(format!("the database at {} cannot be used{more}", shared.store))
    })
}

/// What an operator should know of the way to the database; `None` where it is secured.
pub(in crate::data) fn unsecured(url: &PostgresUrl) -> Option<&'static str> {
    if url.is_plain() {
        Some(
            "store has sslmode=disable, and the database is on another machine: what is sent can be read and changed on the way; use \
             sslmode=verify-full",
        )
    } else if url.is_unverified() {
        Some(
            "store has sslmode=require and no sslrootcert: whoever answers is taken for the database; use sslmode=verify-full, or name the \
             authority of its certificate",
        )
    } else {
        None
    }
}

/// The row about the vault in a database with a schema that this version knows.
async fn vault_row(database: &Database) -> anyhow::Result<VaultRow> {
    let url = database.url();
    let unread = || format!("the database at {url} cannot be read");
    match database.schema().await.with_context(unread)? {
        SchemaState::Current | SchemaState::Expanded { .. } => {}
        state => bail!(not_current(database, state)),
    }
    database.vault_read().await.with_context(unread)?.with_context(|| none(database))
}

/// The same with its mode, and what is said of it.
pub(in crate::data) async fn vault_state(
    database: &Database,
) -> anyhow::Result<(VaultRow, Mode, VaultState)> {
    let row = vault_row(database).await?;
    let (mode, state) = VaultState::parse(&row.mode).with_context(|| {
        format!("the row about the vault in the database at {} is not what panvault wrote", database.url())
    })?;
    Ok((row, mode, state))
}

/// The same of a vault that is there. One that was moved away, is not whole, or is being restored by another than `restoring`, is refused.
pub(super) async fn vault_here(
    database: &Database,
    restoring: Option<Id>,
) -> anyhow::Result<(VaultRow, Mode)> {
    let (row, mode, state) = vault_state(database).await?;
    if restoring.is_some_and(|backup| state == VaultState::Restoring(backup)) {
        return Ok((row, mode));
    }
    match state.refusal(&database.url().to_string()) {
        Some(refusal) => bail!(refusal),
        None => Ok((row, mode)),
    }
}

pub(in crate::data) fn none(database: &Database) -> String {
    format!(
        "the database at {} holds no vault: see that store names the right one, or make a vault in it with panvault init DIR --store URL",
        database.url()
    )
}

/// Why nothing can be done with a schema, and which command helps.
pub(in crate::data) fn not_current(database: &Database, state: SchemaState) -> String {
    let url = database.url();
    match state {
        SchemaState::Empty | SchemaState::Current | SchemaState::Expanded { .. } => none(database),
        SchemaState::Behind { at, to } => format!(
            "the database at {url} has the tables of an earlier version (step {at} of {to}): bring them up to date with panvault migrate"
        ),
        SchemaState::Ahead { at } => format!(
            "the database at {url} has the tables of a later version (step {at}), which this one cannot use: use the version that \
             made them, or a later one"
        ),
        SchemaState::Changed { number } => format!(
            "step {number} of the tables in the database at {url} is not the one that this version knows: find out who or what changed \
             them, or use the version that made them; nothing was read or changed"
        ),
    }
}

/// Brings the tables of a database up to date. What was done, in order; nothing where all was.
pub(crate) async fn migrate(shared: &Shared, list_time: Duration) -> anyhow::Result<Vec<Applied>> {
    let database = reach(shared, list_time).await?;
    let url = database.url();
    let state = database.schema().await.with_context(|| format!("the database at {url} cannot be read"))?;
    match state {
        // Whoever has it here without a vault meant another database, or has to say of what mode the vault is to be.
        SchemaState::Empty => bail!(none(&database)),
        SchemaState::Ahead { .. } | SchemaState::Changed { .. } => bail!(not_current(&database, state)),
        SchemaState::Current | SchemaState::Expanded { .. } | SchemaState::Behind { .. } => {}
    }
    steps(&database).await
}

/// Does the steps that are missing.
pub(in crate::data) async fn steps(database: &Database) -> anyhow::Result<Vec<Applied>> {
    database.migrate().await.map_err(|error| {
        let advice = match error {
            MigrateError::Store(_) | MigrateError::IndexUnfinished => {
                "; steps that were done are whole, and panvault migrate does the rest"
            }
            MigrateError::InUse => {
                "; end what holds a table for long, such as a dump or a transaction that somebody left open, and run panvault migrate again: it does the rest"
            }
            MigrateError::Ahead | MigrateError::Changed => "",
        };
        anyhow::Error::from(error)
            .context(format!("the tables in the database at {} are not up to date{advice}", database.url()))
    })
}

impl NodeDirectory {
    /// The database and the row about the vault in it. One that is elsewhere by now, or not whole, is refused.
    pub(super) async fn reach(&self, list_time: Duration) -> anyhow::Result<(Database, VaultRow, Mode)> {
        let database = reach(&self.shared, list_time).await?;
        let (row, mode) = vault_here(&database, self.restoring).await?;
        Ok((database, row, mode))
    }

    /// Test or live. Changes nothing.
    pub(in crate::data) async fn mode(&self) -> anyhow::Result<Mode> {
        Ok(self.reach(READ_TIME).await?.2)
    }

    /// The keys of the vault. Changes nothing.
    pub(in crate::data) async fn keys(&self, by: Unattended<'_>) -> anyhow::Result<(VaultKeys, Mode)> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let slot = self.unattended_of(&row, mode, by).await?;
        Ok((self.header_by(&database, &row, mode, slot.as_ref())?.keys, mode))
    }

    /// What opens the vault while nobody is there: its key file, or what a peer gives back. Without the former the database is asked for its slots.
    pub(in crate::data) async fn unattended(
        &self,
        by: Unattended<'_>,
    ) -> anyhow::Result<Box<dyn Slot + Send>> {
        let file = self.slot(by.slot_key_file)?;
        if file.is_there() {
            return Ok(Box::new(file));
        }
        let (_, row, mode) = self.reach(READ_TIME).await?;
        self.unattended_of(&row, mode, by).await
    }

    /// The same of a vault whose row is there.
    pub(in crate::data) async fn unattended_of(
        &self,
        row: &VaultRow,
        mode: Mode,
        by: Unattended<'_>,
    ) -> anyhow::Result<Box<dyn Slot + Send>> {
        let headers = header::readable_rows(&row.header, row.vault, key_mode(mode));
        slots::come_by(self.slot(by.slot_key_file)?, by.peers, row.vault, &headers).await
    }

    /// Which vault it is, and the copies of its header that can be read. They are not authenticated.
    pub(in crate::data) async fn headers(&self) -> anyhow::Result<(VaultId, Vec<Header>)> {
        let (_, row, mode) = self.reach(READ_TIME).await?;
        Ok((row.vault, header::readable_rows(&row.header, row.vault, key_mode(mode))))
    }

    /// Opens the keys of the vault with the root key.
    pub(in crate::data) fn header(
        &self,
        database: &Database,
        row: &VaultRow,
        mode: Mode,
        slot_key_file: Option<&Path>,
    ) -> anyhow::Result<OpenHeader> {
        let slot = self.slot(slot_key_file)?;
        self.header_by(database, row, mode, &slot)
    }

    /// The same by whatever slot.
    pub(in crate::data) fn header_by(
        &self,
        database: &Database,
        row: &VaultRow,
        mode: Mode,
        slot: &dyn Slot,
    ) -> anyhow::Result<OpenHeader> {
        header::open_rows(&row.header, slot, row.vault, key_mode(mode)).map_err(|unopened| {
            let faults = match unopened {
                Unopened::Slot(error) => return slot_key::unopened(error),
                Unopened::Copies(faults) => faults,
            };
            let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let advice = if faults.iter().any(CopyFault::is_key_wrong) {
                format!("the {} does not belong to the vault; give the one that does", slot.describe())
            } else {
                "restore the database from a backup: without them no root key opens the vault".to_owned()
            };
            anyhow!("the vault in the database at {} stays sealed: {said}; {advice}", database.url())
        })
    }
}

/// Time that a list may take where none is asked for.
pub(super) const READ_TIME: Duration = Duration::from_secs(10);

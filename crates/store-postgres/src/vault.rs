//! The one row about the vault itself, and what the database says of itself.

use panvault_model::{Timestamp, VaultId};
use panvault_store::StoreFault;
use tokio_postgres::types::Type;

use crate::connect::Database;
use crate::fault::ACKNOWLEDGES_EARLY;
use crate::row::DURABLE;

/// What is kept of the vault as a whole. `init` makes it, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRow {
    /// Names the vault.
    pub vault: VaultId,
    /// Test or live, as the caller writes it.
    pub mode: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The header, in two copies; see `keys`.
    pub header: [Vec<u8>; 2],
    /// Counts the changes of this row, from 1.
    pub version: u32,
}

/// Whether what is committed is elsewhere too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Standbys that are connected.
    pub standbys: u64,
    /// Whether a commit waits for one of them.
    pub synchronous: bool,
    /// How far each is behind; empty where the database does not let its user see that.
    pub lags: Vec<StandbyLag>,
}

/// How far a standby is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandbyLag {
    /// Bytes of the log that it has not applied.
    pub bytes: u64,
    /// Milliseconds that it took lately to apply what was written.
    pub millis: u64,
}

const DAMAGED: StoreFault = StoreFault::Read("the row about the vault is not as it was written");

impl Database {
    /// The row about the vault, if it was made.
    pub async fn vault_read(&self) -> Result<Option<VaultRow>, StoreFault> {
        let sql = "SELECT id, mode, created_at, version, header_1, header_2 FROM vault WHERE one = 1";
        let rows = self.query(sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: &[u8] = row.try_get(0).map_err(|_| DAMAGED)?;
        let mode: Vec<u8> = row.try_get(1).map_err(|_| DAMAGED)?;
        let (created_at, version): (i64, i64) =
            (row.try_get(2).map_err(|_| DAMAGED)?, row.try_get(3).map_err(|_| DAMAGED)?);
        Ok(Some(VaultRow {
            vault: VaultId::from_bytes(id.try_into().map_err(|_| DAMAGED)?),
            mode: String::from_utf8(mode).map_err(|_| DAMAGED)?,
            created_at: Timestamp::from_unix_millis(u64::try_from(created_at).map_err(|_| DAMAGED)?),
            header: [row.try_get(4).map_err(|_| DAMAGED)?, row.try_get(5).map_err(|_| DAMAGED)?],
            version: u32::try_from(version).map_err(|_| DAMAGED)?,
        }))
    }

    /// Makes the row about the vault. `false` when there is one: nothing was changed. [`StoreFault::Unresolved`]: it may be there, or come to be there; with every
    /// other fault it is not.
    pub async fn vault_create(&self, row: &VaultRow) -> Result<bool, StoreFault> {
        let sql = format!(
            "INSERT INTO vault (one, id, mode, created_at, version, header_1, header_2) \
             SELECT 1, $1, $2, $3, $4, $5, $6 WHERE {DURABLE} ON CONFLICT (one) DO NOTHING RETURNING version"
        );
        let created_at = i64::try_from(row.created_at.unix_millis()).unwrap_or(i64::MAX);
        let [first, second] = &row.header;
        let made = self
            .write_once(
                &sql,
                &[
                    (&row.vault.as_bytes().as_slice(), Type::BYTEA),
                    (&row.mode.as_bytes(), Type::BYTEA),
                    (&created_at, Type::INT8),
                    (&i64::from(row.version), Type::INT8),
                    (first, Type::BYTEA),
                    (second, Type::BYTEA),
                ],
            )
            .await?;
        Ok(!made.is_empty())
    }

    /// Replaces one copy of the header, 0 or 1, in the row that has this version, which counts up. `false` when it has another: nothing was
    /// changed.
    pub async fn header_replace(&self, copy: usize, bytes: &[u8], version: u32) -> Result<bool, StoreFault> {
        let header = if copy == 0 { "header_1" } else { "header_2" };
        let sql = format!(
            "UPDATE vault SET {header} = $1, version = version + 1 \
             WHERE one = 1 AND version = $2 AND {DURABLE} RETURNING version"
        );
        let replaced =
            self.write_once(&sql, &[(&bytes, Type::BYTEA), (&i64::from(version), Type::INT8)]).await?;
        Ok(!replaced.is_empty())
    }

    /// Whether what is committed is elsewhere too.
    pub async fn replication(&self) -> Result<Replication, StoreFault> {
        let sql = "SELECT (SELECT count(*) FROM pg_stat_replication)::int8, \
                   current_setting('synchronous_standby_names') <> '' \
                   AND current_setting('synchronous_commit') IN ('on', 'remote_apply', 'remote_write')";
        let rows = self.query(sql, &[]).await?;
        let row = rows.first().ok_or(StoreFault::Read("the database says nothing of its replication"))?;
        let standbys: i64 =
            row.try_get(0).map_err(|_| StoreFault::Read("the database counts no standbys"))?;
        let synchronous =
            row.try_get(1).map_err(|_| StoreFault::Read("the database says not how it commits"))?;
        let standbys = u64::try_from(standbys).unwrap_or(0);
        let lags = if standbys == 0 { Vec::new() } else { self.lags().await.unwrap_or_default() };
        Ok(Replication { standbys, synchronous, lags })
    }

    /// How far each standby is behind. A user without the rights of `pg_monitor` sees that they are there, and no more.
    async fn lags(&self) -> Result<Vec<StandbyLag>, StoreFault> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8, \
                   coalesce(extract(epoch FROM replay_lag) * 1000, 0)::int8 \
                   FROM pg_stat_replication WHERE replay_lsn IS NOT NULL ORDER BY application_name, pid";
        let rows = self.query(sql, &[]).await?;
        let lag = |row: &tokio_postgres::Row| {
            let (bytes, millis): (i64, i64) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
            // One that has just applied all may be ahead of what was asked before it.
            let most = |number: i64| u64::try_from(number).unwrap_or(0);
            Some(StandbyLag { bytes: most(bytes), millis: most(millis) })
        };
        Ok(rows.iter().filter_map(lag).collect())
    }

    /// Refuses a database that acknowledges what it has not written to its disk.
    pub(crate) async fn commits_are_durable(&self) -> Result<(), StoreFault> {
        let sql = "SELECT coalesce(current_setting('fsync', true), 'on') <> 'off' \
                   AND coalesce(current_setting('synchronous_commit', true), 'on') <> 'off'";
        let rows = self.query(sql, &[]).await?;
        if rows.first().and_then(|row| row.try_get(0).ok()) == Some(true) {
            Ok(())
        } else {
            Err(ACKNOWLEDGES_EARLY)
        }
    }

    /// What time it is, by the database's clock.
    pub async fn clock(&self) -> Result<Timestamp, StoreFault> {
        let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8";
        let rows = self.query(sql, &[]).await?;
        let millis = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
        let millis = millis.and_then(|millis| u64::try_from(millis).ok());
        millis
            .map(Timestamp::from_unix_millis)
            .ok_or(StoreFault::Read("the database says not what time it is"))
    }
}

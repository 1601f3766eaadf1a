#![doc = include_str!("../README.md")]

mod audit;
mod commit;
mod connect;
mod examine;
mod fault;
mod import;
pub mod limits;
mod list;
mod migrate;
mod primary;
mod read;
mod row;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod vault;

pub use crate::audit::{ChainMark, MarkState};
pub use crate::connect::{ConnectError, Database, Password, PostgresSettings};
pub use crate::examine::{ExaminedRow, key_bytes};
pub use crate::import::TrailImport;
pub use crate::migrate::{Applied, Change, MigrateError, Migration, SchemaState};
pub use crate::store::PostgresStore;
pub use crate::url::{PostgresUrl, UrlFault};
pub use crate::vault::{Replication, StandbyLag, VaultRow};

//! Rows of the tables that grow: cards, transactions, their history, idempotency and audit records.

mod audit;
mod card;
mod idempotency;
mod transaction;

pub use audit::{Action, AuditNote, AuditRecord};
pub use card::CardRow;
pub use idempotency::{Answer, IdempotencyKey, IdempotencyRow};
pub use transaction::{HistoryRow, TransactionRow};

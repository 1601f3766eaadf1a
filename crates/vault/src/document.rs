//! Organisations, accounts, processors and API keys: made here, stored as tagged documents, cached whole.

mod change;
mod create;
mod header;
mod snapshot;

pub use create::{DocumentPlan, NewAccount, NewApiKey, NewOrganisation, NewProcessor};
pub(crate) use snapshot::Snapshot;

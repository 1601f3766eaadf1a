//! Organisations, accounts, processors and API keys: made here, stored as tagged rows, cached whole.

mod change;
mod create;
mod documents;
mod examine;
mod head;
mod header;
mod list;
mod make;
mod snapshot;

pub use create::{NewAccount, NewApiKey, NewOrganisation, NewProcessor};
pub use examine::documents_differ;
pub use make::DocumentPlan;
pub(crate) use make::DocumentTurn;
pub(crate) use snapshot::Snapshot;

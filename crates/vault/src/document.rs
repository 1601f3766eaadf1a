//! Organisations, accounts, processors and API keys as rows: tagged, covered by a head, cached whole.

mod catch_up;
mod change;
mod documents;
mod examine;
mod follow;
mod head;
mod header;
mod list;
mod make;
mod retire;
mod snapshot;

pub(crate) use change::DocumentChange;
pub(crate) use documents::KnownKey;
pub use examine::{documents_differ, processor_types};
pub(crate) use follow::{DocumentsSeen, follow_often};
pub(crate) use head::{HEAD_ID, HEAD_ROW, Stamp};
pub use header::HeaderPlace;
pub(crate) use list::Listed;
pub use make::DocumentPlan;
pub(crate) use make::DocumentTurn;
pub(crate) use retire::{EarlierSnapshots, transactions};
pub(crate) use snapshot::Snapshot;
pub use snapshot::{header_named_in, keys_as_documents_say};

//! Operations on transactions.

mod act;
mod ask;
mod claim;
mod create;
mod outbound;
mod read;
mod recover;
mod settle;
mod settlement;

pub(crate) use ask::Harmless;
pub use create::NewTransaction;
pub(crate) use create::{answered_in_time, sent_in_time};
pub(crate) use settle::{Patience, may_pass, said};
pub use settlement::SettledCounts;

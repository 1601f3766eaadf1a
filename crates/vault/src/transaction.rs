//! Operations on transactions.

mod act;
mod ask;
mod asking;
mod claim;
mod create;
mod outbound;
mod read;
mod recover;
mod settle;
mod settlement;
mod threed;

pub(crate) use ask::{Harmless, is_too_early};
pub(crate) use asking::Asking;
pub use create::NewTransaction;
pub(crate) use create::{answered_in_time, sent_in_time};
pub(crate) use settle::{Patience, may_pass, named, said};
pub use settlement::SettledCounts;

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

pub use create::NewTransaction;
pub use settlement::SettledCounts;

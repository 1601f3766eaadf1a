//! Operations on transactions.

mod act;
mod ask;
mod claim;
mod create;
mod outbound;
mod read;
mod recover;
mod settle;

pub use create::NewTransaction;

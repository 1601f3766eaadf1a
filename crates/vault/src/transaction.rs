//! Operations on transactions.

mod claim;
mod create;
mod outbound;
mod read;
mod recover;
mod settle;

pub use create::NewTransaction;

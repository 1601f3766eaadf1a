//! Operations on transactions.

mod create;
mod outbound;
mod read;
mod recover;
mod settle;

pub use create::NewTransaction;

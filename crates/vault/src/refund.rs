//! Operations on refunds.

mod create;
mod outcome;
mod read;
mod recover;
mod settlement;

pub use create::NewRefund;

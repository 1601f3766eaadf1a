//! Operations on transactions.

mod act;
mod ask;
mod asking;
mod claim;
mod create;
mod cryptogram;
mod outbound;
mod read;
mod recent;
mod recover;
mod route;
mod series;
mod settle;
mod settlement;
mod threed;
mod tries;
mod unreached;

pub(crate) use ask::{Harmless, follow_up, is_too_early};
pub(crate) use asking::Asking;
pub use create::NewTransaction;
pub(crate) use create::{answered_in_time, sent_in_time};
pub use cryptogram::SealedCryptogram;
pub(crate) use settle::{Patience, SettleBase, may_pass, named, said};
pub use settlement::SettledCounts;
pub(crate) use unreached::Unreached;

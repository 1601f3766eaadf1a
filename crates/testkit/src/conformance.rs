//! One suite that judges every store: each case is a function over an empty store, named after what it shows.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a case that fails panics")]

mod ask;
mod audit;
mod card;
mod contents;
mod cvv;
mod document;
mod idempotency;
mod list;
pub mod rows;
mod steps;
mod transaction;

use core::fmt;
use core::pin::Pin;

use panvault_store::{CvvStore, Outcome, Store};

pub use ask::{Answered, ask};
pub use contents::{Contents, contents};
pub use cvv::{room_ends_at, room_is_shared};
pub use steps::{
    card_delete, card_insert, card_noted, card_update, documents_commit, note, sweep, transaction_initiate,
    transaction_settle,
};

/// A case under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A case for stores, with its name.
pub type StoreCase = (&'static str, fn(&dyn Store) -> Running<'_>);

/// A case for CVV stores, with its name.
pub type CvvCase = (&'static str, fn(&dyn CvvStore) -> Running<'_>);

/// Names cases after their functions.
macro_rules! cases {
    ($($name:ident)+) => { &[$((stringify!($name), |store| Box::pin($name(store))),)+] };
}
use cases;

/// Every case for a store. Each wants an empty one.
pub fn store_cases() -> impl Iterator<Item = StoreCase> {
    let parts =
        [card::CASES, transaction::CASES, document::CASES, idempotency::CASES, audit::CASES, list::CASES];
    parts.into_iter().flatten().copied()
}

/// Every case for a CVV store. Each wants an empty one.
pub fn cvv_cases() -> impl Iterator<Item = CvvCase> {
    cvv::CASES.iter().copied()
}

/// The row and place of a step that is done.
fn done<T: fmt::Debug>(outcome: Outcome<T>) -> (T, u64) {
    match outcome {
        Outcome::Done { value, sequence } => (value, sequence),
        Outcome::Replayed(_) | Outcome::InUse | Outcome::Mismatch | Outcome::NotFound | Outcome::Stale => {
            panic!("the step is not done: {outcome:?}")
        }
    }
}

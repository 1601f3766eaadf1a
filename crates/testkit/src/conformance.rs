//! One suite that judges every store: each case is a function over an empty store, named after what it shows.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a case that fails panics")]

mod audit;
mod card;
mod checkout;
mod commit;
mod commits;
mod contents;
mod customer;
mod cvv;
mod delivery;
mod document;
mod idempotency;
mod list;
mod refund;
mod retag;
pub mod rows;
mod transaction;

use core::pin::Pin;

use panvault_store::{Outcome, Store};

pub use audit::what_is_forgotten_is_gone;
pub use commits::{
    DocumentChange, card_delete, card_insert, card_noted, card_update, claim, customer_delete,
    customer_insert, customer_update, document_delete, document_put, documents_commit, note, refund_create,
    refund_settle, sweep, transaction_initiate, transaction_settle,
};
pub use contents::{Contents, contents};
pub use cvv::{
    CvvCase, CvvJudged, cvv_cases, cvv_model, room_ends_at, room_is_shared, room_of_browsers_is_their_own,
};

/// A case under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A case for stores, with its name.
pub type StoreCase = (&'static str, fn(&dyn Store) -> Running<'_>);

/// Names cases after their functions.
macro_rules! cases {
    ($($name:ident)+) => { &[$((stringify!($name), |store| Box::pin($name(store))),)+] };
}
use cases;

/// Every case for a store. Each wants an empty one.
pub fn store_cases() -> impl Iterator<Item = StoreCase> {
    let parts = [
        commit::CASES,
        card::CASES,
        transaction::CASES,
        refund::CASES,
        customer::CASES,
        delivery::CASES,
        checkout::CASES,
        document::CASES,
        idempotency::CASES,
        audit::CASES,
        list::CASES,
        retag::CASES,
    ];
    parts.into_iter().flatten().copied()
}

/// The order of a commit that is done.
fn done(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Done { order } => order,
        Outcome::Claimed(_) | Outcome::Unmet(_) => panic!("not done: {outcome:?}"),
    }
}

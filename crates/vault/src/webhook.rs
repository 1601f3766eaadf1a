//! Webhooks: who is told of a change, durably with the change itself, and how long it is tried.
//!
//! `outbox.rs` makes the row that goes into the commit of a change; `scheduler.rs` reads what is due and hands it out; `attempt.rs` sends one,
//! and writes what became of it; `secret.rs` has what it is signed with. `read.rs` and `retry.rs` are for who looks
//! after receivers.

mod attempt;
mod outbox;
mod read;
mod retry;
mod scheduler;
mod secret;

pub(crate) use scheduler::Deliveries;
pub use scheduler::WebhookCounts;

//! The embedded store from outside: what it promises, over real directories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails panics"
)]

mod behind;
mod conformance;
mod create;
mod examine;
mod faults;
mod group_commit;
mod lock;
mod no_room;
mod power_cut;
mod recycle;
mod support;
mod view;
mod watched;
mod workload;

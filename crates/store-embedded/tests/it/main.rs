//! The embedded store from outside: what it promises, over real directories.

#![cfg(test)]

mod archive;
mod behind;
mod busy;
mod chain_key;
mod checkpoint;
mod conformance;
mod copy;
mod create;
mod examine;
mod faults;
mod forgotten;
mod group_commit;
mod links;
mod lock;
mod log_directory;
mod no_room;
mod power_cut;
mod pressure;
mod recycle;
mod schema;
mod support;
mod taken;
mod tally;
mod threads;
mod view;
mod view_log;
mod watched;
mod whole_cut;
mod workload;

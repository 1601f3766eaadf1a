//! The store from outside, over real servers.

#![cfg(test)]

mod commit;
mod conformance;
mod cut;
mod held;
mod lists;
mod migrate;
mod outage;
mod primary;
mod proxy;
mod support;
mod tls;
mod trail;
mod workload;

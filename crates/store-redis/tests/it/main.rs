//! CVVs on real servers.

#![cfg(test)]

mod away;
mod conformance;
mod full;
mod hostile;
mod late;
mod login;
mod proxy;
mod support;
mod unfit;

//! CVVs on real servers.

#![cfg(test)]

mod conformance;
mod support;

//! The store from outside, over real servers.

#![cfg(test)]

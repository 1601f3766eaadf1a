//! Messages are sent to receivers over loopback.

#![cfg(test)]

mod receiver;
mod send;

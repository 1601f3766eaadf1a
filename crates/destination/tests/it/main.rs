//! Lines are sent to servers over loopback.

#![cfg(test)]

mod collector;
mod server;
mod syslog;

//! The API over HTTP: a real server on a free port, with a store of its own.

#![cfg(test)]

mod actions;
mod administration;
mod audit;
mod bins;
mod callers;
mod cards;
mod checkouts;
mod clients;
mod connections;
mod cors;
mod customers;
mod documents;
mod faults;
mod floor;
mod framing;
mod hosted;
mod idempotency;
mod kept;
mod keyless;
mod keys;
mod lenience;
mod limits;
mod lists;
mod logs;
mod long_answers;
mod network_tokens;
mod nodes;
mod page;
mod processors;
mod refunds;
mod room;
mod schema;
mod slow;
mod streamed;
mod strictness;
mod support;
mod tls;
mod trail;
mod transactions;
mod unread;
mod webhooks;

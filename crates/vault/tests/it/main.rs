//! The vault over the store in memory, with clocks and dice that the tests hold.

#![cfg(test)]

mod action;
mod administration;
mod audit;
mod awaited;
mod card;
mod checkout;
mod crash;
mod cvv;
mod cvv_order;
mod cvvs;
mod document;
mod document_head;
mod document_keys;
mod ending;
mod fingerprint_keys;
mod gate;
mod header;
mod heads;
mod idempotency;
mod intruder;
mod issuer_digits;
mod model;
mod network_token;
mod node;
mod once;
mod organisation;
mod processors;
mod refresh;
mod refund;
mod retire;
mod role;
mod rotation;
mod route;
mod row_tags;
mod secrets;
mod seen;
mod shared;
mod stolen_chain_key;
mod tamper;
mod time_outs;
mod told;
mod trail;
mod transaction;
mod vault_rotation;
mod verifier;
mod webhook;
mod webhook_scheduler;
mod world;

/// Fails unless the result is this error.
macro_rules! assert_refused {
    ($result:expr, $error:pat $(if $guard:expr)?) => {
        match $result {
            Err($error) $(if $guard)? => {}
            Err(error) => panic!("refused with another error: {error:?}"),
            Ok(_) => panic!("not refused"),
        }
    };
}

pub(crate) use assert_refused;

//! One file for each resource: what its bodies hold, and how a request becomes an operation and a row an answer.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod bin;
pub(crate) mod caller;
pub(crate) mod card;
pub(crate) mod checkout;
pub(crate) mod customer;
pub(crate) mod document;
pub(crate) mod key;
pub(crate) mod organisation;
pub(crate) mod processor;
pub(crate) mod refund;
pub(crate) mod status;
pub(crate) mod transaction;
pub(crate) mod webhook_delivery;

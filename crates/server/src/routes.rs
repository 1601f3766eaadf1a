//! One file for each resource: what its bodies hold, and how a request becomes an operation and a row an answer.

pub(crate) mod bin;
pub(crate) mod card;
pub(crate) mod transaction;

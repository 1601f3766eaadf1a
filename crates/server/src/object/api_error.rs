//! What is said of a request that failed.

use std::sync::Arc;

use panvault_model::Timestamp;
use panvault_vault::{RefundRow, TransactionRow};

use super::refund::Refund;
use super::shape::Shape;
use super::shown::{Shown, write_texts};
use super::transaction::Transaction;
use super::{Number, Object, object};
use crate::answer::Json;
use crate::error::ErrorCode;

/// A failure as it is said to the client.
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) at: Timestamp,
    pub(crate) details: Option<Details>,
}

/// What a failure says beyond its code.
pub(crate) enum Details {
    /// The fields at fault, by their place; never a value that was sent.
    Faults(Vec<(String, String)>),
    /// What became of the transaction.
    Outcome(Arc<TransactionRow>),
    /// What became of the refund.
    Refund(Arc<RefundRow>),
}

impl Shown for &Details {
    const SHAPE: Shape = Shape::Details;

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Details::Faults(faults) => {
                write_texts(faults.iter().map(|(name, what)| (name.as_str(), what.as_str())), out);
            }
            Details::Outcome(row) => Json::object(out, |json| Transaction::write::<false>(row, json)),
            Details::Refund(row) => Json::object(out, |json| Refund::write::<false>(row, json)),
        }
    }
}

object! {
    /// A failure.
    ApiError "ApiError" of failure: Failure {
        /// What kind of failure: see the table of errors.
        always "code" => Number<0, 999> = Number(failure.code.number().into()), example "107";
        /// The same in words.
        always "message" => &str = failure.code.message(), example "a field is badly formed; see details";
        /// When, as Unix time in milliseconds.
        always "timestamp" => Number<0, { u64::MAX }> = Number(failure.at.unix_millis()), example "1769860800000";
        /// What became of the transaction or refund; or the fields at fault, by their place. Never a value that was sent.
        optional "details" => &Details = failure.details.as_ref();
    }
}

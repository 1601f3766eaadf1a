//! A refund: money that goes back, of one transaction. None of its fields is a secret.

use const_format::formatcp;
use panvault_model::{
    AccountId, Amount, Currency, OrganisationId, RefundId, RefundStatus, Timestamp, TransactionId,
};
use panvault_vault::{RefundField, RefundRow};

use super::transaction::{ACTION_AMOUNT, MERCHANT_REFERENCE};
use super::{BodySpec, EXAMPLE_ACCOUNT, EXAMPLE_ORGANISATION, EXAMPLE_REFUND, EXAMPLE_TRANSACTION, object};
use crate::fields::Field;
use crate::lenience::Rule;
use crate::limits::{REFERENCE_BYTES_MAX, TEXT_BYTES_MAX};

pub(crate) const REASON: Field<str> = Field::text("reason", TEXT_BYTES_MAX, "sent back");

/// The body of a refund.
pub(crate) static CREATE: BodySpec = BodySpec {
    name: "RefundCreate",
    may_lack: true,
    fields: &[
        ACTION_AMOUNT
            .optional("What goes back, in minor units: all that is left to refund, when it is not sent.")
            .also(Rule::DigitsForInteger),
        REASON.optional(formatcp!("Why, at most {TEXT_BYTES_MAX} bytes.")),
        MERCHANT_REFERENCE
            .optional(formatcp!("Your name for the refund, at most {REFERENCE_BYTES_MAX} bytes.")),
    ],
};

object! {
    /// A refund as it stands.
    Refund "Refund" of row: RefundRow, part "RefundOutcome", by RefundField {
        /// Names it.
        always "_id" => RefundId = row.id, by Id, example EXAMPLE_REFUND, in part;
        /// The transaction's organisation.
        always "organisation" => OrganisationId = row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// Where the money comes from.
        always "account" => AccountId = row.account, by Account, example EXAMPLE_ACCOUNT;
        /// What is refunded.
        always "transaction" => TransactionId = row.transaction, by Transaction, example EXAMPLE_TRANSACTION, in part;
        /// In minor units.
        always ACTION_AMOUNT.name => Amount = row.amount, by Amount, example "500", in part;
        /// The transaction's currency: ISO 4217.
        always "currency_code" => Currency = row.currency;
        /// As sent.
        optional REASON.name => &str = row.reason.as_deref(), example "sent back";
        /// As sent.
        optional MERCHANT_REFERENCE.name => &str = row.merchant_reference.as_deref(), by MerchantReference, example "order-1001";
        /// Where it stands.
        always "status" => RefundStatus = row.status, by Status, example "PENDING", in part;
        /// Why, in words.
        optional "status_reason" => &str = row.status_reason.as_deref(), in part;
        /// The acquirer's code, `00` for success.
        optional "reason_code" => &str = row.reason_code.as_deref(), by ReasonCode, example "00", in part;
        /// What the processor calls it.
        optional "processor_reference" => &str = row.processor_reference.as_deref(), example "re_1Nispe2eZvKYlo2Cd31jOCgZ", in part;
        /// When it came to stand there.
        always "last_status_update" => Timestamp = row.updated_at;
        /// When it was made.
        always "created_at" => Timestamp = row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = row.updated_at, by UpdatedAt;
    }
}

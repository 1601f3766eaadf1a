//! A delivery of a webhook: what a receiver is told, and how far that has come.

use panvault_model::{
    AccountId, DeliveryFault, DeliveryId, DeliveryStatus, OrganisationId, RefundId, Timestamp, TransactionId,
    WebhookObject,
};
use panvault_vault::{DeliveryField, DeliveryRow};

use super::shown::Number;
use super::{BodySpec, EXAMPLE_ACCOUNT, EXAMPLE_DELIVERY, EXAMPLE_ORGANISATION, EXAMPLE_TRANSACTION, object};

/// The body of a retry.
pub(crate) static RETRY: BodySpec = BodySpec { name: "WebhookDeliveryRetry", may_lack: true, fields: &[] };

object! {
    /// A delivery of a webhook.
    WebhookDelivery "WebhookDelivery" of row: DeliveryRow, by DeliveryField {
        /// Names it: the `event` of the message.
        always "_id" => DeliveryId = row.id, by Id, example EXAMPLE_DELIVERY;
        /// The account's organisation.
        always "organisation" => OrganisationId = row.organisation, by Organisation, example EXAMPLE_ORGANISATION;
        /// Whose secret it is signed with.
        always "account" => AccountId = row.account, by Account, example EXAMPLE_ACCOUNT;
        /// What it tells of.
        always "type" => WebhookObject = row.kind, by Type, example "transaction";
        /// The transaction that it tells of.
        optional "transaction" => TransactionId = (row.kind == WebhookObject::Transaction).then_some(TransactionId(row.object)), by Transaction, example EXAMPLE_TRANSACTION;
        /// The refund that it tells of.
        optional "refund" => RefundId = (row.kind == WebhookObject::Refund).then_some(RefundId(row.object)), by Refund;
        /// Where that stood.
        always "object_status" => &str = row.object_status.as_str(), example "SETTLEMENT_REQUESTED";
        /// Where it goes to: as it was given when the change happened.
        always "url" => &str = row.url.as_str(), example "https://shop.example/hook";
        /// Where it stands.
        always "status" => DeliveryStatus = row.status, by Status, example "WAITING";
        /// How often it was tried.
        always "attempts" => Number<0, 255> = Number(row.attempts.into()), example "1";
        /// Of one that waits: when it is tried next, or later where one before it about the same object waits longer.
        optional "next_attempt_at" => Timestamp = row.is_waiting().then_some(row.due_at);
        /// Why the last attempt came to nothing.
        optional "fault" => DeliveryFault = row.fault, example "REFUSED";
        /// The HTTP status of the last answer.
        optional "answer_status" => Number<0, 999> = Some(Number(row.answer.into())).filter(|_| row.answer > 0), example "500";
        /// When it was made.
        always "created_at" => Timestamp = row.created_at, by CreatedAt;
        /// When it last changed.
        always "updated_at" => Timestamp = row.updated_at, by UpdatedAt;
    }
}

use http::Method;
use panvault_vault::{Operation, WebhookDeliveryList, WebhookDeliveryRead, WebhookDeliveryRetry};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::count::Count;
use crate::object::webhook_delivery::{self as object, WebhookDelivery};
use crate::routes::webhook_delivery;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/webhook_delivery",
    operation: "webhook_delivery_list",
    roles: WebhookDeliveryList::ROLES,
    summary: "List deliveries of webhooks",
    doc: "Newest first: what receivers are told, were told in the last day, or could not be told in the last week. `transaction=`, `refund=`, `account=` and `status=` are found by an index. `X-Total-Count` says how many match in all.",
    success: 200,
    answer: Some(AnswerSchema::List(WebhookDelivery::SPEC)),
    failures: &[],
    body: None,
    list: Some(WebhookDelivery::SPEC),
    handler: handler!(webhook_delivery::list),
};

pub(super) const COUNT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/webhook_delivery/count",
    operation: "webhook_delivery_count",
    roles: WebhookDeliveryList::ROLES,
    summary: "Count deliveries of webhooks",
    doc: "How many deliveries match, with the conditions of the list.",
    success: 200,
    answer: Some(AnswerSchema::One(Count::SPEC)),
    failures: &[],
    body: None,
    list: Some(WebhookDelivery::SPEC),
    handler: handler!(webhook_delivery::count),
};

pub(super) const READ: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/webhook_delivery/{id}",
    operation: "webhook_delivery_read",
    roles: WebhookDeliveryRead::ROLES,
    summary: "Read a delivery of a webhook",
    doc: "The delivery as it stands. Its id is the `event` that the receiver is told.",
    success: 200,
    answer: Some(AnswerSchema::One(WebhookDelivery::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(webhook_delivery::read),
};

pub(super) const RETRY: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/webhook_delivery/{id}/retry",
    operation: "webhook_delivery_retry",
    roles: WebhookDeliveryRetry::ROLES,
    summary: "Send a webhook again",
    doc: "Sends it again as soon as it is its turn, with the same `event` and to the same URL: one that waits for its time, one that was given up, and one that the receiver has taken and lost. The answer is the delivery, which then waits.",
    success: 200,
    answer: Some(AnswerSchema::One(WebhookDelivery::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::RETRY),
    list: None,
    handler: handler!(webhook_delivery::retry),
};

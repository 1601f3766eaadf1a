use http::Method;
use panvault_vault::{KeyDestroy, KeyInventory, KeyList, KeyRotate, Operation};

use crate::error::ErrorCode;
use crate::object::Object;
use crate::object::key::{self as object, Key, VaultKey};
use crate::routes::key;
use crate::table::{AnswerSchema, Endpoint, handler};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/organisation/{id}/key",
    operation: "key_list",
    roles: KeyList::ROLES,
    summary: "List the keys of an organisation",
    doc: "Which keys there are and were, what may be done with each, since when and until when: each purpose's in the order in which they were made.",
    success: 200,
    answer: Some(AnswerSchema::List(Key::SPEC)),
    failures: &[ErrorCode::NotFound],
    body: None,
    list: None,
    handler: handler!(key::list),
};

pub(super) const ROTATE: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/organisation/{id}/key",
    operation: "key_rotate",
    roles: KeyRotate::ROLES,
    summary: "Replace a key of an organisation",
    doc: "Makes the key that takes the place of the active one, and answers with it. It seals or makes as soon as every node knows it; what the one before it sealed or made is sealed anew in the background, and that key is destroyed when nothing needs it any more. `updated_at` stays. With a data key no card changes for whoever reads it; with one for fingerprints, `fingerprint` does: both values find the same cards until `destroyed_at` of the key before. 110 while a rotation of this key is under way.",
    success: 200,
    answer: Some(AnswerSchema::One(Key::SPEC)),
    failures: &[
        ErrorCode::NotFound,
        ErrorCode::State,
        ErrorCode::IdempotencyInUse,
        ErrorCode::IdempotencyMismatch,
    ],
    body: Some(&object::ROTATE),
    list: None,
    handler: handler!(key::rotate),
};

pub(super) const DESTROY: Endpoint = Endpoint {
    method: Method::POST,
    path: "/v1/organisation/{id}/key/destroy",
    operation: "key_destroy",
    roles: KeyDestroy::ROLES,
    summary: "Destroy the keys of an organisation",
    doc: "Destroys all of them and disables the organisation, in one step that nobody undoes: none of its cards, customers and secrets opens any more, at any node and in later backups. Backups from before still open. What is in clear stays until it is deleted. 110 for the organisation of the caller's own key, for one with others below it, and where its keys are destroyed.",
    success: 204,
    answer: None,
    failures: &[ErrorCode::NotFound, ErrorCode::State],
    body: Some(&object::DESTROY),
    list: None,
    handler: handler!(key::destroy),
};

pub(super) const INVENTORY: Endpoint = Endpoint {
    method: Method::GET,
    path: "/v1/key",
    operation: "key_inventory",
    roles: KeyInventory::ROLES,
    summary: "List the keys of the vault itself",
    doc: "What its header keeps under the root key, by purpose and version; for `ProviderAdmin` of an organisation that is below none. Those of organisations are listed with each.",
    success: 200,
    answer: Some(AnswerSchema::List(VaultKey::SPEC)),
    failures: &[],
    body: None,
    list: None,
    handler: handler!(key::inventory),
};

#![doc = include_str!("../README.md")]

mod account;
mod api_key;
mod audit;
mod backup;
mod bin;
mod card;
mod chain;
mod checkout;
mod clock;
mod customer;
mod cvv;
mod document;
mod env;
mod error;
mod idempotency;
mod image;
mod key;
mod limit;
pub mod limits;
mod node;
mod notification;
mod organisation;
mod permit;
mod processor;
mod refund;
mod row_tag;
mod seal;
mod sealing;
mod text;
mod throttle;
mod trail;
mod transaction;
mod vault;
mod verifier;
mod webhook;

pub use panvault_keys::{
    ApiKey, HandOver, KeyState, OperatorKey, Purpose, VaultKeyDescription, VaultPurpose, WebhookSecret,
};
pub use panvault_processor::card_http::{ANSWER_BUCKETS_MILLIS, HttpCounters, HttpMeter};
pub use panvault_processor::{
    Configuration, ConfigurationFault, Connect, Connector, HttpConfiguration, NOTIFICATION_BYTES_MAX,
    Notification, NotificationFault, NotificationScheme, Processor, ROUTE_AGAIN_BYTES_MAX, ROUTE_AGAIN_MAX,
    ROUTE_CODES_MAX, ROUTES_MAX, Route, RouteConfiguration, Secrets, is_route,
};
pub use panvault_store::{
    AccountField, AccountQuery, AccountRow, Action, ApiKeyField, ApiKeyQuery, ApiKeyRow, AuditField,
    AuditNote, AuditQuery, AuditRecord, CardField, CardQuery, CardRow, CheckoutEnd, CheckoutField,
    CheckoutQuery, CheckoutRow, Count, Cursor, CustomerField, CustomerQuery, CustomerRow, CvvCounts,
    DeliveryField, DeliveryQuery, DeliveryRow, Direction, Field, FieldValue, Filter, HistoryRow, Indexed,
    Logo, LogoRow, OrganisationField, OrganisationQuery, OrganisationRow, Page, ProcessorField,
    ProcessorQuery, ProcessorRow, Query, RefundField, RefundQuery, RefundRow, RefusalReason, RowKey,
    StoreFault, StoreStatus, Test, Totals, TransactionField, TransactionQuery, TransactionRow, Webhooks,
};

pub use crate::account::{AccountChange, AccountView, MadeAccount, NewAccount};
pub use crate::api_key::{ApiKeyChange, ApiKeyRotation, ApiKeyView, MadeApiKey, NewApiKey};
pub use crate::audit::{
    AuditVerified, KnownTrails, Origin, RefusedCaller, RefusedTrail, TOLD_TABLES, TrailExamined,
    audit_starts, known_trails, operation_name, told_mark, told_of, trail_examine, trail_examine_each,
    trail_moved, vault_chain,
};
pub use crate::backup::{made_from, restore_note, restore_writer, restored_from};
pub use crate::bin::BinView;
pub use crate::card::{CardChange, CardView, CvvChange, Metadata, Refreshed};
pub use crate::chain::StoreChain;
pub use crate::checkout::{CheckoutSession, CheckoutView, NewCheckout, return_url_fits, theme_radius};
pub use crate::clock::{Clock, SystemClock};
pub use crate::customer::{CustomerChange, CustomerView, PlannedCustomer, StoredCustomer};
pub use crate::document::{
    DocumentPlan, HeaderPlace, documents_differ, header_named_in, keys_as_documents_say, processor_types,
};
pub use crate::error::{CheckoutRefusal, FieldFault, Named, VaultError, with_causes};
pub use crate::idempotency::{Done, Idempotency};
pub use crate::key::{KeyView, RotationSettings, RotationStatus, VaultKeyView, keys_overdue};
pub use crate::limit::{GuardSettings, LimitReached, Limiter, Quota};
pub use crate::node::{NodeStatus, NodesView, nodes_there};
pub use crate::notification::{NoticeOutcome, NotificationRefusal, NotificationTaken};
pub use crate::organisation::{NewOrganisation, OrganisationChange};
pub use crate::permit::{
    AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, AccountWebhookSecret,
    ApiKeyCreate, ApiKeyDelete, ApiKeyList, ApiKeyRead, ApiKeyUpdate, AuditList, AuditRead, AuditVerify,
    BinRead, Caller, CallerRead, CardCreate, CardDelete, CardList, CardRead, CardRefresh, CardUpdate,
    CheckoutCreate, CheckoutDelete, CheckoutList, CheckoutRead, CustomerCreate, CustomerDelete, CustomerList,
    CustomerRead, CustomerUpdate, HeaderUpdate, KeyDestroy, KeyInventory, KeyList, KeyRotate, OPERATIONS,
    Operation, OrganisationCreate, OrganisationDelete, OrganisationList, OrganisationLogoDelete,
    OrganisationLogoSet, OrganisationRead, OrganisationUpdate, Permit, ProcessorCreate, ProcessorDelete,
    ProcessorList, ProcessorRead, ProcessorUpdate, RefundCreate, RefundList, RefundRead, StatusRead,
    TransactionCapture, TransactionCreate, TransactionList, TransactionRead, TransactionSettle,
    TransactionVoid, VaultBackup, VaultSeal, WebhookDeliveryList, WebhookDeliveryRead, WebhookDeliveryRetry,
    role_gives,
};
pub use crate::processor::{Given, NewProcessor, ProcessorChange};
pub use crate::refund::NewRefund;
pub use crate::sealing::{Brought, BroughtWhat, Unsealing};
pub use crate::text::{currency_fits, description_fits, name_fits, origin_fits};
pub use crate::trail::{TrailDestination, TrailFault, TrailLag, TrailSettings, TrailView, trail_record};
pub use crate::transaction::{NewTransaction, SealedCryptogram, SettledCounts};
pub use crate::vault::{Mode, Vault, VaultParts, VaultStatus, VaultTotals};
pub use crate::verifier::RowVerifier;
pub use crate::webhook::WebhookCounts;

#![doc = include_str!("../README.md")]

pub mod audit_start;
pub mod change_log;
pub mod checkpoint;
pub mod codec;
mod commit;
mod cvv;
pub mod decide;
mod document;
mod effect;
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod memory;
mod memory_cvv;
mod query;
mod row;
mod slots;
mod sorting;
mod store;
pub mod trail;

pub use crate::codec::RowFault;
pub use crate::commit::{Commit, Expect, IdempotencyClaim, Outcome};
pub use crate::cvv::{
    CvvClaim, CvvClaimed, CvvCounts, CvvFault, CvvKeyComponent, CvvKeyCurrent, CvvOwner, CvvPending,
    CvvShown, CvvSource, CvvStore, CvvTicket, HeldCvv,
};
pub use crate::document::{
    AccountRow, ApiKeyRow, DocumentKind, DocumentRow, ImageFormat, Logo, LogoRow, OrganisationRow,
    ProcessorRow, SealedSecret, Webhooks,
};
pub use crate::effect::{Effect, Effects};
pub use crate::memory::MemoryStore;
pub use crate::memory_cvv::MemoryCvvs;
pub use crate::query::{
    AccountField, AccountQuery, ApiKeyField, ApiKeyQuery, AuditField, AuditQuery, CardField, CardQuery,
    CheckoutField, CheckoutQuery, Count, Cursor, CustomerField, CustomerQuery, DeliveryField, DeliveryQuery,
    Direction, Field, FieldValue, Filter, Indexed, OrganisationField, OrganisationQuery, Page,
    ProcessorField, ProcessorQuery, Query, RefundField, RefundQuery, Test, TransactionField,
    TransactionQuery,
};
pub use crate::row::{
    Action, ApiKeyUseRow, AuditNote, AuditRecord, CardCvvRow, CardRow, CheckoutEnd, CheckoutRow, Counted,
    CustomerRow, DeliveryLane, DeliveryPlace, DeliveryRow, HistoryRow, IdempotencyAnswer, IdempotencyKey,
    IdempotencyRow, NodePart, NodeRow, RefundRow, RefusalReason, Row, RowKey, Table, TransactionRow,
};
pub use crate::slots::{Slot, SlotLimits, Slots};
pub use crate::sorting::Sorting;
pub use crate::store::{Archived, Batches, Chain, Pending, Store, StoreFault, StoreStatus, Totals};

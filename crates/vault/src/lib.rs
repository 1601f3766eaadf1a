#![doc = include_str!("../README.md")]

mod audit;
mod bin;
mod card;
mod chain;
mod clock;
mod cvv;
mod document;
mod env;
mod error;
mod idempotency;
pub mod limits;
mod node;
mod permit;
mod seal;
mod seldom;
mod text;
mod transaction;
mod vault;
mod verifier;

pub use panvault_processor::{Connect, Connector};
pub use panvault_store::{
    AccountRow, ApiKeyRow, CardField, CardQuery, CardRow, CvvCounts, Direction, Field, FieldKind, FieldValue,
    Filter, HistoryRow, OrganisationRow, Page, ProcessorRow, Query, StoreFault, StoreStatus, Test,
    TransactionField, TransactionQuery, TransactionRow,
};

pub use crate::audit::Origin;
pub use crate::bin::BinView;
pub use crate::card::{CardChange, CardView, CvvChange, Metadata, Refreshed};
pub use crate::chain::StoreChain;
pub use crate::clock::{Clock, SystemClock};
pub use crate::document::{
    DocumentPlan, NewAccount, NewApiKey, NewOrganisation, NewProcessor, documents_differ,
};
pub use crate::error::{FieldFault, Named, VaultError};
pub use crate::idempotency::{Done, Idempotency};
pub use crate::permit::{
    AccountCreate, ApiKeyCreate, ApiKeyDelete, BinRead, Caller, CardCreate, CardDelete, CardList, CardRead,
    CardRefresh, CardUpdate, DocumentList, Operation, OrganisationCreate, Permit, ProcessorCreate,
    TransactionCreate, TransactionList, TransactionRead,
};
pub use crate::text::{currency_fits, description_fits, name_fits};
pub use crate::transaction::NewTransaction;
pub use crate::vault::{Mode, Vault, VaultParts, VaultStatus};
pub use crate::verifier::RowVerifier;

//! An audit note.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 1 | format: 1, or 2 of an action that is counted |
//! | 1 | 6 | when |
//! | 7 | 1 | action |
//! | 8 | 12 | API key, or zeroes |
//! | 20 | 12 | organisation, or zeroes |
//! | 32 | 12 | object |
//! | 44 | 12 | request, or zeroes; in format 2 how often, and between when (`counted.rs`) |
//! | 56 | 16 | IPv6 address, or zeroes |
//! | 72 | 1 | status that a transaction came to; 1 for a card whose row changed; reason of a refusal; else 0 |

use panvault_model::{ApiKeyId, Id, NodeId, OrganisationId, RequestId, Timestamp};

use crate::codec::{Reader, RowFault, Writer};
use crate::row::counted::Counted;

/// What was done. The numbers are those of stored records and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// A card was stored.
    CardCreate,
    /// A card was changed, or its CVV put back or cleared.
    CardUpdate,
    /// A card was deleted.
    CardDelete,
    /// A transaction was written down, and its card is about to be opened.
    TransactionInitiate,
    /// A transaction's outcome was written down.
    TransactionSettle,
    /// An organisation, account, processor or API key was made.
    DocumentCreate,
    /// One of those was changed.
    DocumentUpdate,
    /// One of those was deleted or revoked.
    DocumentDelete,
    /// Idempotency records past their time were removed.
    IdempotencySweep,
    /// Who issued a card was derived again from a newer table.
    CardRefresh,
    /// A node began to serve the vault: the object is the node that began last before it, or all zeroes for the first. Or it came back after
    /// others had given it up: then it is the node itself.
    NodeStart,
    /// A node took its lease again that had run out. Others wrote it with each renewal, before there was a release.
    NodeRenew,
    /// A node ended, or was given up with nothing left in its hands.
    NodeStop,
    /// Rows about CVVs past their time were removed.
    CardCvvSweep,
    /// It was written down when API keys were last used.
    ApiKeyUse,
    /// A table of issuers was imported, brought back, or taken up at a start; or the one before was removed.
    BinsLoad,
    /// Cards were read, one at a time. Counted.
    CardRead,
    /// Cards were listed or counted. Counted.
    CardList,
    /// Transactions or their histories were read, one at a time. Counted.
    TransactionRead,
    /// Transactions were listed or counted. Counted.
    TransactionList,
    /// The audit trail was read. Counted.
    AuditRead,
    /// A caller was refused what it asked for. Counted.
    AccessRefuse,
    /// A request came without a key that is valid. Counted.
    SigninRefuse,
    /// A capture was written down, and the processor is about to be told.
    TransactionCapture,
    /// The same of a capture that is taken back.
    TransactionVoidCapture,
    /// The same of a reservation that is released.
    TransactionVoid,
    /// A refund was written down with its transaction, which is the object, and the processor is about to be told.
    RefundCreate,
    /// What became of a refund was written down, or that it is settled; it is the object.
    RefundSettle,
    /// A refund failed, and its transaction, which is the object, has it no more.
    RefundFail,
    /// Refunds were read, one at a time. Counted.
    RefundRead,
    /// Refunds were listed or counted. Counted.
    RefundList,
    /// A customer was stored.
    CustomerCreate,
    /// The details of a customer changed.
    CustomerUpdate,
    /// A customer was erased.
    CustomerDelete,
    /// Customers were read, one at a time. Counted.
    CustomerRead,
    /// Customers were listed or counted. Counted.
    CustomerList,
    /// A webhook was delivered, or an attempt to deliver it came to nothing.
    WebhookDeliver,
    /// Deliveries of webhooks past their time were removed.
    WebhookSweep,
    /// A webhook is to be sent again, because somebody asked for it.
    WebhookRetry,
    /// It was written down how far the trail of each node has come. The object ends with the number of that checkpoint.
    AuditCheckpoint,
    /// The vault was moved here from another store, with all records before this one. Those of a node are in the chain of the vault from then on.
    VaultMove,
    /// A processor has told, signed, what cannot be of what is written down of a transaction or refund, which is the object: nothing was changed.
    NotificationContradict,
    /// A try of a transaction came to nothing, and its card is about to be opened for the next.
    TransactionTry,
    /// A checkout was made.
    CheckoutCreate,
    /// A checkout ended without a transaction: its card was all that was asked for, or the shopper gave up.
    CheckoutEnd,
    /// Checkouts past their time were removed.
    CheckoutSweep,
    /// The vault was sealed: nothing opens it until somebody unseals it.
    VaultSeal,
    /// The vault was unsealed, by the slot that the outcome numbers.
    VaultUnseal,
    /// A custodian gave a share before the vault was unsealed, at this time: the one that the outcome numbers.
    ShareGive,
    /// What was brought to unseal the vault did not open it, at this time, before it was unsealed.
    UnsealFail,
    /// A vault was made before witnesses: the object and the address are the beginning of the SHA-256 of what was written down of it.
    CeremonyHold,
    /// A key of an organisation was made, which takes the place of another soon; it is the object.
    KeyMake,
    /// It seals or makes from then on, and the one before it only opens or checks.
    KeyActivate,
    /// A key of an organisation was destroyed; it is the object.
    KeyDestroy,
    /// A card was sealed with the key that its organisation has now; nothing else of it changed.
    CardReseal,
    /// The same of a customer.
    CustomerReseal,
    /// A backup of the vault was begun, which is the object: it has this record.
    VaultBackup,
    /// The vault was restored from a backup, which is the object. What was done after that was made is in no record here.
    VaultRestore,
    /// The trail was held against its chain: the object is the number of records that were read, and the outcome how much was found not to be as it
    /// should, 0 where all is whole, 255 for that many or more.
    AuditVerify,
    /// Records of the trail are kept no longer: the object is the node that wrote them.
    AuditRetire,
    /// A checkpoint of the exported trail was signed; the object is its number.
    TrailCheckpoint,
    /// The vault has another header of keys: the root key is another, a key was made or its bytes are gone.
    HeaderChange,
    /// The vault has another header of keys, with one more slot. The object begins with the number of that and what protects it.
    SlotAdd,
    /// The vault has another header of keys, without a slot, and another root key. The object begins with the number of that slot and what protects it.
    SlotRemove,
    /// A key of the vault itself makes from then on, and the one before it only checks. The object begins with its purpose and version.
    VaultKeyActivate,
    /// A key of the vault itself is used no more. The object begins with its purpose and version.
    VaultKeyDestroy,
    /// Keys of organisations were wrapped with the key that the vault has now; nothing else of them changed.
    KeyRewrap,
    /// Rows were tagged with the key that the vault has now; nothing else of them changed. The object begins with the purpose and version of that key.
    RowRetag,
    /// Documents were tagged with the key for documents that the vault has now, in a change of their head; nothing else of them changed. The object begins with the purpose and
    /// version of that key.
    DocumentRetag,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Self] = &[
        Self::CardCreate,
        Self::CardUpdate,
        Self::CardDelete,
        Self::TransactionInitiate,
        Self::TransactionSettle,
        Self::DocumentCreate,
        Self::DocumentUpdate,
        Self::DocumentDelete,
        Self::IdempotencySweep,
        Self::CardRefresh,
        Self::NodeStart,
        Self::NodeRenew,
        Self::NodeStop,
        Self::CardCvvSweep,
        Self::ApiKeyUse,
        Self::BinsLoad,
        Self::CardRead,
        Self::CardList,
        Self::TransactionRead,
        Self::TransactionList,
        Self::AuditRead,
        Self::AccessRefuse,
        Self::SigninRefuse,
        Self::TransactionCapture,
        Self::TransactionVoidCapture,
        Self::TransactionVoid,
        Self::RefundCreate,
        Self::RefundSettle,
        Self::RefundFail,
        Self::RefundRead,
        Self::RefundList,
        Self::CustomerCreate,
        Self::CustomerUpdate,
        Self::CustomerDelete,
        Self::CustomerRead,
        Self::CustomerList,
        Self::WebhookDeliver,
        Self::WebhookSweep,
        Self::WebhookRetry,
        Self::AuditCheckpoint,
        Self::VaultMove,
        Self::NotificationContradict,
        Self::TransactionTry,
        Self::CheckoutCreate,
        Self::CheckoutEnd,
        Self::CheckoutSweep,
        Self::VaultSeal,
        Self::VaultUnseal,
        Self::ShareGive,
        Self::UnsealFail,
        Self::CeremonyHold,
        Self::KeyMake,
        Self::KeyActivate,
        Self::KeyDestroy,
        Self::CardReseal,
        Self::CustomerReseal,
        Self::HeaderChange,
        Self::SlotAdd,
        Self::SlotRemove,
        Self::VaultKeyActivate,
        Self::VaultKeyDestroy,
        Self::KeyRewrap,
        Self::RowRetag,
        Self::DocumentRetag,
        Self::TrailCheckpoint,
        Self::VaultBackup,
        Self::VaultRestore,
        Self::AuditVerify,
        Self::AuditRetire,
    ];

    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::CardCreate => 1,
            Self::CardUpdate => 2,
            Self::CardDelete => 3,
            Self::TransactionInitiate => 4,
            Self::TransactionSettle => 5,
            Self::DocumentCreate => 6,
            Self::DocumentUpdate => 7,
            Self::DocumentDelete => 8,
            Self::IdempotencySweep => 9,
            Self::CardRefresh => 10,
            Self::NodeStart => 11,
            Self::NodeRenew => 12,
            Self::NodeStop => 13,
            Self::CardCvvSweep => 14,
            Self::ApiKeyUse => 15,
            Self::BinsLoad => 16,
            Self::CardRead => 17,
            Self::CardList => 18,
            Self::TransactionRead => 19,
            Self::TransactionList => 20,
            Self::AuditRead => 21,
            Self::AccessRefuse => 22,
            Self::SigninRefuse => 23,
            Self::TransactionCapture => 24,
            Self::TransactionVoidCapture => 25,
            Self::TransactionVoid => 26,
            Self::RefundCreate => 27,
            Self::RefundSettle => 28,
            Self::RefundFail => 29,
            Self::RefundRead => 30,
            Self::RefundList => 31,
            Self::CustomerCreate => 32,
            Self::CustomerUpdate => 33,
            Self::CustomerDelete => 34,
            Self::CustomerRead => 35,
            Self::CustomerList => 36,
            Self::WebhookDeliver => 40,
            Self::WebhookSweep => 41,
            Self::WebhookRetry => 42,
            Self::AuditCheckpoint => 43,
            Self::VaultMove => 44,
            Self::NotificationContradict => 45,
            Self::TransactionTry => 46,
            Self::CheckoutCreate => 47,
            Self::CheckoutEnd => 48,
            Self::CheckoutSweep => 49,
            Self::VaultSeal => 50,
            Self::VaultUnseal => 51,
            Self::ShareGive => 52,
            Self::UnsealFail => 53,
            Self::CeremonyHold => 54,
            Self::KeyMake => 60,
            Self::KeyActivate => 61,
            Self::KeyDestroy => 62,
            Self::CardReseal => 63,
            Self::CustomerReseal => 64,
            Self::HeaderChange => 65,
            Self::SlotAdd => 78,
            Self::SlotRemove => 79,
            Self::VaultKeyActivate => 66,
            Self::VaultKeyDestroy => 67,
            Self::KeyRewrap => 68,
            Self::RowRetag => 69,
            Self::DocumentRetag => 77,
            Self::TrailCheckpoint => 70,
            Self::VaultBackup => 75,
            Self::VaultRestore => 76,
            Self::AuditVerify => 84,
            Self::AuditRetire => 86,
        }
    }

    /// Whether it is counted, and what was counted is written down about once a minute, rather than each time.
    pub const fn is_counted(self) -> bool {
        match self {
            Self::CardRead
            | Self::CardList
            | Self::TransactionRead
            | Self::TransactionList
            | Self::AuditRead
            | Self::RefundRead
            | Self::RefundList
            | Self::CustomerRead
            | Self::CustomerList
            | Self::AccessRefuse
            | Self::SigninRefuse => true,
            Self::CardCreate
            | Self::CardUpdate
            | Self::CardDelete
            | Self::TransactionInitiate
            | Self::TransactionSettle
            | Self::DocumentCreate
            | Self::DocumentUpdate
            | Self::DocumentDelete
            | Self::IdempotencySweep
            | Self::CardRefresh
            | Self::NodeStart
            | Self::NodeRenew
            | Self::NodeStop
            | Self::CardCvvSweep
            | Self::ApiKeyUse
            | Self::BinsLoad
            | Self::TransactionCapture
            | Self::TransactionVoidCapture
            | Self::TransactionVoid
            | Self::RefundCreate
            | Self::RefundSettle
            | Self::RefundFail
            | Self::CustomerCreate
            | Self::CustomerUpdate
            | Self::CustomerDelete
            | Self::WebhookDeliver
            | Self::WebhookSweep
            | Self::WebhookRetry
            | Self::AuditCheckpoint
            | Self::VaultMove
            | Self::NotificationContradict
            | Self::TransactionTry
            | Self::CheckoutCreate
            | Self::CheckoutEnd
            | Self::CheckoutSweep
            | Self::VaultSeal
            | Self::VaultUnseal
            | Self::ShareGive
            | Self::UnsealFail
            | Self::CeremonyHold
            | Self::KeyMake
            | Self::KeyActivate
            | Self::KeyDestroy
            | Self::CardReseal
            | Self::CustomerReseal
            | Self::HeaderChange
            | Self::SlotAdd
            | Self::SlotRemove
            | Self::VaultKeyActivate
            | Self::VaultKeyDestroy
            | Self::KeyRewrap
            | Self::RowRetag
            | Self::DocumentRetag
            | Self::TrailCheckpoint
            | Self::VaultBackup
            | Self::VaultRestore
            | Self::AuditVerify
            | Self::AuditRetire => false,
        }
    }

    /// The action that a stored number stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.code() == code)
    }

    /// Its name, noun first.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardCreate => "card_create",
            Self::CardUpdate => "card_update",
            Self::CardDelete => "card_delete",
            Self::TransactionInitiate => "transaction_initiate",
            Self::TransactionSettle => "transaction_settle",
            Self::DocumentCreate => "document_create",
            Self::DocumentUpdate => "document_update",
            Self::DocumentDelete => "document_delete",
            Self::IdempotencySweep => "idempotency_sweep",
            Self::CardRefresh => "card_refresh",
            Self::NodeStart => "node_start",
            Self::NodeRenew => "node_renew",
            Self::NodeStop => "node_stop",
            Self::CardCvvSweep => "card_cvv_sweep",
            Self::ApiKeyUse => "apikey_use",
            Self::BinsLoad => "bins_load",
            Self::CardRead => "card_read",
            Self::CardList => "card_list",
            Self::TransactionRead => "transaction_read",
            Self::TransactionList => "transaction_list",
            Self::AuditRead => "audit_read",
            Self::AccessRefuse => "access_refuse",
            Self::SigninRefuse => "signin_refuse",
            Self::TransactionCapture => "transaction_capture",
            Self::TransactionVoidCapture => "transaction_void_capture",
            Self::TransactionVoid => "transaction_void",
            Self::RefundCreate => "refund_create",
            Self::RefundSettle => "refund_settle",
            Self::RefundFail => "refund_fail",
            Self::RefundRead => "refund_read",
            Self::RefundList => "refund_list",
            Self::CustomerCreate => "customer_create",
            Self::CustomerUpdate => "customer_update",
            Self::CustomerDelete => "customer_delete",
            Self::CustomerRead => "customer_read",
            Self::CustomerList => "customer_list",
            Self::WebhookDeliver => "webhook_deliver",
            Self::WebhookSweep => "webhook_sweep",
            Self::WebhookRetry => "webhook_retry",
            Self::AuditCheckpoint => "audit_checkpoint",
            Self::VaultMove => "vault_move",
            Self::NotificationContradict => "notification_contradict",
            Self::TransactionTry => "transaction_try",
            Self::CheckoutCreate => "checkout_create",
            Self::CheckoutEnd => "checkout_end",
            Self::CheckoutSweep => "checkout_sweep",
            Self::VaultSeal => "vault_seal",
            Self::VaultUnseal => "vault_unseal",
            Self::ShareGive => "share_give",
            Self::UnsealFail => "unseal_fail",
            Self::CeremonyHold => "ceremony_hold",
            Self::KeyMake => "key_make",
            Self::KeyActivate => "key_activate",
            Self::KeyDestroy => "key_destroy",
            Self::CardReseal => "card_reseal",
            Self::CustomerReseal => "customer_reseal",
            Self::VaultBackup => "vault_backup",
            Self::VaultRestore => "vault_restore",
            Self::AuditVerify => "audit_verify",
            Self::AuditRetire => "audit_retire",
            Self::TrailCheckpoint => "trail_checkpoint",
            Self::HeaderChange => "header_change",
            Self::SlotAdd => "slot_add",
            Self::SlotRemove => "slot_remove",
            Self::VaultKeyActivate => "vault_key_activate",
            Self::VaultKeyDestroy => "vault_key_destroy",
            Self::KeyRewrap => "key_rewrap",
            Self::RowRetag => "row_retag",
            Self::DocumentRetag => "document_retag",
        }
    }
}

/// Who did what to what, when and from where (PCI DSS 10.2.2). One goes with every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditNote {
    /// When; of what is counted, when that was written down.
    pub at: Timestamp,
    /// What was done.
    pub action: Action,
    /// Who: the API key, or `None` for a command, the vault itself, or somebody unknown ([`AuditNote::is_anonymous`]).
    pub actor: Option<ApiKeyId>,
    /// In whose organisation; all zeroes for the vault as a whole, or none.
    pub organisation: OrganisationId,
    /// To what, of what is counted the last one, or all zeroes; of [`Action::BinsLoad`] the table: its version and 8 bytes of its
    /// tag, or all zeroes for none.
    pub object: Id,
    /// In which request; all zeroes for none, and for what is counted.
    pub request: RequestId,
    /// From where: an IPv6 address, IPv4 mapped into it; all zeroes for this machine's own commands, or several addresses.
    pub address: [u8; 16],
    /// Of [`Action::TransactionSettle`], [`Action::RefundSettle`], [`Action::RefundFail`] and [`Action::WebhookDeliver`] the number of the status that it came to; of [`Action::CardUpdate`] 1 when the row
    /// changed, 0 when only the CVV did; of [`Action::CardRefresh`] 1; of [`Action::DocumentUpdate`] see [`AuditNote::TWICE`], [`AuditNote::DISABLED`], [`AuditNote::ENABLED`] and [`AuditNote::REHASHED`]; of [`Action::VaultSeal`] 1 where it was sealed before; of [`Action::AccessRefuse`] and [`Action::SigninRefuse`] the
    /// number of the [`RefusalReason`](crate::RefusalReason), 0 for several; else 0.
    pub outcome: u8,
    /// How often, and between when: of those whose [`Action::is_counted`], and of no other.
    pub counted: Option<Counted>,
}

/// A note with its place in the chain of the node that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Who wrote it.
    pub writer: NodeId,
    /// Counts the commits of its writer, from 1, without gaps.
    pub place: u64,
    /// The note.
    pub note: AuditNote,
}

impl AuditRecord {
    /// What is said for the actor where no API key acted: a command on this machine, or the vault itself.
    pub const LOCAL: &'static str = "local";
}

impl AuditNote {
    /// Bytes of an encoded note.
    pub const BYTES: usize = 1 + 6 + 1 + 12 + 12 + 12 + 12 + 16 + 1;
    /// Outcome of a document_update that tells of two versions: the one before came in the change that made another document.
    pub const TWICE: u8 = 2;
    /// Outcome of a document_update after which the organisation or account is disabled.
    pub const DISABLED: u8 = 3;
    /// Outcome of a document_update after which the organisation or account is not disabled by itself.
    pub const ENABLED: u8 = 4;
    /// Outcome of a document_update after which the API key is what it was, and may do what it might: its hash was made anew.
    pub const REHASHED: u8 = 5;
    const FORMAT: u8 = 1;
    const FORMAT_COUNTED: u8 = 2;

    /// Whether nobody knows who it was: a key that is none, or more of them than are told apart.
    pub fn is_anonymous(&self) -> bool {
        let is_several = self.counted.is_some_and(|counted| counted.operation() == Counted::SEVERAL);
        self.actor.is_none() && (self.action == Action::SigninRefuse || is_several)
    }

    /// Twelve bytes: the request, or how often and between when.
    pub fn occasion(&self) -> [u8; 12] {
        self.counted.map_or(*self.request.as_bytes(), |counted| counted.to_bytes())
    }

    /// The same note with what [`AuditNote::occasion`] gave.
    pub fn with_occasion(self, bytes: [u8; 12]) -> Result<Self, RowFault> {
        if self.action.is_counted() {
            Ok(Self { counted: Some(Counted::from_bytes(bytes)?), ..self })
        } else {
            Ok(Self { request: RequestId::from_bytes(bytes), ..self })
        }
    }

    /// Appends the note, [`AuditNote::BYTES`] long.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(if self.counted.is_some() { Self::FORMAT_COUNTED } else { Self::FORMAT });
        writer.timestamp(self.at);
        writer.u8(self.action.code());
        writer.fixed(self.actor.as_ref().map_or(&[0; 12], |actor| actor.as_bytes().as_slice()));
        writer.fixed(self.organisation.as_bytes());
        writer.fixed(self.object.as_bytes());
        writer.fixed(&self.occasion());
        writer.fixed(&self.address);
        writer.u8(self.outcome);
    }

    /// Reads one note from the front.
    pub fn decode_from(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        let format = reader.u8()?;
        let at = reader.timestamp()?;
        let action = reader.code(Action::from_code)?;
        let expected = if action.is_counted() { Self::FORMAT_COUNTED } else { Self::FORMAT };
        if format != expected {
            return Err(RowFault::Value);
        }
        let actor = Some(reader.fixed()?).filter(|bytes| *bytes != [0; 12]).map(ApiKeyId::from_bytes);
        let organisation = OrganisationId::from_bytes(reader.fixed()?);
        let object = Id::from_bytes(reader.fixed()?);
        let occasion = reader.fixed()?;
        let note = Self {
            at,
            action,
            actor,
            organisation,
            object,
            request: RequestId::from_bytes([0; 12]),
            address: reader.fixed()?,
            outcome: reader.u8()?,
            counted: None,
        };
        note.with_occasion(occasion)
    }
}

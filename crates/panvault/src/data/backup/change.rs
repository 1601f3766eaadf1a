//! What an action of the trail, done after a backup was made, means for a vault that is restored from that.

use panvault_store::Action;

/// What a record says that came after a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    CardDelete,
    CustomerDelete,
    CheckoutEnd,
    DocumentDelete,
    /// With the outcome of the record.
    DocumentUpdate(u8),
    KeyDestroy,
    Seal,
    Unseal,
    /// Something was made, which the backup therefore has not.
    Made,
    /// It takes something away that cannot be taken away by what the record says; why, and what to do.
    Unappliable(&'static str),
    /// It is in no vault any more, and nothing was taken away by it.
    Lost,
    /// It says nothing of the vault.
    Nothing,
}

pub(super) const HEADER: &str = "the header of keys is that of the backup: slots that were removed since open it, and it has none that came since; see panvault slot list, and remove them again";
const VAULT_KEY: &str = "a key of the vault itself that was destroyed since is in the backup: replace it again with panvault key rotate";

/// What is done about an action in a restored vault.
pub(super) const fn change_of(action: Action, outcome: u8) -> Change {
    match action {
        Action::CardDelete => Change::CardDelete,
        Action::CustomerDelete => Change::CustomerDelete,
        Action::CheckoutEnd => Change::CheckoutEnd,
        Action::DocumentDelete => Change::DocumentDelete,
        Action::DocumentUpdate => Change::DocumentUpdate(outcome),
        Action::KeyDestroy => Change::KeyDestroy,
        Action::VaultSeal => Change::Seal,
        Action::VaultUnseal => Change::Unseal,
        Action::HeaderChange | Action::SlotAdd | Action::SlotRemove => Change::Unappliable(HEADER),
        Action::VaultKeyDestroy => Change::Unappliable(VAULT_KEY),
        Action::CardCreate | Action::CustomerCreate | Action::DocumentCreate | Action::CheckoutCreate => {
            Change::Made
        }
        Action::CardUpdate
        | Action::CardRefresh
        | Action::TransactionInitiate
        | Action::TransactionSettle
        | Action::TransactionCapture
        | Action::TransactionVoidCapture
        | Action::TransactionVoid
        | Action::TransactionTry
        | Action::RefundCreate
        | Action::RefundSettle
        | Action::RefundFail
        | Action::CustomerUpdate
        | Action::BinsLoad
        | Action::NotificationContradict
        | Action::KeyMake
        | Action::KeyActivate
        | Action::VaultKeyActivate
        | Action::VaultMove
        | Action::VaultRestore => Change::Lost,
        Action::CardReseal
        | Action::CustomerReseal
        | Action::KeyRewrap
        | Action::RowRetag
        | Action::DocumentRetag
        | Action::IdempotencySweep
        | Action::NodeStart
        | Action::NodeRenew
        | Action::NodeStop
        | Action::CardCvvSweep
        | Action::CheckoutSweep
        | Action::ApiKeyUse
        | Action::CardRead
        | Action::CardList
        | Action::TransactionRead
        | Action::TransactionList
        | Action::RefundRead
        | Action::RefundList
        | Action::CustomerRead
        | Action::CustomerList
        | Action::AuditRead
        | Action::AccessRefuse
        | Action::SigninRefuse
        | Action::WebhookDeliver
        | Action::WebhookSweep
        | Action::WebhookRetry
        | Action::AuditCheckpoint
        | Action::TrailCheckpoint
        | Action::VaultBackup
        | Action::AuditRetire
        | Action::AuditVerify
        | Action::ShareGive
        | Action::UnsealFail
        | Action::CeremonyHold => Change::Nothing,
    }
}

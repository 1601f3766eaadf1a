use panvault_model::{
    AccountId, DeliveryId, DeliveryStatus, Id, OrganisationId, RefundStatus, Tag, Timestamp,
    TransactionStatus, WebhookObject,
};
use panvault_store::{DeliveryRow, Effect, RefundRow, TransactionRow};
use panvault_webhook::WebhookUrl;

use crate::error::VaultError;
use crate::seal;
use crate::vault::Vault;

/// A change that somebody may want to be told of.
pub(crate) struct Update<'a> {
    kind: WebhookObject,
    organisation: OrganisationId,
    account: AccountId,
    object: Id,
    version: u32,
    status: &'static str,
    at: Timestamp,
    /// Who is told of this object instead of whom its account names.
    own_url: Option<&'a str>,
}

impl<'a> From<&'a TransactionRow> for Update<'a> {
    fn from(row: &'a TransactionRow) -> Self {
        Self {
            kind: WebhookObject::Transaction,
            organisation: row.organisation,
            account: row.account,
            object: row.id.0,
            version: row.version,
            status: TransactionStatus::as_str(row.status),
            at: row.updated_at,
            own_url: row.webhook_transaction_update.as_deref(),
        }
    }
}

impl From<&RefundRow> for Update<'_> {
    fn from(row: &RefundRow) -> Self {
        Self {
            kind: WebhookObject::Refund,
            organisation: row.organisation,
            account: row.account,
            object: row.id.0,
            version: row.version,
            status: RefundStatus::as_str(row.status),
            at: row.updated_at,
            own_url: None,
        }
    }
}

impl Vault {
    /// What a commit that writes this change writes beside it: a delivery, where there is somebody to be told, and else nothing.
    /// Whoever has written it calls [`Vault::webhook_written`].
    pub(crate) fn webhook_effect<'a>(
        &self,
        update: impl Into<Update<'a>>,
    ) -> Result<Option<Effect>, VaultError> {
        let Update { kind, organisation, account, object, version, status, at, own_url } = update.into();
        let snapshot = self.snapshot();
        let of_account = || {
            let webhooks = &snapshot.documents.account(account)?.webhooks;
            match kind {
                WebhookObject::Transaction => webhooks.transaction_update.as_deref(),
                WebhookObject::Refund => webhooks.refund_update.as_deref(),
            }
        };
        let Some(url) = own_url.or_else(of_account) else { return Ok(None) };
        // One that cannot be read is tried once, and says so.
        let host = WebhookUrl::parse(url).map(|url| url.lane()).unwrap_or_default();
        let mut row = DeliveryRow {
            id: DeliveryId::make(at, self.make_id_bytes()?),
            organisation,
            version: 1,
            account,
            kind,
            object,
            object_version: version,
            object_status: status.to_owned(),
            object_updated_at: at,
            url: url.to_owned(),
            host,
            status: DeliveryStatus::Waiting,
            attempts: 0,
            due_at: at,
            fault: None,
            answer: 0,
            created_at: at,
            updated_at: at,
            tag: Tag::NONE,
        };
        row.tag = seal::delivery_tag(self.keys(), &row);
        Ok(Some(row.into()))
    }

    /// A delivery was written and is to be sent.
    pub(crate) fn webhook_written(&self, effects: &[Effect]) {
        if effects.iter().any(|effect| matches!(effect, Effect::Put(panvault_store::Row::Delivery(_)))) {
            self.deliveries().wake();
        }
    }
}

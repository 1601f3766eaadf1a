//! Operations on accounts.

use std::sync::Arc;

use panvault_keys::WebhookSecret;
use panvault_model::{AccountId, Currency, Id, Now, OrganisationId, ProcessorId};
use panvault_store::{
    AccountField, AccountQuery, AccountRow, Action, Count, DocumentKind, FieldValue, Filter, Page,
    StoreFault, Test, TransactionField, Webhooks,
};

use crate::checkout::theme_fits;
use crate::document::{DocumentChange, DocumentPlan, Listed, Snapshot, transactions};
use crate::error::{Faults, Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::ACCOUNT_PROCESSORS_MAX;
use crate::organisation::{NEVER_CHANGES, told_disabled};
use crate::permit::{
    AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, AccountWebhookSecret, Permit,
};
use crate::text::{currency_fits, description_fits, name_fits, webhooks_fit};
use crate::vault::Vault;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// In words.
    pub description: Option<String>,
    /// Its one currency.
    pub currency: Currency,
    /// At most one of each kind.
    pub processors: Vec<ProcessorId>,
    /// Whether it begins as a disabled one.
    pub disabled: bool,
    /// Who is told of changes.
    pub webhooks: Webhooks,
    /// How the pages of its checkouts look, in the place of what its organisation says of each.
    pub checkout_theme: Vec<(String, String)>,
}

/// What is to change of an account. Organisation and currency never do.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// The organisation as it is, where that was said.
    pub organisation: Option<OrganisationId>,
    /// The currency as it is, where that was said.
    pub currency: Option<Currency>,
    /// Its name.
    pub name: Option<String>,
    /// In words; inside, nothing.
    pub description: Option<Option<String>>,
    /// At most one of each kind.
    pub processors: Option<Vec<ProcessorId>>,
    /// Whether it refuses transactions.
    pub disabled: Option<bool>,
    /// Who is told of changes of its transactions; inside, nobody.
    pub webhook_transaction_update: Option<Option<String>>,
    /// Of its refunds.
    pub webhook_refund_update: Option<Option<String>>,
    /// Of its chargebacks.
    pub webhook_chargeback_update: Option<Option<String>>,
    /// How the pages of its checkouts look, in the place of how they looked.
    pub checkout_theme: Option<Vec<(String, String)>>,
}

/// An account that was made or changed.
pub struct MadeAccount {
    /// Its row.
    pub row: AccountRow,
    /// What its webhooks are signed with, where that was made now; it is shown this once, and not to a request that is repeated.
    pub secret: Option<WebhookSecret>,
}

/// An account as it may be shown.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The stored row.
    pub row: Arc<AccountRow>,
    /// The type of each of its processors, such as `card_dummy`, which whoever sees the account may know. Settings are not.
    pub processor_types: Vec<String>,
}

impl Vault {
    /// An account with what its processors are. Of one that is gone nothing is said.
    pub fn account_view(&self, row: Arc<AccountRow>) -> AccountView {
        let snapshot = self.snapshot();
        let types = row.processors.iter().filter_map(|id| snapshot.documents.processor(*id));
        let processor_types = types.map(|processor| processor.type_name.clone()).collect();
        AccountView { row, processor_types }
    }

    /// Makes an account with at most one processor of each kind, each of the account's organisation or one above it. A
    /// caller that sees two sellers does not connect one's money to the other. Where somebody is to be told of changes, what signs that is
    /// made too.
    pub async fn account_create(
        &self,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<AccountRow, VaultError> {
        self.account_create_once(permit, new, None).await.map(|done| done.value.row)
    }

    /// The same, of a request that may be repeated.
    pub async fn account_create_once(
        &self,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<MadeAccount>, VaultError> {
        let plan =
            |permit: &Permit<_>, snapshot: &Snapshot| self.account_plan_on(snapshot, permit, new.clone());
        self.document_change_once(permit, idempotency, plan).await
    }

    fn account_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<(MadeAccount, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        faults.note(currency_fits(new.currency))?;
        let organisation = faults.note(self.organisation_now(snapshot, permit, new.organisation))?;
        let now = permit.now().wall;
        let mut row = AccountRow {
            id: AccountId::make(now, self.make_id_bytes()?),
            organisation: new.organisation,
            name: new.name,
            description: new.description,
            currency: new.currency,
            processors: new.processors,
            disabled: new.disabled,
            webhooks: new.webhooks,
            webhook_secrets: Vec::new(),
            checkout_theme: new.checkout_theme,
            created_at: now,
            updated_at: now,
        };
        account_fits(&row, &mut faults)?;
        webhooks_fit(&row.webhooks, self.deliveries(), &mut faults)?;
        faults.note(processors_fit(snapshot, permit, organisation, &row.processors))?;
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        let secret = self.webhook_secret_first(snapshot, &mut row, permit.now())?;
        let changes = vec![self.document_put(DocumentKind::Account, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, row.organisation, row.id.0);
        Ok((MadeAccount { row, secret }, DocumentPlan { changes, audit }))
    }

    /// The account.
    pub fn account_read(
        &self,
        permit: &Permit<AccountRead>,
        id: AccountId,
    ) -> Result<Arc<AccountRow>, VaultError> {
        account_seen(permit.snapshot(), permit, id).cloned()
    }

    /// Accounts that the caller sees.
    pub async fn account_list(
        &self,
        permit: &Permit<AccountList>,
        query: AccountQuery,
    ) -> Result<Page<Arc<AccountRow>>, VaultError> {
        self.document_list(permit, query).await
    }

    /// Changes an account. What is under way goes on as it began.
    pub async fn account_update(
        &self,
        permit: &Permit<AccountUpdate>,
        id: AccountId,
        change: AccountChange,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<MadeAccount>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.account_update_plan(snapshot, permit, id, change.clone())
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    fn account_update_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<AccountUpdate>,
        id: AccountId,
        change: AccountChange,
    ) -> Result<(MadeAccount, DocumentPlan), VaultError> {
        let mut row = account_seen(snapshot, permit, id)?.as_ref().clone();
        let mut faults = Faults::default();
        if change.organisation.is_some_and(|organisation| organisation != row.organisation) {
            faults.field("organisation", NEVER_CHANGES);
        }
        if change.currency.is_some_and(|currency| currency != row.currency) {
            faults.field("currency_code", NEVER_CHANGES);
        }
        row.name = change.name.unwrap_or(row.name);
        row.description = change.description.unwrap_or(row.description);
        row.disabled = change.disabled.unwrap_or(row.disabled);
        row.checkout_theme = change.checkout_theme.unwrap_or(row.checkout_theme);
        // What it has was judged when it was stored; where it may be called is for every attempt to say.
        let sent = Webhooks {
            transaction_update: change.webhook_transaction_update.clone().flatten(),
            refund_update: change.webhook_refund_update.clone().flatten(),
            chargeback_update: change.webhook_chargeback_update.clone().flatten(),
        };
        webhooks_fit(&sent, self.deliveries(), &mut faults)?;
        let Webhooks { transaction_update, refund_update, chargeback_update } = row.webhooks;
        row.webhooks = Webhooks {
            transaction_update: change.webhook_transaction_update.unwrap_or(transaction_update),
            refund_update: change.webhook_refund_update.unwrap_or(refund_update),
            chargeback_update: change.webhook_chargeback_update.unwrap_or(chargeback_update),
        };
        account_fits(&row, &mut faults)?;
        // Those that it has may be of an organisation above, which its caller need not see.
        if let Some(processors) = change.processors {
            faults.note(processors_fit(snapshot, permit, Some(row.organisation), &processors))?;
            row.processors = processors;
        }
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        let secret = self.webhook_secret_first(snapshot, &mut row, permit.now())?;
        let plan = self.account_row_plan(snapshot, permit, &mut row)?;
        Ok((MadeAccount { row, secret }, plan))
    }

    /// Makes what webhooks of an account are signed with from now on. The one before it signs beside it for a day, so that whoever checks
    /// signatures takes up the new one when it suits; any earlier one signs no longer.
    pub async fn account_webhook_secret(
        &self,
        permit: &Permit<AccountWebhookSecret>,
        id: AccountId,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<MadeAccount>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            let mut row = account_seen(snapshot, permit, id)?.as_ref().clone();
            snapshot.documents.enabled(row.organisation)?;
            let secret = Some(self.webhook_secret_make(snapshot, &mut row, permit.now())?);
            let plan = self.account_row_plan(snapshot, permit, &mut row)?;
            Ok((MadeAccount { row, secret }, plan))
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    /// What webhooks of an account are signed with, made with its first URL.
    fn webhook_secret_first(
        &self,
        snapshot: &Snapshot,
        row: &mut AccountRow,
        now: Now,
    ) -> Result<Option<WebhookSecret>, VaultError> {
        let tells = row.webhooks != Webhooks::default();
        if tells && row.webhook_secrets.is_empty() {
            self.webhook_secret_make(snapshot, row, now).map(Some)
        } else {
            Ok(None)
        }
    }

    fn account_row_plan<O>(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<O>,
        row: &mut AccountRow,
    ) -> Result<DocumentPlan, VaultError> {
        let (kind, id, organisation) = (DocumentKind::Account, row.id.0, row.organisation);
        let mut plan = self.row_update_plan(snapshot, permit, kind, id, organisation, |now| {
            row.updated_at = now;
            row.encode()
        })?;
        plan.audit.outcome = told_disabled(row.disabled);
        Ok(plan)
    }

    /// Deletes an account that has no transactions. It is disabled first, and what began before that is waited for.
    pub async fn account_delete(
        &self,
        mut permit: Permit<AccountDelete>,
        id: AccountId,
    ) -> Result<(), VaultError> {
        let before = account_seen(&self.snapshot(), &permit, id)?.disabled;
        self.account_free(&permit, id).await?;
        self.account_disable(&permit, id, true).await?;
        permit.see(self.snapshot());
        let deleted = self.account_disabled_delete(&permit, id).await;
        if deleted.is_err() && !before {
            self.account_disable(&permit, id, false).await?;
        }
        deleted
    }

    async fn account_disabled_delete(
        &self,
        permit: &Permit<AccountDelete>,
        id: AccountId,
    ) -> Result<(), VaultError> {
        self.requests_before_end().await?;
        self.account_free(permit, id).await?;
        self.document_change(permit, |permit, snapshot| {
            let organisation = account_seen(snapshot, permit, id)?.organisation;
            Ok(((), row_delete_plan(snapshot, permit, DocumentKind::Account, id.0, organisation)))
        })
        .await
    }

    async fn account_disable(
        &self,
        permit: &Permit<AccountDelete>,
        id: AccountId,
        disabled: bool,
    ) -> Result<(), VaultError> {
        if account_seen(&self.snapshot(), permit, id)?.disabled == disabled {
            return Ok(());
        }
        self.document_change(permit, |permit, snapshot| {
            let mut row = account_seen(snapshot, permit, id)?.as_ref().clone();
            row.disabled = disabled;
            Ok(((), self.account_row_plan(snapshot, permit, &mut row)?))
        })
        .await
    }

    /// [`VaultError::WrongState`] when the account has transactions, or it cannot be told in the time of a list.
    async fn account_free(&self, permit: &Permit<AccountDelete>, id: AccountId) -> Result<(), VaultError> {
        let organisation = account_seen(&self.snapshot(), permit, id)?.organisation;
        let mut query = transactions(organisation);
        (query.asked_by, query.count) = (permit.asked_by(), Count::PageEnd);
        let values = vec![FieldValue::Text(id.to_string().into())];
        query.filters.push(Filter { field: TransactionField::Account, test: Test::Equal, values });
        match self.store().transaction_list(query).await {
            Ok(page) if page.total == 0 => Ok(()),
            Ok(_) => Err(VaultError::WrongState { reason: "it has transactions" }),
            Err(StoreFault::TimedOut) => Err(VaultError::WrongState {
                reason: "its organisation has too many transactions to look for its own; disable it instead",
            }),
            Err(fault) => Err(fault.into()),
        }
    }
}

/// The plan that deletes a document on which nothing hangs.
pub(crate) fn row_delete_plan<O>(
    snapshot: &Snapshot,
    permit: &Permit<O>,
    kind: DocumentKind,
    id: Id,
    organisation: OrganisationId,
) -> DocumentPlan {
    let changes = vec![DocumentChange::Delete(kind, id, snapshot.documents.version(kind, id))];
    let audit = permit.asked().note(permit.now().wall, Action::DocumentDelete, organisation, id);
    DocumentPlan { changes, audit }
}

/// The account, if the caller sees it.
fn account_seen<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: AccountId,
) -> Result<&'s Arc<AccountRow>, VaultError> {
    let row = snapshot.documents.account(id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
    permit.within(row.organisation, Named::Subject)?;
    Ok(row)
}

/// Whether an account is as it may be, but for its processors and whom it tells.
fn account_fits(row: &AccountRow, faults: &mut Faults) -> Result<(), VaultError> {
    faults.note(name_fits(&row.name))?;
    if let Some(description) = &row.description {
        faults.note(description_fits(description))?;
    }
    theme_fits(&row.checkout_theme, faults)
}

/// Whether an account of the organisation may have these processors.
fn processors_fit<O>(
    snapshot: &Snapshot,
    permit: &Permit<O>,
    organisation: Option<OrganisationId>,
    processors: &[ProcessorId],
) -> Result<(), VaultError> {
    if processors.len() > ACCOUNT_PROCESSORS_MAX {
        return Err(VaultError::field("processors", format_args!("may be {ACCOUNT_PROCESSORS_MAX} at most")));
    }
    let mut kinds = Vec::new();
    for id in processors {
        let row = snapshot
            .documents
            .processor(*id)
            .ok_or_else(|| VaultError::not_found(Named::Field("processors")))?;
        permit.within(row.organisation, Named::Field("processors"))?;
        if organisation
            .is_some_and(|organisation| !snapshot.documents.is_below(organisation, row.organisation))
        {
            let reason = "must be of the account's organisation or one above it";
            return Err(VaultError::field("processors", reason));
        }
        let kind = row.type_name.split('_').next().unwrap_or_default().to_owned();
        if kinds.contains(&kind) {
            return Err(VaultError::field("processors", "may hold one processor of each kind"));
        }
        kinds.push(kind);
    }
    Ok(())
}

impl Listed for AccountField {
    fn all(snapshot: &Snapshot) -> Vec<&Arc<AccountRow>> {
        snapshot.documents.accounts().collect()
    }

    fn id(row: &AccountRow) -> Id {
        row.id.0
    }

    fn organisation(row: &AccountRow) -> OrganisationId {
        row.organisation
    }
}

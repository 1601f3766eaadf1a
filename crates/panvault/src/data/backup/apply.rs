//! What an exported trail says has ended since a backup ends in the restored vault too, before it is served.
//!
//! Each is done by the operation that did it the first time, so that it is checked as that was, and the restored vault's trail has it. Nothing is made or given back: a
//! trail has ids, and not what belongs to them.

use std::collections::{BTreeMap, BTreeSet};

use panvault_model::{AccountId, ApiKeyId, CardId, CheckoutId, CustomerId, Id, OrganisationId, ProcessorId};
use panvault_store::{AuditNote, Store};
use panvault_trail::Record;
use panvault_vault::{
    AccountChange, AccountRead, ApiKeyChange, ApiKeyRead, Clock, OrganisationChange, OrganisationRead,
    ProcessorRead, SystemClock, VaultError, with_causes,
};

use crate::data::OpenVault;
use crate::data::backup::change::{Change, HEADER, change_of};
use crate::data::backup::export::{Placed, Since};
use crate::trail::LinePlace;

/// A record that was not applied.
pub(crate) struct Unapplied {
    pub(crate) at: LinePlace,
    pub(crate) sequence: u64,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) why: String,
}

/// What was done of an exported trail.
#[derive(Default)]
pub(crate) struct Applied {
    /// How often, by what was done.
    pub(crate) done: BTreeMap<&'static str, u64>,
    pub(crate) unapplied: Vec<Unapplied>,
}

/// What the trail of a vault says has ended.
#[derive(Default)]
pub(super) struct Ended {
    /// What is not there any more.
    gone: BTreeSet<Id>,
    /// Organisations all of whose keys were destroyed.
    destroyed: BTreeSet<Id>,
}

impl Ended {
    /// Takes up a record of it.
    pub(super) fn put(&mut self, note: &AuditNote) {
        match change_of(note.action, note.outcome) {
            Change::CardDelete | Change::CustomerDelete | Change::CheckoutEnd | Change::DocumentDelete => {
                self.gone.insert(note.object);
            }
            Change::KeyDestroy => {
                self.destroyed.insert(note.object);
            }
            Change::DocumentUpdate(_)
            | Change::Seal
            | Change::Unseal
            | Change::Made
            | Change::Unappliable(_)
            | Change::Lost
            | Change::Nothing => {}
        }
    }
}

/// What became of a record.
enum Step {
    Done(&'static str),
    /// There is nothing to do.
    Needless,
    Not(String),
}

/// The vault that was made, and what is known of the records so far.
struct Applying<'a> {
    open: &'a OpenVault,
    /// What was made since the backup.
    made: BTreeSet<&'a str>,
    /// What the trail of the vault itself says has ended: by an earlier try, or before the backup.
    ended: &'a Ended,
    /// Organisations and accounts that were disabled here: they alone are enabled again.
    disabled: BTreeSet<Id>,
}

/// Applies what came after the backup, in its order. `ended`: what the vault's own trail says has ended.
pub(super) async fn apply(open: &OpenVault, since: &Since, ended: &Ended) -> anyhow::Result<Applied> {
    let made = since.records.iter().filter(|placed| placed.change == Change::Made);
    let made = made.filter_map(|placed| placed.record.object.as_deref()).collect();
    let mut applying = Applying { open, made, ended, disabled: BTreeSet::new() };
    let (mut applied, mut is_sealed) = (Applied::default(), false);
    for Placed { at, record, change } in &since.records {
        let step = match change {
            Change::Seal => {
                is_sealed = true;
                Ok(Step::Needless)
            }
            Change::Unseal => {
                is_sealed = false;
                Ok(Step::Needless)
            }
            Change::Unappliable(why) => Ok(Step::Not((*why).to_owned())),
            Change::Made | Change::Lost | Change::Nothing => Ok(Step::Needless),
            change => applying.apply(*change, record).await,
        };
        let why = match step {
            Ok(Step::Needless) => continue,
            Ok(Step::Done(what)) => {
                *applied.done.entry(what).or_default() += 1;
                continue;
            }
            Ok(Step::Not(why)) => why,
            // Of a store that fails nothing can be said.
            Err(
                error @ (VaultError::Store(_)
                | VaultError::Keys(_)
                | VaultError::Tampered(_)
                | VaultError::TaggedLater(_)),
            ) => {
                return Err(error.into());
            }
            Err(error) => with_causes(&error),
        };
        applied.unapplied.push(Unapplied {
            at: *at,
            sequence: record.sequence,
            action: record.action.clone(),
            object: record.object.clone().unwrap_or_else(|| "-".to_owned()),
            why,
        });
    }
    if is_sealed {
        // Last: nothing is changed in a sealed vault.
        open.vault.seal(&open.operator()?.permit()?).await?;
        applied.done.insert("sealed the vault", 1);
    }
    Ok(applied)
}

const STRANGER: &str = "the backup has it in another organisation than the record says";
const UNKNOWN: &str = "it is not in the backup, and the export does not say that it was made since";

impl Applying<'_> {
    async fn apply(&mut self, change: Change, record: &Record) -> Result<Step, VaultError> {
        let Some(id) = record.object.as_deref().and_then(|object| Id::parse(object).ok()) else {
            // The head of the documents is no object: it came to name another header.
            let is_head = matches!(change, Change::DocumentUpdate(_));
            return Ok(Step::Not(if is_head { HEADER } else { "the record names no object" }.to_owned()));
        };
        match change {
            Change::CardDelete => self.card_delete(CardId(id), record).await,
            Change::CustomerDelete => self.customer_delete(CustomerId(id), record).await,
            Change::CheckoutEnd => self.checkout_end(CheckoutId(id), record).await,
            Change::DocumentDelete => self.document_delete(id, record).await,
            Change::DocumentUpdate(outcome) => self.document_update(id, record, outcome).await,
            Change::KeyDestroy => self.key_destroy(id, record).await,
            Change::Seal
            | Change::Unseal
            | Change::Made
            | Change::Unappliable(_)
            | Change::Lost
            | Change::Nothing => Ok(Step::Needless),
        }
    }

    /// What is not there: it ended before, was made since the backup and is gone again, or nobody knows.
    fn absent(&self, record: &Record) -> Step {
        let has_ended = |object: &str| Id::parse(object).is_ok_and(|id| self.ended.gone.contains(&id));
        match record.object.as_deref() {
            Some(object) if self.made.contains(object) || has_ended(object) => Step::Needless,
            Some(_) | None => Step::Not(UNKNOWN.to_owned()),
        }
    }

    fn store(&self) -> &dyn Store {
        self.open.kept.store()
    }

    async fn card_delete(&self, id: CardId, record: &Record) -> Result<Step, VaultError> {
        let Some(row) = self.store().card_read(id).await? else { return Ok(self.absent(record)) };
        if !is_of(record, row.organisation) {
            return Ok(Step::Not(STRANGER.to_owned()));
        }
        self.open.vault.card_delete(&self.open.operator()?.permit()?, id).await?;
        Ok(Step::Done("deleted cards"))
    }

    async fn customer_delete(&self, id: CustomerId, record: &Record) -> Result<Step, VaultError> {
        let Some(row) = self.store().customer_read(id).await? else { return Ok(self.absent(record)) };
        if !is_of(record, row.organisation) {
            return Ok(Step::Not(STRANGER.to_owned()));
        }
        self.open.vault.customer_delete(&self.open.operator()?.permit()?, id).await?;
        Ok(Step::Done("erased customers"))
    }

    /// However it ended, nobody pays at it again.
    async fn checkout_end(&self, id: CheckoutId, record: &Record) -> Result<Step, VaultError> {
        let Some(row) = self.store().checkout_read(id).await? else { return Ok(self.absent(record)) };
        if !is_of(record, row.organisation) {
            return Ok(Step::Not(STRANGER.to_owned()));
        }
        if row.end.is_some() {
            return Ok(Step::Needless);
        }
        self.open.vault.checkout_delete(&self.open.operator()?.permit()?, id).await?;
        Ok(Step::Done("cancelled checkouts"))
    }

    async fn document_delete(&self, id: Id, record: &Record) -> Result<Step, VaultError> {
        let Some((document, organisation)) = self.document(id).await? else {
            return Ok(self.absent(record));
        };
        if !is_of(record, organisation) {
            return Ok(Step::Not(STRANGER.to_owned()));
        }
        let (vault, operator) = (&self.open.vault, || self.open.operator());
        match document {
            Document::ApiKey => {
                vault.apikey_delete(&operator()?.permit()?, ApiKeyId(id)).await?;
                Ok(Step::Done("revoked API keys"))
            }
            Document::Account => {
                // Alone: a caller that is still there would be waited for as a request that began before.
                let permit = operator()?.permit()?;
                vault.account_delete(permit, AccountId(id)).await?;
                Ok(Step::Done("deleted accounts"))
            }
            Document::Processor => {
                vault.processor_delete(&operator()?.permit()?, ProcessorId(id)).await?;
                Ok(Step::Done("deleted processors"))
            }
            Document::Organisation => {
                let permit = operator()?.permit()?;
                vault.organisation_delete(permit, OrganisationId(id)).await?;
                Ok(Step::Done("deleted organisations"))
            }
        }
    }

    /// The trail does not say what of a document changed. An API key may have lost a role, an origin or its time, and so ends: whoever knows better gives it a time again.
    async fn document_update(&mut self, id: Id, record: &Record, outcome: u8) -> Result<Step, VaultError> {
        let Some((document, organisation)) = self.document(id).await? else { return Ok(Step::Needless) };
        if !is_of(record, organisation) {
            return Ok(Step::Not(STRANGER.to_owned()));
        }
        match (document, outcome) {
            (Document::ApiKey, AuditNote::REHASHED) => Ok(Step::Needless),
            (Document::ApiKey, _) => self.apikey_end(ApiKeyId(id)).await,
            (Document::Organisation | Document::Account, AuditNote::DISABLED) => {
                if !self.set_disabled(document, id, true).await? {
                    return Ok(Step::Needless);
                }
                self.disabled.insert(id);
                Ok(Step::Done("disabled organisations and accounts"))
            }
            (Document::Organisation | Document::Account, AuditNote::ENABLED) if self.disabled.remove(&id) => {
                self.set_disabled(document, id, false).await?;
                Ok(Step::Done("enabled organisations and accounts that were disabled in between"))
            }
            (Document::Organisation | Document::Account | Document::Processor, _) => Ok(Step::Needless),
        }
    }

    async fn apikey_end(&self, id: ApiKeyId) -> Result<Step, VaultError> {
        let vault = &self.open.vault;
        let now = SystemClock::start().now().wall;
        let row = vault.apikey_read(&self.open.operator()?.permit()?, id).await?.row;
        if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Ok(Step::Needless);
        }
        let change = ApiKeyChange { expires_at: Some(Some(now)), ..ApiKeyChange::default() };
        vault.apikey_update(&self.open.operator()?.permit()?, id, change, None).await?;
        Ok(Step::Done("ended API keys that were rotated or changed"))
    }

    /// Whether that is another than it was.
    async fn set_disabled(&self, document: Document, id: Id, disabled: bool) -> Result<bool, VaultError> {
        let (vault, operator) = (&self.open.vault, || self.open.operator());
        if document == Document::Account {
            let row = vault.account_read(&operator()?.permit::<AccountRead>()?, AccountId(id))?;
            if row.disabled == disabled {
                return Ok(false);
            }
            let change = AccountChange { disabled: Some(disabled), ..AccountChange::default() };
            vault.account_update(&operator()?.permit()?, AccountId(id), change, None).await?;
            return Ok(true);
        }
        let id = OrganisationId(id);
        let row = vault.organisation_read(&operator()?.permit::<OrganisationRead>()?, id)?;
        if row.disabled == disabled {
            return Ok(false);
        }
        let change = OrganisationChange { disabled: Some(disabled), ..OrganisationChange::default() };
        vault.organisation_update(&operator()?.permit()?, id, change, None).await?;
        Ok(true)
    }

    /// All keys of an organisation; one that another took the place of seals what the backup has, and cannot go.
    async fn key_destroy(&self, id: Id, record: &Record) -> Result<Step, VaultError> {
        let organisation = OrganisationId(id);
        match self.document(id).await? {
            Some((Document::Organisation, _)) if self.ended.destroyed.contains(&id) => Ok(Step::Needless),
            Some((Document::Organisation, _)) if is_of(record, organisation) => {
                let permit = self.open.operator()?.permit()?;
                self.open.vault.key_destroy(&permit, organisation, organisation).await?;
                Ok(Step::Done("destroyed all keys of organisations"))
            }
            Some(_) => Ok(Step::Not(STRANGER.to_owned())),
            None if record.object == record.organisation => Ok(self.absent(record)),
            None => Ok(Step::Not(ROTATED.to_owned())),
        }
    }

    /// Which document has this id.
    async fn document(&self, id: Id) -> Result<Option<(Document, OrganisationId)>, VaultError> {
        let (vault, operator) = (&self.open.vault, self.open.operator()?);
        let key = vault.apikey_read(&operator.permit::<ApiKeyRead>()?, ApiKeyId(id)).await;
        if let Some(key) = there(key)? {
            return Ok(Some((Document::ApiKey, key.row.organisation)));
        }
        let account = vault.account_read(&operator.permit::<AccountRead>()?, AccountId(id));
        if let Some(account) = there(account)? {
            return Ok(Some((Document::Account, account.organisation)));
        }
        let processor = vault.processor_read(&operator.permit::<ProcessorRead>()?, ProcessorId(id));
        if let Some(processor) = there(processor)? {
            return Ok(Some((Document::Processor, processor.organisation)));
        }
        let organisation =
            vault.organisation_read(&operator.permit::<OrganisationRead>()?, OrganisationId(id));
        Ok(there(organisation)?.map(|row| (Document::Organisation, row.id)))
    }
}

const ROTATED: &str = "a key of an organisation that another took the place of was destroyed, and cards of the backup are under it: replace it again with panvault key rotate, which destroys it when none is";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Document {
    ApiKey,
    Account,
    Processor,
    Organisation,
}

fn is_of(record: &Record, organisation: OrganisationId) -> bool {
    record.organisation.as_deref() == Some(organisation.to_string().as_str())
}

fn there<T>(read: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(VaultError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

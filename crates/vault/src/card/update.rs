use std::sync::Arc;

use panvault_card::{CardBlock, Cvv, Holder};
use panvault_model::{CardId, CardKind, Expiry, OrganisationId, Sealed, Timestamp};
use panvault_store::{Action, AuditNote, CardRow, Commit, CvvOwner, Effect, Expect, Outcome, RowKey};

use crate::card::{CardView, Metadata, NO_CVV};
use crate::cvv::{self, CvvSeen, CvvStep, SealedCvv};
use crate::env::Env;
use crate::error::{FieldFault, Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of};
use crate::limits::UPDATE_TRIES_MAX;
use crate::permit::{CardUpdate, Permit};
use crate::seal;
use crate::text::pairs_storable;
use crate::vault::Vault;

/// What is to become of a card's CVV.
pub enum CvvChange {
    /// Nothing.
    Keep,
    /// It is ended.
    Clear,
    /// It is replaced, and a new clock starts.
    Put(Cvv),
}

/// What is to change on a card.
pub struct CardChange {
    /// The CVV.
    pub cvv: CvvChange,
    /// 1 to 12.
    pub expiry_month: Option<u8>,
    /// Four digits.
    pub expiry_year: Option<u16>,
    /// The name on the card.
    pub holder: Option<Holder>,
    /// Replaces all pairs.
    pub metadata: Option<Metadata>,
}

/// A CVV change after its plaintext is gone.
enum PlannedCvv {
    Keep,
    Clear,
    Put { held: Option<SealedCvv>, digits: usize },
}

impl PlannedCvv {
    /// Until when the new one is held, if there is to be one.
    fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Put { held, .. } => held.as_ref().map(|held| held.expires_at),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The row as of now, when the CVV is all that changes: neither opened nor sealed anew. `None` where it is no later.
    fn moves(&self, stored: &CardRow, env: &Env<'_>) -> Result<Option<Arc<CardRow>>, VaultError> {
        if matches!(self, Self::Keep) || env.now.wall <= stored.updated_at {
            return Ok(None);
        }
        let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
        let mut row = CardRow { version, updated_at: env.now.wall, ..stored.clone() };
        row.tag = seal::card_tag(&row, env.vault_keys);
        Ok(Some(Arc::new(row)))
    }
}

/// The change of the row, which may have to be tried on several versions of it. A name waits for its card sealed.
struct RowChange {
    expiry_month: Option<u8>,
    expiry_year: Option<u16>,
    holder: Option<Sealed>,
    metadata: Option<Metadata>,
}

impl Vault {
    /// Changes a card, first of all its CVV. CVV and name are sealed at once; the future reads, seals and commits.
    ///
    /// A caller that is only a browser may put a CVV back and nothing else. [`VaultError::NotFound`] when the card is
    /// not in `organisation`, or the caller does not see it; [`VaultError::Faults`] when the CVV does not fit the
    /// brand or the expiry would be past or too far ahead; [`VaultError::Disabled`]; [`VaultError::CvvFull`] when there is no room for a CVV;
    /// [`VaultError::CvvUnavailable`] when the place that holds CVVs is out of reach. A change that is stored is answered as such, also
    /// when its CVV then found no room, or no way to where it is held: `cvv_expires_at` says whether one is held. What
    /// is not stored may have ended the CVV before, never kept one.
    pub fn card_update(
        &self,
        permit: &Permit<CardUpdate>,
        id: CardId,
        organisation: OrganisationId,
        change: CardChange,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Done<CardView>, VaultError>> + Send + use<> {
        let env = self.env(permit.snapshot(), permit.now());
        let planned = change_plan(permit, id, organisation, change, &env);
        let (asked, now, snapshot) = (*permit.asked(), permit.now(), Arc::clone(permit.snapshot()));
        let (scope, source) = (permit.scope(), permit.cvv_source());
        let vault = self.clone();
        async move {
            if let Err(VaultError::RoleNotAllowed) = planned {
                return Err(VaultError::RoleNotAllowed);
            }
            // Also where it would be refused now: the organisation may have been disabled since.
            if let Some(claim) = &idempotency
                && let Some(earlier) = vault.idempotency_earlier(claim, now).await?
            {
                return vault.card_answered(earlier, now).await;
            }
            let (cvv, change) = planned?;
            if matches!(cvv, PlannedCvv::Put { held: Some(_), .. }) {
                vault.cvv_admitted(CvvOwner { organisation, source }, now).await?;
            }
            for _ in 0..UPDATE_TRIES_MAX {
                let stored = vault
                    .store()
                    .card_read(id)
                    .await?
                    .ok_or_else(|| VaultError::not_found(Named::Subject))?;
                let env = vault.env(&snapshot, now);
                seal::card_verify(&stored, stored.organisation, env.vault_keys)?;
                if stored.id != id {
                    return Err(VaultError::Tampered(RowKey::Card(id)));
                }
                if stored.organisation != organisation {
                    // Said of the organisation only to who sees the card: else this would tell that there is one.
                    let seen = scope.sees(stored.organisation, &snapshot);
                    let named = if seen { Named::Field("organisation") } else { Named::Subject };
                    return Err(VaultError::not_found(named));
                }
                let row = card_update_plan(&stored, organisation, &change, &cvv, &env)?;
                let row = match row {
                    Some(row) => Some(row),
                    None => cvv.moves(&stored, &env)?,
                };
                let changed = row.is_some();
                let (kept, step) = match &cvv {
                    PlannedCvv::Keep => (vault.cvv_seen(id, now).await?, CvvStep::NONE),
                    PlannedCvv::Clear | PlannedCvv::Put { .. } => {
                        let step = vault.cvv_next(id, cvv.until(), now.wall).await?;
                        vault.in_time(now)?;
                        // Before the commit, so that whatever happens to this process then leaves no CVV that should be gone.
                        vault.cvvs().cvv_clear_now(id).await?;
                        (CvvSeen::known(None), step)
                    }
                };
                let shown = row.clone().unwrap_or_else(|| Arc::clone(&stored));
                let mut commit = Commit {
                    claim: idempotency
                        .map(|claim| claim.claim(vault.keys(), now.wall, answer_of(shown.as_ref()))),
                    expects: vec![Expect::Version(RowKey::Card(id), stored.version)],
                    effects: row.map(Effect::from).into_iter().collect(),
                    audit: AuditNote {
                        outcome: u8::from(changed),
                        ..asked.note(now.wall, Action::CardUpdate, organisation, id.0)
                    },
                };
                let number = step.add_to(&mut commit);
                vault.in_time(now)?;
                match vault.store().commit(commit).await? {
                    Outcome::Done { order } => {
                        let cvv = match cvv {
                            PlannedCvv::Keep => kept,
                            PlannedCvv::Put { held: Some(held), .. } => {
                                CvvSeen::known(vault.cvv_held(&shown, source, number.of(order), held).await)
                            }
                            PlannedCvv::Clear | PlannedCvv::Put { held: None, .. } => {
                                vault.cvv_ended(id, number.of(order)).await;
                                CvvSeen::known(None)
                            }
                        };
                        return Ok(Done::new(CardView::new(shown, cvv)));
                    }
                    Outcome::Claimed(earlier) => {
                        return vault.card_replayed(idempotency.as_ref(), earlier, now).await;
                    }
                    // It has changed, or is gone: that is seen when it is read again.
                    Outcome::Unmet(_) => {}
                }
            }
            Err(VaultError::Contended)
        }
    }
}

/// Seals CVV and name before anything is waited for, and keeps the CVV's length to hold it against the brand later.
fn change_plan(
    permit: &Permit<CardUpdate>,
    id: CardId,
    organisation: OrganisationId,
    change: CardChange,
    env: &Env<'_>,
) -> Result<(PlannedCvv, RowChange), VaultError> {
    let CardChange { cvv, expiry_month, expiry_year, holder, metadata } = change;
    let row_changes =
        expiry_month.is_some() || expiry_year.is_some() || holder.is_some() || metadata.is_some();
    if !permit.is_whole() && (!matches!(cvv, CvvChange::Put(_)) || row_changes) {
        return Err(VaultError::RoleNotAllowed);
    }
    let organisation = permit.within_enabled(organisation, Named::Field("organisation"))?;
    pairs_storable(metadata.as_deref().unwrap_or_default())?;
    let cvv = match cvv {
        CvvChange::Keep => PlannedCvv::Keep,
        CvvChange::Clear => PlannedCvv::Clear,
        CvvChange::Put(cvv) => {
            let digits = cvv.expose_digits().len();
            PlannedCvv::Put { held: cvv::cvv_seal(cvv, id, organisation, env)?, digits }
        }
    };
    let holder = match holder {
        Some(holder) => Some(seal::holder_seal(holder, id, organisation, env)?),
        None => None,
    };
    Ok((cvv, RowChange { expiry_month, expiry_year, holder, metadata }))
}

/// The row as it is to be, sealed anew; `None` when only the CVV changes.
fn card_update_plan(
    stored: &CardRow,
    organisation: OrganisationId,
    change: &RowChange,
    cvv: &PlannedCvv,
    env: &Env<'_>,
) -> Result<Option<Arc<CardRow>>, VaultError> {
    let mut faults = Vec::new();
    if let PlannedCvv::Put { digits, .. } = cvv {
        if stored.kind == CardKind::NetworkToken {
            faults.push(FieldFault::new("cvv", NO_CVV));
        } else if !panvault_card::cvv_digits(stored.brand).contains(digits) {
            faults.push(FieldFault::new("cvv", "has the wrong length for this card's brand"));
        }
    }
    let expiry = change.expiry(stored.expiry);
    if (change.expiry_month.is_some() || change.expiry_year.is_some())
        && let Err(fault) = expiry.in_future(env.now.wall)
    {
        let field = if change.expiry_year.is_some() { "expiry_year" } else { "expiry_month" };
        faults.push(FieldFault::new(field, fault));
    }
    if !faults.is_empty() {
        return Err(VaultError::Faults(faults));
    }
    if !change.is_some() {
        return Ok(None);
    }
    let (pan, stored_holder) = seal::card_open(stored, organisation, env.vault, env.keys)?;
    let holder = match &change.holder {
        Some(sealed) => Some(seal::holder_open(sealed, stored.id, organisation, env)?),
        None => stored_holder,
    };
    let block = CardBlock::pack(&pan, holder.as_ref());
    drop((pan, holder));
    let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
    let row = CardRow {
        version,
        sealed_version: version,
        expiry,
        metadata: change.metadata.clone().unwrap_or_else(|| stored.metadata.clone()),
        updated_at: env.now.wall,
        sealed_at: env.now.wall,
        ..stored.clone()
    };
    Ok(Some(Arc::new(seal::card_seal(row, &block, env)?)))
}

impl RowChange {
    const fn is_some(&self) -> bool {
        self.expiry_month.is_some()
            || self.expiry_year.is_some()
            || self.holder.is_some()
            || self.metadata.is_some()
    }

    fn expiry(&self, stored: Expiry) -> Expiry {
        let year = self.expiry_year.unwrap_or(stored.year());
        Expiry::new(year, self.expiry_month.unwrap_or(stored.month())).unwrap_or(stored)
    }
}

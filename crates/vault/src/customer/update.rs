use std::sync::Arc;

use panvault_card::CustomerDetails;
use panvault_model::{CustomerId, OrganisationId, Sealed};
use panvault_store::{Action, Commit, CustomerRow, Expect, Outcome, RowKey};

use crate::customer::{StoredCustomer, email_digest};
use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of};
use crate::limits::UPDATE_TRIES_MAX;
use crate::organisation::NEVER_CHANGES;
use crate::permit::{CustomerUpdate, Permit};
use crate::seal;
use crate::vault::Vault;

/// What is to change on a customer. Its details wait for the customer sealed.
pub struct CustomerChange {
    /// The organisation that was named.
    organisation: Option<OrganisationId>,
    /// The organisation under whose key they wait.
    waits_under: OrganisationId,
    details: Sealed,
}

impl Vault {
    /// Seals what is to change, at once, while the plaintext is at hand: under the key of the organisation that is named, or else the
    /// caller's own. [`VaultError::NotFound`] when the caller does not see it.
    pub fn customer_change(
        &self,
        permit: &Permit<CustomerUpdate>,
        id: CustomerId,
        organisation: Option<OrganisationId>,
        own: OrganisationId,
        details: CustomerDetails,
    ) -> Result<CustomerChange, VaultError> {
        let waits_under = permit.within(organisation.unwrap_or(own), Named::Field("organisation"))?;
        let env = self.env(permit.snapshot(), permit.now());
        let details = seal::customer_change_seal(details, id, waits_under, &env)?;
        Ok(CustomerChange { organisation, waits_under, details })
    }

    /// Changes the details of a customer that are named. [`VaultError::NotFound`] when the caller does not see the customer;
    /// [`VaultError::Faults`] when its organisation is to be another; [`VaultError::Disabled`].
    pub async fn customer_update(
        &self,
        permit: &Permit<CustomerUpdate>,
        id: CustomerId,
        change: CustomerChange,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<StoredCustomer>, VaultError> {
        let now = permit.now();
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, now).await?
        {
            return self.customer_answered(&earlier).await;
        }
        for _ in 0..UPDATE_TRIES_MAX {
            let stored = self.customer_seen(permit, id, Named::Subject).await?;
            if change.organisation.is_some_and(|organisation| organisation != stored.organisation) {
                return Err(VaultError::field("organisation", NEVER_CHANGES));
            }
            permit.within_enabled(stored.organisation, Named::Subject)?;
            let env = self.env(permit.snapshot(), now);
            let row = Arc::new(customer_update_plan(&stored, &change, &env)?);
            let commit = Commit {
                claim: idempotency.map(|claim| claim.claim(self.keys(), now.wall, answer_of(row.as_ref()))),
                expects: vec![Expect::Version(RowKey::Customer(id), stored.version)],
                effects: vec![Arc::clone(&row).into()],
                audit: permit.asked().note(now.wall, Action::CustomerUpdate, row.organisation, id.0),
            };
            self.in_time(now)?;
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => return Ok(Done::new(StoredCustomer::of(row))),
                Outcome::Claimed(earlier) => {
                    let claim = idempotency.ok_or(VaultError::Contended)?;
                    return self.customer_answered(&*self.idempotency_claimed(&claim, earlier)?).await;
                }
                // It has changed, or is gone: that is seen when it is read again.
                Outcome::Unmet(_) => {}
            }
        }
        Err(VaultError::Contended)
    }
}

/// The row with the details as they are to be, sealed anew. The plaintext ends here.
fn customer_update_plan(
    stored: &CustomerRow,
    change: &CustomerChange,
    env: &Env<'_>,
) -> Result<CustomerRow, VaultError> {
    let changed = seal::customer_change_open(&change.details, stored.id, change.waits_under, env)?;
    let details = seal::customer_open(stored, stored.organisation, env.vault, env.keys)?.changed_by(&changed);
    let (email, email_key) = email_digest(&details, stored.organisation, env)?;
    let block = details.pack();
    drop((changed, details));
    let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
    let row = CustomerRow {
        version,
        sealed_version: version,
        email,
        email_key,
        updated_at: env.now.wall,
        sealed_at: env.now.wall,
        ..stored.clone()
    };
    Ok(seal::customer_seal(row, &block, env)?)
}

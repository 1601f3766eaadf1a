use std::sync::Arc;

use panvault_card::CustomerDetails;
use panvault_model::{CustomerId, OrganisationId, Sealed, Tag};
use panvault_store::{Action, Commit, CustomerRow, Expect, Outcome, RowKey};

use crate::customer::{StoredCustomer, email_digest};
use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of};
use crate::permit::{CustomerCreate, Permit};
use crate::seal;
use crate::vault::Vault;

/// A customer ready to be stored: ciphertext and digest only. Or why there is none, for a request that was not answered before.
pub struct PlannedCustomer(Result<Arc<CustomerRow>, VaultError>);

impl Vault {
    /// Plans [`Vault::customer_create`] at once, while the plaintext is at hand.
    pub fn customer_plan(
        &self,
        permit: &Permit<CustomerCreate>,
        organisation: OrganisationId,
        details: CustomerDetails,
    ) -> PlannedCustomer {
        let env = self.env(permit.snapshot(), permit.now());
        PlannedCustomer(customer_create_plan(permit, organisation, details, &env).map(Arc::new))
    }

    /// Stores a customer. [`VaultError::NotFound`] when the caller does not see the organisation; [`VaultError::Disabled`]. A request that
    /// was answered before is answered the same again, whatever is so now, with the details that the customer has by then.
    pub async fn customer_create(
        &self,
        permit: &Permit<CustomerCreate>,
        planned: PlannedCustomer,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<StoredCustomer>, VaultError> {
        let now = permit.now();
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, now).await?
        {
            return self.customer_answered(&earlier).await;
        }
        let row = planned.0?;
        let commit = Commit {
            claim: idempotency.map(|claim| claim.claim(self.keys(), now.wall, answer_of(row.as_ref()))),
            expects: vec![Expect::Absent(RowKey::Customer(row.id))],
            effects: vec![Arc::clone(&row).into()],
            audit: permit.asked().note(now.wall, Action::CustomerCreate, row.organisation, row.id.0),
        };
        self.in_time(now)?;
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(Done::new(StoredCustomer::of(row))),
            Outcome::Claimed(earlier) => {
                let claim = idempotency.ok_or(VaultError::Contended)?;
                self.customer_answered(&*self.idempotency_claimed(&claim, earlier)?).await
            }
            // An id is made for one customer; that another has it is chance of one in a great many.
            Outcome::Unmet(_) => Err(VaultError::Contended),
        }
    }
}

/// Makes the digest, seals. The plaintext ends here.
fn customer_create_plan(
    permit: &Permit<CustomerCreate>,
    organisation: OrganisationId,
    details: CustomerDetails,
    env: &Env<'_>,
) -> Result<CustomerRow, VaultError> {
    let organisation = permit.within_enabled(organisation, Named::Field("organisation"))?;
    let (email, email_key) = email_digest(&details, organisation, env)?;
    let block = details.pack();
    drop(details);
    let now = env.now.wall;
    let row = CustomerRow {
        id: CustomerId::make(now, env.make_id_bytes()?),
        organisation,
        version: 1,
        email,
        email_key,
        created_at: now,
        updated_at: now,
        sealed_version: 1,
        sealed_at: now,
        cards: Vec::new(),
        sealed: Sealed::from_bytes([]),
        tag: Tag::NONE,
    };
    Ok(seal::customer_seal(row, &block, env)?)
}

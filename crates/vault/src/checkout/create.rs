use std::sync::Arc;

use panvault_model::{CheckoutId, Tag};
use panvault_store::{AccountRow, Action, CheckoutRow, Commit, Expect, Outcome, RowKey};

use crate::checkout::{CheckoutView, NewCheckout, return_url};
use crate::error::{Faults, Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of, answer_read};
use crate::limits::{CHECKOUT_KEPT_SECONDS, CHECKOUT_SECONDS_MAX, CHECKOUT_SECONDS_MIN, TEXT_BYTES_MAX};
use crate::permit::{CheckoutCreate, Permit};
use crate::seal;
use crate::text::text_fits;
use crate::vault::{Mode, Vault};

impl Vault {
    /// Makes a checkout. The caller must see the account, and the customer if one is named, which must be of the account's organisation, or of one
    /// above or below it. A request that was answered before is answered the same again.
    pub async fn checkout_create(
        &self,
        permit: &Permit<CheckoutCreate>,
        new: NewCheckout,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<CheckoutView>, VaultError> {
        let now = permit.now();
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, now).await?
        {
            return Ok(Done::replayed(self.checkout_again(answer_read(&earlier)?).await?));
        }
        let row = Arc::new(self.checkout_plan(permit, new).await?);
        let commit = Commit {
            claim: idempotency.map(|claim| claim.claim(self.keys(), now.wall, answer_of(row.as_ref()))),
            expects: vec![Expect::Absent(RowKey::Checkout(row.id))],
            effects: vec![Arc::clone(&row).into()],
            audit: permit.asked().note(now.wall, Action::CheckoutCreate, row.organisation, row.id.0),
        };
        self.in_time(now)?;
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(Done::new(self.checkout_judged(row).await?)),
            Outcome::Claimed(earlier) => {
                let claim = idempotency.ok_or(VaultError::Contended)?;
                let row = answer_read(&*self.idempotency_claimed(&claim, earlier)?)?;
                Ok(Done::replayed(self.checkout_again(row).await?))
            }
            // An id is made for one checkout; that another has it is chance of one in a great many.
            Outcome::Unmet(_) => Err(VaultError::Contended),
        }
    }

    /// The checkout of an earlier answer as it stands now: one that was paid meanwhile and was told as open would be made, and paid, once more.
    async fn checkout_again(&self, answered: CheckoutRow) -> Result<CheckoutView, VaultError> {
        match self.checkout_there(answered.id).await {
            Ok(row) => self.checkout_judged(row).await,
            Err(VaultError::NotFound(_)) => {
                let now = self.shared_time().await?;
                Ok(CheckoutView::new(Arc::new(answered), None, now, false))
            }
            Err(error) => Err(error),
        }
    }

    async fn checkout_plan(
        &self,
        permit: &Permit<CheckoutCreate>,
        new: NewCheckout,
    ) -> Result<CheckoutRow, VaultError> {
        let mut faults = Faults::default();
        let account = faults.note(account_seen(permit, &new))?;
        let customer = faults.note(self.customer_of(permit, new.customer).await)?.flatten();
        faults.note(text_fits("merchant_reference", &new.merchant_reference, TEXT_BYTES_MAX))?;
        faults.note(text_fits("dynamic_descriptor", &new.dynamic_descriptor, TEXT_BYTES_MAX))?;
        if !(CHECKOUT_SECONDS_MIN..=CHECKOUT_SECONDS_MAX).contains(&new.expires_in_seconds) {
            let what = format_args!("must be {CHECKOUT_SECONDS_MIN} to {CHECKOUT_SECONDS_MAX} seconds");
            faults.field("expires_in", what);
        }
        match return_url::parse(&new.return_url, self.mode() == Mode::Live) {
            Ok(origin) => {
                let documents = &permit.snapshot().documents;
                let origins =
                    account.map_or(&[][..], |account| documents.return_origins(account.organisation));
                if !origins.is_empty() && !origins.contains(&origin) {
                    let what = "is of none of the organisation's return_origins, nor, where it has none, of those above it";
                    faults.field("return_url", what);
                }
            }
            Err(fault) => faults.field("return_url", fault),
        }
        if let Some(fault) =
            new.webhook_transaction_update.as_deref().and_then(|url| self.deliveries().refuses(url))
        {
            faults.field("webhook_transaction_update", fault);
        }
        if let (Some(account), Some(customer)) = (account, &customer) {
            let documents = &permit.snapshot().documents;
            let (one, other) = (account.organisation, customer.organisation);
            if !documents.is_below(one, other) && !documents.is_below(other, one) {
                faults
                    .field("customer", "is of an organisation that is neither above nor below the account's");
            }
        }
        faults.end()?;
        let account = account.ok_or_else(|| VaultError::not_found(Named::Field("account")))?;
        if account.disabled {
            return Err(VaultError::WrongState { reason: "the account is disabled" });
        }
        let now = permit.now().wall;
        // Nodes differ by seconds, and each judges it by the clock of the store.
        let expires_at = self.shared_time().await?.plus_seconds(new.expires_in_seconds);
        let mut row = CheckoutRow {
            id: CheckoutId::make(now, self.make_id_bytes()?),
            organisation: account.organisation,
            version: 1,
            account: account.id,
            amount: new.amount,
            process_transaction: new.process_transaction,
            capture_now: new.capture_now,
            customer: new.customer,
            merchant_reference: new.merchant_reference,
            dynamic_descriptor: new.dynamic_descriptor,
            return_url: new.return_url,
            webhook_transaction_update: new.webhook_transaction_update,
            locale: new.locale,
            expires_at,
            remove_at: expires_at.plus_seconds(CHECKOUT_KEPT_SECONDS),
            card: None,
            cards: 0,
            attempts: 0,
            unreached: 0,
            transaction: None,
            end: None,
            created_at: now,
            updated_at: now,
            tag: Tag::NONE,
        };
        row.tag = seal::checkout_tag(self.keys(), &row);
        Ok(row)
    }
}

/// The account, if the caller sees it and it takes changes.
fn account_seen<'p>(
    permit: &'p Permit<CheckoutCreate>,
    new: &NewCheckout,
) -> Result<&'p Arc<AccountRow>, VaultError> {
    let named = Named::Field("account");
    let found = permit.snapshot().documents.account(new.account);
    let account = found.ok_or_else(|| VaultError::not_found(named))?;
    permit.within_enabled(account.organisation, named)?;
    Ok(account)
}

use std::sync::Arc;

use panvault_model::{CardId, CheckoutStatus, CustomerId, Now};
use panvault_store::{Action, CheckoutEnd, CheckoutRow, Commit, Expect, Outcome, RowKey};

use crate::audit::Requester;
use crate::checkout::{CheckoutSession, CheckoutView};
use crate::error::{CheckoutRefusal, VaultError};
use crate::idempotency::Idempotency;
use crate::limits::CHECKOUT_TRIES_MAX;
use crate::permit::TransactionCreate;
use crate::seal;
use crate::transaction::NewTransaction;
use crate::vault::Vault;

impl Vault {
    /// Pays at a checkout with the card that is bound to it, or says that this was all that was asked for. `attempt` is the number of attempts that the page
    /// knew of: of any number of requests with one number, one makes a transaction, and the others are told where that stands.
    ///
    /// A decline is an answer like any other: see the transaction's state. The future must be run to its end.
    pub async fn checkout_pay(
        &self,
        session: &CheckoutSession,
        attempt: u8,
        customer_ip: String,
        user_agent: String,
    ) -> Result<CheckoutView, VaultError> {
        let mut row = Arc::clone(&session.row);
        for _ in 0..CHECKOUT_TRIES_MAX {
            let view = self.checkout_judged(Arc::clone(&row)).await?;
            if attempt.checked_add(1) == Some(row.attempts) {
                return Ok(view);
            }
            let is_stored = row.end == Some(CheckoutEnd::Tokenised) && attempt == 0;
            if view.status == CheckoutStatus::Processing || is_stored {
                return Ok(view);
            }
            view.open()?;
            if attempt != row.attempts {
                return Err(VaultError::field("attempt", "is not the number of attempts so far"));
            }
            let Some(card) = row.card else {
                return Err(VaultError::Checkout(CheckoutRefusal::NoCard));
            };
            let done = if row.process_transaction {
                let made = (customer_ip.clone(), user_agent.clone());
                self.checkout_transaction(session, &view.before_next(), card, made).await
            } else {
                self.checkout_end(&session.caller.asked, session.caller.now(), &row, CheckoutEnd::Tokenised)
                    .await
            };
            match done {
                Ok(()) | Err(VaultError::Contended | VaultError::IdempotencyInUse) => {}
                Err(error) => return Err(error),
            }
            row = self.checkout_there(row.id).await?;
        }
        // A twin of this request has it in hand, and has not written it down yet.
        let view = self.checkout_judged(row).await?;
        Ok(CheckoutView { status: CheckoutStatus::Processing, ..view })
    }

    /// Ends a checkout that the shopper gives up. One that has ended, or at which a payment is under way, stays as it is.
    pub async fn checkout_cancel(&self, session: &CheckoutSession) -> Result<CheckoutView, VaultError> {
        let caller = &session.caller;
        self.checkout_cancelled(&caller.asked, caller.now(), Arc::clone(&session.row)).await
    }

    /// Ends a checkout that is open, and removes the card that nobody paid with; gives it as it then stands.
    pub(super) async fn checkout_cancelled(
        &self,
        asked: &Requester,
        now: Now,
        mut row: Arc<CheckoutRow>,
    ) -> Result<CheckoutView, VaultError> {
        for _ in 0..CHECKOUT_TRIES_MAX {
            let view = self.checkout_judged(Arc::clone(&row)).await?;
            match view.status {
                CheckoutStatus::Open => {}
                CheckoutStatus::Processing
                | CheckoutStatus::Completed
                | CheckoutStatus::Failed
                | CheckoutStatus::Expired
                | CheckoutStatus::Cancelled => return Ok(view),
            }
            match self.checkout_end(asked, now, &row, CheckoutEnd::Cancelled).await {
                Ok(()) => {
                    if let Some(card) = row.card {
                        self.checkout_card_remove(asked, now, card, row.organisation).await?;
                    }
                }
                Err(VaultError::Contended) => {}
                Err(error) => return Err(error),
            }
            row = self.checkout_there(row.id).await?;
        }
        Err(VaultError::Contended)
    }

    async fn checkout_transaction(
        &self,
        session: &CheckoutSession,
        row: &Arc<CheckoutRow>,
        card: CardId,
        (customer_ip, user_agent): (String, String),
    ) -> Result<(), VaultError> {
        let permit = session.caller.permit::<TransactionCreate>()?;
        let new = NewTransaction {
            account: row.account,
            amount: row.amount,
            card,
            capture_now: row.capture_now,
            customer_ip,
            dynamic_descriptor: row.dynamic_descriptor.clone(),
            merchant_reference: row.merchant_reference.clone(),
            user_agent,
            customer: self.checkout_customer(row).await?,
            webhook_transaction_update: row.webhook_transaction_update.clone(),
            recurring_type: None,
            installments: 0,
            shopper_interaction: None,
            cryptogram: None,
            extras: Vec::new(),
        };
        // Of twins one has the CVV: none goes without it because another has claimed it.
        let (path, key) = (format!("/v1/checkout/{}/pay", row.id), row.attempts.to_string());
        let idempotency = Idempotency::new(self.keys(), &permit, &path, &key, &[]);
        self.transaction_create_at(&permit, new, Some(idempotency), Some(Arc::clone(row))).await.map(drop)
    }

    /// The customer, if it is still there: one that was erased meanwhile keeps nobody from paying.
    async fn checkout_customer(&self, row: &CheckoutRow) -> Result<Option<panvault_model::Id>, VaultError> {
        let Some(id) = row.customer else { return Ok(None) };
        Ok(self.store().customer_read(CustomerId(id)).await?.map(|_| id))
    }

    /// Ends a checkout without a transaction.
    async fn checkout_end(
        &self,
        asked: &Requester,
        now: Now,
        row: &CheckoutRow,
        end: CheckoutEnd,
    ) -> Result<(), VaultError> {
        let ended = self.checkout_next(row, now.wall, |row| {
            row.end = Some(end);
            // What was not paid with is not kept.
            row.card = row.card.filter(|_| end == CheckoutEnd::Tokenised);
        })?;
        let mut commit = Commit {
            claim: None,
            expects: vec![Expect::Version(RowKey::Checkout(row.id), row.version)],
            effects: vec![ended.into()],
            audit: asked.note(now.wall, Action::CheckoutEnd, row.organisation, row.id.0),
        };
        // The customer shows the cards that it was used with.
        if let (CheckoutEnd::Tokenised, Some(card), Some(id)) = (end, row.card, row.customer)
            && let Some(customer) = self.store().customer_read(CustomerId(id)).await?
        {
            seal::customer_verify(&customer, customer.organisation, self.keys())?;
            let key = RowKey::Customer(customer.id);
            commit.expects.push(Expect::Version(key, customer.version));
            commit.effects.push(self.customer_with_card(&customer, card, now.wall)?.into());
        }
        self.in_time(now)?;
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(()),
            Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }
}

//! A checkout: what a shopper is asked to pay on a page of the vault.
//!
//! Whoever knows the id of a checkout may do with it what its page does, until it ends: see what is asked for, bring a card, and pay with that card. The
//! row says how far it has come, and nothing else does: an attempt is counted in the very commit that writes its transaction down, and what became of it is
//! read from the transaction. So a page that is loaded again, a second tab or a second click find the attempt that is there, and a crash leaves nothing
//! to be set right.

mod brands;
mod card;
mod create;
mod delete;
mod pay;
mod read;
mod return_url;
mod session;
mod sweep;
mod theme;

use std::sync::Arc;

use panvault_model::{
    AccountId, ActionState, Amount, CardId, CheckoutFailure, CheckoutPurpose, CheckoutStatus, Id, Timestamp,
    TransactionAction, TransactionId,
};
use panvault_store::{CheckoutEnd, CheckoutRow, RowKey, TransactionRow};

use crate::error::{CheckoutRefusal, VaultError};
use crate::limits::CHECKOUT_ATTEMPTS_MAX;
use crate::seal;
use crate::vault::{Mode, Vault};

pub use return_url::return_url_fits;
pub use session::CheckoutSession;
pub(crate) use theme::theme_fits;
pub use theme::theme_radius;

/// The parameter `error` of a payment of which nobody knows what became.
const UNKNOWN: &str = "unknown";

/// A checkout to be made. Texts are echoed as they are.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct NewCheckout {
    pub account: AccountId,
    pub amount: Amount,
    pub customer: Option<Id>,
    pub merchant_reference: String,
    pub dynamic_descriptor: String,
    pub return_url: String,
    pub webhook_transaction_update: Option<String>,
    pub process_transaction: bool,
    pub capture_now: bool,
    pub locale: Option<String>,
    /// For so long it may be paid.
    pub expires_in_seconds: u64,
}

/// A checkout as it may be shown.
#[derive(Clone, Debug)]
pub struct CheckoutView {
    /// The row.
    pub row: Arc<CheckoutRow>,
    /// The transaction of the last attempt.
    pub transaction: Option<Arc<TransactionRow>>,
    /// Where it stands.
    pub status: CheckoutStatus,
    /// When: nodes that share a store go by its clock.
    pub at: Timestamp,
    /// Whether its organisation lets shoppers be sent back there, as of now: one that is open for weeks outlives the list that it was made under.
    may_return: bool,
}

impl CheckoutView {
    fn new(
        row: Arc<CheckoutRow>,
        transaction: Option<Arc<TransactionRow>>,
        now: Timestamp,
        may_return: bool,
    ) -> Self {
        let status = judged(&row, transaction.as_deref(), now);
        Self { row, transaction, status, at: now, may_return }
    }

    /// That it takes a card and a payment.
    fn open(&self) -> Result<(), VaultError> {
        Err(match self.status {
            CheckoutStatus::Open => return Ok(()),
            CheckoutStatus::Processing => VaultError::WrongState { reason: "a payment is under way" },
            CheckoutStatus::Completed => VaultError::Checkout(CheckoutRefusal::Completed),
            CheckoutStatus::Expired => VaultError::Checkout(CheckoutRefusal::Expired),
            CheckoutStatus::Cancelled => VaultError::WrongState { reason: "the checkout is cancelled" },
            CheckoutStatus::Failed => VaultError::Checkout(CheckoutRefusal::Failed),
        })
    }

    /// What it does with a card.
    pub fn purpose(&self) -> CheckoutPurpose {
        if !self.row.process_transaction {
            CheckoutPurpose::Tokenise
        } else if self.row.amount.is_zero() {
            CheckoutPurpose::Verify
        } else {
            CheckoutPurpose::Pay
        }
    }

    /// How often it may still be tried.
    pub fn attempts_left(&self) -> u8 {
        match self.status {
            CheckoutStatus::Open | CheckoutStatus::Processing => {
                CHECKOUT_ATTEMPTS_MAX.saturating_sub(refused(&self.row, self.transaction.as_deref()))
            }
            CheckoutStatus::Completed
            | CheckoutStatus::Failed
            | CheckoutStatus::Expired
            | CheckoutStatus::Cancelled => 0,
        }
    }

    /// The transaction that completed it, or was tried last.
    pub fn transaction(&self) -> Option<TransactionId> {
        self.row.transaction
    }

    /// The card that was tried last, or waits to be.
    pub fn card(&self) -> Option<CardId> {
        self.row.card.or_else(|| self.transaction.as_ref().map(|row| row.card))
    }

    /// Why nothing came of it; `None` of one that is open or completed.
    pub fn failure(&self) -> Option<CheckoutFailure> {
        match self.status {
            CheckoutStatus::Open | CheckoutStatus::Processing | CheckoutStatus::Completed => None,
            CheckoutStatus::Expired => Some(CheckoutFailure::Expired),
            CheckoutStatus::Cancelled => Some(CheckoutFailure::Cancelled),
            CheckoutStatus::Failed => Some(CheckoutFailure::Declined),
        }
    }

    /// The row as the next attempt finds it: the last one is counted among those that reached no processor, if it was one.
    fn before_next(&self) -> Arc<CheckoutRow> {
        if !is_unreached(self.transaction.as_deref()) {
            return Arc::clone(&self.row);
        }
        Arc::new(CheckoutRow {
            unreached: self.row.unreached.saturating_add(1),
            ..CheckoutRow::clone(&self.row)
        })
    }

    /// Where the shopper's browser goes, once it has ended; or where it may go while nobody knows what became of the payment, which can take days. Nowhere
    /// if that is none of the organisation's `return_origins` any more.
    pub fn return_url(&self) -> Option<String> {
        if !self.may_return {
            return None;
        }
        let url = &self.row.return_url;
        if self.status == CheckoutStatus::Processing {
            let transaction = self.transaction.as_ref()?;
            let is_long = transaction.state == ActionState::Unknown || self.at >= self.row.expires_at;
            return is_long.then(|| {
                let unknown = return_url::with_parameter(url, "error", UNKNOWN);
                return_url::with_parameter(&unknown, "transaction_id", &transaction.id.to_string())
            });
        }
        if let Some(failure) = self.failure() {
            return Some(return_url::with_parameter(url, "error", failure.as_str()));
        }
        match (self.status, self.row.transaction, self.row.card) {
            (CheckoutStatus::Completed, Some(transaction), _) => {
                Some(return_url::with_parameter(url, "transaction_id", &transaction.to_string()))
            }
            (CheckoutStatus::Completed, None, Some(card)) => {
                Some(return_url::with_parameter(url, "card", &card.to_string()))
            }
            _ => None,
        }
    }
}

/// Where a checkout stands by its row and the transaction of its last attempt.
fn judged(row: &CheckoutRow, transaction: Option<&TransactionRow>, now: Timestamp) -> CheckoutStatus {
    match row.end {
        Some(CheckoutEnd::Tokenised) => return CheckoutStatus::Completed,
        Some(CheckoutEnd::Cancelled) => return CheckoutStatus::Cancelled,
        None => {}
    }
    let is_over = now >= row.expires_at;
    let attempt = match transaction {
        Some(transaction) => Attempt::of(transaction),
        None if row.transaction.is_some() => Attempt::UnderWay,
        None => Attempt::Failed,
    };
    match attempt {
        Attempt::Done => CheckoutStatus::Completed,
        Attempt::UnderWay => CheckoutStatus::Processing,
        Attempt::Failed if refused(row, transaction) >= CHECKOUT_ATTEMPTS_MAX => CheckoutStatus::Failed,
        Attempt::Failed if is_over => CheckoutStatus::Expired,
        Attempt::Failed => CheckoutStatus::Open,
    }
}

/// How many attempts were refused. One whose processor was out of reach says nothing of the card, and is not the shopper's fault.
fn refused(row: &CheckoutRow, last: Option<&TransactionRow>) -> u8 {
    row.attempts.saturating_sub(row.unreached).saturating_sub(u8::from(is_unreached(last)))
}

fn is_unreached(last: Option<&TransactionRow>) -> bool {
    last.is_some_and(|row| {
        row.action == TransactionAction::Authorise && row.state == ActionState::Unavailable
    })
}

/// What became of an attempt.
enum Attempt {
    /// The issuer has agreed. What was done with the transaction since is the merchant's.
    Done,
    /// It may have agreed, or may yet.
    UnderWay,
    /// It has not, and will not.
    Failed,
}

impl Attempt {
    fn of(transaction: &TransactionRow) -> Self {
        if transaction.action != TransactionAction::Authorise {
            return Self::Done;
        }
        match transaction.state {
            ActionState::Approved => Self::Done,
            ActionState::InHand | ActionState::ToAsk | ActionState::Unknown | ActionState::Awaited => {
                Self::UnderWay
            }
            ActionState::Declined
            | ActionState::Failed
            | ActionState::Unavailable
            | ActionState::NotSupported => Self::Failed,
        }
    }
}

impl Vault {
    /// The next version of a checkout.
    fn checkout_next(
        &self,
        before: &CheckoutRow,
        at: Timestamp,
        change: impl FnOnce(&mut CheckoutRow),
    ) -> Result<CheckoutRow, VaultError> {
        let version = before.version.checked_add(1).ok_or(VaultError::Contended)?;
        let mut row = CheckoutRow { version, updated_at: at.max(before.updated_at), ..before.clone() };
        change(&mut row);
        row.tag = seal::checkout_tag(self.keys(), &row);
        Ok(row)
    }

    /// The checkout once an attempt has begun with this transaction. Its card was for this attempt: the next one brings its own.
    pub(crate) fn checkout_begun(
        &self,
        before: &CheckoutRow,
        transaction: TransactionId,
        at: Timestamp,
    ) -> Result<CheckoutRow, VaultError> {
        let attempts = before.attempts.checked_add(1).ok_or(VaultError::Contended)?;
        self.checkout_next(before, at, |row| {
            row.attempts = attempts;
            row.transaction = Some(transaction);
            row.card = None;
        })
    }

    /// The checkout once a card was made at it.
    pub(crate) fn checkout_bound(
        &self,
        before: &CheckoutRow,
        card: CardId,
        at: Timestamp,
    ) -> Result<CheckoutRow, VaultError> {
        let cards = before.cards.checked_add(1).ok_or(VaultError::Contended)?;
        self.checkout_next(before, at, |row| {
            row.cards = cards;
            row.card = Some(card);
        })
    }

    /// A row as it was read, with where it stands.
    async fn checkout_judged(&self, row: Arc<CheckoutRow>) -> Result<CheckoutView, VaultError> {
        let now = self.shared_time().await?;
        self.checkout_judged_at(row, now).await
    }

    /// The same, at this time of the clock that all nodes go by.
    async fn checkout_judged_at(
        &self,
        row: Arc<CheckoutRow>,
        now: Timestamp,
    ) -> Result<CheckoutView, VaultError> {
        let transaction = match row.transaction {
            Some(id) => {
                let read = self.store().transaction_read(id).await?;
                if let Some(read) = &read {
                    seal::transaction_verify(self.keys(), read)?;
                    if read.id != id || read.account != row.account {
                        return Err(VaultError::Tampered(RowKey::Transaction(id)));
                    }
                }
                read
            }
            None => None,
        };
        let snapshot = self.snapshot();
        let origins = snapshot.documents.return_origins(row.organisation);
        let may_return = return_url::may_lead(&row.return_url, self.mode() == Mode::Live, origins);
        Ok(CheckoutView::new(row, transaction, now, may_return))
    }
}

use std::collections::VecDeque;
use std::sync::Arc;

use panvault_model::{ActionState, Amount, Now, TransactionAction, TransactionId, TransactionStatus};
use panvault_processor::{Act, Clearance, Sent};
use panvault_store::{Action, Commit, Expect, IdempotencyAnswer, Outcome, RowKey, TransactionRow};

use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::ACTION_TRIES_MAX;
use crate::permit::{Permit, TransactionCapture, TransactionVoid};
use crate::seal;
use crate::transaction::ask::follow_up;
use crate::transaction::create::{Prepared, sent_in_time};
use crate::vault::Vault;

/// What is done with a transaction as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Capture,
    VoidCapture,
    Void,
}

impl Change {
    const fn action(self) -> TransactionAction {
        match self {
            Self::Capture => TransactionAction::Capture,
            Self::VoidCapture => TransactionAction::VoidCapture,
            Self::Void => TransactionAction::Void,
        }
    }

    /// As what the audit trail has it.
    const fn noted(self) -> Action {
        match self {
            Self::Capture => Action::TransactionCapture,
            Self::VoidCapture => Action::TransactionVoidCapture,
            Self::Void => Action::TransactionVoid,
        }
    }

    /// What the processor is asked to do.
    fn act(self, row: &TransactionRow) -> Act {
        match self {
            Self::Capture => Act::Capture(follow_up(row)),
            Self::VoidCapture | Self::Void => Act::Void(follow_up(row)),
        }
    }

    /// What is captured when it is done of a transaction, and by it. Nothing but a capture has a part.
    fn captured(self, before: &TransactionRow, amount: Option<Amount>) -> Result<Amount, VaultError> {
        let whole = "must be the whole amount, or left out";
        match self {
            // A verification has nothing to capture.
            Self::Capture if before.amount.is_zero() => {
                Err(VaultError::WrongMove { status: before.status, action: self.action() })
            }
            Self::Capture if amount.is_some_and(|amount| amount > before.amount) => {
                Err(VaultError::field("amount", "must be at most what was authorised"))
            }
            Self::Capture => Ok(amount.unwrap_or(before.amount)),
            Self::VoidCapture if amount.is_some_and(|amount| amount != before.captured) => {
                Err(VaultError::field("amount", whole))
            }
            Self::Void if amount.is_some_and(|amount| amount != before.amount) => {
                Err(VaultError::field("amount", whole))
            }
            Self::VoidCapture | Self::Void => Ok(before.captured),
        }
    }
}

/// What is to be done with which transaction.
struct Wanted {
    id: TransactionId,
    change: Change,
    amount: Option<Amount>,
    idempotency: Option<Idempotency>,
}

impl Vault {
    /// Takes what was reserved, or a part of it; the rest is released, and there is no second capture.
    ///
    /// What becomes of it is in the row, as with [`Vault::transaction_create`]: when the processor says no, the transaction stands where it
    /// stood. [`VaultError::WrongMove`] where a transaction cannot be captured.
    pub async fn transaction_capture(
        &self,
        permit: &Permit<TransactionCapture>,
        id: TransactionId,
        amount: Option<Amount>,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        let change = Change::Capture;
        self.transaction_act(permit, Wanted { id, change, amount, idempotency }).await
    }

    /// Takes a capture back before it is settled, all of it.
    pub async fn transaction_void_capture(
        &self,
        permit: &Permit<TransactionVoid>,
        id: TransactionId,
        amount: Option<Amount>,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        let change = Change::VoidCapture;
        self.transaction_act(permit, Wanted { id, change, amount, idempotency }).await
    }

    /// Releases what was reserved, all of it.
    pub async fn transaction_void(
        &self,
        permit: &Permit<TransactionVoid>,
        id: TransactionId,
        amount: Option<Amount>,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        let change = Change::Void;
        self.transaction_act(permit, Wanted { id, change, amount, idempotency }).await
    }

    /// Two durable steps around one send: `PENDING` onto the version that was read, so that of actions that race one is done, and then
    /// the outcome onto that.
    async fn transaction_act<O>(
        &self,
        permit: &Permit<O>,
        wanted: Wanted,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        if let Some(claim) = &wanted.idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, permit.now()).await?
        {
            return self.transaction_replayed(&earlier);
        }
        let in_hand = self.node().take(wanted.id.0)?;
        for _ in 0..ACTION_TRIES_MAX {
            let before = self.transaction_acted_on(permit, wanted.id).await?;
            let prepared = match self.transaction_act_plan(permit, &before, &wanted) {
                Ok(prepared) => prepared,
                Err(error) => {
                    // What stands in the way may be what a twin of this request has begun since it was looked for.
                    let Some(claim) = &wanted.idempotency else { return Err(error) };
                    let earlier = self.idempotency_earlier(claim, permit.now()).await?;
                    return earlier.map_or(Err(error), |earlier| self.transaction_replayed(&earlier));
                }
            };
            match self.transaction_act_begin(&prepared, &before, wanted.change, permit.now()).await? {
                Outcome::Done { .. } => {
                    let sent = if in_hand.is_given() {
                        let act = wanted.change.act(&prepared.row);
                        sent_in_time(&*prepared.connection, act, &in_hand).await
                    } else {
                        Sent::NOT_CLEARED
                    };
                    let row = Arc::clone(&prepared.row);
                    let settled = self.transaction_settle(&prepared, &row, sent, None, in_hand).await;
                    return Ok(Done::new(settled));
                }
                Outcome::Claimed(earlier) => {
                    let claim = wanted.idempotency.ok_or(VaultError::Contended)?;
                    return self.transaction_replayed(&*self.idempotency_claimed(&claim, earlier)?);
                }
                // Somebody else has done something with it since it was read.
                Outcome::Unmet(_) => {}
            }
        }
        Err(VaultError::Contended)
    }

    /// A transaction with which something is to be done, held against its tag.
    pub(crate) async fn transaction_acted_on<O>(
        &self,
        permit: &Permit<O>,
        id: TransactionId,
    ) -> Result<Arc<TransactionRow>, VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.store().transaction_read(id).await?.ok_or_else(missing)?;
        seal::transaction_verify(self.keys(), &row)?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Transaction(id)));
        }
        permit.within_enabled(row.organisation, Named::Subject)?;
        Ok(row)
    }

    /// The row that says what is being done, and who does it.
    fn transaction_act_plan<O>(
        &self,
        permit: &Permit<O>,
        before: &TransactionRow,
        wanted: &Wanted,
    ) -> Result<Prepared, VaultError> {
        let Wanted { change, amount, idempotency, .. } = *wanted;
        let action = change.action();
        before.status.after(action).ok_or(VaultError::WrongMove { status: before.status, action })?;
        let captured = change.captured(before, amount)?;
        let snapshot = Arc::clone(permit.snapshot());
        let gone = VaultError::WrongState { reason: "its processor is no longer there" };
        let (_, connection) = self.processor(&snapshot, before.processor).ok_or(gone)?;
        if !connection.can_do(action, before.amount) {
            return Err(VaultError::NotSupported);
        }
        let connection = Arc::clone(connection);
        let mut row = TransactionRow {
            version: before.version.checked_add(1).ok_or(VaultError::Contended)?,
            node: self.node().id(),
            captured,
            action,
            state: ActionState::InHand,
            asks: 0,
            ask_at: None,
            act_reference: None,
            status: TransactionStatus::Pending,
            status_reason: None,
            reason_code: None,
            idempotency: idempotency.map(|claim| claim.key),
            updated_at: permit.now().wall,
            ..before.clone()
        };
        row.tag = seal::transaction_tag(self.keys(), &row);
        Ok(Prepared {
            row: Arc::new(row),
            connection,
            again_after: Vec::new(),
            further: VecDeque::new(),
            asked: *permit.asked(),
            snapshot,
            idempotency,
            threed: None,
            token: None,
            first_of_series: None,
        })
    }

    async fn transaction_act_begin(
        &self,
        prepared: &Prepared,
        before: &TransactionRow,
        change: Change,
        began: Now,
    ) -> Result<Outcome, VaultError> {
        let row = &prepared.row;
        let history = self.history(row, row.updated_at)?;
        let claim = prepared.idempotency;
        let commit = Commit {
            claim: claim.map(|claim| claim.claim(self.keys(), row.updated_at, IdempotencyAnswer::RUNNING)),
            expects: vec![Expect::Version(RowKey::Transaction(row.id), before.version)],
            effects: vec![Arc::clone(row).into(), history.into()],
            audit: prepared.asked.note(row.updated_at, change.noted(), row.organisation, row.id.0),
        };
        self.in_time(began)?;
        Ok(self.store().commit(commit).await?)
    }
}

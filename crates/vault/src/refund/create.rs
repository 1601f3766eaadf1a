use std::sync::Arc;

use panvault_model::{ActionState, Amount, RefundId, RefundStatus, Tag, TransactionAction, TransactionId};
use panvault_processor::{Act, Clearance, FollowUp, Sent};
use panvault_store::{
    Action, Commit, Expect, IdempotencyAnswer, IdempotencyRow, Outcome, RefundRow, RowKey, TransactionRow,
};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::idempotency::{Done, Idempotency, answer_read};
use crate::limits::REFUND_TRIES_MAX;
use crate::node::InHand;
use crate::permit::{Permit, RefundCreate};
use crate::refund::outcome::RefundTold;
use crate::seal;
use crate::text::texts_storable;
use crate::transaction::{Patience, may_pass, sent_in_time};
use crate::vault::Vault;

/// Money to be given back. Texts are echoed as they are.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// All that is left to refund, when it is not said.
    pub amount: Option<Amount>,
    /// Why.
    pub reason: Option<String>,
    /// The merchant's name for it.
    pub merchant_reference: Option<String>,
}

impl Vault {
    /// Gives back what was captured and settled, or a part of it, as often as something is left. What is on its way, or of unknown outcome,
    /// counts: the sum is in the transaction's row, which each refund changes with its own, so that of those that race as many are
    /// done as fit.
    ///
    /// A refund that failed is an answer like any other: see the row's state. An error means that nothing was sent.
    pub async fn refund_create(
        &self,
        permit: &Permit<RefundCreate>,
        transaction: TransactionId,
        new: NewRefund,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<RefundRow>>, VaultError> {
        texts_storable(
            [&new.reason, &new.merchant_reference].into_iter().filter_map(|text| text.as_deref()),
        )?;
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, permit.now()).await?
        {
            return refund_replayed(&earlier);
        }
        let id = RefundId::make(permit.now().wall, self.make_id_bytes()?);
        let in_hand = self.node().take(id.0)?;
        for _ in 0..REFUND_TRIES_MAX {
            let before = self.transaction_acted_on(permit, transaction).await?;
            let amount = match refundable(&before, new.amount) {
                Ok(amount) => amount,
                Err(error) => {
                    // What is refunded may be what a twin of this request has begun since it was looked for.
                    let Some(claim) = &idempotency else { return Err(error) };
                    let earlier = self.idempotency_earlier(claim, permit.now()).await?;
                    return earlier.map_or(Err(error), |earlier| refund_replayed(&earlier));
                }
            };
            let gone = VaultError::WrongState { reason: "its processor is no longer there" };
            let (_, connection) = self.processor(permit.snapshot(), before.processor).ok_or(gone)?;
            if !connection.can_do(TransactionAction::Refund, amount) {
                return Err(VaultError::NotSupported);
            }
            let row = Arc::new(self.refund_plan(permit, id, &before, amount, &new, idempotency));
            match self.refund_begin(permit, &row, &before, idempotency).await? {
                Outcome::Done { .. } => {
                    let of = follow_up(&row, &before);
                    let sent = if in_hand.is_given() {
                        sent_in_time(&**connection, Act::Refund(of.clone()), &in_hand).await
                    } else {
                        Sent::NOT_CLEARED
                    };
                    return Ok(Done::new(
                        self.refund_sent(permit.asked(), row, sent, of, idempotency, in_hand).await,
                    ));
                }
                Outcome::Claimed(earlier) => {
                    let claim = idempotency.ok_or(VaultError::Contended)?;
                    return refund_replayed(&*self.idempotency_claimed(&claim, earlier)?);
                }
                // Another refund was faster.
                Outcome::Unmet(_) => {}
            }
        }
        Err(VaultError::Contended)
    }

    fn refund_plan(
        &self,
        permit: &Permit<RefundCreate>,
        id: RefundId,
        of: &TransactionRow,
        amount: Amount,
        new: &NewRefund,
        idempotency: Option<Idempotency>,
    ) -> RefundRow {
        let now = permit.now().wall;
        let mut row = RefundRow {
            id,
            organisation: of.organisation,
            version: 1,
            node: self.node().id(),
            transaction: of.id,
            account: of.account,
            processor: of.processor,
            amount,
            currency: of.currency,
            reason: new.reason.clone(),
            merchant_reference: new.merchant_reference.clone(),
            status: RefundStatus::Pending,
            status_reason: None,
            reason_code: None,
            processor_reference: None,
            state: ActionState::InHand,
            asks: 0,
            ask_at: None,
            idempotency: idempotency.map(|claim| claim.key),
            created_at: now,
            updated_at: now,
            tag: Tag::NONE,
        };
        row.tag = seal::refund_tag(self.keys(), &row);
        row
    }

    /// Writes the refund, and that the transaction has it, durably.
    async fn refund_begin(
        &self,
        permit: &Permit<RefundCreate>,
        row: &Arc<RefundRow>,
        before: &TransactionRow,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, VaultError> {
        let refunded = before.refunded.plus(row.amount).ok_or(VaultError::Contended)?;
        let transaction = self.transaction_refunded(before, refunded, row.created_at)?;
        let history = self.history(&transaction, row.created_at)?;
        let running = IdempotencyAnswer::RUNNING;
        let commit = Commit {
            claim: idempotency.map(|claim| claim.claim(self.keys(), row.created_at, running)),
            expects: vec![
                Expect::Version(RowKey::Transaction(before.id), before.version),
                Expect::Absent(RowKey::Refund(row.id)),
            ],
            effects: vec![Arc::clone(row).into(), transaction.into(), history.into()],
            audit: permit.asked().note(row.created_at, Action::RefundCreate, row.organisation, before.id.0),
        };
        self.in_time(permit.now())?;
        Ok(self.store().commit(commit).await?)
    }

    /// Writes the outcome. Money may have moved by now, so that one which cannot be written leaves the refund pending, and is tried on by itself for
    /// as long as nobody else takes the refund over.
    async fn refund_sent(
        &self,
        asked: &Requester,
        row: Arc<RefundRow>,
        sent: Sent,
        of: FollowUp,
        idempotency: Option<Idempotency>,
        in_hand: InHand,
    ) -> Arc<RefundRow> {
        let request = asked.origin.request.map(tracing::field::display);
        let now = self.now();
        let told = RefundTold { sent, of: &of, idempotency, now };
        match self.refund_outcome(asked, &row, told.clone(), Vec::new()).await {
            Ok(Some(settled)) => settled,
            Ok(None) => {
                let advice = "see why this node lost its lease, and ask the processor for the outcome";
                tracing::error!(request.id = request, refund.id = %row.id, advice, "refund.taken_over");
                row
            }
            Err(error) => {
                let advice = "see why the store does not write, and ask the processor for the outcome";
                tracing::error!(request.id = request, refund.id = %row.id, error = %with_causes(&error), advice, "refund.not_settled");
                if may_pass(&error) {
                    let (vault, asked, row, sent) = (self.clone(), *asked, Arc::clone(&row), told.sent);
                    tokio::spawn(async move {
                        let told = RefundTold { sent, of: &of, idempotency, now };
                        vault.refund_settle_later(&asked, &row, told, error).await;
                        drop(in_hand);
                    });
                }
                row
            }
        }
    }

    /// Goes on to write an outcome.
    async fn refund_settle_later(
        &self,
        asked: &Requester,
        row: &RefundRow,
        told: RefundTold<'_>,
        mut error: VaultError,
    ) {
        let request = asked.origin.request.map(tracing::field::display);
        let mut patience = Patience::from(told.now);
        while patience.goes_on_after(&error, self).await {
            match self.refund_outcome(asked, row, told.clone(), Vec::new()).await {
                Ok(Some(_)) => {
                    tracing::info!(request.id = request, refund.id = %row.id, "refund.settled_late");
                    return;
                }
                Ok(None) => return,
                Err(fault) => error = fault,
            }
        }
        let advice = "see why the store does not write, and ask the processor for the outcome";
        tracing::error!(request.id = request, refund.id = %row.id, error = %with_causes(&error), advice, "refund.given_up");
    }
}

/// What became of a refund that was asked for earlier.
fn refund_replayed(earlier: &IdempotencyRow) -> Result<Done<Arc<RefundRow>>, VaultError> {
    Ok(Done::replayed(Arc::new(answer_read(earlier)?)))
}

/// How much is refunded: what was asked for, as far as so much is left, or all that is.
fn refundable(of: &TransactionRow, amount: Option<Amount>) -> Result<Amount, VaultError> {
    let action = TransactionAction::Refund;
    of.status.after(action).ok_or(VaultError::WrongMove { status: of.status, action })?;
    let left = of.captured.minus(of.refunded).unwrap_or(Amount::ZERO);
    match amount {
        Some(amount) if amount > left => {
            Err(VaultError::field("amount", "must be at most what is left to refund"))
        }
        None if left.is_zero() => Err(VaultError::WrongState { reason: "nothing is left to refund" }),
        amount => Ok(amount.unwrap_or(left)),
    }
}

/// What names a refund to the processor of its transaction.
pub(super) fn follow_up(row: &RefundRow, of: &TransactionRow) -> FollowUp {
    FollowUp {
        action: TransactionAction::Refund,
        transaction: of.id,
        try_number: of.try_number,
        refund: Some(row.id.0),
        amount: row.amount,
        currency: row.currency,
        merchant_reference: of.merchant_reference.clone(),
        reason: row.reason.clone(),
        reference: of.processor_reference.clone(),
        act_reference: row.processor_reference.clone(),
        attempt: row.version,
    }
}

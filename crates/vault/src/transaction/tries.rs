//! The tries of a payment: at each of its candidates in turn, until one of them has it.
//!
//! **Each try is written down before it is sent.** The row names its processor and its number, so that of tries that a crash leaves behind the last alone may
//! have been sent without an outcome: each before it had one that was the reason for the next, and both are one step.
//!
//! **The CVV goes along only where nobody has seen it.** After a try that was not reached the claim goes on to the next as it is, and so do the CVV's row and
//! its mark; after a decline it is over, and so it is when its time is.
//!
//! A cryptogram goes the same way, except that a network token is not tried again without one that was seen.
//!
//! What may have been sent and was not answered ends the tries: the money may have moved.

use std::sync::Arc;

use panvault_model::{Now, TransactionStatus};
use panvault_processor::{Clearance, Sent, Verdict};
use panvault_store::{Action, AuditNote, CardRow, Commit, Effect, Expect, Outcome, RowKey, TransactionRow};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::TRIES_MILLIS_MAX;
use crate::node::InHand;
use crate::seal;
use crate::transaction::claim::ClaimedCvv;
use crate::transaction::create::Prepared;
use crate::transaction::route::Candidate;
use crate::transaction::settle::sent_apply;
use crate::vault::Vault;

/// A try, and what became of it.
pub(super) struct Tried {
    /// As it was written before it was sent.
    pub(super) row: Arc<TransactionRow>,
    pub(super) sent: Sent,
    /// The CVV that went along.
    pub(super) cvv: Option<ClaimedCvv>,
}

/// What a card that cannot be opened comes to: it cannot be for the next either.
pub(super) const NOT_OPENED: Sent = Sent::NotReached { reason: "the card could not be opened" };

impl Vault {
    /// Sends a transaction that was written down as its first try, and tries it at the next candidates as long as that is safe; the last try.
    pub(super) async fn transaction_tries(
        &self,
        prepared: &mut Prepared,
        row: Arc<TransactionRow>,
        card: &CardRow,
        mut cvv: Option<ClaimedCvv>,
        in_hand: &InHand,
        began: Now,
    ) -> Tried {
        let mut row = row;
        loop {
            let claim = cvv.as_ref().map(|cvv| &cvv.claim);
            let token = prepared.token.clone();
            let sent = self.transaction_send(prepared, &row, card, claim, token, in_hand).await;
            let now = self.now();
            let is_late = now.monotonic_millis.saturating_sub(began.monotonic_millis) > TRIES_MILLIS_MAX;
            let is_unseen = matches!(sent, Sent::NotReached { .. });
            // A network token is not paid with again without the cryptogram that somebody has seen.
            let is_spent = !is_unseen && prepared.token.is_some();
            let goes_on =
                goes_on(&sent, &prepared.again_after) && !is_spent && in_hand.is_given() && !is_late;
            let Some(next) = prepared.further.pop_front().filter(|_| goes_on) else {
                return Tried { row, sent, cvv };
            };
            // Else it is as it was.
            let is_over = cvv.as_ref().is_some_and(|cvv| now.wall >= cvv.claim.cvv.expires_at);
            if !is_unseen || is_over {
                self.cvv_release(cvv.take().map(|cvv| cvv.claim), false).await;
            }
            match self.transaction_try_next(&prepared.asked, &row, &sent, &next, cvv.is_some(), now).await {
                Ok(Some(tried)) => {
                    let Candidate { connection, again_after, .. } = next;
                    (prepared.connection, prepared.again_after, row) = (connection, again_after, tried);
                }
                // Whoever writes the outcome finds out what stands in the way.
                Ok(None) => return Tried { row, sent, cvv },
                Err(error) => {
                    let advice = "see why the store does not write";
                    tracing::error!(request.id = prepared.asked.origin.request.map(tracing::field::display), transaction.id = %row.id, error = %with_causes(&error), advice, "transaction.not_tried_again");
                    return Tried { row, sent, cvv };
                }
            }
        }
    }

    /// Writes down in one step what became of a try, and the next one; `None` where somebody else has taken the transaction over.
    async fn transaction_try_next(
        &self,
        asked: &Requester,
        row: &TransactionRow,
        sent: &Sent,
        next: &Candidate,
        cvv_present: bool,
        now: Now,
    ) -> Result<Option<Arc<TransactionRow>>, VaultError> {
        let (ended, mut tried) = tries(row, sent, next, cvv_present, now).ok_or(VaultError::Contended)?;
        tried.tag = seal::transaction_tag(self.keys(), &tried);
        let steps = [&ended, &tried].map(|row| self.history(row, now.wall).map(Arc::new));
        let [of_ended, of_tried] = steps;
        let (of_ended, of_tried, tried) = (of_ended?, of_tried?, Arc::new(tried));
        let outcome = ended.status.code();
        let note = asked.note(now.wall, Action::TransactionTry, row.organisation, row.id.0);
        let audit = AuditNote { outcome, ..note };
        let commit = || {
            let expects = vec![Expect::Version(RowKey::Transaction(row.id), row.version)];
            let effects: Vec<Effect> =
                vec![Arc::clone(&tried).into(), Arc::clone(&of_ended).into(), Arc::clone(&of_tried).into()];
            Commit { claim: None, expects, effects, audit }
        };
        match self.settle_at_last(commit).await? {
            Outcome::Done { .. } => Ok(Some(tried)),
            Outcome::Unmet(_) | Outcome::Claimed(_) => {
                Ok(self.transaction_is_written(&tried).await?.then_some(tried))
            }
        }
    }
}

/// Whether the next candidate is tried after this.
fn goes_on(sent: &Sent, again_after: &[String]) -> bool {
    match sent {
        Sent::NotReached { .. } => *sent != NOT_OPENED,
        Sent::Answered(reply) => {
            reply.verdict == Verdict::Declined && again_after.contains(&reply.reason_code)
        }
        Sent::Unknown { .. } => false,
    }
}

/// The row as a try has left it, and as the next one begins; `None` when its versions or numbers are used up.
fn tries(
    row: &TransactionRow,
    sent: &Sent,
    next: &Candidate,
    cvv_present: bool,
    now: Now,
) -> Option<(TransactionRow, TransactionRow)> {
    let mut ended =
        TransactionRow { version: row.version.checked_add(1)?, updated_at: now.wall, ..row.clone() };
    sent_apply(&mut ended, sent.clone(), now.wall, |_| false);
    let tried = TransactionRow {
        version: ended.version.checked_add(1)?,
        processor: next.processor,
        processor_name: next.name.clone(),
        try_number: row.try_number.checked_add(1)?,
        status: TransactionStatus::Initiated,
        cvv_present,
        updated_at: now.wall,
        ..row.clone()
    };
    Some((ended, tried))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use panvault_model::CvvResult;
    use panvault_processor::Reply;

    use super::*;

    fn answered(verdict: Verdict, reason_code: &str) -> Sent {
        Sent::Answered(Reply {
            verdict,
            reason_code: reason_code.to_owned(),
            status_reason: None,
            cvv_result: CvvResult::Unavailable,
            avs_result: 0,
            authorization_code: None,
            reference: None,
            network_transaction_id: None,
        })
    }

    #[test]
    fn the_next_is_tried_only_where_nothing_can_have_been_done() {
        let codes = ["05".to_owned(), "91".to_owned()];
        for (sent, expected) in [
            (Sent::NotReached { reason: "no connection" }, true),
            (NOT_OPENED, false),
            (Sent::Unknown { reason: Cow::Borrowed("no answer") }, false),
            (answered(Verdict::Declined, "05"), true),
            (answered(Verdict::Declined, "91"), true),
            (answered(Verdict::Declined, "51"), false),
            (answered(Verdict::Declined, "5"), false),
            (answered(Verdict::Approved, "05"), false),
            (answered(Verdict::Pending, "05"), false),
            (answered(Verdict::Failed, "05"), false),
            (answered(Verdict::NotSupported, "05"), false),
        ] {
            assert_eq!(goes_on(&sent, &codes), expected, "{sent:?}");
        }
        assert!(!goes_on(&answered(Verdict::Declined, "05"), &[]));
    }
}

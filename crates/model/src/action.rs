//! What is done with a transaction, and where it must stand for that: the one table of it.

use crate::TransactionStatus;
use crate::named::named_enum;

named_enum! {
    /// What is done with a transaction. The first bears a card; the others name what the acquirer knows already.
    pub enum TransactionAction {
        /// Reserves, or sells.
        Authorise = 1 "authorise",
        /// Takes what was reserved, or a part of it.
        Capture = 2 "capture",
        /// Takes a capture back before it is settled.
        VoidCapture = 3 "void_capture",
        /// Releases what was reserved.
        Void = 4 "void",
        /// Gives money back.
        Refund = 5 "refund",
        /// Hands over to the acquirer what was captured, and settles it.
        Settle = 6 "settle",
    }
}

named_enum! {
    /// What became of an action.
    pub enum ActionState {
        /// Written down; the processor has not answered.
        InHand = 1 "in_hand",
        /// Done.
        Approved = 2 "approved",
        /// The processor said no.
        Declined = 3 "declined",
        /// Refused, or an error.
        Failed = 4 "failed",
        /// The processor could not be reached: nothing was done.
        Unavailable = 5 "unavailable",
        /// The processor cannot do this.
        NotSupported = 6 "not_supported",
        /// No usable answer came; the processor is asked what became of it.
        ToAsk = 7 "to_ask",
        /// No usable answer came, and the processor cannot tell.
        Unknown = 8 "unknown",
        /// The processor has taken it, and says later what becomes of it.
        Awaited = 9 "awaited",
    }
}

impl ActionState {
    /// Whether this vault has still to do something so that it is known what became of it. What is awaited comes by itself, or is asked about where
    /// its row says when.
    pub const fn is_open(self) -> bool {
        match self {
            Self::InHand | Self::ToAsk => true,
            Self::Approved
            | Self::Declined
            | Self::Failed
            | Self::Unavailable
            | Self::NotSupported
            | Self::Unknown
            | Self::Awaited => false,
        }
    }

    /// Whether what the processor says later may still move it: nobody who sends it has it in hand, and nothing was said for good.
    pub const fn may_be_told(self) -> bool {
        match self {
            Self::ToAsk | Self::Unknown | Self::Awaited => true,
            Self::InHand
            | Self::Approved
            | Self::Declined
            | Self::Failed
            | Self::Unavailable
            | Self::NotSupported => false,
        }
    }
}

/// A row of the table: an action that may be done with a transaction that stands there, and to where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the transaction stands.
    pub from: TransactionStatus,
    /// What may be done.
    pub action: TransactionAction,
    /// Where it stands when the processor has approved.
    pub to: TransactionStatus,
}

const fn one(from: TransactionStatus, action: TransactionAction, to: TransactionStatus) -> Move {
    Move { from, action, to }
}

/// Status by action. What is not here cannot be done.
pub const MOVES: &[Move] = &[
    one(TransactionStatus::Authorized, TransactionAction::Capture, TransactionStatus::SettlementRequested),
    one(TransactionStatus::Authorized, TransactionAction::Void, TransactionStatus::AuthorizationVoided),
    one(
        TransactionStatus::SettlementRequested,
        TransactionAction::VoidCapture,
        TransactionStatus::SettlementCancelled,
    ),
    one(
        TransactionStatus::SettlementRequested,
        TransactionAction::Settle,
        TransactionStatus::SettlementSubmitted,
    ),
    one(
        TransactionStatus::SettlementSubmitted,
        TransactionAction::Settle,
        TransactionStatus::SettlementCompleted,
    ),
    one(
        TransactionStatus::SettlementPartial,
        TransactionAction::Refund,
        TransactionStatus::SettlementPartial,
    ),
    one(
        TransactionStatus::SettlementCompleted,
        TransactionAction::Refund,
        TransactionStatus::SettlementCompleted,
    ),
];

impl TransactionStatus {
    /// Where an action leads from here, or `None` when it cannot be done.
    pub fn after(self, action: TransactionAction) -> Option<Self> {
        MOVES.iter().find(|row| row.from == self && row.action == action).map(|row| row.to)
    }
}

impl TransactionAction {
    /// Where a transaction stood before this was begun, where that is one status: to there it goes back when the processor says no.
    pub fn before(self) -> Option<TransactionStatus> {
        let mut rows = MOVES.iter().filter(|row| row.action == self);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Some(row.from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_an_action_lead_to_one_status() {
        for row in MOVES {
            let same = MOVES.iter().filter(|other| (other.from, other.action) == (row.from, row.action));
            assert_eq!(same.count(), 1, "{row:?}");
            assert_eq!(row.from.after(row.action), Some(row.to));
        }
        assert_eq!(TransactionStatus::Declined.after(TransactionAction::Refund), None);
        assert_eq!(TransactionStatus::Pending.after(TransactionAction::Capture), None);
    }

    /// What a no of the processor leads back to.
    #[test]
    fn captures_and_voids_begin_in_one_status_each() {
        assert_eq!(TransactionAction::Capture.before(), Some(TransactionStatus::Authorized));
        assert_eq!(TransactionAction::Void.before(), Some(TransactionStatus::Authorized));
        assert_eq!(TransactionAction::VoidCapture.before(), Some(TransactionStatus::SettlementRequested));
        assert_eq!(TransactionAction::Authorise.before(), None);
        assert_eq!(TransactionAction::Refund.before(), None);
    }
}

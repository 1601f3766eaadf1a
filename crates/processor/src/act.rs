use panvault_model::{Amount, Currency, Id, TransactionAction, TransactionId};

use crate::outbound::Outbound;

/// What a processor is asked to do. The first is the only one that bears a card.
pub enum Act {
    /// Reserve, or sell.
    Authorise(Outbound),
    /// Take what was reserved, or a part of it; the rest is released.
    Capture(FollowUp),
    /// Release what was reserved, or take a capture back: [`FollowUp::action`] says which.
    Void(FollowUp),
    /// Give money back.
    Refund(FollowUp),
    /// Say what became of an act whose answer did not come. Changes nothing, and may be sent again.
    Ask(FollowUp),
}

/// What names a transaction to an acquirer that knows it, and what is to be done with it or was.
#[derive(Clone, Debug)]
pub struct FollowUp {
    /// What is done; of [`Act::Ask`], what is asked about.
    pub action: TransactionAction,
    /// The transaction that it is about.
    pub transaction: TransactionId,
    /// Which try of it was the last, from 1: with its id that names it to an acquirer for good.
    pub try_number: u8,
    /// The refund that it is about, if it is one: an acquirer tells by it two of the same amount apart.
    pub refund: Option<Id>,
    /// What moves: of a capture or refund its own amount, else that of the transaction.
    pub amount: Amount,
    /// Of the transaction.
    pub currency: Currency,
    /// Of the transaction.
    pub merchant_reference: String,
    /// Why money is given back, in the words of who asked for it.
    pub reason: Option<String>,
    /// What the acquirer calls the transaction, if it has said so.
    pub reference: Option<String>,
    /// What the acquirer calls the act itself, if it has said so: that of a capture, void or refund that is asked about.
    pub act_reference: Option<String>,
    /// Greater than that of any earlier act on the transaction: with its id it names this act for good. Of [`Act::Ask`] that of the act that it is about;
    /// of a refund, whose id names it, nothing.
    pub attempt: u32,
}

impl Act {
    /// The transaction that it is about.
    pub const fn transaction(&self) -> TransactionId {
        match self {
            Self::Authorise(outbound) => outbound.order().transaction,
            Self::Capture(of) | Self::Void(of) | Self::Refund(of) | Self::Ask(of) => of.transaction,
        }
    }

    /// Which try of that.
    pub const fn try_number(&self) -> u8 {
        match self {
            Self::Authorise(outbound) => outbound.order().try_number,
            Self::Capture(of) | Self::Void(of) | Self::Refund(of) | Self::Ask(of) => of.try_number,
        }
    }

    /// What this vault calls the transaction where it is sent: its id, and from the second try on a dot and its number. Two tries may go to one
    /// acquirer, by two processors: it never takes the one for the other.
    pub fn transaction_name(&self) -> String {
        match self.try_number() {
            0 | 1 => self.transaction().to_string(),
            number => format!("{}.{number}", self.transaction()),
        }
    }
}

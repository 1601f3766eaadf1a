use panvault_model::TransactionAction;

use crate::act::Act;

/// What a description can describe: an act that is sent, or a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ActName {
    Authorise,
    /// An authorisation of nothing, to see whether the card is good.
    Verify,
    Capture,
    Void,
    VoidCapture,
    Refund,
    Ask,
}

impl ActName {
    pub(super) const SENT: &'static [Self] =
        &[Self::Authorise, Self::Verify, Self::Capture, Self::Void, Self::VoidCapture, Self::Refund];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Authorise => "authorise",
            Self::Verify => "verify",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::VoidCapture => "void_capture",
            Self::Refund => "refund",
            Self::Ask => "ask",
        }
    }

    pub(super) const fn bears_card(self) -> bool {
        matches!(self, Self::Authorise | Self::Verify)
    }

    /// Whether it says how much money moves.
    pub(super) const fn moves_amount(self) -> bool {
        matches!(self, Self::Authorise | Self::Capture | Self::Refund)
    }

    pub(super) fn of(act: &Act) -> Self {
        match act {
            Act::Authorise(outbound) if outbound.order().amount.is_zero() => Self::Verify,
            Act::Authorise(_) => Self::Authorise,
            Act::Capture(_) => Self::Capture,
            Act::Void(of) if of.action == TransactionAction::VoidCapture => Self::VoidCapture,
            Act::Void(_) => Self::Void,
            Act::Refund(_) => Self::Refund,
            Act::Ask(_) => Self::Ask,
        }
    }
}

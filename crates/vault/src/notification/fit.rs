//! Whether what a processor tells is about what a row says is under way.

use panvault_model::{ActionState, TransactionAction};
use panvault_processor::{FollowUp, Misfit, Notice, Verdict};
use panvault_store::{RefundRow, TransactionRow};

use crate::notification::NoticeOutcome;

/// How a notice stands to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It says what became of the row's act.
    Open,
    /// The act is in hand, or a crash has left it so.
    InHand,
    /// It says what is known.
    Known,
    /// It cannot be true together with the row, for this reason.
    Contradicts(&'static str),
    /// It is about something else.
    Elsewhere,
}

impl Fit {
    /// What becomes of it where nothing is written.
    pub(super) const fn outcome(self) -> NoticeOutcome {
        match self {
            Self::Open => NoticeOutcome::Settled,
            Self::InHand => NoticeOutcome::InHand,
            Self::Known => NoticeOutcome::Known,
            Self::Contradicts(_) => NoticeOutcome::Contradicted,
            Self::Elsewhere => NoticeOutcome::Ignored,
        }
    }
}

/// What the row says of an act that a notice names.
struct Act<'a> {
    state: ActionState,
    /// What the processor calls it, if it has said so.
    reference: Option<&'a str>,
    /// Whether what the notice repeats of our name for it is its name.
    is_named: bool,
}

pub(super) fn is_authorisation(row: &TransactionRow) -> bool {
    row.action == TransactionAction::Authorise
}

/// Of a transaction that the notice names and whose processor has told it.
pub(super) fn of_transaction(
    row: &TransactionRow,
    notice: &Notice,
    misfit: impl FnOnce() -> Option<Misfit>,
) -> Fit {
    if notice.try_number != Some(row.try_number) {
        return of_earlier_try(row, notice);
    }
    if differ(row.processor_reference.as_deref(), notice.reference.as_deref()) {
        return Fit::Elsewhere;
    }
    if row.action != notice.act {
        return if is_capture_undone(row, notice) {
            Fit::Contradicts(CAPTURE_UNDONE)
        } else {
            Fit::Elsewhere
        };
    }
    let is_named = match notice.attempt {
        Some(attempt) => row.attempt() == Some(attempt),
        // There is one authorisation; and who gives an act no name of its own tells of what can be done once.
        None => is_authorisation(row) || notice.act_reference.is_none(),
    };
    fit(&Act { state: row.state, reference: row.act_reference.as_deref(), is_named }, notice, misfit)
}

/// Of a transaction that the notice names and that was tried since at another processor, or again at this one. There was a reason to go on: a payment that is done all
/// the same may be paid twice.
pub(super) fn of_earlier_try(row: &TransactionRow, notice: &Notice) -> Fit {
    let is_earlier = notice.try_number.is_some_and(|number| number < row.try_number);
    let takes = matches!(notice.act, TransactionAction::Authorise | TransactionAction::Capture);
    if is_earlier && takes && notice.verdict == Verdict::Approved {
        Fit::Contradicts("an earlier try is said to be done, of a payment that was tried again since")
    } else {
        Fit::Elsewhere
    }
}

/// Of a refund that the notice names and whose processor has told it.
pub(super) fn of_refund(
    row: &RefundRow,
    of: &FollowUp,
    notice: &Notice,
    misfit: impl FnOnce() -> Option<Misfit>,
) -> Fit {
    if notice.act != TransactionAction::Refund || differ(of.reference.as_deref(), notice.reference.as_deref())
    {
        return Fit::Elsewhere;
    }
    // Its id is its name.
    let reference = row.processor_reference.as_deref();
    fit(&Act { state: row.state, reference, is_named: true }, notice, misfit)
}

fn fit(act: &Act<'_>, notice: &Notice, misfit: impl FnOnce() -> Option<Misfit>) -> Fit {
    let told = notice.act_reference.as_deref();
    let is_same = act.reference.is_some() && act.reference == told;
    if !is_same && !act.is_named {
        return Fit::Elsewhere;
    }
    if act.state == ActionState::InHand {
        return Fit::InHand;
    }
    if act.state.may_be_told() {
        return match misfit() {
            _ if differ(act.reference, told) => Fit::Elsewhere,
            Some(misfit) => Fit::Contradicts(of_another(misfit)),
            None => Fit::Open,
        };
    }
    match (act.state == ActionState::Approved, notice.verdict == Verdict::Approved) {
        (true, true) => match misfit() {
            _ if differ(act.reference, told) => Fit::Elsewhere,
            // What is closed needs no amount.
            Some(Misfit::Amount) if notice.amount.is_none() => Fit::Known,
            Some(misfit) => Fit::Contradicts(of_another(misfit)),
            None => Fit::Known,
        },
        (false, false) => Fit::Known,
        (true, false) => Fit::Contradicts("what was done is said to have failed"),
        (false, true) => Fit::Contradicts("what had failed is said to be done"),
    }
}

const fn of_another(misfit: Misfit) -> &'static str {
    match misfit {
        Misfit::Amount => "it tells of another amount",
        Misfit::Currency => "it tells of another currency",
        Misfit::Account => "it tells of another account at the PSP",
    }
}

const CAPTURE_UNDONE: &str = "a capture is said to have failed of which the transaction has gone on";

/// Whether a capture that stands is said to have failed: that of a sale, or one behind which the transaction has been settled or refunded.
fn is_capture_undone(row: &TransactionRow, notice: &Notice) -> bool {
    let has_failed = notice.act == TransactionAction::Capture && notice.verdict != Verdict::Approved;
    let stands = match row.action {
        TransactionAction::Authorise | TransactionAction::Settle => row.state == ActionState::Approved,
        TransactionAction::Capture
        | TransactionAction::VoidCapture
        | TransactionAction::Void
        | TransactionAction::Refund => false,
    };
    has_failed && stands && !row.captured.is_zero()
}

/// Whether two names are both there and not the same.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

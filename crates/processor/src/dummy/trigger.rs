//! What makes the dummy answer otherwise than with yes: the last three digits of an amount, or a reference of a certain form.

use panvault_model::TransactionAction;

use crate::act::FollowUp;
use crate::outbound::Order;

/// The reference of a payment that is not to reach a processor at all.
pub(super) const PLEASE_BLOCK: &str = "please 111";

/// What is to happen in the place of a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// A yes after all, said of what is asked about later.
    Approved,
    Declined,
    Unknown,
    Failed,
    Unavailable,
    NotSupported,
    /// A yes that takes a while.
    Late,
    /// No answer, however long it is waited for.
    Never,
}

/// What happens at once, and what is said when it is asked about later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) now: Option<Trigger>,
    pub(super) later: Option<Trigger>,
}

/// What an authorisation asks for. The amount is looked at first; the reference only when the amount asks for nothing.
pub(super) fn of_order(order: &Order) -> Wish {
    wish(order.amount.minor_units(), &[(&order.merchant_reference, "please ")])
}

/// What a later act asks for, or what was asked for by the act that is asked about.
pub(super) fn of_follow_up(of: &FollowUp) -> Wish {
    let reference = of.merchant_reference.as_str();
    let amount = of.amount.minor_units();
    match of.action {
        TransactionAction::Authorise | TransactionAction::Settle => wish(amount, &[(reference, "please ")]),
        TransactionAction::Capture => wish(amount, &[(reference, "please capture ")]),
        // It has no amount of its own.
        TransactionAction::Void | TransactionAction::VoidCapture => wish(0, &[(reference, "please void ")]),
        TransactionAction::Refund => {
            let reason = of.reason.as_deref().unwrap_or_default();
            wish(amount, &[(reason, "please "), (reference, "please refund ")])
        }
    }
}

fn wish(amount: u32, texts: &[(&str, &str)]) -> Wish {
    if let Some(now) = by_amount(amount % 1000) {
        return Wish { now: Some(now), later: None };
    }
    texts.iter().find_map(|(text, please)| by_text(text.strip_prefix(please)?)).unwrap_or_default()
}

/// `NNN`, or `NNN MMM`: what happens, and what is said when it is asked about.
fn by_text(text: &str) -> Option<Wish> {
    let (now, later) = match text.split_once(' ') {
        Some((now, later)) => (now, Some(number(later).and_then(by_number)?)),
        None => (text, None),
    };
    Some(Wish { now: Some(number(now).and_then(by_number)?), later })
}

fn number(text: &str) -> Option<u32> {
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The gateway's own numbers.
const fn by_amount(number: u32) -> Option<Trigger> {
    match number {
        121 => Some(Trigger::Declined),
        122 => Some(Trigger::Unknown),
        123 => Some(Trigger::Failed),
        131 => Some(Trigger::Unavailable),
        132 => Some(Trigger::NotSupported),
        _ => None,
    }
}

/// Those, and numbers that no amount should stumble over.
const fn by_number(number: u32) -> Option<Trigger> {
    match number {
        0 => Some(Trigger::Approved),
        169 => Some(Trigger::Late),
        170 => Some(Trigger::Never),
        number => by_amount(number),
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::{Amount, Currency, TransactionId};

    use super::*;

    fn of(action: TransactionAction, amount: u32, reference: &str, reason: Option<&str>) -> Wish {
        of_follow_up(&FollowUp {
            action,
            transaction: TransactionId::from_bytes([1; 12]),
            try_number: 1,
            refund: None,
            amount: Amount::new(amount).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            merchant_reference: reference.to_owned(),
            reason: reason.map(str::to_owned),
            reference: None,
            act_reference: None,
            attempt: 2,
        })
    }

    fn now(trigger: Trigger) -> Wish {
        Wish { now: Some(trigger), later: None }
    }

    #[test]
    fn each_act_has_triggers_of_its_own() {
        let capture = TransactionAction::Capture;
        assert_eq!(of(capture, 4_121, "a", None), now(Trigger::Declined));
        assert_eq!(of(capture, 4_000, "please capture 123", None), now(Trigger::Failed));
        for other in ["please 121", "please refund 121", "please capture 121 ", "please capture 1210"] {
            assert_eq!(of(capture, 4_000, other, None), Wish::default(), "{other}");
        }
        for void in [TransactionAction::Void, TransactionAction::VoidCapture] {
            assert_eq!(of(void, 4_121, "please void 132", None), now(Trigger::NotSupported));
            assert_eq!(of(void, 4_121, "a", None), Wish::default(), "it has no amount of its own");
        }
        let refund = TransactionAction::Refund;
        assert_eq!(of(refund, 100, "a", Some("please 131")), now(Trigger::Unavailable));
        assert_eq!(of(refund, 100, "please refund 170", Some("too small")), now(Trigger::Never));
        assert_eq!(of(refund, 121, "please refund 123", Some("please 123")), now(Trigger::Declined));
    }

    #[test]
    fn what_is_said_later_comes_second() {
        let wish = of(TransactionAction::Capture, 4_000, "please capture 122 000", None);
        assert_eq!(wish, Wish { now: Some(Trigger::Unknown), later: Some(Trigger::Approved) });
        let wish = of(TransactionAction::Authorise, 4_000, "please 170 121", None);
        assert_eq!(wish, Wish { now: Some(Trigger::Never), later: Some(Trigger::Declined) });
        for other in ["please 122 00", "please 122  000", "please 122 000 ", "please 122 ٠٠٠", "please 122 "]
        {
            assert_eq!(of(TransactionAction::Authorise, 4_000, other, None), Wish::default(), "{other}");
        }
    }
}

use std::borrow::Cow;

mod trigger;

use core::future::{Future, pending};
use core::pin::Pin;
use core::time::Duration;

use panvault_model::{Amount, Brand, CardKind, CvvResult};

use crate::act::{Act, FollowUp};
use crate::dummy::trigger::{PLEASE_BLOCK, Trigger, Wish, of_follow_up, of_order};
use crate::outbound::{Order, Outbound};
use crate::{Clearance, Processor, Reply, Sent, Verdict};

/// How long an answer takes that comes late.
const LATE: Duration = Duration::from_secs(1);

/// How the dummy is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DummyConfiguration {
    /// Percent of the transactions without a CVV that are declined, 0 to 100.
    pub decline_without_cvv: u8,
}

/// A processor that answers by itself, always the same to the same.
pub(crate) struct Dummy(DummyConfiguration);

/// An answer, and whether it is waited for.
struct Answer {
    sent: Sent,
    wait: Wait,
}

/// How long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Nothing,
    AWhile,
    ForEver,
}

impl Dummy {
    pub(crate) const fn new(configuration: DummyConfiguration) -> Self {
        Self(configuration)
    }

    fn answer(&self, act: &Act) -> Answer {
        match act {
            Act::Authorise(request) => self.authorise(request),
            Act::Capture(of) | Act::Void(of) | Act::Refund(of) => answer(of_follow_up(of), &reply()),
            Act::Ask(of) => asked(of),
        }
    }

    fn authorise(&self, request: &Outbound) -> Answer {
        let order = request.order();
        let reply = Reply {
            cvv_result: cvv_result(request.expose_cvv()),
            authorization_code: Some(format!("{:06}", share(order) % 1_000_000)),
            ..reply()
        };
        let wish = of_order(order);
        // A network token has none to be asked for.
        let wants_cvv = request.kind() == CardKind::Card && !request.carries_cvv();
        if wish.now.is_none() && wants_cvv && self.declines_without_cvv(order) {
            let declined = no(&reply, Verdict::Declined, "N7", "declined for want of a CVV");
            return Answer { sent: declined, wait: Wait::Nothing };
        }
        answer(wish, &reply)
    }

    fn declines_without_cvv(&self, order: &Order) -> bool {
        share(order) % 100 < u32::from(self.0.decline_without_cvv)
    }
}

impl Processor for Dummy {
    fn send<'a>(
        &'a self,
        act: Act,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        Box::pin(async move {
            if !clearance.is_given() {
                return Sent::NOT_CLEARED;
            }
            let Answer { sent, wait } = self.answer(&act);
            // What was sent is wiped before it is waited for.
            drop(act);
            match wait {
                Wait::Nothing => {}
                Wait::AWhile => tokio::time::sleep(LATE).await,
                Wait::ForEver => pending().await,
            }
            sent
        })
    }

    fn can_be_asked(&self, of: &FollowUp) -> bool {
        of_follow_up(of).later.is_some()
    }

    fn takes_network_token(&self, _amount: Amount, _brand: Option<Brand>) -> bool {
        true
    }

    fn is_settled_here(&self) -> bool {
        true
    }

    fn is_to_be_blocked(&self, merchant_reference: &str) -> bool {
        merchant_reference == PLEASE_BLOCK
    }
}

/// A yes to anything but an authorisation.
fn reply() -> Reply {
    Reply {
        verdict: Verdict::Approved,
        reason_code: "00".to_owned(),
        status_reason: None,
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        authorization_code: None,
        reference: None,
        network_transaction_id: None,
    }
}

/// The same with a no.
fn no(reply: &Reply, verdict: Verdict, reason_code: &str, reason: &str) -> Sent {
    Sent::Answered(Reply {
        verdict,
        reason_code: reason_code.to_owned(),
        status_reason: Some(reason.to_owned()),
        authorization_code: None,
        ..reply.clone()
    })
}

const NO_ANSWER: Sent = Sent::Unknown { reason: Cow::Borrowed("the processor gave no usable answer") };

fn answer(wish: Wish, reply: &Reply) -> Answer {
    let sent = match wish.now {
        None | Some(Trigger::Approved | Trigger::Late) => Sent::Answered(reply.clone()),
        Some(Trigger::Declined) => no(reply, Verdict::Declined, "05", "do not honour"),
        Some(Trigger::Failed) => no(reply, Verdict::Failed, "96", "refused by the processor"),
        Some(Trigger::NotSupported) => {
            no(reply, Verdict::NotSupported, "40", "not supported by the processor")
        }
        Some(Trigger::Unavailable) => Sent::NotReached { reason: "the processor could not be reached" },
        Some(Trigger::Unknown | Trigger::Never) => NO_ANSWER,
    };
    let wait = match wish.now {
        Some(Trigger::Late) => Wait::AWhile,
        Some(Trigger::Never) => Wait::ForEver,
        Some(
            Trigger::Approved
            | Trigger::Declined
            | Trigger::Failed
            | Trigger::NotSupported
            | Trigger::Unavailable
            | Trigger::Unknown,
        )
        | None => Wait::Nothing,
    };
    Answer { sent, wait }
}

/// It remembers nothing, and says only what the act asked to be said later.
fn asked(of: &FollowUp) -> Answer {
    match of_follow_up(of).later {
        Some(later) => answer(Wish { now: Some(later), later: None }, &reply()),
        None => Answer {
            sent: Sent::Unknown { reason: Cow::Borrowed("the processor cannot tell what became of it") },
            wait: Wait::Nothing,
        },
    }
}

fn cvv_result(cvv: Option<&[u8]>) -> CvvResult {
    match cvv {
        Some(b"111") => CvvResult::Matched,
        Some(b"222") => CvvResult::NotMatched,
        Some(b"333") => CvvResult::NotChecked,
        Some(_) | None => CvvResult::Unavailable,
    }
}

/// FNV-1a (32 bit) over reference and amount: spreads orders evenly, the same order always to the same place.
fn share(order: &Order) -> u32 {
    let amount = order.amount.minor_units().to_be_bytes();
    order
        .merchant_reference
        .bytes()
        .chain(amount)
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use panvault_card::{Cvv, Pan};
    use panvault_model::{ActionState, Amount, Currency, Expiry, TransactionAction, TransactionId};

    use super::*;

    fn order(amount: u32, merchant_reference: &str) -> Order {
        Order {
            transaction: TransactionId::from_bytes([1; 12]),
            try_number: 1,
            amount: Amount::new(amount).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            capture_now: true,
            merchant_reference: merchant_reference.to_owned(),
            dynamic_descriptor: String::new(),
            customer_ip: String::new(),
            recurring_type: None,
            shopper_interaction: None,
            threed_authentication: None,
            network_transaction_id: None,
        }
    }

    fn send(order: Order, cvv: Option<&str>, decline_without_cvv: u8) -> Sent {
        let pan = Pan::parse("4111111111111111").unwrap();
        let cvv = cvv.map(|cvv| Cvv::parse(cvv, None).unwrap());
        let request = Outbound::new(pan, Expiry::new(2030, 1).unwrap(), cvv, None, order);
        Dummy::new(DummyConfiguration { decline_without_cvv }).answer(&Act::Authorise(request)).sent
    }

    fn state(sent: &Sent) -> ActionState {
        match sent {
            Sent::Answered(answer) => match answer.verdict {
                Verdict::Approved => ActionState::Approved,
                Verdict::Pending => ActionState::ToAsk,
                Verdict::Declined => ActionState::Declined,
                Verdict::Failed => ActionState::Failed,
                Verdict::NotSupported => ActionState::NotSupported,
            },
            Sent::NotReached { .. } => ActionState::Unavailable,
            Sent::Unknown { .. } => ActionState::Unknown,
        }
    }

    #[test]
    fn amounts_and_references_trigger_outcomes() {
        for (number, expected) in [
            (121, ActionState::Declined),
            (122, ActionState::Unknown),
            (123, ActionState::Failed),
            (131, ActionState::Unavailable),
            (132, ActionState::NotSupported),
        ] {
            assert_eq!(state(&send(order(7_000 + number, "order"), None, 0)), expected);
            assert_eq!(state(&send(order(7_000, &format!("please {number}")), None, 0)), expected);
        }
    }

    struct Fixed(bool);

    impl Clearance for Fixed {
        fn is_given(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn without_clearance_nothing_leaves() {
        for (given, expected) in [(true, ActionState::Approved), (false, ActionState::Unavailable)] {
            let pan = Pan::parse("4111111111111111").unwrap();
            let request = Outbound::new(pan, Expiry::new(2030, 1).unwrap(), None, None, order(1_000, "a"));
            let dummy = Dummy::new(DummyConfiguration { decline_without_cvv: 0 });
            let clearance = Fixed(given);
            let mut sending = dummy.send(Act::Authorise(request), &clearance);
            let mut context = core::task::Context::from_waker(core::task::Waker::noop());
            let core::task::Poll::Ready(sent) = sending.as_mut().poll(&mut context) else {
                panic!("the dummy waits for nothing");
            };
            assert_eq!(state(&sent), expected);
        }
    }

    #[test]
    fn the_amount_is_looked_at_first() {
        assert_eq!(state(&send(order(121, "please 123"), None, 0)), ActionState::Declined);
        for other in
            ["please 124", "Please 121", "please  121", "please 1210", "please +12", "121", "x please 121"]
        {
            assert_eq!(state(&send(order(1_000, other), None, 0)), ActionState::Approved, "{other}");
        }
    }

    fn follow_up(action: TransactionAction, reference: &str) -> FollowUp {
        FollowUp {
            action,
            transaction: TransactionId::from_bytes([1; 12]),
            try_number: 1,
            refund: None,
            amount: Amount::new(1_000).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            merchant_reference: reference.to_owned(),
            reason: None,
            reference: None,
            act_reference: None,
            attempt: 2,
        }
    }

    #[test]
    fn what_was_done_without_an_answer_is_said_when_it_is_asked_about() {
        let dummy = Dummy::new(DummyConfiguration { decline_without_cvv: 0 });
        let asked = |action, reference| state(&dummy.answer(&Act::Ask(follow_up(action, reference))).sent);
        assert_eq!(asked(TransactionAction::Authorise, "please 122"), ActionState::Unknown);
        for (reference, can_be_asked) in [("please 122", false), ("please 122 000", true), ("a", false)] {
            let of = follow_up(TransactionAction::Authorise, reference);
            assert_eq!(dummy.can_be_asked(&of), can_be_asked, "{reference}");
        }
        assert_eq!(asked(TransactionAction::Authorise, "please 122 000"), ActionState::Approved);
        assert_eq!(asked(TransactionAction::Capture, "please capture 170 121"), ActionState::Declined);
        assert_eq!(asked(TransactionAction::Void, "please void 122 131"), ActionState::Unavailable);
    }

    #[test]
    fn some_answers_come_late_and_some_never() {
        let dummy = Dummy::new(DummyConfiguration { decline_without_cvv: 0 });
        for (reference, wait) in [
            ("a", Wait::Nothing),
            ("please capture 169", Wait::AWhile),
            ("please capture 170", Wait::ForEver),
        ] {
            let answer = dummy.answer(&Act::Capture(follow_up(TransactionAction::Capture, reference)));
            assert_eq!(answer.wait, wait, "{reference}");
        }
    }

    #[test]
    fn the_cvv_gives_its_result_and_changes_nothing_else() {
        for (cvv, expected) in [
            (Some("111"), CvvResult::Matched),
            (Some("222"), CvvResult::NotMatched),
            (Some("333"), CvvResult::NotChecked),
            (Some("123"), CvvResult::Unavailable),
            (Some("1111"), CvvResult::Unavailable),
            (None, CvvResult::Unavailable),
        ] {
            let Sent::Answered(answer) = send(order(1_000, "a"), cvv, 0) else { panic!("{cvv:?}") };
            assert_eq!((answer.cvv_result, answer.verdict), (expected, Verdict::Approved));
        }
    }

    #[test]
    fn without_a_cvv_about_that_share_is_declined() {
        let declined = |percent, cvv| {
            (0..10_000)
                .filter(|number| {
                    let sent = send(order(1_000, &format!("order {number}")), cvv, percent);
                    state(&sent) == ActionState::Declined
                })
                .count()
        };
        assert_eq!((declined(0, None), declined(100, None), declined(100, Some("123"))), (0, 10_000, 0));
        assert!((1_800..2_200).contains(&declined(20, None)), "{}", declined(20, None));
    }
}

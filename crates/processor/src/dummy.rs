use core::future::{Future, ready};
use core::pin::Pin;

use panvault_model::{CvvResult, TransactionStatus};

use crate::outbound::{Order, Outbound};
use crate::{Clearance, Processor, Sent, Settlement};

/// How the dummy is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DummyConfiguration {
    /// Percent of the transactions without a CVV that are declined, 0 to 100.
    pub decline_without_cvv: u8,
}

/// A processor that answers by itself, always the same to the same.
pub(crate) struct Dummy(DummyConfiguration);

impl Dummy {
    pub(crate) const fn new(configuration: DummyConfiguration) -> Self {
        Self(configuration)
    }

    fn answer(&self, request: &Outbound) -> Sent {
        let order = request.order();
        let cvv_result = cvv_result(request.expose_cvv());
        let answered = |status, reason_code: &str, reason: Option<&str>| {
            Sent::Answered(Settlement {
                status,
                reason_code: reason_code.to_owned(),
                status_reason: reason.map(str::to_owned),
                cvv_result,
                avs_result: 0,
                authorization_code: None,
            })
        };
        match trigger(order) {
            Some(Trigger::Declined) => answered(TransactionStatus::Declined, "05", Some("do not honour")),
            Some(Trigger::Unknown) => Sent::Unknown { reason: "the processor gave no usable answer" },
            Some(Trigger::Failed) => {
                answered(TransactionStatus::Failed, "96", Some("refused by the processor"))
            }
            Some(Trigger::Unavailable) => Sent::NotReached { reason: "the processor could not be reached" },
            Some(Trigger::NotSupported) => {
                answered(TransactionStatus::NotSupported, "40", Some("not supported by the processor"))
            }
            None if !request.carries_cvv() && self.declines_without_cvv(order) => {
                answered(TransactionStatus::Declined, "N7", Some("declined for want of a CVV"))
            }
            None => Sent::Answered(Settlement {
                status: if order.capture_now && !order.amount.is_zero() {
                    TransactionStatus::SettlementRequested
                } else {
                    TransactionStatus::Authorized
                },
                reason_code: "00".to_owned(),
                status_reason: None,
                cvv_result,
                avs_result: 0,
                authorization_code: Some(format!("{:06}", share(order) % 1_000_000)),
            }),
        }
    }

    fn declines_without_cvv(&self, order: &Order) -> bool {
        share(order) % 100 < u32::from(self.0.decline_without_cvv)
    }
}

impl Processor for Dummy {
    fn send<'a>(
        &'a self,
        request: Outbound,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        Box::pin(ready(if clearance.is_given() { self.answer(&request) } else { Sent::NOT_CLEARED }))
    }
}

#[derive(Clone, Copy)]
enum Trigger {
    Declined,
    Unknown,
    Failed,
    Unavailable,
    NotSupported,
}

/// The amount is looked at first; the reference only when the amount asks for nothing.
fn trigger(order: &Order) -> Option<Trigger> {
    by_number(order.amount.minor_units() % 1000).or_else(|| {
        let number = order.merchant_reference.strip_prefix("please ")?;
        if number.len() == 3 { number.parse().ok().and_then(by_number) } else { None }
    })
}

const fn by_number(number: u32) -> Option<Trigger> {
    match number {
        121 => Some(Trigger::Declined),
        122 => Some(Trigger::Unknown),
        123 => Some(Trigger::Failed),
        131 => Some(Trigger::Unavailable),
        132 => Some(Trigger::NotSupported),
        _ => None,
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
    use panvault_model::{Amount, Currency, Expiry, TransactionId};

    use super::*;

    fn order(amount: u32, merchant_reference: &str) -> Order {
        Order {
            transaction: TransactionId::from_bytes([1; 12]),
            amount: Amount::new(amount).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            capture_now: true,
            merchant_reference: merchant_reference.to_owned(),
            dynamic_descriptor: String::new(),
            customer_ip: String::new(),
            recurring_type: None,
            shopper_interaction: None,
        }
    }

    fn send(order: Order, cvv: Option<&str>, decline_without_cvv: u8) -> Sent {
        let pan = Pan::parse("4111111111111111").unwrap();
        let cvv = cvv.map(|cvv| Cvv::parse(cvv, None).unwrap());
        let request = Outbound::new(pan, Expiry::new(2030, 1).unwrap(), cvv, None, order);
        Dummy::new(DummyConfiguration { decline_without_cvv }).answer(&request)
    }

    fn status(sent: &Sent) -> TransactionStatus {
        match sent {
            Sent::Answered(answer) => answer.status,
            Sent::NotReached { .. } => TransactionStatus::Unavailable,
            Sent::Unknown { .. } => TransactionStatus::Unknown,
        }
    }

    #[test]
    fn amounts_and_references_trigger_outcomes() {
        for (number, expected) in [
            (121, TransactionStatus::Declined),
            (122, TransactionStatus::Unknown),
            (123, TransactionStatus::Failed),
            (131, TransactionStatus::Unavailable),
            (132, TransactionStatus::NotSupported),
        ] {
            assert_eq!(status(&send(order(7_000 + number, "order"), None, 0)), expected);
            assert_eq!(status(&send(order(7_000, &format!("please {number}")), None, 0)), expected);
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
        for (given, expected) in
            [(true, TransactionStatus::SettlementRequested), (false, TransactionStatus::Unavailable)]
        {
            let pan = Pan::parse("4111111111111111").unwrap();
            let request = Outbound::new(pan, Expiry::new(2030, 1).unwrap(), None, None, order(1_000, "a"));
            let dummy = Dummy::new(DummyConfiguration { decline_without_cvv: 0 });
            let clearance = Fixed(given);
            let mut sending = dummy.send(request, &clearance);
            let mut context = core::task::Context::from_waker(core::task::Waker::noop());
            let core::task::Poll::Ready(sent) = sending.as_mut().poll(&mut context) else {
                panic!("the dummy waits for nothing");
            };
            assert_eq!(status(&sent), expected);
        }
    }

    #[test]
    fn the_amount_is_looked_at_first() {
        assert_eq!(status(&send(order(121, "please 123"), None, 0)), TransactionStatus::Declined);
        for other in
            ["please 124", "Please 121", "please  121", "please 1210", "please +12", "121", "x please 121"]
        {
            assert_eq!(
                status(&send(order(1_000, other), None, 0)),
                TransactionStatus::SettlementRequested,
                "{other}"
            );
        }
    }

    #[test]
    fn success_depends_on_capture_and_amount() {
        assert_eq!(status(&send(order(1_000, "a"), None, 0)), TransactionStatus::SettlementRequested);
        assert_eq!(status(&send(order(0, "a"), None, 0)), TransactionStatus::Authorized);
        let reserve = Order { capture_now: false, ..order(1_000, "a") };
        assert_eq!(status(&send(reserve, None, 0)), TransactionStatus::Authorized);
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
            assert_eq!(
                (answer.cvv_result, answer.status),
                (expected, TransactionStatus::SettlementRequested)
            );
        }
    }

    #[test]
    fn without_a_cvv_about_that_share_is_declined() {
        let declined = |percent, cvv| {
            (0..10_000)
                .filter(|number| {
                    let sent = send(order(1_000, &format!("order {number}")), cvv, percent);
                    status(&sent) == TransactionStatus::Declined
                })
                .count()
        };
        assert_eq!((declined(0, None), declined(100, None), declined(100, Some("123"))), (0, 10_000, 0));
        assert!((1_800..2_200).contains(&declined(20, None)), "{}", declined(20, None));
    }
}

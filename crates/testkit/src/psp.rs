//! Fakes of payment service providers: servers on the loopback address that speak each one's published HTTP API as strictly as it does.
//!
//! [`Peer`] is the socket: it counts, keeps what came, and misbehaves when told ([`Manner`], of which [`FAILURES`] is the table). [`Stripe`], [`Adyen`] and [`Checkout`] are what answers behind it.
//! They keep payments, and the notifications that are due ([`Peer::notify`]). Everything is in memory and goes with the value. Nobody's clock is read: a fake lives at the
//! time that it is given.
//!
//! Where a provider's test mode refuses every number that is not in its list, these take each that passes the Luhn check: tests send canaries.

mod adyen;
mod checkout;
mod described;
mod failure;
mod form;
mod idempotency;
mod manner;
mod notification;
mod peer;
mod request;
mod stripe;

pub use self::adyen::{ADYEN_API_KEY, ADYEN_HMAC_KEY, ADYEN_MERCHANT_ACCOUNT, Adyen};
pub use self::checkout::{CHECKOUT_CHANNEL, CHECKOUT_SECRET_KEY, CHECKOUT_WEBHOOK_KEY, Checkout};
pub use self::described::{DescribedPsp, DescribedPsps};
pub use self::failure::{FAILURES, Failure, Reach, Seen};
pub use self::manner::Manner;
pub use self::notification::Notification;
pub use self::peer::{Peer, Received};
pub use self::request::{PspAnswer, PspRequest};
pub use self::stripe::{STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, Stripe};

use panvault_model::Timestamp;

/// What answers behind a [`Peer`].
pub trait Psp: Send + 'static {
    /// Does what a request asks for, and answers.
    fn answer(&mut self, request: &PspRequest) -> PspAnswer;

    /// The notifications that are due, oldest first; they are so no more.
    fn take_notifications(&mut self) -> Vec<Notification>;
}

/// When fakes live, until they are told another time: 2026-03-01T12:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_millis(1_772_366_400_000);

/// The check digit of a card number is right (ISO/IEC 7812-1 annex B), and it has as many digits as card numbers have.
fn is_card_number(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().map(|digit| digit.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (12..=19).contains(&digits.len())) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (1, digit) if *digit > 4 => digit * 2 - 9,
            (1, digit) => digit * 2,
            (_, digit) => *digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Number of digits, and nothing else.
fn is_digits(text: &str, count: core::ops::RangeInclusive<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Base64 of 19 to 42 bytes: what networks make for a payment with one of their tokens.
fn is_cryptogram(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_filled = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2;
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    is_filled && (28..=56).contains(&text.len()) && digits.bytes().all(is_digit)
}

/// The last four digits.
fn last_four(number: &str) -> &str {
    number.get(number.len().saturating_sub(4)..).unwrap_or_default()
}

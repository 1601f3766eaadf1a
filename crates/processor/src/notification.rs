//! What payment service providers tell by themselves: their signature, and what is of use in it.
//!
//! Pure: the body, its signature, the secret and the time are handed in. Nothing is believed before its signature is, and no fault repeats what was sent.

mod adyen;
mod checkout;
mod depth;
mod stripe;

use panvault_keys::NotificationSecret;
use panvault_model::{Amount, Id, Timestamp, TransactionAction, TransactionId};

use crate::Verdict;

/// How a provider signs and spells what it tells. A description names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationScheme {
    /// Events of Stripe: `Stripe-Signature` with `v1`.
    Stripe,
    /// Standard notifications of Adyen: an HMAC in each item.
    Adyen,
    /// Events of Checkout.com: `Cko-Signature`.
    Checkout,
}

/// A notification as it came. Anybody may have sent it.
#[derive(Clone, Copy)]
pub struct Notification<'a> {
    /// As it came, byte by byte: it is what is signed.
    pub body: &'a [u8],
    /// The values of every header named [`NotificationScheme::signature_header`].
    pub signatures: &'a [&'a str],
}

/// What a provider says of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Names what happened: the same when it is told again.
    pub event: String,
    /// The transaction, where the provider repeats our name for it.
    pub transaction: Option<TransactionId>,
    /// The refund, where it repeats that.
    pub refund: Option<Id>,
    /// What the provider calls the payment.
    pub reference: Option<String>,
    /// What was done: authorise, capture, void or refund.
    pub act: TransactionAction,
    /// What the provider calls that.
    pub act_reference: Option<String>,
    /// How much it was about, in minor units.
    pub amount: Option<Amount>,
    /// How it ended; never [`Verdict::Pending`].
    pub verdict: Verdict,
    /// The provider's code; `00` is success.
    pub reason_code: String,
    /// Why not, in words. At Adyen nobody has signed them.
    pub status_reason: Option<String>,
    /// When, as far as it says so. At Adyen nobody has signed it.
    pub occurred_at: Option<Timestamp>,
}

/// Why a notification is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationFault {
    /// The secret that is kept is none of this scheme.
    #[error("the secret that notifications are signed with is empty or badly formed")]
    Secret,
    /// It is longer, deeper, or has more items than any that is taken.
    #[error("the notification is larger than it may be")]
    TooLarge,
    /// No signature, one that cannot be read, or not that of the secret.
    #[error("the notification is not signed with the secret of this processor")]
    Signature,
    /// It was signed too long ago, or in the future.
    #[error("the notification was signed at another time")]
    Time,
    /// It is signed, and not what the provider's description says.
    #[error("the notification is badly formed")]
    Shape,
}

/// Bytes of a notification at most.
pub const NOTIFICATION_BYTES_MAX: usize = 64 * 1024;
/// Items of one at most.
pub const NOTIFICATION_ITEMS_MAX: usize = 64;
/// Objects and lists within each other at most.
pub const NOTIFICATION_DEPTH_MAX: usize = 24;
/// Seconds between the time of a signature and now at most, either way.
pub const NOTIFICATION_AGE_SECONDS_MAX: u64 = 300;
/// Signatures that one header lists at most.
pub const NOTIFICATION_SIGNATURES_MAX: usize = 8;

/// Characters of a name that a provider gives, at most.
const NAME_CHARS_MAX: usize = 128;
/// Characters of a reason in words that are kept.
const WORDS_CHARS_MAX: usize = 255;
/// Code of what is done.
const SUCCESS: &str = "00";

impl NotificationScheme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Adyen, Self::Checkout];

    /// Its name in a description.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe_v1",
            Self::Adyen => "adyen_hmac",
            Self::Checkout => "checkout_hmac",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// The header that its signature is in, in lower case; `None` where it is in the body.
    pub const fn signature_header(self) -> Option<&'static str> {
        match self {
            Self::Stripe => Some("stripe-signature"),
            Self::Adyen => None,
            Self::Checkout => Some("cko-signature"),
        }
    }

    /// The body of the answer by which the provider knows that it need not tell it again; with status 200.
    pub const fn accepted(self) -> &'static str {
        match self {
            Self::Adyen => "[accepted]",
            Self::Stripe | Self::Checkout => "",
        }
    }

    /// What a notification says of acts; nothing, where it is signed and about something else.
    ///
    /// `secret` is as the provider shows it: of Adyen hexadecimal digits.
    pub fn read(
        self,
        notification: Notification<'_>,
        secret: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Notice>, NotificationFault> {
        let read = match self {
            Self::Adyen => NotificationSecret::of_hex(secret),
            Self::Stripe | Self::Checkout => NotificationSecret::of_text(secret),
        };
        let secret = read.ok_or(NotificationFault::Secret)?;
        let is_deep = || depth::exceeds(notification.body, NOTIFICATION_DEPTH_MAX);
        if notification.body.len() > NOTIFICATION_BYTES_MAX || is_deep() {
            return Err(NotificationFault::TooLarge);
        }
        match self {
            Self::Stripe => stripe::read(notification, &secret, now),
            Self::Adyen => adyen::read(notification.body, &secret),
            Self::Checkout => checkout::read(notification, &secret),
        }
    }
}

/// The one value of a header.
fn only<'a>(values: &[&'a str]) -> Result<&'a str, NotificationFault> {
    match values {
        [value] => Ok(value),
        [] | [_, _, ..] => Err(NotificationFault::Signature),
    }
}

/// Our names for a transaction and perhaps its refund, `TRANSACTION` or `TRANSACTION-REFUND`, where a provider repeats them.
fn ours(text: &str) -> (Option<TransactionId>, Option<Id>) {
    let (transaction, refund) = text.split_once('-').unwrap_or((text, ""));
    match TransactionId::parse(transaction) {
        Ok(transaction) => (Some(transaction), Id::parse(refund).ok()),
        Err(_) => (None, None),
    }
}

/// A name that a provider gives: printable, without spaces, and not without end.
fn name(text: &str) -> Result<String, NotificationFault> {
    let is_name =
        (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(text.to_owned()) } else { Err(NotificationFault::Shape) }
}

fn words(text: &str) -> Option<String> {
    let words: String = text.chars().filter(|char| !char.is_control()).take(WORDS_CHARS_MAX).collect();
    Some(words).filter(|words| !words.is_empty())
}

fn amount(units: u64) -> Result<Option<Amount>, NotificationFault> {
    let units = u32::try_from(units).map_err(|_| NotificationFault::Shape)?;
    Amount::new(units).map(Some).ok_or(NotificationFault::Shape)
}

#[cfg(test)]
mod tests;

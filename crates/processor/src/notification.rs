//! What payment service providers tell by themselves: their signature, and what is of use in it.
//!
//! Pure: the body, its signature, the secret and the time are handed in. Nothing is believed before its signature is, and no fault repeats what was sent.

mod adyen;
mod checkout;
mod depth;
mod stripe;

use panvault_keys::NotificationSecret;
use panvault_model::{Currency, Id, Timestamp, TransactionAction, TransactionId};

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
    /// Which try of it, with its name.
    pub try_number: Option<u8>,
    /// The refund, where it repeats that.
    pub refund: Option<Id>,
    /// The number of a capture or void among what was done with the transaction, where it repeats that.
    pub attempt: Option<u32>,
    /// What the provider calls the payment.
    pub reference: Option<String>,
    /// What was done: authorise, capture, void, void_capture or refund.
    pub act: TransactionAction,
    /// What the provider calls that.
    pub act_reference: Option<String>,
    /// How much it was about, in the units that the provider counts the currency in.
    pub amount: Option<u64>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// Whose account at the provider it was.
    pub account: Option<String>,
    /// How it ended; never [`Verdict::Pending`].
    pub verdict: Verdict,
    /// The provider's code; `00` is success.
    pub reason_code: String,
    /// Why not, in words without their digits: a provider may name the card there. At Adyen nobody has signed them.
    pub status_reason: Option<String>,
    /// When, as far as it says so. At Adyen nobody has signed it.
    pub occurred_at: Option<Timestamp>,
}

/// Why a notice settles nothing though it names an act: it tells of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It was another amount, or none is said.
    Amount,
    /// It was another currency.
    Currency,
    /// It was somebody else's account at the provider.
    Account,
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
/// Digits of the number of an act.
const ATTEMPT_DIGITS_MAX: usize = 9;
/// Code of what is done.
const SUCCESS: &str = "00";

impl Misfit {
    /// What is another's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Account => "account",
        }
    }
}

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

    /// Whether it says whose account at the provider it was.
    pub const fn names_account(self) -> bool {
        match self {
            Self::Adyen => true,
            Self::Stripe | Self::Checkout => false,
        }
    }

    /// What is wrong with a secret that it is to be checked by, in a clause that goes on from its name.
    pub fn secret_fault(self, secret: &[u8]) -> Option<&'static str> {
        match self {
            Self::Adyen if self.secret(secret).is_none() => {
                Some("must be the HMAC key in hexadecimal digits, as Adyen shows it")
            }
            Self::Stripe | Self::Checkout if self.secret(secret).is_none() => Some("is too long"),
            Self::Stripe | Self::Adyen | Self::Checkout => None,
        }
    }

    fn secret(self, secret: &[u8]) -> Option<NotificationSecret> {
        match self {
            Self::Adyen => NotificationSecret::of_hex(secret),
            Self::Stripe | Self::Checkout => NotificationSecret::of_text(secret),
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
        let secret = self.secret(secret).ok_or(NotificationFault::Secret)?;
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

/// Our names, where a provider repeats them: `TRANSACTION`, `TRANSACTION-REFUND`, or `TRANSACTION-NUMBER` of a capture or void; from its second try
/// on a transaction is `TRANSACTION.TRY`.
#[derive(Clone, Copy, Default)]
struct Ours {
    transaction: Option<TransactionId>,
    try_number: Option<u8>,
    refund: Option<Id>,
    attempt: Option<u32>,
}

impl Ours {
    fn parse(text: &str) -> Self {
        let (transaction, act) = match text.split_once('-') {
            Some((transaction, act)) => (transaction, Some(act)),
            None => (text, None),
        };
        let (transaction, number) = match transaction.split_once('.') {
            Some((transaction, number)) => (transaction, further_try(number)),
            None => (transaction, Some(1)),
        };
        let (Ok(transaction), Some(try_number)) = (TransactionId::parse(transaction), number) else {
            return Self::default();
        };
        let named = Self { transaction: Some(transaction), try_number: Some(try_number), ..Self::default() };
        let Some(act) = act else { return named };
        let is_number =
            (1..=ATTEMPT_DIGITS_MAX).contains(&act.len()) && act.bytes().all(|byte| byte.is_ascii_digit());
        match (is_number, act.parse(), Id::parse(act)) {
            (true, Ok(attempt), _) => Self { attempt: Some(attempt), ..named },
            (false, _, Ok(refund)) => Self { refund: Some(refund), ..named },
            // Of whatever it is, of nothing that was sent from here.
            _ => Self::default(),
        }
    }
}

/// The number of a try, from the second on, as it is written there.
fn further_try(text: &str) -> Option<u8> {
    let number: u8 = text.parse().ok()?;
    (number > 1 && number.to_string() == text).then_some(number)
}

/// A name that a provider gives: printable, without spaces, and not without end.
fn name(text: &str) -> Result<String, NotificationFault> {
    let is_name =
        (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(text.to_owned()) } else { Err(NotificationFault::Shape) }
}

fn words(text: &str) -> Option<String> {
    let kept = text.chars().filter(|char| !char.is_control()).take(WORDS_CHARS_MAX);
    let words: String = kept.map(|char| if char.is_numeric() { '*' } else { char }).collect();
    Some(words).filter(|words| !words.is_empty())
}

/// A currency of ISO 4217, in letters of either case.
fn currency(text: &str) -> Result<Currency, NotificationFault> {
    Currency::parse(&text.to_ascii_uppercase()).ok_or(NotificationFault::Shape)
}

#[cfg(test)]
mod tests;

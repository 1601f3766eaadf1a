//! The types of values that are shown, and how each is written.

use core::fmt::{self, Display, Write};

use panvault_model::{
    AMOUNT_MAX, AccountId, Amount, ApiKeyId, Bin, Brand, CardId, CardKind, CardType, CheckoutId,
    CheckoutPurpose, CheckoutStatus, Country, Currency, CustomerId, CvvResult, DeliveryFault, DeliveryId,
    DeliveryStatus, Fingerprint, Id, LastFour, NodeId, OrganisationId, ProcessorId, RecurringType, RefundId,
    RefundStatus, Role, ShopperInteraction, Timestamp, TransactionId, TransactionStatus, WebhookObject,
};
use panvault_vault::{Action, RefusalReason};

use super::shape::{Names, Shape};

/// A type of values that are shown. Each is written by itself, below: what can merely be printed could hold a quote, and break the JSON.
pub(crate) trait Shown {
    /// What the documentation says of its values.
    const SHAPE: Shape;

    /// Writes the value as JSON.
    fn write(&self, out: &mut Vec<u8>);
}

/// A month, as two digits.
pub(crate) struct Month(pub(crate) u8);

/// The last two digits of a year.
pub(crate) struct Year(pub(crate) u16);

/// A card number of which the middle is not shown, nor how long that is: the row does not know it.
pub(crate) struct MaskedNumber {
    pub(crate) bin: Option<Bin>,
    pub(crate) last_four: LastFour,
}

/// An integer in a range.
pub(crate) struct Number<const MIN: u64, const MAX: u64>(pub(crate) u64);

/// Texts whose names a row keeps with that of their object before them, as `details.redirect_url`.
pub(crate) struct Flattened<'r> {
    row: &'r [(String, String)],
    name: &'static str,
}

impl<'r> Flattened<'r> {
    /// Those of this object; `None` where there are none.
    pub(crate) fn of(row: &'r [(String, String)], name: &'static str) -> Option<Self> {
        let found = Self { row, name };
        let is_there = found.texts().next().is_some();
        is_there.then_some(found)
    }

    /// Those of this object, of which there may be none.
    pub(crate) const fn or_empty(row: &'r [(String, String)], name: &'static str) -> Self {
        Self { row, name }
    }

    fn texts(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        let name = self.name;
        self.row.iter().filter_map(move |(flat, text)| {
            Some((flat.strip_prefix(name)?.strip_prefix('.')?, text.as_str()))
        })
    }
}

/// Writes a text, with escapes where it needs them.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        write_plain(text, out);
    } else {
        drop(serde_json::to_writer(out, text));
    }
}

/// Writes an object of texts.
pub(crate) fn write_texts<'t>(texts: impl Iterator<Item = (&'t str, &'t str)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, text)) in texts.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        write_text(text, out);
    }
    out.push(b'}');
}

/// Writes a text that needs no escapes.
fn write_plain(text: &str, out: &mut Vec<u8>) {
    write_ascii(text.as_bytes(), out);
}

/// Writes characters of ours, which need no escapes.
fn write_ascii(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn print(value: impl Display, out: &mut Vec<u8>) {
    struct Printer<'v>(&'v mut Vec<u8>);

    impl Write for Printer<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    // Writing into a vector does not fail.
    let _ = write!(Printer(out), "{value}");
}

fn write_two_digits(number: u16, out: &mut Vec<u8>) {
    let digit = |number: u16| u8::try_from(number % 10).map_or(b'0', |digit| b'0' + digit);
    out.extend_from_slice(&[b'"', digit(number / 10), digit(number), b'"']);
}

macro_rules! shown_digits {
    ($($shape:expr => $($kind:ty)+;)+) => { $($(
        impl Shown for $kind {
            const SHAPE: Shape = $shape;

            fn write(&self, out: &mut Vec<u8>) {
                write_ascii(&self.digits(), out);
            }
        }
    )+)+ };
}

shown_digits! {
    Shape::Id => Id AccountId ApiKeyId CardId CheckoutId CustomerId DeliveryId NodeId OrganisationId
        ProcessorId RefundId TransactionId;
    Shape::Hexadecimal(32) => Fingerprint;
}

impl Shown for Timestamp {
    const SHAPE: Shape = Shape::Time;

    fn write(&self, out: &mut Vec<u8>) {
        write_ascii(&self.text(), out);
    }
}

macro_rules! shown_letters {
    ($($kind:ty => $shape:expr;)+) => { $(
        impl Shown for $kind {
            const SHAPE: Shape = $shape;

            fn write(&self, out: &mut Vec<u8>) {
                write_plain(self.as_str(), out);
            }
        }
    )+ };
}

shown_letters! {
    Bin => Shape::Digits(6);
    LastFour => Shape::Digits(4);
    Country => Shape::Country;
    Currency => Shape::Currency;
}

/// Shows enums of named values, each with a schema of its own.
macro_rules! shown_names {
    ($($kind:ty => $name:literal, $doc:literal;)+) => { $(
        impl Shown for $kind {
            const SHAPE: Shape = Shape::Names(&Names {
                name: $name,
                doc: $doc,
                all: || <$kind>::ALL.iter().map(|one| one.as_str()).collect(),
            });

            fn write(&self, out: &mut Vec<u8>) {
                write_plain(self.as_str(), out);
            }
        }
    )+ };
}

shown_names! {
    Brand => "Brand", "A card scheme.";
    CardKind => "CardKind", "What the number of a card is: that of the card, or one that its network gave the merchant in the place of it.";
    CardType => "CardType", "How the holder pays for what the card buys.";
    TransactionStatus => "Status", "Where a transaction stands.";
    WebhookObject => "WebhookObject", "What a webhook tells of.";
    CheckoutStatus => "CheckoutStatus", "Where a checkout stands.";
    CheckoutPurpose => "CheckoutPurpose", "What a checkout does with the shopper's card.";
    DeliveryStatus => "DeliveryStatus", "Where a delivery of a webhook stands.";
    DeliveryFault => "DeliveryFault", "Why an attempt to deliver a webhook came to nothing.";
    RefundStatus => "RefundStatus", "Where a refund stands.";
    CvvResult => "CvvResult", "What the issuer said of the CVV: 0 nothing, 1 it is right, 2 it is not, 3 it was not looked at.";
    RecurringType => "RecurringType", "Where a transaction stands in a series.";
    Role => "Role", "What an API key may do.";
    Action => "Action", "What was done.";
    RefusalReason => "RefusalReason", "Why a request was refused.";
    ShopperInteraction => "ShopperInteraction", "How the shopper gave the order.";
}

impl Shown for &str {
    const SHAPE: Shape = Shape::Text;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }
}

impl Shown for String {
    const SHAPE: Shape = Shape::Text;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }
}

impl Shown for bool {
    const SHAPE: Shape = Shape::Bool;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl<const MIN: u64, const MAX: u64> Shown for Number<MIN, MAX> {
    const SHAPE: Shape = Shape::Integer { min: MIN, max: MAX };

    fn write(&self, out: &mut Vec<u8>) {
        print(self.0, out);
    }
}

impl Shown for Amount {
    const SHAPE: Shape = Shape::Integer { min: 0, max: AMOUNT_MAX as u64 };

    fn write(&self, out: &mut Vec<u8>) {
        print(self.minor_units(), out);
    }
}

impl Shown for Month {
    const SHAPE: Shape = Shape::Month;

    fn write(&self, out: &mut Vec<u8>) {
        write_two_digits(self.0.into(), out);
    }
}

impl Shown for Year {
    const SHAPE: Shape = Shape::Year;

    fn write(&self, out: &mut Vec<u8>) {
        write_two_digits(self.0 % 100, out);
    }
}

impl Shown for MaskedNumber {
    const SHAPE: Shape = Shape::Pattern("^([0-9]{6})?\\*{6}[0-9]{4}$", "411111******1111");

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        if let Some(bin) = &self.bin {
            out.extend_from_slice(bin.as_bytes());
        }
        out.extend_from_slice(b"******");
        out.extend_from_slice(self.last_four.as_bytes());
        out.push(b'"');
    }
}

impl<V: Shown> Shown for &[V] {
    const SHAPE: Shape = Shape::List(&V::SHAPE);

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, value) in self.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            value.write(out);
        }
        out.push(b']');
    }
}

impl Shown for &[(String, String)] {
    const SHAPE: Shape = Shape::Texts;

    fn write(&self, out: &mut Vec<u8>) {
        write_texts(self.iter().map(|(name, text)| (name.as_str(), text.as_str())), out);
    }
}

impl Shown for Flattened<'_> {
    const SHAPE: Shape = Shape::Texts;

    fn write(&self, out: &mut Vec<u8>) {
        write_texts(self.texts(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: impl Shown) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_json() {
        assert_eq!(shown(Id::from_bytes([0x1f; 12])), format!("\"{}\"", "1f".repeat(12)));
        assert_eq!(shown(Timestamp::from_unix_millis(5)), "\"1970-01-01T00:00:00.005Z\"");
        assert_eq!(shown(Brand::Visa), format!("\"{}\"", Brand::Visa));
        assert_eq!(
            (shown(Month(7)), shown(Year(2031)), shown(Year(2000))),
            ("\"07\"".into(), "\"31\"".into(), "\"00\"".into())
        );
        assert_eq!((shown("a\"\n"), shown("é")), ("\"a\\\"\\n\"".into(), "\"é\"".into()));
        assert_eq!((shown(&[true, false][..]), shown(&[""; 0][..])), ("[true,false]".into(), "[]".into()));
        assert_eq!((shown(true), shown(Number::<0, 9>(7))), ("true".into(), "7".into()));
        let last_four = LastFour::from_digits(*b"1111").unwrap();
        assert_eq!(shown(MaskedNumber { bin: None, last_four }), "\"******1111\"");
        let bin = Bin::from_digits(*b"411111");
        assert_eq!(shown(MaskedNumber { bin, last_four }), "\"411111******1111\"");
    }

    #[test]
    fn texts_of_an_object_are_written_without_its_name() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let row = [pair("a.b", "1"), pair("aa.b", "2"), pair("a.\"", "\\"), pair("a", "3")];
        assert_eq!(Flattened::of(&row, "a").map(shown), Some(r#"{"b":"1","\"":"\\"}"#.to_owned()));
        assert!(Flattened::of(&row, "b").is_none());
        assert_eq!(shown(&row[..1]), r#"{"a.b":"1"}"#);
    }
}

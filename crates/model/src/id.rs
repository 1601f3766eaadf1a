use core::fmt;

use crate::Timestamp;

/// A name of an object: 12 bytes, shown as 24 lowercase hexadecimal digits.
///
/// 32 bits of Unix seconds, 10 bits of milliseconds within the second, 54 random bits; big-endian, so that ids made later
/// sort later, stores append and lists are newest first. An id is a name and never a right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 12]);

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdFault;

/// Random bits of an id.
const RANDOM_BITS: u32 = 54;

impl Id {
    /// Makes an id for `now` from eight random bytes, of which 54 bits are used.
    pub fn make(now: Timestamp, random: [u8; 8]) -> Self {
        let mut bytes = [0; 12];
        let (head, tail) = bytes.split_at_mut(4);
        // Unix seconds fit 32 bits until the year 2106; after that the time part starts again at 0.
        let seconds = u32::try_from(now.unix_seconds() & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        head.copy_from_slice(&seconds.to_be_bytes());
        let millis = now.unix_millis() % 1000;
        let rest = millis << RANDOM_BITS | (u64::from_be_bytes(random) & ((1 << RANDOM_BITS) - 1));
        tail.copy_from_slice(&rest.to_be_bytes());
        Self(bytes)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// As it is shown, in ASCII: every answer shows several, and formatting costs more.
    pub fn digits(&self) -> [u8; 24] {
        hex(&self.0)
    }

    /// When it was made, if a vault made it.
    pub fn made_at(&self) -> Timestamp {
        let [seconds @ .., millis, more, _, _, _, _, _, _] = self.0;
        let millis = (u64::from(millis) << 8 | u64::from(more)) >> 6;
        Timestamp::from_unix_millis(u64::from(u32::from_be_bytes(seconds)) * 1000 + millis)
    }

    /// Reads exactly 24 lowercase hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, IdFault> {
        let digits: &[u8; 24] = text.as_bytes().try_into().map_err(|_| IdFault)?;
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let [high, low] = *pair;
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, IdFault> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(IdFault),
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Bytes in lowercase hexadecimal digits, two each.
pub(crate) fn hex<const TEXT: usize>(bytes: &[u8]) -> [u8; TEXT] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().unwrap_or(b'0');
    let mut text = [b'0'; TEXT];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! typed_id {
    ($($(#[$meta:meta])* $name:ident)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Id);

        impl $name {
            /// Makes an id for `now` from eight random bytes.
            pub fn make(now: Timestamp, random: [u8; 8]) -> Self {
                Self(Id::make(now, random))
            }

            /// Reads exactly 24 lowercase hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, IdFault> {
                Id::parse(text).map(Self)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 12] {
                self.0.as_bytes()
            }

            /// As it is shown, in ASCII.
            pub fn digits(&self) -> [u8; 24] {
                self.0.digits()
            }

            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 12]) -> Self {
                Self(Id::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+ };
}

typed_id! {
    /// Names a card: this is the token.
    CardId
    /// Names an organisation.
    OrganisationId
    /// Names an account.
    AccountId
    /// Names a processor.
    ProcessorId
    /// Names a transaction.
    TransactionId
    /// Names a refund.
    RefundId
    /// Names a customer.
    CustomerId
    /// Names a delivery of a webhook.
    DeliveryId
    /// Names a checkout.
    CheckoutId
    /// Names an API key; it is not the key.
    ApiKeyId
    /// Names a vault: one data directory or one database.
    VaultId
    /// Names one HTTP request, for logs and audit records.
    RequestId
    /// Names a node: a process that serves a vault. Of a vault in one directory, the one who writes its log.
    NodeId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        let id = CardId::make(Timestamp::from_unix_millis(0x010_2030_4000), [0xab; 8]);
        assert_eq!(CardId::parse(&id.to_string()), Ok(id));
        assert_eq!(Id::from_bytes([0xf7; 12]).to_string(), "f7".repeat(12));
    }

    #[test]
    fn later_ids_sort_later() {
        let at = |millis, random| Id::make(Timestamp::from_unix_millis(millis), [random; 8]);
        assert!(at(1_000_000, 0xff) < at(1_000_001, 0) && at(1_000_999, 0xff) < at(1_001_000, 0));
        assert_eq!(at(0x0102_0304 * 1000 + 999, 0xff).to_string(), "01020304f9ffffffffffffff");
        let early = Id::make(Timestamp::from_unix_millis(1_000_000), [0xff; 8]);
        let late = Id::make(Timestamp::from_unix_millis(1_001_000), [0; 8]);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn says_when_it_was_made() {
        for millis in [0, 999, 1_000_001, 0x0102_0304 * 1000 + 999, u64::from(u32::MAX) * 1000 + 998] {
            let at = Timestamp::from_unix_millis(millis);
            assert_eq!((Id::make(at, [0; 8]).made_at(), Id::make(at, [0xff; 8]).made_at()), (at, at));
        }
    }

    #[test]
    fn refuses_other_shapes() {
        for text in [
            "",
            "f7",
            &"F7".repeat(12),
            &"g0".repeat(12),
            &"f7".repeat(13),
            &"f".repeat(23),
            "４１１１１１１１",
        ] {
            assert_eq!(Id::parse(text), Err(IdFault), "{text}");
        }
    }
}

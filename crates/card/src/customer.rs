//! Personal details of a customer: sealed like a card number, shown to whoever may see the customer, and nowhere else.
//!
//! | block | bytes | what |
//! | --- | --- | --- |
//! | customer | 0 | format, 1 |
//! | | for each detail, in the order of the numbers: 1 | its number |
//! | | 2 | how many bytes it has, big-endian |
//! | | as many | UTF-8 |
//! | | the rest | zeroes, up to a multiple of 256 |

use core::marker::PhantomData;

use panvault_model::CustomerDetail;
use zeroize::Zeroizing;

use crate::block::BlockFault;
use crate::limits::{CUSTOMER_BLOCK_STEP_BYTES, CUSTOMER_TEXT_BYTES_MAX};
use crate::text::holds_card_number;

/// What is known of a customer. Wiped when it goes, and not `Send`, so that it cannot be held across a wait.
pub struct CustomerDetails {
    texts: Vec<(CustomerDetail, Zeroizing<String>)>,
    _one_step: PhantomData<*const ()>,
}

/// Details of a customer, packed. Wiped when it goes, and not `Send`.
pub struct CustomerBlock(Zeroizing<Vec<u8>>, PhantomData<*const ()>);

const FORMAT: u8 = 1;
/// Bytes before the text of a detail.
const HEAD_BYTES: usize = 3;

impl CustomerDetails {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { texts: Vec::new(), _one_step: PhantomData }
    }

    /// Takes up a detail; an earlier one of the same name goes. Its text is at most [`CUSTOMER_TEXT_BYTES_MAX`] bytes, of which the parser
    /// sees to it; of a longer one nothing is kept.
    pub fn put(&mut self, detail: CustomerDetail, text: &str) {
        if text.len() > CUSTOMER_TEXT_BYTES_MAX {
            return;
        }
        let text = Zeroizing::new(text.to_owned());
        match self.texts.binary_search_by_key(&detail.code(), |(known, _)| known.code()) {
            Ok(at) => {
                if let Some(slot) = self.texts.get_mut(at) {
                    slot.1 = text;
                }
            }
            Err(at) => self.texts.insert(at, (detail, text)),
        }
    }

    /// In a change: the detail is to end.
    pub fn end(&mut self, detail: CustomerDetail) {
        self.put(detail, "");
    }

    /// These details with a change: what it does not name stays, and what has an empty text in it ends.
    #[must_use]
    pub fn changed_by(mut self, change: &Self) -> Self {
        change.texts.iter().for_each(|(detail, text)| self.put(*detail, text));
        self.texts.retain(|(_, text)| !text.is_empty());
        self
    }

    /// The text of a detail: for the answer to whoever may see the customer, and for its digest.
    pub fn expose_text(&self, detail: CustomerDetail) -> Option<&str> {
        let at = self.texts.binary_search_by_key(&detail.code(), |(known, _)| known.code()).ok()?;
        self.texts.get(at).map(|(_, text)| text.as_str())
    }

    /// The e-mail address as customers are found by it.
    pub fn email(&self) -> Option<EmailAddress> {
        self.expose_text(CustomerDetail::EmailAddress).map(EmailAddress::normalised)
    }

    /// Packs the details, in as many bytes as many others have.
    pub fn pack(&self) -> CustomerBlock {
        let bytes = 1 + self.texts.iter().map(|(_, text)| HEAD_BYTES + text.len()).sum::<usize>();
        let bytes = bytes.next_multiple_of(CUSTOMER_BLOCK_STEP_BYTES);
        // As long as it will be, so that it is never moved and left behind.
        let mut block = Zeroizing::new(Vec::with_capacity(bytes));
        block.push(FORMAT);
        for (detail, text) in &self.texts {
            let [high, low] = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
            block.extend_from_slice(&[detail.code(), high, low]);
            block.extend_from_slice(text.as_bytes());
        }
        block.resize(bytes, 0);
        CustomerBlock(block, PhantomData)
    }
}

impl Default for CustomerDetails {
    fn default() -> Self {
        Self::new()
    }
}

impl CustomerBlock {
    /// A block of zeroes, to open into.
    pub fn zeroes(bytes: usize) -> Self {
        Self(Zeroizing::new(vec![0; bytes]), PhantomData)
    }

    /// Reads what was packed.
    pub fn unpack(&self) -> Result<CustomerDetails, BlockFault> {
        let (format, mut rest) = self.0.split_first().ok_or(BlockFault)?;
        if *format != FORMAT {
            return Err(BlockFault);
        }
        let mut details = CustomerDetails::new();
        while let Some(([code, high, low], behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
            if *code == 0 {
                break;
            }
            let detail = CustomerDetail::from_code(*code).ok_or(BlockFault)?;
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let (text, behind) = behind.split_at_checked(len).ok_or(BlockFault)?;
            let is_next = details.texts.last().is_none_or(|(last, _)| last.code() < *code);
            if !is_next || len > CUSTOMER_TEXT_BYTES_MAX {
                return Err(BlockFault);
            }
            details.put(detail, core::str::from_utf8(text).map_err(|_| BlockFault)?);
            rest = behind;
        }
        if rest.iter().all(|byte| *byte == 0) { Ok(details) } else { Err(BlockFault) }
    }

    /// The plaintext, to be sealed.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The plaintext, to be opened into.
    pub fn expose_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// An e-mail address as customers are found by it: without space around it, in small letters. Wiped when it goes, and not `Send`.
pub struct EmailAddress {
    text: Zeroizing<String>,
    _one_step: PhantomData<*const ()>,
}

/// Why a text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailFault {
    /// It is not of that form.
    #[error("must be an e-mail address of at most {CUSTOMER_TEXT_BYTES_MAX} bytes")]
    Form,
    /// It holds a card number.
    #[error("looks like it holds a card number")]
    CardNumber,
}

impl EmailAddress {
    /// Reads an address: something, one `@`, something, and neither space nor control characters in it. Which of these there are, only a
    /// message to it tells.
    pub fn parse(text: &str) -> Result<Self, EmailFault> {
        if holds_card_number(text) {
            return Err(EmailFault::CardNumber);
        }
        let text = text.trim();
        let is_whole = text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
        let is_plain = !text.chars().any(|sign| sign.is_whitespace() || sign.is_control());
        if is_whole && is_plain && text.len() <= CUSTOMER_TEXT_BYTES_MAX {
            Ok(Self::normalised(text))
        } else {
            Err(EmailFault::Form)
        }
    }

    fn normalised(text: &str) -> Self {
        Self { text: Zeroizing::new(text.trim().to_lowercase()), _one_step: PhantomData }
    }

    /// The address, for its digest.
    pub fn expose_text(&self) -> &str {
        &self.text
    }
}

/// Whether a text is a day of the calendar, `YYYY-MM-DD`.
pub fn is_date(text: &str) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return false };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
        })
    };
    let (Some(year), Some(month), Some(day)) =
        (number(&[*y1, *y2, *y3, *y4]), number(&[*m1, *m2]), number(&[*d1, *d2]))
    else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(texts: &[(CustomerDetail, &str)]) -> CustomerDetails {
        let mut details = CustomerDetails::new();
        texts.iter().for_each(|(detail, text)| details.put(*detail, text));
        details
    }

    #[test]
    fn a_block_has_these_bytes() {
        let packed = details(&[(CustomerDetail::City, "Oś"), (CustomerDetail::Title, "ms")]).pack();
        let mut expected = vec![1, 3, 0, 2, b'm', b's', 14, 0, 3, b'O', 0xc5, 0x9b];
        expected.resize(256, 0);
        assert_eq!(packed.expose_bytes(), expected);
    }

    #[test]
    fn blocks_open_to_what_was_packed_and_grow_in_steps() {
        let long = "a".repeat(CUSTOMER_TEXT_BYTES_MAX);
        let all: Vec<_> = CustomerDetail::ALL.iter().map(|detail| (*detail, long.as_str())).collect();
        let lengths = [(0, 256), (1, 512), (2, 768), (CustomerDetail::ALL.len(), 6656)];
        for (count, bytes) in lengths {
            let packed = details(&all[..count]).pack();
            assert_eq!(packed.expose_bytes().len(), bytes, "{count}");
            let read = packed.unpack().unwrap();
            for (at, (detail, text)) in all.iter().enumerate() {
                assert_eq!(read.expose_text(*detail), (at < count).then_some(*text));
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(CustomerBlock::zeroes(0).unpack().is_err());
        assert!(CustomerBlock::zeroes(256).unpack().is_err());
        let good = details(&[(CustomerDetail::Title, "ms"), (CustomerDetail::City, "Oslo")]);
        // Another format, no such detail, one that is longer than the block, one twice, no UTF-8, something behind the last.
        for (at, byte) in [(0, 2), (1, 0xff), (2, 0xff), (6, 3), (4, 0xff), (255, 1)] {
            let mut block = good.pack();
            block.expose_bytes_mut()[at] = byte;
            assert!(block.unpack().is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = details(&[
            (CustomerDetail::Title, "ms"),
            (CustomerDetail::City, "Oslo"),
            (CustomerDetail::Region, "Oslo"),
        ]);
        let mut change = details(&[(CustomerDetail::City, "Bergen"), (CustomerDetail::Gender, "female")]);
        change.end(CustomerDetail::Region);
        change.end(CustomerDetail::Phone);
        let after = before.changed_by(&change.pack().unpack().unwrap());
        let read = [
            CustomerDetail::Title,
            CustomerDetail::City,
            CustomerDetail::Gender,
            CustomerDetail::Region,
            CustomerDetail::Phone,
        ]
        .map(|detail| after.expose_text(detail));
        assert_eq!(read, [Some("ms"), Some("Bergen"), Some("female"), None, None]);
    }

    #[test]
    fn one_address_is_found_however_it_is_written() {
        for text in ["Ann.Lee@Shop.Example", " ann.lee@shop.example ", "ANN.LEE@SHOP.EXAMPLE"] {
            let email = EmailAddress::parse(text).ok().map(|email| email.expose_text().to_owned());
            assert_eq!(email.as_deref(), Some("ann.lee@shop.example"), "{text}");
        }
        let longest = format!("{}@example.com", "a".repeat(CUSTOMER_TEXT_BYTES_MAX - 12));
        assert!(EmailAddress::parse(&longest).is_ok());
        let longer = format!("a{longest}");
        for text in ["", "@", "a@", "@b", "a b@c", "a@b@c", "ann", "a@b\n c", longer.as_str()] {
            assert_eq!(EmailAddress::parse(text).err(), Some(EmailFault::Form), "{text:?}");
        }
        assert_eq!(EmailAddress::parse("4111111111111111@b.c").err(), Some(EmailFault::CardNumber));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for text in ["1970-01-31", "2000-02-29", "2024-02-29", "1999-12-31", "0001-04-30"] {
            assert!(is_date(text), "{text}");
        }
        for text in [
            "1900-02-29",
            "2023-02-29",
            "2024-04-31",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "0000-01-01",
            "24-01-01",
            "2024/01/01",
            "2024-1-01",
            "+024-01-01",
            "",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }
}

use panvault_card::{Cvv, NewCard, Pan};
use panvault_model::{CardKind, Expiry, Timestamp};

/// Numbers that there are: nine digits differ.
pub(crate) const NUMBERS: u64 = 1_000_000_000;

/// A number of sixteen digits from the test table's issuer 400000, with its check digit; the same for the same `number`.
pub(crate) fn card_number(number: u64) -> String {
    let head = format!("400000{:09}", number % NUMBERS);
    // ISO/IEC 7812-1 annex B: every second digit from the right of the head counts double.
    let sum: u32 = head
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    format!("{head}{}", (10 - sum % 10) % 10)
}

/// Reads a card as a request would bring it. It holds plaintext, so it lives between two awaits.
pub(crate) fn parse(number: &str, cvv: Option<&str>, year: &str, now: Timestamp) -> Option<NewCard> {
    let pan = Pan::parse(number).ok()?;
    let cvv = match cvv {
        Some(cvv) => Some(Cvv::parse(cvv, pan.brand()).ok()?),
        None => None,
    };
    let expiry = Expiry::parse("12", year).and_then(|expiry| expiry.in_future(now)).ok()?;
    Some(NewCard { pan, kind: CardKind::Card, expiry, cvv, holder: None })
}

/// An expiry year that is still to come.
pub(crate) fn expiry_year(now: Timestamp) -> String {
    let (year, _) = now.year_month();
    (year + 2).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_have_their_check_digit() {
        assert_eq!(card_number(0), "4000000000000002");
        for number in [1, 9, 10, 123_456_789, NUMBERS - 1] {
            assert!(Pan::parse(&card_number(number)).is_ok(), "{number}");
        }
        assert_ne!(card_number(1), card_number(2));
    }
}

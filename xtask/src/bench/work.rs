use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dev_vault::DevVault;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// `GET /livez`: the same listener, parser and router, answering a constant. The floor that all else is held against.
    Floor,
    /// `POST /v1/card`, a number never sent before, without a CVV.
    Create,
    /// `GET /v1/card/{id}`, any card that was made so far.
    Read,
}

/// Cards of this run.
#[derive(Default)]
pub(super) struct Cards {
    next: AtomicU64,
    ids: Mutex<Arc<Vec<String>>>,
}

impl Work {
    /// In the order of a round: a card is made before one is read.
    pub(super) const ALL: [Self; 3] = [Self::Floor, Self::Create, Self::Read];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "GET /livez",
            Self::Create => "POST /v1/card",
            Self::Read => "GET /v1/card/{id}",
        }
    }

    /// The status of success.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Floor | Self::Read => 200,
            Self::Create => 201,
        }
    }

    /// The next request of this kind. Reads are of the cards in `known`.
    pub(super) fn request(self, vault: &DevVault, cards: &Cards, known: &[String]) -> String {
        let host = vault.authority();
        let key = &vault.api_key;
        match self {
            Self::Floor => format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nx-apikey: {key}\r\n\r\n"),
            Self::Read => {
                let id = cards.any(known);
                format!("GET /v1/card/{id} HTTP/1.1\r\nhost: {host}\r\nx-apikey: {key}\r\n\r\n")
            }
            Self::Create => {
                let body = format!(
                    r#"{{"card_number":"{}","expiry_month":"12","expiry_year":"35","organisation":"{}"}}"#,
                    card_number(cards.next.fetch_add(1, Ordering::Relaxed)),
                    vault.organisation
                );
                format!(
                    "POST /v1/card HTTP/1.1\r\nhost: {host}\r\nx-apikey: {key}\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
        }
    }
}

impl Cards {
    /// Adds the ids of cards that were made.
    pub(super) fn add(&self, ids: Vec<String>) {
        Arc::make_mut(&mut self.lock()).extend(ids);
    }

    /// Those that were made so far.
    pub(super) fn known(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.lock())
    }

    /// One of these; they are taken in turns, far apart.
    fn any<'a>(&self, known: &'a [String]) -> &'a str {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let turn = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP) >> 11;
        let at = usize::try_from(turn).unwrap_or_default().checked_rem(known.len());
        at.and_then(|at| known.get(at)).map_or("", String::as_str)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Vec<String>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A card number of 16 digits with its check digit, different for every `number` below 10^9.
fn card_number(number: u64) -> String {
    let head = format!("400000{:09}", number % 1_000_000_000);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_have_their_check_digit() {
        assert_eq!(card_number(0), "4000000000000002");
        assert_eq!(card_number(0).len(), 16);
        assert_ne!(card_number(1), card_number(2));
    }

    #[test]
    fn cards_are_taken_in_turns() {
        let cards = Cards::default();
        assert_eq!(cards.any(&cards.known()), "");
        cards.add(vec!["a".to_owned(), "b".to_owned()]);
        let known = cards.known();
        let taken: Vec<&str> = (0..50).map(|_| cards.any(&known)).collect();
        assert!(taken.contains(&"a") && taken.contains(&"b"));
    }
}

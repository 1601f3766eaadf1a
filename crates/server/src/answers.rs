//! Long answers under way: how many bytes of them are held at a time, in all and for one organisation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use panvault_model::OrganisationId;

/// The long answers under way.
pub(crate) struct Answers {
    bytes_max: usize,
    held: Mutex<HashMap<OrganisationId, usize>>,
}

/// As many are held as may be, or as one organisation may have.
#[derive(Debug)]
pub(crate) struct Full;

impl Answers {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, held: Mutex::default() })
    }

    /// Holds an answer until all of it has been taken from here, or its connection ends. One organisation gets half of the room at most, so
    /// that its readers keep nobody else's waiting.
    pub(crate) fn hold(self: &Arc<Self>, organisation: OrganisationId, bytes: Bytes) -> Result<Bytes, Full> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.values().fold(bytes.len(), |sum, bytes| sum.saturating_add(*bytes));
        let own = held.get(&organisation).copied().unwrap_or(0).saturating_add(bytes.len());
        if all > self.bytes_max || own > self.bytes_max / 2 {
            return Err(Full);
        }
        held.insert(organisation, own);
        drop(held);
        Ok(Bytes::from_owner(Held { bytes, organisation, answers: Arc::clone(self) }))
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// An answer that is held, for as long as any part of it is.
struct Held {
    bytes: Bytes,
    organisation: OrganisationId,
    answers: Arc<Answers>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.answers.held.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = held.get(&self.organisation).copied().unwrap_or(0).saturating_sub(self.bytes.len());
        // Only who has something is kept.
        if rest == 0 {
            held.remove(&self.organisation);
        } else {
            held.insert(self.organisation, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u8) -> OrganisationId {
        OrganisationId::from_bytes([number; 12])
    }

    fn answer(bytes: usize) -> Bytes {
        vec![7; bytes].into()
    }

    #[test]
    fn so_much_is_held_in_all_and_half_for_one() {
        let answers = Answers::new(100);
        let first = answers.hold(of(1), answer(30)).unwrap();
        let second = answers.hold(of(1), answer(20)).unwrap();
        assert!(answers.hold(of(1), answer(1)).is_err(), "it has half");
        let third = answers.hold(of(2), answer(30)).unwrap();
        let fourth = answers.hold(of(3), answer(20)).unwrap();
        assert!(answers.hold(of(4), answer(1)).is_err(), "all is held");
        assert_eq!(answers.bytes(), 100);
        // A part of one holds all of it.
        let part = first.slice(29..);
        drop(first);
        assert!(answers.hold(of(4), answer(1)).is_err());
        drop(part);
        assert_eq!(answers.hold(of(4), answer(30)).unwrap(), answer(30));
        drop((second, third, fourth));
        assert_eq!(answers.bytes(), 0);
        assert!(answers.held.lock().unwrap().is_empty(), "nobody who has nothing is kept");
    }
}

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
        self.reserve(organisation, bytes.len())?.hold(bytes)
    }

    /// Takes room for an answer that is to be made.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        organisation: OrganisationId,
        bytes: usize,
    ) -> Result<Reserved, Full> {
        self.change(organisation, 0, bytes)?;
        let bytes = (bytes, Bytes::new());
        Ok(Reserved(Held { bytes, organisation, answers: Arc::clone(self) }))
    }

    /// So many bytes of an organisation's take the place of so many. There is always room for fewer.
    fn change(&self, organisation: OrganisationId, before: usize, after: usize) -> Result<(), Full> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |bytes: usize| bytes.saturating_sub(before).saturating_add(after);
        let all = changed(held.values().fold(0, |sum, bytes| sum.saturating_add(*bytes)));
        let own = changed(held.get(&organisation).copied().unwrap_or(0));
        if after > before && (all > self.bytes_max || own > self.bytes_max / 2) {
            return Err(Full);
        }
        // Only who has something is kept.
        if own == 0 {
            held.remove(&organisation);
        } else {
            held.insert(organisation, own);
        }
        Ok(())
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// Room that was taken before there is an answer for it, and is free when this goes.
pub(crate) struct Reserved(Held);

impl Reserved {
    /// Holds an answer in this room, which becomes as large as that; where it would be larger, there must be room for it.
    pub(crate) fn hold(mut self, bytes: Bytes) -> Result<Bytes, Full> {
        let held = &mut self.0;
        held.answers.change(held.organisation, held.bytes.0, bytes.len())?;
        held.bytes = (bytes.len(), bytes);
        Ok(Bytes::from_owner(self.0))
    }
}

/// An answer that is held, for as long as any part of it is; first how many bytes are counted for it.
struct Held {
    bytes: (usize, Bytes),
    organisation: OrganisationId,
    answers: Arc<Answers>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes.1
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.answers.change(self.organisation, self.bytes.0, 0));
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
        // What is taken before is what is held then, more or less.
        let room = answers.reserve(of(1), 40).unwrap();
        assert_eq!(answers.bytes(), 40);
        let less = room.hold(answer(10)).unwrap();
        let room = answers.reserve(of(1), 10).unwrap();
        let more = room.hold(answer(40)).unwrap();
        assert_eq!((answers.bytes(), more.len()), (50, 40));
        assert!(answers.reserve(of(1), 1).is_err() && answers.reserve(of(1), 0).is_ok());
        drop(less);
        assert!(answers.reserve(of(1), 5).unwrap().hold(answer(11)).is_err());
        assert_eq!(answers.bytes(), 40, "room for what cannot be held is free");
        drop(more);
        assert_eq!(answers.bytes(), 0);
        assert!(answers.held.lock().unwrap().is_empty(), "nobody who has nothing is kept");
    }
}

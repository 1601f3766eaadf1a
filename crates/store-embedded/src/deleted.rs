//! What was deleted, as far as it is still in the log.

use core::time::Duration;
use std::time::Instant;

use panvault_store::{Action, AuditNote, DocumentKind, Effect, Effects, Row, RowKey};

/// What was deleted and is still in a segment of the log, or in SQLite's.
pub(crate) struct Deleted {
    /// The last segment that has it, and since when something is to go.
    last: Option<(u64, Instant)>,
    /// The last segment with what is on its way out, and since when there may be more that is not.
    going: Option<(u64, Instant)>,
    time_max: Duration,
}

impl Deleted {
    /// What a start has found in the log.
    pub(crate) fn found(segment: Option<u64>, time_max: Duration) -> Self {
        let mut deleted = Self { last: None, going: None, time_max };
        segment.into_iter().for_each(|segment| deleted.note(segment));
        deleted
    }

    pub(crate) fn note(&mut self, segment: u64) {
        let since = self.last.map_or_else(now, |(_, since)| since);
        self.last = Some((segment, since));
    }

    /// Whether it is in this segment, or a later one.
    pub(crate) fn is_in(&self, segment: u64) -> bool {
        self.last.is_some_and(|(last, _)| last >= segment)
    }

    /// Has what has been there for too long go, and says whether that takes a new segment. Once that is there it takes no other until it has
    /// gone: what is deleted meanwhile would take one for each batch.
    pub(crate) fn begins_to_go(&mut self, segment: u64) -> bool {
        if self.going.is_none() {
            let is_overdue = |since: &Instant| since.elapsed() >= self.time_max;
            self.going = self.last.filter(|(_, since)| is_overdue(since)).map(|(last, _)| (last, now()));
        }
        self.going.is_some_and(|(last, _)| last >= segment)
    }

    /// Whether what is to go is in earlier segments only.
    pub(crate) fn can_go(&self, segment: u64) -> bool {
        self.going.is_some_and(|(last, _)| last < segment)
    }

    /// The view has all before this segment, and SQLite's log is empty.
    pub(crate) fn left(&mut self, segment: u64) {
        if !self.is_in(segment) {
            (self.last, self.going) = (None, None);
        } else if self.can_go(segment) {
            let since = self.going.take().map(|(_, since)| since);
            self.last = self.last.zip(since).map(|((last, _), since)| (last, since));
        }
    }
}

/// What time is measured with that nobody is told.
#[expect(
    clippy::disallowed_methods,
    reason = "no request sees it: how long something stays on the disk is not told by their clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What a commit ended of what earlier ones have, so that these must leave the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Nothing,
    /// Cards or details of customers: they go when the log gives them up.
    Rows,
    /// Keys, which were wrapped in earlier commits: they go from what is kept for backups too.
    Keys,
}

/// What the steps of a commit ended.
pub(crate) fn ended(notes: &[AuditNote], effects: &[Effects]) -> Ended {
    let destroys = |note: &AuditNote| matches!(note.action, Action::KeyDestroy | Action::VaultKeyDestroy);
    let mut effects = effects.iter().flatten();
    if notes.iter().any(destroys) || effects.clone().any(is_delete_of_key) {
        Ended::Keys
    } else if effects.any(is_delete) {
        Ended::Rows
    } else {
        Ended::Nothing
    }
}

/// Whether ciphertext in the log has to go with it: that of what is deleted, and of a customer whose details were sealed anew, of which one
/// may have ended.
fn is_delete(effect: &Effect) -> bool {
    match effect {
        Effect::Delete(key) => matches!(key, RowKey::Card(_) | RowKey::Customer(_)),
        Effect::Put(Row::Customer(row)) => row.version > 1 && row.sealed_version == row.version,
        Effect::Put(_) | Effect::Retag(_) => false,
    }
}

/// Whether it takes away a wrapped key, as the deletion of an organisation does.
const fn is_delete_of_key(effect: &Effect) -> bool {
    matches!(effect, Effect::Delete(RowKey::Document(DocumentKind::OrganisationKey, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a deletion in every batch for longer than one may stay, each began another segment: what was overdue seemed to be in it. None was given up
    /// before SQLite's log was long.
    #[test]
    fn deletions_without_end_take_one_segment_until_the_first_have_gone() {
        let mut deleted = Deleted::found(None, Duration::ZERO);
        let mut segment = 7;
        assert!(!deleted.begins_to_go(segment) && !deleted.can_go(segment));
        deleted.note(segment);
        assert!(deleted.begins_to_go(segment) && !deleted.can_go(segment));
        assert!(deleted.begins_to_go(segment), "there was no room for another: it is asked for again");
        segment += 1;
        for _ in 0..100 {
            deleted.note(segment);
            assert!(!deleted.begins_to_go(segment) && deleted.can_go(segment));
        }
        deleted.left(segment);
        assert!(!deleted.can_go(segment) && deleted.is_in(segment), "the later ones stay");
        assert!(deleted.begins_to_go(segment), "and have their own time");
        segment += 1;
        assert!(deleted.can_go(segment));
        deleted.left(segment);
        assert!(!deleted.is_in(segment) && !deleted.begins_to_go(segment) && !deleted.can_go(segment));
    }
}

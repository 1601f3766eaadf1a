//! A lease, as its own node measures it and as others do.

use panvault_model::{Now, Timestamp};
use panvault_store::NodeRow;

use crate::limits::{
    CALENDAR_SECONDS_MAX, DUTY_SECONDS, LEASE_MARGIN_SECONDS, LEASE_SECONDS, LEASE_SKEW_SECONDS,
    PROCESSOR_SECONDS_MAX,
};

/// Seconds of lease that must be left when the first byte leaves.
const SEND_SECONDS: u64 = PROCESSOR_SECONDS_MAX + LEASE_MARGIN_SECONDS;

/// A node's own lease. It counts from before its row was written, so that it ends here no later than others can see.
///
/// Both clocks bind. The one that never goes back is what counts; but where a machine sleeps it may stand still, and the calendar
/// then shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Version of the node's row.
    pub(super) version: u32,
    /// Goes up when the lease had run out before it was renewed: others may have taken over what was in hand then, so that it is not
    /// sent any more.
    pub(super) term: u64,
    until: Now,
}

impl Lease {
    /// The lease after a row that was `asked` to be written is durable, which was seen at `done`. `anew`: the row before it was gone.
    pub(super) fn after(before: Option<Self>, version: u32, asked: Now, done: Now, anew: bool) -> Self {
        // The calendar is only held against itself.
        let until = Now {
            wall: lease_until(asked.wall),
            monotonic_millis: asked.monotonic_millis.saturating_add(LEASE_SECONDS * 1000),
        };
        let goes_on = !anew && before.is_some_and(|before| before.has_left(0, done));
        let term = before.map_or(1, |before| if goes_on { before.term } else { before.term + 1 });
        Self { version, term, until }
    }

    /// Whether more of it is left than a processor may take.
    pub(super) fn covers_a_send(&self, now: Now) -> bool {
        self.has_left(SEND_SECONDS, now)
    }

    /// What is left of it, by the clock that shows less.
    pub(super) fn millis_left(&self, now: Now) -> u64 {
        let monotonic = self.until.monotonic_millis.saturating_sub(now.monotonic_millis);
        monotonic.min(self.until.wall.unix_millis().saturating_sub(now.wall.unix_millis()))
    }

    /// Whether more than so many seconds are left.
    pub(super) fn has_left(&self, seconds: u64, now: Now) -> bool {
        now.monotonic_millis.saturating_add(seconds * 1000) < self.until.monotonic_millis
            && now.wall.plus_seconds(seconds) < self.until.wall
    }
}

/// Until when a lease runs whose row is written at this moment of the clock that all go by.
pub(super) fn lease_until(now: Timestamp) -> Timestamp {
    now.plus_seconds(LEASE_SECONDS)
}

/// Whether a calendar is not that of the clock that all go by.
pub(super) fn is_wrong(own: Timestamp, shared: Timestamp) -> bool {
    own.unix_millis().abs_diff(shared.unix_millis()) > CALENDAR_SECONDS_MAX * 1000
}

/// Whether a node has renewed its lease so lately that it is taken to be there.
pub(crate) fn is_there(row: &NodeRow, now: Timestamp) -> bool {
    now.plus_seconds(LEASE_SECONDS) < row.lease_until.plus_seconds(DUTY_SECONDS)
}

/// Whether the lease of another node has run out, whatever was between the clock that its row was written by and this one: they may be those of
/// two machines, also where it is the database's and another has taken over.
pub(crate) fn has_run_out(row: &NodeRow, now: Timestamp) -> bool {
    row.lease_until.plus_seconds(LEASE_SKEW_SECONDS) <= now
}

#[cfg(test)]
mod tests {
    use panvault_model::{NodeId, Tag};

    use super::*;
    use crate::limits::LEASE_RENEWAL_SECONDS;

    fn at(wall_seconds: u64, monotonic_seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_unix_millis(wall_seconds * 1000),
            monotonic_millis: monotonic_seconds * 1000,
        }
    }

    #[test]
    fn a_lease_outlives_a_renewal_that_did_not_come() {
        let lease = Lease::after(None, 1, at(1000, 10), at(1000, 10), true);
        let late = 2 * LEASE_RENEWAL_SECONDS;
        assert!(lease.covers_a_send(at(1000 + late, 10 + late)));
    }

    #[test]
    fn a_lease_counts_from_before_it_was_written_and_by_both_clocks() {
        let lease = Lease::after(None, 1, at(1000, 10), at(1030, 40), true);
        let last = LEASE_SECONDS - SEND_SECONDS;
        let just_before = |seconds: u64| seconds * 1000 - 1;
        let millis =
            |wall, monotonic_millis| Now { wall: Timestamp::from_unix_millis(wall), monotonic_millis };
        assert!(lease.covers_a_send(millis(just_before(1000 + last), just_before(10 + last))));
        assert!(!lease.covers_a_send(millis(just_before(1000 + last), (10 + last) * 1000)));
        assert!(!lease.covers_a_send(millis((1000 + last) * 1000, just_before(10 + last))));
        assert!(!lease.covers_a_send(at(0, 10 + last)), "a calendar that was set back adds nothing");
    }

    #[test]
    fn a_lease_that_ran_out_begins_another_term() {
        let first = Lease::after(None, 1, at(1000, 10), at(1000, 10), true);
        let end = LEASE_SECONDS;
        let renewed = |wall, monotonic, anew| {
            let now = at(1000 + wall, 10 + monotonic);
            Lease::after(Some(first), 2, now, now, anew).term
        };
        assert_eq!(renewed(end - 1, end - 1, false), first.term);
        assert_eq!(renewed(end, end - 1, false), first.term + 1, "by the calendar");
        assert_eq!(renewed(end - 1, end, false), first.term + 1, "by the clock that never goes back");
        assert_eq!(renewed(1, 1, true), first.term + 1, "somebody has taken its row away");
        let late = Lease::after(Some(first), 2, at(1001, 11), at(1000 + end, 10 + end), false);
        assert_eq!(late.term, first.term + 1, "asked in time, and written too late");
    }

    #[test]
    fn others_wait_longer_than_clocks_can_differ() {
        let row = NodeRow {
            id: NodeId::from_bytes([1; 12]),
            version: 1,
            lease_until: lease_until(at(1000, 0).wall),
            started_at: at(1000, 0).wall,
            part: None,
            tag: Tag::NONE,
        };
        let end = (1000 + LEASE_SECONDS + LEASE_SKEW_SECONDS) * 1000;
        assert!(!has_run_out(&row, Timestamp::from_unix_millis(end - 1)));
        assert!(has_run_out(&row, Timestamp::from_unix_millis(end)));
    }
}

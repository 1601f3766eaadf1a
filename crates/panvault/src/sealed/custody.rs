//! What custodians have brought of what opens a vault, until it is enough or its time is over.

use std::net::IpAddr;

use panvault_keys::{Share, ShareScheme};
use panvault_model::{Now, Timestamp};
use panvault_vault::{Brought, BroughtWhat};

/// Time after which shares are forgotten that nothing was added to.
const FORGOTTEN_MILLIS: u64 = 10 * 60 * 1000;
/// Openings that may fail before the next has to wait.
const FAILURES_FREE: u32 = 5;
/// Seconds of the first wait, which doubles with each that fails, up to the longest.
const WAIT_SECONDS: (u64, u64) = (5, 300);
/// What was brought is remembered for the trail; of more than so much the first.
const REMEMBERED_MAX: usize = 256;

/// A way in which people open a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Passphrase,
    Shares { needed: u8, made: u8, set: u32 },
}

impl Way {
    /// That which a share is part of.
    fn of(share: &Share) -> Self {
        let ShareScheme { needed, made, set } = share.scheme();
        Self::Shares { needed, made, set }
    }

    /// In words.
    pub(super) fn said(self) -> String {
        match self {
            Self::Passphrase => "a passphrase".to_owned(),
            Self::Shares { needed, made, set } => format!("{needed} of {made} shares (set {set:08x})"),
        }
    }
}

/// Why something that was brought is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    #[error("that share was given already: the next custodian's is wanted")]
    Repeated,
    #[error(
        "shares of another set (set {set:08x}) were given before: give one of that set, or forget them with panvault unseal --reset"
    )]
    Mixed { set: u32 },
    #[error(
        "that share is of no set that opens this vault now (it is of set {set:08x}): it is another vault's, or was made before the shares were made anew"
    )]
    Foreign { set: u32 },
    #[error("too much was brought that did not open the vault: wait {seconds} seconds")]
    Wait { seconds: u64 },
}

/// Shares that were given.
#[derive(Default)]
pub(super) struct Custody {
    shares: Vec<Share>,
    brought: Vec<Brought>,
    /// When the last share came.
    last_millis: u64,
    failures: u32,
    free_at_millis: u64,
}

/// How many shares are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collected {
    pub(super) there: usize,
    pub(super) needed: usize,
    pub(super) set: u32,
}

impl Custody {
    /// What is there now; what nobody added to for a while is forgotten.
    pub(super) fn collected(&mut self, now: Now) -> Option<Collected> {
        if now.monotonic_millis.saturating_sub(self.last_millis) >= FORGOTTEN_MILLIS {
            self.forget();
        }
        let scheme = self.shares.first()?.scheme();
        Some(Collected { there: self.shares.len(), needed: scheme.needed.into(), set: scheme.set })
    }

    /// Whether an opening may be tried now.
    pub(super) fn may_try(&self, now: Now) -> Result<(), NotTaken> {
        match self.free_at_millis.checked_sub(now.monotonic_millis) {
            None | Some(0) => Ok(()),
            Some(millis) => Err(NotTaken::Wait { seconds: millis.div_ceil(1000) }),
        }
    }

    /// Takes a share. Gives all of them when they are enough: none is kept then.
    pub(super) fn add(
        &mut self,
        share: Share,
        ways: &[Way],
        address: Option<IpAddr>,
        now: Now,
    ) -> Result<Option<Vec<Share>>, NotTaken> {
        self.may_try(now)?;
        let collected = self.collected(now);
        let scheme = share.scheme();
        if !ways.contains(&Way::of(&share)) {
            return Err(NotTaken::Foreign { set: scheme.set });
        }
        if let Some(Collected { set, .. }) = collected
            && set != scheme.set
        {
            return Err(NotTaken::Mixed { set });
        }
        if self.shares.iter().any(|other| other.number() == share.number()) {
            return Err(NotTaken::Repeated);
        }
        self.note(now.wall, address, BroughtWhat::Share(share.number()));
        self.last_millis = now.monotonic_millis;
        self.shares.push(share);
        let is_enough = self.shares.len() >= scheme.needed.into();
        Ok(is_enough.then(|| core::mem::take(&mut self.shares)))
    }

    /// An opening came to nothing, because of what was brought. Shares that others gave for another stay.
    pub(super) fn failed(&mut self, address: Option<IpAddr>, now: Now) {
        self.note(now.wall, address, BroughtWhat::Failure);
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(FAILURES_FREE) {
            let (first, longest) = WAIT_SECONDS;
            let seconds = first.checked_shl(beyond.min(32)).unwrap_or(longest).min(longest);
            self.free_at_millis = now.monotonic_millis.saturating_add(seconds * 1000);
        }
    }

    /// Forgets shares of a set that opens the vault in none of these ways.
    pub(super) fn keep(&mut self, ways: &[Way]) {
        self.shares.retain(|share| ways.contains(&Way::of(share)));
    }

    /// Forgets the shares, and wipes them. What is for the trail stays.
    pub(super) fn forget(&mut self) {
        self.shares.clear();
    }

    /// What was brought, for the trail.
    pub(super) fn brought(&self) -> Vec<Brought> {
        self.brought.clone()
    }

    fn note(&mut self, at: Timestamp, address: Option<IpAddr>, what: BroughtWhat) {
        if self.brought.len() < REMEMBERED_MAX {
            self.brought.push(Brought { at, address, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use panvault_keys::{NewSlot, SystemEntropy};

    use super::*;

    const SET: u32 = 7;
    const WAYS: [Way; 2] = [Way::Passphrase, Way::Shares { needed: 2, made: 3, set: SET }];

    fn shares(needed: u8, set: u32) -> Vec<Share> {
        let scheme = ShareScheme::new(needed, 3, set).unwrap();
        NewSlot::of_shares(scheme, "custodians", &SystemEntropy::new()).unwrap().1
    }

    fn at(millis: u64) -> Now {
        Now { wall: Timestamp::from_unix_millis(millis), monotonic_millis: millis }
    }

    fn refused(taken: Result<Option<Vec<Share>>, NotTaken>) -> NotTaken {
        taken.err().unwrap()
    }

    #[test]
    fn shares_are_taken_one_at_a_time_until_they_are_enough() {
        let mut custody = Custody::default();
        let [one, two, three] = <[Share; 3]>::try_from(shares(2, SET)).ok().unwrap();
        let again = Share::parse(&one.expose_text()).ok().unwrap();
        assert!(custody.add(one, &WAYS, None, at(1)).unwrap().is_none());
        assert_eq!(refused(custody.add(again, &WAYS, None, at(2))), NotTaken::Repeated);
        let [foreign, ..] = <[Share; 3]>::try_from(shares(2, 8)).ok().unwrap();
        assert_eq!(refused(custody.add(foreign, &WAYS, None, at(3))), NotTaken::Foreign { set: 8 });
        let expected = Collected { there: 1, needed: 2, set: SET };
        assert_eq!(custody.collected(at(4)), Some(expected));
        assert_eq!(custody.add(three, &WAYS, None, at(5)).unwrap().unwrap().len(), 2);
        assert_eq!(custody.collected(at(6)), None, "none is kept");
        drop(two);
        let brought: Vec<_> = custody.brought().iter().map(|brought| brought.what).collect();
        assert_eq!(brought, [BroughtWhat::Share(1), BroughtWhat::Share(3)]);
    }

    #[test]
    fn shares_of_two_sets_do_not_mix() {
        let ways = [WAYS[1], Way::Shares { needed: 2, made: 3, set: 9 }];
        let (mut custody, mut ours, mut theirs) = (Custody::default(), shares(2, SET), shares(2, 9));
        assert!(custody.add(ours.remove(0), &ways, None, at(1)).unwrap().is_none());
        assert_eq!(refused(custody.add(theirs.remove(1), &ways, None, at(1))), NotTaken::Mixed { set: SET });
        custody.forget();
        assert!(custody.add(theirs.remove(1), &ways, None, at(1)).unwrap().is_none());
    }

    /// Whoever mistyped a passphrase, or had a set made anew at another node, made custodians come again.
    #[test]
    fn shares_stay_while_their_set_opens_the_vault() {
        let (mut custody, mut ours) = (Custody::default(), shares(2, SET));
        assert!(custody.add(ours.remove(0), &WAYS, None, at(1)).unwrap().is_none());
        custody.failed(None, at(2));
        custody.keep(&WAYS);
        assert_eq!(custody.collected(at(3)).unwrap().there, 1);
        custody.keep(&[Way::Passphrase, Way::Shares { needed: 2, made: 3, set: 9 }]);
        assert_eq!(custody.collected(at(4)), None);
    }

    #[test]
    fn shares_that_nobody_adds_to_are_forgotten() {
        let (mut custody, mut ours) = (Custody::default(), shares(3, SET));
        let ways = [Way::Shares { needed: 3, made: 3, set: SET }];
        assert!(custody.add(ours.remove(0), &ways, None, at(1)).unwrap().is_none());
        assert!(custody.add(ours.remove(0), &ways, None, at(FORGOTTEN_MILLIS)).unwrap().is_none());
        assert_eq!(custody.collected(at(2 * FORGOTTEN_MILLIS - 1)).unwrap().there, 2);
        assert_eq!(custody.collected(at(2 * FORGOTTEN_MILLIS)), None);
    }

    #[test]
    fn who_fails_often_waits_longer_each_time() {
        let (mut custody, mut now) = (Custody::default(), 1);
        for _ in 1..FAILURES_FREE {
            custody.failed(None, at(now));
            assert!(custody.may_try(at(now)).is_ok());
        }
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            custody.failed(None, at(now));
            assert_eq!(custody.may_try(at(now)), Err(NotTaken::Wait { seconds }));
            let share = shares(2, SET).remove(0);
            assert_eq!(refused(custody.add(share, &WAYS, None, at(now))), NotTaken::Wait { seconds });
            now += seconds * 1000;
            assert!(custody.may_try(at(now)).is_ok());
        }
    }
}

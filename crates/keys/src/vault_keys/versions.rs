use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::limits::{PURPOSE_VERSIONS_MAX, PURPOSE_VERSIONS_SEEN_MAX};
use crate::purpose::KeyState;
use crate::xaes::KEY_BYTES;

/// A key as it comes out of the header.
pub(crate) type Unwrapped = (u16, KeyState, Zeroizing<[u8; KEY_BYTES]>);

/// Keys of one purpose, by version: one makes, all of them check. More can come while they are used, later ones behind earlier ones.
pub(crate) struct Versions<K> {
    first: Version<K>,
    /// Those after it. A place that is taken stays so: who uses a key holds no lock.
    later: Box<[OnceLock<Version<K>>]>,
    /// Place of the one that makes, the first's being 0.
    active: AtomicU8,
}

struct Version<K> {
    version: u16,
    key: K,
    /// How far it has come ([`KeyState::order`]); it never goes back.
    state: AtomicU8,
}

impl<K> Versions<K> {
    /// [`KeysError::HeaderDamaged`] unless exactly one is active and they are at most as many as may be.
    pub(super) fn open(
        keys: Vec<Unwrapped>,
        make: impl Fn(&[u8; KEY_BYTES]) -> Result<K, KeysError>,
    ) -> Result<Self, KeysError> {
        let count = |state| keys.iter().filter(|(_, found, _)| *found == state).count();
        if keys.len() > PURPOSE_VERSIONS_MAX
            || count(KeyState::Active) != 1
            || count(KeyState::Destroyed) != 0
        {
            return Err(KeysError::HeaderDamaged);
        }
        let mut versions: Option<Self> = None;
        for (version, state, key) in keys {
            let key = make(&key)?;
            let opened = match &versions {
                Some(opened) => {
                    opened.add(version, key)?;
                    opened
                }
                None => versions.insert(Self {
                    first: Version::new(version, key),
                    later: (1..PURPOSE_VERSIONS_SEEN_MAX).map(|_| OnceLock::new()).collect(),
                    active: AtomicU8::new(0),
                }),
            };
            opened.state(version, state);
        }
        versions.ok_or(KeysError::HeaderDamaged)
    }

    /// Takes up a key that does not make anything yet. [`KeysError::NotRenewable`] when this process has seen as many as it can.
    pub(super) fn add(&self, version: u16, key: K) -> Result<(), KeysError> {
        let mut added = Version::new(version, key);
        for place in &self.later {
            match place.set(added) {
                Ok(()) => return Ok(()),
                Err(again) => added = again,
            }
        }
        Err(KeysError::NotRenewable)
    }

    /// Lets a key be in a state from now on. One that has come further stays there.
    pub(super) fn state(&self, version: u16, state: KeyState) {
        for (place, found) in (0..).zip(self.kept()).filter(|(_, found)| found.version == version) {
            let before = found.state.fetch_max(state.order(), Ordering::Relaxed);
            if state == KeyState::Active && before <= state.order() {
                self.active.store(place, Ordering::Release);
            }
        }
    }

    /// Whether a key of this version is or was here.
    pub(super) fn knows(&self, version: u16) -> bool {
        self.kept().any(|found| found.version == version)
    }

    pub(super) fn active(&self) -> (u16, &K) {
        let place = self.active.load(Ordering::Acquire).checked_sub(1).map(usize::from);
        let later = place.and_then(|place| self.later.get(place)).and_then(OnceLock::get);
        let active = later.unwrap_or(&self.first);
        (active.version, &active.key)
    }

    /// The key of a version, unless it is destroyed.
    pub(crate) fn of(&self, version: u16) -> Option<&K> {
        self.kept().find(|found| found.version == version && found.is_usable()).map(|found| &found.key)
    }

    /// The active one first, then from the newest to the oldest. One that does not make anything yet is among them.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, &K)> {
        let active = self.active();
        let later = self.later.iter().rev().filter_map(OnceLock::get);
        let others = later
            .chain(core::iter::once(&self.first))
            .filter(move |found| found.version != active.0 && found.is_usable());
        core::iter::once(active).chain(others.map(|found| (found.version, &found.key)))
    }

    fn kept(&self) -> impl Iterator<Item = &Version<K>> {
        core::iter::once(&self.first).chain(self.later.iter().map_while(OnceLock::get))
    }
}

impl<K> Version<K> {
    const fn new(version: u16, key: K) -> Self {
        Self { version, key, state: AtomicU8::new(KeyState::PreActive.order()) }
    }

    fn is_usable(&self) -> bool {
        self.state.load(Ordering::Relaxed) != KeyState::Destroyed.order()
    }
}

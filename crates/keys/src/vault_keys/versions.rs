use std::sync::Arc;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::purpose::KeyState;
use crate::xaes::KEY_BYTES;

/// A key as it comes out of the header.
pub(crate) type Unwrapped = (u16, KeyState, Zeroizing<[u8; KEY_BYTES]>);

/// Keys of one purpose, by version: one makes, all of them check. More can come while they are used, later ones behind earlier ones, and one that is destroyed leaves the memory
/// with the last use of it.
pub(crate) struct Versions<K>(ArcSwap<Kept<K>>);

struct Kept<K> {
    versions: Vec<Version<K>>,
    /// The one that makes.
    active: (u16, Arc<K>),
}

struct Version<K> {
    version: u16,
    /// How far it has come; it never goes back.
    state: KeyState,
    /// `None` once it is destroyed.
    key: Option<Arc<K>>,
}

impl<K> Versions<K> {
    /// [`KeysError::HeaderDamaged`] unless exactly one is active and they are at most as many as may be.
    pub(super) fn open(
        keys: Vec<Unwrapped>,
        versions_max: usize,
        make: impl Fn(&[u8; KEY_BYTES]) -> Result<K, KeysError>,
    ) -> Result<Self, KeysError> {
        if keys.len() > versions_max || keys.iter().any(|(_, state, _)| *state == KeyState::Destroyed) {
            return Err(KeysError::HeaderDamaged);
        }
        let opened = keys
            .into_iter()
            .map(|(version, state, key)| Ok(Version { version, state, key: Some(Arc::new(make(&key)?)) }));
        let versions = opened.collect::<Result<Vec<_>, KeysError>>()?;
        let mut active = versions.iter().filter(|kept| kept.state == KeyState::Active);
        let (Some(one), None) = (active.next().and_then(Version::usable), active.next()) else {
            return Err(KeysError::HeaderDamaged);
        };
        Ok(Self(ArcSwap::from_pointee(Kept { versions, active: one })))
    }

    /// Takes up a key that does not make anything yet.
    pub(super) fn add(&self, version: u16, key: K) {
        let added = Version { version, state: KeyState::PreActive, key: Some(Arc::new(key)) };
        self.0.rcu(|kept| {
            let mut next = Kept::clone(kept);
            next.versions.push(added.clone());
            next
        });
    }

    /// Lets a key be in a state from now on. One that has come further stays there, and the one that makes is kept until another does.
    pub(super) fn state(&self, version: u16, state: KeyState) {
        let is_news = |of: &Version<K>| of.version == version && of.state.order() < state.order();
        if !self.0.load().versions.iter().any(is_news) {
            return;
        }
        self.0.rcu(|kept| {
            let mut next = Kept::clone(kept);
            for of in next.versions.iter_mut().filter(|of| is_news(of)) {
                of.state = state;
                if state == KeyState::Active
                    && let Some(active) = of.usable()
                {
                    next.active = active;
                }
            }
            for of in &mut next.versions {
                if of.state == KeyState::Destroyed {
                    of.key = None;
                }
            }
            next
        });
    }

    /// Whether a key of this version is or was here.
    pub(super) fn knows(&self, version: u16) -> bool {
        self.0.load().versions.iter().any(|kept| kept.version == version)
    }

    /// Whether a version is later than all that are or were here.
    pub(super) fn is_later(&self, version: u16) -> bool {
        self.0.load().versions.iter().all(|kept| kept.version < version)
    }

    pub(super) fn active(&self) -> (u16, Arc<K>) {
        self.0.load().active.clone()
    }

    /// The last that came, whether it makes anything yet or not.
    pub(super) fn newest(&self) -> (u16, Arc<K>) {
        let kept = self.0.load();
        kept.versions.iter().filter_map(Version::usable).next_back().unwrap_or_else(|| kept.active.clone())
    }

    /// The key of a version, unless it is destroyed.
    pub(crate) fn of(&self, version: u16) -> Option<Arc<K>> {
        let kept = self.0.load();
        kept.versions.iter().find(|kept| kept.version == version).and_then(|kept| kept.key.clone())
    }

    /// The active one first, then from the newest to the oldest. One that does not make anything yet is among them.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, Arc<K>)> {
        let kept = self.0.load();
        let active = kept.active.clone();
        let others = kept.versions.iter().rev().filter_map(Version::usable);
        let others: Vec<_> = others.filter(|(version, _)| *version != active.0).collect();
        core::iter::once(active).chain(others)
    }
}

impl<K> Version<K> {
    fn usable(&self) -> Option<(u16, Arc<K>)> {
        self.key.clone().map(|key| (self.version, key))
    }
}

impl<K> Clone for Kept<K> {
    fn clone(&self) -> Self {
        Self { versions: self.versions.clone(), active: self.active.clone() }
    }
}

impl<K> Clone for Version<K> {
    fn clone(&self) -> Self {
        Self { version: self.version, state: self.state, key: self.key.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    fn versions(keys: &[(u16, KeyState)]) -> Result<Versions<[u8; KEY_BYTES]>, KeysError> {
        let keys = keys.iter().map(|(version, state)| (*version, *state, Zeroizing::new([7; KEY_BYTES])));
        Versions::open(keys.collect(), 4, |key| Ok(*key))
    }

    /// The bug: what a process held of a destroyed key stayed in its memory until it ended. Its cause: a key that was taken up kept its place. Its cure: who uses one holds it,
    /// and nobody else.
    #[test]
    fn a_destroyed_key_leaves_the_memory_with_its_last_use() {
        let keys = versions(&[(1, KeyState::Active)]).unwrap();
        keys.add(2, [8; KEY_BYTES]);
        let used = keys.active().1;
        let old: Weak<_> = Arc::downgrade(&used);
        keys.state(1, KeyState::OpenOnly);
        assert_eq!((keys.active().0, keys.newest().0), (1, 2), "until another makes");
        keys.state(2, KeyState::Active);
        assert_eq!((keys.active().0, keys.of(1).is_some(), keys.all().count()), (2, true, 2));
        keys.state(1, KeyState::Destroyed);
        assert!(keys.of(1).is_none() && keys.knows(1) && !keys.is_later(1) && keys.is_later(3));
        assert!(keys.all().eq([keys.active()]));
        assert!(old.upgrade().is_some(), "somebody uses it");
        drop(used);
        assert!(old.upgrade().is_none());
        // What was said before is not taken up again.
        keys.state(1, KeyState::Active);
        assert!(keys.of(1).is_none() && keys.active().0 == 2);
    }

    #[test]
    fn one_makes() {
        use KeyState::{Active, Destroyed, OpenOnly};
        assert!(versions(&[(1, OpenOnly), (2, Active)]).is_ok());
        for keys in [
            &[][..],
            &[(1, OpenOnly)],
            &[(1, Active), (2, Active)],
            &[(1, Destroyed), (2, Active)],
            &[(1, OpenOnly), (2, OpenOnly), (3, OpenOnly), (4, OpenOnly), (5, Active)],
        ] {
            assert!(matches!(versions(keys), Err(KeysError::HeaderDamaged)));
        }
    }
}

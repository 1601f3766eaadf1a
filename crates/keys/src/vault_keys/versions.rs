use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::limits::PURPOSE_VERSIONS_MAX;
use crate::purpose::KeyState;
use crate::xaes::KEY_BYTES;

/// A key as it comes out of the header.
pub(crate) type Unwrapped = (u16, KeyState, Zeroizing<[u8; KEY_BYTES]>);

/// Keys of one purpose, by version: one makes, all of them check.
pub(crate) struct Versions<K> {
    active: (u16, K),
    older: Vec<(u16, K)>,
}

impl<K> Versions<K> {
    /// [`KeysError::HeaderDamaged`] unless exactly one is active and they are at most as many as may be.
    pub(super) fn open(
        keys: Vec<Unwrapped>,
        make: impl Fn(&[u8; KEY_BYTES]) -> Result<K, KeysError>,
    ) -> Result<Self, KeysError> {
        let (mut active, mut older) = (None, Vec::new());
        if keys.len() > PURPOSE_VERSIONS_MAX {
            return Err(KeysError::HeaderDamaged);
        }
        for (version, state, key) in keys {
            let made = (version, make(&key)?);
            match state {
                KeyState::Active if active.is_none() => active = Some(made),
                KeyState::PreActive | KeyState::Active | KeyState::Destroyed => {
                    return Err(KeysError::HeaderDamaged);
                }
                KeyState::OpenOnly => older.push(made),
            }
        }
        older.reverse();
        Ok(Self { active: active.ok_or(KeysError::HeaderDamaged)?, older })
    }

    pub(super) const fn active(&self) -> (u16, &K) {
        (self.active.0, &self.active.1)
    }

    pub(crate) fn of(&self, version: u16) -> Option<&K> {
        self.all().find(|(found, _)| *found == version).map(|(_, key)| key)
    }

    /// The active one first, then from the newest to the oldest.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, &K)> {
        core::iter::once(&self.active).chain(&self.older).map(|(version, key)| (*version, key))
    }
}

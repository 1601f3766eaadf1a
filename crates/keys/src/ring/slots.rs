use std::sync::{Arc, OnceLock};

use panvault_model::{Id, VaultId};

use crate::error::KeysError;
use crate::organisation_key::OrganisationKey;
use crate::purpose::KeyState;
use crate::vault_keys::Versions;
use crate::xaes::{KEY_BYTES, Xaes};

/// What unwraps the keys of organisations.
pub(super) struct Unwrapping {
    pub(super) vault: VaultId,
    pub(super) keys: Arc<Versions<Xaes>>,
}

/// A key that is of use once it is unwrapped.
pub(super) trait Usable: Sized {
    fn make(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError>;
}

/// An organisation's keys of one purpose. What changes them makes others, which share the keys that stay.
pub(super) struct Slots<K> {
    slots: Vec<Arc<Slot<K>>>,
}

/// A key that is unwrapped when it is used for the first time, and stays so.
struct Slot<K> {
    wrapped: OrganisationKey,
    opened: OnceLock<Box<K>>,
}

impl<K> Clone for Slots<K> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone() }
    }
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<K: Usable> Slots<K> {
    pub(super) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes up a key; one of the same version goes. Whether there was one.
    pub(super) fn put(&mut self, wrapped: OrganisationKey) -> bool {
        let of_the_version = |slot: &&mut Arc<Slot<K>>| slot.wrapped.version == wrapped.version;
        match self.slots.iter_mut().find(of_the_version) {
            Some(slot) => {
                *slot = Slot::new(wrapped);
                true
            }
            None => {
                // Few organisations ever have a second key of a purpose.
                self.slots.reserve_exact(1);
                self.slots.push(Slot::new(wrapped));
                false
            }
        }
    }

    /// Names the documents that keep the keys.
    pub(super) fn documents(&self) -> impl Iterator<Item = Id> {
        self.slots.iter().filter_map(|slot| slot.wrapped.document)
    }

    /// The latest version that is active; 0 when none is, which is no key's.
    pub(super) fn active(&self) -> u32 {
        let active = self.slots.iter().filter(|slot| slot.wrapped.state == KeyState::Active);
        active.map(|slot| slot.wrapped.version).max().unwrap_or(0)
    }

    /// The versions of keys that are not destroyed.
    pub(super) fn usable(&self) -> impl Iterator<Item = u32> {
        let usable = self.slots.iter().filter(|slot| slot.wrapped.state != KeyState::Destroyed);
        usable.map(|slot| slot.wrapped.version)
    }

    /// The keys as they are kept.
    pub(super) fn wrapped(&self) -> impl Iterator<Item = &OrganisationKey> {
        self.slots.iter().map(|slot| &slot.wrapped)
    }

    /// The key of a version. [`KeysError::KeyDestroyed`] for one that was there.
    pub(super) fn key(&self, version: u32, unwrapping: &Unwrapping) -> Result<&K, KeysError> {
        let slot = self.slots.iter().find(|slot| slot.wrapped.version == version);
        slot.ok_or(KeysError::KeyUnknown)?.key(unwrapping)
    }

    /// The key that a record names. [`KeysError::KeyLater`] for one that is later than all that are here, [`KeysError::Refused`] for another that
    /// there is not.
    pub(super) fn named(&self, version: u32, unwrapping: &Unwrapping) -> Result<&K, KeysError> {
        let is_later = self.wrapped().all(|key| key.version < version);
        self.key(version, unwrapping).map_err(|error| match error {
            KeysError::KeyUnknown if is_later => KeysError::KeyLater,
            KeysError::KeyUnknown => KeysError::Refused,
            error => error,
        })
    }

    /// Unwraps every key that is not destroyed, and keeps none.
    pub(super) fn verify(&self, unwrapping: &Unwrapping) -> Result<(), KeysError> {
        self.slots.iter().filter(|slot| slot.wrapped.state != KeyState::Destroyed).try_for_each(|slot| {
            slot.wrapped
                .unwrap(unwrapping.keys.of(slot.wrapped.wrapping).as_deref(), unwrapping.vault)
                .map(drop)
        })
    }
}

impl<K: Usable> Slot<K> {
    fn new(wrapped: OrganisationKey) -> Arc<Self> {
        Arc::new(Self { wrapped, opened: OnceLock::new() })
    }

    fn key(&self, unwrapping: &Unwrapping) -> Result<&K, KeysError> {
        if let Some(key) = self.opened.get() {
            return Ok(key);
        }
        if self.wrapped.state == KeyState::Destroyed {
            return Err(KeysError::KeyDestroyed);
        }
        let key =
            self.wrapped.unwrap(unwrapping.keys.of(self.wrapped.wrapping).as_deref(), unwrapping.vault)?;
        let key = Box::new(K::make(&key)?);
        // Of two that unwrap it at once, one is kept; they are the same.
        Ok(self.opened.get_or_init(|| key))
    }
}

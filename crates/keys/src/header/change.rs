//! A header is changed: each change makes the next version of it.

use panvault_model::Timestamp;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::header::entry::HeaderKey;
use crate::header::slot::Under;
use crate::header::{Header, HeaderSlot};
use crate::limits::{HEADER_KEYS_MAX, HEADER_SLOTS_MAX};
use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
use crate::root::RootKey;
use crate::slot::NewSlot;

impl Header {
    /// With one more slot, as the next version of the header.
    ///
    /// [`KeysError::SlotsFull`] when there are as many as may be.
    pub fn slot_add(
        &self,
        root: &RootKey,
        slot: NewSlot,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut header = self.rewrap(root, root, entropy)?;
        header.slot_push(slot, root, now, entropy)?;
        Ok(header.authenticated(root))
    }

    /// Without a slot, and under another root key, as the next version of the header: what was behind the slot opens nothing that is
    /// written from now on. It opens the headers of before.
    ///
    /// [`KeysError::SlotUnknown`] when there is none of that number, [`KeysError::SlotLast`] when there is no other.
    pub fn slot_remove(
        &self,
        old: &RootKey,
        new: &RootKey,
        number: u16,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        if !self.slots.iter().any(|slot| slot.number() == number) {
            return Err(KeysError::SlotUnknown);
        }
        if self.slots.len() == 1 {
            return Err(KeysError::SlotLast);
        }
        let mut header = self.rewrap(old, new, entropy)?;
        header.slots.retain(|slot| slot.number() != number);
        Ok(header.authenticated(new))
    }

    /// The same keys and slots under another root key, as the next version of the header. No slot has to be opened for it.
    pub fn rewrap(&self, old: &RootKey, new: &RootKey, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        self.verify(old)?;
        let mut header = Self::unkeyed(next(self.version)?, self.vault, self.mode, next(self.root_version)?);
        let (old_wrapping, old_context) = (self.wrapping(old)?, self.context());
        let (new_wrapping, new_context) = (header.wrapping(new)?, header.context());
        for key in &self.keys {
            let rewrapped = key.rewrap(&old_wrapping, &old_context, &new_wrapping, &new_context, entropy)?;
            header.keys.push(rewrapped);
        }
        header.slots_from(self, old, new, entropy)?;
        Ok(header.authenticated(new))
    }

    /// With a new key for one purpose, as the next version of the header. The one before opens or checks what was made with it.
    ///
    /// [`KeysError::NotRenewable`] for the key that hashes sets, which are hashed as they grow, and when as many versions are open as may be.
    pub fn renew(
        &self,
        root: &RootKey,
        purpose: VaultPurpose,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        self.with_key(root, purpose, KeyState::Active, now, entropy)
    }

    /// The same, and nothing is made with the new key before it is activated: nodes that serve come to know it first.
    pub fn key_make(
        &self,
        root: &RootKey,
        purpose: VaultPurpose,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        self.with_key(root, purpose, KeyState::PreActive, now, entropy)
    }

    fn with_key(
        &self,
        root: &RootKey,
        purpose: VaultPurpose,
        state: KeyState,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        self.verify(root)?;
        let open = |key: &&HeaderKey| key.purpose == purpose && key.state != KeyState::Destroyed;
        if purpose == VaultPurpose::SetHash
            || self.keys.iter().filter(open).count() >= purpose.versions_max()
            || self.keys.len() >= HEADER_KEYS_MAX
        {
            return Err(KeysError::NotRenewable);
        }
        let mut header = Self::unkeyed(next(self.version)?, self.vault, self.mode, self.root_version);
        let (wrapping, context) = (header.wrapping(root)?, header.context());
        let mut newest = 0;
        for key in &self.keys {
            let mut kept = key.rewrap(&wrapping, &self.context(), &wrapping, &context, entropy)?;
            if key.purpose == purpose {
                newest = newest.max(key.version);
                if key.state == KeyState::Active && state == KeyState::Active {
                    kept.state = KeyState::OpenOnly;
                }
            }
            header.keys.push(kept);
        }
        let version = newest.checked_add(1).ok_or(KeysError::NotRenewable)?;
        let made = (purpose, version, state);
        header.keys.push(HeaderKey::make(&wrapping, &context, made, now, entropy)?);
        header.keys.sort_unstable_by_key(HeaderKey::place);
        header.slots_from(self, root, root, entropy)?;
        Ok(header.authenticated(root))
    }

    /// Whether it has no bytes of keys that are destroyed by now, and says of those that chain and sign the trail how far they have come: what it says of these is read before documents
    /// are. What it says of the others, documents say.
    pub fn is_settled(&self, states: &[VaultKeyDescription]) -> bool {
        self.keys.iter().all(|key| match key.further(states) {
            None => true,
            Some(KeyState::Destroyed) => false,
            Some(KeyState::PreActive | KeyState::Active | KeyState::OpenOnly) => {
                !matches!(key.purpose, VaultPurpose::AuditChain | VaultPurpose::TrailCheckpoint)
            }
        })
    }

    /// With keys as far as they have come while the vault was served, as the next version of the header: of those that are destroyed the
    /// wrapped bytes are gone. [`KeysError::HeaderDamaged`] when not exactly one of each purpose would be active.
    pub fn settle(
        &self,
        root: &RootKey,
        states: &[VaultKeyDescription],
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        self.verify(root)?;
        let mut header = Self::unkeyed(next(self.version)?, self.vault, self.mode, self.root_version);
        let (wrapping, context) = (header.wrapping(root)?, header.context());
        for key in &self.keys {
            let further = key.further(states);
            if further == Some(KeyState::Destroyed) {
                header.keys.push(key.destroyed());
                continue;
            }
            let mut kept = key.rewrap(&wrapping, &self.context(), &wrapping, &context, entropy)?;
            kept.state = further.unwrap_or(key.state);
            header.keys.push(kept);
        }
        let active = |purpose| {
            let active = header.keys.iter().filter(|key| key.state == KeyState::Active);
            active.filter(|key| key.purpose == purpose).count()
        };
        if VaultPurpose::ALL.into_iter().any(|purpose| active(purpose) != 1) {
            return Err(KeysError::HeaderDamaged);
        }
        header.slots_from(self, root, root, entropy)?;
        Ok(header.authenticated(root))
    }

    pub(super) fn slot_push(
        &mut self,
        slot: NewSlot,
        root: &RootKey,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        if self.slots.len() >= HEADER_SLOTS_MAX {
            return Err(KeysError::SlotsFull);
        }
        self.slots_made = self.slots_made.checked_add(1).ok_or(KeysError::SlotsFull)?;
        let made = HeaderSlot::make(slot, self.slots_made, now, &self.under(root)?, entropy)?;
        self.slots.push(made);
        Ok(())
    }

    /// Takes the slots of the header before, with this root key behind them.
    fn slots_from(
        &mut self,
        before: &Self,
        old: &RootKey,
        new: &RootKey,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        self.slots_made = before.slots_made;
        let (old, new) = (before.under(old)?, self.under(new)?);
        let resealed = before.slots.iter().map(|slot| slot.resealed(&old, &new, entropy));
        self.slots = resealed.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn under<'r>(&self, root: &'r RootKey) -> Result<Under<'r>, KeysError> {
        Ok(Under { root, wrapping: self.wrapping(root)?, context: self.context() })
    }
}

/// A header that has no next version is not one that a vault wrote.
fn next(version: u32) -> Result<u32, KeysError> {
    version.checked_add(1).ok_or(KeysError::HeaderDamaged)
}

use std::collections::HashMap;

use aws_lc_rs::hmac;
use panvault_model::{Fingerprint, OrganisationId, Sealed, VaultId};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::PLAINTEXT_BYTES_MAX;
use crate::purpose::KeyState;
use crate::registry::{Purpose, Registry};
use crate::root::digest_head;
use crate::vault_keys::VaultKeys;
use crate::xaes::{NONCE_BYTES, TAG_BYTES, Xaes};

/// What a sealed record is. The numbers go into the associated data and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A card number and a holder's name, in a store.
    Card,
    /// A CVV, in memory.
    Cvv,
    /// A holder's name on its way into its card, in memory.
    Holder,
    /// The head of the documents, in a store.
    DocumentHead,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Cvv => 2,
            Self::Holder => 3,
            Self::DocumentHead => 4,
        }
    }
}

/// Where a sealed record belongs: all that it is bound to. The organisation is the caller's, not the row's.
pub struct Place<'a> {
    /// What it is.
    pub kind: Kind,
    /// In which vault.
    pub vault: VaultId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The row's id.
    pub id: &'a [u8; 12],
    /// The row's version.
    pub row_version: u32,
    /// Every clear field of the row.
    pub clear: &'a [u8],
}

/// The unwrapped keys of every organisation, as of one moment.
pub struct KeyRing {
    organisations: HashMap<OrganisationId, OrganisationKeys>,
}

/// Keys by version; the last active one seals.
#[derive(Default)]
struct OrganisationKeys {
    /// `None` for one that is destroyed: what it sealed is there, and gone.
    data: Vec<(u32, Option<Xaes>)>,
    data_active: u32,
    fingerprint: Vec<(u32, hmac::Key)>,
    fingerprint_active: u32,
}

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + NONCE_BYTES;
/// Bytes of associated data before the clear fields.
const PLACE_HEAD_BYTES: usize = 50;

impl KeyRing {
    /// Unwraps every key of the registry that is not destroyed.
    pub fn open(vault_keys: &VaultKeys, registry: &Registry) -> Result<Self, KeysError> {
        let mut organisations: HashMap<OrganisationId, OrganisationKeys> = HashMap::new();
        for entry in registry.entries() {
            let keys = organisations.entry(entry.organisation).or_default();
            let active = match entry.state {
                KeyState::Active => true,
                KeyState::OpenOnly => false,
                KeyState::Destroyed => {
                    match entry.purpose {
                        Purpose::Data => keys.data.push((entry.version, None)),
                        Purpose::Fingerprint => {}
                    }
                    continue;
                }
            };
            let key = entry.unwrap(vault_keys)?;
            match entry.purpose {
                Purpose::Data => {
                    keys.data.push((entry.version, Some(Xaes::new(&key)?)));
                    keys.data_active = keys.data_active.max(if active { entry.version } else { 0 });
                }
                Purpose::Fingerprint => {
                    keys.fingerprint.push((entry.version, hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())));
                    keys.fingerprint_active =
                        keys.fingerprint_active.max(if active { entry.version } else { 0 });
                }
            }
        }
        Ok(Self { organisations })
    }

    /// Seals a record into its place with the organisation's active data key.
    pub fn card_seal(
        &self,
        place: &Place<'_>,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Sealed, KeysError> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(KeysError::TooLong);
        }
        let keys = self.keys(place.organisation)?;
        let version = keys.data_active;
        let key = keys.data(version)?;
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plaintext.len() + TAG_BYTES);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let bytes = sealed.get_mut(HEADER_BYTES..).ok_or(KeysError::Cipher)?;
        match key.seal(&nonce, &place.associated(version), bytes) {
            Ok(tag) => {
                sealed.extend_from_slice(&tag);
                Ok(Sealed::from_bytes(sealed))
            }
            Err(error) => {
                sealed.zeroize();
                Err(error)
            }
        }
    }

    /// Opens a record of exactly `plaintext`'s length in its place, with whichever key sealed it. [`KeysError::KeyDestroyed`] when
    /// that key is gone, and the record with it.
    pub fn card_open(
        &self,
        place: &Place<'_>,
        sealed: &Sealed,
        plaintext: &mut [u8],
    ) -> Result<(), KeysError> {
        let ([format, version @ ..], rest) =
            sealed.as_bytes().split_first_chunk::<5>().ok_or(KeysError::Refused)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(KeysError::Refused)?;
        let (bytes, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(KeysError::Refused)?;
        if *format != FORMAT || bytes.len() != plaintext.len() {
            return Err(KeysError::Refused);
        }
        let version = u32::from_be_bytes(*version);
        // A row that names a key which does not exist was changed from outside.
        let key = self.keys(place.organisation)?.data(version).map_err(unknown_is_refused)?;
        plaintext.copy_from_slice(bytes);
        key.open(nonce, &place.associated(version), plaintext, tag).inspect_err(|_| plaintext.zeroize())
    }

    /// [`KeysError::KeyDestroyed`] when the key that sealed a record is, [`KeysError::Refused`] when there is none such. It may still
    /// not open: only opening tells.
    pub fn card_openable(&self, organisation: OrganisationId, sealed: &Sealed) -> Result<(), KeysError> {
        let ([_, version @ ..], _) = sealed.as_bytes().split_first_chunk::<5>().ok_or(KeysError::Refused)?;
        let keys = self.keys(organisation)?;
        keys.data(u32::from_be_bytes(*version)).map(drop).map_err(unknown_is_refused)
    }

    /// Fingerprint of a whole card number, ASCII digits, and the version of the key that made it.
    pub fn fingerprint(
        &self,
        organisation: OrganisationId,
        card_number: &[u8],
    ) -> Result<(Fingerprint, u32), KeysError> {
        let keys = self.keys(organisation)?;
        let version = keys.fingerprint_active;
        Ok((keys.fingerprint(version, card_number)?, version))
    }

    /// Whether a fingerprint is that of a whole card number under this version of the key; takes the same time whatever the
    /// answer.
    pub fn fingerprint_matches(
        &self,
        organisation: OrganisationId,
        version: u32,
        card_number: &[u8],
        fingerprint: &Fingerprint,
    ) -> Result<bool, KeysError> {
        let made = self.keys(organisation)?.fingerprint(version, card_number)?;
        Ok(made.as_bytes().ct_eq(fingerprint.as_bytes()).into())
    }

    /// Whether an organisation has keys.
    pub fn has_keys(&self, organisation: OrganisationId) -> bool {
        self.organisations.contains_key(&organisation)
    }

    /// How many organisations have keys.
    pub fn organisations(&self) -> usize {
        self.organisations.len()
    }

    fn keys(&self, organisation: OrganisationId) -> Result<&OrganisationKeys, KeysError> {
        self.organisations.get(&organisation).ok_or(KeysError::KeyUnknown)
    }
}

impl OrganisationKeys {
    fn data(&self, version: u32) -> Result<&Xaes, KeysError> {
        let (_, key) = self.data.iter().find(|(found, _)| *found == version).ok_or(KeysError::KeyUnknown)?;
        key.as_ref().ok_or(KeysError::KeyDestroyed)
    }

    fn fingerprint(&self, version: u32, card_number: &[u8]) -> Result<Fingerprint, KeysError> {
        let (_, key) =
            self.fingerprint.iter().find(|(found, _)| *found == version).ok_or(KeysError::KeyUnknown)?;
        Ok(Fingerprint::from_bytes(digest_head(&hmac::sign(key, card_number))))
    }
}

impl Place<'_> {
    /// The associated data. Everything before the clear fields has a fixed length, so no two places read alike.
    fn associated(&self, key_version: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(PLACE_HEAD_BYTES + self.clear.len());
        out.extend_from_slice(&self.associated_head(key_version));
        out.extend_from_slice(self.clear);
        out
    }

    /// What comes before the clear fields.
    pub(crate) fn associated_head(&self, key_version: u32) -> [u8; PLACE_HEAD_BYTES] {
        let length = u32::try_from(self.clear.len()).unwrap_or(u32::MAX).to_be_bytes();
        let (key_version, row_version) = (key_version.to_be_bytes(), self.row_version.to_be_bytes());
        let parts: [&[u8]; 7] = [
            &[FORMAT, self.kind.code()],
            self.vault.as_bytes(),
            &key_version,
            self.organisation.as_bytes(),
            self.id,
            &row_version,
            &length,
        ];
        let mut out = [0; PLACE_HEAD_BYTES];
        let mut rest = out.as_mut_slice();
        for part in parts {
            // They are as long as the head is.
            let Some((slot, behind)) = rest.split_at_mut_checked(part.len()) else { break };
            slot.copy_from_slice(part);
            rest = behind;
        }
        out
    }
}

fn unknown_is_refused(error: KeysError) -> KeysError {
    if matches!(error, KeysError::KeyUnknown) { KeysError::Refused } else { error }
}

#[cfg(test)]
mod tests;

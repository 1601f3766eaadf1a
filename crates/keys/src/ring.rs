mod slots;

use std::sync::Arc;

use aws_lc_rs::hmac;
use panvault_model::{CardKind, EmailDigest, Fingerprint, Id, IdHash, OrganisationId, Sealed, VaultId};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::PLAINTEXT_BYTES_MAX;
use crate::organisation_key::{OrganisationKey, Purpose};
use crate::residue;
use crate::ring::slots::{Slots, Unwrapping, Usable};
use crate::root::digest_head;
use crate::vault_keys::VaultKeys;
use crate::xaes::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes};

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
    /// Personal details of a customer, in a store.
    Customer,
    /// Details on their way into their customer, in memory.
    CustomerChange,
    /// What webhooks of an account are signed with, in a store.
    WebhookSecret,
    /// A secret of a processor's configuration, in a store.
    ProcessorSecret,
    /// The cryptogram of a network token on its way into its transaction, in memory.
    Cryptogram,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Cvv => 2,
            Self::Holder => 3,
            Self::DocumentHead => 4,
            Self::Customer => 5,
            Self::CustomerChange => 6,
            Self::WebhookSecret => 7,
            Self::ProcessorSecret => 8,
            Self::Cryptogram => 9,
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

/// The keys of every organisation, as of one moment. Each is unwrapped when it is used for the first time.
pub struct KeyRing {
    unwrapping: Arc<Unwrapping>,
    organisations: Organisations,
}

type Organisations =
    imbl::GenericHashMap<OrganisationId, Arc<OrganisationKeys>, IdHash, imbl::shared_ptr::DefaultSharedPtr>;

/// Keys by version; the last active one seals. Of one that is destroyed the name is left: what it sealed is there, and gone.
#[derive(Clone, Default)]
struct OrganisationKeys {
    data: Slots<Xaes>,
    fingerprint: Slots<hmac::Key>,
}

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + NONCE_BYTES;
/// Bytes of associated data before the clear fields.
const PLACE_HEAD_BYTES: usize = 50;

impl KeyRing {
    /// A ring without keys.
    pub fn new(vault_keys: &VaultKeys) -> Self {
        let unwrapping = Unwrapping { vault: vault_keys.vault(), keys: vault_keys.wrappings() };
        Self { unwrapping: Arc::new(unwrapping), organisations: Organisations::default() }
    }

    /// A ring of these keys; [`KeysError::Exists`] when an organisation has two of the same purpose and version.
    pub fn open(
        vault_keys: &VaultKeys,
        keys: impl IntoIterator<Item = OrganisationKey>,
    ) -> Result<Self, KeysError> {
        let mut ring = Self::new(vault_keys);
        keys.into_iter().try_for_each(|key| ring.add(key))?;
        Ok(ring)
    }

    /// Takes up a key; [`KeysError::Exists`] when the organisation has one of this purpose and version.
    pub fn add(&mut self, key: OrganisationKey) -> Result<(), KeysError> {
        if self.put(key) { Err(KeysError::Exists) } else { Ok(()) }
    }

    /// A ring with these keys beside its own; one of the same organisation, purpose and version is replaced. The two share all keys that
    /// stay, and what was unwrapped of them.
    #[must_use]
    pub fn with(&self, keys: impl IntoIterator<Item = OrganisationKey>) -> Self {
        let mut ring =
            Self { unwrapping: Arc::clone(&self.unwrapping), organisations: self.organisations.clone() };
        for key in keys {
            ring.put(key);
        }
        ring
    }

    /// The keys of an organisation as they are kept, each purpose's in the order in which they were made.
    pub fn kept(&self, organisation: OrganisationId) -> impl Iterator<Item = &OrganisationKey> {
        let keys = self.organisations.get(&organisation).into_iter();
        keys.flat_map(|keys| keys.data.wrapped().chain(keys.fingerprint.wrapped()))
    }

    /// The keys of all organisations as they are kept.
    pub fn kept_of_all(&self) -> impl Iterator<Item = &OrganisationKey> {
        self.organisations.values().flat_map(|keys| keys.data.wrapped().chain(keys.fingerprint.wrapped()))
    }

    /// The version of the data key that sealed a record, as that names it: `None` where it names none. Only its tag says whether that is so.
    pub fn sealed_by(sealed: &Sealed) -> Option<u32> {
        let ([format, version @ ..], _) = sealed.as_bytes().split_first_chunk::<5>()?;
        (*format == FORMAT).then(|| u32::from_be_bytes(*version))
    }

    /// Names the documents that keep an organisation's keys.
    pub fn documents(&self, organisation: OrganisationId) -> Vec<Id> {
        let keys = self.organisations.get(&organisation);
        keys.map_or_else(Vec::new, |keys| keys.data.documents().chain(keys.fingerprint.documents()).collect())
    }

    /// A ring without an organisation's keys.
    #[must_use]
    pub fn without(&self, organisation: OrganisationId) -> Self {
        let organisations = self.organisations.without(&organisation);
        Self { unwrapping: Arc::clone(&self.unwrapping), organisations }
    }

    /// Takes up a key, and says whether another made way for it.
    fn put(&mut self, key: OrganisationKey) -> bool {
        let keys = Arc::make_mut(self.organisations.entry(key.organisation).or_default());
        match key.purpose {
            Purpose::Data => keys.data.put(key),
            Purpose::Fingerprint => keys.fingerprint.put(key),
        }
    }

    /// Unwraps every key that is not destroyed, for an examination: [`KeysError::KeyDamaged`] when one does not open.
    pub fn verify(&self) -> Result<(), KeysError> {
        self.organisations.values().try_for_each(|keys| {
            keys.data.verify(&self.unwrapping)?;
            keys.fingerprint.verify(&self.unwrapping)
        })
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
        let version = keys.data.active();
        let key = keys.data.key(version, &self.unwrapping)?;
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill_secret(&mut nonce)?;
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
    /// that key is gone, and the record with it; [`KeysError::KeyLater`] when this ring does not have it yet.
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
        let keys = &self.keys(place.organisation).map_err(unknown_is_refused)?.data;
        let key = keys.named(version, &self.unwrapping)?;
        plaintext.copy_from_slice(bytes);
        key.open(nonce, &place.associated(version), plaintext, tag).inspect_err(|_| plaintext.zeroize())
    }

    /// [`KeysError::KeyDestroyed`] when the key that sealed a record is, [`KeysError::Refused`] when there is none such. It may still
    /// not open: only opening tells.
    pub fn card_openable(&self, organisation: OrganisationId, sealed: &Sealed) -> Result<(), KeysError> {
        let ([_, version @ ..], _) = sealed.as_bytes().split_first_chunk::<5>().ok_or(KeysError::Refused)?;
        let keys = self.keys(organisation)?;
        keys.data.named(u32::from_be_bytes(*version), &self.unwrapping).map(drop)
    }

    /// Fingerprint of a whole card number of this kind, ASCII digits, and the version of the key that made it. Those of equal digits of two kinds are
    /// unrelated.
    pub fn fingerprint(
        &self,
        organisation: OrganisationId,
        kind: CardKind,
        card_number: &[u8],
    ) -> Result<(Fingerprint, u32), KeysError> {
        let keys = self.keys(organisation)?;
        let version = keys.fingerprint.active();
        Ok((self.fingerprint_by(keys, version, kind, card_number)?, version))
    }

    /// Its fingerprint under each key that is not destroyed: what an earlier one made may still be there, and another node may make with the next one already.
    pub fn fingerprints(
        &self,
        organisation: OrganisationId,
        kind: CardKind,
        card_number: &[u8],
    ) -> Result<Vec<Fingerprint>, KeysError> {
        let keys = self.keys(organisation)?;
        let usable = keys.fingerprint.usable();
        usable.map(|version| self.fingerprint_by(keys, version, kind, card_number)).collect()
    }

    /// Whether a number may have fingerprints of several keys in this organisation: one takes the place of another that is not destroyed yet.
    pub fn has_several_fingerprints(&self, organisation: OrganisationId) -> bool {
        let keys = self.organisations.get(&organisation);
        keys.is_some_and(|keys| keys.fingerprint.usable().nth(1).is_some())
    }

    /// The version of the key that makes an organisation's fingerprints; 0 where it has none.
    pub fn fingerprint_key(&self, organisation: OrganisationId) -> u32 {
        self.organisations.get(&organisation).map_or(0, |keys| keys.fingerprint.active())
    }

    /// Whether a fingerprint is that of a whole card number of this kind under this version of the key; takes the same time whatever the
    /// answer.
    pub fn fingerprint_matches(
        &self,
        organisation: OrganisationId,
        version: u32,
        kind: CardKind,
        card_number: &[u8],
        fingerprint: &Fingerprint,
    ) -> Result<bool, KeysError> {
        let made = self.fingerprint_by(self.keys(organisation)?, version, kind, card_number)?;
        Ok(made.as_bytes().ct_eq(fingerprint.as_bytes()).into())
    }

    /// How many bytes were sealed into a record; [`KeysError::Refused`] when there is none in it.
    pub fn sealed_bytes(sealed: &Sealed) -> Result<usize, KeysError> {
        sealed.as_bytes().len().checked_sub(HEADER_BYTES + TAG_BYTES).ok_or(KeysError::Refused)
    }

    /// Digest of an e-mail address under the organisation's active fingerprint key, by which its customers are found, and the version of
    /// that key.
    pub fn email_digest(
        &self,
        organisation: OrganisationId,
        email: &[u8],
    ) -> Result<(EmailDigest, u32), KeysError> {
        let keys = self.keys(organisation)?;
        let version = keys.fingerprint.active();
        Ok((self.email_digest_by(keys, version, email)?, version))
    }

    /// Its digest under each of the organisation's fingerprint keys that is not destroyed: what an earlier one made may still be there.
    pub fn email_digests(
        &self,
        organisation: OrganisationId,
        email: &[u8],
    ) -> Result<Vec<EmailDigest>, KeysError> {
        let keys = self.keys(organisation)?;
        keys.fingerprint.usable().map(|version| self.email_digest_by(keys, version, email)).collect()
    }

    /// Whether a digest is that of an e-mail address under this version of the key; takes the same time whatever the answer.
    pub fn email_digest_matches(
        &self,
        organisation: OrganisationId,
        version: u32,
        email: &[u8],
        digest: &EmailDigest,
    ) -> Result<bool, KeysError> {
        let made = self.email_digest_by(self.keys(organisation)?, version, email)?;
        Ok(made.as_bytes().ct_eq(digest.as_bytes()).into())
    }

    /// Whether an organisation has keys of each purpose, destroyed ones included.
    pub fn has_keys(&self, organisation: OrganisationId) -> bool {
        let keys = self.organisations.get(&organisation);
        keys.is_some_and(|keys| !keys.data.is_empty() && !keys.fingerprint.is_empty())
    }

    /// Whether an organisation has a key that seals.
    pub fn seals(&self, organisation: OrganisationId) -> bool {
        self.organisations.get(&organisation).is_some_and(|keys| keys.data.active() > 0)
    }

    /// How many organisations have keys.
    pub fn organisations(&self) -> usize {
        self.organisations.len()
    }

    fn keys(&self, organisation: OrganisationId) -> Result<&OrganisationKeys, KeysError> {
        self.organisations.get(&organisation).map(Arc::as_ref).ok_or(KeysError::KeyUnknown)
    }

    fn fingerprint_by(
        &self,
        keys: &OrganisationKeys,
        version: u32,
        kind: CardKind,
        card_number: &[u8],
    ) -> Result<Fingerprint, KeysError> {
        let key = keys.fingerprint.key(version, &self.unwrapping)?;
        Ok(residue::hashed(|| {
            let mac = match kind {
                CardKind::Card => hmac::sign(key, card_number),
                CardKind::NetworkToken => {
                    let mut context = hmac::Context::with_key(key);
                    context.update(b"network-token/1");
                    context.update(card_number);
                    context.sign()
                }
            };
            Fingerprint::from_bytes(digest_head(&mac))
        }))
    }

    /// The label keeps it apart from fingerprints: those are over digits only, or over another label and digits.
    fn email_digest_by(
        &self,
        keys: &OrganisationKeys,
        version: u32,
        email: &[u8],
    ) -> Result<EmailDigest, KeysError> {
        let key = keys.fingerprint.key(version, &self.unwrapping)?;
        Ok(residue::hashed(|| {
            let mut context = hmac::Context::with_key(key);
            context.update(b"email/1");
            context.update(email);
            EmailDigest::from_bytes(digest_head(&context.sign()))
        }))
    }
}

impl Usable for Xaes {
    fn make(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Self::new(key)
    }
}

impl Usable for hmac::Key {
    fn make(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Ok(Self::new(hmac::HMAC_SHA256, key))
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

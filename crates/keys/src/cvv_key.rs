use core::num::NonZeroU32;

use panvault_model::{CardId, OrganisationId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, Timestamp};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::ring::Kind;
use crate::xaes::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes};

const FORMAT: u8 = 2;
/// Bytes of a CVV before it is sealed.
const CVV_PLAINTEXT_BYTES: usize = 16;
/// Bytes of associated data: format, kind, organisation, card and until when.
const ASSOCIATED_BYTES: usize = 1 + 1 + 12 + 12 + 8;
const _: () = assert!(SEALED_CVV_BLOCK_BYTES == 1 + NONCE_BYTES + CVV_PLAINTEXT_BYTES + TAG_BYTES);

/// Seals CVVs while they are held. One node makes its own at start and never stores it: when it is gone, no held CVV opens. Nodes that share
/// CVVs derive theirs from a key of the vault and a key component that only the place which holds the CVVs has.
pub struct CvvKey {
    cipher: Xaes,
    component: Option<NonZeroU32>,
}

impl CvvKey {
    /// Makes a new one.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill_secret(key.as_mut_slice())?;
        Self::from_bytes(key, None)
    }

    pub(crate) fn from_bytes(
        key: Zeroizing<[u8; KEY_BYTES]>,
        component: Option<NonZeroU32>,
    ) -> Result<Self, KeysError> {
        Ok(Self { cipher: Xaes::new(&key)?, component })
    }

    /// The number of the key component that it was derived from, if it was.
    pub const fn component(&self) -> Option<NonZeroU32> {
        self.component
    }

    /// Seals a CVV for one card of one organisation, until then.
    pub fn seal(
        &self,
        card: CardId,
        organisation: OrganisationId,
        expires_at: Timestamp,
        plaintext: &[u8; CVV_PLAINTEXT_BYTES],
        entropy: &dyn Entropy,
    ) -> Result<SealedCvvBlock, KeysError> {
        let mut sealed = [0; SEALED_CVV_BLOCK_BYTES];
        let [format, rest @ ..] = &mut sealed;
        let (nonce, rest) = rest.split_first_chunk_mut().ok_or(KeysError::Cipher)?;
        let (bytes, rest) = rest.split_first_chunk_mut().ok_or(KeysError::Cipher)?;
        let tag = rest.first_chunk_mut().ok_or(KeysError::Cipher)?;
        *format = FORMAT;
        entropy.fill_secret(nonce)?;
        *bytes = *plaintext;
        *tag = self
            .cipher
            .seal(nonce, &associated(card, organisation, expires_at)?, bytes)
            .inspect_err(|_| bytes.zeroize())?;
        Ok(SealedCvvBlock::new(self.component, sealed))
    }

    /// Opens a CVV that was sealed for this card of this organisation, until this moment: an older CVV of the card is another one, and a time that was made
    /// longer is none.
    pub fn open(
        &self,
        card: CardId,
        organisation: OrganisationId,
        expires_at: Timestamp,
        sealed: &SealedCvvBlock,
        plaintext: &mut [u8; CVV_PLAINTEXT_BYTES],
    ) -> Result<(), KeysError> {
        let (format, rest) = sealed.as_bytes().split_first().ok_or(KeysError::Refused)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(KeysError::Refused)?;
        let (bytes, tag) = rest.split_first_chunk().ok_or(KeysError::Refused)?;
        let tag = tag.first_chunk::<TAG_BYTES>().ok_or(KeysError::Refused)?;
        if *format != FORMAT || sealed.component() != self.component {
            return Err(KeysError::Refused);
        }
        *plaintext = *bytes;
        self.cipher
            .open(nonce, &associated(card, organisation, expires_at)?, plaintext, tag)
            .inspect_err(|_| plaintext.zeroize())
    }
}

fn associated(
    card: CardId,
    organisation: OrganisationId,
    expires_at: Timestamp,
) -> Result<[u8; ASSOCIATED_BYTES], KeysError> {
    let mut bytes = [0; ASSOCIATED_BYTES];
    let [format, kind, rest @ ..] = &mut bytes;
    (*format, *kind) = (FORMAT, Kind::Cvv.code());
    let (owner, rest) = rest.split_first_chunk_mut().ok_or(KeysError::Cipher)?;
    let (id, rest) = rest.split_first_chunk_mut().ok_or(KeysError::Cipher)?;
    let until = rest.first_chunk_mut().ok_or(KeysError::Cipher)?;
    (*owner, *id) = (*organisation.as_bytes(), *card.as_bytes());
    *until = expires_at.unix_millis().to_be_bytes();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    /// The bug: of the CVVs that a card had, any opened in the place of another, and for as long as whoever holds them said. Its cause: a sealed CVV knew its card, and
    /// not until when it is held. Its cure: it does, to the millisecond.
    #[test]
    fn opens_for_its_card_and_its_time_only_and_only_with_this_key() {
        let entropy = SystemEntropy::new();
        let key = CvvKey::make(&entropy).unwrap();
        let (card, other) = (CardId::from_bytes([1; 12]), CardId::from_bytes([2; 12]));
        let (organisation, stranger) =
            (OrganisationId::from_bytes([3; 12]), OrganisationId::from_bytes([4; 12]));
        let [until, later, earlier] = [1_000, 1_001, 999].map(Timestamp::from_unix_millis);
        let sealed = key.seal(card, organisation, until, &[5; 16], &entropy).unwrap();
        let open = |key: &CvvKey, card, organisation, until, sealed: &SealedCvvBlock| {
            let mut plaintext = [0; 16];
            key.open(card, organisation, until, sealed, &mut plaintext).map(|()| plaintext)
        };
        assert_eq!(open(&key, card, organisation, until, &sealed).ok(), Some([5; 16]));
        assert!(open(&key, other, organisation, until, &sealed).is_err());
        assert!(open(&key, card, stranger, until, &sealed).is_err());
        assert!(open(&key, card, organisation, later, &sealed).is_err());
        assert!(open(&key, card, organisation, earlier, &sealed).is_err());
        assert!(open(&CvvKey::make(&entropy).unwrap(), card, organisation, until, &sealed).is_err());
        let other = SealedCvvBlock::new(NonZeroU32::new(1), *sealed.as_bytes());
        assert!(open(&key, card, organisation, until, &other).is_err(), "it names another key");
        for at in 0..sealed.as_bytes().len() {
            let mut bytes = *sealed.as_bytes();
            bytes[at] ^= 1;
            let changed = SealedCvvBlock::new(None, bytes);
            assert!(open(&key, card, organisation, until, &changed).is_err(), "byte {at}");
        }
    }
}

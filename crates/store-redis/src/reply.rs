//! What a server answers, read.

use core::num::NonZeroU32;

use panvault_model::{OrganisationId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, Timestamp};
use panvault_store::{CvvKeyComponent, CvvOwner, CvvShown, CvvSource, HeldCvv};
use zeroize::Zeroizing;

use crate::script::{BROWSER, standing};

/// An owner, as a server counts by it.
pub(crate) type OwnerBytes = [u8; 13];

pub(crate) fn owner_bytes(owner: CvvOwner) -> OwnerBytes {
    let source = match owner.source {
        CvvSource::Server => 0,
        CvvSource::Browser => BROWSER,
    };
    let mut bytes = [source; 13];
    for (to, from) in bytes.iter_mut().zip(owner.organisation.as_bytes()) {
        *to = *from;
    }
    bytes
}

pub(crate) fn owner_read(bytes: OwnerBytes) -> CvvOwner {
    let [organisation @ .., source] = bytes;
    let source = if source == BROWSER { CvvSource::Browser } else { CvvSource::Server };
    CvvOwner { organisation: OrganisationId::from_bytes(organisation), source }
}

/// An answer of a server that is ours.
pub(crate) struct Reply {
    /// Milliseconds, by its clock.
    pub(crate) now: u64,
    /// CVVs whose time was seen to be up.
    pub(crate) expired: u64,
    pub(crate) held: u64,
    pub(crate) browsers_held: u64,
    /// What owners hold of whom something changed.
    pub(crate) owners: Vec<(CvvOwner, u64)>,
    rest: Bytes,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyFault {
    /// It says in one byte why nothing was done.
    Refused(u8),
    /// It is not what our scripts answer.
    Odd,
}

impl Reply {
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, ReplyFault> {
        let mut rest = Bytes { bytes: Zeroizing::new(bytes), at: 0 };
        match rest.take::<1>() {
            Some([standing::OURS]) => {}
            Some([refused]) => return Err(ReplyFault::Refused(refused)),
            None => return Err(ReplyFault::Odd),
        }
        Self::told(rest).ok_or(ReplyFault::Odd)
    }

    fn told(mut rest: Bytes) -> Option<Self> {
        let (now, expired) = (rest.number()?, rest.number()?);
        let (held, browsers_held) = (rest.number()?, rest.number()?);
        let owners = (0..u16::from_be_bytes(rest.take()?))
            .map(|_| Some((owner_read(rest.take()?), rest.number()?)))
            .collect::<Option<_>>()?;
        Some(Self { now, expired, held, browsers_held, owners, rest })
    }

    /// How it was done, in one byte.
    pub(crate) fn how(&mut self) -> Option<u8> {
        let [how] = self.rest.take()?;
        Some(how)
    }

    /// A claimed CVV and its number.
    pub(crate) fn claimed(&mut self) -> Option<(u64, HeldCvv)> {
        let number = self.rest.number()?;
        let component = NonZeroU32::new(u32::from_be_bytes(self.rest.take()?));
        let remaining_millis = self.rest.number()?;
        let expires_at = Timestamp::from_unix_millis(self.rest.number()?);
        let sealed = SealedCvvBlock::new(component, self.rest.take::<SEALED_CVV_BLOCK_BYTES>()?);
        Some((number, HeldCvv { sealed, expires_at, remaining_millis }))
    }

    /// What is held of one card.
    pub(crate) fn shown(&mut self) -> Option<Option<CvvShown>> {
        if self.how()? == 0 {
            return Some(None);
        }
        let number = self.rest.number()?;
        let expires_at = Timestamp::from_unix_millis(self.rest.number()?);
        Some(Some(CvvShown { number, expires_at, remaining_millis: self.rest.number()? }))
    }

    /// The number and bytes of a key component, and milliseconds.
    pub(crate) fn component_current(&mut self) -> Option<(CvvKeyComponent, u64)> {
        let number = NonZeroU32::new(u32::from_be_bytes(self.rest.take()?))?;
        let component = self.component(number)?;
        Some((component, self.rest.number()?))
    }

    /// The bytes of a key component.
    pub(crate) fn component(&mut self, number: NonZeroU32) -> Option<CvvKeyComponent> {
        Some(CvvKeyComponent::new(number, Zeroizing::new(self.rest.take()?)))
    }

    /// Whether nothing is left.
    pub(crate) fn is_read(&self) -> bool {
        self.rest.at == self.rest.bytes.len()
    }
}

/// Wiped when it goes: it may have a key component in it.
struct Bytes {
    bytes: Zeroizing<Vec<u8>>,
    at: usize,
}

impl Bytes {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

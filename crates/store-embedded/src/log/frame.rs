//! A frame is what is made durable at once: the audit notes of its commits, their effects, and a tag that chains it to the frame before.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | `PVFR` |
//! | 4 | 2 | format, 3 |
//! | 6 | 2 | version of the key of its tag, no earlier than that of the frame before it |
//! | 8 | 4 | a: bytes of the audit notes |
//! | 12 | 4 | e: bytes of the effects |
//! | 16 | 4 | number of steps, at least 1 |
//! | 20 | 4 | 0 |
//! | 24 | 8 | number of the segment that it is in |
//! | 32 | 8 | sequence of its first step |
//! | 40 | 32 | tag of the frame before it; in the first frame of a vault, SHA-256 of the vault id |
//! | 72 | a | audit notes, one for each step, 73 bytes each |
//! | 72 + a | e | for each step: number of effects in 2 bytes, then the effects |
//! | 72 + a + e | 32 | tag: HMAC-SHA-256 over bytes 0 to 71, SHA-256 of the notes, SHA-256 of the effects |
//! | 104 + a + e | 0 to 7 | zeroes, up to a multiple of 8 |
//!
//! The tag covers digests, so that the trail of notes can be verified long after the effects are gone. A later format
//! keeps the first 72 bytes and the tag as they are, so that this version can tell a later frame from a torn one.

use panvault_store::codec::Reader;
use panvault_store::{AuditNote, Chain, Effect, Effects, RowFault};

use crate::frames::LogPlace;

/// Bytes before the sections of a frame.
pub(crate) const HEADER_BYTES: usize = 72;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 32;
/// Frames begin at multiples of this.
pub(crate) const ALIGN: usize = 8;

pub(crate) const MAGIC: [u8; 4] = *b"PVFR";
const FORMAT: u16 = 3;

/// One commit, read back.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The segment that it was written to.
    pub(crate) segment: u64,
    /// Place of its first step in the order of all steps.
    pub(crate) first_sequence: u64,
    /// One note for each step.
    pub(crate) notes: Vec<AuditNote>,
    /// The effects of each step.
    pub(crate) effects: Vec<Effects>,
    /// Bytes of the encoded effects.
    pub(crate) effects_bytes: u32,
    /// Digest of the encoded effects.
    pub(crate) effects_digest: [u8; 32],
    /// Tag of the frame before it.
    pub(crate) previous: [u8; TAG_BYTES],
    /// Its own tag.
    pub(crate) tag: [u8; TAG_BYTES],
    /// Version of the key of that.
    pub(crate) key: u16,
    /// Bytes that it takes in the segment.
    pub(crate) bytes: usize,
}

impl Frame {
    /// Place of its last step.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + self.notes.len() as u64 - 1
    }

    /// The header as it was written, from what the view keeps of a frame.
    pub(crate) fn header(
        key: u16,
        segment: u64,
        first_sequence: u64,
        count: u32,
        effects_bytes: u32,
        previous: &[u8; TAG_BYTES],
    ) -> [u8; HEADER_BYTES] {
        let audit_bytes = count.saturating_mul(u32::try_from(AuditNote::BYTES).unwrap_or(u32::MAX));
        let mut header = [0; HEADER_BYTES];
        let parts = [
            MAGIC.as_slice(),
            &FORMAT.to_be_bytes(),
            &key.to_be_bytes(),
            &audit_bytes.to_be_bytes(),
            &effects_bytes.to_be_bytes(),
            &count.to_be_bytes(),
            &[0; 4],
            &segment.to_be_bytes(),
            &first_sequence.to_be_bytes(),
            previous,
        ];
        for (slot, byte) in header.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
            *slot = *byte;
        }
        header
    }
}

/// A frame whose tag is right. What it says is ours, whether this version can read it or not.
pub(crate) struct Verified<'a> {
    pub(crate) segment: u64,
    pub(crate) first_sequence: u64,
    pub(crate) previous: [u8; TAG_BYTES],
    /// Version of the key of its tag.
    pub(crate) key: u16,
    format: u16,
    count: u32,
    audit: &'a [u8],
    effects: &'a [u8],
    effects_digest: [u8; 32],
    tag: [u8; TAG_BYTES],
}

impl<'a> Verified<'a> {
    /// Bytes of the frame that begins so, as it says itself; `None` when none begins so.
    pub(crate) fn bytes_said(header: &[u8; HEADER_BYTES]) -> Option<u64> {
        let mut reader = Reader::new(header);
        if reader.fixed::<4>().ok()? != MAGIC {
            return None;
        }
        reader.u32().ok()?;
        let sections = u64::from(reader.u32().ok()?) + u64::from(reader.u32().ok()?);
        Some((sections + (HEADER_BYTES + TAG_BYTES) as u64).next_multiple_of(ALIGN as u64))
    }

    /// Version of the key of a frame that begins so, as it says itself; `None` when none begins so.
    pub(crate) fn key_said(bytes: &[u8]) -> Option<u16> {
        let mut reader = Reader::new(bytes.get(..HEADER_BYTES)?);
        if reader.fixed::<4>().ok()? != MAGIC {
            return None;
        }
        reader.u16().ok()?;
        reader.u16().ok()
    }

    /// The frame at the front of `bytes`; `None` when there is none whose tag is right.
    pub(crate) fn read(bytes: &'a [u8], chain: &dyn Chain) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let mut reader = Reader::new(header);
        if reader.fixed::<4>().ok()? != MAGIC {
            return None;
        }
        let (format, key) = (reader.u16().ok()?, reader.u16().ok()?);
        let audit_bytes = usize::try_from(reader.u32().ok()?).ok()?;
        let effects_bytes = usize::try_from(reader.u32().ok()?).ok()?;
        let count = reader.u32().ok()?;
        reader.u32().ok()?;
        let (segment, first_sequence) = (reader.u64().ok()?, reader.u64().ok()?);
        let previous = reader.fixed().ok()?;
        let mut body = Reader::new(bytes.get(HEADER_BYTES..)?);
        let audit = body.take(audit_bytes).ok()?;
        let effects = body.take(effects_bytes).ok()?;
        let tag = body.fixed().ok()?;
        let effects_digest = chain.digest(effects);
        let ours = chain.tag(key, &[header, &chain.digest(audit), &effects_digest])?;
        (ours == tag).then_some(Self {
            segment,
            first_sequence,
            previous,
            key,
            format,
            count,
            audit,
            effects,
            effects_digest,
            tag,
        })
    }

    /// Bytes that it takes, with the zeroes that fill it up.
    pub(crate) const fn bytes(&self) -> usize {
        (HEADER_BYTES + self.audit.len() + self.effects.len() + TAG_BYTES).next_multiple_of(ALIGN)
    }

    /// Whether it is the next behind a place, where a frame under this version of the key ends.
    pub(crate) fn follows(&self, place: &LogPlace, least: u16) -> bool {
        let is_next = Some(self.first_sequence) == place.sequence.checked_add(1);
        is_next && self.previous == place.tag && self.key >= least
    }

    /// The place behind it.
    pub(crate) fn end(&self) -> LogPlace {
        let steps = u64::from(self.count);
        LogPlace { sequence: self.first_sequence.saturating_add(steps).saturating_sub(1), tag: self.tag }
    }

    /// Reads what it says. A fault means that a later version wrote it: its tag says that it is as it was written.
    pub(crate) fn decode(self) -> Result<Frame, RowFault> {
        if self.format != FORMAT || self.count == 0 {
            return Err(RowFault::Value);
        }
        Ok(Frame {
            segment: self.segment,
            first_sequence: self.first_sequence,
            notes: decode_notes(self.audit, self.count)?,
            effects: decode_effects(self.effects, self.count)?,
            effects_bytes: u32::try_from(self.effects.len()).map_err(|_| RowFault::Size)?,
            effects_digest: self.effects_digest,
            previous: self.previous,
            tag: self.tag,
            key: self.key,
            bytes: self.bytes(),
        })
    }
}

fn decode_notes(bytes: &[u8], count: u32) -> Result<Vec<AuditNote>, RowFault> {
    let mut reader = Reader::new(bytes);
    let notes = (0..count).map(|_| AuditNote::decode_from(&mut reader)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(notes)
}

fn decode_effects(bytes: &[u8], count: u32) -> Result<Vec<Effects>, RowFault> {
    let mut reader = Reader::new(bytes);
    let mut steps = Vec::new();
    for _ in 0..count {
        let effects = reader.u16()?;
        steps.push((0..effects).map(|_| Effect::decode_from(&mut reader)).collect::<Result<_, _>>()?);
    }
    reader.end()?;
    Ok(steps)
}

/// A frame in the making. Its buffers are used again for the next.
#[derive(Default)]
pub(crate) struct FrameBuilder {
    notes: Vec<u8>,
    effects: Vec<u8>,
    count: u32,
    frame: Vec<u8>,
}

impl FrameBuilder {
    /// Starts a new frame.
    pub(crate) fn clear(&mut self) {
        self.notes.clear();
        self.effects.clear();
        self.count = 0;
    }

    /// Adds a step, unless its effects are more than a frame can count or take more than so many bytes.
    pub(crate) fn push(&mut self, note: &AuditNote, effects: &[Effect], step_bytes_max: usize) -> bool {
        let before = self.effects.len();
        let Ok(count) = u16::try_from(effects.len()) else { return false };
        self.effects.extend_from_slice(&count.to_be_bytes());
        effects.iter().for_each(|effect| effect.encode(&mut self.effects));
        if self.effects.len() - before > step_bytes_max {
            self.effects.truncate(before);
            return false;
        }
        note.encode(&mut self.notes);
        self.count += 1;
        true
    }

    /// Steps so far.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes that the frame will take.
    pub(crate) fn len(&self) -> usize {
        (HEADER_BYTES + self.notes.len() + self.effects.len() + TAG_BYTES).next_multiple_of(ALIGN)
    }

    /// The frame's bytes, its tag and the digest of its effects, behind a frame whose tag and key are these; `None` where there is no key to chain it with.
    pub(crate) fn finish(
        &mut self,
        segment: u64,
        first_sequence: u64,
        (previous, least): (&[u8; TAG_BYTES], u16),
        chain: &dyn Chain,
    ) -> Option<(&[u8], Finished)> {
        let effects_bytes = u32::try_from(self.effects.len()).unwrap_or(u32::MAX);
        let (notes_digest, effects_digest) = (chain.digest(&self.notes), chain.digest(&self.effects));
        let made = || {
            let key = chain.version(least);
            let header = Frame::header(key, segment, first_sequence, self.count, effects_bytes, previous);
            let tag = chain.tag(key, &[&header, &notes_digest, &effects_digest])?;
            Some((key, header, tag))
        };
        // Between version and tag that key may be destroyed, when the next one makes already.
        let (key, header, tag) = made().or_else(made)?;
        let len = self.len();
        self.frame.clear();
        for part in [header.as_slice(), &self.notes, &self.effects, &tag] {
            self.frame.extend_from_slice(part);
        }
        self.frame.resize(len, 0);
        Some((self.frame.as_slice(), Finished { segment, effects_bytes, effects_digest, tag, key }))
    }
}

/// What is known of a frame once it is finished.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) segment: u64,
    pub(crate) effects_bytes: u32,
    pub(crate) effects_digest: [u8; 32],
    pub(crate) tag: [u8; TAG_BYTES],
    pub(crate) key: u16,
}

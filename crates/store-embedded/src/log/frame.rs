use panvault_store::codec::Reader;
use panvault_store::{AuditNote, Chain, Effect, Effects, RowFault};

/// Bytes before the sections of a frame.
pub(crate) const HEADER_BYTES: usize = 72;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 32;
/// Frames begin at multiples of this.
pub(crate) const ALIGN: usize = 8;

const MAGIC: [u8; 4] = *b"PVFR";
const FORMAT: u16 = 1;

/// One commit, read back and verified.
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
    /// Bytes that it takes in the segment.
    pub(crate) bytes: usize,
}

impl Frame {
    /// Place of its last step.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + self.notes.len() as u64 - 1
    }

    /// Reads the frame at the front of `bytes`; `None` when there is none that verifies.
    pub(crate) fn read(bytes: &[u8], chain: &dyn Chain) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let mut reader = Reader::new(header);
        if reader.fixed::<4>().ok()? != MAGIC || reader.u16().ok()? != FORMAT || reader.u16().ok()? != 0 {
            return None;
        }
        let audit_bytes = usize::try_from(reader.u32().ok()?).ok()?;
        let effects_bytes = reader.u32().ok()?;
        let count = usize::try_from(reader.u32().ok()?).ok()?;
        reader.u32().ok().filter(|reserved| *reserved == 0)?;
        let (segment, first_sequence) = (reader.u64().ok()?, reader.u64().ok()?);
        let previous = reader.fixed().ok()?;
        let mut body = Reader::new(bytes.get(HEADER_BYTES..)?);
        let audit = body.take(audit_bytes).ok()?;
        let effects = body.take(usize::try_from(effects_bytes).ok()?).ok()?;
        let tag = body.fixed::<TAG_BYTES>().ok()?;
        let effects_digest = chain.digest(effects);
        if chain.tag(&[header, &chain.digest(audit), &effects_digest]) != tag {
            return None;
        }
        // From here on the bytes are ours; a frame that verifies and does not decode was written by a later version.
        let notes = decode_notes(audit, count).ok()?;
        let effects = decode_effects(effects, count).ok()?;
        let bytes = (HEADER_BYTES + audit_bytes + usize::try_from(effects_bytes).ok()? + TAG_BYTES)
            .next_multiple_of(ALIGN);
        Some(Self {
            segment,
            first_sequence,
            notes,
            effects,
            effects_bytes,
            effects_digest,
            previous,
            tag,
            bytes,
        })
    }

    /// The header as it was written, from what the view keeps of a frame.
    pub(crate) fn header(
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
            &[0; 2],
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

fn decode_notes(bytes: &[u8], count: usize) -> Result<Vec<AuditNote>, RowFault> {
    let mut reader = Reader::new(bytes);
    let notes = (0..count).map(|_| AuditNote::decode_from(&mut reader)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(notes)
}

fn decode_effects(bytes: &[u8], count: usize) -> Result<Vec<Effects>, RowFault> {
    let mut reader = Reader::new(bytes);
    let mut steps = Vec::with_capacity(count.min(1024));
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

    /// Adds a step, unless its effects take more than so many bytes.
    pub(crate) fn push(&mut self, note: &AuditNote, effects: &[Effect], step_bytes_max: usize) -> bool {
        let before = self.effects.len();
        self.effects.extend_from_slice(&u16::try_from(effects.len()).unwrap_or(u16::MAX).to_be_bytes());
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

    /// The frame's bytes, its tag and the digest of its effects.
    pub(crate) fn finish(
        &mut self,
        segment: u64,
        first_sequence: u64,
        previous: &[u8; TAG_BYTES],
        chain: &dyn Chain,
    ) -> (&[u8], Finished) {
        let effects_bytes = u32::try_from(self.effects.len()).unwrap_or(u32::MAX);
        let header = Frame::header(segment, first_sequence, self.count, effects_bytes, previous);
        let effects_digest = chain.digest(&self.effects);
        let tag = chain.tag(&[&header, &chain.digest(&self.notes), &effects_digest]);
        let len = self.len();
        self.frame.clear();
        for part in [header.as_slice(), &self.notes, &self.effects, &tag] {
            self.frame.extend_from_slice(part);
        }
        self.frame.resize(len, 0);
        (&self.frame, Finished { segment, effects_bytes, effects_digest, tag })
    }
}

/// What is known of a frame once it is finished.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) segment: u64,
    pub(crate) effects_bytes: u32,
    pub(crate) effects_digest: [u8; 32],
    pub(crate) tag: [u8; TAG_BYTES],
}

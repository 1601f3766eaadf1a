//! How far the audit trail of each node has come, where nodes share a store.
//!
//! The body of a checkpoint:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 12 | the node that began last |
//! | 2 | version of the key of the chain that steps behind the marks are under, or a later one |
//! | 8 | changes of ends: the sum of the versions of all rows of ends |
//! | 4 | number of nodes that go on |
//! | 62 each | node (12), in their order · its end (50) |
//!
//! An end: place of the last record (8) · place of the last record of the marked step (8) · its tag (34).
//!
//! The body of the end of a node's trail: format, 2 (1) · its end (50) · the tag that the marked step is being given in the place of the other: 0, or 1 and the tag (1 or 35).

use std::collections::BTreeMap;

use panvault_model::NodeId;

use crate::codec::{Reader, RowFault, Writer};

const FORMAT: u8 = 2;

/// The version of a key of the chain (2), and a tag that it made (32); zeroes before the first step, and where nothing is chained.
pub type ChainTag = [u8; 34];

/// A step of a chain: whoever has its tag knows all of the chain up to there, whoever has the keys that chained it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailMark {
    /// The place of its last record, counted from 1; 0 before the first step.
    pub place: u64,
    /// Its tag.
    pub tag: ChainTag,
}

impl TrailMark {
    /// Before the first step.
    pub const NONE: Self = Self { place: 0, tag: [0; 34] };
}

/// How far the trail of a node has come, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailEnd {
    /// The place of its last record.
    pub place: u64,
    /// The last step of which the tag is known: the one that ends there, or one before, where what comes behind it is in one commit with this.
    pub mark: TrailMark,
}

impl TrailEnd {
    /// Of one that has nothing yet.
    pub const NONE: Self = Self::at(TrailMark::NONE);

    /// One that ends with a step.
    pub const fn at(mark: TrailMark) -> Self {
        Self { place: mark.place, mark }
    }

    /// One that ends with the record that is in one commit with this, behind a step.
    pub const fn behind(mark: TrailMark) -> Self {
        Self { place: mark.place.saturating_add(1), mark }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.place);
        writer.u64(self.mark.place);
        writer.fixed(&self.mark.tag);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        let end =
            Self { place: reader.u64()?, mark: TrailMark { place: reader.u64()?, tag: reader.fixed()? } };
        if end.mark.place <= end.place { Ok(end) } else { Err(RowFault::Value) }
    }
}

/// How far the trails of nodes have come, at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// The node that began last. Its first record names the one before it, and so on.
    pub last: NodeId,
    /// What comes behind the marks is chained under this version of the key or a later one.
    pub key: u16,
    /// The sum of the versions of all rows of ends: one that is put back to a version of before, or taken away, makes it less.
    pub ended: u64,
    /// The end of each whose trail may go on.
    pub ends: BTreeMap<NodeId, TrailEnd>,
}

impl AuditCheckpoint {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(27 + self.ends.len() * 62);
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        writer.fixed(self.last.as_bytes());
        writer.u16(self.key);
        writer.u64(self.ended);
        writer.u32(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        for (node, end) in &self.ends {
            writer.fixed(node.as_bytes());
            end.encode(&mut writer);
        }
        out
    }

    /// Reads what [`AuditCheckpoint::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let last = NodeId::from_bytes(reader.fixed()?);
        let (key, ended) = (reader.u16()?, reader.u64()?);
        let mut ends = BTreeMap::new();
        for _ in 0..reader.u32()? {
            let node = NodeId::from_bytes(reader.fixed()?);
            if ends.last_key_value().is_some_and(|(before, _)| *before >= node) {
                return Err(RowFault::Value);
            }
            ends.insert(node, TrailEnd::decode(&mut reader)?);
        }
        reader.end()?;
        Ok(Self { last, key, ended, ends })
    }
}

/// Where the trail of a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEnd {
    /// With which record and step.
    pub end: TrailEnd,
    /// The tag that the step has or is given in the place of the other, under a later key.
    pub next: Option<ChainTag>,
}

impl AuditEnd {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(86);
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        self.end.encode(&mut writer);
        writer.u8(u8::from(self.next.is_some()));
        if let Some(next) = &self.next {
            writer.fixed(next);
        }
        out
    }

    /// Reads what [`AuditEnd::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let end = TrailEnd::decode(&mut reader)?;
        let next = match reader.u8()? {
            0 => None,
            1 => Some(reader.fixed()?),
            _ => return Err(RowFault::Value),
        };
        reader.end()?;
        Ok(Self { end, next })
    }

    /// The end with the tag that its step was given last.
    pub fn last(&self) -> TrailEnd {
        let tag = self.next.unwrap_or(self.end.mark.tag);
        TrailEnd { mark: TrailMark { tag, ..self.end.mark }, ..self.end }
    }

    /// Whether the step may have this tag.
    pub fn has(&self, tag: &ChainTag) -> bool {
        self.end.mark.tag == *tag || self.next == Some(*tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 12])
    }

    const MARK: TrailMark = TrailMark { place: 300, tag: [7; 34] };

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_else_refused() {
        let ends = BTreeMap::from([(node(1), TrailEnd::behind(MARK)), (node(2), TrailEnd::NONE)]);
        let checkpoint = AuditCheckpoint { last: node(2), key: 3, ended: 258, ends };
        let bytes = checkpoint.encode();
        let written: Vec<u8> = [
            &[2][..],
            &[2; 12],
            &[0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 2],
            &[1; 12],
            &[0, 0, 0, 0, 0, 0, 1, 45, 0, 0, 0, 0, 0, 0, 1, 44],
            &[7; 34],
            &[2; 12],
            &[0; 50],
        ]
        .concat();
        assert_eq!(bytes, written);
        assert_eq!(AuditCheckpoint::decode(&bytes), Ok(checkpoint));
        for len in 0..bytes.len() {
            assert!(AuditCheckpoint::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(AuditCheckpoint::decode(&[bytes.as_slice(), &[0]].concat()), Err(RowFault::Long));
        for twice in [[1; 12], [0; 12]] {
            let mut other = bytes.clone();
            other[89..101].copy_from_slice(&twice);
            assert_eq!(AuditCheckpoint::decode(&other), Err(RowFault::Value), "in their order, each once");
        }
        let mut other = bytes;
        other[46] = 43;
        assert_eq!(AuditCheckpoint::decode(&other), Err(RowFault::Value), "no mark is behind the end");
    }

    #[test]
    fn an_end_is_read_as_it_was_written_and_else_refused() {
        let place = [0, 0, 0, 0, 0, 0, 1, 44];
        let ended = AuditEnd { end: TrailEnd::at(MARK), next: None };
        let without: Vec<u8> = [&[2][..], &place, &place, &[7; 34], &[0]].concat();
        let given = AuditEnd { next: Some([8; 34]), ..ended };
        let with: Vec<u8> = [&without[..51], &[1], &[8; 34]].concat();
        for (end, written) in [(ended, without), (given, with)] {
            assert_eq!(end.encode(), written);
            assert_eq!(AuditEnd::decode(&written), Ok(end));
            for len in 0..written.len() {
                assert!(AuditEnd::decode(&written[..len]).is_err(), "{len}");
            }
            assert_eq!(AuditEnd::decode(&[written.as_slice(), &[0]].concat()), Err(RowFault::Long));
            for (at, to) in [(0, 1), (8, 43), (51, 2)] {
                let mut other = written.clone();
                other[at] = to;
                assert!(AuditEnd::decode(&other).is_err(), "{at}");
            }
        }
        assert!(ended.has(&[7; 34]) && !ended.has(&[8; 34]) && given.has(&[7; 34]) && given.has(&[8; 34]));
    }
}

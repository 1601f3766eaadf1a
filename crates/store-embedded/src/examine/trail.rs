use std::collections::HashMap;

use panvault_store::{AuditNote, Chain};

use crate::examine::Examination;
use crate::examine::expected::ExpectedRows;
use crate::fault::OpenFault;
use crate::log::Frame;
use crate::view;

impl Examination {
    /// The audit trail: numbered without gaps, chained by tags that cover every note, and telling of the rows that are there.
    pub(super) fn look_at_audit(
        &mut self,
        chain: &dyn Chain,
        log: &[(u64, [u8; 32])],
    ) -> Result<(), OpenFault> {
        let (mut findings, told) = self.trail(chain, log)?;
        self.bins = told.bins;
        findings.extend(told.differ(&self.view)?);
        findings.into_iter().for_each(|what| self.found("audit", what));
        Ok(())
    }

    fn trail(
        &self,
        chain: &dyn Chain,
        log: &[(u64, [u8; 32])],
    ) -> Result<(Vec<String>, ExpectedRows), OpenFault> {
        let logged: HashMap<u64, [u8; 32]> = log.iter().copied().collect();
        let (mut findings, mut told) = (Vec::new(), ExpectedRows::default());
        let mut next = 1;
        let mut previous_tag: Option<[u8; 32]> = None;
        let mut frames = self.view.prepare("SELECT * FROM chain ORDER BY first_sequence")?;
        let mut frames = frames.query([])?;
        while let Some(row) = frames.next()? {
            let first: i64 = row.get(0)?;
            let (segment, effects_bytes): (i64, u32) = (row.get(1)?, row.get(2)?);
            let (digest, previous, tag): ([u8; 32], [u8; 32], [u8; 32]) =
                (row.get(3)?, row.get(4)?, row.get(5)?);
            let notes = row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?;
            let notes = view::unpack_notes(notes).unwrap_or_else(|_| {
                findings.push(format!("the notes from step {first} on cannot be read"));
                Vec::new()
            });
            let mut encoded = Vec::with_capacity(notes.len() * AuditNote::BYTES);
            notes.iter().for_each(|note| note.encode(&mut encoded));
            let count = u32::try_from(notes.len()).unwrap_or(u32::MAX);
            let header = Frame::header(
                segment.cast_unsigned(),
                first.cast_unsigned(),
                count,
                effects_bytes,
                &previous,
            );
            let sound = first.cast_unsigned() == next
                && previous_tag.is_none_or(|tag| tag == previous)
                && chain.tag(&[&header, &chain.digest(&encoded), &digest]) == tag
                && logged.get(&first.cast_unsigned()).is_none_or(|logged| *logged == tag);
            if !sound {
                findings.push(format!("the trail does not verify at step {first}"));
            }
            notes.iter().for_each(|note| told.put(note));
            next = first.cast_unsigned() + u64::from(count);
            previous_tag = Some(tag);
        }
        if next != self.applied + 1 {
            findings.push(format!("the trail ends at step {} and the view at {}", next - 1, self.applied));
        }
        Ok((findings, told))
    }
}

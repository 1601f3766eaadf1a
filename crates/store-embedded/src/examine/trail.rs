use std::collections::HashMap;

use panvault_store::audit_start::AuditStart;
use panvault_store::{AuditNote, Chain, DocumentKind, DocumentRow};

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
        let start = self.start()?;
        start.iter().for_each(|start| told.begin(start));
        let place = start.map_or(0, |start| start.place);
        // What is kept no longer goes a while after that is written down.
        let sql = "SELECT coalesce(min(first_sequence), 1) FROM chain";
        let first: i64 = self.view.query_row(sql, [], |row| row.get(0))?;
        let mut next = first.cast_unsigned().min(place + 1);
        let mut before: Option<([u8; 32], u16)> = None;
        let mut frames = self.view.prepare("SELECT * FROM chain ORDER BY first_sequence")?;
        let mut frames = frames.query([])?;
        while let Some(row) = frames.next()? {
            let first: i64 = row.get(0)?;
            let (segment, effects_bytes): (i64, u32) = (row.get(1)?, row.get(2)?);
            let (digest, previous, tag): ([u8; 32], [u8; 32], [u8; 32]) =
                (row.get(3)?, row.get(4)?, row.get(5)?);
            let key: u16 = row.get(6)?;
            let notes = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
            let notes = view::unpack_notes(notes).unwrap_or_else(|_| {
                findings.push(format!("the notes from step {first} on cannot be read"));
                Vec::new()
            });
            let mut encoded = Vec::with_capacity(notes.len() * AuditNote::BYTES);
            notes.iter().for_each(|note| note.encode(&mut encoded));
            let count = u32::try_from(notes.len()).unwrap_or(u32::MAX);
            let header = Frame::header(
                key,
                segment.cast_unsigned(),
                first.cast_unsigned(),
                count,
                effects_bytes,
                &previous,
            );
            let last = first.cast_unsigned() + u64::from(count.max(1)) - 1;
            let made = chain.tag(key, &[&header, &chain.digest(&encoded), &digest]);
            // What is kept no longer, and has not gone yet, may be under a key that is.
            let is_past = made.is_none() && last <= place && !chain.is_later(key);
            let sound = first.cast_unsigned() == next
                && before.is_none_or(|(tag, least)| tag == previous && key >= least)
                && (is_past || made == Some(tag))
                && logged.get(&first.cast_unsigned()).is_none_or(|logged| *logged == tag);
            if !sound {
                findings.push(format!("the trail does not verify at step {first}"));
            }
            let places = first.cast_unsigned()..;
            let kept = notes.iter().zip(places).filter(|(_, at)| *at > place);
            kept.for_each(|(note, _)| told.put(note));
            next = first.cast_unsigned() + u64::from(count);
            before = Some((tag, key));
        }
        if told.retired != place {
            findings.push(format!(
                "the trail says that {} records are kept no longer, and what is kept begins behind {place}",
                told.retired
            ));
        }
        if next != self.applied + 1 {
            findings.push(format!("the trail ends at step {} and the view at {}", next - 1, self.applied));
        }
        Ok((findings, told))
    }

    /// Where what is kept of the trail begins, if it is not the first record. Whether the vault wrote that is looked at with the documents.
    fn start(&self) -> Result<Option<AuditStart>, OpenFault> {
        let sql = "SELECT row FROM document WHERE kind = ?";
        let mut statement = self.view.prepare(sql)?;
        let mut rows = statement.query([DocumentKind::AuditStart.code()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let row = row.get_ref(0)?.as_blob().ok().and_then(|row| DocumentRow::decode(row).ok());
        Ok(row.and_then(|row| AuditStart::decode(&row.body).ok()))
    }
}

//! A store that is filled from another: its view is written as it is to be, and its log begins behind the last record of the trail.

use std::path::Path;
use std::sync::Arc;

use panvault_directory::Directory;
use panvault_model::VaultId;
use panvault_store::{AuditNote, Chain, Row, RowKey, Table};
use rusqlite::Connection;

use crate::fault::OpenFault;
use crate::limits::Settings;
use crate::log::{FrameBuilder, SegmentHeader};
use crate::store::{LOG, lock, make_log_within};
use crate::view::{self, Access, ApplyFrame, Fingerprints, Tallies};

/// Bytes of the effects of a record that comes without any.
const NO_EFFECTS_BYTES: usize = 1 << 20;

/// The store in the making, in a directory that this process has locked. What was put is kept, whatever becomes of the process; it is no store
/// before [`Import::finish`].
pub struct Import {
    held: Directory,
    vault: VaultId,
    chain: Arc<dyn Chain>,
    settings: Settings,
    view: Connection,
    tallies: Tallies,
    fingerprints: Fingerprints,
    /// Records of the trail so far.
    records: u64,
    /// Tag of the last frame of them, and the version of its key.
    link: ([u8; 32], u16),
}

impl Import {
    /// Begins, or goes on where an earlier one stopped. [`OpenFault::Exists`] where one was finished.
    pub fn begin(
        directory: &Path,
        vault: VaultId,
        chain: Arc<dyn Chain>,
        settings: Settings,
    ) -> Result<Self, OpenFault> {
        let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
        lock(&held)?;
        if held.entry(LOG).map_err(OpenFault::io(directory))?.is_some() {
            return Err(OpenFault::Exists { path: directory.to_owned() });
        }
        if !view::is_there(&held)? {
            view::create(&held, vault, chain.as_ref())?;
        }
        let view = view::connect(&held, Access::Write, settings.cache_kib)?;
        let meta = view::meta(&view, vault)?;
        let tallies = Tallies::load(&view, Arc::clone(&chain), meta.applied)?;
        let fingerprints = Fingerprints::open(&view, settings.merging)?;
        let link = meta.link_or_first(vault, chain.as_ref());
        Ok(Self { held, vault, chain, settings, view, tallies, fingerprints, records: meta.applied, link })
    }

    /// The last key of a table so far.
    pub fn last(&self, table: Table) -> Result<Option<RowKey>, OpenFault> {
        Ok(view::last_key(&self.view, table)?)
    }

    /// Puts rows, none of which is there yet.
    pub fn put(&mut self, rows: &[Row]) -> Result<(), OpenFault> {
        let found_by = view::apply_new(&self.view, &self.tallies, rows, self.records)?;
        self.fingerprints.added(found_by);
        while self.fingerprints.tidy(&self.view)? {}
        self.written()
    }

    /// Records of the trail so far.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Puts the next records of the trail.
    pub fn put_notes(&mut self, notes: &[AuditNote]) -> Result<(), OpenFault> {
        let mut builder = FrameBuilder::default();
        for note in notes {
            if !builder.push(note, &Vec::new(), NO_EFFECTS_BYTES) {
                return Err(OpenFault::ViewDamaged { what: "a record of the trail cannot be written" });
            }
        }
        let (segment, first_sequence, (previous, least)) = (1, self.records + 1, self.link);
        let finished = builder.finish(segment, first_sequence, (&previous, least), self.chain.as_ref());
        let Some((_, finished)) = finished else {
            return Err(OpenFault::ViewDamaged { what: "there is no key to chain its records with" });
        };
        let frame = ApplyFrame {
            segment,
            first_sequence,
            notes: notes.to_vec(),
            effects: notes.iter().map(|_| Vec::new()).collect(),
            effects_bytes: finished.effects_bytes,
            effects_digest: finished.effects_digest,
            previous,
            tag: finished.tag,
            key: finished.key,
        };
        view::apply(&self.view, &self.tallies, core::slice::from_ref(&frame))?;
        (self.records, self.link) = (frame.last_sequence(), (frame.tag, frame.key));
        self.written()
    }

    /// Makes the log, which makes it a store.
    pub fn finish(self) -> Result<(), OpenFault> {
        // Closing carries SQLite's own log into the file, durably.
        self.view.close().map_err(|(_, error)| error)?;
        let first = SegmentHeader {
            vault: self.vault,
            number: 1,
            first_sequence: self.records + 1,
            bytes: self.settings.segment_bytes,
            previous: self.link.0,
            key: self.chain.version(self.link.1),
        };
        make_log_within(&self.held, &first, self.chain.as_ref())
    }

    /// Keeps SQLite's own log short.
    fn written(&self) -> Result<(), OpenFault> {
        if view::log_bytes(&self.view)? > self.settings.view_log_bytes_max {
            view::end_log(&self.view, false)?;
        }
        Ok(())
    }
}

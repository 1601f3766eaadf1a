//! Commits of the log as they are taken along in an incremental backup, byte by byte, and how they are carried into a copy of the view.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use panvault_directory::{Directory, start_write_out};
use panvault_model::VaultId;
use panvault_store::Chain;

use crate::apply_queue::carried_at_once;
use crate::fault::OpenFault;
use crate::limits::{APPLY_BYTES_MAX, FRAME_BYTES_MAX, Settings, WRITE_OUT_BYTES};
use crate::log::{HEADER_BYTES, Verified};
use crate::store::lock;
use crate::view::{self, Access, ApplyFrame, Fingerprints, Tallies};

/// A place in the log, between two commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The last step before it.
    pub sequence: u64,
    /// The tag of the commit that ends with that: it stands for all before.
    pub tag: [u8; 32],
}

/// Why there are no commits behind a place, or they cannot be carried into a view.
#[derive(Debug, thiserror::Error)]
pub enum FramesFault {
    /// They were given up.
    #[error("the log no longer has what came behind step {sequence}")]
    Gone {
        /// The place.
        sequence: u64,
    },
    /// They are under a key of the chain that was destroyed.
    #[error("what came behind that place is under a key of the chain that was destroyed")]
    KeyGone,
    /// The log went another way.
    #[error("step {sequence} is another one in this log")]
    Another {
        /// The place.
        sequence: u64,
    },
    /// The log does not reach there.
    #[error("the log ends with step {last}, before step {sequence}")]
    Ahead {
        /// The place.
        sequence: u64,
        /// The last step of the log.
        last: u64,
    },
    /// What is there of the log is not what was written.
    #[error("segment {segment} of the log does not verify")]
    Damaged {
        /// Its number.
        segment: u64,
    },
    /// The log or the view cannot be read or used.
    #[error("the log or the view cannot be used")]
    Read(#[from] OpenFault),
    /// The copy cannot be written.
    #[error("the copy cannot be written")]
    Write(#[source] io::Error),
    /// The copy cannot be read.
    #[error("the copy cannot be read")]
    Copy(#[source] io::Error),
    /// What was taken along is not what comes behind a step.
    #[error("behind step {sequence} comes nothing that goes on from it")]
    Unverified {
        /// The last step that was good.
        sequence: u64,
    },
    /// The store has ended.
    #[error("the store has ended")]
    Stopped,
}

impl From<rusqlite::Error> for FramesFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Read(error.into())
    }
}

/// A file that commits are copied into.
pub(crate) struct NewFrames {
    file: BufWriter<File>,
    bytes: u64,
    /// Bytes that have begun to go to the disk.
    begun: u64,
}

impl NewFrames {
    pub(crate) fn create(directory: &Directory, name: &str) -> Result<Self, FramesFault> {
        let file = directory.create(name).map_err(FramesFault::Write)?;
        Ok(Self { file: BufWriter::new(file), bytes: 0, begun: 0 })
    }

    pub(crate) fn put(&mut self, frame: &[u8]) -> Result<(), FramesFault> {
        self.file.write_all(frame).map_err(FramesFault::Write)?;
        self.bytes = self.bytes.saturating_add(frame.len() as u64);
        if self.bytes.saturating_sub(self.begun) >= WRITE_OUT_BYTES {
            self.file.flush().map_err(FramesFault::Write)?;
            // A hint: whoever flushes the log meanwhile waits for little.
            drop(start_write_out(self.file.get_ref(), self.begun, self.bytes));
            self.begun = self.bytes;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<(), FramesFault> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(FramesFault::Write)
    }
}

/// Carries commits into a copy of the view that is alone in its directory, and says where it ends with them. Each must go on from the one before it, and the first from the
/// copy; what does not is [`FramesFault::Unverified`], and then the copy is worth nothing.
pub fn frames_apply(
    directory: &Path,
    frames: File,
    vault: VaultId,
    chain: &Arc<dyn Chain>,
    settings: &Settings,
) -> Result<LogPlace, FramesFault> {
    let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
    lock(&held)?;
    let connection = view::connect(&held, Access::Write, settings.cache_kib)?;
    let meta = view::meta(&connection, vault)?;
    let tallies = Tallies::load(&connection, Arc::clone(chain), meta.applied)?;
    let mut fingerprints = Fingerprints::open(&connection, settings.merging)?;
    let (tag, key) = meta.link_or_first(vault, chain.as_ref());
    let place = LogPlace { sequence: meta.applied, tag };
    let bytes = frames.metadata().map_err(FramesFault::Copy)?.len();
    let mut reading = Reading::new(frames, bytes, (place, key));
    loop {
        let (mut waiting, mut bytes): (Vec<ApplyFrame>, u64) = (Vec::new(), 0);
        while bytes < APPLY_BYTES_MAX {
            let Some(frame) = reading.next(chain.as_ref())? else { break };
            bytes = bytes.saturating_add(u64::from(frame.effects_bytes));
            waiting.push(frame);
        }
        if waiting.is_empty() {
            break;
        }
        let mut rest = waiting.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(carried_at_once(rest));
            fingerprints.added(view::apply(&connection, &tallies, now)?.found_by);
            rest = later;
            while fingerprints.tidy(&connection)? {}
            if view::log_bytes(&connection)? > settings.view_log_bytes_max {
                view::end_log(&connection, false)?;
            }
        }
    }
    // Closing carries SQLite's own log into the file, durably.
    connection.close().map_err(|(_, error)| error)?;
    Ok(reading.place)
}

/// A file of commits that is read.
pub(crate) struct Reading<R> {
    file: BufReader<R>,
    /// Bytes that are not read yet.
    bytes: u64,
    /// Where the last one ended.
    pub(crate) place: LogPlace,
    /// Version of the key of its tag.
    key: u16,
}

impl<R: Read> Reading<R> {
    /// So many bytes, which go on from a place, of whose tag this is the version of the key.
    pub(crate) fn new(file: R, bytes: u64, (place, key): (LogPlace, u16)) -> Self {
        Self { file: BufReader::new(file), bytes, place, key }
    }

    /// The next one; `None` at the end.
    pub(crate) fn next(&mut self, chain: &dyn Chain) -> Result<Option<ApplyFrame>, FramesFault> {
        if self.bytes == 0 {
            return Ok(None);
        }
        let unverified = || FramesFault::Unverified { sequence: self.place.sequence };
        let mut header = [0; HEADER_BYTES];
        let read = self.file.read_exact(&mut header);
        read.map_err(|error| cut_short(error, unverified()))?;
        // No longer than what is there, and than any segment is, whatever it says.
        let most = self.bytes.min(FRAME_BYTES_MAX);
        let said = Verified::bytes_said(&header).filter(|said| *said <= most).ok_or_else(unverified)?;
        let mut bytes = header.to_vec();
        let body = said.saturating_sub(header.len() as u64);
        (&mut self.file).take(body).read_to_end(&mut bytes).map_err(FramesFault::Copy)?;
        let frame = Verified::read(&bytes, chain).filter(|frame| frame.follows(&self.place, self.key));
        let frame = frame.filter(|frame| frame.bytes() as u64 == said).ok_or_else(unverified)?;
        let (segment, end, key) = (frame.segment, frame.end(), frame.key);
        let unreadable = |source| OpenFault::Unreadable { segment, offset: 0, source };
        let frame = frame.decode().map_err(unreadable)?;
        self.bytes = self.bytes.saturating_sub(said);
        (self.place, self.key) = (end, key);
        Ok(Some(frame.into()))
    }
}

/// A file that ends within a commit is no fault of the disk.
fn cut_short(error: io::Error, unverified: FramesFault) -> FramesFault {
    if error.kind() == io::ErrorKind::UnexpectedEof { unverified } else { FramesFault::Copy(error) }
}

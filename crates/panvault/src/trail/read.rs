//! An exported trail is read, and held against public keys alone.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use panvault_directory::open_to_read;
use panvault_trail::limits::LINE_BYTES_MAX;
use panvault_trail::{CheckpointPublicKey, Fault, Line, Record, Step, Summary, Verifier};

/// Where a line of an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinePlace {
    /// Which of the files, from 0.
    pub(crate) file: usize,
    /// From 1.
    pub(crate) line: u64,
}

/// An export that was read, up to its end or its first fault.
pub(crate) struct Exported {
    pub(crate) summary: Summary,
    /// The first line that is not what the vault wrote there.
    pub(crate) fault: Option<(LinePlace, Fault)>,
}

const EXPECTED: &str = "--key must be 64 hexadecimal digits, as panvault audit key shows them";

/// Public keys as they are given to a command: at least one.
pub(crate) fn public_keys(texts: &[String]) -> anyhow::Result<Vec<CheckpointPublicKey>> {
    ensure!(
        !texts.is_empty(),
        "give --key KEY, which panvault audit key shows, for each key that the vault signs with"
    );
    let key = |text: &String| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok().context(EXPECTED)?;
        Ok(CheckpointPublicKey::from_bytes(bytes))
    };
    texts.iter().map(key).collect()
}

/// Reads files as one export, in the order in which they are named, and hands out each record that is proved, with its place. Lines are bounded, whatever the files have.
pub(crate) fn exported(
    files: &[PathBuf],
    keys: Vec<CheckpointPublicKey>,
    each: &mut dyn FnMut(LinePlace, Record),
) -> anyhow::Result<Exported> {
    let mut verifier = Verifier::new(keys);
    // Where the records are that wait for their checkpoint, with their sequences.
    let mut waiting: Vec<(u64, LinePlace)> = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let shown = || format!("{} cannot be read", path.display());
        let mut reader = BufReader::new(open_to_read(path).with_context(shown)?);
        let mut line = Vec::with_capacity(LINE_BYTES_MAX);
        for number in 1.. {
            line.clear();
            let most = LINE_BYTES_MAX as u64 + 1;
            if (&mut reader).take(most).read_until(b'\n', &mut line).with_context(shown)? == 0 {
                break;
            }
            let place = LinePlace { file, line: number };
            match verifier.line(&line) {
                Ok(Step::Pending) => {
                    if let Some(Line::Record(record)) = Line::parse(&line) {
                        // What comes again stands where it came last.
                        waiting.retain(|(sequence, _)| *sequence < record.sequence);
                        waiting.push((record.sequence, place));
                    }
                }
                Ok(Step::Again) => waiting.clear(),
                Ok(Step::Proven(_, records)) => {
                    for record in records {
                        let found = waiting.binary_search_by_key(&record.sequence, |(sequence, _)| *sequence);
                        let at = found.ok().and_then(|at| waiting.get(at)).map_or(place, |(_, at)| *at);
                        each(at, record);
                    }
                    waiting.clear();
                }
                Err(fault) => {
                    return Ok(Exported { summary: verifier.finish(), fault: Some((place, fault)) });
                }
            }
        }
    }
    Ok(Exported { summary: verifier.finish(), fault: None })
}

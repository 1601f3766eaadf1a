//! An exported trail is read, and held against public keys alone.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use panvault_directory::open_to_read;
use panvault_trail::limits::LINE_BYTES_MAX;
use panvault_trail::{
    AgeIdentity, CheckpointPublicKey, Fault, Line, Record, Sealed, Step, Summary, Unsealer, Verifier,
};

use crate::config::secret;

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
    /// What of it was encrypted.
    pub(crate) sealed: Sealed,
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

/// Identities of age, of files that have one on each line; lines with `#` before them are passed over. Nothing of a file is repeated.
pub(crate) fn identities(files: &[PathBuf]) -> anyhow::Result<Vec<AgeIdentity>> {
    let mut identities = Vec::new();
    for path in files {
        let text = secret::lines(path).map_err(anyhow::Error::msg)?;
        let known = identities.len();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let identity = AgeIdentity::parse(line).with_context(|| {
                format!("{} has a line that is no native identity of age (AGE-SECRET-KEY-1…)", path.display())
            })?;
            identities.push(identity);
        }
        ensure!(identities.len() > known, "{} has no identity of age", path.display());
    }
    Ok(identities)
}

/// Reads files as one export, in the order in which they are named, and hands out each record that is proved, with its place. Lines are bounded, whatever the files have; what is
/// encrypted to one of the identities is opened.
pub(crate) fn exported(
    files: &[PathBuf],
    keys: Vec<CheckpointPublicKey>,
    identities: Vec<AgeIdentity>,
    each: &mut dyn FnMut(LinePlace, Record),
) -> anyhow::Result<Exported> {
    let (mut verifier, mut unsealer) = (Verifier::new(keys), Unsealer::new(identities));
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
            let step = match unsealer.line(&line) {
                Ok(None) => continue,
                Ok(Some(opened)) => verifier.line(&opened).map(|step| (step, opened)),
                Err(fault) => Err(fault),
            };
            match step {
                Ok((Step::Pending, opened)) => {
                    if let Some(Line::Record(record)) = Line::parse(&opened) {
                        // What comes again stands where it came last.
                        waiting.retain(|(sequence, _)| *sequence < record.sequence);
                        waiting.push((record.sequence, place));
                    }
                }
                Ok((Step::Again, _)) => waiting.clear(),
                Ok((Step::Proven(_, records), _)) => {
                    for record in records {
                        let found = waiting.binary_search_by_key(&record.sequence, |(sequence, _)| *sequence);
                        let at = found.ok().and_then(|at| waiting.get(at)).map_or(place, |(_, at)| *at);
                        each(at, record);
                    }
                    waiting.clear();
                }
                Err(fault) => {
                    let (summary, sealed) = (verifier.finish(), unsealer.finish());
                    return Ok(Exported { summary, sealed, fault: Some((place, fault)) });
                }
            }
        }
    }
    Ok(Exported { summary: verifier.finish(), sealed: unsealer.finish(), fault: None })
}

//! What the fuzz target of this crate runs (`fuzz/`). A test runs it too, over the kept corpus.

use panvault_keys::{AgeIdentity, CheckpointPublicKey};

use crate::{Line, Step, Summary, Unsealer, Verifier};

/// Bytes of the input before the export: the public key that is trusted.
pub const KEY_BYTES: usize = 32;

/// Who the sealed inputs of the corpus are for: that of the example in the documentation of age.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

/// A public key and an export, which is read as `panvault audit verify` reads one. Says whether a checkpoint of it is believed.
///
/// # Panics
///
/// When something is believed that the key did not sign, or is read otherwise than it is written.
pub fn export(bytes: &[u8]) -> bool {
    let Some((key, lines)) = bytes.split_first_chunk::<KEY_BYTES>() else { return false };
    let summary = read(*key, lines);
    assert_eq!(
        summary.records > 0,
        summary.checkpoints > 0,
        "a checkpoint is over records, and they are under one"
    );
    assert!(summary.records == 0 || (1..=summary.last).contains(&summary.first), "they have no place");
    // Whoever does not trust the key believes none of it.
    let mut other = *key;
    other[0] ^= 1;
    assert_eq!(read(other, lines).checkpoints, 0, "it was not signed");
    summary.checkpoints > 0
}

/// Reads it up to the first fault.
fn read(key: [u8; KEY_BYTES], lines: &[u8]) -> Summary {
    let mut unsealer = Unsealer::new(AgeIdentity::parse(IDENTITY).into_iter().collect());
    let mut verifier = Verifier::new([CheckpointPublicKey::from_bytes(key)]);
    let mut proved = 0;
    for bytes in lines.split_inclusive(|byte| *byte == b'\n') {
        let Ok(line) = unsealer.line(bytes) else { break };
        let Some(line) = line else { continue };
        if let Some(parsed) = Line::parse(&line) {
            let written = parsed.encode();
            assert_eq!(
                written.strip_suffix(b"\n"),
                Some(line.strip_suffix(b"\n").unwrap_or(&line)),
                "a line has one form"
            );
        }
        match verifier.line(&line) {
            Ok(Step::Proven(checkpoint, records)) => {
                assert_eq!(
                    records.last().map(|record| record.sequence),
                    Some(checkpoint.last),
                    "of another place"
                );
                proved += records.len() as u64;
            }
            Ok(Step::Pending | Step::Again) => {}
            Err(_) => break,
        }
    }
    let summary = verifier.finish();
    assert_eq!(summary.records, proved, "what is counted was handed out");
    summary
}

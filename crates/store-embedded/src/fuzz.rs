//! What the fuzz targets of this crate run (`fuzz/`). A test runs them too, over the kept corpus. Each says whether what it was given was taken.

use panvault_store::{
    AuditNote, CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, Effects, RefundRow, TransactionRow,
};

use crate::frames::{FramesFault, LogPlace, Reading};
use crate::log::{FrameBuilder, Verified};

/// A chain whose tags are all alike: a fuzzer makes no HMAC, and what is behind a tag that is right is what it is to reach.
struct Open;

impl Chain for Open {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        for (slot, byte) in digest.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        digest
    }

    fn version(&self, least: u16) -> u16 {
        least.max(1)
    }

    fn tag(&self, _version: u16, _parts: &[&[u8]]) -> Option<[u8; 32]> {
        Some([0x7a; 32])
    }

    fn is_later(&self, _version: u16) -> bool {
        false
    }

    fn mark(&self, _parts: &[&[u8]]) -> [u8; 32] {
        [0x7a; 32]
    }

    fn member_hash(&self, _set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        *member
    }

    fn card_is_ours(&self, _row: &CardRow) -> bool {
        true
    }

    fn transaction_is_ours(&self, _row: &TransactionRow) -> bool {
        true
    }

    fn refund_is_ours(&self, _row: &RefundRow) -> bool {
        true
    }

    fn customer_is_ours(&self, _row: &CustomerRow) -> bool {
        true
    }

    fn checkout_is_ours(&self, _row: &CheckoutRow) -> bool {
        true
    }

    fn delivery_is_ours(&self, _row: &DeliveryRow) -> bool {
        true
    }
}

/// What is before the first commit.
const BEGIN: LogPlace = LogPlace { sequence: 0, tag: [0; 32] };

/// The frame of these steps, as the target takes it for one of ours.
pub fn frame_of(steps: &[(AuditNote, Effects)]) -> Vec<u8> {
    frames_of(&[steps])
}

/// The frames of these commits, one behind the other, as an increment has them.
pub fn frames_of(commits: &[&[(AuditNote, Effects)]]) -> Vec<u8> {
    let (mut frames, mut place) = (Vec::new(), BEGIN);
    for steps in commits {
        let mut builder = FrameBuilder::default();
        for (note, effects) in *steps {
            builder.push(note, effects, usize::MAX);
        }
        let finished = builder.finish(1, place.sequence.saturating_add(1), (&place.tag, 0), &Open);
        let Some((frame, finished)) = finished else { break };
        frames.extend_from_slice(frame);
        place = LogPlace { sequence: place.sequence.saturating_add(steps.len() as u64), tag: finished.tag };
    }
    frames
}

/// What stands in the log where a frame may. Says whether it was read.
///
/// # Panics
///
/// When a frame that was read is of another length than it takes, or is not read alike once it is written again.
pub fn frame(bytes: &[u8]) -> bool {
    let Some(verified) = Verified::read(bytes, &Open) else { return false };
    let Ok(frame) = verified.decode() else { return false };
    assert!(frame.bytes <= bytes.len().next_multiple_of(8), "longer than what it was read from");
    assert_eq!(frame.notes.len(), frame.effects.len(), "notes and steps differ");
    let steps: Vec<_> = frame.notes.into_iter().zip(frame.effects).collect();
    let again = frame_of(&steps);
    let read = Verified::read(&again, &Open).and_then(|verified| verified.decode().ok());
    assert!(read.is_some_and(|read| read.notes.into_iter().zip(read.effects).eq(steps)), "reads otherwise");
    true
}

/// What stands in the `frames.log` of an increment.
///
/// # Panics
///
/// When a commit is read that does not go on from the one before, more of them than there are bytes, or a fault is said of the disk.
pub fn frames(bytes: &[u8]) -> bool {
    let mut reading = Reading::new(bytes, bytes.len() as u64, (BEGIN, 0));
    let mut read = 0_usize;
    loop {
        let before = reading.place;
        match reading.next(&Open) {
            Ok(None) => {
                assert!(read <= bytes.len(), "more was read than there is");
                return true;
            }
            Ok(Some(frame)) => {
                assert_eq!(
                    (frame.first_sequence, frame.previous),
                    (before.sequence + 1, before.tag),
                    "a gap"
                );
                assert_eq!(reading.place.sequence, frame.last_sequence(), "it ends elsewhere");
                read += frame.notes.len();
            }
            Err(FramesFault::Unverified { sequence }) => {
                assert_eq!(sequence, before.sequence, "another place is named");
                return false;
            }
            Err(fault) => {
                assert!(matches!(fault, FramesFault::Read(_)), "{fault}");
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use panvault_testkit::corpus;

    #[test]
    fn frames_of_the_corpus_and_beside_it() {
        corpus::replay("frame", super::frame);
    }

    #[test]
    fn increments_of_the_corpus_and_beside_it() {
        corpus::replay("frames", super::frames);
    }
}

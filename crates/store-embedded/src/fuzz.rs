//! What the fuzz target of this crate runs (`fuzz/`). A test runs it too, over the kept corpus.

use panvault_store::{
    AuditNote, CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, Effects, RefundRow, TransactionRow,
};

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

/// The frame of these steps, as the target takes it for one of ours.
pub fn frame_of(steps: &[(AuditNote, Effects)]) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    for (note, effects) in steps {
        builder.push(note, effects, usize::MAX);
    }
    builder.finish(1, 1, (&[0; 32], 0), &Open).map(|(bytes, _)| bytes.to_vec()).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use panvault_testkit::corpus;

    #[test]
    fn frames_of_the_corpus_and_beside_it() {
        corpus::replay("frame", super::frame);
    }
}

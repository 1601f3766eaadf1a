use std::sync::Arc;

use panvault_model::{OrganisationId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, Timestamp};

use super::*;
use crate::limits::{CVV_HELD_BYTES, CVV_REQUEST_SECONDS};
use crate::memory_cvv::shard::{SHARD_CVVS, SHARDS_MAX};

const OWNER: CvvOwner =
    CvvOwner { organisation: OrganisationId::from_bytes([1; 12]), source: CvvSource::Server };

/// Ids whose ends are spread, as those of cards are.
fn card(n: u64) -> CardId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    CardId::from_bytes(bytes)
}

fn marked(mark: u8, seconds: u64) -> HeldCvv {
    HeldCvv {
        sealed: SealedCvvBlock::new(None, [mark; SEALED_CVV_BLOCK_BYTES]),
        expires_at: Timestamp::from_unix_millis(seconds * 1000),
        remaining_millis: seconds * 1000,
    }
}

fn made(held_max: u64) -> (MemoryCvvs, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(0));
    let its = Arc::clone(&clock);
    (MemoryCvvs::new(held_max, move || its.load(Ordering::Relaxed)), clock)
}

impl MemoryCvvs {
    fn allocated_bytes(&self) -> usize {
        self.shards.all().map(|shard| shard.lock().unwrap().allocated_bytes()).sum()
    }
}

/// A held CVV took 570 bytes: a map of large entries that doubles, and allocations of its own for each. Slots lie side by side now, and
/// only a small index doubles. Looked at around the counts at which it does.
#[test]
fn a_held_cvv_takes_no_more_than_its_limit_whatever_is_held() {
    let mut worst = 0;
    // Many more may be held than are: there are more shards then, each with a part of a block that is free.
    for held_max in [1_000_000, 30_000_000] {
        let (cvvs, _) = made(held_max);
        for n in 0..300_000 {
            assert_eq!(cvvs.hold(card(n), OWNER, 1, &marked(7, 60)), Ok(true));
            if n >= held_max / 100 && n % 5_000 == 0 {
                worst = worst.max(cvvs.allocated_bytes() as u64 / (n + 1));
            }
        }
    }
    assert!(worst > size_of::<Slot>() as u64 && worst <= CVV_HELD_BYTES, "{worst}");
}

#[test]
fn what_has_ended_leaves_its_memory() {
    let (cvvs, clock) = made(1_000_000);
    let before = cvvs.allocated_bytes();
    for n in 0..100_000 {
        let seconds = if n % 10 == 0 { 1_000 } else { 60 };
        assert_eq!(cvvs.hold(card(n), OWNER, 1, &marked(7, seconds)), Ok(true));
    }
    let full = cvvs.allocated_bytes() - before;
    clock.store((CVV_REQUEST_SECONDS + 1) * 1000, Ordering::Relaxed);
    cvvs.sweep();
    assert_eq!((cvvs.counts().held, cvvs.counts().expired), (10_000, 90_000));
    assert!(cvvs.allocated_bytes() - before < full / 4);
    for n in 0..100_000 {
        assert_eq!(cvvs.read(card(n)).is_some(), n % 10 == 0, "{n}");
    }
    clock.store(2_000_000, Ordering::Relaxed);
    cvvs.sweep();
    assert_eq!(cvvs.counts().held, 0);
    assert!(cvvs.shards.all().all(|shard| shard.lock().unwrap().len() == 0));
    assert!(cvvs.allocated_bytes() - before < full / 10);
}

/// A million or a hundred: who waits for a shard while its index grows waits for some thousand entries.
#[test]
fn no_shard_is_large() {
    for held_max in [1, 1_000_000, 30_000_000] {
        let (cvvs, _) = made(held_max);
        let shards = cvvs.shards.all().count();
        assert!(shards.is_power_of_two() && held_max / shards as u64 <= SHARD_CVVS, "{held_max}");
        // Every one of them is found, and only these.
        let found: std::collections::HashSet<_> =
            (0..200_000).map(|n| core::ptr::from_ref(cvvs.shards.of(card(n)))).collect();
        assert_eq!(found.len(), shards, "{held_max}");
    }
    assert_eq!(Shards::new(u64::MAX).all().count(), SHARDS_MAX);
}

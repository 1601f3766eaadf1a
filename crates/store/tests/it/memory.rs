use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use panvault_model::{CardId, OrganisationId, SEALED_CVV_BLOCK_BYTES, SealedCvvBlock, Timestamp};
use panvault_store::limits::CVV_HELD_BYTES;
use panvault_store::{CvvClaimed, CvvOwner, CvvPending, CvvSource, CvvStore, CvvTicket, HeldCvv, MemoryCvvs};

const OWNER: CvvOwner =
    CvvOwner { organisation: OrganisationId::from_bytes([1; 12]), source: CvvSource::Server };

/// A store in this process answers at once.
fn now<T>(mut pending: CvvPending<'_, T>) -> T {
    match pin!(pending.as_mut()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("it waits"),
    }
}

/// Ids whose ends are spread, as those of cards are.
fn card(n: u64) -> CardId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    CardId::from_bytes(bytes)
}

fn hold(cvvs: &MemoryCvvs, n: u64, number: u64, bytes: [u8; SEALED_CVV_BLOCK_BYTES]) {
    let cvv = HeldCvv {
        sealed: SealedCvvBlock::new(None, bytes),
        expires_at: Timestamp::from_unix_millis(60_000),
        remaining_millis: 60_000,
    };
    assert!(now(cvvs.cvv_hold(card(n), OWNER, number, cvv)));
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// 0.93 million held CVVs took 588 MiB: a map of large entries that doubles, and allocations of its own for each CVV. They lie side by
/// side now, in blocks that never grow.
#[test]
fn what_cvvs_take_of_memory_is_within_the_limit() {
    const CVVS: u64 = 400_000;
    let cvvs = MemoryCvvs::new(2 * CVVS, || 0);
    let before = resident();
    for n in 0..CVVS {
        hold(&cvvs, n, 1, [7; SEALED_CVV_BLOCK_BYTES]);
    }
    let each = (resident() - before) / CVVS;
    assert!((64..=CVV_HELD_BYTES).contains(&each), "{each} bytes");
}

/// What ends is wiped where it lies, in whatever way it ends: the place is used again, and is not given back to an allocator that wipes.
#[test]
fn what_ends_leaves_no_copy_in_memory() {
    const EACH: u64 = 1_000;
    // No such run of bytes is anywhere else, this text included.
    let marked: [u8; SEALED_CVV_BLOCK_BYTES] =
        core::array::from_fn(|n| u8::try_from(n).unwrap().wrapping_mul(151) ^ 0xa7);
    let clock = Arc::new(AtomicU64::new(0));
    let its = Arc::clone(&clock);
    let cvvs = MemoryCvvs::new(100 * EACH, move || its.load(Ordering::Relaxed));
    let claimed = |n| match now(cvvs.cvv_claim(card(n), CvvTicket::from_bytes([1; 16]), None)) {
        CvvClaimed::Taken(claim) => claim,
        CvvClaimed::Nothing | CvvClaimed::Twin => panic!("it is held"),
    };
    (0..6 * EACH).for_each(|n| hold(&cvvs, n, 1, marked));
    assert!(copies(&marked) >= 6 * EACH, "the control: what is held is found");
    for n in 0..EACH {
        now(cvvs.cvv_clear(card(n), 9));
        now(cvvs.cvv_clear_now(card(EACH + n)));
        hold(&cvvs, 2 * EACH + n, 2, [0; SEALED_CVV_BLOCK_BYTES]);
        now(cvvs.cvv_discard(claimed(3 * EACH + n)));
        claimed(4 * EACH + n);
    }
    // Some lie where one was handed over: on the stack, in an answer whose memory this test's allocator does not wipe.
    let few = EACH / 10;
    let left = copies(&marked);
    assert!(
        (2 * EACH..2 * EACH + few).contains(&left),
        "{left}: those that are claimed, and those that are held"
    );
    // Time ends both.
    clock.store(1_000_000, Ordering::Relaxed);
    now(cvvs.cvv_sweep());
    let left = copies(&marked);
    assert!(left < few, "{left}");
    assert_eq!(cvvs.counts().held, 0);
}

/// How often these bytes are in memory that this process can write to. What is read on the way is wiped, not to be found itself.
fn copies(bytes: &[u8]) -> u64 {
    const OVERLAP: u64 = SEALED_CVV_BLOCK_BYTES as u64 - 1;
    let mut memory = fs::File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut read = vec![0; 1 << 16];
    let mut found = 0;
    for mapping in maps.lines() {
        let mut fields = mapping.split_ascii_whitespace();
        let (from, to) = fields.next().unwrap().split_once('-').unwrap();
        if !fields.next().unwrap().starts_with("rw") {
            continue;
        }
        let [mut at, to] = [from, to].map(|place| u64::from_str_radix(place, 16).unwrap());
        while at + OVERLAP < to {
            read.fill(0);
            let length = (to - at).min(1 << 16);
            memory.seek(SeekFrom::Start(at)).unwrap();
            // What was mapped a moment ago may be gone.
            let _fault = memory.read(&mut read[..usize::try_from(length).unwrap()]);
            found += read.windows(bytes.len()).filter(|window| *window == bytes).count() as u64;
            at += length - if at + length < to { OVERLAP } else { 0 };
        }
    }
    read.fill(0);
    // Seen by what the compiler knows of.
    assert!(core::hint::black_box(&read).iter().all(|byte| *byte == 0));
    found
}

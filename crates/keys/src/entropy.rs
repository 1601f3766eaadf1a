use core::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

use crate::error::KeysError;
use crate::limits::ID_RANDOM_BYTES;

/// Bytes that a thread draws at a time for ids.
const READY_BYTES: usize = 1024;

/// A source of randomness that is good enough for keys.
///
/// What must be secret or never come twice is asked for by one call and what only has to differ by another, so that a source which
/// treats them differently cannot take one for the other.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes for a key, a nonce or whatever else must be drawn for itself, or fails.
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError>;

    /// The random part of an id, or a failure. Ids are public, and whoever stores one refuses a second that is like it.
    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError>;
}

/// The operating system's randomness through AWS-LC's generator, with a continuous test: two outputs that begin with the same
/// 16 bytes are a failure.
///
/// The random part of an id comes out of a thread's own reserve, since each call of the generator costs as much as sealing a record.
/// Nonces and keys never do: a virtual machine that is cloned has the reserve twice, and two ids that are alike are harmless where two
/// nonces are not.
pub struct SystemEntropy {
    random: SystemRandom,
    last: Mutex<[u8; 16]>,
}

impl SystemEntropy {
    /// Opens the source.
    pub fn new() -> Self {
        Self { random: SystemRandom::new(), last: Mutex::new([0; 16]) }
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

/// Random bytes that are ready for use, at the end; those before have been used, and are zeroes.
struct Ready {
    bytes: Zeroizing<[u8; READY_BYTES]>,
    used: usize,
}

thread_local! {
    static READY: RefCell<Ready> =
        RefCell::new(Ready { bytes: Zeroizing::new([0; READY_BYTES]), used: READY_BYTES });
}

impl Ready {
    /// Moves the bytes of one id out, unless there are fewer.
    fn take(&mut self) -> Option<[u8; ID_RANDOM_BYTES]> {
        let ready = self.bytes.get_mut(self.used..)?.first_chunk_mut::<ID_RANDOM_BYTES>()?;
        let taken = *ready;
        ready.zeroize();
        self.used += ID_RANDOM_BYTES;
        Some(taken)
    }
}

impl Entropy for SystemEntropy {
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError> {
        self.draw(out)
    }

    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
        READY.with_borrow_mut(|ready| {
            if let Some(taken) = ready.take() {
                return Ok(taken);
            }
            // Until the draw has succeeded there is nothing to take.
            ready.used = READY_BYTES;
            self.draw(ready.bytes.as_mut_slice())?;
            ready.used = 0;
            ready.take().ok_or(KeysError::Entropy)
        })
    }
}

impl SystemEntropy {
    fn draw(&self, out: &mut [u8]) -> Result<(), KeysError> {
        self.random.fill(out).map_err(|_| KeysError::Entropy)?;
        match out.first_chunk::<16>() {
            Some(head) => repeats(&self.last, head),
            None => Ok(()),
        }
    }
}

fn repeats(last: &Mutex<[u8; 16]>, head: &[u8; 16]) -> Result<(), KeysError> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if *last == *head {
        return Err(KeysError::Entropy);
    }
    *last = *head;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_repeat() {
        let entropy = SystemEntropy::new();
        let (mut a, mut b) = ([0; 32], [0; 32]);
        entropy.fill_secret(&mut a).unwrap();
        entropy.fill_secret(&mut b).unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn what_is_ready_is_used_once() {
        let entropy = SystemEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..READY_BYTES {
            let id = entropy.make_id_bytes().unwrap();
            assert!(id != [0; ID_RANDOM_BYTES] && seen.insert(id));
        }
        let mut ready = Ready { bytes: Zeroizing::new([7; READY_BYTES]), used: READY_BYTES - 8 };
        assert_eq!(ready.take(), Some([7; 8]));
        assert_eq!(ready.bytes[READY_BYTES - 8..], [0; 8]);
        assert_eq!(ready.take(), None);
    }

    /// What was asked for was told by its length: a secret of eight bytes or fewer came out of the reserve, which a cloned machine has
    /// twice. Now each has a call of its own.
    #[test]
    fn only_ids_come_out_of_the_reserve() {
        let entropy = SystemEntropy::new();
        entropy.make_id_bytes().unwrap();
        let used = || READY.with_borrow(|ready| ready.used);
        let before = used();
        for length in 0..=64 {
            entropy.fill_secret(&mut vec![0; length]).unwrap();
        }
        assert_eq!(used(), before);
        entropy.make_id_bytes().unwrap();
        assert_eq!(used(), before + ID_RANDOM_BYTES);
    }

    #[test]
    fn a_stuck_source_is_refused() {
        let last = Mutex::new([0; 16]);
        assert!(repeats(&last, &[7; 16]).is_ok());
        assert!(matches!(repeats(&last, &[7; 16]), Err(KeysError::Entropy)));
    }
}

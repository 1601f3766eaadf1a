use core::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

use crate::error::KeysError;

/// Bytes that a thread draws at a time for ids.
const READY_BYTES: usize = 1024;

/// What takes more is drawn for itself: an id has 8 random bytes, a nonce 24, a key 32.
const READY_MAX: usize = 8;

/// A source of randomness that is good enough for keys.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes, or fails.
    fn fill(&self, out: &mut [u8]) -> Result<(), KeysError>;
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
    /// Moves so many bytes out. `false` when there are fewer.
    fn take(&mut self, out: &mut [u8]) -> bool {
        let Some(ready) = self.bytes.get_mut(self.used..).and_then(|rest| rest.get_mut(..out.len())) else {
            return false;
        };
        out.copy_from_slice(ready);
        ready.zeroize();
        self.used += out.len();
        true
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), KeysError> {
        if out.len() > READY_MAX {
            return self.draw(out);
        }
        READY.with_borrow_mut(|ready| {
            if !ready.take(out) {
                // Until the draw has succeeded there is nothing to take.
                ready.used = READY_BYTES;
                self.draw(ready.bytes.as_mut_slice())?;
                ready.used = 0;
                ready.take(out);
            }
            Ok(())
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
        entropy.fill(&mut a).unwrap();
        entropy.fill(&mut b).unwrap();
        assert_ne!(a, b);
    }

    #[test]
    fn what_is_ready_is_used_once() {
        let entropy = SystemEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..READY_BYTES {
            let mut nonce = [0; READY_MAX];
            entropy.fill(&mut nonce).unwrap();
            assert!(nonce != [0; READY_MAX] && seen.insert(nonce));
        }
        let mut ready = Ready { bytes: Zeroizing::new([7; READY_BYTES]), used: READY_BYTES - 8 };
        let mut out = [0; 8];
        assert!(ready.take(&mut out));
        assert_eq!((out, &ready.bytes[READY_BYTES - 8..]), ([7; 8], [0; 8].as_slice()));
        assert!(!ready.take(&mut out));
    }

    #[test]
    fn a_stuck_source_is_refused() {
        let last = Mutex::new([0; 16]);
        assert!(repeats(&last, &[7; 16]).is_ok());
        assert!(matches!(repeats(&last, &[7; 16]), Err(KeysError::Entropy)));
    }
}

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::error::KeysError;

/// A source of randomness that is good enough for keys.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes, or fails.
    fn fill(&self, out: &mut [u8]) -> Result<(), KeysError>;
}

/// The operating system's randomness through AWS-LC's generator, with a continuous test: two outputs that begin with the same
/// 16 bytes are a failure.
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

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), KeysError> {
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
    fn a_stuck_source_is_refused() {
        let last = Mutex::new([0; 16]);
        assert!(repeats(&last, &[7; 16]).is_ok());
        assert!(matches!(repeats(&last, &[7; 16]), Err(KeysError::Entropy)));
    }
}

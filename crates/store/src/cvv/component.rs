use core::num::NonZeroU32;

use zeroize::Zeroizing;

/// A key component: 32 random bytes, without which no key opens what was sealed with them. It is in memory only, beside the CVVs of a place
/// that nodes share, so that neither the keys of the vault nor a copy of the place opens a CVV alone. Wiped when it goes.
pub struct CvvKeyComponent {
    number: NonZeroU32,
    /// Boxed: what is moved would stay behind where it was.
    bytes: Box<Zeroizing<[u8; 32]>>,
}

impl CvvKeyComponent {
    /// These bytes. The number is drawn, like them: so a place that has lost all that it knew gives no number a second time.
    pub fn new(number: NonZeroU32, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { number, bytes: Box::new(bytes) }
    }

    /// What it is asked for by.
    pub const fn number(&self) -> NonZeroU32 {
        self.number
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// The key component that CVVs are sealed with now.
pub struct CvvKeyCurrent {
    /// It.
    pub component: CvvKeyComponent,
    /// Milliseconds until there is to be another.
    pub remaining_millis: u64,
}

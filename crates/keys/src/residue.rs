//! What a hash leaves on the stack.

/// Words of one frame that overwrites. Two of them are more than the frames of one HMAC, in a build without optimisation too. (Two
/// kilobytes at once are cleared by an instruction that takes longer to begin than these take to end.)
const WORDS: usize = 224;

/// Does what hashes a secret, and then overwrites the stack that it has used.
///
/// The state of SHA-256 holds the last bytes of its message until they fill a block, and it is moved from place to place: only
/// the last of these is wiped when it goes. A frame that nothing overwrites would keep them for as long as its thread lives.
#[inline(never)]
pub(crate) fn hashed<T>(hash: impl FnOnce() -> T) -> T {
    let made = apart(hash);
    overwrite();
    made
}

#[inline(never)]
fn apart<T>(hash: impl FnOnce() -> T) -> T {
    hash()
}

#[inline(never)]
fn overwrite() {
    core::hint::black_box(&mut [0_u64; WORDS]);
    overwrite_below();
}

#[inline(never)]
fn overwrite_below() {
    core::hint::black_box(&mut [0_u64; WORDS]);
}

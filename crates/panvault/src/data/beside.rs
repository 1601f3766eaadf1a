//! A vault is looked at beside whoever serves it: its keys may change meanwhile, and what is under the next ones is not damaged.

use panvault_keys::Header;

/// Times that it is looked at before it is said that its keys change.
const TRIES: usize = 3;

/// What is to be known of findings that may come of keys which came meanwhile.
pub(crate) const KEYS_CHANGE: &str = "the keys of the vault were changed while it was looked at, each time: other lines may come of that and of no damage; run this again \
                                      when no rotation is begun and no slot is changed";

/// What was found, and whether it may come of keys that changed meanwhile.
pub(in crate::data) struct Looked<T> {
    pub(in crate::data) found: T,
    pub(in crate::data) keys_change: bool,
}

/// Looks at a vault, and once more where all is not as it should be and its keys have become others since they were read: a key of the vault is in its header before anything is
/// under it. `versions` are those of the copies of its header.
pub(in crate::data) async fn looked<T>(
    mut versions: impl AsyncFnMut() -> Vec<u32>,
    mut look: impl AsyncFnMut() -> T,
    is_whole: impl Fn(&T) -> bool,
) -> Looked<T> {
    let mut before = versions().await;
    let mut tries = 1;
    loop {
        let found = look().await;
        if is_whole(&found) {
            return Looked { found, keys_change: false };
        }
        let now = versions().await;
        let keys_change = now != before;
        if !keys_change || tries == TRIES {
            return Looked { found, keys_change };
        }
        (before, tries) = (now, tries + 1);
    }
}

/// The versions of the copies of a header, of which nobody vouches for any.
pub(in crate::data) fn versions(headers: &[Header]) -> Vec<u32> {
    headers.iter().map(Header::version).collect()
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// What is found of a vault whose keys change with each of the first looks, and that is whole when it is looked at with those of the last change; and how often it was looked at.
    fn found(changes: u32, is_damaged: bool) -> (bool, bool, u32) {
        let (version, looks) = (Cell::new(1), Cell::new(0));
        let look = async || {
            let read = version.get();
            looks.set(looks.get() + 1);
            version.set((read + 1).min(1 + changes));
            read == version.get() && !is_damaged
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let looked = runtime.block_on(looked(async || vec![version.get(); 2], look, |is_whole| *is_whole));
        (looked.found, looked.keys_change, looks.get())
    }

    #[test]
    fn what_keys_that_came_meanwhile_explain_is_looked_at_with_them() {
        assert_eq!(found(0, false), (true, false, 1));
        assert_eq!(found(0, true), (false, false, 1), "damage is not looked at twice");
        assert_eq!(found(1, false), (true, false, 2));
        assert_eq!(found(1, true), (false, false, 2));
        assert_eq!(found(2, false), (true, false, 3));
        assert_eq!(found(9, false), (false, true, 3), "it is said what it may come of");
    }
}

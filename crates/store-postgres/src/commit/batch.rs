//! Whether commits that go together meet: whether one changes what a later one looks at or changes.

use std::collections::HashSet;

use panvault_store::{Commit, Effect, Expect, RowKey};

/// Whether any of them meets an earlier one.
pub(crate) fn meet(commits: &[Commit]) -> bool {
    let (mut read, mut written) = (HashSet::new(), HashSet::new());
    commits.iter().any(|commit| {
        let reads = || {
            let also = commit.claim.iter().flat_map(|claim| &claim.also);
            commit.expects.iter().map(expected).chain(also.map(|key| RowKey::Idempotency(*key)))
        };
        let writes = || {
            let claimed = commit.claim.iter().map(|claim| RowKey::Idempotency(claim.row.key));
            claimed.chain(commit.effects.iter().map(Effect::key))
        };
        let meets = reads().any(|key| written.contains(&key))
            || writes().any(|key| written.contains(&key) || read.contains(&key));
        read.extend(reads());
        written.extend(writes());
        meets
    })
}

/// What an expectation is about.
pub(crate) fn expected(expect: &Expect) -> RowKey {
    match *expect {
        Expect::Absent(key) | Expect::Version(key, _) | Expect::Owned(key, _) => key,
        Expect::Expired(key, _) => RowKey::Idempotency(key),
    }
}

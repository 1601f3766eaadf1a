//! What goes together: commits of which none changes what another looks at. The others wait for the next step, in their order.

use std::collections::{HashSet, VecDeque};

use panvault_store::{Commit, Expect, RowKey};

use crate::commit::Job;

/// How many are looked through to fill a step, for each that it may have.
const LOOKED_THROUGH: usize = 4;

/// Takes at most `max` out of what waits. Of two that meet the earlier goes first.
pub(crate) fn take(waiting: &mut VecDeque<Job>, max: usize) -> Vec<Job> {
    let (mut read, mut written) = (HashSet::new(), HashSet::new());
    let mut taken = Vec::new();
    let mut at = 0;
    while taken.len() < max && at < max.saturating_mul(LOOKED_THROUGH) {
        let Some(job) = waiting.get(at) else { break };
        let reads = || job.commit.expects.iter().map(expected);
        let writes = || written_by(&job.commit);
        let meets = reads().any(|key| written.contains(&key))
            || writes().any(|key| written.contains(&key) || read.contains(&key));
        // What waits on keeps what it touches from those behind it.
        read.extend(reads());
        written.extend(writes());
        if meets {
            at += 1;
        } else {
            taken.extend(waiting.remove(at));
        }
    }
    taken
}

/// What an expectation is about.
pub(crate) fn expected(expect: &Expect) -> RowKey {
    match *expect {
        Expect::Absent(key) | Expect::Version(key, _) | Expect::Owned(key, _) => key,
        Expect::Expired(key, _) => RowKey::Idempotency(key),
    }
}

fn written_by(commit: &Commit) -> impl Iterator<Item = RowKey> {
    let claimed = commit.claim.iter().map(|claim| RowKey::Idempotency(claim.row.key));
    claimed.chain(commit.effects.iter().map(panvault_store::Effect::key))
}

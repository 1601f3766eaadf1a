//! Whose trail counts, and how far, where nodes share a store. Who has the database and a key that chained before can write steps that verify: behind a chain that is over, behind one whose
//! node is quiet, or of a node that never was. None of them is in a checkpoint or an end, and neither can be made without a key for tags of documents.

use core::fmt::{self, Display};
use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::VaultKeys;
use panvault_model::NodeId;
use panvault_store::Store;
use panvault_store::checkpoint::{AuditEnd, TrailEnd, TrailMark};

use crate::audit::checkpoint::{CHECKPOINT_ROW, checkpoint_read};
use crate::audit::start::{audit_starts, ended_trails};
use crate::error::VaultError;
use crate::vault::Vault;

/// The trails that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTrails {
    /// Of each writer the place of the last record that counts.
    pub ends: Vec<(NodeId, u64)>,
    /// What is there and does not count.
    pub refused: Vec<RefusedTrail>,
}

/// Records that the vault did not write, as far as that can be told without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedTrail {
    /// Of a writer that never began.
    Unknown(NodeId),
    /// Behind the end of one that has ended.
    BehindEnd {
        /// Whose trail.
        writer: NodeId,
        /// The place of its last record.
        end: u64,
    },
    /// Of one that has ended, and not what it was when it did.
    Rewritten {
        /// Whose trail.
        writer: NodeId,
        /// The place of the record that is another than it was.
        place: u64,
    },
    /// Behind the last mark, and under a key of before.
    EarlierKey {
        /// Whose trail.
        writer: NodeId,
        /// The place of the first such record.
        place: u64,
    },
}

impl Display for RefusedTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(writer) => {
                write!(f, "node {writer} never began here, and there is a trail in its name")
            }
            Self::BehindEnd { writer, end } => {
                write!(f, "the trail of node {writer} ended at record {end}, and goes on behind it")
            }
            Self::Rewritten { writer, place } => {
                write!(f, "the trail of node {writer} was rewritten: record {place} is another than it was")
            }
            Self::EarlierKey { writer, place } => {
                write!(
                    f,
                    "the trail of node {writer} goes on at record {place} under a key that another took the place of"
                )
            }
        }
    }
}

/// Of these writers those whose trails count. They are to be read before this is called: whoever has written by then is in the checkpoint.
pub async fn known_trails(
    store: &dyn Store,
    keys: &VaultKeys,
    writers: Vec<NodeId>,
) -> Result<KnownTrails, VaultError> {
    let ends = store.audit_ends(writers.clone()).await?;
    let mut known = KnownTrails::default();
    let written = writers.into_iter().zip(ends).filter(|(_, end)| *end > 0);
    if !store.is_shared() {
        known.ends = written.collect();
        return Ok(known);
    }
    let written: Vec<_> = written.collect();
    let Some(stored) = checkpoint_read(store, keys).await? else {
        return if written.is_empty() { Ok(known) } else { Err(VaultError::Tampered(CHECKPOINT_ROW)) };
    };
    let goes_on = &stored.checkpoint.ends;
    let over: Vec<_> =
        written.iter().map(|(writer, _)| *writer).filter(|writer| !goes_on.contains_key(writer)).collect();
    let ended = ended_trails(store, keys, &over).await?;
    let rewritten = rewritten(store, keys, &ended).await?;
    for (writer, end) in written {
        let until = match (goes_on.get(&writer), ended.get(&writer)) {
            (Some(last), _) => counted(store, writer, last, stored.checkpoint.key, end).await?,
            (None, Some((_, AuditEnd { end: last, .. }))) if end > last.place => {
                Err((last.place, RefusedTrail::BehindEnd { writer, end: last.place }))
            }
            (None, Some((_, AuditEnd { end: last, .. })))
                if end < last.place || rewritten.contains(&writer) =>
            {
                // Which of its records are what they were, only reading all of them tells.
                Err((0, RefusedTrail::Rewritten { writer, place: last.place }))
            }
            (None, Some(_)) => Ok(end),
            (None, None) => Err((0, RefusedTrail::Unknown(writer))),
        };
        let end = until.unwrap_or_else(|(end, refused)| {
            known.refused.push(refused);
            end
        });
        if end > 0 {
            known.ends.push((writer, end));
        }
    }
    Ok(known)
}

/// Of trails that have ended those whose marked step is another than it was. What is kept no longer is none.
async fn rewritten(
    store: &dyn Store,
    keys: &VaultKeys,
    ended: &BTreeMap<NodeId, (u32, AuditEnd)>,
) -> Result<BTreeSet<NodeId>, VaultError> {
    let places: Vec<_> = ended.iter().map(|(writer, (_, ended))| (*writer, ended.end.mark.place)).collect();
    if places.is_empty() {
        return Ok(BTreeSet::new());
    }
    let there = store.audit_marks(places).await?;
    let is_it = |there: &TrailMark, ended: &AuditEnd| {
        there.place == ended.end.mark.place && (there.place == 0 || ended.has(&there.tag))
    };
    let other = ended.iter().zip(&there).filter(|((_, (_, ended)), there)| !is_it(there, ended));
    let other: BTreeMap<_, _> = other.map(|((writer, _), there)| (*writer, *there)).collect();
    if other.is_empty() {
        return Ok(BTreeSet::new());
    }
    let writers: Vec<_> = other.keys().copied().collect();
    let starts = audit_starts(store, keys, &writers).await?;
    // It may have been given another tag since, or have gone on and ended anew.
    let again = ended_trails(store, keys, &writers).await?;
    let is_rewritten = |(writer, there): &(&NodeId, &TrailMark)| {
        let kept_from = starts.get(writer).map_or(0, |(_, start)| start.place);
        let ended = again.get(writer).map(|(_, ended)| ended);
        ended.is_some_and(|ended| ended.end.mark.place > kept_from && !is_it(there, ended))
    };
    Ok(other.iter().filter(is_rewritten).map(|(writer, _)| *writer).collect())
}

/// The last place that counts of a trail that goes on, and ends there; `Err` where that is another. A chain never goes from a key to one of before: the first step behind the mark says it of all.
pub(super) async fn counted(
    store: &dyn Store,
    writer: NodeId,
    last: &TrailEnd,
    least: u16,
    end: u64,
) -> Result<Result<u64, (u64, RefusedTrail)>, VaultError> {
    // There is none before the first.
    if least <= 1 || end <= last.mark.place {
        return Ok(Ok(end));
    }
    let place = last.mark.place.saturating_add(1);
    let key = store.chain_key(writer, place).await?;
    Ok(if key.is_some_and(|key| key < least) {
        Err((last.mark.place, RefusedTrail::EarlierKey { writer, place }))
    } else {
        Ok(end)
    })
}

impl RefusedTrail {
    /// Whose trail it is, or says that it is.
    pub const fn writer(&self) -> NodeId {
        match self {
            Self::Unknown(writer)
            | Self::BehindEnd { writer, .. }
            | Self::Rewritten { writer, .. }
            | Self::EarlierKey { writer, .. } => *writer,
        }
    }
}

impl Vault {
    /// What is in the trail of a store that nodes share and was not written by the vault, as this node found when it last looked: it is neither shown nor exported.
    pub fn trail_refused(&self) -> Vec<RefusedTrail> {
        self.trails_refused().clone()
    }

    /// The trails that count. What does not is named in the log, once for as long as it stays.
    pub(crate) async fn trails_known(&self) -> Result<BTreeMap<NodeId, u64>, VaultError> {
        let writers = self.store().audit_writers().await?;
        let known = known_trails(self.store(), self.keys(), writers).await?;
        let mut refused = self.trails_refused();
        if *refused != known.refused {
            for trail in known.refused.iter().filter(|trail| !refused.contains(trail)) {
                let advice = "somebody has written to the database: run panvault doctor, and see docs/keys.md for what to do when a key is compromised; it is neither shown nor exported";
                tracing::error!(found = %trail, advice, "audit.refused");
            }
            *refused = known.refused;
        }
        Ok(known.ends.into_iter().collect())
    }
}

//! Whose trail counts, and how far, where nodes share a store. Who has the database and a key that chained before can write steps that verify: behind a chain that is over, behind one whose
//! node is quiet, or of a node that never was. None of them is in a checkpoint or an end, and neither can be made without a key for tags of documents.

use core::fmt::{self, Display};
use std::collections::BTreeMap;

use panvault_keys::VaultKeys;
use panvault_model::NodeId;
use panvault_store::Store;
use panvault_store::checkpoint::{AuditEnd, TrailEnd};

use crate::audit::checkpoint::{CHECKPOINT_ROW, checkpoint_read};
use crate::audit::start::ended_trails;
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
    for (writer, end) in written {
        let until = match (goes_on.get(&writer), ended.get(&writer)) {
            (Some(last), _) => counted(store, writer, last, stored.checkpoint.key, end).await?,
            (None, Some((_, AuditEnd { end: last, .. }))) if end > last.place => {
                Err((last.place, RefusedTrail::BehindEnd { writer, end: last.place }))
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
            Self::Unknown(writer) | Self::BehindEnd { writer, .. } | Self::EarlierKey { writer, .. } => {
                *writer
            }
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

use core::time::Duration;
use std::collections::BTreeMap;

use panvault_model::{NodeId, OrganisationId, Timestamp};
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::trail::{TrailCheckpoint, TrailState, TrailTaken};
use panvault_store::{
    Action, AuditRecord, Commit, DocumentKind, Effect, Expect, Outcome, RowKey, StoreFault,
};
use panvault_trail::limits::BATCH_RECORDS_MAX;
use panvault_trail::{Batch, BatchFault, KeyStatement, Position, Signer};

use crate::audit::{Requester, audit_starts, numbered};
use crate::error::{VaultError, with_causes};
use crate::limits::{AUDIT_PAGE_RECORDS, TRAIL_LOOK_MILLIS};
use crate::trail::deliver::caught;
use crate::trail::record::exported;
use crate::trail::{Export, STATE, STATE_ROW};
use crate::vault::{Vault, WeakVault};

/// What is before the first checkpoint.
const NOTHING: TrailState = TrailState {
    number: 0,
    sequence: 0,
    kept_from: 1,
    checkpoint: [0; 32],
    key: 0,
    signed_at: Timestamp::from_unix_millis(0),
    ends: BTreeMap::new(),
    taken: BTreeMap::new(),
};

impl Vault {
    /// Signs a checkpoint over the records since the last, of all nodes, if there are any that say something, by the node that does what one does for all.
    /// `is_due` signs though the last was signed of late. Whether there was anything to sign: there may be more.
    pub async fn trail_checkpoint(&self, is_due: bool) -> Result<bool, VaultError> {
        let Some(export) = self.export() else { return Ok(false) };
        let signed = self.trail_checkpoint_made(export, is_due).await;
        self.trail_is_signed(export, signed.is_ok());
        signed
    }

    /// As long as nothing can be signed, destinations lack what is done.
    fn trail_is_signed(&self, export: &Export, is_signed: bool) {
        let mut known = export.known();
        known.unsigned_since =
            if is_signed { None } else { known.unsigned_since.or_else(|| Some(self.now().wall)) };
    }

    async fn trail_checkpoint_made(&self, export: &Export, is_due: bool) -> Result<bool, VaultError> {
        let stored = self.trail_state().await?;
        let (version, state) = stored.map_or((None, NOTHING), |(version, state)| (Some(version), state));
        self.trail_state_seen(export, &state);
        if !self.has_duty().await? {
            return Ok(false);
        }
        let now = self.now().wall;
        let ends = self.trail_ends(&state).await?;
        let waiting: u64 = ends.iter().map(|(_, known, end)| end.saturating_sub(*known)).sum();
        let since = now.unix_millis().saturating_sub(state.signed_at.unix_millis());
        let is_due = is_due
            || since >= export.settings.checkpoint_seconds.saturating_mul(1000)
            || waiting >= BATCH_RECORDS_MAX as u64;
        if waiting == 0 || !is_due {
            return Ok(false);
        }
        let vault = self.id().to_string();
        let start = Position { number: state.number, sequence: state.sequence, checkpoint: state.checkpoint };
        let (mut batch, mut records, mut next, mut is_news) =
            (Batch::new(start), Vec::new(), state.clone(), false);
        for (writer, known, end) in ends {
            let room = BATCH_RECORDS_MAX as u64 - batch.count();
            let count = end.saturating_sub(known).min(room);
            if count == 0 {
                continue;
            }
            self.trail_read(writer, known + 1, count, |record| {
                is_news |= says_something(record.note.action);
                batch.record(&vault, exported(record))
            })
            .await?;
            records.push((writer, known + 1, u32::try_from(count).unwrap_or(u32::MAX)));
            next.ends.insert(writer, known + count);
        }
        if !is_news {
            return Ok(false);
        }
        let (key_version, key) = self.keys().checkpoint_key();
        if state.key > key_version {
            // A node that has come to know the next key signs.
            return Err(VaultError::Contended);
        }
        let statements = self.key_statements(&vault, state.key)?;
        let signer = Signer { vault: &vault, key: &key, statements: &statements };
        let (lines, end) = batch.sign(&signer, now.to_string()).map_err(batch_failed)?;
        next.number = end.number;
        next.sequence = end.sequence;
        next.checkpoint = end.checkpoint;
        next.key = key_version;
        next.signed_at = now;
        let mut effects = self.trail_taken(export, &mut next);
        let checkpoint = TrailCheckpoint {
            number: end.number,
            sequence: start.sequence,
            before: start.checkpoint,
            signed_at: now,
            records,
            lines,
        };
        let row = self.beside(DocumentKind::TrailCheckpoint, numbered(end.number), 1, checkpoint.encode());
        effects.push(row.into());
        let version = version.unwrap_or(0);
        let row = self.beside(STATE.0, STATE.1, version.saturating_add(1), next.encode());
        effects.push(row.into());
        let expect =
            if version == 0 { Expect::Absent(STATE_ROW) } else { Expect::Version(STATE_ROW, version) };
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(now, Action::TrailCheckpoint, nobody, numbered(end.number));
        match self.store().commit(Commit { claim: None, expects: vec![expect], effects, audit }).await? {
            Outcome::Done { .. } => {
                self.trail_state_seen(export, &next);
                export.signed.notify_waiters();
                Ok(true)
            }
            // Another node has signed the next one.
            Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(false),
        }
    }

    /// The place of the last record of a writer that nobody who is given the trail lacks, as it is written down.
    pub(crate) async fn trail_has(&self, writer: NodeId) -> Result<u64, VaultError> {
        let Some((_, state)) = self.trail_state().await? else {
            return Ok(if self.export().is_some() { 0 } else { u64::MAX });
        };
        let before = state.kept_from.saturating_sub(1);
        let taken = |name: &str| state.taken.get(name).map_or(before, |taken| taken.number.max(before));
        // A node that exports nothing, or nothing for now, takes nothing away from those that do, and from a day on which it does again.
        let all = match self.export() {
            Some(export) => export.settings.destinations.iter().map(|one| taken(one.name())).min(),
            None => state.taken.keys().map(|name| taken(name)).min(),
        };
        let all = all.unwrap_or(state.number);
        let end = state.ends.get(&writer).copied().unwrap_or(0);
        if all >= state.number {
            return Ok(end);
        }
        // What was taken is written down with the next checkpoint: so the last one is mostly open.
        if all + 1 < state.number {
            return Ok(0);
        }
        let last = self.trail_checkpoint_read(state.number).await?;
        let open = last.records.iter().find(|(of, _, _)| *of == writer);
        Ok(open.map_or(end, |(_, first, _)| first.saturating_sub(1)))
    }

    /// Of each writer how far its trail is signed, and how far it has come, in the order in which they stand in an export.
    async fn trail_ends(&self, state: &TrailState) -> Result<Vec<(NodeId, u64, u64)>, VaultError> {
        let ends = self.trails_known().await?;
        let writers: Vec<_> = ends.keys().copied().collect();
        let starts = audit_starts(self.store(), self.keys(), &writers).await?;
        let mut found = Vec::with_capacity(writers.len());
        for (writer, end) in ends {
            // Before an export begins, records may be kept no longer.
            let kept_from = starts.get(&writer).map_or(0, |(_, start)| start.place);
            let known = state.ends.get(&writer).copied().unwrap_or(0).max(kept_from);
            if end < known {
                tracing::error!(node.id = %writer, end, known, advice = "run panvault audit verify, and hold it against an export", "trail.cut");
            }
            found.push((writer, known, end.max(known)));
        }
        Ok(found)
    }

    /// Goes through records of a writer, which are there.
    pub(super) async fn trail_read(
        &self,
        writer: NodeId,
        first: u64,
        count: u64,
        mut each: impl FnMut(&AuditRecord) -> Result<(), BatchFault>,
    ) -> Result<(), VaultError> {
        let (mut next, end) = (first, first.saturating_add(count));
        while next < end {
            let most = usize::try_from(end - next).unwrap_or(usize::MAX).min(AUDIT_PAGE_RECORDS);
            let page = self.store().audit_read(writer, next, most).await?;
            for record in &page {
                if record.place != next || record.writer != writer {
                    break;
                }
                each(record).map_err(batch_failed)?;
                next += 1;
            }
            if page.len() < most {
                break;
            }
        }
        if next == end {
            Ok(())
        } else {
            Err(VaultError::Store(StoreFault::Read("the audit trail has a gap")))
        }
    }

    /// That each key took the place of the one before it, since one of this version signed. Of a key that was destroyed nothing can be said any more.
    fn key_statements(&self, vault: &str, since: u16) -> Result<Vec<KeyStatement>, VaultError> {
        // One that signs nothing yet takes nobody's place.
        let (active, _) = self.keys().checkpoint_key();
        let is_told = |version: u16| since > 0 && (since..=active).contains(&version);
        let mut keys: Vec<_> =
            self.keys().checkpoint_keys().filter(|(version, _)| is_told(*version)).collect();
        keys.sort_by_key(|(version, _)| *version);
        let descriptions = self.keys().descriptions();
        let made_at = |version| {
            let is_it = |key: &&panvault_keys::VaultKeyDescription| {
                (key.purpose, key.version) == (panvault_keys::VaultPurpose::TrailCheckpoint, version)
            };
            descriptions.iter().find(is_it).map_or(Timestamp::from_unix_millis(0), |key| key.created_at)
        };
        let said = keys.iter().zip(keys.iter().skip(1)).map(|((_, before), (version, key))| {
            KeyStatement::sign(vault, *version, &key.public(), made_at(*version).to_string(), before)
        });
        said.collect::<Result<_, _>>().map_err(batch_failed)
    }

    /// Writes down how far destinations are, and takes away what all of them have.
    fn trail_taken(&self, export: &Export, next: &mut TrailState) -> Vec<Effect> {
        let known = export.known();
        next.taken = known
            .destinations
            .iter()
            .map(|(name, progress)| {
                let taken = TrailTaken { number: progress.number, behind_since: progress.behind_since };
                (name.clone(), taken)
            })
            .collect();
        let all = next.taken.values().map(|taken| taken.number).min().unwrap_or(0);
        let gone: Vec<_> = (next.kept_from..=all).take(SWEEP_ROWS_MAX).collect();
        next.kept_from = next.kept_from.saturating_add(gone.len() as u64);
        let key = |number| RowKey::Document(DocumentKind::TrailCheckpoint, numbered(number));
        gone.into_iter().map(|number| Effect::Delete(key(number))).collect()
    }
}

/// Checkpoints alone say nothing: each would be followed by another for ever.
const fn says_something(action: Action) -> bool {
    !matches!(action, Action::TrailCheckpoint | Action::AuditCheckpoint)
}

/// A record has bounded parts, and the key signs: neither fails where the program is right.
fn batch_failed(fault: BatchFault) -> VaultError {
    match fault {
        BatchFault::Key(fault) => VaultError::Keys(fault),
        BatchFault::TooLong | BatchFault::Count => VaultError::Store(StoreFault::TooLarge),
    }
}

/// Signs checkpoints until the vault is gone.
pub(crate) async fn checkpoint_often(vault: WeakVault) {
    loop {
        tokio::time::sleep(Duration::from_millis(TRAIL_LOOK_MILLIS)).await;
        let Some(vault) = vault.upgrade() else { return };
        let Some(export) = vault.export() else { return };
        let Some(signed) = caught(vault.trail_checkpoint(false)).await else {
            vault.trail_is_signed(export, false);
            if export.failed.is_due(vault.now()) {
                let advice = "a bug of the program: see the line of the panic, and report it";
                tracing::error!(advice, "trail.no_checkpoint");
            }
            continue;
        };
        if let Err(error) = signed
            && export.failed.is_due(vault.now())
        {
            let advice = match &error {
                VaultError::Store(_) => {
                    "see why the store does not answer; records wait, and are exported later"
                }
                _ => "run panvault audit verify and panvault doctor; nothing is exported until this is right",
            };
            tracing::warn!(error = %with_causes(&error), advice, "trail.no_checkpoint");
        }
    }
}

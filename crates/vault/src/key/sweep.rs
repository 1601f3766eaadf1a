use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use panvault_keys::{KeyState, OrganisationKey, Purpose};
use panvault_model::{CardId, OrganisationId, Timestamp};
use panvault_store::{Action, Commit, DocumentKind, Expect, Outcome, Row, RowKey, Table};
use tokio::time::{Instant, timeout};

use crate::audit::Requester;
use crate::document::{DocumentChange, DocumentPlan, HEAD_ID, HEAD_ROW, Snapshot};
use crate::error::{VaultError, with_causes};
use crate::key::reseal::{Old, is_done, secrets_of};
use crate::key::rotation::Retired;
use crate::limits::{
    ROTATION_CHUNK_ROWS, ROTATION_FAILED_SECONDS, ROTATION_LEFT_SECONDS, ROTATION_LOOK_MILLIS,
    ROTATION_PAGE_ROWS, ROTATION_ROUNDS_MAX, ROTATION_STORED_SECONDS,
};
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

/// What became of the rotations that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rotated {
    /// Nothing is left to do, or another node does it.
    Done,
    /// Nothing needs the keys that are left, and one that was sealed at the last moment may still come to be stored.
    Waits,
    /// Rows that cannot be sealed or tagged anew still need a key.
    Left,
}

/// What one reading of all rows found.
#[derive(Default)]
struct Found {
    /// How many rows each key sealed.
    rows: BTreeMap<Retired, u64>,
    /// A row that does not bear its tag: nobody can tell which key it needs.
    is_damaged: bool,
}

impl Vault {
    /// Goes on with every rotation of a key that is under way, as far as that can be done now: activates keys that every node knows, seals anew what the
    /// keys before them sealed, and destroys those when nothing needs them any more. It takes as long as the rows take; two that do it at once do
    /// no harm. Where the vault sweeps by itself it is done by itself.
    pub async fn keys_rotate(&self) -> Result<(), VaultError> {
        self.keys_rotate_on().await.map(drop)
    }

    async fn keys_rotate_on(&self) -> Result<Rotated, VaultError> {
        self.apikeys_rehash().await?;
        let of_vault = self.vault_keys_rotate().await?;
        Ok(of_vault.max(self.data_keys_rotate().await?))
    }

    async fn data_keys_rotate(&self) -> Result<Rotated, VaultError> {
        if self.keys_in(KeyState::PreActive).is_empty() && self.keys_in(KeyState::OpenOnly).is_empty() {
            self.rotation().counted(&BTreeMap::new());
            return Ok(Rotated::Done);
        }
        if !self.has_duty().await? {
            self.rotation().counted(&BTreeMap::new());
            return Ok(Rotated::Done);
        }
        let made = self.keys_in(KeyState::PreActive);
        if !made.is_empty() {
            // Every node knows them, and no request sees documents without them.
            self.requests_before_end().await?;
            for key in made {
                self.key_activate(&key).await?;
            }
        }
        let mut left = self.keys_in(KeyState::OpenOnly);
        if left.is_empty() {
            return Ok(Rotated::Done);
        }
        // Nothing more is sealed with them, and what was is stored.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        for key in &left {
            self.secrets_move(retired(key)).await?;
        }
        for _ in 0..ROTATION_ROUNDS_MAX {
            let keys: BTreeSet<Retired> = left.iter().map(retired).collect();
            let begun = self.shared_time().await?;
            // The first time it says how many there are; later it proves that there are none.
            let Some(found) = self.rows_count(&keys).await? else { return Ok(Rotated::Done) };
            self.rotation().counted(&found.rows);
            if found.is_damaged {
                // What can move on does; the keys before stay.
                self.rows_reseal(&keys).await?;
                return Ok(Rotated::Left);
            }
            let mut waits = false;
            for key in core::mem::take(&mut left) {
                if found.rows.get(&retired(&key)).is_some_and(|rows| *rows > 0) {
                    left.push(key);
                } else if self.is_stored_by(&key, begun) {
                    self.key_destroy_unneeded(&key).await?;
                } else {
                    waits = true;
                }
            }
            if left.is_empty() {
                return Ok(if waits { Rotated::Waits } else { Rotated::Done });
            }
            let keys = left.iter().map(retired).collect();
            if !self.rows_reseal(&keys).await? {
                return Ok(Rotated::Done);
            }
        }
        Ok(Rotated::Left)
    }

    /// Whether all that a key sealed was stored by a moment. Where nodes share a store, one that cannot be asked may have had a commit on its way to it for
    /// as long as a database takes to answer, or to give it up.
    fn is_stored_by(&self, retired: &OrganisationKey, begun: Timestamp) -> bool {
        let until = retired.active_until.map(|until| until.plus_seconds(ROTATION_STORED_SECONDS));
        !self.node().is_shared() || until.is_some_and(|until| begun > until)
    }

    /// Waits until what was handed to the store is decided and durable, also what nobody waits for any more: a commit that can never be done has its
    /// turn behind all of it, and the second behind what was written with the first.
    pub(super) async fn commits_before_end(&self) -> Result<(), VaultError> {
        for _ in 0..2 {
            let nobody = OrganisationId::from_bytes([0; 12]);
            let audit = Requester::VAULT.note(self.now().wall, Action::DocumentUpdate, nobody, HEAD_ID);
            let expects = vec![Expect::Absent(HEAD_ROW)];
            let commit = Commit { claim: None, expects, effects: Vec::new(), audit };
            match self.store().commit(commit).await? {
                Outcome::Unmet(_) => {}
                // A vault without a head of documents has no keys.
                Outcome::Done { .. } | Outcome::Claimed(_) => return Err(VaultError::Tampered(HEAD_ROW)),
            }
        }
        Ok(())
    }

    /// Data keys that are in a state.
    fn keys_in(&self, state: KeyState) -> Vec<OrganisationKey> {
        let snapshot = self.snapshot();
        let keys = snapshot.keys.kept_of_all();
        keys.filter(|key| key.purpose == Purpose::Data && key.state == state).cloned().collect()
    }

    /// Lets a key seal, and the one before it only open. Nothing is done where another node was first.
    async fn key_activate(&self, made: &OrganisationKey) -> Result<(), VaultError> {
        let organisation = made.organisation;
        self.document_change_own(|snapshot| {
            let now = self.now().wall;
            let of_purpose = |key: &&OrganisationKey| key.purpose == made.purpose;
            let kept: Vec<_> = snapshot.keys.kept(organisation).filter(of_purpose).collect();
            let made =
                kept.iter().find(|key| key.version == made.version && key.state == KeyState::PreActive);
            let (Some(made), Some(id)) = (made, made.and_then(|made| made.document)) else { return Ok(None) };
            let before = kept.iter().find(|key| key.state == KeyState::Active);
            let keys = [OrganisationKey::clone(made).activated(now)];
            let keys = keys.into_iter().chain(before.map(|key| OrganisationKey::clone(key).retired(now)));
            let changes = keys.map(|key| self.key_put(snapshot, &key)).collect::<Result<_, _>>()?;
            let audit = Requester::VAULT.note(now, Action::KeyActivate, organisation, id);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await
    }

    /// Destroys a key of which all rows were read and none needs it.
    async fn key_destroy_unneeded(&self, retired: &OrganisationKey) -> Result<(), VaultError> {
        let (organisation, version) = (retired.organisation, retired.version);
        self.document_change_own(|snapshot| {
            let now = self.now().wall;
            let mut kept = snapshot.keys.kept(organisation).filter(|key| key.purpose == retired.purpose);
            let key = kept.find(|key| key.version == version && key.state == KeyState::OpenOnly);
            let (Some(key), Some(id)) = (key, key.and_then(|key| key.document)) else { return Ok(None) };
            // A secret may have come into the documents from elsewhere since.
            if !secrets_of(snapshot, (organisation, version)).is_empty() {
                return Err(VaultError::Contended);
            }
            let changes = vec![self.key_put(snapshot, &key.clone().destroyed(now))?];
            let audit = Requester::VAULT.note(now, Action::KeyDestroy, organisation, id);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await?;
        tracing::info!(organisation.id = %organisation, version, "key.destroyed");
        Ok(())
    }

    /// A key as it is to be kept from now on, in the place of what its document says.
    pub(super) fn key_put(
        &self,
        snapshot: &Snapshot,
        key: &OrganisationKey,
    ) -> Result<DocumentChange, VaultError> {
        let (kind, id) = (DocumentKind::OrganisationKey, key.document.ok_or(VaultError::Contended)?);
        let version = snapshot.documents.version(kind, id).checked_add(1).ok_or(VaultError::Contended)?;
        Ok(self.document_put(kind, id, version, key.encode()))
    }

    async fn secrets_move(&self, key: Retired) -> Result<(), VaultError> {
        let documents = secrets_of(&self.snapshot(), key);
        for (kind, id) in documents {
            self.secrets_reseal(kind, id, key).await?;
        }
        Ok(())
    }

    /// Counts what these keys sealed, and holds every row against its tag: one that somebody changed may say of another key that it sealed it. `None`
    /// when the duty has gone to another node.
    async fn rows_count(&self, keys: &BTreeSet<Retired>) -> Result<Option<Found>, VaultError> {
        let mut found = Found::default();
        let mut place = Some(First::Cards);
        while let Some(at) = place {
            if !self.has_duty().await? {
                return Ok(None);
            }
            let (rows, next) = self.rows_after(at).await?;
            for (at, row) in rows.iter().enumerate() {
                if at % ROTATION_CHUNK_ROWS == 0 {
                    tokio::task::yield_now().await;
                }
                if !row.is_ours(self) {
                    let (kind, id) = (row.row_key().kind(), row.row_key().id());
                    let advice =
                        "run panvault doctor; no key is destroyed while a row is not what was written";
                    tracing::warn!(object.kind = kind, object.id = id, advice, "key.row_damaged");
                    found.is_damaged = true;
                    continue;
                }
                if let Some(key) = row.key().filter(|key| keys.contains(key)) {
                    *found.rows.entry(key).or_default() += 1;
                }
            }
            place = next;
        }
        for key in keys {
            found.rows.entry(*key).or_default();
        }
        Ok(Some(found))
    }

    /// Seals anew what these keys sealed, so many rows in a second. `false` when the duty has gone to another node.
    async fn rows_reseal(&self, keys: &BTreeSet<Retired>) -> Result<bool, VaultError> {
        let mut place = Some(First::Cards);
        while let Some(at) = place {
            let (mut rows, next) = self.rows_after(at).await?;
            rows.retain(|row| row.key().is_some_and(|key| keys.contains(&key)));
            for chunk in rows.chunks(ROTATION_CHUNK_ROWS) {
                if !self.has_duty().await? {
                    return Ok(false);
                }
                self.chunk_reseal(chunk).await?;
            }
            tokio::task::yield_now().await;
            place = next;
        }
        Ok(true)
    }

    /// One step for each row, and all of them at once: the store writes together what comes together.
    async fn chunk_reseal(&self, chunk: &[Old]) -> Result<(), VaultError> {
        let begun = Instant::now();
        let mut steps = Vec::with_capacity(chunk.len());
        {
            let snapshot = self.snapshot();
            let env = self.env(&snapshot, self.now());
            for row in chunk {
                match row.reseal(&env) {
                    Ok(commit) => steps.push((row.key(), self.store().commit(commit))),
                    // It was sealed with a key that is gone, or somebody changed it: it stays as it is, and its key too.
                    Err(error)
                        if matches!(error, VaultError::NotFound(_) | VaultError::Tampered(_))
                            || error.is_of_later_key() =>
                    {
                        let (kind, id) = (row.row_key().kind(), row.row_key().id());
                        let advice = "run panvault doctor; the key that it needs is not destroyed";
                        tracing::warn!(object.kind = kind, object.id = id, error = %with_causes(&error), advice, "key.row_not_resealed");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        for (key, step) in steps {
            if let (true, Some(key)) = (is_done(&step.await?), key) {
                self.rotation().resealed(key);
            }
        }
        let rows = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(1) * rows / self.rotation().rows_per_second();
        tokio::time::sleep(takes.saturating_sub(begun.elapsed())).await;
        Ok(())
    }

    /// A page of rows that data keys seal, and where the next one begins.
    async fn rows_after(&self, at: First) -> Result<(Vec<Old>, Option<First>), VaultError> {
        match at {
            First::Cards => self.cards_after(CardId::from_bytes([0; 12])).await,
            First::CardsAfter(after) => self.cards_after(after).await,
            First::Customers(after) => {
                let rows = self.store().row_page(Table::Customer, after, ROTATION_PAGE_ROWS).await?;
                let next = rows.last().map(|row| First::Customers(Some(row.key())));
                let rows = rows.into_iter().filter_map(|row| match row {
                    Row::Customer(row) => Some(Old::Customer(row)),
                    _ => None,
                });
                Ok((rows.collect(), next))
            }
        }
    }

    async fn cards_after(&self, after: CardId) -> Result<(Vec<Old>, Option<First>), VaultError> {
        let rows = self.store().card_page(after, ROTATION_PAGE_ROWS).await?;
        let next = rows.last().map_or(First::Customers(None), |row| First::CardsAfter(row.id));
        Ok((rows.into_iter().map(Old::Card).collect(), Some(next)))
    }

    /// Looks which keys are on their way in or out, and which are active for too long. Gives those, and an organisation with one of these.
    fn keys_look(&self) -> (Moving, Option<OrganisationId>) {
        let (snapshot, now) = (self.snapshot(), self.now().wall);
        let (mut rotating, mut overdue, mut of) = (BTreeSet::new(), 0, None);
        for key in snapshot.keys.kept_of_all() {
            match key.state {
                KeyState::PreActive | KeyState::OpenOnly => {
                    let is_new = key.state == KeyState::PreActive;
                    rotating.insert((key.organisation, key.version, is_new));
                }
                KeyState::Active if self.key_view(key, now).is_overdue => {
                    overdue += 1;
                    of = of.or(Some(key.organisation));
                }
                KeyState::Active | KeyState::Destroyed => {}
            }
        }
        // Those of the vault itself are of nobody.
        let nobody = OrganisationId::from_bytes([0; 12]);
        let of_vault = snapshot.vault_keys_moving();
        rotating.extend(of_vault.map(|(key, is_new)| (nobody, u32::from(key.version), is_new)));
        if snapshot.hands() {
            rotating.insert((nobody, 0, true));
        }
        self.rotation().keys_are(rotating.len() as u64, overdue);
        (Moving { keys: rotating, needed_by_api_keys: snapshot.is_needed_by_api_keys() }, of)
    }
}

/// Keys that are on their way in or out, each with whether it is on its way in, and whether an API key still needs one of them.
#[derive(Default, PartialEq)]
struct Moving {
    keys: BTreeSet<(OrganisationId, u32, bool)>,
    needed_by_api_keys: bool,
}

/// Where a page of rows begins.
#[derive(Clone, Copy)]
enum First {
    Cards,
    CardsAfter(CardId),
    Customers(Option<RowKey>),
}

fn retired(key: &OrganisationKey) -> Retired {
    (key.organisation, key.version)
}

/// Goes on with rotations until the vault is gone, and says once a day which keys are active for too long.
pub(crate) async fn rotate_often(vault: WeakVault) {
    let failed = Throttle::default();
    let (mut looked, mut said): (Option<(u32, u64)>, Option<u64>) = (None, None);
    let (mut rotating, mut not_before) = (Moving::default(), Instant::now());
    loop {
        // A vault that nobody else has is not kept for it.
        let Some(rotation) = vault.upgrade().map(|vault| Arc::clone(vault.rotation())) else { return };
        let _ = timeout(Duration::from_millis(ROTATION_LOOK_MILLIS), rotation.woken()).await;
        let Some(vault) = vault.upgrade() else { return };
        let now = vault.now();
        let (counter, hour) = (vault.snapshot().head.counter, now.wall.unix_seconds() / HOUR_SECONDS);
        if looked != Some((counter, hour)) {
            looked = Some((counter, hour));
            let day = hour / HOURS;
            let (keys, overdue) = vault.keys_look();
            if keys != rotating {
                (rotating, not_before) = (keys, Instant::now());
            }
            if let Some(organisation) = overdue
                && said != Some(day)
                && vault.has_duty().await.is_ok_and(|is_ours| is_ours)
            {
                said = Some(day);
                let keys = rotation.status().keys_overdue;
                let advice = "rotate them: panvault key list shows which, panvault key rotate makes others";
                tracing::warn!(keys, organisation.id = %organisation, advice, "key.overdue");
            }
        }
        // Each node knows of those API keys that it was shown.
        if !vault.rehashes().is_empty()
            && let Err(error) = vault.apikeys_rehash().await
            && failed.is_due(now)
        {
            let advice = "none; the hash of an API key is made anew when it is next used";
            tracing::warn!(error = %with_causes(&error), advice, "apikey.not_rehashed");
        }
        if rotating.keys.is_empty() || Instant::now() < not_before {
            continue;
        }
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        match vault.keys_rotate_on().await {
            Ok(Rotated::Done) => {}
            Ok(Rotated::Left | Rotated::Waits) => not_before = after(ROTATION_LEFT_SECONDS),
            Err(error) => {
                not_before = after(ROTATION_FAILED_SECONDS);
                if failed.is_due(now) {
                    let advice = "none; it goes on by itself, and the key before is kept meanwhile";
                    tracing::warn!(error = %with_causes(&error), advice, "key.rotation_delayed");
                }
            }
        }
    }
}

const HOUR_SECONDS: u64 = 3_600;
const HOURS: u64 = 24;

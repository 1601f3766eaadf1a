use core::ops::ControlFlow;
use std::collections::BTreeMap;

use panvault_keys::{KeyState, OrganisationKey, Purpose, VaultPurpose};
use panvault_model::{Id, OrganisationId, Timestamp};
use panvault_store::{Action, Commit, DocumentKind, Expect, Outcome};

use crate::audit::Requester;
use crate::document::{DocumentChange, DocumentPlan, HEAD_ID, HEAD_ROW, Snapshot};
use crate::error::VaultError;
use crate::key::interrupt::Sweep;
use crate::key::reseal::secrets_of;
use crate::key::rotation::{Retired, RowsKept};
use crate::key::rows::{Found, Stuck, Wanted};
use crate::limits::{ROTATION_ROUNDS_MAX, ROTATION_STORED_SECONDS};
use crate::vault::Vault;

/// What became of the rotations that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rotated {
    /// Nothing is left to do, or another node does it.
    Done,
    /// Nothing needs the keys that are left, and one that was sealed at the last moment may still come to be stored; or what they made is known for some time yet.
    Waits,
    /// Rows that cannot be sealed or tagged anew still need a key.
    Left,
    /// There is a key to take up, which does not wait until all rows were gone through.
    Again,
}

/// What is to be done with a key that another took the place of, once all rows were read.
enum Next {
    /// Rows that are by it are sealed anew.
    Move,
    /// The fingerprints that it made are taken out of the rows.
    Forget,
    /// Nothing yet.
    Wait,
    Destroy,
}

impl Vault {
    /// Goes on with every rotation of a key that is under way, as far as that can be done now: activates keys that every node knows, seals anew what the
    /// keys before them sealed, and destroys those when nothing needs them any more. It takes as long as the rows take; two that do it at once do
    /// no harm. Where the vault sweeps by itself it is done by itself.
    pub async fn keys_rotate(&self) -> Result<(), VaultError> {
        self.keys_rotate_on().await.map(drop)
    }

    pub(super) async fn keys_rotate_on(&self) -> Result<Rotated, VaultError> {
        loop {
            self.apikeys_rehash().await?;
            let rotated = self.keys_rotate_once().await?;
            if rotated != Rotated::Again {
                return Ok(rotated);
            }
        }
    }

    /// New keys first, and what goes through rows last: that takes hours, and begins anew where there is another key to take up.
    async fn keys_rotate_once(&self) -> Result<Rotated, VaultError> {
        self.vault_keys_take_up().await?;
        self.organisation_keys_take_up().await?;
        let begun = self.shared_time().await?;
        let mut rotated = self.vault_keys_end(begun).await?;
        // What one key cannot open keeps no other from its end.
        let mut failed = None;
        if rotated != Rotated::Again {
            match self.organisation_keys_rotate(begun).await {
                Ok(organisations) => rotated = rotated.max(organisations),
                Err(error) => failed = Some(error),
            }
        }
        for purpose in [VaultPurpose::DocumentTag, VaultPurpose::RowTag] {
            if rotated != Rotated::Again {
                rotated = rotated.max(self.tags_move(purpose, begun).await?);
            }
        }
        failed.map_or(Ok(rotated), Err)
    }

    /// Lets new keys of organisations seal or make, once every node knows them and no request sees documents without them.
    async fn organisation_keys_take_up(&self) -> Result<(), VaultError> {
        let made = self.keys_in(KeyState::PreActive);
        if made.is_empty() || !self.has_duty().await? {
            return Ok(());
        }
        self.requests_before_end().await?;
        for key in made {
            self.key_activate(&key).await?;
        }
        Ok(())
    }

    async fn organisation_keys_rotate(&self, now: Timestamp) -> Result<Rotated, VaultError> {
        if self.keys_in(KeyState::OpenOnly).is_empty() || !self.has_duty().await? {
            self.rotation().counted(RowsKept::default());
            return Ok(Rotated::Done);
        }
        let latest = now.plus_seconds(self.rotation().overlap_seconds());
        for key in self.keys_in(KeyState::OpenOnly) {
            // The setting is shorter by now, or a clock was ahead.
            if key.destroyed_at.is_some_and(|at| at > latest) {
                self.key_end(&key, now).await?;
            }
        }
        let is_over = |key: &OrganisationKey| key.destroyed_at.is_none_or(|at| at <= now);
        let retired_keys = self.keys_in(KeyState::OpenOnly);
        let (left, known): (Vec<_>, Vec<_>) = retired_keys.into_iter().partition(is_over);
        let idle: BTreeMap<Retired, u64> = known.iter().map(|key| (retired(key), 0)).collect();
        if left.is_empty() {
            self.rotation().counted(RowsKept { left: idle, ..RowsKept::default() });
            return Ok(Rotated::Waits);
        }
        let moved = self.keys_move(left, &idle, now).await?;
        Ok(if idle.is_empty() { moved } else { moved.max(Rotated::Waits) })
    }

    /// Goes on with keys that others took the place of, all in the same readings of the rows. `idle` are those for which nothing is to be done yet.
    async fn keys_move(
        &self,
        mut left: Vec<OrganisationKey>,
        idle: &BTreeMap<Retired, u64>,
        begun: Timestamp,
    ) -> Result<Rotated, VaultError> {
        let (mut sweep, mut idle) = (Sweep::of(&left, begun), idle.clone());
        // Nothing more is sealed or made with them, and what was is stored.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        for key in left.iter().filter(|key| key.purpose == Purpose::Data) {
            self.secrets_move(key).await?;
        }
        let (mut wanted, mut stuck, mut ended) = (Wanted::of(&left), Stuck::default(), Rotated::Done);
        for _ in 0..ROTATION_ROUNDS_MAX {
            let begun = self.shared_time().await?;
            // The first time it says how many there are; later it proves that there are none.
            let found = match self.rows_count(&left, &sweep).await? {
                ControlFlow::Continue(found) => found,
                ControlFlow::Break(why) => return Ok(why),
            };
            let counted = |wanted: &Wanted, stuck: &Stuck, idle: &BTreeMap<Retired, u64>| {
                let left = found.left(wanted, stuck).chain(idle.iter().map(|(key, rows)| (*key, *rows)));
                let (left, stuck, damaged) = (left.collect(), stuck.clone(), found.damaged);
                self.rotation().counted(RowsKept { left, stuck, damaged });
            };
            counted(&wanted, &stuck, &idle);
            // While there is a damaged row what can move on does; the keys before stay.
            if found.damaged == 0 {
                wanted = Wanted::default();
                for key in core::mem::take(&mut left) {
                    match self.key_next(&key, &found, begun).await? {
                        Next::Move => wanted.moved.insert(retired(&key)),
                        Next::Forget => wanted.forgotten.insert(retired(&key)),
                        Next::Wait => {
                            idle.insert(retired(&key), 0);
                            sweep.leaves(retired(&key));
                            ended = Rotated::Waits;
                            continue;
                        }
                        Next::Destroy => {
                            self.key_destroy_unneeded(&key).await?;
                            continue;
                        }
                    };
                    left.push(key);
                }
                if left.is_empty() {
                    return Ok(ended);
                }
                counted(&wanted, &stuck, &idle);
            }
            if found.left(&wanted, &stuck).all(|(_, rows)| rows == 0) {
                return Ok(Rotated::Left);
            }
            stuck = match self.rows_reseal(&wanted, &sweep).await? {
                ControlFlow::Continue(failed) => failed,
                ControlFlow::Break(why) => return Ok(why),
            };
        }
        Ok(Rotated::Left)
    }

    /// What comes next for a key, by what a reading that began at a moment found. What a key for fingerprints made is known for some time yet when no card has one of its
    /// own making any more.
    async fn key_next(
        &self,
        key: &OrganisationKey,
        found: &Found,
        begun: Timestamp,
    ) -> Result<Next, VaultError> {
        let has = |rows: &BTreeMap<Retired, u64>| rows.get(&retired(key)).is_some_and(|rows| *rows > 0);
        if has(&found.made) {
            return Ok(Next::Move);
        }
        if !self.is_stored_by(key, begun) {
            return Ok(Next::Wait);
        }
        if key.purpose == Purpose::Fingerprint {
            if key.destroyed_at.is_none() && !self.key_end(key, begun).await? {
                return Ok(Next::Wait);
            }
            if has(&found.before) {
                return Ok(Next::Forget);
            }
        }
        Ok(Next::Destroy)
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

    /// Keys of organisations that are in a state.
    fn keys_in(&self, state: KeyState) -> Vec<OrganisationKey> {
        let snapshot = self.snapshot();
        snapshot.keys.kept_of_all().filter(|key| key.state == state).cloned().collect()
    }

    /// Lets a key seal or make, and the one before it only open or check. Nothing is done where another node was first.
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

    /// Writes down until when the fingerprints that a key made are known, no later than what is written there: no card has one any more that is not beside its next one. Whether
    /// that is over already.
    async fn key_end(&self, retired: &OrganisationKey, now: Timestamp) -> Result<bool, VaultError> {
        let ends_at = now.plus_seconds(self.rotation().overlap_seconds());
        self.document_change_own(|snapshot| {
            let Some((key, id)) = kept_open(snapshot, retired) else { return Ok(None) };
            if key.destroyed_at.is_some_and(|at| at <= ends_at) {
                return Ok(None);
            }
            let changes = vec![self.key_put(snapshot, &key.clone().ending(ends_at))?];
            let audit =
                Requester::VAULT.note(self.now().wall, Action::DocumentUpdate, retired.organisation, id);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await?;
        // Another node may have been first, with a setting of its own.
        let written = kept_open(&self.snapshot(), retired).and_then(|(key, _)| key.destroyed_at);
        Ok(written.is_some_and(|at| at <= now))
    }

    /// Destroys a key of which all rows were read and none needs it.
    async fn key_destroy_unneeded(&self, retired: &OrganisationKey) -> Result<(), VaultError> {
        let (organisation, version) = (retired.organisation, retired.version);
        self.document_change_own(|snapshot| {
            let now = self.now().wall;
            let Some((key, id)) = kept_open(snapshot, retired) else { return Ok(None) };
            // A secret may have come into the documents from elsewhere since.
            if key.purpose == Purpose::Data && !secrets_of(snapshot, key).is_empty() {
                return Err(VaultError::Contended);
            }
            let changes = vec![self.key_put(snapshot, &key.clone().destroyed(now))?];
            let audit = Requester::VAULT.note(now, Action::KeyDestroy, organisation, id);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await?;
        let purpose = retired.purpose.as_str();
        tracing::info!(organisation.id = %organisation, purpose, version, "key.destroyed");
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

    async fn secrets_move(&self, key: &OrganisationKey) -> Result<(), VaultError> {
        let documents = secrets_of(&self.snapshot(), key);
        for (kind, id) in documents {
            self.secrets_reseal(kind, id, key).await?;
        }
        Ok(())
    }
}

/// A key that another took the place of, as the documents have it now, and the id of its document.
fn kept_open<'a>(snapshot: &'a Snapshot, retired: &OrganisationKey) -> Option<(&'a OrganisationKey, Id)> {
    let mut kept = snapshot.keys.kept(retired.organisation).filter(|key| key.purpose == retired.purpose);
    let key = kept.find(|key| key.version == retired.version && key.state == KeyState::OpenOnly)?;
    Some((key, key.document?))
}

pub(super) const fn retired(key: &OrganisationKey) -> Retired {
    (key.organisation, key.purpose, key.version)
}

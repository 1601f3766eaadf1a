use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use panvault_model::{Id, OrganisationId, Tag, Timestamp};
use panvault_store::{
    Action, AuditNote, Commit, DocumentKind, DocumentRow, IdempotencyClaim, IdempotencyRow, Outcome,
    StoreFault,
};
use tokio::sync::OwnedMutexGuard;

use crate::document::change::DocumentChange;
use crate::document::head::{HEAD_ID, HEAD_ROW};
use crate::document::snapshot::Snapshot;
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency, KeptAnswer, answer_of, answer_read};
use crate::limits::DOCUMENT_TRIES_MAX;
use crate::permit::{Operation, Permit};
use crate::seal;
use crate::vault::{Mode, Vault};

/// A change of documents that is planned and not made: whoever must show what comes of it first can do so.
#[derive(Clone, Debug)]
pub struct DocumentPlan {
    pub(crate) changes: Vec<DocumentChange>,
    pub(crate) audit: AuditNote,
}

/// Who has it changes documents, or takes up others. Within a process changes come one after the other: each moves the head,
/// so that of two at once one would be made again anyway.
pub(crate) type DocumentTurn = OwnedMutexGuard<()>;

/// What became of a change.
enum Changed<T> {
    Made(T),
    /// An earlier request has the idempotency key.
    Earlier(Box<IdempotencyRow>),
}

/// What became of one try.
enum Committed {
    Done,
    Claimed(Box<IdempotencyRow>),
    Unmet(DocumentTurn),
}

impl Vault {
    /// Does what was planned, in one step, and takes it up.
    ///
    /// Nothing was changed when it fails with [`VaultError::Faults`], [`VaultError::Contended`], [`VaultError::Busy`] or a store
    /// that is full; of another failure that is not sure. What was begun runs to its end, whether or not the future is polled.
    pub async fn document_make(&self, plan: DocumentPlan) -> Result<(), VaultError> {
        match self.document_changed(|_| None, |_| Ok(((), plan.clone()))).await? {
            Changed::Made(made) => Ok(made),
            Changed::Earlier(_) => Err(VaultError::Contended),
        }
    }

    /// Plans a change of documents, does it in one step and takes it up. The head makes every two changes meet, also those that have
    /// nothing to do with each other: when another process was first, this is planned again on what it left.
    ///
    /// The caller is judged anew by the documents that the plan is made on: changes wait for their turn, in which a key may be revoked
    /// or lose a role, and what it asked for before that must not be done after it.
    pub(crate) async fn document_change<O: Operation, T>(
        &self,
        permit: &Permit<O>,
        plan: impl Fn(&Permit<O>, &Snapshot) -> Result<(T, DocumentPlan), VaultError>,
    ) -> Result<T, VaultError> {
        let plan = |snapshot: &Arc<Snapshot>| plan(&self.permit_again(permit, snapshot)?, snapshot);
        match self.document_changed(|_| None, plan).await? {
            Changed::Made(made) => Ok(made),
            Changed::Earlier(_) => Err(VaultError::Contended),
        }
    }

    /// A change of the vault's own, which nobody asks for; `None` where nothing is to be changed any more.
    pub(crate) async fn document_change_own(
        &self,
        plan: impl Fn(&Snapshot) -> Result<Option<DocumentPlan>, VaultError>,
    ) -> Result<(), VaultError> {
        let needless = || VaultError::WrongState { reason: "nothing is to be changed" };
        let is_needless = AtomicBool::new(false);
        let plan = |snapshot: &Arc<Snapshot>| {
            let planned = plan(snapshot)?;
            is_needless.store(planned.is_none(), Ordering::Relaxed);
            Ok(((), planned.ok_or_else(needless)?))
        };
        match self.document_changed(|_| None, plan).await {
            Err(_) if is_needless.load(Ordering::Relaxed) => Ok(()),
            Ok(Changed::Made(())) => Ok(()),
            Ok(Changed::Earlier(_)) => Err(VaultError::Contended),
            Err(error) => Err(error),
        }
    }

    /// The same, of a request that may be repeated: then it is answered as it was before.
    pub(crate) async fn document_change_once<O: Operation, T: KeptAnswer>(
        &self,
        permit: &Permit<O>,
        idempotency: Option<Idempotency>,
        plan: impl Fn(&Permit<O>, &Snapshot) -> Result<(T, DocumentPlan), VaultError>,
    ) -> Result<Done<T>, VaultError> {
        let Some(claim) = idempotency else {
            return self.document_change(permit, plan).await.map(Done::new);
        };
        let now = permit.now();
        if let Some(earlier) = self.idempotency_earlier(&claim, now).await? {
            return Ok(Done::replayed(answer_read(&earlier)?));
        }
        let claiming = |made: &T| Some(claim.claim(self.keys(), now.wall, answer_of(made)));
        let plan = |snapshot: &Arc<Snapshot>| plan(&self.permit_again(permit, snapshot)?, snapshot);
        match self.document_changed(claiming, plan).await {
            Ok(Changed::Made(made)) => Ok(Done::new(made)),
            Ok(Changed::Earlier(row)) => {
                Ok(Done::replayed(answer_read(&*self.idempotency_claimed(&claim, row)?)?))
            }
            Err(error) if error.is_of_documents() => {
                // The same request may have been done while this one waited for its turn, and what it left refuses this one.
                let earlier = self.idempotency_earlier(&claim, now).await?.ok_or(error)?;
                Ok(Done::replayed(answer_read(&earlier)?))
            }
            Err(error) => Err(error),
        }
    }

    async fn document_changed<T>(
        &self,
        claim: impl Fn(&T) -> Option<IdempotencyClaim>,
        plan: impl Fn(&Arc<Snapshot>) -> Result<(T, DocumentPlan), VaultError>,
    ) -> Result<Changed<T>, VaultError> {
        let mut turn = self.document_turn().await;
        for _ in 0..DOCUMENT_TRIES_MAX {
            let snapshot = self.snapshot();
            let (made, DocumentPlan { changes, audit }) = plan(&snapshot)?;
            if !snapshot.documents.are_before(&changes) {
                return Err(VaultError::Contended);
            }
            let after = snapshot.after(&changes, self.keys(), self.mode() == Mode::Test)?;
            let changes: Vec<_> = changes.into_iter().chain([self.head_put(&after)?]).collect();
            let expects = changes.iter().filter_map(DocumentChange::expect).collect();
            let log = self.change_log_effect(&changes, after.head.counter);
            let effects = changes.into_iter().filter_map(DocumentChange::effect).chain(log).collect();
            let commit = Commit { claim: claim(&made), expects, effects, audit };
            match self.document_commit(turn, commit, after).await? {
                Committed::Done => return Ok(Changed::Made(made)),
                Committed::Claimed(row) => return Ok(Changed::Earlier(row)),
                Committed::Unmet(again) => turn = again,
            }
            self.reload(&turn).await?;
            if self.snapshot().head.counter == snapshot.head.counter {
                // Nobody else changed anything, and still it did not hold.
                return Err(VaultError::Contended);
            }
        }
        Err(VaultError::Contended)
    }

    /// Does a change and takes it up; gives back the turn when somebody else was first. A task of its own does it: what is durable is
    /// taken up, and a revoked key is refused from then on, also when whoever asked for it has gone.
    async fn document_commit(
        &self,
        turn: DocumentTurn,
        commit: Commit,
        after: Snapshot,
    ) -> Result<Committed, VaultError> {
        let vault = self.clone();
        let done = tokio::spawn(async move {
            match vault.store().commit(commit).await? {
                Outcome::Done { .. } => {
                    vault.take_up(&turn, after);
                    Ok(Committed::Done)
                }
                Outcome::Unmet(_) => Ok(Committed::Unmet(turn)),
                Outcome::Claimed(row) => Ok(Committed::Claimed(row)),
            }
        });
        // A task ends without an answer when the runtime does; then nobody can tell.
        done.await.unwrap_or(Err(VaultError::Store(StoreFault::Stopped)))
    }

    /// Takes up documents and keys as they are stored now. [`VaultError::Tampered`] also when they are those of an earlier moment.
    pub(super) async fn reload(&self, turn: &DocumentTurn) -> Result<(), VaultError> {
        if self.catch_up(turn).await? {
            return Ok(());
        }
        let rows = self.store().document_read_all().await?;
        let before = self.snapshot();
        let (vault, documents) = (self.clone(), Arc::clone(&before));
        // Of many it takes seconds, in which requests are served.
        let reading = tokio::task::spawn_blocking(move || {
            let test_mode = vault.mode() == Mode::Test;
            Snapshot::read(rows, vault.keys(), test_mode, Some(&documents.documents))
        });
        let read = reading.await.unwrap_or(Err(VaultError::Store(StoreFault::Stopped)))?;
        if read.head.counter < before.head.counter {
            return Err(VaultError::Tampered(HEAD_ROW));
        }
        self.take_up(turn, read);
        Ok(())
    }

    /// The row of the head.
    fn head_put(&self, snapshot: &Snapshot) -> Result<DocumentChange, VaultError> {
        let head = &snapshot.head;
        let sealed = self.keys().head_seal(head.key, head.counter.into(), &head.encode(), self.entropy())?;
        Ok(self.document_put(DocumentKind::DocumentHead, HEAD_ID, head.counter, sealed.to_vec()))
    }

    /// The plan that changes one document, to what `encode` makes of it at this time.
    pub(crate) fn row_update_plan<O>(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<O>,
        kind: DocumentKind,
        id: Id,
        organisation: OrganisationId,
        encode: impl FnOnce(Timestamp) -> Vec<u8>,
    ) -> Result<DocumentPlan, VaultError> {
        let version = snapshot.documents.version(kind, id).checked_add(1).ok_or(VaultError::Contended)?;
        let now = permit.now().wall;
        let changes = vec![self.document_put(kind, id, version, encode(now))];
        let audit = permit.asked().note(now, Action::DocumentUpdate, organisation, id);
        Ok(DocumentPlan { changes, audit })
    }

    /// An organisation that the caller sees, and that is there in these documents too.
    pub(crate) fn organisation_now<O>(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<O>,
        organisation: OrganisationId,
    ) -> Result<OrganisationId, VaultError> {
        let named = Named::Field("organisation");
        permit.within(organisation, named)?;
        let row = snapshot.documents.organisation(organisation);
        row.map(|row| row.id).ok_or_else(|| VaultError::not_found(named))
    }

    /// A document in this version.
    pub(crate) fn document_put(
        &self,
        kind: DocumentKind,
        id: Id,
        version: u32,
        body: Vec<u8>,
    ) -> DocumentChange {
        let mut row = DocumentRow { kind, id, version, body, tag: Tag::NONE };
        row.tag = seal::document_tag(self.keys(), &row);
        DocumentChange::Put(row)
    }

    pub(super) async fn document_turn(&self) -> DocumentTurn {
        Arc::clone(self.document_turns()).lock_owned().await
    }
}

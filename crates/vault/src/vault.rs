use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use panvault_card::{BinStatus, BinTable};
use panvault_keys::{ApiKey, Entropy, HandOver, KeyMode, OperatorKey, VaultKeys};
use panvault_model::{ApiKeyId, CardId, NodeId, Now, OrganisationId, Timestamp, VaultId};
use panvault_processor::Connect;
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::{
    Action, ApiKeyRow, Commit, CvvCounts, CvvStore, Effect, Expect, NodePart, OrganisationRow, Outcome,
    RefusalReason, RowKey, Slots, Store, StoreStatus, Totals,
};
use tokio::sync::{Mutex, watch};

use crate::api_key::{Hashed, LastUses, Rehashes};
use crate::audit::{AuditVerified, Counts, Origin, RefusedTrail, Requester, checkpoint_often};
use crate::clock::Clock;
use crate::cvv::CvvKeys;
use crate::document::{
    DocumentTurn, DocumentsSeen, EarlierSnapshots, HEAD_ROW, HeaderPlace, KnownKey, Snapshot, follow_often,
};
use crate::env::Env;
use crate::error::{Named, VaultError, with_causes};
use crate::idempotency::Idempotency;
use crate::key::{Rotation, RotationSettings, RotationStatus, rotate_often};
use crate::limit::{GuardSettings, Guards};
use crate::limits::{
    AUDIT_LISTS, AUDIT_LISTS_MAX, CVV_TTL_SECONDS_MAX, DOCUMENT_LISTS, DOCUMENT_LISTS_MAX,
    LEASE_RENEWAL_SECONDS, LEASE_RETRY_SECONDS,
};
use crate::node::{Node, NodeStatus};
use crate::permit::{Caller, Credential, Operation, Permit, Scope, StatusRead};
use crate::sealing::Unsealing;
use crate::throttle::Throttle;
use crate::trail::{Export, TrailLag};
use crate::transaction::Unreached;
use crate::webhook::{Deliveries, WebhookCounts};

/// Test and live are two vaults: the dummy processor and `pv_test_` keys belong to one, all else to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For developing and trying.
    Test,
    /// For money.
    Live,
}

/// What a vault is made of.
pub struct VaultParts {
    /// Names this node; another at every start.
    pub node: NodeId,
    /// A node that is known to have ended, whatever its lease says; `None` where none is.
    pub predecessor: Option<NodeId>,
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Where CVVs are held.
    pub cvvs: Arc<dyn CvvStore>,
    /// The keys of the vault, as its header has them; they say which vault it is. The root key is not needed here.
    pub keys: VaultKeys,
    /// Where the header is that they came out of, for who may change it; `None` where nobody does here.
    pub header_place: Option<Arc<dyn HeaderPlace>>,
    /// What nodes that serve are handed where this header is the next one; `None` where there can be no others.
    pub handed: Option<HandOver>,
    /// Test or live.
    pub mode: Mode,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The dice.
    pub entropy: Arc<dyn Entropy>,
    /// Who issued which numbers.
    pub bins: Arc<dyn BinTable>,
    /// Who connects to processors.
    pub processors: Arc<dyn Connect>,
    /// Seconds for which a CVV is held, at most [`crate::limits::CVV_TTL_SECONDS_MAX`]; 0 is not at all.
    pub cvv_ttl_seconds: u32,
    /// What is done about card testing and guesses at card numbers.
    pub guards: GuardSettings,
    /// How keys are replaced.
    pub rotation: RotationSettings,
    /// Whether it serves, and does what one node does for all when that is this one: webhooks go out from here. A command that opens the vault for a
    /// moment does not.
    pub serves: bool,
    /// Who unseals it, where it is not opened by itself. A vault that was sealed is opened by nothing else.
    pub unsealing: Option<Unsealing>,
    /// Seconds between two sweeps of what has expired; 0 is never: then nothing is done by itself, and whoever opens the vault calls
    /// [`Vault::sweep`], [`Vault::keys_rotate`], [`Vault::lease_renew`] and [`Vault::cvv_key_renew`].
    pub sweep_seconds: u64,
}

/// How a vault is doing.
#[derive(Clone, Copy, Debug)]
pub struct VaultStatus {
    /// Its store.
    pub store: StoreStatus,
    /// Its CVVs.
    pub cvvs: CvvCounts,
    /// Its table of issuers.
    pub bins: BinStatus,
    /// Its webhooks.
    pub webhooks: WebhookCounts,
    /// Transactions are refused until this node has renewed its lease.
    pub lease_lost: bool,
    /// Requests with a key are refused until this node sees again whether others have changed documents.
    pub documents_unseen: bool,
    /// How it stands with the other nodes; `None` where there can be none.
    pub node: Option<NodeStatus>,
    /// When what has expired was last removed to the end, if it was since the start.
    pub swept_at: Option<Timestamp>,
    /// How rotations of keys stand.
    pub rotation: RotationStatus,
    /// How far the destination is that is furthest behind with the trail; `None` where it is exported to none.
    pub trail: Option<TrailLag>,
    /// What holding the trail against its chain came to last, as this node was told since it started.
    pub audit_verified: Option<AuditVerified>,
}

/// How much a vault keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultTotals {
    /// Organisations, whether or not they are disabled.
    pub organisations: u64,
    /// Their accounts.
    pub accounts: u64,
    /// Their processors.
    pub processors: u64,
    /// Their API keys, also those that have expired and were not revoked.
    pub api_keys: u64,
    /// Cards and transactions.
    pub stored: Totals,
}

/// The vault. Cheap to clone; all clones are one vault.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    parts: VaultParts,
    node: Arc<Node>,
    cvv_keys: CvvKeys,
    snapshot: ArcSwap<Snapshot>,
    document_turns: Arc<Mutex<()>>,
    /// Who changes the header of keys.
    header_turn: Mutex<()>,
    /// Told which version of the header the documents name.
    header_named: watch::Sender<u32>,
    documents_seen: DocumentsSeen,
    document_lists: Arc<Slots<()>>,
    audit_lists: Arc<Slots<()>>,
    audit_verified: std::sync::Mutex<Option<AuditVerified>>,
    /// What is in the trail and does not count, when it was last looked.
    trails_refused: std::sync::Mutex<Vec<RefusedTrail>>,
    /// Up to where records of each node were kept no longer when this process last looked.
    retired: std::sync::Mutex<BTreeMap<NodeId, u64>>,
    earlier: std::sync::Mutex<EarlierSnapshots>,
    last_uses: LastUses,
    rehashes: Rehashes,
    counts: Counts,
    guards: Guards,
    rotation: Arc<Rotation>,
    deliveries: Arc<Deliveries>,
    cvv_no_room: Throttle,
    unreached: Unreached,
    notification_refused: Throttle,
    /// How the trail is exported, if it is.
    export: OnceLock<Export>,
    /// Told when it was sealed since it was opened.
    sealed: watch::Sender<bool>,
    /// How often it had been sealed and unsealed when it was opened.
    seals: u32,
    /// Unix milliseconds; 0 for never.
    swept_at: AtomicU64,
}

/// A vault that does not stay for it.
pub(crate) struct WeakVault(Weak<Inner>);

impl WeakVault {
    /// The vault, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Vault> {
        self.0.upgrade().map(|inner| Vault { inner })
    }
}

impl Vault {
    /// For a task that ends when the vault is gone.
    pub(crate) fn downgrade(&self) -> WeakVault {
        WeakVault(Arc::downgrade(&self.inner))
    }

    /// Opens a vault: reads documents and keys, lets the documents follow the header of keys, and turns transactions that a crash left `INITIATED` into `UNKNOWN`.
    /// Where nodes share the store, it takes a lease first, and leaves alone what others that live have in hand.
    ///
    /// Must be called inside a tokio runtime.
    pub async fn open(parts: VaultParts) -> Result<Self, VaultError> {
        if parts.cvv_ttl_seconds > CVV_TTL_SECONDS_MAX {
            return Err(VaultError::field("cvv_ttl_seconds", "must be at most 86400"));
        }
        let cvv_keys = CvvKeys::make(parts.cvvs.is_shared(), parts.entropy.as_ref())?;
        let asked = parts.clock.now();
        let rows = parts.store.document_read_all().await?;
        // Whatever else is stored is of an organisation, and the head of the documents stays. Nodes alone are of none.
        if rows.iter().all(|row| row.kind.is_beside())
            && parts.store.status().sequence > 0
            && (!parts.store.is_shared() || has_cards(&*parts.store).await?)
        {
            return Err(VaultError::Tampered(HEAD_ROW));
        }
        if parts.store.is_shared() {
            parts.keys.others_use_them();
        }
        let test_mode = parts.mode == Mode::Test;
        let snapshot = Snapshot::read(rows, &parts.keys, test_mode, None)?;
        let is_sealed = snapshot.head.is_sealed();
        if is_sealed && parts.unsealing.is_none() {
            return Err(VaultError::Sealed);
        }
        let seals = snapshot.head.seals.saturating_add(u32::from(is_sealed));
        let sweep_seconds = parts.sweep_seconds;
        let header_version = parts.keys.header_version();
        let guards = Guards::new(parts.guards);
        let rotation = Arc::new(Rotation::new(parts.rotation));
        let serves = parts.serves;
        let part = NodePart { serves: parts.serves, cvvs_in_process: !parts.cvvs.is_shared() };
        let node =
            Node::new(parts.node, parts.predecessor, part, parts.store.is_shared(), Arc::clone(&parts.clock));
        let inner = Inner {
            parts,
            node: Arc::new(node),
            cvv_keys,
            snapshot: ArcSwap::from_pointee(snapshot),
            document_turns: Arc::default(),
            header_turn: Mutex::default(),
            header_named: watch::Sender::new(header_version),
            documents_seen: DocumentsSeen::at(asked),
            document_lists: Arc::new(Slots::new(vec![(); DOCUMENT_LISTS_MAX], DOCUMENT_LISTS)),
            audit_lists: Arc::new(Slots::new(vec![(); AUDIT_LISTS_MAX], AUDIT_LISTS)),
            audit_verified: std::sync::Mutex::default(),
            trails_refused: std::sync::Mutex::default(),
            retired: std::sync::Mutex::default(),
            earlier: std::sync::Mutex::default(),
            last_uses: LastUses::default(),
            rehashes: Rehashes::default(),
            counts: Counts::default(),
            guards,
            rotation,
            deliveries: Arc::default(),
            cvv_no_room: Throttle::default(),
            unreached: Unreached::default(),
            notification_refused: Throttle::default(),
            export: OnceLock::new(),
            sealed: watch::Sender::new(false),
            seals,
            swept_at: AtomicU64::new(0),
        };
        let vault = Self { inner: Arc::new(inner) };
        vault.processors_say_faults();
        // First of all that it writes: the first record of a node's chain says that it began.
        vault.lease_renew().await?;
        vault.unseal(is_sealed).await?;
        vault.documents_follow_header().await?;
        vault.transaction_recover().await?;
        // Without it the vault serves, and holds no CVVs.
        if let Err(error) = vault.cvv_key_renew().await {
            cvv_key_not_renewed(&error);
        }
        if sweep_seconds > 0 {
            if vault.node().is_shared() || vault.cvvs().is_shared() {
                tokio::spawn(renew_often(Arc::downgrade(&vault.inner)));
            }
            if vault.node().is_shared() {
                tokio::spawn(follow_often(vault.downgrade()));
                tokio::spawn(checkpoint_often(vault.downgrade()));
            }
            if serves {
                tokio::spawn(rotate_often(vault.downgrade()));
            }
            tokio::spawn(sweep_often(Arc::downgrade(&vault.inner), sweep_seconds));
        }
        Ok(vault)
    }

    /// Who bears this key, if it is a key of this vault that is valid now. Of several nodes one may not know a key yet that another has just
    /// made: [`Vault::documents_follow`], and then it does. [`VaultError::DocumentsUnseen`] where that cannot be told.
    pub fn caller(&self, key: &str, origin: Origin) -> Result<Caller, VaultError> {
        let malformed = || self.signin_refused(origin, RefusalReason::KeyMalformed);
        let key = ApiKey::parse(key).ok_or_else(malformed)?;
        let mode = match self.mode() {
            Mode::Test => KeyMode::Test,
            Mode::Live => KeyMode::Live,
        };
        let now = self.now();
        self.documents_are_recent(now)?;
        let snapshot = self.snapshot();
        let (known, hashed) = self
            .apikey_known(&key, &snapshot)
            .filter(|_| key.mode() == mode)
            .ok_or_else(|| self.signin_refused(origin, RefusalReason::KeyUnknown))?;
        let row = Arc::clone(&known.row);
        if let Some(reason) = why_invalid(&row, &snapshot, now) {
            return Err(self.key_refused(origin, Some(&row), reason));
        }
        self.apikey_used(row.id, &known.last_use, now.wall);
        if let Some(hashed) = hashed {
            self.rehashes().add(row.id, hashed);
        }
        Ok(Caller {
            asked: Requester { actor: Some(row.id), origin },
            now,
            scope: Scope::Below(row.organisation),
            credential: Credential::ApiKey(row),
            snapshot,
        })
    }

    /// The same. Where this node does not know the key, or not as a valid one, it looks first whether another has just changed that.
    pub async fn caller_now(&self, key: &str, origin: Origin) -> Result<Caller, VaultError> {
        if self.node().is_shared() && !self.is_known(key) {
            Box::pin(self.documents_follow()).await?;
        }
        self.caller(key, origin)
    }

    /// Whether nothing that another node may have done would make it a valid key.
    fn is_known(&self, key: &str) -> bool {
        let Some(key) = ApiKey::parse(key) else { return true };
        let snapshot = self.snapshot();
        let known = self.apikey_known(&key, &snapshot);
        known.is_some_and(|(known, _)| why_invalid(&known.row, &snapshot, self.now()).is_none())
    }

    /// The API key as it is known, and the hash that the key of now makes of it where it is stored with that of another.
    fn apikey_known<'s>(
        &self,
        key: &ApiKey,
        snapshot: &'s Snapshot,
    ) -> Option<(&'s Arc<KnownKey>, Option<Hashed>)> {
        let mut of_now = None;
        for (hash_key, hash) in self.keys().api_key_hashes(key) {
            if let Some(known) = snapshot.documents.api_key_by_hash(hash_key, hash) {
                return Some((known, of_now));
            }
            of_now = of_now.or(Some((hash_key, hash)));
        }
        None
    }

    /// Who sends a request without a key: a page of an organisation that lets its pages create cards so, and is counted by the organisation's id in the
    /// place of a key's. [`VaultError::NotAuthenticated`] where there is none, or it does not. Which pages they are is
    /// [`Caller::allowed_origins`].
    pub fn keyless_caller(&self, organisation: OrganisationId, origin: Origin) -> Result<Caller, VaultError> {
        let now = self.now();
        self.documents_are_recent(now)?;
        let snapshot = self.snapshot();
        let row = self.keyless_organisation(organisation, &snapshot, origin)?;
        Ok(Caller {
            asked: Requester { actor: Some(ApiKeyId(organisation.0)), origin },
            now,
            scope: Scope::Below(organisation),
            credential: Credential::Page(row),
            snapshot,
        })
    }

    fn keyless_organisation(
        &self,
        organisation: OrganisationId,
        snapshot: &Snapshot,
        origin: Origin,
    ) -> Result<Arc<OrganisationRow>, VaultError> {
        let row = snapshot.documents.organisation(organisation);
        let row = row.filter(|row| !row.keyless_capture_origins.is_empty());
        let row = row.ok_or_else(|| self.signin_refused(origin, RefusalReason::KeyMissing))?;
        if snapshot.documents.is_enabled(organisation) {
            Ok(Arc::clone(row))
        } else {
            Err(self.signin_refused(origin, RefusalReason::OrganisationDisabled))
        }
    }

    /// The same caller as of now, if its key is still valid: for when a request has arrived that took its time. What the caller sees and
    /// may do is as it is now, too.
    pub fn caller_again(&self, caller: &Caller) -> Result<Caller, VaultError> {
        let now = self.now();
        Ok(Caller { now, ..self.caller_on(caller, self.snapshot(), now)? })
    }

    /// The same permit by other documents, if the caller's key is in them, is valid now, and still lets it do this. The time of the request
    /// stays what it was.
    pub(crate) fn permit_again<O: Operation>(
        &self,
        permit: &Permit<O>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Permit<O>, VaultError> {
        self.caller_on(permit.caller(), Arc::clone(snapshot), self.now())?.permit()
    }

    fn caller_on(&self, caller: &Caller, snapshot: Arc<Snapshot>, now: Now) -> Result<Caller, VaultError> {
        match &caller.credential {
            Credential::ApiKey(_) | Credential::Page(_) | Credential::Checkout(_) => {
                self.documents_are_recent(now)?;
            }
            // Whoever has the root key has all that documents could say.
            Credential::RootKey => {}
        }
        let credential = match &caller.credential {
            Credential::ApiKey(before) => {
                let known = snapshot.documents.api_key(before.id);
                let known = known.filter(|known| why_invalid(&known.row, &snapshot, now).is_none());
                let ended = || self.key_refused(caller.asked.origin, Some(before), RefusalReason::KeyEnded);
                Credential::ApiKey(Arc::clone(&known.ok_or_else(ended)?.row))
            }
            Credential::Page(before) => {
                Credential::Page(self.keyless_organisation(before.id, &snapshot, caller.asked.origin)?)
            }
            Credential::Checkout(organisation) if snapshot.documents.is_enabled(*organisation) => {
                Credential::Checkout(*organisation)
            }
            Credential::Checkout(_) => return Err(VaultError::not_found(Named::Subject)),
            Credential::RootKey => Credential::RootKey,
        };
        Ok(Caller { asked: caller.asked, now: caller.now, scope: caller.scope, credential, snapshot })
    }

    /// A command on this machine, which may do all: its key proves that it has the root key. [`VaultError::NotAuthenticated`] for the
    /// operator key of another vault or another root key.
    pub fn operator(&self, key: &OperatorKey, origin: Origin) -> Result<Caller, VaultError> {
        if !self.keys().is_operator(key) {
            return Err(self.signin_refused(origin, RefusalReason::OperatorProof));
        }
        Ok(Caller {
            asked: Requester { actor: None, origin },
            now: self.now(),
            scope: Scope::All,
            credential: Credential::RootKey,
            snapshot: self.snapshot(),
        })
    }

    /// Digests that stand for a request that may be repeated. The body is not kept, and neither is the key. `body` must not
    /// depend on the digits of a CVV: its digest is stored.
    pub fn idempotency<O>(&self, permit: &Permit<O>, path: &str, key: &str, body: &[u8]) -> Idempotency {
        Idempotency::new(self.keys(), permit, path, key, body)
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        self.inner.parts.clock.now()
    }

    /// Which vault this is.
    pub fn id(&self) -> VaultId {
        self.inner.parts.keys.vault()
    }

    /// Test or live.
    pub fn mode(&self) -> Mode {
        self.inner.parts.mode
    }

    /// How it is doing; does not wait.
    pub fn status(&self) -> VaultStatus {
        let bins = self.bins().status();
        VaultStatus {
            store: self.store().status(),
            cvvs: self.cvvs().counts(),
            bins,
            webhooks: self.deliveries().counts(),
            lease_lost: self.node().is_lease_lost(),
            documents_unseen: self.documents_are_recent(self.now()).is_err(),
            node: self.node().status(self.documents_seen().age_millis(self.now())),
            swept_at: Some(self.inner.swept_at.load(Ordering::Relaxed))
                .filter(|millis| *millis > 0)
                .map(Timestamp::from_unix_millis),
            rotation: self.rotation().status(),
            trail: self.trail_lag(),
            audit_verified: *self.audit_verified(),
        }
    }

    /// The same, for whoever may see it: an administrator of an organisation that is below none, or a command on this machine. It is of
    /// the whole vault. [`VaultError::RoleNotAllowed`] for others.
    pub fn status_read(&self, permit: &Permit<StatusRead>) -> Result<VaultStatus, VaultError> {
        if permit.is_at_top() { Ok(self.status()) } else { Err(VaultError::RoleNotAllowed) }
    }

    /// How much the vault keeps, for whoever may see its status. No row is read for it, and damage of
    /// some does not keep it from being said: see [`Store::totals`].
    pub async fn totals_read(&self, permit: &Permit<StatusRead>) -> Result<VaultTotals, VaultError> {
        if !permit.is_at_top() {
            return Err(VaultError::RoleNotAllowed);
        }
        let stored = self.store().totals().await?;
        Ok(permit.snapshot().documents.totals(stored))
    }

    /// Randomness, for names of requests.
    pub fn entropy(&self) -> &dyn Entropy {
        self.inner.parts.entropy.as_ref()
    }

    /// Writes down what this node has counted, and does what one does for all, if it is that one: removes what has expired, turns transactions that nobody has in hand any more into `UNKNOWN`, and asks processors what became of those. Deadlines bind without it; it
    /// frees memory and disk.
    pub async fn sweep(&self) -> Result<(), VaultError> {
        let now = self.now();
        // First, and whatever becomes of the rest, so that it is every sweep's.
        let counted = self.counts_write().await;
        // Each part, whatever became of those before it: rows that cannot be read keep no CVV, and no payment hanging.
        let uses_written = self.apikey_uses_write().await;
        let recovered = self.transaction_recover().await;
        let for_all = match self.has_duty().await {
            // Nothing is over before it is by both.
            Ok(true) => match self.shared_time().await {
                Ok(shared) => self.sweep_for_all(now.wall.min(shared)).await,
                Err(error) => Err(error),
            },
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        // So late that a place of CVVs that is out of reach keeps nothing in the store, and before a processor that does not answer.
        let swept = self.cvvs().cvv_sweep().await;
        let asked = match self.has_duty().await {
            Ok(true) => self.transaction_ask().await.and(self.refund_ask().await),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        uses_written?;
        recovered?;
        for_all?;
        asked?;
        swept?;
        counted?;
        self.inner.swept_at.store(now.wall.unix_millis(), Ordering::Relaxed);
        Ok(())
    }

    /// Removes what has expired of what all nodes share. Others may do it at the same time.
    async fn sweep_for_all(&self, now: Timestamp) -> Result<(), VaultError> {
        let requests_swept = self.idempotency_sweep(now).await;
        let webhooks_swept = self.webhooks_sweep().await;
        let cvv_rows_swept = self.cvv_rows_sweep(now).await;
        let checkouts_swept = self.checkouts_sweep(now).await;
        requests_swept.and(webhooks_swept).and(cvv_rows_swept).and(checkouts_swept)
    }

    /// Removes idempotency records that have expired. A commit removes a bounded number; one that removes fewer has come to the end.
    async fn idempotency_sweep(&self, now: Timestamp) -> Result<(), VaultError> {
        while self.idempotency_some_sweep(now).await? >= SWEEP_ROWS_MAX {}
        Ok(())
    }

    /// Says how many it found.
    async fn idempotency_some_sweep(&self, now: Timestamp) -> Result<usize, VaultError> {
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(now, Action::IdempotencySweep, nobody, self.id().0);
        let mut keys = self.store().idempotency_expired(now, SWEEP_ROWS_MAX).await?;
        let found = keys.len();
        while !keys.is_empty() {
            let commit = Commit {
                claim: None,
                expects: keys.iter().map(|key| Expect::Expired(*key, now)).collect(),
                effects: keys.iter().map(|key| Effect::Delete(RowKey::Idempotency(*key))).collect(),
                audit,
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => break,
                // It was renewed since it was read.
                Outcome::Unmet(at) if at < keys.len() => drop(keys.swap_remove(at)),
                Outcome::Unmet(_) | Outcome::Claimed(_) => return Err(VaultError::Contended),
            }
        }
        Ok(found)
    }

    /// Ends in order: what the store has taken is finished, and other nodes need not wait for this one.
    pub async fn close(&self) -> Result<(), VaultError> {
        self.node().stops();
        if let Err(error) = self.apikey_uses_write().await {
            tracing::warn!(%error, advice = "none; the last minute's uses of API keys are not shown", "apikey.uses_not_written");
        }
        if let Err(error) = self.counts_write().await {
            let advice = "none; the audit trail lacks the last minute's reads and refusals";
            tracing::warn!(error = %with_causes(&error), advice, "audit.counts_not_written");
        }
        // Last: whoever reads that it stops waits for nothing more of it.
        if let Err(error) = self.node_stop().await {
            tracing::warn!(error = %with_causes(&error), advice = "none; others wait until its lease has run out", "node.not_stopped");
        }
        Ok(self.store().close().await?)
    }

    /// From here on requests see these documents. Only who has the turn says which, so that a key which was revoked does not come back.
    pub(crate) fn take_up(&self, _turn: &DocumentTurn, snapshot: Snapshot) {
        // Of a seal that was taken away again before it was seen here the count tells.
        if snapshot.head.seals != self.inner.seals {
            self.node().seal();
            self.inner.sealed.send_replace(true);
        }
        if let Some(handed) = &snapshot.handed
            && let Err(error) = self.keys().take(handed)
        {
            let advice = "start this node again: it was away while keys of the vault were handed over";
            tracing::error!(%error, advice, "keys.not_taken");
        }
        if let Some(named) = snapshot.head.header_version {
            self.inner.header_named.send_if_modified(|before| core::mem::replace(before, named) != named);
        }
        let earlier = self.inner.snapshot.swap(Arc::new(snapshot));
        self.earlier().add(&earlier);
    }

    /// The documents of before those of now, as far as requests see them.
    pub(crate) fn earlier_snapshots(&self) -> EarlierSnapshots {
        self.earlier().clone()
    }

    fn earlier(&self) -> MutexGuard<'_, EarlierSnapshots> {
        self.inner.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any browser's key allows pages of this web origin (RFC 6454) to use it, or any organisation lets them create cards without one.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.inner.snapshot.load().documents.allows_origin(origin)
    }

    /// Whether any organisation lets pages of this web origin create cards without a key; of pages of the vault itself (`None`), whether any
    /// organisation lets some page.
    pub fn allows_keyless(&self, origin: Option<&str>) -> bool {
        let snapshot = self.inner.snapshot.load();
        origin.map_or_else(
            || snapshot.documents.is_keyless(),
            |origin| snapshot.documents.allows_keyless(origin),
        )
    }

    pub(crate) fn document_lists(&self) -> &Arc<Slots<()>> {
        &self.inner.document_lists
    }

    pub(crate) fn retired(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, u64>> {
        self.inner.retired.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn audit_verified(&self) -> std::sync::MutexGuard<'_, Option<AuditVerified>> {
        self.inner.audit_verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn trails_refused(&self) -> std::sync::MutexGuard<'_, Vec<RefusedTrail>> {
        self.inner.trails_refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn audit_lists(&self) -> &Arc<Slots<()>> {
        &self.inner.audit_lists
    }

    /// What was seen and refused since it was last written down.
    pub(crate) fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    /// Who watches for card testing.
    pub(crate) fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// What is known of rotations of keys.
    pub(crate) fn rotation(&self) -> &Arc<Rotation> {
        &self.inner.rotation
    }

    /// What is known of webhooks that wait.
    pub(crate) fn deliveries(&self) -> &Arc<Deliveries> {
        &self.inner.deliveries
    }

    /// API keys whose hash is to be made anew.
    pub(crate) fn rehashes(&self) -> &Rehashes {
        &self.inner.rehashes
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.inner.last_uses
    }

    /// Who connects to processors.
    pub(crate) fn processors(&self) -> &dyn Connect {
        &*self.inner.parts.processors
    }

    pub(crate) fn unreached(&self) -> &Unreached {
        &self.inner.unreached
    }

    /// Whether somebody else in this process has the vault too.
    pub(crate) fn is_shared_here(&self) -> bool {
        Arc::strong_count(&self.inner) > 1
    }

    pub(crate) fn unsealing(&self) -> Option<&Unsealing> {
        self.inner.parts.unsealing.as_ref()
    }

    pub(crate) fn sealed_subscribe(&self) -> watch::Receiver<bool> {
        self.inner.sealed.subscribe()
    }

    /// How the trail is exported, if it is.
    pub(crate) fn export(&self) -> Option<&Export> {
        self.inner.export.get()
    }

    /// Whether this was the first time.
    pub(crate) fn export_set(&self, export: Export) -> bool {
        self.inner.export.set(export).is_ok()
    }

    /// Whether it does by itself what is to be done now and then.
    pub(crate) fn sweeps(&self) -> bool {
        self.inner.parts.sweep_seconds > 0
    }

    pub(crate) fn notification_refused(&self) -> &Throttle {
        &self.inner.notification_refused
    }

    pub(crate) fn documents_seen(&self) -> &DocumentsSeen {
        &self.inner.documents_seen
    }

    pub(crate) fn header_turn(&self) -> &Mutex<()> {
        &self.inner.header_turn
    }

    pub(crate) fn header_place(&self) -> Option<&dyn HeaderPlace> {
        self.inner.parts.header_place.as_deref()
    }

    pub(crate) fn handed_at_open(&self) -> Option<&HandOver> {
        self.inner.parts.handed.as_ref()
    }

    /// Which version of the header of keys the documents name, whenever that becomes another; it ends with the vault.
    pub fn header_subscribe(&self) -> watch::Receiver<u32> {
        self.inner.header_named.subscribe()
    }

    /// What commands on this machine prove themselves by; `None` where the root key is another by now, and this node was not told.
    pub fn operator_key(&self) -> Option<Arc<OperatorKey>> {
        self.keys().operator()
    }

    pub(crate) fn document_turns(&self) -> &Arc<Mutex<()>> {
        &self.inner.document_turns
    }

    pub(crate) fn env<'a>(&'a self, snapshot: &'a Snapshot, now: Now) -> Env<'a> {
        Env {
            now,
            vault: self.id(),
            vault_keys: self.keys(),
            keys: &snapshot.keys,
            cvv_keys: self.cvv_keys(),
            bins: self.bins(),
            entropy: self.entropy(),
            cvv_ttl_seconds: self.inner.parts.cvv_ttl_seconds,
        }
    }

    /// For [`VaultError::CvvFull`]: whether it is to be logged.
    pub(crate) fn cvv_no_room(&self) -> &Throttle {
        &self.inner.cvv_no_room
    }

    pub(crate) fn bins(&self) -> &dyn BinTable {
        self.inner.parts.bins.as_ref()
    }

    pub(crate) fn make_id_bytes(&self) -> Result<[u8; 8], VaultError> {
        Ok(self.entropy().make_id_bytes()?)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.inner.parts.store.as_ref()
    }

    pub(crate) fn cvvs(&self) -> &dyn CvvStore {
        self.inner.parts.cvvs.as_ref()
    }

    pub(crate) fn cvv_keys(&self) -> &CvvKeys {
        &self.inner.cvv_keys
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.inner.node
    }

    pub(crate) fn keys(&self) -> &VaultKeys {
        &self.inner.parts.keys
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot.load_full()
    }
}

/// Why a key is not valid now, if it is not: it has expired, or its organisation is disabled.
fn why_invalid(row: &ApiKeyRow, snapshot: &Snapshot, now: Now) -> Option<RefusalReason> {
    if row.expires_at.is_some_and(|expires_at| now.wall >= expires_at) {
        Some(RefusalReason::KeyExpired)
    } else if snapshot.documents.is_enabled(row.organisation) {
        None
    } else {
        Some(RefusalReason::OrganisationDisabled)
    }
}

/// Whether any card is stored.
async fn has_cards(store: &dyn Store) -> Result<bool, VaultError> {
    Ok(!store.card_page(CardId::from_bytes([0; 12]), 1).await?.is_empty())
}

/// Renews the lease, and what CVVs are sealed with, until the vault is gone.
async fn renew_often(inner: Weak<Inner>) {
    let mut seconds = LEASE_RENEWAL_SECONDS;
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let Some(inner) = inner.upgrade() else { return };
        let vault = Vault { inner };
        seconds = LEASE_RENEWAL_SECONDS;
        if let Err(error) = vault.lease_renew().await {
            let advice = "see why the store does not write; without a lease transactions are refused";
            tracing::warn!(error = %with_causes(&error), advice, "node.lease_not_renewed");
            seconds = LEASE_RETRY_SECONDS;
        }
        if let Err(error) = vault.cvv_key_renew().await {
            cvv_key_not_renewed(&error);
            seconds = LEASE_RETRY_SECONDS;
        }
    }
}

fn cvv_key_not_renewed(error: &VaultError) {
    let advice = "see why the place that holds CVVs is out of reach; without it no CVV is held";
    tracing::warn!(error = %with_causes(error), advice, "cvv.key_not_renewed");
}

/// Sweeps until the vault is gone.
async fn sweep_often(inner: Weak<Inner>, seconds: u64) {
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = (Vault { inner }).sweep().await {
            tracing::warn!(error = %with_causes(&error), advice = "none; the next sweep tries again", "vault.sweep_failed");
        }
    }
}

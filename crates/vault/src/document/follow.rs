use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use panvault_model::Now;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::document::catch_up::HEAD;
use crate::document::head::HEAD_ROW;
use crate::error::{VaultError, with_causes};
use crate::limits::{
    DOCUMENTS_LOOK_MILLIS, DOCUMENTS_LOOK_MILLIS_MAX, DOCUMENTS_LOOKS_MAX, DOCUMENTS_SEEN_MILLIS_MAX,
};
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

/// When the documents here were last known to be those of the store, where other nodes change them too.
///
/// Both clocks bind, as of a lease: where a machine sleeps, the one that never goes back may stand still. A moment that is read while it is
/// written is at most too early in one of them, and then refuses.
pub(crate) struct DocumentsSeen {
    wall_millis: AtomicU64,
    monotonic_millis: AtomicU64,
    /// Who looks. Of many that want to know at once the first asks the store for all of them.
    looks: Mutex<()>,
    unseen: Throttle,
}

impl DocumentsSeen {
    /// They were read by who `asked` then.
    pub(crate) fn at(asked: Now) -> Self {
        Self {
            wall_millis: AtomicU64::new(asked.wall.unix_millis()),
            monotonic_millis: AtomicU64::new(asked.monotonic_millis),
            looks: Mutex::default(),
            unseen: Throttle::default(),
        }
    }

    /// They are those of a moment after this one.
    fn is_after(&self, asked: Now) -> bool {
        self.monotonic_millis.load(Ordering::SeqCst) > asked.monotonic_millis
    }

    fn is_recent(&self, now: Now) -> bool {
        self.age_millis(now) <= DOCUMENTS_SEEN_MILLIS_MAX
    }

    /// Since then, by the clock that shows more.
    pub(crate) fn age_millis(&self, now: Now) -> u64 {
        let age = |now: u64, seen: &AtomicU64| now.saturating_sub(seen.load(Ordering::SeqCst));
        age(now.monotonic_millis, &self.monotonic_millis).max(age(now.wall.unix_millis(), &self.wall_millis))
    }

    /// Whoever looks says so, one after the other.
    fn note(&self, asked: Now) {
        self.wall_millis.store(asked.wall.unix_millis(), Ordering::SeqCst);
        self.monotonic_millis.store(asked.monotonic_millis, Ordering::SeqCst);
    }
}

impl Vault {
    /// Takes up what other nodes changed of the documents until now, if anything; nothing where there can be no others. Two times a second it is
    /// done by itself where the vault sweeps by itself; whoever misses something that another node may just have made asks for it.
    /// [`VaultError::DocumentsUnseen`] when the store does not answer in time; [`VaultError::Tampered`] when it has documents of an earlier
    /// moment.
    pub async fn documents_follow(&self) -> Result<(), VaultError> {
        if !self.node().is_shared() {
            return Ok(());
        }
        let asked = self.now();
        let seen = self.documents_seen();
        let looking = timeout(Duration::from_millis(DOCUMENTS_LOOK_MILLIS_MAX), seen.looks.lock());
        let _looks = looking.await.map_err(|_| VaultError::DocumentsUnseen)?;
        if seen.is_after(asked) {
            return Ok(());
        }
        for _ in 0..DOCUMENTS_LOOKS_MAX {
            let asked = self.now();
            self.documents_look().await?;
            // They are those of that moment at least. What took long to read may have changed meanwhile.
            seen.note(asked);
            if self.now().monotonic_millis.saturating_sub(asked.monotonic_millis) < DOCUMENTS_LOOK_MILLIS {
                break;
            }
        }
        Ok(())
    }

    /// Whether other nodes may serve this vault beside this one.
    pub fn has_beside(&self) -> bool {
        self.node().is_shared()
    }

    /// Whether others have changed documents since a caller was judged, which may have missed something for it.
    pub async fn documents_moved_on(&self, counter: u32) -> Result<bool, VaultError> {
        self.documents_follow().await?;
        Ok(self.node().is_shared() && self.snapshot().head.counter != counter)
    }

    /// Reads the head, and what has changed where it is another than here.
    async fn documents_look(&self) -> Result<(), VaultError> {
        let before = self.snapshot().head;
        let read = self.store().document_read_many(vec![HEAD]);
        let read = timeout(Duration::from_millis(DOCUMENTS_LOOK_MILLIS_MAX), read).await;
        let stored = self.head_of(read.map_err(|_| VaultError::DocumentsUnseen)??.first())?;
        if stored.counter < before.counter {
            return Err(VaultError::Tampered(HEAD_ROW));
        }
        if before.is_same(&stored) {
            return Ok(());
        }
        // A change of this node that is durable is taken up before the turn is given back.
        let turn = self.document_turn().await;
        let here = self.snapshot().head;
        if here.counter > stored.counter || here.is_same(&stored) {
            return Ok(());
        }
        self.reload(&turn).await?;
        // What was read besides may come from an old primary.
        if self.snapshot().head.counter < stored.counter { Err(VaultError::DocumentsUnseen) } else { Ok(()) }
    }

    /// [`VaultError::DocumentsUnseen`] unless the documents here were those of the store a moment ago: a key may have been revoked at another
    /// node since.
    pub(crate) fn documents_are_recent(&self, now: Now) -> Result<(), VaultError> {
        let seen = self.documents_seen();
        if !self.node().is_shared() || seen.is_recent(now) {
            return Ok(());
        }
        if seen.unseen.is_due(now) {
            let advice = "see why the database does not answer; keys are trusted again when it does";
            tracing::warn!(node.id = %self.node().id(), advice, "document.unseen");
        }
        Err(VaultError::DocumentsUnseen)
    }
}

/// Looks often, until the vault is gone.
pub(crate) async fn follow_often(vault: WeakVault) {
    let failed = Throttle::default();
    loop {
        tokio::time::sleep(Duration::from_millis(DOCUMENTS_LOOK_MILLIS)).await;
        let Some(vault) = vault.upgrade() else { return };
        if let Err(error) = vault.documents_follow().await
            && failed.is_due(vault.now())
        {
            let advice = "see why the database does not answer, or run panvault doctor; requests are refused meanwhile";
            tracing::warn!(error = %with_causes(&error), advice, "document.not_followed");
        }
    }
}

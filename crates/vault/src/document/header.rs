use panvault_keys::{HandOver, KeyState, SlotChange, SlotDescription, VaultKeyDescription, VaultPurpose};
use panvault_model::{Id, OrganisationId};
use panvault_store::{Action, DocumentKind, Pending};

use crate::audit::Requester;
use crate::document::head::HEAD_ID;
use crate::document::{DocumentChange, DocumentPlan, Snapshot};
use crate::error::VaultError;
use crate::permit::{HeaderUpdate, Permit};
use crate::vault::Vault;

/// Id of the one document of its kind.
pub(crate) const HAND_OVER_ID: Id = Id::from_bytes([0; 12]);

/// Where the header of keys is kept, for who changes it while the vault is served.
pub trait HeaderPlace: Send + Sync {
    /// Puts a header in the place of the one of version `before`, in both copies, durably. `false`, and nothing is changed, where there is
    /// another than that or this one: somebody else was first.
    fn header_replace(&self, header: Vec<u8>, before: u32) -> Pending<'_, bool>;
}

/// Two that change the header at once.
const CHANGED_MEANWHILE: &str =
    "somebody else has just changed the keys of the vault, and nothing was done; run the command again";

const UNDER_WAY: &str = "a rotation of this key is under way, and nothing was done: the key before the active one is not destroyed yet";

/// The header is in its place, and the documents do not name it.
const UNNAMED: &str = "the key that nodes are handed the next ones under was destroyed meanwhile; run the command again, which ends what this one began";

/// Whether what is handed over is under a key that has just been destroyed: nobody could take it up.
fn is_gone(handed: &HandOver, snapshot: &Snapshot) -> bool {
    let mut known = snapshot.handed.iter().flat_map(|handed| handed.keys());
    known.any(|key| {
        let is_it = (key.purpose, key.version) == (VaultPurpose::DocumentHead, handed.head_key());
        is_it && key.state == KeyState::Destroyed
    })
}

/// What the trail says of a slot that comes or goes with a header, which it names by its number (2) and what protects it (1) at the beginning of the object. What it is called, whoever made it has
/// written, and is nowhere but in the header.
fn of_slot(snapshot: &Snapshot, handed: &HandOver) -> Option<(Action, Id)> {
    let (action, SlotDescription { number, kind }) = match handed.slot_change(snapshot.handed.as_ref()?)? {
        SlotChange::Added(slot) => (Action::SlotAdd, slot),
        SlotChange::Removed(slot) => (Action::SlotRemove, slot),
    };
    let [high, low] = number.to_be_bytes();
    Some((action, Id::from_bytes([high, low, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0])))
}

/// Whether there is a new key in it for a purpose of which another is on its way in or out.
fn makes_another_of_moving(handed: &HandOver, snapshot: &Snapshot) -> bool {
    let before: Vec<_> = snapshot.handed.iter().flat_map(|handed| handed.keys()).collect();
    let is_there = |key: &VaultKeyDescription| {
        before.iter().any(|of| (of.purpose, of.version) == (key.purpose, key.version))
    };
    let mut new = handed.keys().filter(|key| key.state == KeyState::PreActive && !is_there(key));
    new.any(|key| snapshot.vault_keys_moving().any(|(moving, _)| moving.purpose == key.purpose))
}

impl Vault {
    /// Lets the documents name the header of keys that the vault opened with, in a step of its own when it is the next one: from
    /// then on the header before is refused, and the one after is allowed. Nodes that serve are told of it.
    pub(crate) async fn documents_follow_header(&self) -> Result<(), VaultError> {
        let opened = self.keys().header_version();
        self.document_change_own(|snapshot| {
            if snapshot.head.header_version.is_none_or(|named| named >= opened) {
                return Ok(None);
            }
            let handed = self.handed_at_open().cloned();
            let handed = handed.unwrap_or_else(|| HandOver::of(self.keys()));
            let nobody = OrganisationId::from_bytes([0; 12]);
            let (action, object) = of_slot(snapshot, &handed).unwrap_or((Action::DocumentUpdate, HEAD_ID));
            let audit = Requester::VAULT.note(self.now().wall, action, nobody, object);
            Ok(Some(DocumentPlan { changes: vec![self.hand_over_put(snapshot, handed)?], audit }))
        })
        .await?;
        match &self.snapshot().handed {
            Some(handed) => Ok(self.keys().take(handed)?),
            None => Ok(()),
        }
    }

    /// Lets documents that say nothing of the header name it: they are held against that one when it changes, also those that are made meanwhile, and what becomes of its slots is told.
    async fn documents_name_header(&self) -> Result<(), VaultError> {
        self.document_change_own(|snapshot| {
            if snapshot.handed.is_some() {
                return Ok(None);
            }
            let named = HandOver::of(self.keys());
            let nobody = OrganisationId::from_bytes([0; 12]);
            let audit = Requester::VAULT.note(self.now().wall, Action::DocumentUpdate, nobody, HEAD_ID);
            Ok(Some(DocumentPlan { changes: vec![self.hand_over_put(snapshot, named)?], audit }))
        })
        .await
    }

    /// The same for who changes the header while nobody serves the vault.
    pub async fn header_name(&self, permit: &Permit<HeaderUpdate>) -> Result<HandOver, VaultError> {
        self.documents_name_header().await?;
        Ok(self.header_named(permit))
    }

    /// The version of the header that the documents name, and what is said of its keys.
    pub fn header_named(&self, _permit: &Permit<HeaderUpdate>) -> HandOver {
        let snapshot = self.snapshot();
        match &snapshot.handed {
            Some(handed) => handed.taken(),
            None => HandOver::of(self.keys()),
        }
    }

    /// Puts the next header of keys in the place of the one that the documents name, and lets them name it, while the vault is served: who
    /// has the root key has made it, and says what nodes are handed of it. What a removed slot opened opens nothing from then on.
    ///
    /// [`VaultError::WrongState`] where it is not the next, or another change is under way. When it fails otherwise the header may be in its
    /// place and the documents may not name it: the same change once more ends that.
    pub async fn header_change(
        &self,
        permit: &Permit<HeaderUpdate>,
        header: Vec<u8>,
        handed: HandOver,
    ) -> Result<(), VaultError> {
        let place = self.header_place();
        let place = place
            .ok_or(VaultError::WrongState { reason: "the header of keys is not changed by this process" })?;
        let changed = || VaultError::WrongState { reason: CHANGED_MEANWHILE };
        // Of two at once the second finds that its header is not the next. Meanwhile no key for the head is destroyed by this process.
        let _turn = self.header_turn().lock().await;
        self.documents_name_header().await?;
        let fits = |snapshot: &Snapshot| {
            let before = self.named(snapshot);
            let is_next = before.checked_add(1) == Some(handed.header_version());
            if !is_next {
                return Err(changed());
            }
            if is_gone(&handed, snapshot) {
                return Err(changed());
            }
            let is_under_way = makes_another_of_moving(&handed, snapshot);
            if is_under_way { Err(VaultError::WrongState { reason: UNDER_WAY }) } else { Ok(before) }
        };
        let before = fits(&self.snapshot())?;
        if !place.header_replace(header, before).await? {
            return Err(changed());
        }
        // It is in its place, and so are its keys: what is written from here on may name them.
        self.keys().take(&handed)?;
        self.document_change(permit, |permit, snapshot| {
            if is_gone(&handed, snapshot) {
                return Err(VaultError::WrongState { reason: UNNAMED });
            }
            fits(snapshot)?;
            let nobody = OrganisationId::from_bytes([0; 12]);
            let (action, object) = of_slot(snapshot, &handed).unwrap_or((Action::HeaderChange, self.id().0));
            let audit = permit.asked().note(permit.now().wall, action, nobody, object);
            let changes = vec![self.hand_over_put(snapshot, handed.clone())?];
            Ok(((), DocumentPlan { changes, audit }))
        })
        .await?;
        self.rotation().wake();
        tracing::info!(header_version = handed.header_version(), "keys.header_changed");
        Ok(())
    }

    /// The version of the header that the documents name, or will with their first change.
    fn named(&self, snapshot: &Snapshot) -> u32 {
        snapshot.head.header_version.unwrap_or_else(|| self.keys().header_version())
    }

    /// The document of what nodes are handed. Where there can be no others, no key is: this process has them.
    pub(crate) fn hand_over_put(
        &self,
        snapshot: &Snapshot,
        handed: HandOver,
    ) -> Result<DocumentChange, VaultError> {
        let handed = match &snapshot.handed {
            Some(before) => handed.after(before),
            None => handed,
        };
        let handed = if self.node().is_shared() { handed } else { handed.taken() };
        let version = snapshot.documents.version(DocumentKind::HandOver, HAND_OVER_ID);
        let version = version.checked_add(1).ok_or(VaultError::Contended)?;
        Ok(self.document_put(DocumentKind::HandOver, HAND_OVER_ID, version, handed.encode()))
    }
}

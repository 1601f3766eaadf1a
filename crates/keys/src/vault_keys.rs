use core::num::NonZeroU32;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use panvault_model::{Sealed, Tag, VaultId};

use crate::api_key::ApiKey;
use crate::checkpoint_key::CheckpointKey;
use crate::cvv_key::CvvKey;
use crate::error::KeysError;
use crate::hand_over::HandOver;
use crate::header::SlotDescription;
use crate::operator::OperatorKey;
use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
use crate::residue;
use crate::ring::Place;
use crate::root::digest;
use crate::vault_keys::head::HeadKey;
use crate::vault_keys::tag_keys::{TAG_CARD, tag_make, tag_matches};
use crate::vault_keys::versions::Unwrapped;
use crate::xaes::Xaes;

mod chain;
mod digest_key;
mod head;
mod set_hash;
mod tag_keys;
mod versions;

pub use chain::ChainKeys;
pub use digest_key::DigestKey;
pub use head::HEAD_SEALED_BYTES;
pub use set_hash::{MEMBER_HASH_BYTES, SetHashKey};
pub use tag_keys::{BackupKey, BinsKey, RowTagKey};
pub(crate) use versions::Versions;

/// The keys of one vault that belong to no organisation, as its header has them. The root key is not needed once they are open.
pub struct VaultKeys {
    vault: VaultId,
    header_version: AtomicU32,
    others_use: AtomicBool,
    /// `None` where the header has changed and what came of its root key was not handed over.
    operator: RwLock<Option<Arc<OperatorKey>>>,
    descriptions: RwLock<Vec<VaultKeyDescription>>,
    slots: RwLock<Vec<SlotDescription>>,
    document: Arc<Versions<hmac::Key>>,
    head: Versions<HeadKey>,
    api_key: Versions<hmac::Key>,
    idempotency: Versions<hmac::Key>,
    row_tag: RowTagKey,
    chain: ChainKeys,
    cvv_cache: Versions<hmac::Key>,
    wrapping: Arc<Versions<Xaes>>,
    checkpoint: Versions<CheckpointKey>,
    set_hash: Versions<SetHashKey>,
}

impl VaultKeys {
    /// Takes the keys of each purpose that are not destroyed.
    pub(crate) fn open(
        vault: VaultId,
        header_version: u32,
        operator: OperatorKey,
        keys: impl Fn(VaultPurpose) -> Result<Vec<Unwrapped>, KeysError>,
    ) -> Result<Self, KeysError> {
        let keys = |purpose| Ok::<_, KeysError>((keys(purpose)?, VaultPurpose::versions_max(purpose)));
        let mac = |purpose| open(keys(purpose)?, |key| Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())));
        Ok(Self {
            vault,
            header_version: AtomicU32::new(header_version),
            others_use: AtomicBool::new(false),
            operator: RwLock::new(Some(Arc::new(operator))),
            descriptions: RwLock::default(),
            slots: RwLock::default(),
            document: Arc::new(mac(VaultPurpose::DocumentTag)?),
            head: open(keys(VaultPurpose::DocumentHead)?, HeadKey::derive)?,
            api_key: mac(VaultPurpose::ApiKeyHash)?,
            idempotency: mac(VaultPurpose::Idempotency)?,
            row_tag: RowTagKey { vault, keys: Arc::new(mac(VaultPurpose::RowTag)?) },
            chain: ChainKeys { keys: Arc::new(mac(VaultPurpose::AuditChain)?) },
            cvv_cache: mac(VaultPurpose::CvvCache)?,
            wrapping: Arc::new(open(keys(VaultPurpose::Wrapping)?, Xaes::new)?),
            checkpoint: open(keys(VaultPurpose::TrailCheckpoint)?, CheckpointKey::new)?,
            set_hash: open(keys(VaultPurpose::SetHash)?, SetHashKey::derive)?,
        })
    }

    /// The same keys with what the header says of all that it has, also of those that are destroyed, and of its slots.
    pub(crate) fn described(
        self,
        descriptions: Vec<VaultKeyDescription>,
        slots: Vec<SlotDescription>,
    ) -> Self {
        Self { descriptions: RwLock::new(descriptions), slots: RwLock::new(slots), ..self }
    }

    /// What the header says of its keys, by purpose and version.
    pub fn descriptions(&self) -> Vec<VaultKeyDescription> {
        self.descriptions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which slots the header has, by number.
    pub fn slots(&self) -> Vec<SlotDescription> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose keys they are.
    pub const fn vault(&self) -> VaultId {
        self.vault
    }

    /// Version of the header that they came out of, or of the last that was handed over; the documents name it.
    pub fn header_version(&self) -> u32 {
        self.header_version.load(Ordering::Acquire)
    }

    /// The operator key of the header; `None` where that has changed and this was not handed over.
    pub fn operator(&self) -> Option<Arc<OperatorKey>> {
        self.operator.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a key is the operator key of this vault: who has it has the root key that opened the header. Takes the same time whatever
    /// the answer.
    pub fn is_operator(&self, key: &OperatorKey) -> bool {
        self.operator().is_some_and(|operator| operator.is(key))
    }

    /// Holds the header against the version that the documents name: it must be that one, or the next, when it was changed and the
    /// documents have not followed yet. [`KeysError::HeaderOlder`] and [`KeysError::HeaderNewer`] say which of them was rolled back.
    pub fn header_check(&self, named: u32) -> Result<(), KeysError> {
        match self.header_version().checked_sub(named) {
            Some(0 | 1) => Ok(()),
            Some(_) => Err(KeysError::HeaderNewer),
            None => Err(KeysError::HeaderOlder),
        }
    }

    /// Takes up what is handed over: keys that are not here yet, what may be done with each, and the operator key. What was taken up before is left as it
    /// is, and so is what an earlier header said. [`KeysError::HeaderOlder`] when there is a key that is neither here nor handed over, for
    /// every other node was believed to have it: nothing is taken up then, and only a new start finds it.
    pub fn take(&self, handed: &HandOver) -> Result<(), KeysError> {
        let hand = self.head.of(handed.head_key()).map(|key| key.hand());
        let mut new = Vec::new();
        for key in handed.handed() {
            let VaultKeyDescription { purpose, version, state, .. } = key.described;
            if state == KeyState::Destroyed || self.knows(purpose, version) {
                continue;
            }
            let bytes = match &hand {
                Some(hand) => handed.key(key, hand, self.vault)?,
                None => None,
            };
            new.push((purpose, version, bytes.ok_or(KeysError::HeaderOlder)?));
        }
        let operator = match &hand {
            Some(hand) => handed.operator(hand, self.vault)?,
            None => None,
        };
        for (purpose, version, key) in new {
            self.add(purpose, version, &key)?;
        }
        // What makes comes first: whoever makes meanwhile has a key for it, whichever of the two moments it sees.
        for is_active in [true, false] {
            let these = handed.keys().filter(|key| (key.state == KeyState::Active) == is_active);
            these.for_each(|key| self.state(key.purpose, key.version, key.state));
        }
        let before = self.header_version.fetch_max(handed.header_version(), Ordering::AcqRel);
        if before <= handed.header_version() {
            *self.descriptions.write().unwrap_or_else(PoisonError::into_inner) = handed.keys().collect();
            *self.slots.write().unwrap_or_else(PoisonError::into_inner) = handed.slots().to_vec();
        }
        if before < handed.header_version() {
            let operator = operator.map(|key| Arc::new(OperatorKey::from_bytes(self.vault, &key)));
            *self.operator.write().unwrap_or_else(PoisonError::into_inner) = operator;
        }
        Ok(())
    }

    fn knows(&self, purpose: VaultPurpose, version: u16) -> bool {
        match purpose {
            VaultPurpose::DocumentTag => self.document.knows(version),
            VaultPurpose::DocumentHead => self.head.knows(version),
            VaultPurpose::ApiKeyHash => self.api_key.knows(version),
            VaultPurpose::Idempotency => self.idempotency.knows(version),
            VaultPurpose::RowTag => self.row_tag.keys.knows(version),
            VaultPurpose::AuditChain => self.chain.keys.knows(version),
            VaultPurpose::CvvCache => self.cvv_cache.knows(version),
            VaultPurpose::Wrapping => self.wrapping.knows(version),
            VaultPurpose::TrailCheckpoint => self.checkpoint.knows(version),
            VaultPurpose::SetHash => self.set_hash.knows(version),
        }
    }

    fn add(&self, purpose: VaultPurpose, version: u16, key: &[u8; 32]) -> Result<(), KeysError> {
        let mac = || hmac::Key::new(hmac::HMAC_SHA256, key);
        match purpose {
            VaultPurpose::DocumentTag => self.document.add(version, mac()),
            VaultPurpose::DocumentHead => self.head.add(version, HeadKey::derive(key)?),
            VaultPurpose::ApiKeyHash => self.api_key.add(version, mac()),
            VaultPurpose::Idempotency => self.idempotency.add(version, mac()),
            VaultPurpose::RowTag => self.row_tag.keys.add(version, mac()),
            VaultPurpose::AuditChain => self.chain.keys.add(version, mac()),
            VaultPurpose::CvvCache => self.cvv_cache.add(version, mac()),
            VaultPurpose::Wrapping => self.wrapping.add(version, Xaes::new(key)?),
            VaultPurpose::TrailCheckpoint => self.checkpoint.add(version, CheckpointKey::new(key)?),
            VaultPurpose::SetHash => self.set_hash.add(version, SetHashKey::derive(key)?),
        }
        Ok(())
    }

    fn state(&self, purpose: VaultPurpose, version: u16, state: KeyState) {
        match purpose {
            VaultPurpose::DocumentTag => self.document.state(version, state),
            VaultPurpose::DocumentHead => self.head.state(version, state),
            VaultPurpose::ApiKeyHash => self.api_key.state(version, state),
            VaultPurpose::Idempotency => self.idempotency.state(version, state),
            VaultPurpose::RowTag => self.row_tag.keys.state(version, state),
            VaultPurpose::AuditChain => self.chain.keys.state(version, state),
            VaultPurpose::CvvCache => self.cvv_cache.state(version, state),
            VaultPurpose::Wrapping => self.wrapping.state(version, state),
            VaultPurpose::TrailCheckpoint => self.checkpoint.state(version, state),
            VaultPurpose::SetHash => self.set_hash.state(version, state),
        }
    }

    /// What wraps what nodes are handed, and the version of the key for the head that it comes of.
    pub(crate) fn hand(&self) -> (u16, Arc<Xaes>) {
        let (version, key) = self.head.active();
        (version, key.hand())
    }

    /// The keys that chain commits.
    pub const fn chain(&self) -> &ChainKeys {
        &self.chain
    }

    /// The key that hashes sets of rows.
    pub fn set_hash(&self) -> SetHashKey {
        self.set_hash.active().1.share()
    }

    /// The key that signs checkpoints of the audit trail, and its version.
    pub fn checkpoint_key(&self) -> (u16, Arc<CheckpointKey>) {
        self.checkpoint.active()
    }

    /// Every key that signs them, or did and is not destroyed, the newest first.
    pub fn checkpoint_keys(&self) -> impl Iterator<Item = (u16, Arc<CheckpointKey>)> {
        self.checkpoint.all()
    }

    /// The keys that rows are held against their tags with.
    pub const fn row_tags(&self) -> &RowTagKey {
        &self.row_tag
    }

    /// The key that tags tables of issuers: that of documents.
    pub fn bins(&self) -> BinsKey {
        BinsKey(Arc::clone(&self.document))
    }

    /// The key that tags manifests of backups: that of documents.
    pub fn backups(&self) -> BackupKey {
        BackupKey { keys: Arc::clone(&self.document), version: None }
    }

    /// What is stored of a new API key, HMAC-SHA-256 over its text, and the version of the key that made it.
    pub fn api_key_hash(&self, key: &ApiKey) -> (u16, [u8; 32]) {
        let (version, active) = self.api_key.active();
        (version, api_key_hash(&active, key))
    }

    /// Version of the key that hashes API keys.
    pub fn api_key_hash_version(&self) -> u16 {
        self.api_key.active().0
    }

    /// What may be stored of an API key, under each key that is not destroyed, the active one first.
    pub fn api_key_hashes(&self, key: &ApiKey) -> impl Iterator<Item = (u16, [u8; 32])> {
        self.api_key.all().map(move |(version, hashing)| (version, api_key_hash(&hashing, key)))
    }

    /// The key that makes digests of requests that may be repeated.
    pub fn digest_key(&self) -> DigestKey {
        let (version, key) = self.idempotency.active();
        DigestKey { version, key }
    }

    /// The others that are not destroyed, the newest first: what those before it made may still be there, and another node may use the next already.
    pub fn other_digest_keys(&self) -> impl Iterator<Item = DigestKey> {
        self.idempotency.all().skip(1).map(|(version, key)| DigestKey { version, key })
    }

    /// Version of the key that tags rows.
    pub fn row_tag_version(&self) -> u16 {
        self.row_tag.keys.active().0
    }

    /// Tag of a stored row that is not sealed: the first 128 bits of HMAC-SHA-256 over its kind and bytes.
    pub fn row_tag(&self, kind: u8, clear: &[u8]) -> Tag {
        tag_make(&self.row_tag.keys, &[&[kind], clear])
    }

    /// Whether a row bears its tag; takes the same time whatever the answer.
    pub fn row_tag_matches(&self, kind: u8, clear: &[u8], tag: &Tag) -> bool {
        self.row_tag.row_tag_matches(kind, clear, tag)
    }

    /// Version of the key that tags documents.
    pub fn document_tag_version(&self) -> u16 {
        self.document.active().0
    }

    /// Tag of a document, as that of a row, under the key for documents.
    pub fn document_tag(&self, kind: u8, clear: &[u8]) -> Tag {
        tag_make(&self.document, &[&[kind], clear])
    }

    /// Whether a document bears its tag; takes the same time whatever the answer.
    pub fn document_tag_matches(&self, kind: u8, clear: &[u8], tag: &Tag) -> bool {
        tag_matches(&self.document, &[&[kind], clear], tag)
    }

    /// Other nodes use these keys, and may have later ones before this one does.
    pub fn others_use_them(&self) {
        self.others_use.store(true, Ordering::Relaxed);
    }

    /// Whether a row's tag names a key that another node may have and this one does not.
    pub fn is_later_row_tag(&self, tag: &Tag) -> bool {
        self.others_use.load(Ordering::Relaxed) && self.row_tag.keys.is_later(tag.key)
    }

    /// The same of a document's tag.
    pub fn is_later_document_tag(&self, tag: &Tag) -> bool {
        self.others_use.load(Ordering::Relaxed) && self.document.is_later(tag.key)
    }

    /// Tag of a sealed card: over all that its seal is bound to and the sealed bytes. Who holds a row against it needs not open it.
    pub fn card_tag(&self, place: &Place<'_>, sealed: &Sealed) -> Tag {
        tag_make(
            &self.row_tag.keys,
            &[&[TAG_CARD], &place.associated_head(0), place.clear, sealed.as_bytes()],
        )
    }

    /// Whether a sealed card bears its tag in this place; takes the same time whatever the answer.
    pub fn card_tag_matches(&self, place: &Place<'_>, sealed: &Sealed, tag: &Tag) -> bool {
        self.row_tag.card_tag_matches(place, sealed, tag)
    }

    /// Keys for CVVs that several nodes share, from each key for caches that is not destroyed, the active one first, and a key component that lives
    /// only in the cache, which has this number there: neither opens anything alone. HMAC-SHA-256 over `cvv-cache/1` and the component.
    pub fn derive_cvv_keys(
        &self,
        number: NonZeroU32,
        component: &[u8; 32],
    ) -> Result<Vec<(u16, CvvKey)>, KeysError> {
        let derived = self.cvv_cache.all().map(|(version, key)| {
            let mut context = hmac::Context::with_key(&key);
            context.update(b"cvv-cache/1");
            context.update(component);
            let key = zeroize::Zeroizing::new(digest(&context.sign()));
            Ok((version, CvvKey::from_bytes(key, Some(number))?))
        });
        derived.collect()
    }

    /// Versions of the keys for caches that are not destroyed, in the order of [`VaultKeys::derive_cvv_keys`].
    pub fn cvv_cache_versions(&self) -> impl Iterator<Item = u16> {
        self.cvv_cache.all().map(|(version, _)| version)
    }

    /// The key that wraps new keys of organisations, and its version.
    pub(crate) fn wrapping(&self) -> (u16, Arc<Xaes>) {
        self.wrapping.active()
    }

    /// The keys that wrapped keys of organisations.
    pub(crate) fn wrappings(&self) -> Arc<Versions<Xaes>> {
        Arc::clone(&self.wrapping)
    }

    /// The key that wrapped a key of an organisation.
    #[cfg(test)]
    pub(crate) fn wrapping_of(&self, version: u16) -> Option<Arc<Xaes>> {
        self.wrapping.of(version)
    }
}

fn open<K>(
    (keys, versions_max): (Vec<Unwrapped>, usize),
    make: impl Fn(&[u8; 32]) -> Result<K, KeysError>,
) -> Result<Versions<K>, KeysError> {
    Versions::open(keys, versions_max, make)
}

fn api_key_hash(hashing: &hmac::Key, key: &ApiKey) -> [u8; 32] {
    residue::hashed(|| digest(&hmac::sign(hashing, key.expose_text().as_bytes())))
}

#[cfg(test)]
mod tests;

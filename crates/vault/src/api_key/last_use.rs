use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use panvault_model::{ApiKeyId, OrganisationId, Tag, Timestamp};
use panvault_store::{
    Action, ApiKeyRow, ApiKeyUseRow, Commit, DocumentKind, Effect, Expect, Outcome, RowKey,
};

use crate::api_key::ApiKeyView;
use crate::audit::Requester;
use crate::document::Snapshot;
use crate::error::VaultError;
use crate::limits::LAST_USES_ROWS_MAX;
use crate::seal;
use crate::vault::Vault;

const MINUTE_MILLIS: u64 = 60_000;

/// When an API key was last used, as far as this process knows: the first use of each minute.
#[derive(Debug, Default)]
pub(crate) struct LastUse {
    /// Unix time; 0 while it was not used.
    millis: AtomicU64,
}

impl LastUse {
    /// Notes a use, and says whether it is the first of its minute. Of any number at once, one is.
    fn note(&self, at: Timestamp) -> bool {
        let (millis, known) = (at.unix_millis(), self.millis.load(Ordering::Relaxed));
        known / MINUTE_MILLIS < millis / MINUTE_MILLIS
            && self.millis.compare_exchange(known, millis, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn at(&self) -> Option<Timestamp> {
        let millis = self.millis.load(Ordering::Relaxed);
        (millis > 0).then(|| Timestamp::from_unix_millis(millis))
    }
}

/// API keys of which a use is to be written down.
#[derive(Debug, Default)]
pub(crate) struct LastUses(Mutex<Vec<ApiKeyId>>);

impl LastUses {
    fn add(&self, keys: impl IntoIterator<Item = ApiKeyId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    fn take(&self) -> Vec<ApiKeyId> {
        let mut keys = core::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

impl Vault {
    /// Notes that an API key is used now. It is written down with the next sweep, once a minute at most.
    pub(crate) fn apikey_used(&self, id: ApiKeyId, last_use: &LastUse, at: Timestamp) {
        if last_use.note(at) {
            self.last_uses().add([id]);
        }
    }

    /// Writes down which API keys were used. What cannot be written now is with the next sweep.
    pub(crate) async fn apikey_uses_write(&self) -> Result<(), VaultError> {
        let keys = self.last_uses().take();
        for (at, some) in keys.chunks(LAST_USES_ROWS_MAX).enumerate() {
            if let Err(error) = self.apikey_some_uses_write(some).await {
                self.last_uses().add(keys.iter().copied().skip(at * LAST_USES_ROWS_MAX));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn apikey_some_uses_write(&self, keys: &[ApiKeyId]) -> Result<(), VaultError> {
        let snapshot = self.snapshot();
        let (mut expects, mut effects) = (Vec::new(), Vec::new());
        for id in keys {
            let Some(known) = snapshot.documents.api_key(*id) else { continue };
            let Some(used_at) = known.last_use.at() else { continue };
            let mut row = ApiKeyUseRow { api_key: *id, used_at, tag: Tag::NONE };
            row.tag = seal::api_key_use_tag(self.keys(), &row);
            let version = snapshot.documents.version(DocumentKind::ApiKey, id.0);
            // No use is left behind of a key that is gone.
            expects.push(Expect::Version(RowKey::Document(DocumentKind::ApiKey, id.0), version));
            effects.push(Effect::from(row));
        }
        drop(snapshot);
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(self.now().wall, Action::ApiKeyUse, nobody, self.id().0);
        while !effects.is_empty() {
            let commit = Commit { claim: None, expects: expects.clone(), effects: effects.clone(), audit };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => break,
                // It was changed or revoked meanwhile; its next use is written.
                Outcome::Unmet(at) if at < effects.len() => {
                    expects.swap_remove(at);
                    effects.swap_remove(at);
                }
                Outcome::Unmet(_) | Outcome::Claimed(_) => return Err(VaultError::Contended),
            }
        }
        Ok(())
    }

    /// An API key as it may be shown, without its last use where that cannot be read.
    pub async fn apikey_view(&self, row: Arc<ApiKeyRow>) -> ApiKeyView {
        let views = self.apikey_views(&self.snapshot(), vec![Arc::clone(&row)]).await;
        let view = views.ok().and_then(|mut views| views.pop());
        view.unwrap_or(ApiKeyView { row, last_used_at: None })
    }

    /// API keys as they may be shown. What is written of their use is held against its tag.
    pub(super) async fn apikey_views(
        &self,
        snapshot: &Snapshot,
        rows: Vec<Arc<ApiKeyRow>>,
    ) -> Result<Vec<ApiKeyView>, VaultError> {
        let written = self.store().api_key_use_read_many(rows.iter().map(|row| row.id).collect()).await?;
        let views = rows.into_iter().zip(written).map(|(row, written)| {
            if let Some(written) = &written {
                seal::api_key_use_verify(self.keys(), written, row.id)?;
            }
            let known = snapshot.documents.api_key(row.id).and_then(|known| known.last_use.at());
            let last_used_at = known.max(written.map(|written| written.used_at));
            Ok(ApiKeyView { row, last_used_at })
        });
        views.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_of_a_minute_is_noted() {
        let last_use = LastUse::default();
        let note = |millis| last_use.note(Timestamp::from_unix_millis(millis));
        assert_eq!(last_use.at(), None);
        assert!(note(60_000) && !note(60_001) && !note(119_999));
        assert!(note(120_000) && !note(60_000), "a request may be older than the one before it");
        assert_eq!(last_use.at(), Some(Timestamp::from_unix_millis(120_000)));
    }
}

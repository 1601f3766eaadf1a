//! The last record of a trail that is over stays for ever, and its step would keep the key that chained it. It is given a tag of the key of now, and the row of its end says so first: whichever of both
//! tags the step has, it is the one that the end knows.

use panvault_model::NodeId;
use panvault_store::Chain;
use panvault_store::checkpoint::AuditEnd;

use crate::audit::start::ended_trails;
use crate::error::VaultError;
use crate::vault::Vault;

impl Vault {
    /// Version of the key that whoever reads a trail from this record on needs first; `None` where nothing of it is chained. Of one that is over and of which no other step is read any more, the last
    /// step is given a tag of the key of now.
    pub(crate) async fn trail_key(
        &self,
        chain: &dyn Chain,
        writer: NodeId,
        first: u64,
    ) -> Result<Option<u16>, VaultError> {
        let key = self.store().chain_key(writer, first).await?;
        // The one writer of a store of its own is never over, and no checkpoint is made of it.
        if key.is_none_or(|key| key >= chain.version(0)) || !self.store().is_shared() {
            return Ok(key);
        }
        let stored = self.checkpoint_now().await?;
        let ended = ended_trails(self.store(), self.keys(), &[writer]).await?.remove(&writer);
        let Some((_, ended)) = ended.filter(|_| !stored.checkpoint.ends.contains_key(&writer)) else {
            return Ok(key);
        };
        // What was begun is done first: so the step never has a third tag, whoever was slow.
        if let Some(given) = ended.next {
            self.store().chain_retag(writer, ended.end.mark, given).await?;
        }
        let last = ended.last();
        if let Some(next) = self.store().chain_renewed(writer, first, last.mark).await? {
            let renewed = AuditEnd { end: last, next: Some(next) };
            if self.checkpoint_commit(&stored, stored.checkpoint.clone(), &[(writer, renewed)]).await? {
                self.store().chain_retag(writer, last.mark, next).await?;
            }
        }
        Ok(self.store().chain_key(writer, first).await?)
    }
}

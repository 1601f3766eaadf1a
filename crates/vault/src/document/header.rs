use panvault_model::OrganisationId;
use panvault_store::Action;

use crate::audit::Requester;
use crate::document::DocumentPlan;
use crate::document::head::HEAD_ID;
use crate::error::VaultError;
use crate::vault::Vault;

impl Vault {
    /// Lets the documents name the header of keys that the vault opened with, in a step of its own when it is the next one: from
    /// then on the header before is refused, and the one after is allowed.
    pub(crate) async fn documents_follow_header(&self) -> Result<(), VaultError> {
        let named = self.snapshot().head.header_version;
        if named.is_none_or(|named| named == self.keys().header_version()) {
            return Ok(());
        }
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(self.now().wall, Action::DocumentUpdate, nobody, HEAD_ID);
        self.document_make(DocumentPlan { changes: Vec::new(), audit }).await
    }
}

//! Looking up who issued numbers that begin with some digits.

use panvault_card::BinPrefix;
use panvault_model::{Bin, Brand, Id, IssuerFacts, OrganisationId};
use panvault_store::{Action, Commit, Outcome};

use crate::audit::Requester;
use crate::error::{Named, VaultError};
use crate::permit::{BinRead, Permit};
use crate::vault::Vault;

/// What is known of numbers that begin with some digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinView {
    /// The first six of the digits.
    pub bin: Bin,
    /// The scheme of all such numbers.
    pub brand: Option<Brand>,
    /// What the table of issuers says of every one of them.
    pub facts: IssuerFacts,
}

impl Vault {
    /// Writes down which table of issuers is looked up in from here on, in a step of its own; `None` for none that was imported.
    ///
    /// False, and nothing written, while nothing at all is stored: the first step of a vault makes an organisation, and one of which
    /// steps are there and organisations are not was changed from outside.
    pub async fn bins_note(&self, table: Option<Id>) -> Result<bool, VaultError> {
        if self.store().status().sequence == 0 {
            return Ok(false);
        }
        let object = table.unwrap_or(Id::from_bytes([0; 12]));
        let whole_vault = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(self.now().wall, Action::BinsLoad, whole_vault, object);
        let commit = Commit { claim: None, expects: vec![], effects: vec![], audit };
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(true),
            Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }

    /// What is known of numbers that begin so; [`VaultError::NotFound`] when nothing is. Does not wait, and writes nothing down.
    pub fn bin_read(&self, _permit: &Permit<BinRead>, digits: BinPrefix) -> Result<BinView, VaultError> {
        let facts = self.bins().lookup(digits.issuer_digits());
        let brand = digits.brand();
        if brand.is_none() && !facts.is_known() {
            return Err(VaultError::not_found(Named::Subject));
        }
        Ok(BinView { bin: digits.bin(), brand, facts })
    }
}

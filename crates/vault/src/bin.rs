//! Looking up who issued numbers that begin with some digits.

use panvault_card::BinPrefix;
use panvault_model::{Bin, Brand, IssuerFacts};

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
    /// What is known of numbers that begin so; [`VaultError::NotFound`] when nothing is. Does not wait, and writes nothing down.
    pub fn bin_read(&self, _permit: &Permit<BinRead>, digits: BinPrefix) -> Result<BinView, VaultError> {
        let facts = self.bins().lookup(digits.as_bytes());
        let brand = digits.brand();
        if brand.is_none() && !facts.is_known() {
            return Err(VaultError::not_found(Named::Subject));
        }
        Ok(BinView { bin: digits.bin(), brand, facts })
    }
}

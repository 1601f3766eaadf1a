//! The cryptogram of a network token: sealed as soon as it was read, opened for the send of each try until somebody may have seen it, kept nowhere.

use panvault_card::Cryptogram;
use panvault_model::{AccountId, CardId, CardKind, OrganisationId, RecurringType, Sealed};
use panvault_processor::NetworkToken;
use panvault_store::CardRow;

use crate::env::Env;
use crate::error::{FieldFault, VaultError};
use crate::permit::{Permit, TransactionCreate};
use crate::seal;
use crate::transaction::NewTransaction;
use crate::transaction::threed::is_eci;
use crate::vault::Vault;

const CRYPTOGRAM: &str = "cryptogram";
const ECI: &str = "cryptogram_eci";

/// A cryptogram whose plaintext is gone, on its way to its transaction. It is in memory only.
#[derive(Clone, Debug)]
pub struct SealedCryptogram(Sealed);

/// What a transaction with a network token brings, until somebody may have seen it.
#[derive(Clone)]
pub(super) struct TokenPayment {
    cryptogram: Option<SealedCryptogram>,
    eci: Option<String>,
}

impl Vault {
    /// Seals the cryptogram of a transaction that is to be made, at once, while the plaintext is at hand. `None` where the caller does not see the
    /// account, for which the transaction will be refused.
    pub fn cryptogram_seal(
        &self,
        permit: &Permit<TransactionCreate>,
        account: AccountId,
        card: CardId,
        cryptogram: Cryptogram,
    ) -> Result<Option<SealedCryptogram>, VaultError> {
        let Some(account) = permit.snapshot().documents.account(account) else { return Ok(None) };
        let env = self.env(permit.snapshot(), permit.now());
        let sealed = seal::cryptogram_seal(cryptogram, card, account.organisation, &env)?;
        Ok(Some(SealedCryptogram(sealed)))
    }
}

impl TokenPayment {
    /// Takes out of a transaction what goes with its card: a cryptogram with a network token, unless it is a later one of a series, which
    /// the merchant makes without the shopper; with any other card nothing. `None` where the card is no network token. Every fault of it.
    pub(super) fn take(new: &mut NewTransaction, card: &CardRow) -> Result<Option<Self>, VaultError> {
        let cryptogram = new.cryptogram.take();
        let eci = new.extras.iter().find(|(name, _)| name == ECI).map(|(_, text)| text.clone());
        let mut faults = Vec::new();
        match card.kind {
            CardKind::Card => {
                for (name, is_there) in [(CRYPTOGRAM, cryptogram.is_some()), (ECI, eci.is_some())] {
                    if is_there {
                        faults.push(FieldFault::new(name, "cannot go with a card that is no network token"));
                    }
                }
            }
            CardKind::NetworkToken => {
                let is_needed = new.recurring_type != Some(RecurringType::Repeat);
                if cryptogram.is_none() && is_needed {
                    let needed = "is required with a network token, but where recurring_type is repeat";
                    faults.push(FieldFault::missing(CRYPTOGRAM, needed));
                }
                if eci.as_deref().is_some_and(|eci| !is_eci(eci)) {
                    faults.push(FieldFault::new(ECI, "must be two digits, such as 05"));
                } else if eci.is_some() && cryptogram.is_none() && !is_needed {
                    faults.push(FieldFault::new(ECI, "cannot go without a cryptogram"));
                }
            }
        }
        if !faults.is_empty() {
            return Err(VaultError::Faults(faults));
        }
        Ok((card.kind == CardKind::NetworkToken).then_some(Self { cryptogram, eci }))
    }

    /// Opens it for the processor of one try.
    pub(super) fn open(
        self,
        card: CardId,
        organisation: OrganisationId,
        env: &Env<'_>,
    ) -> Result<NetworkToken, VaultError> {
        let Self { cryptogram, eci } = self;
        let cryptogram = match cryptogram {
            Some(SealedCryptogram(sealed)) => Some(seal::cryptogram_open(&sealed, card, organisation, env)?),
            None => None,
        };
        Ok(NetworkToken { cryptogram, eci })
    }
}

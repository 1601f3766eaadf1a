use std::sync::Arc;

use panvault_model::{ApiKeyId, CheckoutId, Currency, OrganisationId};
use panvault_store::{AccountRow, CheckoutRow, Logo, OrganisationRow};

use crate::audit::{Origin, Requester};
use crate::checkout::CheckoutView;
use crate::error::{Named, VaultError};
use crate::permit::{Caller, Credential, Scope};
use crate::vault::Vault;

/// What the page of a checkout may do: see it, bring a card to it, and pay with that.
#[derive(Clone)]
pub struct CheckoutSession {
    pub(super) caller: Caller,
    /// As it was when the request began.
    pub(super) row: Arc<CheckoutRow>,
    pub(super) account: Arc<AccountRow>,
    organisation: Arc<OrganisationRow>,
}

impl CheckoutSession {
    /// Who asks: counted by the checkout in the place of a key.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The account's currency.
    pub fn currency(&self) -> Currency {
        self.account.currency
    }

    /// Who is paid: the name of the organisation.
    pub fn merchant(&self) -> &str {
        &self.organisation.name
    }

    /// How the page looks, under the names of the API: what the account says, and what its organisation does where that says nothing.
    pub fn themes(&self) -> [&[(String, String)]; 2] {
        [&self.account.checkout_theme, &self.organisation.checkout_theme]
    }

    /// The picture on the page, and whose it is.
    pub fn logo(&self) -> Option<(OrganisationId, Logo)> {
        self.organisation.logo.map(|logo| (self.organisation.id, logo))
    }

    /// The row as it was when the request began.
    pub fn row(&self) -> &CheckoutRow {
        &self.row
    }
}

impl Vault {
    /// A request of a checkout's page. [`VaultError::NotFound`] where there is no such checkout, and where its account or organisation is gone or takes
    /// nothing: nobody learns which.
    pub async fn checkout_session(
        &self,
        id: CheckoutId,
        origin: Origin,
    ) -> Result<CheckoutSession, VaultError> {
        let now = self.now();
        self.documents_are_recent(now)?;
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.checkout_there(id).await?;
        let snapshot = self.snapshot();
        let account = snapshot.documents.account(row.account).cloned().ok_or_else(missing)?;
        let organisation = snapshot.documents.organisation(row.organisation).cloned().ok_or_else(missing)?;
        if account.organisation != row.organisation || !snapshot.documents.is_enabled(row.organisation) {
            return Err(missing());
        }
        let caller = Caller {
            asked: Requester { actor: Some(ApiKeyId(id.0)), origin },
            now,
            scope: Scope::Below(row.organisation),
            credential: Credential::Checkout(row.organisation),
            snapshot,
        };
        Ok(CheckoutSession { caller, row, account, organisation })
    }

    /// Where the checkout of a session stands.
    pub async fn checkout_seen(&self, session: &CheckoutSession) -> Result<CheckoutView, VaultError> {
        self.checkout_judged(Arc::clone(&session.row)).await
    }
}

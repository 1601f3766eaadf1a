use core::marker::PhantomData;
use std::sync::Arc;

use panvault_model::{ApiKeyId, Now, OrganisationId, Role};

use crate::audit::Asked;
use crate::document::Snapshot;
use crate::error::{Named, VaultError};

/// Something that a caller may be allowed to do.
pub trait Operation {
    /// Its name, noun first.
    const NAME: &'static str;
    /// The roles of which one suffices.
    const ROLES: &'static [Role];
}

macro_rules! operations {
    ($($(#[$meta:meta])* $operation:ident $name:literal [$($role:ident)*])+) => { $(
        $(#[$meta])*
        pub struct $operation;

        impl Operation for $operation {
            const NAME: &'static str = $name;
            const ROLES: &'static [Role] = &[$(Role::$role,)*];
        }
    )+ };
}

operations! {
    /// Store a card.
    CardCreate "card_create" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier Publishable]
    /// Change a card; a browser may only put a CVV back.
    CardUpdate "card_update" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier Publishable]
    /// See a card.
    CardRead "card_read" [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See cards.
    CardList "card_list" [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Delete a card.
    CardDelete "card_delete" [ProviderAdmin MerchantAdmin MerchantSupervisor]
    /// Derive again who issued cards: a command on this machine, and no key, may.
    CardRefresh "card_refresh" []
    /// Look up who issued numbers that begin with some digits: not for browsers, whose keys are public.
    BinRead "bin_read" [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Move money.
    TransactionCreate "transaction_create" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// See a transaction and its history.
    TransactionRead "transaction_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See transactions.
    TransactionList "transaction_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Make an organisation.
    OrganisationCreate "organisation_create" [ProviderAdmin]
    /// Make an account.
    AccountCreate "account_create" [ProviderAdmin]
    /// Make a processor.
    ProcessorCreate "processor_create" [ProviderAdmin]
    /// Make an API key.
    ApiKeyCreate "apikey_create" [ProviderAdmin MerchantAdmin]
    /// Revoke an API key.
    ApiKeyDelete "apikey_delete" [ProviderAdmin MerchantAdmin]
    /// See organisations, accounts, processors and API keys.
    DocumentList "document_list" [ProviderAdmin ProviderUser MerchantAdmin]
}

/// Who sends a request: what its key may do, where, and all that it sees while the request lasts.
#[derive(Clone)]
pub struct Caller {
    pub(crate) asked: Asked,
    pub(crate) now: Now,
    pub(crate) scope: Scope,
    pub(crate) roles: Arc<[Role]>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// Which organisations a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them: a command on this machine, which holds the root key anyway.
    All,
    /// This one and all below it.
    Below(OrganisationId),
}

impl Scope {
    /// Whether the organisation is there and in it.
    pub(crate) fn sees(self, organisation: OrganisationId, snapshot: &Snapshot) -> bool {
        match self {
            Self::All => snapshot.documents.organisation(organisation).is_some(),
            Self::Below(top) => snapshot.documents.is_below(organisation, top),
        }
    }
}

impl Caller {
    /// The organisation of the caller's key; `None` for a command on this machine.
    pub fn organisation(&self) -> Option<OrganisationId> {
        match self.scope {
            Scope::All => None,
            Scope::Below(organisation) => Some(organisation),
        }
    }

    /// The caller's key; `None` for a command on this machine.
    pub const fn api_key(&self) -> Option<ApiKeyId> {
        self.asked.actor
    }

    /// The time that this request sees.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Proof that the caller may do `O`, or [`VaultError::RoleNotAllowed`].
    pub fn permit<O: Operation>(&self) -> Result<Permit<O>, VaultError> {
        if self.scope == Scope::All || self.roles.iter().any(|role| O::ROLES.contains(role)) {
            Ok(Permit { caller: self.clone(), operation: PhantomData })
        } else {
            Err(VaultError::RoleNotAllowed)
        }
    }
}

/// Proof that a caller may do `O`. Only [`Caller::permit`] makes one.
pub struct Permit<O> {
    caller: Caller,
    operation: PhantomData<fn(O)>,
}

impl<O> Permit<O> {
    /// Whether the caller may see whole cards: not if it is only a browser.
    pub fn sees_all(&self) -> bool {
        self.caller.scope == Scope::All || self.caller.roles.iter().any(|role| *role != Role::Publishable)
    }

    /// Whether the caller is a command on this machine.
    pub(crate) fn is_operator(&self) -> bool {
        self.caller.scope == Scope::All
    }

    /// Whether the caller has this role, or is a command on this machine.
    pub(crate) fn has_role(&self, role: Role) -> bool {
        self.caller.scope == Scope::All || self.caller.roles.contains(&role)
    }

    /// The organisation, if the caller sees it; a stranger's and a missing one give the same answer, which says what named
    /// it, or the object that is in it.
    pub fn within(&self, organisation: OrganisationId, named: Named) -> Result<OrganisationId, VaultError> {
        if self.sees(organisation) { Ok(organisation) } else { Err(VaultError::not_found(named)) }
    }

    /// Whether the caller sees the organisation.
    pub(crate) fn sees(&self, organisation: OrganisationId) -> bool {
        self.caller.scope.sees(organisation, &self.caller.snapshot)
    }

    /// What the caller sees.
    pub(crate) const fn scope(&self) -> Scope {
        self.caller.scope
    }

    /// The organisations that the caller sees, or of those only the ones named.
    pub fn organisations(&self, named: &[OrganisationId]) -> Vec<OrganisationId> {
        if named.is_empty() {
            match self.caller.scope {
                Scope::All => self.caller.snapshot.documents.organisations().map(|row| row.id).collect(),
                Scope::Below(top) => self.caller.snapshot.documents.below(top),
            }
        } else {
            named.iter().copied().filter(|organisation| self.sees(*organisation)).collect()
        }
    }

    /// The time that this request sees.
    pub const fn now(&self) -> Now {
        self.caller.now
    }

    pub(crate) const fn asked(&self) -> &Asked {
        &self.caller.asked
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.caller.snapshot
    }

    pub(crate) fn idempotency_scope(&self) -> [u8; 12] {
        self.caller.organisation().map_or([0; 12], |organisation| *organisation.as_bytes())
    }
}

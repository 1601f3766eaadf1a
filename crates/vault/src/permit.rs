use core::marker::PhantomData;
use std::sync::Arc;

use panvault_model::{ApiKeyId, Now, OrganisationId, Role};
use panvault_store::{ApiKeyRow, CvvSource, OrganisationRow};

use crate::audit::Requester;
use crate::document::Snapshot;
use crate::error::{Named, VaultError};

/// Something that a caller may be allowed to do.
pub trait Operation {
    /// Its name, noun first.
    const NAME: &'static str;
    /// The roles of which one suffices, for all of it or a part.
    const ROLES: &'static [Role];
    /// Those that may do all of it, and see all of what it is done to.
    const ROLES_WHOLE: &'static [Role];
}

macro_rules! operations {
    ($($(#[$meta:meta])* $operation:ident $name:literal [$($role:ident)*] $(, part [$($part:ident)*])?)+) => { $(
        $(#[$meta])*
        pub struct $operation;

        impl Operation for $operation {
            const NAME: &'static str = $name;
            const ROLES: &'static [Role] = &[$(Role::$role,)* $($(Role::$part,)*)?];
            const ROLES_WHOLE: &'static [Role] = &[$(Role::$role,)*];
        }
    )+

    /// Every operation with the roles of which one suffices: what callers are held against.
    pub const OPERATIONS: &[(&str, &[Role])] = &[$(($operation::NAME, $operation::ROLES),)+];
    };
}

operations! {
    /// Store a card; a browser sees only a part of it.
    CardCreate "card_create" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier], part [Publishable]
    /// Change a card; a browser may only put a CVV back, and sees only a part of the card.
    CardUpdate "card_update" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier], part [Publishable]
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
    /// Take what was reserved.
    TransactionCapture "transaction_capture" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// Release what was reserved, or take a capture back.
    TransactionVoid "transaction_void" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// Say that what the dummy has captured is settled: a command on this machine, and no key, may.
    TransactionSettle "transaction_settle" []
    /// Seal the vault: a command on this machine, and no key, may.
    VaultSeal "vault_seal" []
    /// Make a backup of the vault: a command on this machine, and no key, may.
    VaultBackup "vault_backup" []
    /// Write down what holding the trail against its chain came to: a command on this machine, which has read it, and no key, may.
    AuditVerify "audit_verify" []
    /// Change the header of keys: a command on this machine, which has the root key, and no key, may.
    HeaderUpdate "header_update" []
    /// See a transaction and its history.
    TransactionRead "transaction_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See transactions.
    TransactionList "transaction_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Give money back.
    RefundCreate "refund_create" [ProviderAdmin MerchantAdmin MerchantSupervisor]
    /// See a refund.
    RefundRead "refund_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See refunds.
    RefundList "refund_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Store a customer.
    CustomerCreate "customer_create" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// Change a customer.
    CustomerUpdate "customer_update" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// See a customer.
    CustomerRead "customer_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See customers.
    CustomerList "customer_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Erase a customer.
    CustomerDelete "customer_delete" [ProviderAdmin MerchantAdmin MerchantSupervisor]
    /// Ask a shopper to pay on a page of the vault.
    CheckoutCreate "checkout_create" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// Take a checkout back.
    CheckoutDelete "checkout_delete" [ProviderAdmin MerchantAdmin MerchantSupervisor MerchantCashier]
    /// See a checkout.
    CheckoutRead "checkout_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See checkouts.
    CheckoutList "checkout_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Make an organisation.
    OrganisationCreate "organisation_create" [ProviderAdmin]
    /// Change an organisation.
    OrganisationUpdate "organisation_update" [ProviderAdmin]
    /// Give an organisation a picture that shoppers see.
    OrganisationLogoSet "organisation_logo_set" [ProviderAdmin]
    /// Take it away.
    OrganisationLogoDelete "organisation_logo_delete" [ProviderAdmin]
    /// See an organisation.
    OrganisationRead "organisation_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See organisations.
    OrganisationList "organisation_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Delete an organisation.
    OrganisationDelete "organisation_delete" [ProviderAdmin]
    /// Make an account.
    AccountCreate "account_create" [ProviderAdmin]
    /// Change an account.
    AccountUpdate "account_update" [ProviderAdmin]
    /// Make what webhooks of an account are signed with.
    AccountWebhookSecret "account_webhook_secret" [ProviderAdmin MerchantAdmin]
    /// See an account.
    AccountRead "account_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See accounts.
    AccountList "account_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Delete an account.
    AccountDelete "account_delete" [ProviderAdmin]
    /// Make a processor.
    ProcessorCreate "processor_create" [ProviderAdmin]
    /// Change a processor.
    ProcessorUpdate "processor_update" [ProviderAdmin]
    /// See a processor.
    ProcessorRead "processor_read" [ProviderAdmin ProviderUser MerchantAdmin]
    /// See processors.
    ProcessorList "processor_list" [ProviderAdmin ProviderUser MerchantAdmin]
    /// Delete a processor.
    ProcessorDelete "processor_delete" [ProviderAdmin]
    /// Make an API key, or one that takes the place of another.
    ApiKeyCreate "apikey_create" [ProviderAdmin MerchantAdmin]
    /// Change an API key.
    ApiKeyUpdate "apikey_update" [ProviderAdmin MerchantAdmin]
    /// See an API key, but for the key itself.
    ApiKeyRead "apikey_read" [ProviderAdmin ProviderUser MerchantAdmin]
    /// See API keys, but for the keys themselves.
    ApiKeyList "apikey_list" [ProviderAdmin ProviderUser MerchantAdmin]
    /// Revoke an API key.
    ApiKeyDelete "apikey_delete" [ProviderAdmin MerchantAdmin]
    /// See a delivery of a webhook.
    WebhookDeliveryRead "webhook_delivery_read"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// See deliveries of webhooks.
    WebhookDeliveryList "webhook_delivery_list"
        [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser]
    /// Send a webhook again.
    WebhookDeliveryRetry "webhook_delivery_retry" [ProviderAdmin MerchantAdmin MerchantSupervisor]
    /// See what one's own key may do, and where; a browser does not see what its organisation is called.
    CallerRead "caller_read" [ProviderAdmin ProviderUser MerchantAdmin MerchantSupervisor MerchantCashier MerchantUser],
        part [Publishable]
    /// See the keys of the vault itself: of these, who is of an organisation that is below none.
    KeyInventory "key_inventory" [ProviderAdmin]
    /// See the keys of an organisation: which there are, and not what they are.
    KeyList "key_list" [ProviderAdmin ProviderUser]
    /// Make a key that takes the place of another.
    KeyRotate "key_rotate" [ProviderAdmin]
    /// Destroy the keys of an organisation, and with them all that was sealed for it.
    KeyDestroy "key_destroy" [ProviderAdmin]
    /// See how the vault is doing: of these, who is of an organisation that is below none.
    StatusRead "status_read" [ProviderAdmin]
    /// See who did what, once.
    AuditRead "audit_read" [ProviderAdmin MerchantAdmin]
    /// See who did what.
    AuditList "audit_list" [ProviderAdmin MerchantAdmin]
}

/// The roles that a role may give to a key: those at or below its own. An administrator of a provider gives all, one of a
/// merchant those of merchants and browsers, and nobody else makes keys.
pub const fn role_gives(role: Role) -> &'static [Role] {
    match role {
        Role::ProviderAdmin => &[
            Role::ProviderAdmin,
            Role::ProviderUser,
            Role::MerchantAdmin,
            Role::MerchantSupervisor,
            Role::MerchantCashier,
            Role::MerchantUser,
            Role::Publishable,
        ],
        Role::MerchantAdmin => &[
            Role::MerchantAdmin,
            Role::MerchantSupervisor,
            Role::MerchantCashier,
            Role::MerchantUser,
            Role::Publishable,
        ],
        Role::ProviderUser
        | Role::MerchantSupervisor
        | Role::MerchantCashier
        | Role::MerchantUser
        | Role::Publishable => &[],
    }
}

/// Who sends a request: what its key may do, where, and all that it sees while the request lasts.
#[derive(Clone)]
pub struct Caller {
    pub(crate) asked: Requester,
    pub(crate) now: Now,
    pub(crate) scope: Scope,
    pub(crate) credential: Credential,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// What a caller is known by.
#[derive(Clone)]
pub(crate) enum Credential {
    /// The root key: a command on this machine.
    RootKey,
    /// An API key.
    ApiKey(Arc<ApiKeyRow>),
    /// Nothing: a page of an organisation whose cards are created without a key.
    Page(Arc<OrganisationRow>),
    /// The id of a checkout of this organisation, which is a right to bring a card to it and to pay with that, and to nothing else.
    Checkout(OrganisationId),
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

    /// How often documents had changed when the caller was judged by them.
    pub fn documents_counter(&self) -> u32 {
        self.snapshot.head.counter
    }

    /// The caller's key, or in its place what its requests are counted by: the id of its organisation. `None` for a command on this machine.
    pub const fn api_key(&self) -> Option<ApiKeyId> {
        self.asked.actor
    }

    /// The time that this request sees.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// What its key may do. Who has none and is let in all the same is a browser.
    pub(crate) fn roles(&self) -> &[Role] {
        match &self.credential {
            Credential::RootKey => &[],
            Credential::ApiKey(row) => &row.roles,
            Credential::Page(_) | Credential::Checkout(_) => &[Role::Publishable],
        }
    }

    /// Whether it has no key, and is let in by its organisation.
    pub const fn is_keyless(&self) -> bool {
        matches!(self.credential, Credential::Page(_))
    }

    /// Whether its key is a browser's, which is in everybody's hands.
    pub fn is_browser(&self) -> bool {
        self.roles().contains(&Role::Publishable)
    }

    /// The web origins (RFC 6454) whose pages may use the caller's key, if it is a browser's, or need none.
    pub fn allowed_origins(&self) -> Option<&[String]> {
        match &self.credential {
            Credential::ApiKey(row) if self.is_browser() => Some(&row.allowed_origins),
            Credential::ApiKey(_) | Credential::RootKey | Credential::Checkout(_) => None,
            Credential::Page(row) => Some(&row.keyless_capture_origins),
        }
    }

    /// Whether it has one of these roles, or is a command on this machine.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.scope == Scope::All || self.roles().iter().any(|role| roles.contains(role))
    }

    /// Whether it may do what the API calls by this name, which one of these roles suffices for. How the vault is doing and which keys it has is for who is at its top.
    pub fn may(&self, operation: &str, roles: &[Role]) -> bool {
        let is_of_all = [StatusRead::NAME, KeyInventory::NAME].contains(&operation);
        self.has_any(roles) && (!is_of_all || self.is_at_top())
    }

    /// Whether it is a command on this machine, or of an organisation that is below none.
    fn is_at_top(&self) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::Below(own) => {
                self.snapshot.documents.organisation(own).is_some_and(|row| row.parent.is_none())
            }
        }
    }

    /// Proof that the caller may do `O`, or [`VaultError::RoleNotAllowed`].
    pub fn permit<O: Operation>(&self) -> Result<Permit<O>, VaultError> {
        let may = match &self.credential {
            Credential::RootKey | Credential::ApiKey(_) => self.has_any(O::ROLES),
            // Without a key a card is created, and nothing is done with one that is there.
            Credential::Page(_) => O::NAME == CardCreate::NAME,
            // What is paid, and with which card, the checkout's row says.
            Credential::Checkout(_) => O::NAME == CardCreate::NAME || O::NAME == TransactionCreate::NAME,
        };
        if may {
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

impl<O: Operation> Permit<O> {
    /// Whether the caller may do all of the operation, and see all of what it is done to: one of its roles says so of this very
    /// operation. A role that allows other ones adds nothing to what a browser's does.
    pub fn is_whole(&self) -> bool {
        self.caller.has_any(O::ROLES_WHOLE)
    }
}

impl<O> Permit<O> {
    /// Whether the caller is a command on this machine.
    pub(crate) fn is_operator(&self) -> bool {
        self.caller.scope == Scope::All
    }

    /// Whether the caller is a command on this machine, or of an organisation that is below none.
    pub(crate) fn is_at_top(&self) -> bool {
        self.caller.is_at_top()
    }

    /// What the caller's key may do. A command on this machine has no key.
    pub fn roles(&self) -> &[Role] {
        self.caller.roles()
    }

    /// What the organisation of the caller's key is called, where the caller may do all of the operation.
    pub fn organisation_name(&self) -> Option<&str> {
        let own = self.caller.organisation()?;
        self.caller.snapshot.documents.organisation(own).map(|row| row.name.as_str())
    }

    /// Whether the caller sees what was done in an organisation. A command on this machine also sees what was done in one that is no
    /// more, or in none.
    pub(crate) fn audits(&self, organisation: OrganisationId) -> bool {
        self.is_operator() || self.sees(organisation)
    }

    /// The organisation, if the caller sees it; a stranger's and a missing one give the same answer, which says what named
    /// it, or the object that is in it.
    pub fn within(&self, organisation: OrganisationId, named: Named) -> Result<OrganisationId, VaultError> {
        if self.sees(organisation) { Ok(organisation) } else { Err(VaultError::not_found(named)) }
    }

    /// The organisation, if the caller sees it and it takes changes: it and all above it are enabled.
    pub(crate) fn within_enabled(
        &self,
        organisation: OrganisationId,
        named: Named,
    ) -> Result<OrganisationId, VaultError> {
        let organisation = self.within(organisation, named)?;
        self.caller.snapshot.documents.enabled(organisation)?;
        Ok(organisation)
    }

    /// Whether the caller may give a key this role: nobody gives more than they have.
    pub(crate) fn may_give(&self, role: Role) -> bool {
        self.caller.scope == Scope::All
            || self.caller.roles().iter().any(|own| role_gives(*own).contains(&role))
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

    /// The organisation whose key asks; `None` for a command on this machine.
    pub(crate) fn asked_by(&self) -> Option<OrganisationId> {
        self.caller.organisation()
    }

    /// Whether it is a key of this very organisation that asks.
    pub(crate) fn is_of(&self, organisation: OrganisationId) -> bool {
        self.caller.scope == Scope::Below(organisation)
    }

    /// The organisation of the caller's key; `None` for a command on this machine.
    pub(crate) fn organisation(&self) -> Option<OrganisationId> {
        self.caller.organisation()
    }

    /// Sees the documents as they are now, and lets go of those from when the request began.
    pub(crate) fn see(&mut self, snapshot: Arc<Snapshot>) {
        self.caller.snapshot = snapshot;
    }

    /// The time that this request sees.
    pub const fn now(&self) -> Now {
        self.caller.now
    }

    pub(crate) const fn asked(&self) -> &Requester {
        &self.caller.asked
    }

    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.caller.snapshot
    }

    pub(crate) fn idempotency_scope(&self) -> [u8; 12] {
        self.caller.organisation().map_or([0; 12], |organisation| *organisation.as_bytes())
    }

    /// Where a CVV of the caller's finds room.
    pub(crate) fn cvv_source(&self) -> CvvSource {
        if self.caller.is_browser() { CvvSource::Browser } else { CvvSource::Server }
    }

    /// The caller's key, if it is a browser's.
    pub(crate) fn browser_key(&self) -> Option<ApiKeyId> {
        self.caller.api_key().filter(|_| self.caller.is_browser())
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::{Timestamp, VaultId};
    use panvault_testkit::vault_keys;

    use super::*;
    use crate::audit::Origin;

    fn caller(roles: &[Role]) -> Caller {
        let keys = vault_keys(VaultId::from_bytes([1; 12]), 1);
        let snapshot = Snapshot::read(Vec::new(), &keys, true, None).unwrap();
        let (id, organisation) = (ApiKeyId::from_bytes([2; 12]), OrganisationId::from_bytes([3; 12]));
        let at = Timestamp::from_unix_millis(1_772_366_400_000);
        let row = ApiKeyRow {
            id,
            organisation,
            name: "Key".to_owned(),
            roles: roles.to_vec(),
            hash_key: 1,
            hash: [0; 32],
            allowed_origins: Vec::new(),
            expires_at: None,
            created_at: at,
            updated_at: at,
        };
        Caller {
            asked: Requester { actor: Some(id), origin: Origin::LOCAL },
            now: Now { wall: at, monotonic_millis: 0 },
            scope: Scope::Below(organisation),
            credential: Credential::ApiKey(Arc::new(row)),
            snapshot: Arc::new(snapshot),
        }
    }

    /// The bug: a key with the roles `Publishable` and `MerchantUser`, which only sees cards, changed their expiry and metadata. Its cause:
    /// whatever was not only a browser had the whole of any operation that one of its roles allowed. Its cure: each operation says which
    /// roles have all of it. No such key is made any more; a stored one is no way around that.
    #[test]
    fn a_role_adds_nothing_to_an_operation_that_it_does_not_allow() {
        let is_whole = |roles: &[Role]| caller(roles).permit::<CardUpdate>().unwrap().is_whole();
        assert!(!is_whole(&[Role::Publishable]));
        assert!(!is_whole(&[Role::Publishable, Role::MerchantUser]));
        assert!(!is_whole(&[Role::ProviderUser, Role::Publishable]));
        assert!(is_whole(&[Role::MerchantCashier]));
        assert!(is_whole(&[Role::Publishable, Role::MerchantCashier]));
        assert!(caller(&[Role::MerchantUser]).permit::<CardUpdate>().is_err());
        assert!(caller(&[Role::Publishable, Role::MerchantUser]).is_browser());
    }
}

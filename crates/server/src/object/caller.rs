//! Who asks, and what that one may do.

use panvault_model::{ApiKeyId, OrganisationId, Role};
use panvault_vault::Mode;

use super::object;

/// Of one request.
pub(crate) struct CallerView {
    pub(crate) api_key: Option<ApiKeyId>,
    pub(crate) organisation: Option<OrganisationId>,
    pub(crate) organisation_name: Option<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) operations: Vec<&'static str>,
    pub(crate) mode: Mode,
}

object! {
    /// What one's own API key may do, and where.
    Caller "Caller" of view: CallerView, part "BrowserCaller" {
        /// The key that the request was sent with; left out for commands on the vault's machine.
        optional "api_key" => ApiKeyId = view.api_key, in part;
        /// Whose it is: it sees this organisation and all below it.
        optional "organisation" => OrganisationId = view.organisation, in part;
        /// What that is called.
        optional "organisation_name" => &str = view.organisation_name.as_deref(), example "Example Ltd";
        /// The roles of the key.
        always "roles" => &[Role] = view.roles.as_slice(), in part;
        /// What they allow, by the names of operations that the audit trail and the metrics have too.
        always "operations" => &[&'static str] = view.operations.as_slice(), example "[\"card_create\", \"card_read\"]", in part;
        /// What the vault is for.
        always "mode" => Mode = view.mode, in part;
    }
}

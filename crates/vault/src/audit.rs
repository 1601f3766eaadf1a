mod checkpoint;
mod count;
mod ending;
mod known;
mod moved;
mod operation;
mod read;
mod retire;
mod seen;
mod start;
mod verify;

use std::net::IpAddr;

use panvault_model::{ApiKeyId, Id, OrganisationId, RequestId, Timestamp};
use panvault_store::{Action, AuditNote};

pub(crate) use checkpoint::{
    Begun, CHECKPOINT_ROW, checkpoint_often, checkpoint_read, checkpoint_row, numbered,
};
pub(crate) use count::Counts;
pub use known::{KnownTrails, RefusedTrail, known_trails};
pub use moved::{trail_moved, vault_chain};
pub use operation::operation_name;
pub use seen::RefusedCaller;
pub use start::{TOLD_TABLES, audit_starts, told_mark, told_of};
pub use verify::{AuditVerified, TrailExamined, trail_examine, trail_examine_each};

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The request; `None` for a command on this machine or the vault itself.
    pub request: Option<RequestId>,
    /// The other end of the connection.
    pub address: Option<IpAddr>,
}

impl Origin {
    /// A command on this machine, or the vault itself.
    pub const LOCAL: Self = Self { request: None, address: None };
}

/// Who asked, from where and when: the part of an audit note that is the same for all a request does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requester {
    pub(crate) actor: Option<ApiKeyId>,
    pub(crate) origin: Origin,
}

impl Requester {
    /// The vault itself.
    pub(crate) const VAULT: Self = Self { actor: None, origin: Origin::LOCAL };

    pub(crate) fn note(
        &self,
        at: Timestamp,
        action: Action,
        organisation: OrganisationId,
        object: Id,
    ) -> AuditNote {
        AuditNote {
            at,
            action,
            actor: self.actor,
            organisation,
            object,
            request: self.origin.request.unwrap_or(RequestId::from_bytes([0; 12])),
            address: self.origin.address.map_or([0; 16], octets),
            outcome: 0,
            counted: None,
        }
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

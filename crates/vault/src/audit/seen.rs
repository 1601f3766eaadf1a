//! What is seen and refused: counted by who, from where, whose and what, and written down about once a minute and at the end. A minute's
//! records are bounded, whatever is sent; what a process has not written down goes with it when it is killed.

use std::net::IpAddr;

use panvault_model::{ApiKeyId, Id, OrganisationId};
use panvault_store::{Action, ApiKeyRow, Commit, Outcome, RefusalReason};

use crate::audit::count::{Count, Subject};
use crate::audit::operation::operation_number;
use crate::audit::{Origin, octets};
use crate::error::VaultError;
use crate::limits::COUNTS_WRITTEN_AT_ONCE;
use crate::permit::{Caller, Permit};
use crate::vault::Vault;

const NONE: [u8; 12] = [0; 12];

/// Who was refused something, for the audit trail. It is kept while the request goes its way with the caller.
#[derive(Clone, Copy)]
pub struct RefusedCaller {
    actor: Option<ApiKeyId>,
    organisation: Option<OrganisationId>,
    address: Option<IpAddr>,
    is_browser: bool,
}

impl Caller {
    /// Who it is, should it be refused something.
    pub fn as_refused(&self) -> RefusedCaller {
        RefusedCaller {
            actor: self.api_key(),
            organisation: self.organisation(),
            address: self.asked.origin.address,
            is_browser: self.is_browser(),
        }
    }
}

impl<O> Permit<O> {
    /// Where a list is counted that names these organisations: in that one, if it is one; else in the caller's own.
    pub(crate) fn counted_in(&self, named: &[OrganisationId]) -> OrganisationId {
        match named {
            [one] => *one,
            [] | [_, ..] => self.organisation().unwrap_or(OrganisationId::from_bytes(NONE)),
        }
    }
}

impl Vault {
    /// Counts a refusal of what a caller asked for; `operation` is the API's name for that.
    pub fn access_refused(&self, caller: &RefusedCaller, operation: &str, reason: RefusalReason) {
        let address = if caller.is_browser { caller.address.map(network) } else { caller.address };
        let subject = Subject {
            action: Action::AccessRefuse,
            actor: caller.actor,
            organisation: caller.organisation.unwrap_or(OrganisationId::from_bytes(NONE)),
            address: address.map_or([0; 16], octets),
            reason: reason.code(),
            operation: operation_number(operation),
        };
        self.counts().add(subject, Id::from_bytes(NONE), self.now().wall);
    }

    /// Counts a request without a key that is valid, and gives the error that says so.
    pub fn signin_refused(&self, origin: Origin, reason: RefusalReason) -> VaultError {
        self.key_refused(origin, None, reason)
    }

    /// The same, of a key that is known.
    pub(crate) fn key_refused(
        &self,
        origin: Origin,
        key: Option<&ApiKeyRow>,
        reason: RefusalReason,
    ) -> VaultError {
        let subject = Subject {
            action: Action::SigninRefuse,
            actor: key.map(|row| row.id),
            organisation: key.map_or(OrganisationId::from_bytes(NONE), |row| row.organisation),
            address: origin.address.map(network).map_or([0; 16], octets),
            reason: reason.code(),
            operation: 0,
        };
        self.counts().add(subject, Id::from_bytes(NONE), self.now().wall);
        VaultError::NotAuthenticated
    }

    /// Refusals since the start, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (RefusalReason, u64)> {
        self.counts().refused()
    }

    /// Reads and refusals since the start of which the audit trail does not say whose they were: there was no room to tell them apart.
    pub fn counted_of_several(&self) -> u64 {
        self.counts().several()
    }

    /// Counts that something was seen: an object, or all that a list showed.
    pub(crate) fn seen<O>(
        &self,
        permit: &Permit<O>,
        action: Action,
        organisation: OrganisationId,
        object: Option<Id>,
    ) {
        let asked = permit.asked();
        let subject = Subject {
            action,
            actor: asked.actor,
            organisation,
            address: asked.origin.address.map_or([0; 16], octets),
            reason: 0,
            operation: 0,
        };
        self.counts().add(subject, object.unwrap_or(Id::from_bytes(NONE)), permit.now().wall);
    }

    /// Writes down what was counted, one record each. What cannot be written now is with the next.
    ///
    /// Nothing is written while nothing at all is stored: the first step of a vault makes an organisation.
    pub(crate) async fn counts_write(&self) -> Result<(), VaultError> {
        if self.store().status().sequence == 0 {
            return Ok(());
        }
        let counts = self.counts().take();
        for (at, some) in counts.chunks(COUNTS_WRITTEN_AT_ONCE).enumerate() {
            if let Err(error) = self.some_counts_write(some).await {
                let rest = counts.get((at + 1) * COUNTS_WRITTEN_AT_ONCE..).unwrap_or_default();
                self.counts().put_back(rest);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn some_counts_write(&self, counts: &[(Subject, Count)]) -> Result<(), VaultError> {
        let at = self.now().wall;
        let commit = |(subject, count): &(Subject, Count)| {
            let audit = count.note(subject, at);
            Commit { claim: None, expects: vec![], effects: vec![], audit }
        };
        // All are handed over, one right behind the other, before the first is waited for: so they become durable together.
        let commits: Vec<_> = counts.iter().map(commit).collect();
        let writing: Vec<_> = commits.into_iter().map(|commit| self.store().commit(commit)).collect();
        let mut written = Ok(());
        for (writing, count) in writing.into_iter().zip(counts) {
            let fault = match writing.await {
                Ok(Outcome::Done { .. }) => continue,
                Ok(Outcome::Unmet(_) | Outcome::Claimed(_)) => VaultError::Contended,
                Err(fault) => fault.into(),
            };
            self.counts().put_back(core::slice::from_ref(count));
            written = Err(fault);
        }
        written
    }
}

/// What an address counts as where anybody may have many: an IPv4 address, or the first 64 bits of an IPv6 one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(bits.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_count_together() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::1"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}

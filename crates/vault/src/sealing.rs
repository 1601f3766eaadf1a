//! A vault that somebody seals, and that opens only when somebody unseals it: the head of the documents says so, to every node and across restarts.

use std::net::IpAddr;

use panvault_model::{Id, OrganisationId, Timestamp};
use panvault_store::{Action, AuditNote, Commit, Outcome};

use crate::audit::{Origin, Requester};
use crate::document::{DocumentChange, DocumentPlan};
use crate::error::VaultError;
use crate::permit::{Permit, VaultSeal};
use crate::vault::Vault;

/// How a vault came to be unsealed: for its trail, which nobody can write to before.
#[derive(Clone, Debug)]
pub struct Unsealing {
    /// Number of the slot that opened it.
    pub slot: u16,
    /// From where the last that was needed came; `None` for this machine.
    pub address: Option<IpAddr>,
    /// What was brought before, in that order.
    pub brought: Vec<Brought>,
}

/// Something that somebody brought to unseal the vault.
#[derive(Clone, Copy, Debug)]
pub struct Brought {
    /// When.
    pub at: Timestamp,
    /// From where; `None` for this machine.
    pub address: Option<IpAddr>,
    /// What.
    pub what: BroughtWhat,
}

/// What was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BroughtWhat {
    /// The share of this number.
    Share(u8),
    /// A passphrase, or shares, that did not open the vault.
    Failure,
}

impl Vault {
    /// Seals the vault: nothing opens it until somebody unseals it, at any node and after any restart. What is on its way to a processor is waited for by
    /// who closes it. A vault that is sealed already stays so.
    pub async fn seal(&self, permit: &Permit<VaultSeal>) -> Result<(), VaultError> {
        self.document_change(permit, |permit, snapshot| {
            let seals = snapshot.head.seals;
            let after = if snapshot.head.is_sealed() { Some(seals) } else { seals.checked_add(1) };
            let nobody = OrganisationId::from_bytes([0; 12]);
            let mut audit = permit.asked().note(permit.now().wall, Action::VaultSeal, nobody, self.id().0);
            audit.outcome = u8::from(snapshot.head.is_sealed());
            let changes = vec![DocumentChange::Seals(after.ok_or(VaultError::Contended)?)];
            Ok(((), DocumentPlan { changes, audit }))
        })
        .await
    }

    /// Waits until the vault is sealed, here or by another node.
    pub fn sealed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut sealed = self.sealed_subscribe();
        async move {
            // A vault that is gone is sealed by nobody.
            if sealed.wait_for(|sealed| *sealed).await.is_err() {
                core::future::pending::<()>().await;
            }
        }
    }

    /// Lets go of it, unless somebody else still has it. With the last who has it goes all that opens cards.
    pub fn end(self) -> Result<(), Self> {
        if self.is_shared_here() { Err(self) } else { Ok(()) }
    }

    /// Whether nothing of this process is on its way to a processor, or waits for its outcome to be written.
    pub fn has_nothing_in_hand(&self) -> bool {
        self.node().has_nothing_in_hand()
    }

    /// Writes down who brought what to unseal the vault, and that it is unsealed; nothing where it opens by itself.
    pub(crate) async fn unseal(&self, is_sealed: bool) -> Result<(), VaultError> {
        let Some(Unsealing { slot, address, brought }) = self.unsealing() else { return Ok(()) };
        let nobody = OrganisationId::from_bytes([0; 12]);
        let note = |address, at, action| {
            let requester = Requester { actor: None, origin: Origin { request: None, address } };
            requester.note(at, action, nobody, self.id().0)
        };
        for Brought { at, address, what } in brought {
            let mut audit = match what {
                BroughtWhat::Share(_) => note(*address, *at, Action::ShareGive),
                BroughtWhat::Failure => note(*address, *at, Action::UnsealFail),
            };
            if let BroughtWhat::Share(number) = what {
                audit.outcome = *number;
            }
            self.note_write(audit).await?;
        }
        let mut audit = note(*address, self.now().wall, Action::VaultUnseal);
        audit.outcome = u8::try_from(*slot).unwrap_or(u8::MAX);
        if !is_sealed {
            return self.note_write(audit).await;
        }
        let seals = self.snapshot().head.seals.checked_add(1).ok_or(VaultError::Contended)?;
        self.document_make(DocumentPlan { changes: vec![DocumentChange::Seals(seals)], audit }).await
    }

    /// Writes down that the vault was made before witnesses, of which something with this digest was written down.
    pub async fn ceremony_note(&self, digest: &[u8; 32]) -> Result<(), VaultError> {
        let (object, rest) = digest.split_first_chunk().ok_or(VaultError::Contended)?;
        let nobody = OrganisationId::from_bytes([0; 12]);
        let mut audit =
            Requester::VAULT.note(self.now().wall, Action::CeremonyHold, nobody, Id::from_bytes(*object));
        audit.address = rest.first_chunk().copied().ok_or(VaultError::Contended)?;
        self.note_write(audit).await
    }

    /// Writes down what changed no row. In a vault without a head yet it comes with one: whatever is stored without a head was tampered with.
    pub(crate) async fn note_write(&self, audit: AuditNote) -> Result<(), VaultError> {
        if self.snapshot().head.counter == 0 {
            return self.document_make(DocumentPlan { changes: Vec::new(), audit }).await;
        }
        let commit = Commit { claim: None, expects: Vec::new(), effects: Vec::new(), audit };
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(()),
            Outcome::Unmet(_) | Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }
}

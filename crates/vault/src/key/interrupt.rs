//! Rows are gone through for hours, and a key that is replaced in a hurry does not wait for that: a sweep ends between two pages where there is a key to take up, and all begins
//! anew with that one among the others.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use panvault_keys::{KeyState, OrganisationKey};
use panvault_model::Timestamp;

use crate::error::VaultError;
use crate::key::rotation::Retired;
use crate::key::sweep::{Rotated, retired};
use crate::vault::Vault;

/// What a sweep is about.
pub(super) struct Sweep {
    /// When what is to be done was looked at last.
    begun: Timestamp,
    /// Keys of organisations for which it is.
    keys: BTreeSet<Retired>,
}

impl Sweep {
    /// One that goes through rows for these keys of organisations; for none where it is for keys of the vault.
    pub(super) fn of(keys: &[OrganisationKey], begun: Timestamp) -> Self {
        Self { begun, keys: keys.iter().map(retired).collect() }
    }

    /// It is for this key no more, which waits until what it made was known for as long as it should be: that moment ends the sweep.
    pub(super) fn leaves(&mut self, key: Retired) {
        self.keys.remove(&key);
    }
}

impl Vault {
    /// Whether a sweep goes on with its next page, or why it does not: another node has the duty, or there is a key to take up.
    pub(super) async fn goes_on(&self, sweep: &Sweep) -> Result<ControlFlow<Rotated>, VaultError> {
        if !self.has_duty().await? {
            return Ok(ControlFlow::Break(Rotated::Done));
        }
        let now = self.shared_time().await?;
        let snapshot = self.snapshot();
        let is_over =
            |key: &OrganisationKey| key.destroyed_at.is_some_and(|at| sweep.begun < at && at <= now);
        let mut of_organisations = snapshot.keys.kept_of_all();
        let is_one_waiting = of_organisations.any(|key| match key.state {
            KeyState::PreActive => true,
            // What it made was known for as long as it should be.
            KeyState::OpenOnly => is_over(key) && !sweep.keys.contains(&retired(key)),
            KeyState::Active | KeyState::Destroyed => false,
        });
        let mut of_vault = snapshot.vault_keys_moving();
        let is_waiting = is_one_waiting
            || snapshot.hands()
            || of_vault.any(|(key, is_new)| is_new && self.may_activate(&key, now));
        Ok(if is_waiting { ControlFlow::Break(Rotated::Again) } else { ControlFlow::Continue(()) })
    }
}

//! Rotations by themselves: what is to be done is looked for now and then, and done.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use panvault_keys::{KeyState, Purpose};
use panvault_model::{OrganisationId, Timestamp};
use tokio::time::{Instant, timeout};
use tracing::field::display;

use crate::error::with_causes;
use crate::key::sweep::Rotated;
use crate::limits::{ROTATION_FAILED_SECONDS, ROTATION_LEFT_SECONDS, ROTATION_LOOK_MILLIS};
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

/// Goes on with rotations until the vault is gone, and says once a day which keys are active for too long.
pub(crate) async fn rotate_often(vault: WeakVault) {
    let failed = Throttle::default();
    let (mut looked, mut said): (Option<(u32, u64)>, Option<u64>) = (None, None);
    let (mut rotating, mut not_before) = (Moving::default(), Instant::now());
    loop {
        // A vault that nobody else has is not kept for it.
        let Some(rotation) = vault.upgrade().map(|vault| Arc::clone(vault.rotation())) else { return };
        let _ = timeout(Duration::from_millis(ROTATION_LOOK_MILLIS), rotation.woken()).await;
        let Some(vault) = vault.upgrade() else { return };
        let now = vault.now();
        let (counter, hour) = (vault.snapshot().head.counter, now.wall.unix_seconds() / HOUR_SECONDS);
        if looked != Some((counter, hour)) {
            looked = Some((counter, hour));
            let day = hour / HOURS;
            let (keys, overdue) = vault.keys_look();
            if keys != rotating {
                (rotating, not_before) = (keys, Instant::now());
            }
            if let Some(overdue) = overdue
                && said != Some(day)
                && vault.has_duty().await.is_ok_and(|is_ours| is_ours)
            {
                said = Some(day);
                let keys = rotation.status().keys_overdue;
                let advice =
                    "rotate them: panvault key inventory shows which, panvault key rotate makes others";
                let (purpose, organisation) = (overdue.purpose, overdue.organisation.map(display));
                tracing::warn!(keys, purpose, organisation.id = organisation, advice, "key.overdue");
            }
        }
        // Each node knows of those API keys that it was shown.
        if !vault.rehashes().is_empty()
            && let Err(error) = vault.apikeys_rehash().await
            && failed.is_due(now)
        {
            let advice = "none; the hash of an API key is made anew when it is next used";
            tracing::warn!(error = %with_causes(&error), advice, "apikey.not_rehashed");
        }
        if rotating.keys.is_empty() || Instant::now() < not_before {
            continue;
        }
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        match vault.keys_rotate_on().await {
            Ok(Rotated::Done | Rotated::Again) => {}
            Ok(Rotated::Left) => not_before = after(ROTATION_LEFT_SECONDS),
            Ok(Rotated::Waits) => {
                let ends = vault.key_ends_in(vault.now().wall).unwrap_or(ROTATION_LEFT_SECONDS);
                not_before = after(ends.clamp(1, ROTATION_LEFT_SECONDS));
            }
            Err(error) => {
                not_before = after(ROTATION_FAILED_SECONDS);
                if failed.is_due(now) {
                    let advice = "none; it goes on by itself, and the key before is kept meanwhile";
                    tracing::warn!(error = %with_causes(&error), advice, "key.rotation_delayed");
                }
            }
        }
    }
}

impl Vault {
    /// Looks which keys are on their way in or out, and which are active for too long. Gives those, and the first of these.
    fn keys_look(&self) -> (Moving, Option<Overdue>) {
        let (snapshot, now) = (self.snapshot(), self.now().wall);
        let of_vault = self.keys().descriptions().into_iter().filter(|key| self.is_overdue(key, now));
        let of_vault: Vec<_> = of_vault.map(|key| key.purpose.as_str()).collect();
        let (mut rotating, mut overdue) = (BTreeSet::new(), of_vault.len() as u64);
        let mut first = of_vault.first().map(|purpose| Overdue { purpose, organisation: None });
        for key in snapshot.keys.kept_of_all() {
            match key.state {
                KeyState::PreActive | KeyState::OpenOnly => {
                    let is_new = key.state == KeyState::PreActive;
                    rotating.insert((key.organisation, Some(key.purpose), key.version, is_new));
                }
                KeyState::Active if self.key_view(key, now).is_overdue => {
                    overdue += 1;
                    let (purpose, organisation) = (key.purpose.as_str(), Some(key.organisation));
                    first = first.or(Some(Overdue { purpose, organisation }));
                }
                KeyState::Active | KeyState::Destroyed => {}
            }
        }
        // Those of the vault itself are of nobody.
        let nobody = OrganisationId::from_bytes([0; 12]);
        let of_vault = snapshot.vault_keys_moving();
        rotating.extend(of_vault.map(|(key, is_new)| (nobody, None, u32::from(key.version), is_new)));
        if snapshot.hands() {
            rotating.insert((nobody, None, 0, true));
        }
        self.rotation().keys_are(rotating.len() as u64, overdue);
        (Moving { keys: rotating, needed_by_api_keys: snapshot.is_needed_by_api_keys() }, first)
    }

    /// Seconds until the first key that nothing needs any more is to be destroyed, where one waits for that.
    fn key_ends_in(&self, now: Timestamp) -> Option<u64> {
        let snapshot = self.snapshot();
        let waiting = snapshot.keys.kept_of_all().filter(|key| key.state == KeyState::OpenOnly);
        let first = waiting.filter_map(|key| key.destroyed_at).min()?;
        Some(first.unix_millis().saturating_sub(now.unix_millis()).div_ceil(MILLIS))
    }
}

/// A key that is active for longer than it should be: of an organisation, or of the vault.
struct Overdue {
    purpose: &'static str,
    organisation: Option<OrganisationId>,
}

/// Keys that are on their way in or out, each with whether it is on its way in, and whether an API key still needs one of them.
#[derive(Default, PartialEq)]
struct Moving {
    keys: BTreeSet<(OrganisationId, Option<Purpose>, u32, bool)>,
    needed_by_api_keys: bool,
}

const MILLIS: u64 = 1_000;
const HOUR_SECONDS: u64 = 3_600;
const HOURS: u64 = 24;

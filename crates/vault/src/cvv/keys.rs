//! What CVVs are sealed with while they are held.
//!
//! One node makes a key at start and stores it nowhere. Nodes that share CVVs derive one from a key of the vault and a key component that only
//! the place which holds the CVVs has, and that is another every hour: neither a copy of the place nor the root key opens a CVV
//! alone. A plan does not wait, so the key is at hand before it: asked for at the start and with each renewal of the lease, and again when
//! the place no longer knows what a CVV was sealed with.

use core::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use panvault_keys::{CvvKey, Entropy, KeysError};
use panvault_model::Now;
use panvault_store::limits::CVV_KEY_COMPONENT_KEPT_SECONDS;
use panvault_store::{CvvClaim, CvvKeyComponent};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::limits::CVV_KEY_LATE_SECONDS;
use crate::vault::Vault;

/// The keys of one node.
pub(crate) enum CvvKeys {
    /// Of a node that holds its CVVs itself.
    Process(Box<CvvKey>),
    /// Of one that shares them.
    Shared(SharedCvvKeys),
}

#[derive(Default)]
pub(crate) struct SharedCvvKeys {
    current: ArcSwapOption<Derived>,
    /// Those that were asked for, the current one among them.
    known: Mutex<Vec<Arc<Derived>>>,
}

/// The keys of a component, by this node's clock: one for each key of the vault that CVVs may be sealed under, that of now first.
struct Derived {
    component: NonZeroU32,
    keys: Vec<(u16, CvvKey)>,
    seals_until_millis: u64,
    opens_until_millis: u64,
}

impl CvvKeys {
    /// Those of a node that starts.
    pub(crate) fn make(is_shared: bool, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        Ok(if is_shared {
            Self::Shared(SharedCvvKeys::default())
        } else {
            Self::Process(Box::new(CvvKey::make(entropy)?))
        })
    }

    /// Seals with the current key, if there is one.
    pub(crate) fn seal_with<T>(&self, now: Now, seal: impl FnOnce(&CvvKey) -> T) -> Option<T> {
        match self {
            Self::Process(key) => Some(seal(key)),
            Self::Shared(shared) => {
                let current = shared.current.load();
                let derived = current.as_ref()?;
                let (_, key) = derived.keys.first()?;
                (now.monotonic_millis < derived.seals_until_millis).then(|| seal(key))
            }
        }
    }

    /// Opens with a key of this component, if one is at hand. A CVV does not name the key of the vault that it is sealed under: it opens with one of them.
    pub(crate) fn open_with<T>(
        &self,
        component: Option<NonZeroU32>,
        mut open: impl FnMut(&CvvKey) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        match self {
            Self::Process(key) => open(key),
            Self::Shared(shared) => {
                let derived = shared.known(component).ok_or(KeysError::Refused)?;
                let opened = derived.keys.iter().find_map(|(_, key)| open(key).ok());
                opened.ok_or(KeysError::Refused)
            }
        }
    }
}

impl Derived {
    /// Whether it comes of exactly these keys of the vault, in their order.
    fn is_of(&self, versions: impl Iterator<Item = u16>) -> bool {
        self.keys.iter().map(|(version, _)| *version).eq(versions)
    }
}

impl SharedCvvKeys {
    fn known(&self, component: Option<NonZeroU32>) -> Option<Arc<Derived>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|derived| Some(derived.component) == component).cloned()
    }

    /// Forgets those that no CVV is sealed with any more.
    fn know(&self, derived: &Arc<Derived>, now: Now) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|other| {
            now.monotonic_millis < other.opens_until_millis && other.component != derived.component
        });
        known.push(Arc::clone(derived));
    }
}

impl Vault {
    /// Asks the place that holds CVVs what they are to be sealed with from now on; nothing where CVVs are in this process. It is done by itself
    /// where the vault sweeps by itself. [`VaultError::CvvUnavailable`] when the place is not reached: then the key before serves for a
    /// while, and after that no CVV is held.
    pub async fn cvv_key_renew(&self) -> Result<(), VaultError> {
        let CvvKeys::Shared(shared) = self.cvv_keys() else { return Ok(()) };
        // Before it is asked: its time counts from here.
        let asked = self.now();
        let current = self.cvvs().cvv_key_current(self.component_offered()?).await?;
        let seals_millis = current.remaining_millis.saturating_add(CVV_KEY_LATE_SECONDS * 1000);
        let derived = self.cvv_key_derive(&current.component, asked, seals_millis)?;
        shared.know(&derived, asked);
        shared.current.store(Some(derived));
        Ok(())
    }

    /// Has the key at hand that opens a claimed CVV, and says whether there is one.
    pub(crate) async fn cvv_key_ready(&self, claim: &CvvClaim) -> Result<bool, VaultError> {
        let component = claim.cvv.sealed.component();
        let (CvvKeys::Shared(shared), Some(number)) = (self.cvv_keys(), component) else {
            return Ok(matches!(self.cvv_keys(), CvvKeys::Process(_)));
        };
        // One that was derived before another key of the vault came to be known lacks what may have sealed it.
        let is_of_now = |derived: Arc<Derived>| derived.is_of(self.keys().cvv_cache_versions());
        if shared.known(component).is_some_and(is_of_now) {
            return Ok(true);
        }
        let asked = self.now();
        let Some(found) = self.cvvs().cvv_key_component(number).await? else { return Ok(false) };
        shared.know(&self.cvv_key_derive(&found, asked, 0)?, asked);
        Ok(true)
    }

    fn cvv_key_derive(
        &self,
        component: &CvvKeyComponent,
        asked: Now,
        seals_millis: u64,
    ) -> Result<Arc<Derived>, VaultError> {
        let keys = self.keys().derive_cvv_keys(component.number(), component.as_bytes())?;
        let until = |millis| asked.monotonic_millis.saturating_add(millis);
        let opens_until_millis = until(CVV_KEY_COMPONENT_KEPT_SECONDS * 1000);
        let (component, seals_until_millis) = (component.number(), until(seals_millis));
        Ok(Arc::new(Derived { component, keys, seals_until_millis, opens_until_millis }))
    }

    fn component_offered(&self) -> Result<CvvKeyComponent, VaultError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy().fill_secret(bytes.as_mut_slice())?;
        let mut number = [0; 4];
        self.entropy().fill_secret(&mut number)?;
        let number = NonZeroU32::new(u32::from_be_bytes(number)).unwrap_or(NonZeroU32::MIN);
        Ok(CvvKeyComponent::new(number, bytes))
    }
}

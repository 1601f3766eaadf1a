use core::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::cvv::{CvvFault, CvvKeyComponent, CvvKeyCurrent};
use crate::limits::{CVV_KEY_COMPONENT_KEPT_SECONDS, CVV_KEY_COMPONENT_SECONDS};

/// The key components that CVVs are sealed with, oldest first. There is one for each hour of a day.
#[derive(Default)]
pub(super) struct Components(Mutex<Vec<Made>>);

struct Made {
    component: CvvKeyComponent,
    at_millis: u64,
}

impl Components {
    /// The current one; the one that is offered where there is none.
    pub(super) fn current(&self, offered: CvvKeyComponent, now: u64) -> Result<CvvKeyCurrent, CvvFault> {
        let mut made = self.kept(now);
        let until = |made: &Made| made.at_millis.saturating_add(CVV_KEY_COMPONENT_SECONDS * 1000);
        if made.last().is_none_or(|last| now >= until(last)) {
            if made.iter().any(|made| made.component.number() == offered.number()) {
                return Err(CvvFault::Unavailable);
            }
            made.push(Made { component: offered, at_millis: now });
        }
        let last = made.last().ok_or(CvvFault::Unavailable)?;
        Ok(CvvKeyCurrent { component: copied(&last.component), remaining_millis: until(last) - now })
    }

    pub(super) fn of(&self, number: NonZeroU32, now: u64) -> Option<CvvKeyComponent> {
        let made = self.kept(now);
        made.iter().find(|made| made.component.number() == number).map(|made| copied(&made.component))
    }

    /// Whether there is one of this number; what is sealed with none needs none.
    pub(super) fn has(&self, number: Option<NonZeroU32>, now: u64) -> bool {
        number.is_none_or(|number| self.kept(now).iter().any(|made| made.component.number() == number))
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, now: u64) {
        drop(self.kept(now));
    }

    fn kept(&self, now: u64) -> MutexGuard<'_, Vec<Made>> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|made| now < made.at_millis.saturating_add(CVV_KEY_COMPONENT_KEPT_SECONDS * 1000));
        made
    }
}

/// An answer takes a copy along, which is wiped like its original.
fn copied(component: &CvvKeyComponent) -> CvvKeyComponent {
    CvvKeyComponent::new(component.number(), Zeroizing::new(*component.as_bytes()))
}

use std::io::ErrorKind;

use panvault_keys::{Header, Protection, ShareScheme};
use panvault_vault::VaultError;

use crate::data::{OpenSettings, Place};
use crate::sealed::custody::Way;

/// Why a vault stays sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no key file, and people have what opens it.
    People,
    /// Somebody has sealed it.
    Sealed,
}

impl Why {
    /// Why nothing is tried at all, where that is known before.
    pub(super) async fn before(place: &Place, settings: &OpenSettings) -> Option<Self> {
        let file = settings.slot_key_file.as_deref()?;
        let is_missing = file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        // What cannot be read is said by who opens it.
        let needs_people = is_missing && !ways(place).await.is_empty();
        needs_people.then_some(Self::People)
    }

    /// Why an opening came to nothing, where it is no fault that ends a server.
    pub(super) fn of(error: &anyhow::Error) -> Option<Self> {
        match error.downcast_ref() {
            Some(VaultError::Sealed) => Some(Self::Sealed),
            Some(_) | None => None,
        }
    }

    /// In words.
    pub(super) const fn said(self) -> &'static str {
        match self {
            Self::People => "there is no key file, and people have what opens the vault",
            Self::Sealed => "somebody has sealed the vault",
        }
    }
}

/// The ways in which people open a vault, as its header says: nobody vouches for it.
pub(crate) async fn ways(place: &Place) -> Vec<Way> {
    let headers = place.headers().await.unwrap_or_default();
    headers.first().map(ways_of).unwrap_or_default()
}

fn ways_of(header: &Header) -> Vec<Way> {
    let way = |protection| match protection {
        Protection::KeyFile => None,
        Protection::Passphrase(_) => Some(Way::Passphrase),
        Protection::Shares(ShareScheme { needed, made, set }) => Some(Way::Shares { needed, made, set }),
    };
    header.slots().iter().filter_map(|slot| way(slot.protection())).collect()
}

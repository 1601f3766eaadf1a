use std::io::ErrorKind;

use panvault_keys::{Header, Protection, ShareScheme};
use panvault_vault::VaultError;

use crate::data::{OpenSettings, Place, StaysSealed, Why as PeerWhy};
use crate::sealed::custody::Way;

/// Why a vault stays sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no key file, and people have what opens it.
    People,
    /// Somebody has sealed it.
    Sealed,
    /// A token, a key-management service or a transit engine that has wrapped the key of a slot does not give it.
    Peer,
}

impl Why {
    /// What to do about a peer.
    pub(super) const PEER_ADVICE: &str = "see to the peer; it is asked again, at least once a minute";

    /// Why nothing is tried at all, where that is known before.
    pub(super) async fn before(place: &Place, settings: &OpenSettings) -> Option<Self> {
        let file = settings.slot_key_file.as_deref()?;
        let is_missing = file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        // What cannot be read is said by who opens it.
        let by_people = async || ways(place).await.is_some_and(|ways| !ways.is_empty());
        let needs_people = is_missing && settings.slot_peers.is_empty() && by_people().await;
        needs_people.then_some(Self::People)
    }

    /// Why an opening came to nothing, where it is no fault that ends a server.
    pub(super) fn of(error: &anyhow::Error) -> Option<Self> {
        if let Some(StaysSealed { why, .. }) = error.downcast_ref() {
            return match why {
                PeerWhy::Nobody { by_people } => by_people.then_some(Self::People),
                // One that refuses may have its key enabled again, or be given the right.
                PeerWhy::PeerDown | PeerWhy::PeerRefused => Some(Self::Peer),
            };
        }
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
            Self::Peer => "what has wrapped the key of a slot does not give it; the log says why",
        }
    }
}

/// The ways in which people open a vault, as its header says: nobody vouches for it. `None` where it cannot be read.
pub(crate) async fn ways(place: &Place) -> Option<Vec<Way>> {
    let (_, headers) = place.headers().await.ok()?;
    headers.first().map(ways_of)
}

fn ways_of(header: &Header) -> Vec<Way> {
    let way = |protection: &Protection| match *protection {
        Protection::KeyFile | Protection::Peer(_) => None,
        Protection::Passphrase(_) => Some(Way::Passphrase),
        Protection::Shares(ShareScheme { needed, made, set }) => Some(Way::Shares { needed, made, set }),
    };
    header.slots().iter().filter_map(|slot| way(slot.protection())).collect()
}

use crate::limits::{PEER_NAME_BYTES_MAX, PEER_WRAPPED_BYTES_MAX};

/// What keeps the keys of slots for others, under a key that it does not give away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerKind {
    /// A token that is spoken to by PKCS#11: a hardware security module, or what stands for one.
    Pkcs11,
    /// AWS Key Management Service, or what speaks its protocol.
    AwsKms,
    /// The transit engine of OpenBao or HashiCorp Vault.
    Transit,
}

impl PeerKind {
    /// All, in the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Pkcs11, Self::AwsKms, Self::Transit];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkcs11 => "pkcs11",
            Self::AwsKms => "aws_kms",
            Self::Transit => "transit",
        }
    }
}

/// What is kept of a slot whose key a peer has wrapped: by which of its keys, and the wrapped bytes.
///
/// A header is read before anybody vouches for it. What is named here is therefore no address, library or file, and is used only where the settings
/// name the same.
#[derive(Clone)]
pub struct PeerLock {
    kind: PeerKind,
    place: String,
    key: String,
    detail: String,
    wrapped: Vec<u8>,
}

impl PeerLock {
    /// Bytes at most.
    pub(crate) const BYTES_MAX: usize = 3 * (1 + PEER_NAME_BYTES_MAX) + PEER_WRAPPED_BYTES_MAX;

    /// The bytes that a key of a peer wrapped. `None` where a name is none that a terminal shows as it is, or something is too long.
    ///
    /// `place` is a token's label, a region or where an engine is mounted; `key` is what the key is called there; `detail` says which of that name it is, as
    /// far as the peer tells: the id of a token's key, the version of an engine's.
    pub fn new(kind: PeerKind, place: &str, key: &str, detail: &str, wrapped: Vec<u8>) -> Option<Self> {
        let fits = name_fits(place)
            && name_fits(key)
            && (detail.is_empty() || name_fits(detail))
            && (1..=PEER_WRAPPED_BYTES_MAX).contains(&wrapped.len());
        fits.then(|| Self {
            kind,
            place: place.to_owned(),
            key: key.to_owned(),
            detail: detail.to_owned(),
            wrapped,
        })
    }

    /// What kind of peer it was.
    pub const fn kind(&self) -> PeerKind {
        self.kind
    }

    /// Label of the token, region, or where the engine is mounted.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What its key is called.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Which key of that name; empty where the peer does not tell.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What it gave for the key of the slot. No secret: without the peer it says nothing.
    pub fn wrapped(&self) -> &[u8] {
        &self.wrapped
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for name in [&self.place, &self.key, &self.detail] {
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(&self.wrapped);
    }

    pub(crate) fn decode(kind: PeerKind, bytes: &[u8]) -> Option<Self> {
        let (mut names, mut rest) = ([""; 3], bytes);
        for name in &mut names {
            let (length, behind) = rest.split_first()?;
            let (text, behind) = behind.split_at_checked(usize::from(*length))?;
            *name = core::str::from_utf8(text).ok()?;
            rest = behind;
        }
        let [place, key, detail] = names;
        Self::new(kind, place, key, detail, rest.to_vec())
    }
}

/// Whether a terminal shows it as it is, and no more than that.
fn name_fits(name: &str) -> bool {
    let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    (1..=PEER_NAME_BYTES_MAX).contains(&name.len()) && name.trim() == name && name.bytes().all(visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(lock: &PeerLock) -> Vec<u8> {
        let mut bytes = Vec::new();
        lock.encode(&mut bytes);
        bytes
    }

    #[test]
    fn reads_what_it_wrote() {
        let longest = "n".repeat(PEER_NAME_BYTES_MAX);
        for (place, key, detail, wrapped) in [
            ("token", "key of the vault", "0a1b", vec![0]),
            ("eu-west-1", longest.as_str(), "", vec![255; PEER_WRAPPED_BYTES_MAX]),
            (longest.as_str(), longest.as_str(), longest.as_str(), vec![7; PEER_WRAPPED_BYTES_MAX]),
        ] {
            let lock = PeerLock::new(PeerKind::AwsKms, place, key, detail, wrapped.clone()).unwrap();
            let bytes = encoded(&lock);
            assert!(bytes.len() <= PeerLock::BYTES_MAX);
            let again = PeerLock::decode(PeerKind::AwsKms, &bytes).unwrap();
            assert_eq!((again.place(), again.key(), again.detail()), (place, key, detail));
            assert_eq!(again.wrapped(), wrapped);
            assert!(again.kind() == PeerKind::AwsKms);
        }
    }

    #[test]
    fn what_names_nothing_or_is_too_long_is_no_lock() {
        let long = "n".repeat(PEER_NAME_BYTES_MAX + 1);
        for (place, key, detail, wrapped) in [
            ("", "key", "", 1),
            ("place", "", "", 1),
            ("place", "key", "", 0),
            ("place", "key", "", PEER_WRAPPED_BYTES_MAX + 1),
            (long.as_str(), "key", "", 1),
            ("place", long.as_str(), "", 1),
            ("place", "key", long.as_str(), 1),
            ("place\u{1b}[2J", "key", "", 1),
            ("place", "key\n", "", 1),
            ("place", " key", "", 1),
            ("place", "clé", "", 1),
        ] {
            assert!(PeerLock::new(PeerKind::Transit, place, key, detail, vec![1; wrapped]).is_none());
        }
        let bytes = encoded(&PeerLock::new(PeerKind::Transit, "place", "key", "1", vec![1]).unwrap());
        for length in 0..bytes.len() {
            assert!(PeerLock::decode(PeerKind::Transit, &bytes[..length]).is_none(), "{length}");
        }
    }
}

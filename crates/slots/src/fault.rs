use crate::limits::SAID_CHARS_MAX;

/// Why a peer did not protect or give back a slot's key. Says nothing of keys, tokens or PINs.
#[derive(Debug, thiserror::Error)]
#[error("{peer}: {what}")]
pub struct PeerFault {
    kind: FaultKind,
    /// Who it is, in words.
    peer: String,
    what: String,
}

/// Whether it is of use to ask again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// It did not answer, or said that it cannot now: it may later.
    Down,
    /// It answered, or what it is asked with is not usable: it will not before somebody does something.
    Refused,
    /// It did not take what it is logged in to with, or could lock if it were asked again: nothing more is to be asked of it before somebody has seen to that.
    Locking,
}

impl PeerFault {
    /// Of which kind.
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }
}

/// What went wrong, before it is said with whom.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: FaultKind,
    what: String,
}

impl Fault {
    pub(crate) fn down(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Down, what: what.into() }
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Refused, what: what.into() }
    }

    pub(crate) fn locking(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Locking, what: what.into() }
    }

    pub(crate) fn of(self, peer: String) -> PeerFault {
        PeerFault { kind: self.kind, peer, what: self.what }
    }

    #[cfg(test)]
    pub(crate) fn said(&self) -> (FaultKind, &str) {
        (self.kind, &self.what)
    }
}

/// What a peer says of itself, as far as a terminal shows it.
pub(crate) fn shown(said: &str) -> String {
    let printable = |character: char| match character {
        ' '..='~' => character,
        _ => ' ',
    };
    let shown: String = said.chars().take(SAID_CHARS_MAX).map(printable).collect();
    let shown = shown.trim();
    if shown.is_empty() { "it says no more".to_owned() } else { format!("it says: {shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_short_and_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb\n"), "it says: a [2Jb");
        assert_eq!(shown(&"é".repeat(500)), "it says no more");
        assert_eq!(shown(&"e".repeat(500)).len(), "it says: ".len() + SAID_CHARS_MAX);
    }
}

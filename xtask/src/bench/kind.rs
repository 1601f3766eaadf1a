/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The requests of `Tokenise`, answered with a constant by the same listener.
    Floor,
    /// `POST /v1/card`, a number never sent before, with a CVV.
    Tokenise,
    /// `GET /v1/card/{id}`.
    Read,
    /// `POST /v1/card/{id}` with a CVV.
    Cvv,
    /// `POST /v1/transaction` on a card that `Cvv` gave a CVV to just before.
    Transact,
    /// `POST /v1/transaction/{id}/capture` of one that was authorised before.
    Capture,
    /// `POST /v1/transaction/{id}/refund` of a small part, of one settled transaction after the other.
    Refund,
}

impl Kind {
    /// In the order of a round.
    pub(super) const ALL: [Self; 7] =
        [Self::Floor, Self::Tokenise, Self::Read, Self::Cvv, Self::Transact, Self::Capture, Self::Refund];
    /// Those that need nothing but cards.
    pub(super) const OF_CARDS: [Self; 5] =
        [Self::Floor, Self::Tokenise, Self::Read, Self::Cvv, Self::Transact];

    /// The scripts of wrk, by their names.
    pub(super) const SCRIPTS: [(&'static str, &'static str); 6] = [
        ("tokenise.lua", include_str!("tokenise.lua")),
        ("read.lua", include_str!("read.lua")),
        ("cvv.lua", include_str!("cvv.lua")),
        ("transact.lua", include_str!("transact.lua")),
        ("capture.lua", include_str!("capture.lua")),
        ("refund.lua", include_str!("refund.lua")),
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Tokenise => "tokenise",
            Self::Read => "read",
            Self::Cvv => "cvv",
            Self::Transact => "transact",
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }

    /// The floor is sent what is tokenised, so that the load generator has the same work.
    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::Floor | Self::Tokenise => "tokenise.lua",
            Self::Read => "read.lua",
            Self::Cvv => "cvv.lua",
            Self::Transact => "transact.lua",
            Self::Capture => "capture.lua",
            Self::Refund => "refund.lua",
        }
    }

    /// Whether it is a durable step, with work that follows the answer.
    pub(super) const fn writes(self) -> bool {
        match self {
            Self::Floor | Self::Read => false,
            Self::Tokenise | Self::Cvv | Self::Transact | Self::Capture | Self::Refund => true,
        }
    }
}

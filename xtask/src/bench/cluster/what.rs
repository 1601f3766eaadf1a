/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The requests of `Cvv`, answered with a constant by the listener of the API.
    Floor,
    /// `pgbench`: one row of a card's size an insert, with the key and the indexes that a card has.
    Rows,
    /// The same with the key alone.
    RowsOfKey,
    /// `POST /v1/card` without a CVV, by one node.
    Bare,
    /// `POST /v1/card` with a CVV, by one node.
    Cvv,
    /// `Bare` by a node that writes each request by itself.
    BareSingly,
    /// `Cvv` by a node that writes each request by itself.
    CvvSingly,
    /// `Bare` by three nodes at once.
    BareOfThree,
    /// `Cvv` by three nodes at once.
    CvvOfThree,
}

impl What {
    pub(super) const ALL: [Self; 9] = [
        Self::Floor,
        Self::Rows,
        Self::RowsOfKey,
        Self::Bare,
        Self::Cvv,
        Self::BareSingly,
        Self::CvvSingly,
        Self::BareOfThree,
        Self::CvvOfThree,
    ];

    /// In a table.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Rows => "pgbench, key and indexes of a card",
            Self::RowsOfKey => "pgbench, key alone",
            Self::Bare => "tokenise without CVV",
            Self::Cvv => "tokenise",
            Self::BareSingly => "tokenise without CVV, commit_rows_max = 1",
            Self::CvvSingly => "tokenise, commit_rows_max = 1",
            Self::BareOfThree => "tokenise without CVV, three nodes",
            Self::CvvOfThree => "tokenise, three nodes",
        }
    }

    /// In the JSON object.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Rows => "pgbench",
            Self::RowsOfKey => "pgbench_key_alone",
            Self::Bare => "tokenise_without_cvv",
            Self::Cvv => "tokenise",
            Self::BareSingly => "tokenise_without_cvv_singly",
            Self::CvvSingly => "tokenise_singly",
            Self::BareOfThree => "tokenise_without_cvv_three_nodes",
            Self::CvvOfThree => "tokenise_three_nodes",
        }
    }

    /// Whether a CVV is sent.
    pub(super) const fn has_cvv(self) -> bool {
        match self {
            Self::Floor | Self::Cvv | Self::CvvSingly | Self::CvvOfThree => true,
            Self::Rows | Self::RowsOfKey | Self::Bare | Self::BareSingly | Self::BareOfThree => false,
        }
    }
}

//! Choices by closed tables: the first row that fits gives the value.

use panvault_model::Brand;

/// What a table may go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    CaptureNow,
    RecurringType,
    ShopperInteraction,
    Brand,
    Cvv,
    ThreedAuthentication,
    NetworkTransactionId,
}

/// A table of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChoiceTable {
    pub(super) name: String,
    pub(super) by: Vec<Key>,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// One for each key; `None` is any.
    pub(super) keys: Vec<Option<String>>,
    pub(super) value: Choice,
}

/// What a row gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Text(String),
    Boolean(bool),
    Integer(u64),
}

impl Key {
    pub(super) const ALL: &'static [(&'static str, Self)] = &[
        ("capture_now", Self::CaptureNow),
        ("recurring_type", Self::RecurringType),
        ("shopper_interaction", Self::ShopperInteraction),
        ("brand", Self::Brand),
        ("cvv", Self::Cvv),
        ("threed_authentication", Self::ThreedAuthentication),
        ("network_transaction_id", Self::NetworkTransactionId),
    ];

    /// What it can be.
    pub(super) fn values(self) -> Vec<&'static str> {
        match self {
            Self::CaptureNow => vec!["true", "false"],
            Self::RecurringType => vec!["first", "repeat", "none"],
            Self::ShopperInteraction => vec!["ECOMMERCE", "MOTO", "POS", "none"],
            Self::Brand => Brand::ALL.iter().map(|brand| brand.as_str()).chain(["none"]).collect(),
            Self::Cvv | Self::ThreedAuthentication | Self::NetworkTransactionId => vec!["present", "absent"],
        }
    }
}

impl ChoiceTable {
    /// The value of the first row that fits; `None` where none does.
    pub(super) fn choose(&self, value: impl Fn(Key) -> &'static str) -> Option<&Choice> {
        let fits = |row: &&Row| {
            self.by
                .iter()
                .zip(&row.keys)
                .all(|(key, wanted)| wanted.as_deref().is_none_or(|one| one == value(*key)))
        };
        self.rows.iter().find(fits).map(|row| &row.value)
    }
}

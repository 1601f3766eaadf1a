//! What a description may put in the place of `{{…}}`: a closed list.

use super::act::ActName;

/// A value that a request may bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    CardNumber,
    CardLastFour,
    CardCvv,
    CardHolder,
    CardCryptogram,
    CardCryptogramEci,
    CardExpiryMonth,
    CardExpiryYear,
    Amount,
    Currency,
    Id,
    Refund,
    IdempotencyKey,
    Attempt,
    Act,
    MerchantReference,
    Reference,
    ActReference,
    Reason,
    DynamicDescriptor,
    CustomerIp,
    CaptureNow,
    NetworkTransactionId,
    ThreedEci,
    ThreedCavv,
    ThreedDsTransactionId,
    ThreedVersion,
    ThreedStatus,
    Setting(String),
    Secret(String),
    Table(String),
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// A month or year of two digits.
    Pad2,
    /// A year of four digits.
    Full,
    /// An amount in major units, with a point and as many decimals as the currency has.
    Decimal,
    /// In small letters.
    Lower,
    /// A number as a text.
    Text,
    /// The first so many characters.
    Cut(u8),
}

/// A field in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) field: Field,
    pub(super) filter: Option<Filter>,
}

/// Where in a request a placeholder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The path or query.
    Target,
    Header,
    Body,
    /// What an answer is compared with.
    Expected,
}

/// The names without a part of their own, in the order in which documentation has them.
pub(super) const FIELDS: &[(&str, Field)] = &[
    ("card.number", Field::CardNumber),
    ("card.last_four", Field::CardLastFour),
    ("card.cvv", Field::CardCvv),
    ("card.holder", Field::CardHolder),
    ("card.cryptogram", Field::CardCryptogram),
    ("card.cryptogram_eci", Field::CardCryptogramEci),
    ("card.expiry_month", Field::CardExpiryMonth),
    ("card.expiry_year", Field::CardExpiryYear),
    ("amount", Field::Amount),
    ("currency", Field::Currency),
    ("id", Field::Id),
    ("refund", Field::Refund),
    ("idempotency_key", Field::IdempotencyKey),
    ("attempt", Field::Attempt),
    ("act", Field::Act),
    ("merchant_reference", Field::MerchantReference),
    ("reference", Field::Reference),
    ("act_reference", Field::ActReference),
    ("reason", Field::Reason),
    ("dynamic_descriptor", Field::DynamicDescriptor),
    ("customer_ip", Field::CustomerIp),
    ("capture_now", Field::CaptureNow),
    ("network_transaction_id", Field::NetworkTransactionId),
    ("threed.eci", Field::ThreedEci),
    ("threed.cavv", Field::ThreedCavv),
    ("threed.ds_transaction_id", Field::ThreedDsTransactionId),
    ("threed.version", Field::ThreedVersion),
    ("threed.status", Field::ThreedStatus),
];

impl Placeholder {
    /// Reads what stands between the braces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, filter) = match text.split_once('|') {
            Some((name, filter)) => (name, Some(filter)),
            None => (text, None),
        };
        let field = Field::parse(name.trim()).ok_or_else(|| {
            format!("there is no {{{{{}}}}}; docs/processors.md lists what there is", name.trim())
        })?;
        let filter = filter.map(|filter| Filter::parse(filter.trim())).transpose()?;
        if let Some(filter) = filter
            && !field.takes(filter)
        {
            return Err(format!("{{{{{}}}}} cannot be written so", text.trim()));
        }
        Ok(Self { field, filter })
    }
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
            return Some(field.clone());
        }
        let (group, member) = name.split_once('.')?;
        match group {
            "settings" => Some(Self::Setting(member.to_owned())),
            "secrets" => Some(Self::Secret(member.to_owned())),
            "tables" => Some(Self::Table(member.to_owned())),
            _ => None,
        }
    }

    /// As a description has it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Setting(name) => format!("settings.{name}"),
            Self::Secret(name) => format!("secrets.{name}"),
            Self::Table(name) => format!("tables.{name}"),
            plain => {
                let found = FIELDS.iter().find(|(_, field)| field == plain);
                found.map_or_else(String::new, |(name, _)| (*name).to_owned())
            }
        }
    }

    fn takes(&self, filter: Filter) -> bool {
        match filter {
            Filter::Pad2 => matches!(self, Self::CardExpiryMonth | Self::CardExpiryYear),
            Filter::Full => matches!(self, Self::CardExpiryYear),
            Filter::Decimal => matches!(self, Self::Amount),
            Filter::Lower => matches!(self, Self::Currency),
            Filter::Text => matches!(
                self,
                Self::Amount
                    | Self::Attempt
                    | Self::CardExpiryMonth
                    | Self::CardExpiryYear
                    | Self::CaptureNow
            ),
            Filter::Cut(_) => matches!(
                self,
                Self::MerchantReference | Self::Reason | Self::DynamicDescriptor | Self::CardHolder
            ),
        }
    }

    /// Whether it stays secret: no place that anybody logs may have it.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(
            self,
            Self::CardNumber | Self::CardCvv | Self::CardHolder | Self::CardCryptogram | Self::Secret(_)
        )
    }

    /// Whether an act can have it.
    pub(super) const fn is_of(&self, act: ActName) -> bool {
        match self {
            Self::CardNumber
            | Self::CardLastFour
            | Self::CardCvv
            | Self::CardHolder
            | Self::CardCryptogram
            | Self::CardCryptogramEci
            | Self::CardExpiryMonth
            | Self::CardExpiryYear
            | Self::DynamicDescriptor
            | Self::CustomerIp
            | Self::CaptureNow
            | Self::NetworkTransactionId
            | Self::ThreedEci
            | Self::ThreedCavv
            | Self::ThreedDsTransactionId
            | Self::ThreedVersion
            | Self::ThreedStatus
            | Self::Table(_) => act.bears_card(),
            Self::Refund | Self::Reason => matches!(act, ActName::Refund | ActName::Ask),
            Self::Reference => !act.bears_card(),
            Self::ActReference => matches!(act, ActName::VoidCapture | ActName::Ask),
            Self::IdempotencyKey => !matches!(act, ActName::Ask),
            Self::Amount
            | Self::Attempt
            | Self::Currency
            | Self::Id
            | Self::Act
            | Self::MerchantReference
            | Self::Setting(_)
            | Self::Secret(_) => true,
        }
    }

    /// Whether it may stand there. In a header only what is printable ASCII by what it is; in the path nothing that is secret.
    pub(super) const fn may_stand(&self, place: Place) -> bool {
        match place {
            Place::Body => true,
            Place::Header => matches!(
                self,
                Self::Setting(_)
                    | Self::Secret(_)
                    | Self::Id
                    | Self::Refund
                    | Self::IdempotencyKey
                    | Self::Attempt
                    | Self::Act
                    | Self::Currency
                    | Self::Amount
            ),
            Place::Target => matches!(
                self,
                Self::Setting(_)
                    | Self::Id
                    | Self::Refund
                    | Self::Act
                    | Self::Reference
                    | Self::ActReference
                    | Self::MerchantReference
                    | Self::Currency
                    | Self::Amount
            ),
            Place::Expected => !self.is_secret() && !matches!(self, Self::Table(_)),
        }
    }
}

impl Place {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Target => "a path or query",
            Self::Header => "a header",
            Self::Body => "a body",
            Self::Expected => "what an answer is compared with",
        }
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "pad2" => Self::Pad2,
            "full" => Self::Full,
            "decimal" => Self::Decimal,
            "lower" => Self::Lower,
            "text" => Self::Text,
            other => {
                let many = other.strip_prefix("cut").filter(|many| !many.starts_with(['0', '+']));
                let many = many.and_then(|many| many.parse().ok());
                return many.map(Self::Cut).ok_or_else(|| {
                    format!("there is no |{other}; there are pad2, full, decimal, lower, text and cutN")
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/processors.md");

    const FILTERS: [(&str, Filter); 6] = [
        ("`pad2`", Filter::Pad2),
        ("`full`", Filter::Full),
        ("`decimal`", Filter::Decimal),
        ("`lower`", Filter::Lower),
        ("`text`", Filter::Text),
        ("`cutN`", Filter::Cut(1)),
    ];

    /// The cells of a placeholder's row on the page, but for what is said in words.
    fn row(name: &str, field: &Field) -> String {
        let acts: Vec<_> =
            ActName::SENT.iter().chain(&[ActName::Ask]).filter(|act| field.is_of(**act)).collect();
        let acts = match acts.len() {
            7 => "all".to_owned(),
            _ => acts.iter().map(|act| act.as_str()).collect::<Vec<_>>().join(", "),
        };
        let can_be_expected = field.may_stand(Place::Expected) && field.is_of(ActName::Ask);
        let places = [
            ("body", field.may_stand(Place::Body)),
            ("header", field.may_stand(Place::Header)),
            ("path", field.may_stand(Place::Target)),
            ("answer", can_be_expected),
        ];
        let places: Vec<_> = places.iter().filter(|(_, may)| *may).map(|(place, _)| *place).collect();
        let filters: Vec<_> =
            FILTERS.iter().filter(|(_, filter)| field.takes(*filter)).map(|(name, _)| *name).collect();
        let filters = if filters.is_empty() { "–".to_owned() } else { filters.join(", ") };
        format!("| `{{{{{name}}}}}` | {acts} | {} | {filters} |", places.join(", "))
    }

    #[test]
    fn the_table_of_placeholders_says_what_each_may() {
        let groups = [
            ("settings.NAME", Field::Setting(String::new())),
            ("secrets.NAME", Field::Secret(String::new())),
            ("tables.NAME", Field::Table(String::new())),
        ];
        let rows: Vec<_> = FIELDS.iter().chain(&groups).map(|(name, field)| row(name, field)).collect();
        let missing: Vec<_> =
            rows.iter().filter(|row| !PAGE.lines().any(|line| line.starts_with(row.as_str()))).collect();
        assert!(missing.is_empty(), "the page has other rows than these: {missing:#?}");
        let (_, part) = PAGE.split_once("| placeholder | acts | where | written | |\n").unwrap();
        let documented = part.lines().skip(1).take_while(|line| line.starts_with('|')).count();
        assert_eq!(documented, rows.len());
    }
}

//! What is set of a processor that goes by a description.

use crate::card_http::limits::{SECRET_BYTES_MAX, SETTING_BYTES_MAX};

/// Something that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As the API has it.
    pub name: String,
    /// Whether it may be shown.
    pub kind: SettingKind,
    /// Whether there is no processor without it.
    pub required: bool,
    /// What it is, in words.
    pub words: Option<String>,
    pub(super) pattern: Pattern,
    pub(super) values: Vec<String>,
    pub(super) starts_with: Vec<String>,
}

/// Whether a setting may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// It may.
    Text,
    /// It is sealed, and never shown again.
    Secret,
}

/// Of what a value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Printable ASCII, no space at either end.
    Text,
    /// Letters, digits, `-`, `_` and `.`.
    Token,
    /// A label of a host name: small letters, digits, and `-` between them.
    Label,
    Digits,
}

/// What is wrong with a setting; never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {words}")]
pub struct SettingFault {
    /// Of the setting.
    pub name: String,
    /// A clause that goes on from the name.
    pub words: String,
}

impl SettingFault {
    pub(super) fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), words: "is not a setting of this type".to_owned() }
    }
}

impl Setting {
    pub(super) fn judge(&self, value: &[u8]) -> Option<SettingFault> {
        let fault = |words: String| Some(SettingFault { name: self.name.clone(), words });
        let bytes_max = match self.kind {
            SettingKind::Text => SETTING_BYTES_MAX,
            SettingKind::Secret => SECRET_BYTES_MAX,
        };
        if value.is_empty() || value.len() > bytes_max {
            return fault(format!("must have 1 to {bytes_max} bytes"));
        }
        if !self.pattern.fits(value) {
            return fault(format!("must be {}", self.pattern.words()));
        }
        if !self.values.is_empty() && !self.values.iter().any(|one| one.as_bytes() == value) {
            return fault(format!("must be one of {}", self.values.join(", ")));
        }
        if !self.starts_with.is_empty()
            && !self.starts_with.iter().any(|one| value.starts_with(one.as_bytes()))
        {
            return fault(format!("must begin with {}", self.starts_with.join(" or ")));
        }
        None
    }
}

impl Pattern {
    pub(super) const ALL: &'static [(&'static str, Self)] =
        &[("text", Self::Text), ("token", Self::Token), ("label", Self::Label), ("digits", Self::Digits)];

    pub(super) fn fits(self, value: &[u8]) -> bool {
        let all = |fits: fn(u8) -> bool| value.iter().all(|byte| fits(*byte));
        let ends = |with: u8| value.first() == Some(&with) || value.last() == Some(&with);
        match self {
            Self::Text => all(|byte| (b' '..=b'~').contains(&byte)) && !ends(b' '),
            Self::Token => all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            Self::Label => {
                value.len() <= 40
                    && all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                    && !ends(b'-')
            }
            Self::Digits => all(|byte| byte.is_ascii_digit()),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Text => "printable ASCII without spaces at its ends",
            Self::Token => "letters, digits, dots, dashes and underscores",
            Self::Label => "a part of a host name: up to 40 small letters, digits and dashes between them",
            Self::Digits => "digits",
        }
    }
}

//! Texts that are stored in clear, and what they may be.

use panvault_card::holds_card_number;
use panvault_model::Currency;
use panvault_store::StoreFault;
use panvault_store::limits::{PAIRS_MAX, TEXT_BYTES_MAX as STORED_BYTES_MAX};

use crate::error::VaultError;
use crate::limits::{DETAILS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// Says what is wrong with a name of an organisation, account, processor or API key.
pub fn name_fits(name: &str) -> Result<(), VaultError> {
    if name.trim().is_empty() {
        return Err(VaultError::field("name", "must not be empty"));
    }
    text_fits("name", name, NAME_BYTES_MAX)
}

/// Says what is wrong with the description of an account.
pub fn description_fits(description: &str) -> Result<(), VaultError> {
    text_fits("description", description, TEXT_BYTES_MAX)
}

/// Says what is wrong with the currency of an account: money must be paid in it. ISO 4217 also has codes of metals, funds and
/// tests, and keeps those of currencies that are no more.
pub fn currency_fits(currency: Currency) -> Result<(), VaultError> {
    let is_payable = iso_currency::Currency::from_code(currency.as_str())
        .is_some_and(|iso| !iso.is_special() && !iso.is_fund() && iso.is_superseded().is_none());
    if is_payable {
        Ok(())
    } else {
        let what = "must be the code of a currency in use (ISO 4217), such as EUR";
        Err(VaultError::field("currency_code", what))
    }
}

/// Details of an organisation.
pub(crate) fn details_fit(details: &[(String, String)]) -> Result<(), VaultError> {
    if details.len() > DETAILS_MAX {
        return Err(VaultError::field("details", "are too many"));
    }
    details.iter().try_for_each(|(name, value)| {
        text_fits("details", name, NAME_BYTES_MAX)?;
        text_fits("details", value, TEXT_BYTES_MAX)
    })
}

/// Text that is stored in clear: of a bounded length, on one line, and no card number.
pub(crate) fn text_fits(field: &'static str, text: &str, bytes_max: usize) -> Result<(), VaultError> {
    if text.len() > bytes_max {
        Err(VaultError::field(field, format_args!("must be at most {bytes_max} bytes")))
    } else if text.chars().any(char::is_control) {
        Err(VaultError::field(field, "must not hold control characters"))
    } else if holds_card_number(text) {
        Err(VaultError::field(field, "looks like it holds a card number"))
    } else {
        Ok(())
    }
}

/// Pairs that a row can hold at all. Whoever takes them in has smaller limits; a row past these could not be read again.
pub(crate) fn pairs_storable(pairs: &[(String, String)]) -> Result<(), VaultError> {
    if pairs.len() > PAIRS_MAX {
        return Err(VaultError::Store(StoreFault::TooLarge));
    }
    texts_storable(pairs.iter().flat_map(|(name, value)| [name.as_str(), value]))
}

/// Texts that a row can hold at all.
pub(crate) fn texts_storable<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), VaultError> {
    if texts.into_iter().any(|text| text.len() > STORED_BYTES_MAX) {
        return Err(VaultError::Store(StoreFault::TooLarge));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_255_pairs_of_64_kibibytes_less_one() {
        let pairs = |count, bytes| vec![("name".to_owned(), "a".repeat(bytes)); count];
        assert!(pairs_storable(&pairs(255, 1)).is_ok() && pairs_storable(&pairs(1, 65_535)).is_ok());
        for pairs in [pairs(256, 1), pairs(1, 65_536)] {
            assert!(matches!(pairs_storable(&pairs), Err(VaultError::Store(StoreFault::TooLarge))));
        }
    }
}

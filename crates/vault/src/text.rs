//! Texts that are stored in clear, and what they may be.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use panvault_card::holds_card_number;
use panvault_model::Currency;
use panvault_store::limits::{PAIRS_MAX, TEXT_BYTES_MAX as STORED_BYTES_MAX};
use panvault_store::{StoreFault, Webhooks};

use crate::error::{Faults, VaultError};
use crate::limits::{DETAILS_MAX, NAME_BYTES_MAX, ORIGIN_BYTES_MAX, TEXT_BYTES_MAX, WEBHOOK_BYTES_MAX};
use crate::webhook::Deliveries;

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

/// Says what is wrong with a web origin (RFC 6454, section 6.2): the scheme and host of a page, and its port where that is not the
/// scheme's own, as browsers write them in the header `Origin`.
pub fn origin_fits(field: &'static str, origin: &str) -> Result<(), VaultError> {
    let (default_port, authority) = if let Some(authority) = origin.strip_prefix("https://") {
        ("443", authority)
    } else if let Some(authority) = origin.strip_prefix("http://") {
        ("80", authority)
    } else {
        ("", "")
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let name = |host: &str| {
        !host.is_empty()
            && host.split('.').all(|label| {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
            })
    };
    let address = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inside.is_some_and(|inside| {
            inside.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == inside)
        })
    };
    let port_fits = port.is_none_or(|port| {
        port != default_port
            && port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port)
    });
    if origin.len() <= ORIGIN_BYTES_MAX && port_fits && (name(host) || address(host)) {
        return text_fits(field, origin, ORIGIN_BYTES_MAX);
    }
    let what = "must be web origins as browsers write them: https:// or http://, a host in lower case, and a port \
                that is not the usual one; nothing behind it, and no *";
    Err(VaultError::field(field, what))
}

/// Notes what is wrong with the addresses of webhooks.
pub(crate) fn webhooks_fit(
    webhooks: &Webhooks,
    deliveries: &Deliveries,
    faults: &mut Faults,
) -> Result<(), VaultError> {
    let Webhooks { transaction_update, refund_update, chargeback_update } = webhooks;
    for (field, address) in [
        ("webhook_transaction_update", transaction_update),
        ("webhook_refund_update", refund_update),
        ("webhook_chargeback_update", chargeback_update),
    ] {
        let Some(address) = address else { continue };
        if let Some(fault) = deliveries.refuses(address) {
            faults.field(field, fault);
        } else {
            faults.note(text_fits(field, address, WEBHOOK_BYTES_MAX))?;
        }
    }
    Ok(())
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
pub(crate) fn text_fits(
    field: impl Into<Cow<'static, str>>,
    text: &str,
    bytes_max: usize,
) -> Result<(), VaultError> {
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
    fn an_origin_is_what_a_browser_writes() {
        for origin in [
            "https://shop.example",
            "https://shop.example:8443",
            "http://localhost:3000",
            "http://127.0.0.1:8420",
            "http://[::1]:8420",
            "https://xn--nxasmq6b.example",
        ] {
            assert!(origin_fits("allowed_origins", origin).is_ok(), "{origin}");
        }
        for wrong in [
            "",
            "null",
            "*",
            "https://*",
            "https://",
            "shop.example",
            "//shop.example",
            "ftp://shop.example",
            "https://shop.example/",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://Shop.example",
            "https://shop.example:",
            "https://shop.example:0",
            "https://shop.example:08443",
            "https://a:b@shop.example",
            "https://shop..example",
            "https://shop.example?x",
            "https://shop.example:99999",
            "https://[::1",
            "https://[0:0:0:0:0:0:0:1]",
            "https://shop example",
            "https://sh\u{f6}p.example",
            " https://shop.example",
        ] {
            assert!(origin_fits("allowed_origins", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_holds_255_pairs_of_64_kibibytes_less_one() {
        let pairs = |count, bytes| vec![("name".to_owned(), "a".repeat(bytes)); count];
        assert!(pairs_storable(&pairs(255, 1)).is_ok() && pairs_storable(&pairs(1, 65_535)).is_ok());
        for pairs in [pairs(256, 1), pairs(1, 65_536)] {
            assert!(matches!(pairs_storable(&pairs), Err(VaultError::Store(StoreFault::TooLarge))));
        }
    }
}

//! What a description says of the PSP as a whole.

use panvault_model::Currency;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use toml::de::DeValue;

use super::Beside;
use super::members::{Located, Members, Reader};
use crate::card_http::description::{NotificationSetup, Roots};
use crate::card_http::setting::{Pattern, Setting, SettingKind};
use crate::card_http::table::{Choice, ChoiceTable, Key, Row};
use crate::card_http::template::Template;
use crate::notification::NotificationScheme;

/// A name of our own: small letters, digits and `_`, a letter first.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(super) const NAME: &str = "a name must have up to 40 small letters, digits and _, a letter first";

pub(super) fn name(members: &mut Members<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let value = members.required("name", reader)?;
    reader.parsed(value, |text| match text {
        "dummy" | "route" | "http" => Err(format!("{text:?} is the name of another type of processor")),
        _ if is_name(text) => Ok(text.to_owned()),
        _ => Err(NAME.to_owned()),
    })
}

/// `"web"`, or a file of certificates beside the description.
pub(super) fn roots(members: &mut Members<'_>, reader: &mut Reader<'_>, beside: Beside<'_>) -> Option<Roots> {
    let Some(value) = members.take("roots") else { return Some(Roots::Web) };
    reader.parsed(value, |text| {
        if text == "web" {
            return Ok(Roots::Web);
        }
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Err("roots must be web, or the name of a file beside this one".to_owned());
        }
        let bytes = beside(text)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let certificates = read.map_err(|_| format!("{text} is no file of certificates in PEM"))?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|_| format!("{text} has a certificate that cannot be trusted"))?;
        }
        if store.is_empty() {
            Err(format!("{text} has no certificate"))
        } else {
            Ok(Roots::These(certificates))
        }
    })
}

/// Decimals of currencies that the PSP counts otherwise than ISO 4217.
pub(super) fn exponents(members: &mut Members<'_>, reader: &mut Reader<'_>) -> Vec<(Currency, u8)> {
    let Some(table) = members.take("exponents").and_then(|value| reader.table(value)) else {
        return Vec::new();
    };
    let mut exponents = Vec::new();
    for (name, at, value) in table.all() {
        let currency = Currency::parse(name).filter(|currency| currency.exponent().is_some());
        let exponent =
            reader.number(value).and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= 4);
        match (currency, exponent) {
            (Some(currency), Some(exponent)) => exponents.push((currency, exponent)),
            (None, _) => reader.fault(at, format!("{name:?} is no currency of ISO 4217")),
            (_, None) => reader.fault(at, "a currency has 0 to 4 decimals".to_owned()),
        }
    }
    exponents
}

pub(super) fn settings(members: &mut Members<'_>, reader: &mut Reader<'_>) -> Vec<Setting> {
    let Some(table) = members.take("settings").and_then(|value| reader.table(value)) else {
        return Vec::new();
    };
    let mut settings = Vec::new();
    for (name, at, value) in table.all() {
        if !is_name(name) {
            reader.fault(at, NAME.to_owned());
        }
        if let Some(mut members) = reader.table(value) {
            settings.extend(setting(name, &mut members, reader));
            members.end(reader);
        }
    }
    settings
}

fn setting(name: &str, members: &mut Members<'_>, reader: &mut Reader<'_>) -> Option<Setting> {
    let kinds = [("text", SettingKind::Text), ("secret", SettingKind::Secret)];
    let kind = members.required("kind", reader).and_then(|value| reader.choice(value, &kinds));
    let required = members.take("required").and_then(|value| reader.boolean(value)).unwrap_or(false);
    let words = members.take("words").and_then(|value| reader.text(value));
    let pattern = members.take("pattern").and_then(|value| reader.choice(value, Pattern::ALL));
    let pattern = pattern.unwrap_or(Pattern::Text);
    let mut some = |member| members.take(member).and_then(|value| reader.texts(value)).unwrap_or_default();
    let (values, starts_with) = (some("values"), some("starts_with"));
    if let Some(value) = values.iter().chain(&starts_with).find(|value| !pattern.fits(value.as_bytes())) {
        reader.fault(members.at(), format!("{value:?} does not fit the pattern"));
    }
    Some(Setting { name: name.to_owned(), kind: kind?, required, words, pattern, values, starts_with })
}

/// How the PSP tells by itself what became of acts, if it does.
pub(super) fn notification(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
    settings: &[Setting],
) -> Option<NotificationSetup> {
    let mut members = reader.table(members.take("notification")?)?;
    let schemes = NotificationScheme::ALL.map(|scheme| (scheme.name(), scheme));
    let scheme = members.required("scheme", reader).and_then(|value| reader.choice(value, &schemes));
    let mut setting = |value: Located<'_>, kind, what| {
        let is_there = |text: &str| settings.iter().any(|one| one.name == text && one.kind == kind);
        let unknown = |text: &str| format!("{text:?}: there is no such {what}");
        reader.parsed(value, |text| if is_there(text) { Ok(text.to_owned()) } else { Err(unknown(text)) })
    };
    let (secret, account) = (members.take("secret"), members.take("account"));
    let named = secret.map(|value| setting(value, SettingKind::Secret, "setting of kind secret"));
    let of_account = account.map(|value| setting(value, SettingKind::Text, "setting of kind text"));
    if secret.is_none() {
        reader.fault(members.at(), "secret is missing".to_owned());
    }
    match (scheme, account) {
        (Some(scheme), None) if scheme.names_account() => {
            let words = format!("account is missing: notifications of {} name one", scheme.name());
            reader.fault(members.at(), words);
        }
        (Some(scheme), Some(value)) if !scheme.names_account() => {
            reader.fault(value.span().start, format!("notifications of {} name no account", scheme.name()));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    members.end(reader);
    Some(NotificationSetup { scheme: scheme?, secret: named??, account: of_account.flatten() })
}

/// An origin and where it stands.
pub(super) type LocatedOrigin = (Template, usize);

/// The origins for test and for live vaults, each with its place.
pub(super) fn origins(
    members: &mut Members<'_>,
    reader: &mut Reader<'_>,
) -> (Option<LocatedOrigin>, Option<LocatedOrigin>) {
    let Some(value) = members.required("origins", reader) else { return (None, None) };
    let Some(mut members) = reader.table(value) else { return (None, None) };
    let mut one = |name| {
        let value = members.take(name)?;
        Some((reader.parsed(value, Template::parse)?, value.span().start))
    };
    let origins = (one("test"), one("live"));
    if origins.0.is_none() && origins.1.is_none() {
        reader.fault(members.at(), "there must be an origin: test, live or both".to_owned());
    }
    members.end(reader);
    origins
}

pub(super) fn tables(members: &mut Members<'_>, reader: &mut Reader<'_>) -> Vec<ChoiceTable> {
    let Some(table) = members.take("tables").and_then(|value| reader.table(value)) else { return Vec::new() };
    let mut tables = Vec::new();
    for (name, at, value) in table.all() {
        if !is_name(name) {
            reader.fault(at, NAME.to_owned());
        }
        if let Some(mut members) = reader.table(value) {
            tables.extend(choice_table(name, &mut members, reader));
            members.end(reader);
        }
    }
    tables
}

fn choice_table(name: &str, members: &mut Members<'_>, reader: &mut Reader<'_>) -> Option<ChoiceTable> {
    let by = members.required("by", reader).and_then(|value| {
        let items =
            if matches!(value.get_ref(), DeValue::Array(_)) { reader.list(value)? } else { vec![value] };
        items.into_iter().map(|item| reader.choice(item, Key::ALL)).collect::<Option<Vec<_>>>()
    });
    let rows = members.required("rows", reader).and_then(|value| reader.list(value));
    let (by, rows) = (by?, rows?);
    let rows = rows.into_iter().filter_map(|row| choice_row(&by, row, reader)).collect();
    Some(ChoiceTable { name: name.to_owned(), by, rows })
}

fn choice_row(by: &[Key], row: Located<'_>, reader: &mut Reader<'_>) -> Option<Row> {
    let mut cells = reader.list(row)?;
    if cells.len() != by.len() + 1 {
        return reader
            .must_be(row, &format!("{} values: one for each of by, and what it gives", by.len() + 1));
    }
    let value = cells.pop()?;
    let mut keys = Vec::new();
    for (key, cell) in by.iter().zip(cells) {
        let text = reader.text(cell)?;
        if text != "*" && !key.values().contains(&text.as_str()) {
            reader
                .fault(cell.span().start, format!("{text:?} must be one of *, {}", key.values().join(", ")));
            return None;
        }
        keys.push((text != "*").then_some(text));
    }
    let value = match value.get_ref() {
        DeValue::Boolean(boolean) => Choice::Boolean(*boolean),
        DeValue::Integer(_) => Choice::Integer(reader.number(value)?),
        _ => Choice::Text(reader.text(value)?),
    };
    Some(Row { keys, value })
}

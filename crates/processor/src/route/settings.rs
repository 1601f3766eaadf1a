//! Routes as settings of a processor: `routes.0.processor`, `routes.0.brands` and so on, the values of a list one in a line.

use core::fmt::Display;
use std::collections::BTreeMap;

use panvault_card::holds_card_number;
use panvault_model::{Amount, Brand, Country, Currency, ProcessorId};

use super::{ROUTE_AGAIN_BYTES_MAX, ROUTE_AGAIN_MAX, ROUTE_CODES_MAX, ROUTES_MAX, Route, RouteConfiguration};
use crate::configuration::ConfigurationFault;

const ROUTES: &str = "routes";
const PROCESSOR: &str = "processor";
const BRANDS: &str = "brands";
const CURRENCIES: &str = "currencies";
const AMOUNT_MIN: &str = "amount_min";
const AMOUNT_MAX: &str = "amount_max";
const ISSUER_COUNTRIES: &str = "issuer_countries";
const PERCENTAGE: &str = "percentage";
const AGAIN_AFTER: &str = "again_after";
const MEMBERS: [&str; 8] =
    [PROCESSOR, BRANDS, CURRENCIES, AMOUNT_MIN, AMOUNT_MAX, ISSUER_COUNTRIES, PERCENTAGE, AGAIN_AFTER];

/// What is between the values of a list: no value has it.
const SEPARATOR: &str = "\n";

impl RouteConfiguration {
    /// Whether a setting is of routes, or all of them.
    pub fn is_setting(name: &str) -> bool {
        name == ROUTES || name.strip_prefix(ROUTES).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether settings of a `card_route` name a processor.
    pub fn name_processor(settings: &[(String, String)], processor: ProcessorId) -> bool {
        let is_it = |(name, value): &(String, String)| {
            matches!(place(name), Some((_, PROCESSOR))) && ProcessorId::parse(value) == Ok(processor)
        };
        settings.iter().any(is_it)
    }

    /// Reads settings, given or stored. Every fault of them.
    pub fn read(settings: &[(String, String)]) -> Result<Self, Vec<ConfigurationFault>> {
        let mut faults = Vec::new();
        let mut found = BTreeMap::<usize, BTreeMap<&str, &str>>::new();
        for (name, value) in settings {
            match place(name) {
                Some((at, member)) => drop(found.entry(at).or_default().insert(member, value.as_str())),
                None if name == ROUTES => {}
                None => faults.push(ConfigurationFault::unknown(name)),
            }
        }
        let many = found.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        if many == 0 || many > ROUTES_MAX {
            faults.push(ConfigurationFault::of(ROUTES, format!("must be 1 to {ROUTES_MAX} routes")));
            return Err(faults);
        }
        let mut routes = Vec::with_capacity(many);
        for at in 0..many {
            let members = found.remove(&at).unwrap_or_default();
            let Some(route) = route(at, &members, &mut faults) else { continue };
            if routes.iter().any(|earlier: &Route| earlier.processor == route.processor) {
                faults.push(fault(at, PROCESSOR, "is named by an earlier route"));
            }
            routes.push(route);
        }
        if faults.is_empty() { Ok(Self { routes }) } else { Err(faults) }
    }

    /// As they are stored.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        for (at, route) in self.routes.iter().enumerate() {
            let mut put = |member, value: Option<String>| {
                settings.extend(value.map(|value| (named(at, member), value)));
            };
            put(PROCESSOR, Some(route.processor.to_string()));
            put(BRANDS, listed(&route.brands));
            put(CURRENCIES, listed(&route.currencies));
            put(AMOUNT_MIN, route.amount_min.map(|amount| amount.minor_units().to_string()));
            put(AMOUNT_MAX, route.amount_max.map(|amount| amount.minor_units().to_string()));
            put(ISSUER_COUNTRIES, listed(&route.issuer_countries));
            put(PERCENTAGE, route.percentage.map(|percentage| percentage.to_string()));
            put(AGAIN_AFTER, listed(&route.again_after));
        }
        settings
    }
}

/// Of which route a setting is, from 0, and which member of it.
fn place(name: &str) -> Option<(usize, &'static str)> {
    let (at, member) = name.strip_prefix(ROUTES)?.strip_prefix('.')?.split_once('.')?;
    let number: usize = at.parse().ok().filter(|number| *number < usize::from(u8::MAX))?;
    let member = MEMBERS.into_iter().find(|known| *known == member)?;
    (number.to_string() == at).then_some((number, member))
}

fn named(at: usize, member: &str) -> String {
    format!("{ROUTES}.{at}.{member}")
}

fn listed<T: Display>(values: &[T]) -> Option<String> {
    let texts: Vec<_> = values.iter().map(T::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(SEPARATOR))
}

fn fault(at: usize, member: &str, reason: impl Into<String>) -> ConfigurationFault {
    ConfigurationFault::of(&named(at, member), reason.into())
}

/// A route of its members; `None` where no processor is read, which is a fault like any other.
fn route(at: usize, members: &BTreeMap<&str, &str>, faults: &mut Vec<ConfigurationFault>) -> Option<Route> {
    let mut judge = |member: &str, reason: String| faults.push(fault(at, member, reason));
    let processor = match members.get(PROCESSOR).map(|text| ProcessorId::parse(text)) {
        Some(Ok(processor)) => Some(processor),
        Some(Err(_)) => {
            judge(PROCESSOR, "must be an id: 24 lowercase hexadecimal digits".to_owned());
            None
        }
        None => {
            judge(PROCESSOR, "is required".to_owned());
            None
        }
    };
    let brands = list(members, BRANDS, &mut judge, Brand::ALL.len(), BRAND_EXPECTED, Brand::parse);
    let currency = |text: &str| Currency::parse(text).filter(|currency| currency.is_assigned());
    let currencies = list(members, CURRENCIES, &mut judge, ROUTE_CODES_MAX, CURRENCY_EXPECTED, currency);
    let countries =
        list(members, ISSUER_COUNTRIES, &mut judge, ROUTE_CODES_MAX, Country::EXPECTED, Country::parse);
    let again_after = list(members, AGAIN_AFTER, &mut judge, ROUTE_AGAIN_MAX, CODE_EXPECTED, code);
    let amount = |number: u32| Amount::new(number);
    let amount_min = number(members, AMOUNT_MIN, &mut judge, AMOUNT_EXPECTED, amount);
    let amount_max = number(members, AMOUNT_MAX, &mut judge, AMOUNT_EXPECTED, amount);
    if let (Some(least), Some(most)) = (amount_min, amount_max)
        && least > most
    {
        judge(AMOUNT_MAX, format!("must be {AMOUNT_MIN} at least"));
    }
    let percentage = |number: u32| u8::try_from(number).ok().filter(|percentage| *percentage <= 100);
    let percentage = number(members, PERCENTAGE, &mut judge, "must be a percentage, 0 to 100", percentage);
    Some(Route {
        processor: processor?,
        brands,
        currencies,
        amount_min,
        amount_max,
        issuer_countries: countries,
        percentage,
        again_after,
    })
}

const BRAND_EXPECTED: &str = "must be names of brands, such as Visa";
const CURRENCY_EXPECTED: &str = "must be codes of currencies (ISO 4217), such as EUR";
const CODE_EXPECTED: &str =
    "must be reason codes: letters, digits, and . _ - between them, at most 40 in each";
const AMOUNT_EXPECTED: &str = "must be an amount in minor units, 0 to 2147483647";

/// The values of a list, each once.
fn list<T: PartialEq>(
    members: &BTreeMap<&str, &str>,
    member: &str,
    judge: &mut impl FnMut(&str, String),
    most: usize,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let Some(text) = members.get(member) else { return Vec::new() };
    if text.is_empty() {
        judge(member, "must hold one at least, or be left out".to_owned());
        return Vec::new();
    }
    let texts: Vec<_> = text.split(SEPARATOR).collect();
    if texts.len() > most {
        judge(member, format!("has more than {most}"));
        return Vec::new();
    }
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        match read(text) {
            Some(value) if values.contains(&value) => {
                judge(member, "has one twice".to_owned());
                break;
            }
            Some(value) => values.push(value),
            None => {
                judge(member, expected.to_owned());
                break;
            }
        }
    }
    values
}

fn number<T>(
    members: &BTreeMap<&str, &str>,
    member: &str,
    judge: &mut impl FnMut(&str, String),
    expected: &str,
    read: impl Fn(u32) -> Option<T>,
) -> Option<T> {
    let text = members.get(member)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain).and_then(read);
    if number.is_none() {
        judge(member, expected.to_owned());
    }
    number
}

/// A code as processors answer it, which can be no card number.
fn code(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_code = (1..=ROUTE_AGAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
    (is_code && !holds_card_number(text)).then(|| text.to_owned())
}

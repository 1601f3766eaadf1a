//! `card_route`: at which processors a payment is tried, and in which order. It connects to nobody itself.

mod settings;

use panvault_model::{Amount, Brand, Country, Currency, ProcessorId, TransactionId};

/// Routes of one `card_route`.
pub const ROUTES_MAX: usize = 16;
/// Currencies or countries that a route names.
pub const ROUTE_CODES_MAX: usize = 64;
/// Reason codes that a route names.
pub const ROUTE_AGAIN_MAX: usize = 32;
/// Bytes of a reason code of a route.
pub const ROUTE_AGAIN_BYTES_MAX: usize = 40;

/// `configuration._type` of a route.
pub(crate) const TYPE: &str = "card_route";

/// Whether a processor of this type only says at which others a payment is tried.
pub fn is_route(type_name: &str) -> bool {
    type_name == TYPE
}

/// How a `card_route` is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfiguration {
    /// In the order in which they are tried; each names another processor.
    pub routes: Vec<Route>,
}

/// A processor, and which payments are tried there. What is left out holds for every payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where they are tried.
    pub processor: ProcessorId,
    /// With a card of one of these brands; empty for any.
    pub brands: Vec<Brand>,
    /// In one of these currencies; empty for any.
    pub currencies: Vec<Currency>,
    /// Of this amount at least, in minor units.
    pub amount_min: Option<Amount>,
    /// Of this amount at most, in minor units.
    pub amount_max: Option<Amount>,
    /// With a card that was issued in one of these countries; empty for any.
    pub issuer_countries: Vec<Country>,
    /// How many in a hundred of the payments that fit otherwise.
    pub percentage: Option<u8>,
    /// Reason codes of this processor: where it declines with one of them, the next is tried, without a CVV.
    pub again_after: Vec<String>,
}

/// What of a payment decides where it is tried.
#[derive(Clone, Copy, Debug)]
pub struct RoutedPayment {
    /// Whose share it falls into: [`share_of`].
    pub share: u8,
    /// Of the card; `None` where it is of none that is known.
    pub brand: Option<Brand>,
    /// Of the card's issuer; `None` where it is not known.
    pub issuer_country: Option<Country>,
    /// The account's.
    pub currency: Currency,
    /// In minor units.
    pub amount: Amount,
    /// The processor of the first of its series, of a later one.
    pub first: Option<ProcessorId>,
}

/// Which hundredth of all payments a transaction is of, 0 to 99. Its id ends with random bits, so that each has as many; it is the same however often it is
/// asked.
pub fn share_of(transaction: TransactionId) -> u8 {
    let random = transaction.as_bytes().last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    u8::try_from(random % 100).unwrap_or(0)
}

impl RouteConfiguration {
    /// The routes of a payment, in the order in which they are tried.
    ///
    /// Percentages divide what fits otherwise: of the hundredths, each route that has one takes the next so many, as far as there are any left. That of the
    /// processor that has the first of the series comes before all others, whatever its percentage.
    pub fn choose(&self, payment: &RoutedPayment) -> Vec<&Route> {
        let (mut chosen, mut given) = (Vec::new(), 0_u16);
        for route in self.routes.iter().filter(|route| route.fits(payment)) {
            let begin = given;
            given = given.saturating_add(route.percentage.unwrap_or(0).into());
            let is_drawn = route.percentage.is_none() || (begin..given).contains(&u16::from(payment.share));
            if payment.first == Some(route.processor) {
                chosen.insert(0, route);
            } else if is_drawn {
                chosen.push(route);
            }
        }
        chosen
    }
}

impl RouteConfiguration {
    /// Brands of cards with which a payment of this amount is tried anywhere: all of them where one of its routes names none.
    pub fn brands(&self, currency: Currency, amount: Amount) -> Vec<Brand> {
        let is_taken = |brand: &&Brand| {
            let takes = |route: &Route| route.is_of(currency, amount) && names(&route.brands, Some(**brand));
            self.routes.iter().any(takes)
        };
        Brand::ALL.iter().filter(is_taken).copied().collect()
    }
}

impl Route {
    /// Whether a payment is as it says, but for the percentage. What is not known of a card is none of what is named.
    fn fits(&self, payment: &RoutedPayment) -> bool {
        names(&self.brands, payment.brand)
            && names(&self.issuer_countries, payment.issuer_country)
            && self.is_of(payment.currency, payment.amount)
    }

    /// Whether it is for payments of this amount, whatever the card.
    fn is_of(&self, currency: Currency, amount: Amount) -> bool {
        names(&self.currencies, Some(currency))
            && self.amount_min.is_none_or(|least| amount >= least)
            && self.amount_max.is_none_or(|most| amount <= most)
    }
}

fn names<T: PartialEq>(named: &[T], value: Option<T>) -> bool {
    named.is_empty() || value.is_some_and(|value| named.contains(&value))
}

#[cfg(test)]
mod tests;

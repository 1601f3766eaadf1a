//! What an act brings: the values of placeholders.

use std::borrow::Cow;

use panvault_model::{Amount, Brand, Currency, RecurringType, ShopperInteraction};

use super::act::ActName;
use super::placeholder::{Field, Filter, Placeholder};
use super::table::{Choice, ChoiceTable, Key};
use crate::act::{Act, FollowUp};
use crate::outbound::{Order, Outbound};
use crate::secrets::Secrets;

/// What a placeholder brings.
pub(super) enum Value<'a> {
    /// A secret, borrowed from where it is wiped.
    Bytes(&'a [u8]),
    Text(Cow<'a, str>),
    Integer(u64),
    Boolean(bool),
}

/// What is known when a request is made.
pub(super) struct Facts<'a> {
    pub(super) name: ActName,
    pub(super) act: &'a Act,
    pub(super) settings: &'a [(String, String)],
    pub(super) secrets: &'a Secrets,
    pub(super) tables: &'a [ChoiceTable],
    pub(super) exponents: &'a [(Currency, u8)],
}

impl Value<'_> {
    pub(super) fn with_bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Bytes(bytes) => take(bytes),
            Self::Text(text) => take(text.as_bytes()),
            Self::Integer(number) => take(number.to_string().as_bytes()),
            Self::Boolean(true) => take(b"true"),
            Self::Boolean(false) => take(b"false"),
        }
    }
}

impl<'a> Facts<'a> {
    /// The value of a placeholder; `None` where the act brings none.
    pub(super) fn value(&self, placeholder: &Placeholder) -> Option<Value<'a>> {
        let value = match &placeholder.field {
            Field::Setting(name) => setting(self.settings, name),
            Field::Secret(name) => self.secrets.expose(name).map(Value::Bytes),
            Field::Table(name) => self.choice(name),
            Field::Amount if placeholder.filter == Some(Filter::Decimal) => {
                self.decimal().map(|text| Value::Text(text.into()))
            }
            Field::Amount => self.units().map(Value::Integer),
            Field::Currency => Some(Value::Text(self.currency().to_string().into())),
            Field::Id => Some(Value::Text(self.act.transaction_name().into())),
            Field::Act => Some(text(self.name.as_str())),
            Field::IdempotencyKey => self.idempotency_key().map(|key| Value::Text(key.into())),
            field => match self.act {
                Act::Authorise(outbound) => of_outbound(field, outbound),
                Act::Capture(of) | Act::Void(of) | Act::Refund(of) | Act::Ask(of) => of_follow_up(field, of),
            },
        }?;
        Some(match placeholder.filter {
            Some(filter) => filtered(value, filter),
            None => value,
        })
    }

    pub(super) fn amount(&self) -> (Amount, Currency) {
        match self.act {
            Act::Authorise(outbound) => (outbound.order().amount, outbound.order().currency),
            Act::Capture(of) | Act::Void(of) | Act::Refund(of) | Act::Ask(of) => (of.amount, of.currency),
        }
    }

    fn currency(&self) -> Currency {
        self.amount().1
    }

    fn exponent(&self) -> Option<u8> {
        let currency = self.currency();
        let own = self.exponents.iter().find(|(one, _)| *one == currency).map(|(_, exponent)| *exponent);
        own.or_else(|| currency.exponent())
    }

    /// The amount in the units that the PSP counts this currency in: most are those of ISO 4217. `None` where it has no such amount.
    pub(super) fn units(&self) -> Option<u64> {
        let (amount, currency) = self.amount();
        units(self.exponents, amount, currency)
    }

    fn decimal(&self) -> Option<String> {
        let (units, exponent) = (self.units()?, self.exponent()?);
        let part = 10_u64.checked_pow(u32::from(exponent))?;
        if exponent == 0 {
            return Some(units.to_string());
        }
        Some(format!("{}.{:0width$}", units / part, units % part, width = usize::from(exponent)))
    }

    pub(super) fn idempotency_key(&self) -> Option<String> {
        let (whose, attempt) = match self.act {
            Act::Authorise(outbound) => {
                (outbound.order().transaction.to_string(), outbound.order().try_number.into())
            }
            Act::Refund(of) => {
                (of.refund.map_or_else(|| of.transaction.to_string(), |id| id.to_string()), of.attempt)
            }
            Act::Capture(of) | Act::Void(of) => (of.transaction.to_string(), of.attempt),
            Act::Ask(_) => return None,
        };
        Some(format!("{whose}-{}-{attempt}", self.name.as_str()))
    }

    fn choice(&self, name: &str) -> Option<Value<'a>> {
        let Act::Authorise(outbound) = self.act else { return None };
        let table = self.tables.iter().find(|table| table.name == name)?;
        let chosen = table.choose(|key| key_text(key, outbound))?;
        Some(match chosen {
            Choice::Text(text) => Value::Text(text.as_str().into()),
            Choice::Boolean(boolean) => Value::Boolean(*boolean),
            Choice::Integer(number) => Value::Integer(*number),
        })
    }
}

/// An amount in the units that a PSP counts its currency in.
pub(super) fn units(exponents: &[(Currency, u8)], amount: Amount, currency: Currency) -> Option<u64> {
    let units = u64::from(amount.minor_units());
    let Some((_, theirs)) = exponents.iter().find(|(one, _)| *one == currency) else {
        return Some(units);
    };
    let ours = currency.exponent()?;
    match theirs.checked_sub(ours) {
        Some(more) => units.checked_mul(10_u64.checked_pow(u32::from(more))?),
        None => {
            let part = 10_u64.checked_pow(u32::from(ours.checked_sub(*theirs)?))?;
            units.is_multiple_of(part).then(|| units / part)
        }
    }
}

fn key_text(key: Key, outbound: &Outbound) -> &'static str {
    let order = outbound.order();
    let present = |there: bool| if there { "present" } else { "absent" };
    match key {
        Key::CaptureNow if order.capture_now => "true",
        Key::CaptureNow => "false",
        Key::RecurringType => order.recurring_type.map_or("none", RecurringType::as_str),
        Key::ShopperInteraction => order.shopper_interaction.map_or("none", ShopperInteraction::as_str),
        Key::Brand => outbound.brand().map_or("none", Brand::as_str),
        Key::Cvv => present(outbound.carries_cvv()),
        Key::ThreedAuthentication => present(order.threed_authentication.is_some()),
        Key::NetworkTransactionId => present(order.network_transaction_id.is_some()),
    }
}

fn of_outbound<'a>(field: &Field, outbound: &'a Outbound) -> Option<Value<'a>> {
    match field {
        Field::CardNumber => Some(Value::Bytes(outbound.expose_card_number())),
        Field::CardLastFour => outbound.expose_card_number().last_chunk::<4>().map(|four| Value::Bytes(four)),
        Field::CardCvv => outbound.expose_cvv().map(Value::Bytes),
        Field::CardHolder => outbound.expose_holder().map(|holder| Value::Bytes(holder.as_bytes())),
        Field::CardCryptogram => outbound.expose_cryptogram().map(Value::Bytes),
        Field::CardCryptogramEci => outbound.cryptogram_eci().map(text),
        Field::CardExpiryMonth => Some(Value::Integer(outbound.expiry().month().into())),
        Field::CardExpiryYear => Some(Value::Integer(outbound.expiry().year().into())),
        Field::Attempt => Some(Value::Integer(outbound.order().try_number.into())),
        other => of_order(other, outbound.order()),
    }
}

fn of_order<'a>(field: &Field, order: &'a Order) -> Option<Value<'a>> {
    let threed = order.threed_authentication.as_ref();
    match field {
        Field::MerchantReference => some_text(&order.merchant_reference),
        Field::DynamicDescriptor => some_text(&order.dynamic_descriptor),
        Field::CustomerIp => some_text(&order.customer_ip),
        Field::CaptureNow => Some(Value::Boolean(order.capture_now)),
        Field::NetworkTransactionId => optional(order.network_transaction_id.as_ref()),
        Field::ThreedEci => threed.map(|threed| text(&threed.eci)),
        Field::ThreedCavv => optional(threed.and_then(|threed| threed.cavv.as_ref())),
        Field::ThreedDsTransactionId => optional(threed.and_then(|threed| threed.ds_transaction_id.as_ref())),
        Field::ThreedVersion => optional(threed.and_then(|threed| threed.version.as_ref())),
        Field::ThreedStatus => optional(threed.and_then(|threed| threed.status.as_ref())),
        _ => None,
    }
}

fn of_follow_up<'a>(field: &Field, of: &'a FollowUp) -> Option<Value<'a>> {
    match field {
        Field::Refund => of.refund.map(|id| Value::Text(id.to_string().into())),
        Field::MerchantReference => some_text(&of.merchant_reference),
        Field::Reason => of.reason.as_deref().and_then(some_text),
        Field::Reference => optional(of.reference.as_ref()),
        Field::ActReference => optional(of.act_reference.as_ref()),
        Field::Attempt => Some(Value::Integer(of.attempt.into())),
        _ => None,
    }
}

fn setting<'a>(settings: &'a [(String, String)], name: &str) -> Option<Value<'a>> {
    settings.iter().find(|(known, _)| known == name).and_then(|(_, value)| some_text(value))
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

fn optional(value: Option<&String>) -> Option<Value<'_>> {
    value.map(|value| text(value))
}

/// What is empty was not given.
fn some_text(value: &str) -> Option<Value<'_>> {
    (!value.is_empty()).then(|| text(value))
}

fn filtered(value: Value<'_>, filter: Filter) -> Value<'_> {
    match (filter, value) {
        (Filter::Pad2, Value::Integer(number)) => Value::Text(format!("{:02}", number % 100).into()),
        (Filter::Full | Filter::Text, Value::Integer(number)) => Value::Text(number.to_string().into()),
        (Filter::Text, Value::Boolean(boolean)) => Value::Text(boolean.to_string().into()),
        (Filter::Lower, Value::Text(text)) => Value::Text(text.to_ascii_lowercase().into()),
        (Filter::Cut(many), Value::Text(text)) => {
            Value::Text(text.chars().take(many.into()).collect::<String>().into())
        }
        (Filter::Cut(many), Value::Bytes(bytes)) => Value::Bytes(cut(bytes, many.into())),
        (_, value) => value,
    }
}

/// The first so many characters of UTF-8.
fn cut(bytes: &[u8], many: usize) -> &[u8] {
    let Ok(text) = core::str::from_utf8(bytes) else { return bytes };
    let end = text.char_indices().nth(many).map_or(bytes.len(), |(at, _)| at);
    bytes.get(..end).unwrap_or(bytes)
}

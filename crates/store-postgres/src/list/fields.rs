use std::sync::Arc;

use panvault_model::{
    DeliveryStatus, EmailDigest, Fingerprint, Id, OrganisationId, RefundStatus, TransactionStatus,
};
use panvault_store::{
    CardField, CardRow, Chain, CheckoutField, CheckoutRow, CustomerField, CustomerRow, DeliveryField,
    DeliveryRow, FieldValue, Query, RefundField, RefundRow, Row, Table, TransactionField, TransactionRow,
};

use crate::list::Listed;
use crate::list::entries::Ranges;
use crate::read::of;
use crate::table::{Kind, Value, first_eight, reference};

type Values<'a> = &'a [FieldValue<'static>];

/// Texts among the values of a condition; what is none equals no field that has an index.
fn texts(values: Values<'_>) -> impl Iterator<Item = &str> {
    values.iter().filter_map(|value| match value {
        FieldValue::Text(text) => Some(text.as_ref()),
        FieldValue::Absent | FieldValue::Number(_) => None,
    })
}

/// Ids among them.
fn ids(values: Values<'_>) -> impl Iterator<Item = [u8; 12]> {
    texts(values).filter_map(|text| Id::parse(text).ok().map(|id| *id.as_bytes()))
}

/// Ids among them, as they stand in a column.
fn id_values(values: Values<'_>) -> impl Iterator<Item = Value> {
    ids(values).map(|id| Value::Bytes(id.to_vec()))
}

/// Statuses of a list of all of them, as they stand in a column, whose names are among the values.
fn statuses<S: Copy>(
    all: &'static [S],
    code: fn(S) -> u8,
    name: fn(S) -> &'static str,
    values: Values<'_>,
) -> impl Iterator<Item = Value> {
    let is_asked = move |status: &&S| texts(values).any(|text| text == name(**status));
    all.iter().filter(is_asked).map(move |status| Value::Int(i64::from(code(*status))))
}

const STATUS: (&str, Kind) = ("status", Kind::Int);
const ACCOUNT: (&str, Kind) = ("account", Kind::Bytes);

macro_rules! listed {
    ($row:ident of $variant:ident by $is_ours:ident) => {
        const TABLE: Table = Table::$variant;

        fn of(row: Row) -> Option<Arc<$row>> {
            of!($variant)(row)
        }

        fn organisation(row: &$row) -> OrganisationId {
            row.organisation
        }

        fn id(row: &$row) -> Id {
            row.id.0
        }

        fn is_ours(row: &$row, chain: &dyn Chain) -> bool {
            chain.$is_ours(row)
        }
    };
}

impl Listed for CardField {
    listed!(CardRow of Card by card_is_ours);

    fn indexed(query: &Query<Self>, _: &[OrganisationId], _: &dyn Chain) -> Option<Ranges> {
        let filter = query.indexed()?;
        if filter.field == Self::Id {
            return Some(Ranges::named(ids(&filter.values).collect()));
        }
        let prints = texts(&filter.values).filter_map(Fingerprint::parse);
        let prints = prints.map(|print| (None, Value::Int(first_eight(print.as_bytes()))));
        Some(Ranges::keyed(("fingerprint", Kind::Int), prints).or_in("fingerprint_before"))
    }
}

impl Listed for TransactionField {
    listed!(TransactionRow of Transaction by transaction_is_ours);

    fn indexed(query: &Query<Self>, organisations: &[OrganisationId], chain: &dyn Chain) -> Option<Ranges> {
        let filter = query.indexed()?;
        let values = filter.values.as_slice();
        if filter.field == Self::Id {
            return Some(Ranges::named(ids(values).collect()));
        }
        if filter.field == Self::Card {
            return Some(Ranges::owned(organisations, ("card", Kind::Bytes), id_values(values)));
        }
        if filter.field == Self::MerchantReference {
            let of = |whose: OrganisationId| {
                let references = texts(values).filter_map(move |text| reference(chain, whose, text));
                references.map(move |reference| (Some(whose), Value::Int(reference)))
            };
            let references = organisations.iter().flat_map(|whose| of(*whose));
            return Some(Ranges::keyed(("reference", Kind::Int), references));
        }
        if filter.field == Self::Account {
            return Some(Ranges::owned(organisations, ACCOUNT, id_values(values)));
        }
        let (code, name) = (TransactionStatus::code, TransactionStatus::as_str);
        let asked = statuses(TransactionStatus::ALL, code, name, values);
        Some(Ranges::owned(organisations, STATUS, asked))
    }
}

impl Listed for RefundField {
    listed!(RefundRow of Refund by refund_is_ours);

    fn indexed(query: &Query<Self>, organisations: &[OrganisationId], _: &dyn Chain) -> Option<Ranges> {
        let filter = query.indexed()?;
        let values = filter.values.as_slice();
        if filter.field == Self::Id {
            return Some(Ranges::named(ids(values).collect()));
        }
        if filter.field == Self::Transaction {
            return Some(Ranges::keyed(("payment", Kind::Bytes), id_values(values).map(|id| (None, id))));
        }
        if filter.field == Self::Account {
            return Some(Ranges::owned(organisations, ACCOUNT, id_values(values)));
        }
        let asked = statuses(RefundStatus::ALL, RefundStatus::code, RefundStatus::as_str, values);
        Some(Ranges::owned(organisations, STATUS, asked))
    }
}

impl Listed for CustomerField {
    listed!(CustomerRow of Customer by customer_is_ours);

    fn indexed(query: &Query<Self>, _: &[OrganisationId], _: &dyn Chain) -> Option<Ranges> {
        let filter = query.indexed()?;
        if filter.field == Self::Id {
            return Some(Ranges::named(ids(&filter.values).collect()));
        }
        let digests = texts(&filter.values).filter_map(EmailDigest::parse);
        let digests = digests.map(|digest| (None, Value::Bytes(digest.as_bytes().to_vec())));
        Some(Ranges::keyed(("email", Kind::Bytes), digests))
    }
}

impl Listed for CheckoutField {
    listed!(CheckoutRow of Checkout by checkout_is_ours);

    fn indexed(query: &Query<Self>, _: &[OrganisationId], _: &dyn Chain) -> Option<Ranges> {
        query.indexed().map(|filter| Ranges::named(ids(&filter.values).collect()))
    }
}

impl Listed for DeliveryField {
    listed!(DeliveryRow of Delivery by delivery_is_ours);

    fn indexed(query: &Query<Self>, organisations: &[OrganisationId], _: &dyn Chain) -> Option<Ranges> {
        let filter = query.indexed()?;
        let values = filter.values.as_slice();
        if filter.field == Self::Id {
            return Some(Ranges::named(ids(values).collect()));
        }
        if filter.field == Self::Transaction || filter.field == Self::Refund {
            return Some(Ranges::keyed(("object", Kind::Bytes), id_values(values).map(|id| (None, id))));
        }
        if filter.field == Self::Account {
            return Some(Ranges::owned(organisations, ACCOUNT, id_values(values)));
        }
        let asked = statuses(DeliveryStatus::ALL, DeliveryStatus::code, DeliveryStatus::as_str, values);
        Some(Ranges::owned(organisations, STATUS, asked))
    }
}

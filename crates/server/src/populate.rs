//! `_populate` of a list: objects in the place of the ids that name them, as far as the caller may read them.

use core::fmt;
use std::collections::BTreeMap;

use bytes::Bytes;
use panvault_model::{AccountId, CardId, CustomerId, Id, OrganisationId, TransactionId};
use panvault_vault::{
    AccountRead, Caller, CardRead, CustomerRead, OrganisationRead, TransactionRead, Vault, VaultError,
};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::answer::{Answer, TOO_LONG, object_body};
use crate::error::{ErrorCode, Refusal};
use crate::fault::Faults;
use crate::limits::LIST_ANSWER_BYTES_MAX;
use crate::object::account::Account;
use crate::object::card::Card;
use crate::object::customer::Customer;
use crate::object::organisation::Organisation;
use crate::object::transaction::Transaction;
use crate::object::{Object, ObjectSpec};

/// A member that holds an id, and what that names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    member: &'static str,
    kind: Kind,
}

/// What an id names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Card,
    Customer,
    Transaction,
    Account,
    Organisation,
}

/// Every member that may be populated, of whatever object.
const REFERENCES: [Reference; 6] = [
    Reference { member: "card", kind: Kind::Card },
    Reference { member: "customer", kind: Kind::Customer },
    Reference { member: "transaction", kind: Kind::Transaction },
    Reference { member: "account", kind: Kind::Account },
    Reference { member: "organisation", kind: Kind::Organisation },
    Reference { member: "parent_id", kind: Kind::Organisation },
];

/// Those that an object has.
fn references(object: &ObjectSpec) -> impl Iterator<Item = Reference> {
    let has = |member| object.members().any(|known| known.name == member);
    REFERENCES.into_iter().filter(move |reference| has(reference.member))
}

/// What a query wants populated, in a list of these objects.
pub(crate) fn read(list: &ObjectSpec, query: Option<&str>, faults: &mut Faults) -> Vec<Reference> {
    let mut wanted = Vec::new();
    let sent = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    for (_, value) in sent.filter(|(name, _)| name == "_populate") {
        for member in value.split(',') {
            match references(list).find(|reference| reference.member == member) {
                Some(known) if wanted.contains(&known) => {}
                Some(known) => wanted.push(known),
                None => {
                    let names: Vec<_> = references(list).map(|reference| reference.member).collect();
                    faults.malformed("query._populate", format!("takes {}", names.join(", ")));
                }
            }
        }
    }
    wanted
}

/// The answer of a list with its ids populated. What the caller does not see, or is no longer there, stays an id.
pub(crate) async fn populated(
    vault: &Vault,
    caller: &Caller,
    wanted: &[Reference],
    answer: Answer,
) -> Result<Answer, Refusal> {
    let mut objects = BTreeMap::new();
    let mut out = Vec::with_capacity(answer.body.len());
    out.push(b'[');
    let mut rest: &[u8] = answer.body.get(1..).unwrap_or_default();
    while rest.first() == Some(&b'{') {
        let mut rows = serde_json::Deserializer::from_slice(rest).into_iter::<Members<'_>>();
        // What we wrote ourselves can be read.
        let Some(Ok(Members(members))) = rows.next() else { return Err(Refusal::new(ErrorCode::Internal)) };
        rest = rest.get(rows.byte_offset().saturating_add(1)..).unwrap_or_default();
        if out.len() > 1 {
            out.push(b',');
        }
        for (at, (name, value)) in members.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            let reference = wanted.iter().find(|reference| reference.member == name);
            let object = match reference.zip(id(value)) {
                Some((reference, id)) => object(vault, caller, reference.kind, id, &mut objects).await?,
                None => None,
            };
            out.extend_from_slice(object.as_deref().unwrap_or(value.get().as_bytes()));
        }
        out.push(b'}');
        if out.len() >= LIST_ANSWER_BYTES_MAX {
            return Err(Refusal::with(ErrorCode::Malformed, "query._limit", TOO_LONG));
        }
    }
    out.push(b']');
    // What is held of it is what it is.
    out.shrink_to_fit();
    Ok(Answer { body: out.into(), ..answer })
}

fn id(value: &RawValue) -> Option<Id> {
    Id::parse(value.get().trim_matches('"')).ok()
}

/// The object that an id names, which is read once for a page.
async fn object(
    vault: &Vault,
    caller: &Caller,
    kind: Kind,
    id: Id,
    objects: &mut BTreeMap<(Kind, Id), Option<Bytes>>,
) -> Result<Option<Bytes>, Refusal> {
    if let Some(known) = objects.get(&(kind, id)) {
        return Ok(known.clone());
    }
    // A page may name a thousand.
    tokio::task::consume_budget().await;
    let shown = match shown(vault, caller, kind, id).await {
        Ok(shown) => Some(Bytes::from(shown)),
        Err(VaultError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    objects.insert((kind, id), shown.clone());
    Ok(shown)
}

/// The object as its own endpoint shows it, for who may ask that.
async fn shown(vault: &Vault, caller: &Caller, kind: Kind, id: Id) -> Result<Vec<u8>, VaultError> {
    Ok(match kind {
        Kind::Card => {
            let view = vault.card_read(&caller.permit::<CardRead>()?, CardId(id)).await?;
            object_body(|json| Card::write::<true>(&view, json))
        }
        Kind::Customer => {
            let view = vault.customer_read(&caller.permit::<CustomerRead>()?, CustomerId(id)).await?;
            object_body(|json| Customer::write::<true>(&view, json))
        }
        Kind::Transaction => {
            let permit = caller.permit::<TransactionRead>()?;
            let row = vault.transaction_read(&permit, TransactionId(id)).await?;
            object_body(|json| Transaction::write::<true>(&row, json))
        }
        Kind::Account => {
            let row = vault.account_read(&caller.permit::<AccountRead>()?, AccountId(id))?;
            let view = vault.account_view(row);
            object_body(|json| Account::write::<true>(&view, json))
        }
        Kind::Organisation => {
            let permit = caller.permit::<OrganisationRead>()?;
            let row = vault.organisation_read(&permit, OrganisationId(id))?;
            object_body(|json| Organisation::write::<true>(&row, json))
        }
    })
}

/// The members of an object in their order, as they are written. Their names are ours, and have no escapes.
struct Members<'b>(Vec<(&'b str, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(&'de str, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(InOrder).map(Self)
    }
}

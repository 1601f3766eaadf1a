//! Effects, and the rows about CVVs and nodes, as they are on disks.

use core::fmt::Debug;
use std::path::Path;

use panvault_model::{ApiKeyId, CardId, Id, NodeId, RefundId, Tag, Timestamp, TransactionId};
use panvault_store::codec::Reader;
use panvault_store::{CardCvvRow, DocumentKind, Effect, IdempotencyKey, NodeRow, RowFault, RowKey};

/// What is encoded is its vector, what is cut is refused as such, and what is longer or of another table or change too.
fn holds<T: Debug + PartialEq>(
    name: &str,
    value: &T,
    encoded: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, RowFault>,
) {
    let read = |format| {
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        std::fs::read_to_string(testdata.join(format).join(name).with_extension("hex"))
    };
    let vector =
        hex::decode(read("v3").or_else(|_| read("v2")).or_else(|_| read("v8")).unwrap_or_default().trim())
            .unwrap();
    assert_eq!(hex::encode(encoded), hex::encode(&vector), "{name}");
    assert_eq!(decode(&vector).as_ref(), Ok(value), "{name}");
    for length in 0..vector.len() {
        assert_eq!(decode(&vector[..length]), Err(RowFault::Short), "{length} bytes of {name}");
    }
    assert_eq!(decode(&[vector.as_slice(), &[0]].concat()), Err(RowFault::Long), "{name} and a byte");
    let mut other = vector;
    other[0] = 99;
    assert_eq!(decode(&other), Err(RowFault::Value), "{name} of another format or table");
}

fn card_cvv() -> CardCvvRow {
    CardCvvRow {
        card: CardId::from_bytes([0x11; 12]),
        version: 7,
        number: 5,
        cvv_until: Timestamp::from_unix_millis(1_700_000_000_000),
        used: true,
        tag: Tag { key: 1, bytes: [0x7a; 16] },
    }
}

#[test]
fn what_is_known_of_a_cvv() {
    let mut bytes = Vec::new();
    card_cvv().encode(&mut bytes);
    holds("card-cvv", &card_cvv(), &bytes, CardCvvRow::decode);
}

fn node() -> NodeRow {
    NodeRow {
        id: NodeId::from_bytes([0x33; 12]),
        version: 9,
        lease_until: Timestamp::from_unix_millis(1_700_000_120_000),
        started_at: Timestamp::from_unix_millis(1_700_000_000_000),
        part: None,
        tag: Tag { key: 2, bytes: [0x7b; 16] },
    }
}

#[test]
fn nodes() {
    let mut bytes = Vec::new();
    node().encode(&mut bytes);
    holds("node", &node(), &bytes, NodeRow::decode);
}

#[test]
fn effects() {
    let transaction = TransactionId::from_bytes([0x22; 12]);
    let cases = [
        ("effect-card-cvv-put", Effect::from(card_cvv())),
        ("effect-card-cvv-retag", Effect::Retag(card_cvv().into())),
        ("effect-node-put", Effect::from(node())),
        ("effect-node-delete", Effect::Delete(RowKey::Node(NodeId::from_bytes([0x33; 12])))),
        ("effect-card-delete", Effect::Delete(RowKey::Card(CardId::from_bytes([0x11; 12])))),
        ("effect-transaction-delete", Effect::Delete(RowKey::Transaction(transaction))),
        ("effect-history-delete", Effect::Delete(RowKey::History(transaction, 3))),
        (
            "effect-document-delete",
            Effect::Delete(RowKey::Document(DocumentKind::ApiKey, Id::from_bytes([0x91; 12]))),
        ),
        ("effect-idempotency-delete", Effect::Delete(RowKey::Idempotency(IdempotencyKey([0x61; 16])))),
        ("effect-apikey-use-put", Effect::from(crate::rows::api_key_use())),
        ("effect-apikey-use-delete", Effect::Delete(RowKey::ApiKeyUse(ApiKeyId::from_bytes([0x91; 12])))),
        ("effect-refund-put", Effect::from(crate::rows::refund())),
        ("effect-refund-delete", Effect::Delete(RowKey::Refund(RefundId::from_bytes([0x58; 12])))),
        ("effect-card-cvv-delete", Effect::Delete(RowKey::CardCvv(CardId::from_bytes([0x11; 12])))),
    ];
    for (name, effect) in cases {
        let mut bytes = Vec::new();
        effect.encode(&mut bytes);
        let decode = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let effect = Effect::decode_from(&mut reader)?;
            reader.end().map(|()| effect)
        };
        holds(name, &effect, &bytes, decode);
        let mut other = bytes;
        other[1] = 9;
        assert_eq!(decode(&other), Err(RowFault::Value), "{name} of another change");
    }
}

//! Deliveries of webhooks as they are on disks.

use panvault_model::{
    AccountId, DeliveryFault, DeliveryId, DeliveryStatus, Id, OrganisationId, Tag, Timestamp, WebhookObject,
};
use panvault_store::codec::Reader;
use panvault_store::{DeliveryRow, Effect, RowFault, RowKey};

fn delivery() -> DeliveryRow {
    DeliveryRow {
        id: DeliveryId::from_bytes([0x41; 12]),
        organisation: OrganisationId::from_bytes([0x42; 12]),
        version: 3,
        account: AccountId::from_bytes([0x43; 12]),
        kind: WebhookObject::Transaction,
        object: Id::from_bytes([0x44; 12]),
        object_version: 5,
        object_status: "SETTLEMENT_REQUESTED".to_owned(),
        object_updated_at: Timestamp::from_unix_millis(1_700_000_000_000),
        url: "https://shop.example:8443/hook?key=1".to_owned(),
        host: "shop.example:8443".to_owned(),
        status: DeliveryStatus::Waiting,
        attempts: 2,
        due_at: Timestamp::from_unix_millis(1_700_000_060_000),
        fault: Some(DeliveryFault::Refused),
        answer: 503,
        created_at: Timestamp::from_unix_millis(1_700_000_000_000),
        updated_at: Timestamp::from_unix_millis(1_700_000_000_500),
        tag: Tag { key: 2, bytes: [0x7c; 16] },
    }
}

#[test]
fn a_delivery_is_its_vector() {
    let vector = hex::decode(include_str!("../../testdata/v5/delivery.hex").trim()).unwrap();
    let mut bytes = Vec::new();
    delivery().encode(&mut bytes);
    assert_eq!(hex::encode(&bytes), hex::encode(&vector));
    assert_eq!(DeliveryRow::decode(&vector), Ok(delivery()));
    for length in 0..vector.len() {
        assert_eq!(DeliveryRow::decode(&vector[..length]), Err(RowFault::Short), "{length} bytes");
    }
    assert_eq!(DeliveryRow::decode(&[vector.as_slice(), &[0]].concat()), Err(RowFault::Long));
    let mut later = vector;
    later[0] = 2;
    assert_eq!(DeliveryRow::decode(&later), Err(RowFault::Value), "of a later format");
}

#[test]
fn so_are_its_effects() {
    for (vector, effect) in [
        (include_str!("../../testdata/v5/effect-delivery-put.hex"), Effect::from(delivery())),
        (
            include_str!("../../testdata/v5/effect-delivery-delete.hex"),
            Effect::Delete(RowKey::Delivery(delivery().id)),
        ),
    ] {
        let vector = hex::decode(vector.trim()).unwrap();
        let mut bytes = Vec::new();
        effect.encode(&mut bytes);
        assert_eq!(hex::encode(&bytes), hex::encode(&vector));
        let mut reader = Reader::new(&vector);
        assert_eq!(Effect::decode_from(&mut reader), Ok(effect));
        assert!(reader.is_empty());
    }
}

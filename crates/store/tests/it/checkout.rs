//! Checkouts as they are on disks.

use panvault_model::{
    AccountId, Amount, CardId, CheckoutId, Id, OrganisationId, Tag, Timestamp, TransactionId,
};
use panvault_store::codec::Reader;
use panvault_store::{CheckoutEnd, CheckoutRow, Effect, RowFault, RowKey};

fn checkout() -> CheckoutRow {
    CheckoutRow {
        id: CheckoutId::from_bytes([0x71; 12]),
        organisation: OrganisationId::from_bytes([0x72; 12]),
        version: 3,
        account: AccountId::from_bytes([0x73; 12]),
        amount: Amount::new(2_500).unwrap(),
        process_transaction: true,
        capture_now: false,
        customer: Some(Id::from_bytes([0x74; 12])),
        merchant_reference: "order 7".to_owned(),
        dynamic_descriptor: "shop".to_owned(),
        return_url: "https://shop.example/thanks?order=7".to_owned(),
        webhook_transaction_update: Some("https://shop.example/hook".to_owned()),
        locale: Some("de".to_owned()),
        expires_at: Timestamp::from_unix_millis(1_700_000_900_000),
        remove_at: Timestamp::from_unix_millis(1_702_592_900_000),
        card: Some(CardId::from_bytes([0x75; 12])),
        cards: 2,
        attempts: 1,
        unreached: 0,
        transaction: Some(TransactionId::from_bytes([0x76; 12])),
        end: Some(CheckoutEnd::Cancelled),
        created_at: Timestamp::from_unix_millis(1_700_000_000_000),
        updated_at: Timestamp::from_unix_millis(1_700_000_000_500),
        tag: Tag { key: 2, bytes: [0x7d; 16] },
    }
}

#[test]
fn a_checkout_is_its_vector() {
    let vector = hex::decode(include_str!("../../testdata/v7/checkout.hex").trim()).unwrap();
    let mut bytes = Vec::new();
    checkout().encode(&mut bytes);
    assert_eq!(hex::encode(&bytes), hex::encode(&vector));
    assert_eq!(CheckoutRow::decode(&vector), Ok(checkout()));
    for length in 0..vector.len() {
        assert_eq!(CheckoutRow::decode(&vector[..length]), Err(RowFault::Short), "{length} bytes");
    }
    assert_eq!(CheckoutRow::decode(&[vector.as_slice(), &[0]].concat()), Err(RowFault::Long));
    let mut later = vector;
    later[0] = 3;
    assert_eq!(CheckoutRow::decode(&later), Err(RowFault::Value), "of a later format");
}

#[test]
fn so_are_its_effects() {
    for (vector, effect) in [
        (include_str!("../../testdata/v7/effect-checkout-put.hex"), Effect::from(checkout())),
        (
            include_str!("../../testdata/v7/effect-checkout-delete.hex"),
            Effect::Delete(RowKey::Checkout(checkout().id)),
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

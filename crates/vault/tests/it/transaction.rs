use panvault_model::{CvvResult, TransactionStatus};
use panvault_vault::{
    FieldValue, Filter, NewTransaction, Test, TransactionField, TransactionQuery, TransactionRow, VaultError,
};

use crate::assert_refused;
use crate::world::{Shop, World, all_transactions, new_transaction};

#[tokio::test]
async fn a_transaction_says_what_became_of_it() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    for (amount, capture_now, status, reason_code) in [
        (1_000, true, TransactionStatus::SettlementRequested, Some("00")),
        (1_000, false, TransactionStatus::Authorized, Some("00")),
        (0, true, TransactionStatus::Authorized, Some("00")),
        (121, true, TransactionStatus::Declined, Some("05")),
        (122, true, TransactionStatus::Unknown, None),
        (123, true, TransactionStatus::Failed, Some("96")),
        (131, true, TransactionStatus::Unavailable, None),
        (132, true, TransactionStatus::NotSupported, Some("40")),
    ] {
        let new = NewTransaction { capture_now, ..new_transaction(shop.account, card, amount) };
        let row = world.vault.transaction_create(&world.permit(&shop.key), new, None).await.unwrap().value;
        assert_eq!((row.status, row.reason_code.as_deref()), (status, reason_code), "{amount}");
        assert_eq!((row.organisation, row.account, row.card), (shop.organisation, shop.account, card));
        assert_eq!((row.currency.as_str(), row.processor_name.as_str(), row.version), ("EUR", "dummy", 2));
        assert_eq!((row.merchant_reference.as_str(), row.customer_ip.as_str()), ("order", "192.0.2.1"));
        let permit = world.permit(&shop.key);
        assert_eq!(world.vault.transaction_read(&permit, row.id).await.unwrap(), row);
        let history = world.vault.transaction_history(&permit, row.id).await.unwrap();
        let steps: Vec<_> = history.iter().map(|step| step.status).collect();
        assert_eq!(steps, [status, TransactionStatus::Initiated], "newest first");
    }
}

#[tokio::test]
async fn without_a_cvv_an_acquirer_may_decline() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let strict = Shop { account: world.account(shop.organisation, 100).await, ..world.shop(None).await };
    let strict = Shop { organisation: shop.organisation, key: shop.key.clone(), ..strict };
    let card = world.card(&shop).await;
    let first = world.transact(&strict, card, 1_000).await.unwrap();
    assert_eq!(
        (first.status, first.cvv_result),
        (TransactionStatus::SettlementRequested, CvvResult::Matched)
    );
    assert_eq!(world.transact(&strict, card, 1_000).await.unwrap().status, TransactionStatus::Declined);
}

#[tokio::test]
async fn transactions_are_listed_by_card() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let (one, other) = (world.card(&shop).await, world.card(&shop).await);
    for (card, amount) in [(one, 100), (other, 200), (one, 300)] {
        world.clock.pass_millis(1_000);
        world.transact(&shop, card, amount).await.unwrap();
    }
    let filter = Filter {
        field: TransactionField::Card,
        test: Test::Equal,
        values: vec![FieldValue::Text(one.to_string().into())],
    };
    let query = TransactionQuery { filters: vec![filter], ..all_transactions() };
    let page = world.vault.transaction_list(&world.permit(&shop.key), query).await.unwrap();
    let amounts: Vec<_> = page.rows.iter().map(|row| row.amount.minor_units()).collect();
    assert_eq!((page.total, amounts), (2, vec![300, 100]));
}

/// A whole good row of another transaction is handed out.
#[tokio::test]
async fn a_transaction_is_not_answered_for_another() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let card = world.card(&shop).await;
    let row = world.transact(&shop, card, 1_000).await.unwrap();
    let other = TransactionRow::clone(&world.transact(&shop, card, 121).await.unwrap());
    world.store.plot(|plot| plot.transaction = Some(Box::new(move |row| row.clone_from(&other))));
    let permit = world.permit(&shop.key);
    assert_refused!(world.vault.transaction_read(&permit, row.id).await, VaultError::Tampered(_));
    assert_refused!(world.vault.transaction_history(&permit, row.id).await, VaultError::Tampered(_));
}

/// Every durable step has its note, and each is there once.
#[tokio::test]
async fn each_step_leaves_an_audit_note() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let start = world.vault.status().store.sequence;
    let card = world.card(&shop).await;
    let row = world.transact(&shop, card, 121).await.unwrap();
    world.cvv_put(&shop, card, "222").await.unwrap();
    world.vault.card_delete(&world.permit(&shop.key), card).await.unwrap();
    let records = world.store.trail(start + 1).await;
    let notes: Vec<_> =
        records.iter().map(|record| (record.note.action.as_str(), record.note.object)).collect();
    assert_eq!(
        notes,
        [
            ("card_create", card.0),
            ("transaction_initiate", row.id.0),
            ("transaction_settle", row.id.0),
            ("card_update", card.0),
            ("card_delete", card.0),
        ]
    );
    assert!(records.iter().all(|record| record.note.actor.is_some()));
    assert_eq!(records[2].note.outcome, TransactionStatus::Declined.code());
}

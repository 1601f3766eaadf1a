//! A node that dies between any two steps.

use std::sync::Arc;

use panvault_model::{CvvResult, TransactionStatus};
use panvault_vault::{Metadata, VaultError};

use crate::shared::{Act, GIVEN_UP_MILLIS, Nodes, polled};
use crate::world::{VISA, all_transactions, new_card, new_transaction};

/// At most once, and never sent again; what it was the node's to do is unknown.
#[tokio::test]
async fn a_transaction_that_dies_takes_its_cvv_with_it() {
    for amount in [1_000, 131] {
        let mut lost = 0;
        for steps in 0.. {
            let mut nodes = Nodes::new().await;
            let card = nodes.one.card(&nodes.shop).await;
            nodes.yields();
            let mut running = Box::pin(nodes.act(&nodes.one, card, Act::Transact(amount)));
            let over = polled(running.as_mut(), steps).await.is_some();
            drop(running);
            nodes.one.store.leave();
            nodes.two.store.leave();
            let next = nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap();
            assert!(nodes.carried(card).await.len() <= 1, "step {steps}");
            lost += usize::from(!next.cvv_present && amount == 131);
            // The cache does not know better.
            nodes.place.cvvs.revive().await;
            nodes.one_reopened().await;
            assert!(nodes.carried(card).await.len() <= 1, "step {steps}");
            let last = nodes.one.transact(&nodes.shop, card, 1_000).await.unwrap();
            assert!(nodes.carried(card).await.len() <= 1, "step {steps}: {last:?}");
            let permit = nodes.one.permit(&nodes.shop.key);
            let page = nodes.one.vault.transaction_list(&permit, all_transactions()).await.unwrap();
            assert!(page.rows.iter().all(|row| row.status != TransactionStatus::Initiated));
            if over {
                break;
            }
        }
        assert!(amount == 1_000 || lost > 0, "some are cut off with the CVV in their hands");
    }
}

/// A CVV that was not sent does not go back where others have said meanwhile what became of its transaction.
#[tokio::test]
async fn a_transaction_that_was_taken_over_gives_no_cvv_back() {
    let nodes = Nodes::new().await;
    let card = nodes.one.card(&nodes.shop).await;
    nodes.one.store.settling.close();
    let (vault, permit) = (nodes.one.vault.clone(), nodes.one.permit(&nodes.shop.key));
    let new = new_transaction(nodes.shop.account, card, 131);
    let running =
        tokio::spawn(async move { vault.transaction_create(&permit, new, None).await.unwrap().value });
    nodes.one.store.settling.is_reached_by(1).await;
    nodes.let_pass(GIVEN_UP_MILLIS);
    nodes.two.vault.lease_renew().await.unwrap();
    nodes.two.vault.sweep().await.unwrap();
    nodes.one.store.settling.open();
    let row = running.await.unwrap();
    assert_eq!((row.status, row.version, row.cvv_present), (TransactionStatus::Unknown, 2, true));
    assert!(nodes.row(card).await.unwrap().used);
    assert!(!nodes.two.transact(&nodes.shop, card, 1_000).await.unwrap().cvv_present);
}

/// Once a change is durable, the CVV that it ended is gone, though the node that changed it is too. Before that it may be gone.
#[tokio::test]
async fn a_change_that_dies_keeps_no_cvv_that_should_be_gone() {
    for act in [Act::Put("222"), Act::Clear, Act::Delete] {
        for revived in [false, true] {
            for steps in 0.. {
                let mut nodes = Nodes::new().await;
                let card = nodes.one.card(&nodes.shop).await;
                let before = nodes.row(card).await;
                let copy = nodes.place.cvvs.copied();
                nodes.yields();
                let mut running = Box::pin(nodes.act(&nodes.one, card, act));
                let over = polled(running.as_mut(), steps).await.is_some();
                drop(running);
                let durable = nodes.row(card).await != before;
                if revived {
                    nodes.place.cvvs.copied_put(copy);
                    nodes.place.cvvs.revive().await;
                }
                nodes.one.reopen().await.unwrap();
                let what = format!("{act:?} at step {steps}, durable {durable}");
                match nodes.two.transact(&nodes.shop, card, 1_000).await {
                    Ok(row) if durable => {
                        assert_ne!(row.cvv_result, CvvResult::Matched, "{what}");
                        let put = act == Act::Put("222") && over && !revived;
                        assert_eq!(row.cvv_result == CvvResult::NotMatched, put || row.cvv_present, "{what}");
                    }
                    Ok(row) => assert_ne!(row.cvv_result, CvvResult::NotMatched, "{what}"),
                    Err(VaultError::NotFound(_)) => assert!(act == Act::Delete && durable, "{what}"),
                    Err(error) => panic!("{what}: {error}"),
                }
                let left = nodes.one.transact(&nodes.shop, card, 1_000).await;
                assert!(!left.is_ok_and(|row| row.cvv_present), "{what}");
                if over {
                    assert!(durable);
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_card_that_dies_half_way_has_its_cvv_or_none() {
    for steps in 0.. {
        let nodes = Nodes::new().await;
        nodes.yields();
        let permit = nodes.one.permit(&nodes.shop.key);
        let card = new_card(VISA, Some("111"));
        let create =
            nodes.one.vault.card_create(&permit, nodes.shop.organisation, card, Metadata::new(), None);
        let mut running = Box::pin(create);
        let over = polled(running.as_mut(), steps).await.is_some();
        drop(running);
        let rows = nodes.two.cards(&nodes.shop).await.unwrap().rows;
        if let [view] = rows.as_slice() {
            let id = view.row.id;
            let sent = nodes.two.transact(&nodes.shop, id, 1_000).await.unwrap();
            assert_eq!(sent.cvv_present, view.cvv_expires_at.is_some(), "step {steps}");
            let row = nodes.row(id).await;
            assert_eq!(row.map(|row: Arc<_>| row.used), Some(sent.cvv_present), "step {steps}");
        }
        if over {
            assert_eq!((rows.len(), rows[0].cvv_expires_at.is_some()), (1, true));
            break;
        }
    }
}

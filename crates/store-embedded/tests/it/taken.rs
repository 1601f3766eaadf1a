//! Ids that are taken, wherever the row is by now.
//!
//! Whether the id of a new card was taken, the view was asked for every card: more than all else that is decided of one. It is now
//! asked for ids only that are not larger than all it has. The promise stays: no row is ever overwritten by a new one.

use panvault_store::{Outcome, Store};
use panvault_testkit::conformance::rows::{card, transaction};
use panvault_testkit::conformance::{card_delete, card_insert, transaction_initiate};

use crate::support::{Home, all_of, block_on, done};

/// Asks for new rows with ids that are taken.
async fn refused(store: &dyn Store, when: &str) {
    for n in [10, 12] {
        assert_eq!(store.commit(card_insert(&card(n))).await, Ok(Outcome::Unmet(0)), "card {n}, {when}");
        let row = transaction(n + 10, card(12).id);
        let initiated = store.commit(transaction_initiate(&row)).await;
        assert_eq!(initiated, Ok(Outcome::Unmet(1)), "transaction {}, {when}", n + 10);
    }
}

#[test]
fn an_id_that_is_taken_is_refused_in_every_layer() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        for n in [12, 10] {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        for n in [22, 20] {
            let row = transaction(n, card(12).id);
            done(store.commit(transaction_initiate(&row)).await.unwrap());
        }
        refused(&store, "before the view has them").await;
        // A list waits until it has.
        let before = all_of(&store).await;
        refused(&store, "once the view has them").await;
        done(store.commit(card_insert(&card(11))).await.unwrap());
        done(store.commit(card_delete(&card(11))).await.unwrap());
        done(store.commit(card_insert(&card(11))).await.unwrap());
        done(store.commit(card_delete(&card(11))).await.unwrap());
        assert_eq!(all_of(&store).await.cards, before.cards, "smaller ids that are free are not refused");
    });
    block_on(async { refused(&home.open(), "after a start").await });
    assert_eq!(home.examine().findings, []);
}

use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, OpenFault, examine};
use panvault_testkit::conformance::rows::{VAULT, card, chain};
use panvault_testkit::conformance::{card_delete, card_insert};

use crate::support::{Home, block_on, done, settings};

/// The message named a way round that the commands which meet it do not have. It now says what can be done.
#[test]
fn a_second_process_that_would_write_is_refused_and_told_what_to_do() {
    let home = Home::new();
    let store = home.open();
    let fault = home.try_open().map(drop).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "the vault is in use by process {}; stop that process first \
             (looking with panvault doctor works beside it)",
            std::process::id()
        )
    );
    let made = EmbeddedStore::create(home.path(), VAULT, chain(VAULT).as_ref(), &settings());
    assert!(matches!(made, Err(OpenFault::Exists { .. })));
    drop(store);
    home.open();
}

/// Rows are written, deleted and checkpointed back, segments roll and go, while the store is looked at.
#[test]
fn a_store_is_looked_at_beside_the_process_that_writes() {
    let home = Home::new();
    let store = home.open();
    let looks = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            block_on(async {
                for round in 0..30 {
                    let asked: Vec<_> = (0..200)
                        .map(|n| {
                            let mut row = card(round * 200 + n);
                            row.sealed = panvault_model::Sealed::from_bytes(vec![0xc4; 600]);
                            store.commit(card_insert(&row))
                        })
                        .collect();
                    for answer in asked {
                        done(answer.await.unwrap());
                    }
                    done(store.commit(card_delete(&card(round * 200))).await.unwrap());
                }
            });
        });
        let mut looks = 0;
        while !writing.is_finished() || looks < 3 {
            let examination = examine(home.path(), None, VAULT, chain(VAULT).as_ref()).unwrap();
            assert_eq!(examination.findings, []);
            assert!(examination.applied <= examination.sequence);
            looks += 1;
        }
        looks
    });
    println!("{looks} looks");
    drop(store);
    assert_eq!(home.examine().cards, 30 * 199);
}

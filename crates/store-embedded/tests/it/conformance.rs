use panvault_store::Store;
use panvault_testkit::conformance::{StoreCase, store_cases, what_is_forgotten_is_gone};

use crate::support::{Home, all_of, block_on};

/// Every case of the suite; then the same contents after a stop and a start, and after the view was thrown away.
#[test]
fn the_embedded_store_conforms_and_remembers() {
    let cases: Vec<StoreCase> = store_cases().collect();
    // Most of a case is waiting for the disk, so some run beside each other.
    std::thread::scope(|scope| {
        for cases in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(|| cases.iter().for_each(conforms));
        }
    });
}

fn conforms((name, case): &StoreCase) {
    println!("{name}");
    let home = Home::new();
    let before = block_on(async {
        let store = home.open();
        case(&store).await;
        let before = all_of(&store).await;
        store.close().await.unwrap();
        before
    });
    let again = block_on(async { all_of(&home.open()).await });
    assert_eq!(before, again, "{name}: after a start");
    home.remove_view();
    let rebuilt = block_on(async { all_of(&home.open()).await });
    assert_eq!(before, rebuilt, "{name}: with a new view");
    assert_eq!(home.examine().findings, [], "{name}");
}

/// It stays so after a start.
#[test]
fn what_is_forgotten_of_the_trail_is_gone() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        what_is_forgotten_is_gone(&store).await;
        store.close().await.unwrap();
    });
    block_on(async {
        let store = home.open();
        let writer = store.audit_writers().await.unwrap()[0];
        let places: Vec<_> =
            store.audit_read(writer, 1, 100).await.unwrap().iter().map(|record| record.place).collect();
        assert_eq!(places, [10, 11]);
        store.close().await.unwrap();
    });
}

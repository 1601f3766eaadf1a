use panvault_store::Store;
use panvault_testkit::conformance::store_cases;

use crate::support::{Home, all_of, block_on};

/// Every case of the suite; then the same contents after a stop and a start, and after the view was thrown away.
#[test]
fn the_embedded_store_conforms_and_remembers() {
    for (name, case) in store_cases() {
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
}

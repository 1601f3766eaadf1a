use panvault_store::Store;
use panvault_testkit::conformance::store_cases;
use panvault_testkit::servers::{PgBouncer, Postgres, PostgresVersion};

use crate::support::{Home, block_on};

fn conforms(version: PostgresVersion) {
    let postgres = Postgres::shared(version);
    for (name, case) in store_cases() {
        println!("{name}");
        let home = Home::of(std::sync::Arc::clone(&postgres));
        block_on(async {
            let store = home.open().await;
            case(&store).await;
            store.close().await.unwrap();
        });
    }
}

#[test]
fn the_store_conforms_on_postgresql_15() {
    conforms(PostgresVersion::V15);
}

#[test]
fn the_store_conforms_through_pgbouncer_in_transaction_mode() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let bouncer = PgBouncer::start(&postgres, 20);
    for (name, case) in store_cases() {
        println!("{name}");
        let home = Home::of(std::sync::Arc::clone(&postgres));
        let port = bouncer.database(&postgres, &home.database).port;
        block_on(async {
            let store = home
                .open_through(port, panvault_model::NodeId(panvault_testkit::conformance::rows::VAULT.0))
                .await;
            case(&store).await;
            store.close().await.unwrap();
        });
    }
}

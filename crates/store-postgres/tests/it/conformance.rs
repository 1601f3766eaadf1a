use std::sync::Arc;

use panvault_model::NodeId;
use panvault_store::Store;
use panvault_testkit::conformance::rows::VAULT;
use panvault_testkit::conformance::{StoreCase, store_cases, what_is_forgotten_is_gone};
use panvault_testkit::servers::{PgBouncer, Postgres, PostgresVersion};

use crate::support::{Home, block_on};

/// Every case of the suite, each over an empty database that is reached through this port.
fn conforms(postgres: &Arc<Postgres>, port: u16) {
    let cases: Vec<StoreCase> = store_cases().collect();
    // Most of a case is waiting for the database, so some run beside each other.
    std::thread::scope(|scope| {
        for cases in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(move || {
                for (name, case) in cases {
                    println!("{name}");
                    let home = Home::of(Arc::clone(postgres));
                    block_on(async {
                        let store = home.open_through(port, NodeId(VAULT.0)).await;
                        case(&store).await;
                        store.close().await.unwrap();
                    });
                }
            });
        }
    });
}

#[test]
fn the_store_conforms_on_postgresql_15() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    conforms(&postgres, postgres.port());
}

#[test]
fn the_store_conforms_on_postgresql_18() {
    let postgres = Postgres::shared(PostgresVersion::V18);
    conforms(&postgres, postgres.port());
}

/// A pool that gives every transaction another connection knows no prepared statements.
#[test]
fn the_store_conforms_through_pgbouncer_in_transaction_mode() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let bouncer = PgBouncer::start(&postgres, 20);
    conforms(&postgres, bouncer.database(&postgres, &postgres.database()).port);
}

#[test]
fn what_is_forgotten_of_the_trail_is_gone() {
    let postgres = Postgres::shared(PostgresVersion::V15);
    let home = Home::of(Arc::clone(&postgres));
    block_on(async {
        let store = home.open_through(postgres.port(), NodeId(VAULT.0)).await;
        what_is_forgotten_is_gone(&store).await;
        store.close().await.unwrap();
    });
}

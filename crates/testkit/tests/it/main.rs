//! The conformance suite on the stores in memory, which are its specification.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

use panvault_store::{MemoryCvvs, MemoryStore};
use panvault_testkit::conformance::{cvv_cases, room_ends_at, store_cases};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn the_store_in_memory_conforms() {
    for (name, case) in store_cases() {
        println!("{name}");
        block_on(case(&MemoryStore::new()));
    }
}

#[test]
fn cvvs_in_memory_conform() {
    for (name, case) in cvv_cases() {
        println!("{name}");
        block_on(case(&MemoryCvvs::new(1000)));
    }
    block_on(room_ends_at(&MemoryCvvs::new(2), 2));
}

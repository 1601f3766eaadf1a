//! The conformance suite on the stores in memory, which are its specification; and servers that other tests start.

#![cfg(test)]

mod cvv;
mod servers;

use panvault_store::MemoryStore;
use panvault_testkit::conformance::store_cases;

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

//! The fuzz targets over their kept corpus, and beside it.

use std::collections::BTreeSet;

use panvault_store::{Table, fuzz};
use panvault_testkit::corpus;

#[test]
fn rows_of_the_corpus_and_beside_it() {
    corpus::replay("row", fuzz::row);
}

#[test]
fn commits_of_the_corpus_and_beside_it() {
    corpus::replay("commit", fuzz::commit);
}

/// A corpus of rows that this version no longer reads leads a fuzzer nowhere.
#[test]
fn the_corpus_has_a_row_of_every_table() {
    let inputs = corpus::inputs("row");
    let taken = inputs.iter().filter(|input| fuzz::row(&input.bytes));
    let tables: BTreeSet<u8> = taken.filter_map(|input| input.bytes.first().copied()).collect();
    let all: BTreeSet<u8> = Table::ALL.iter().map(|table| table.code()).collect();
    assert_eq!(tables, all, "write it anew: cargo run --manifest-path fuzz/Cargo.toml --bin seeds");
}

//! How long a look-up takes. `cargo xtask bench bin` runs it with a table of a real list; alone it makes a table of that size up.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]

use core::fmt::Write;
use core::hint::black_box;
use std::fs;

use criterion::{Criterion, criterion_group, criterion_main};
use panvault_bins::{About, Layout, Table, TagKey, import};
use panvault_card::BinTable;
use panvault_model::{Tag, Timestamp};

/// Numbers that are looked up in turn: more than a cache holds of what they lead to.
const NUMBERS: usize = 1 << 16;

/// Takes the table of whatever vault it is given.
struct AnyKey;

impl TagKey for AnyKey {
    fn make(&self, _bytes: &[u8]) -> Tag {
        Tag::NONE
    }

    fn matches(&self, _bytes: &[u8], _tag: &Tag) -> bool {
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is told by its environment what to measure")]
fn table() -> Table {
    match std::env::var("PANVAULT_BIN_TABLE") {
        Ok(path) => Table::read(&fs::read(path).unwrap(), &AnyKey).unwrap(),
        Err(_) => made_up(),
    }
}

/// As many BINs as a large public list has, of as many banks.
fn made_up() -> Table {
    let mut list = "bin,bank,country,type\n".to_owned();
    for row in 0..375_000u64 {
        let bin = 300_000 + row * 2 % 700_000 + row * 2 / 700_000;
        let country = ["NL", "US", "DE", "FR"].get((row % 4) as usize).unwrap();
        writeln!(list, "{bin},BANK NUMBER {},{country},CREDIT", row % 18_000).unwrap();
    }
    let columns = [("bin", "bin"), ("issuer", "bank"), ("country", "country"), ("type", "type")];
    let column = |(what, name): (&str, &str)| (panvault_bins::Column::parse(what).unwrap(), name.to_owned());
    let about = About {
        version: 1,
        imported_at: Timestamp::from_unix_millis(0),
        source: "made up".to_owned(),
        licence: "none".to_owned(),
        attribution: None,
    };
    let layout = Layout::Csv(columns.map(column).to_vec());
    let contents = import(list.as_bytes(), &layout, about, &mut |_| {}).unwrap().contents;
    Table::read(&contents.encode(&AnyKey), &AnyKey).unwrap()
}

/// Sixteen digits each, spread over all schemes; not card numbers, for the last digit is whatever it is.
fn numbers() -> Vec<[u8; 16]> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut number = || {
        let mut digits = [0; 16];
        for digit in &mut digits {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *digit = b'0' + u8::try_from(state % 10).unwrap();
        }
        // 3 to 6: where the schemes with most cards are.
        digits[0] = b'3' + (digits[0] - b'0') % 4;
        digits
    };
    (0..NUMBERS).map(|_| number()).collect()
}

fn lookup(criterion: &mut Criterion) {
    let (table, numbers) = (table(), numbers());
    let mut turn = numbers.iter().cycle();
    criterion.bench_function("lookup", |bencher| {
        bencher.iter(|| table.lookup(black_box(turn.next().unwrap())));
    });
}

criterion_group!(benches, lookup);
criterion_main!(benches);

//! The committed vector: bytes that every later version must read.

use panvault_bins::{Layout, Table};
use panvault_card::BinTable;
use panvault_model::Timestamp;

use crate::support::{HEADER, SumKey, encoded, found, imported};

const VECTOR: &str = include_str!("../../testdata/v2/table.hex");

#[test]
fn the_vector_is_read_as_it_was_written() {
    let file: Vec<u8> = hex::decode(VECTOR.split_ascii_whitespace().collect::<String>()).unwrap();
    let table = Table::read(&file, &SumKey).unwrap();
    let about = table.about();
    assert_eq!((about.version, table.rows(), table.ranges()), (7, 4, 4));
    assert_eq!(about.imported_at, Timestamp::from_unix_millis(1_750_000_000_123));
    assert_eq!((about.source.as_str(), about.licence.as_str()), ("invented for tests", "CC0-1.0"));
    assert_eq!(about.attribution, None);
    assert_eq!(found(&table, "411111"), "BANK ONE|NL|EUR|credit|GOLD");
    assert_eq!(found(&table, "411112"), "BANK ONE|XK|EUR|prepaid|-");
    assert_eq!(found(&table, "51000099"), "-|-|-|debit|-");
    assert_eq!(found(&table, "37000012345"), "BANK TWO|US|USD|charge|-");
    assert_eq!(table.status().rows, 4);
}

#[test]
fn the_same_list_gives_the_same_bytes() {
    let list = format!(
        "{HEADER}\n411111,VISA,CREDIT,GOLD,BANK ONE,,,NL,,\n411112,VISA,DEBIT,PREPAID,BANK ONE,,,XK,,\n\
         51000099,,DEBIT,,,,,,,\n37000012,,CHARGE,,BANK TWO,,,US,,\n"
    );
    let file = encoded(&imported(&list, &Layout::BinListData).contents);
    assert_eq!(hex::encode(file), VECTOR.split_ascii_whitespace().collect::<String>());
}

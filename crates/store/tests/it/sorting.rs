use panvault_store::limits::{SORT_ROWS_MAX, SORT_TEXT_BYTES_MAX};
use panvault_store::{CardField, Direction, Sorting, StoreFault};
use panvault_testkit::conformance::rows::card;

fn sorting(field: CardField) -> Sorting<CardField> {
    Sorting::new(field, Direction::Ascending, usize::MAX)
}

#[test]
fn so_many_rows_are_sorted_and_no_more() {
    let (mut sorting, row) = (sorting(CardField::CreatedAt), card(1));
    for _ in 0..SORT_ROWS_MAX {
        assert_eq!(sorting.put(&row, *row.id.as_bytes()), Ok(()));
    }
    assert_eq!(sorting.put(&row, *row.id.as_bytes()), Err(StoreFault::TooManyRows));
}

#[test]
fn by_so_much_text_and_no_more() {
    let (mut sorting, mut row) = (sorting(CardField::IssuerName), card(1));
    row.facts.issuer_name = Some("a".repeat(SORT_TEXT_BYTES_MAX / 4).into());
    for _ in 0..4 {
        assert_eq!(sorting.put(&row, *row.id.as_bytes()), Ok(()));
    }
    assert_eq!(sorting.put(&row, *row.id.as_bytes()), Err(StoreFault::TooManyRows));
}

use panvault_store::{Direction, Field, FieldValue, StoreFault};

use crate::limits::{SORT_ROWS_MAX, SORT_TEXT_BYTES_MAX};

/// What rows are sorted by, and their ids.
pub(super) struct Sorting<F> {
    field: F,
    direction: Direction,
    keys: Vec<(FieldValue<'static>, [u8; 12])>,
    text_bytes: usize,
}

impl<F: Field> Sorting<F> {
    pub(super) const fn new(field: F, direction: Direction) -> Self {
        Self { field, direction, keys: Vec::new(), text_bytes: 0 }
    }

    /// Takes up a row that is older than those before it.
    pub(super) fn put(&mut self, row: &F::Row, id: [u8; 12]) -> Result<(), StoreFault> {
        let value = self.field.value(row).into_owned();
        if let FieldValue::Text(text) = &value {
            self.text_bytes += text.len();
        }
        if self.keys.len() >= SORT_ROWS_MAX || self.text_bytes > SORT_TEXT_BYTES_MAX {
            return Err(StoreFault::TooManyRows);
        }
        self.keys.push((value, id));
        Ok(())
    }

    /// Ids as the rows are sorted. Of rows that are equal the newest comes first, as they came.
    pub(super) fn sorted(mut self) -> impl Iterator<Item = [u8; 12]> {
        self.keys.sort_by(|(one, _), (other, _)| self.direction.compare(one, other));
        self.keys.into_iter().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use panvault_store::CardField;
    use panvault_testkit::conformance::rows::card;

    use super::*;

    fn sorting(field: CardField) -> Sorting<CardField> {
        Sorting::new(field, Direction::Ascending)
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
}

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::limits::{SORT_ROWS_MAX, SORT_TEXT_BYTES_MAX};
use crate::query::{Direction, Field, FieldValue};
use crate::store::StoreFault;

/// What rows of a list are sorted by, and their ids: of those that come first, as many as are wanted.
pub struct Sorting<F> {
    field: F,
    direction: Direction,
    wanted: usize,
    /// The last of them on top.
    keys: BinaryHeap<Key>,
    text_bytes: usize,
}

/// A row, as it is sorted.
struct Key {
    direction: Direction,
    value: FieldValue<'static>,
    id: [u8; 12],
}

impl<F: Field> Sorting<F> {
    /// By this field, and so many of them.
    pub const fn new(field: F, direction: Direction, wanted: usize) -> Self {
        Self { field, direction, wanted, keys: BinaryHeap::new(), text_bytes: 0 }
    }

    /// Takes up a row that is older than those before it. [`StoreFault::TooManyRows`] where more would be held than may be.
    pub fn put(&mut self, row: &F::Row, id: [u8; 12]) -> Result<(), StoreFault> {
        let value = self.field.value(row);
        if self.keys.len() >= self.wanted {
            // Of rows that are equal the newer comes first.
            let is_before = |last: &Key| self.direction.compare(&value, &last.value) == Ordering::Less;
            if !self.keys.peek().is_some_and(is_before) {
                return Ok(());
            }
            self.text_bytes -= self.keys.pop().map_or(0, |last| text_bytes(&last.value));
        }
        self.text_bytes += text_bytes(&value);
        if self.keys.len() >= SORT_ROWS_MAX || self.text_bytes > SORT_TEXT_BYTES_MAX {
            return Err(StoreFault::TooManyRows);
        }
        self.keys.push(Key { direction: self.direction, value: value.into_owned(), id });
        Ok(())
    }

    /// Ids as the rows are sorted.
    pub fn sorted(self) -> impl Iterator<Item = [u8; 12]> {
        self.keys.into_sorted_vec().into_iter().map(|key| key.id)
    }
}

fn text_bytes(value: &FieldValue<'_>) -> usize {
    match value {
        FieldValue::Text(text) => text.len(),
        FieldValue::Absent | FieldValue::Number(_) => 0,
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.direction.compare(&self.value, &other.value).then_with(|| other.id.cmp(&self.id))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

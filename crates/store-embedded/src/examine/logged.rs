use std::collections::HashMap;

use panvault_store::{CardRow, RowKey};
use rusqlite::{Connection, Params};

use crate::log::Frame;

/// What the log says last of every row that it speaks of.
#[derive(Default)]
pub(super) struct LoggedRows(HashMap<RowKey, (u64, Option<Vec<u8>>)>);

impl LoggedRows {
    /// Takes up a frame, which is later than those before it.
    pub(super) fn put(&mut self, frame: &Frame) {
        for effect in frame.effects.iter().flatten() {
            let row = effect.row().map(|row| {
                let mut bytes = Vec::new();
                row.encode(&mut bytes);
                bytes
            });
            self.0.insert(effect.key(), (frame.last_sequence(), row));
        }
    }

    /// Tables in which a row is not what the log says of it, as far as the view has come.
    pub(super) fn differ(
        &self,
        view: &Connection,
        applied: u64,
    ) -> Result<Vec<&'static str>, rusqlite::Error> {
        let mut differ = Vec::new();
        for (key, (_, row)) in self.0.iter().filter(|(_, (sequence, _))| *sequence <= applied) {
            let (table, stored) = stored(view, *key)?;
            if stored != *row {
                differ.push(table);
            }
        }
        Ok(differ)
    }
}

/// The view's table of a row, and the row as the log would have it.
fn stored(view: &Connection, key: RowKey) -> Result<(&'static str, Option<Vec<u8>>), rusqlite::Error> {
    Ok(match key {
        RowKey::Card(id) => {
            let row = row(view, "SELECT row FROM card WHERE id = ?", [id.as_bytes()])?;
            ("card", row.map(|row| logged(id.as_bytes(), row)))
        }
        RowKey::Transaction(id) => {
            ("payment", row(view, "SELECT row FROM payment WHERE id = ?", [id.as_bytes()])?)
        }
        RowKey::History(id, version) => {
            let sql = "SELECT row FROM history WHERE payment = ? AND version = ?";
            ("history", row(view, sql, (id.as_bytes(), version))?)
        }
        RowKey::Document(kind, id) => {
            let sql = "SELECT row FROM document WHERE kind = ? AND id = ?";
            ("document", row(view, sql, (kind.code(), id.as_bytes()))?)
        }
        RowKey::Idempotency(key) => {
            ("idempotency", row(view, "SELECT row FROM idempotency WHERE key = ?", [key.0])?)
        }
        RowKey::Node(id) => ("node", row(view, "SELECT row FROM node WHERE id = ?", [id.as_bytes()])?),
        RowKey::ApiKeyUse(id) => {
            ("apikey_use", row(view, "SELECT row FROM apikey_use WHERE id = ?", [id.as_bytes()])?)
        }
        RowKey::Refund(id) => ("refund", row(view, "SELECT row FROM refund WHERE id = ?", [id.as_bytes()])?),
        RowKey::Customer(id) => {
            ("customer", row(view, "SELECT row FROM customer WHERE id = ?", [id.as_bytes()])?)
        }
        RowKey::Checkout(id) => {
            ("checkout", row(view, "SELECT row FROM checkout WHERE id = ?", [id.as_bytes()])?)
        }
        RowKey::Delivery(id) => {
            ("delivery", row(view, "SELECT row FROM delivery WHERE id = ?", [id.as_bytes()])?)
        }
        RowKey::CardCvv(card) => {
            ("card_cvv", row(view, "SELECT row FROM card_cvv WHERE card = ?", [card.as_bytes()])?)
        }
    })
}

fn row(view: &Connection, sql: &str, key: impl Params) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    let mut statement = view.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

/// A card's row as the log has it; one that cannot be read as it is.
fn logged(id: &[u8], row: Vec<u8>) -> Vec<u8> {
    CardRow::decode_under_id(id, &row).map_or(row, |card| {
        let mut logged = Vec::new();
        card.encode(&mut logged);
        logged
    })
}

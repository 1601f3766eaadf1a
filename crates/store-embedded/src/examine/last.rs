use std::collections::HashMap;

use panvault_store::Effect;
use rusqlite::{Connection, Params, ToSql};

use crate::log::Frame;
use crate::view::cards;

/// A row of the view, by its key.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Card([u8; 12]),
    Transaction([u8; 12]),
    History([u8; 12], u32),
    Document(u8, [u8; 12]),
    Idempotency([u8; 16]),
}

/// What the log says last of every row that it speaks of.
#[derive(Default)]
pub(super) struct Last(HashMap<Key, (u64, Option<Vec<u8>>)>);

impl Last {
    /// Takes up a frame, which is later than those before it.
    pub(super) fn put(&mut self, frame: &Frame) {
        for effect in frame.effects.iter().flatten() {
            let mut bytes = Vec::new();
            let (key, there) = match effect {
                Effect::CardPut(row) => {
                    row.encode(&mut bytes);
                    (Key::Card(*row.id.as_bytes()), true)
                }
                Effect::CardDelete { id, .. } => (Key::Card(*id.as_bytes()), false),
                Effect::TransactionPut(row) => {
                    row.encode(&mut bytes);
                    (Key::Transaction(*row.id.as_bytes()), true)
                }
                Effect::HistoryPut(row) => {
                    row.encode(&mut bytes);
                    (Key::History(*row.transaction.as_bytes(), row.version), true)
                }
                Effect::DocumentPut(row) => {
                    row.encode(&mut bytes);
                    (Key::Document(row.kind.code(), *row.id.as_bytes()), true)
                }
                Effect::DocumentDelete(kind, id) => (Key::Document(kind.code(), *id.as_bytes()), false),
                Effect::IdempotencyPut(row) => {
                    row.encode(&mut bytes);
                    (Key::Idempotency(row.key.0), true)
                }
                Effect::IdempotencyDelete(key) => (Key::Idempotency(key.0), false),
            };
            self.0.insert(key, (frame.last_sequence(), there.then_some(bytes)));
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
            let (table, stored) = match key {
                Key::Card(id) => (
                    "card",
                    stored(view, "SELECT row FROM card WHERE id = ?", [id])?.map(|row| logged(id, row)),
                ),
                Key::Transaction(id) => {
                    ("payment", stored(view, "SELECT row FROM payment WHERE id = ?", [id])?)
                }
                Key::History(id, version) => {
                    let key: [&dyn ToSql; 2] = [id, version];
                    (
                        "history",
                        stored(view, "SELECT row FROM history WHERE payment = ? AND version = ?", key)?,
                    )
                }
                Key::Document(kind, id) => {
                    let key: [&dyn ToSql; 2] = [kind, id];
                    ("document", stored(view, "SELECT row FROM document WHERE kind = ? AND id = ?", key)?)
                }
                Key::Idempotency(key) => {
                    ("idempotency", stored(view, "SELECT row FROM idempotency WHERE key = ?", [key])?)
                }
            };
            if stored != *row {
                differ.push(table);
            }
        }
        Ok(differ)
    }
}

fn stored(view: &Connection, sql: &str, key: impl Params) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    let mut statement = view.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

/// A card's row as the log has it; one that cannot be read as it is.
fn logged(id: &[u8], row: Vec<u8>) -> Vec<u8> {
    cards::decode(id, &row).map_or(row, |card| {
        let mut logged = Vec::new();
        card.encode(&mut logged);
        logged
    })
}

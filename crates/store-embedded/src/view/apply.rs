use panvault_model::TransactionStatus;
use panvault_store::{AuditNote, Effect, Effects};
use rusqlite::{Connection, params};

/// A durable frame on its way into the view.
pub(crate) struct ApplyFrame {
    pub(crate) segment: u64,
    pub(crate) first_sequence: u64,
    pub(crate) notes: Vec<AuditNote>,
    pub(crate) effects: Vec<Effects>,
    pub(crate) effects_bytes: u32,
    pub(crate) effects_digest: [u8; 32],
    pub(crate) previous: [u8; 32],
    pub(crate) tag: [u8; 32],
}

impl ApplyFrame {
    /// Place of its last step.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + self.notes.len() as u64 - 1
    }
}

impl From<crate::log::Frame> for ApplyFrame {
    fn from(frame: crate::log::Frame) -> Self {
        Self {
            segment: frame.segment,
            first_sequence: frame.first_sequence,
            notes: frame.notes,
            effects: frame.effects,
            effects_bytes: frame.effects_bytes,
            effects_digest: frame.effects_digest,
            previous: frame.previous,
            tag: frame.tag,
        }
    }
}

/// Applies frames in one transaction, and writes down how far the view has come with them.
pub(crate) fn apply(connection: &mut Connection, frames: &[ApplyFrame]) -> Result<(), rusqlite::Error> {
    let Some(last) = frames.last() else { return Ok(()) };
    let transaction = connection.transaction()?;
    let mut buffer = Vec::with_capacity(1024);
    for frame in frames {
        transaction.prepare_cached("INSERT INTO chain VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            frame.first_sequence.cast_signed(),
            u32::try_from(frame.notes.len()).unwrap_or(u32::MAX),
            frame.segment.cast_signed(),
            frame.effects_bytes,
            frame.effects_digest,
            frame.previous,
            frame.tag
        ])?;
        let mut audit = transaction.prepare_cached("INSERT INTO audit VALUES (?, ?)")?;
        for (sequence, note) in (frame.first_sequence..).zip(&frame.notes) {
            buffer.clear();
            note.encode(&mut buffer);
            audit.execute(params![sequence.cast_signed(), buffer])?;
        }
        for effect in frame.effects.iter().flatten() {
            apply_effect(&transaction, effect, &mut buffer)?;
        }
    }
    transaction
        .prepare_cached("UPDATE meta SET value = ? WHERE name = 'applied'")?
        .execute([last.last_sequence().cast_signed()])?;
    transaction.commit()
}

fn apply_effect(
    connection: &Connection,
    effect: &Effect,
    buffer: &mut Vec<u8>,
) -> Result<(), rusqlite::Error> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<(), rusqlite::Error> {
        connection.prepare_cached(sql)?.execute(parameters).map(drop)
    };
    buffer.clear();
    match effect {
        Effect::CardPut(row) => {
            row.encode(buffer);
            let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
            run("INSERT OR REPLACE INTO card VALUES (?, ?)", &[id, buffer])?;
            if row.version == 1 {
                run("INSERT INTO card_by_organisation VALUES (?, ?)", &[organisation, id])?;
                run(
                    "INSERT INTO card_by_fingerprint VALUES (?, ?, ?)",
                    &[organisation, row.fingerprint.as_bytes(), id],
                )?;
                count(connection, organisation, 1, 0)?;
            }
        }
        Effect::CardDelete { id, organisation, fingerprint } => {
            let (id, organisation) = (id.as_bytes(), organisation.as_bytes());
            run("DELETE FROM card WHERE id = ?", &[id])?;
            run("DELETE FROM card_by_organisation WHERE organisation = ? AND id = ?", &[organisation, id])?;
            run(
                "DELETE FROM card_by_fingerprint WHERE organisation = ? AND fingerprint = ? AND id = ?",
                &[organisation, fingerprint.as_bytes(), id],
            )?;
            count(connection, organisation, -1, 0)?;
        }
        Effect::TransactionPut(row) => {
            row.encode(buffer);
            let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
            run("INSERT OR REPLACE INTO payment VALUES (?, ?)", &[id, buffer])?;
            if row.version == 1 {
                run("INSERT INTO payment_by_organisation VALUES (?, ?)", &[organisation, id])?;
                run("INSERT INTO payment_by_card VALUES (?, ?)", &[row.card.as_bytes(), id])?;
                count(connection, organisation, 0, 1)?;
            }
            if row.status == TransactionStatus::Initiated {
                run("INSERT OR REPLACE INTO payment_open VALUES (?)", &[id])?;
            } else {
                run("DELETE FROM payment_open WHERE id = ?", &[id])?;
            }
        }
        Effect::HistoryPut(row) => {
            row.encode(buffer);
            run("INSERT INTO history VALUES (?, ?, ?)", &[row.transaction.as_bytes(), &row.version, buffer])?;
        }
        Effect::DocumentPut(row) => {
            row.encode(buffer);
            let (kind, id) = (row.kind.code(), row.id.as_bytes());
            run("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", &[&kind, id, &row.version, buffer])?;
        }
        Effect::DocumentDelete(kind, id) => {
            run("DELETE FROM document WHERE kind = ? AND id = ?", &[&kind.code(), id.as_bytes()])?;
        }
        Effect::IdempotencyPut(row) => {
            row.encode(buffer);
            let expires_at = row.expires_at.unix_millis().cast_signed();
            run("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?)", &[&row.key.0, &expires_at, buffer])?;
        }
        Effect::IdempotencyDelete(key) => run("DELETE FROM idempotency WHERE key = ?", &[&key.0])?,
    }
    Ok(())
}

/// Keeps the totals of an organisation.
fn count(
    connection: &Connection,
    organisation: &[u8; 12],
    cards: i64,
    payments: i64,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT INTO total VALUES (?1, ?2, ?3) \
             ON CONFLICT (organisation) DO UPDATE SET cards = cards + ?2, payments = payments + ?3",
        )?
        .execute(params![organisation, cards, payments])
        .map(drop)
}

mod checkout;
mod delivery;
mod retag;

use std::collections::BTreeMap;

use panvault_model::{CardId, CustomerId, OrganisationId, RefundId, TransactionId};
use panvault_store::{
    AuditNote, CardRow, CustomerRow, Effect, Effects, HistoryRow, RefundRow, Row, RowFault, RowKey,
    TransactionRow,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Statement, ToSql};

use crate::limits::FORGET_COMMITS;
use crate::view::fingerprints::{self, FoundBy};
use crate::view::notes;
use crate::view::tally::{Change, Counted, Step, Tallies};

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
    /// Version of the key of that.
    pub(crate) key: u16,
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
            key: frame.key,
        }
    }
}

/// What came into the view.
#[derive(Default)]
pub(crate) struct Applied {
    /// What was counted.
    pub(crate) steps: Vec<Step>,
    /// What the index of fingerprints has now that it had not.
    pub(crate) found_by: Vec<FoundBy>,
}

/// Applies frames in one transaction, and writes down how far the view has come with them.
pub(crate) fn apply(
    connection: &Connection,
    tallies: &Tallies,
    frames: &[ApplyFrame],
) -> Result<Applied, rusqlite::Error> {
    let Some(last) = frames.last() else { return Ok(Applied::default()) };
    let transaction = connection.unchecked_transaction()?;
    let mut applying = Applying::new(&transaction, tallies);
    for frame in frames {
        applying.frame(frame)?;
        for effect in frame.effects.iter().flatten() {
            applying.effect(effect)?;
        }
    }
    applying.new_cards()?;
    applying.transactions()?;
    let (mut change, found_by) = (applying.change, applying.found_by);
    change.write(&transaction, last.last_sequence())?;
    transaction
        .prepare_cached("UPDATE meta SET value = ? WHERE name = 'applied'")?
        .execute([last.last_sequence().cast_signed()])?;
    let steps = tallies.commit(change, || transaction.commit())?;
    Ok(Applied { steps, found_by })
}

/// Brings rows in that the view has not, in whatever version they are, as of a step. What the index of fingerprints has now that it had not.
pub(crate) fn apply_new(
    connection: &Connection,
    tallies: &Tallies,
    rows: &[Row],
    applied: u64,
) -> Result<Vec<FoundBy>, rusqlite::Error> {
    let transaction = connection.unchecked_transaction()?;
    let mut applying = Applying { all_new: true, ..Applying::new(&transaction, tallies) };
    for row in rows {
        applying.put(row)?;
    }
    applying.new_cards()?;
    applying.transactions()?;
    let (mut change, found_by) = (applying.change, applying.found_by);
    change.write(&transaction, applied)?;
    tallies.commit(change, || transaction.commit())?;
    Ok(found_by)
}

/// Takes some of the commits out of the trail whose records are all before a place, the first of them first, and never the last that is there. How many.
pub(crate) fn forget_notes(connection: &Connection, first: u64) -> Result<usize, rusqlite::Error> {
    let sql = "DELETE FROM chain WHERE first_sequence IN (SELECT first_sequence FROM chain WHERE first_sequence < \
               (SELECT max(first_sequence) FROM chain WHERE first_sequence <= ?) ORDER BY first_sequence LIMIT ?)";
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute((first, FORGET_COMMITS))
}

/// A batch on its way into the view.
struct Applying<'a, 't> {
    view: &'a Connection,
    buffer: Vec<u8>,
    /// New cards that are not in the view yet.
    cards: Vec<&'a CardRow>,
    /// What transactions are after the batch, and whether they are new with it. Most of them change twice in one.
    transactions: BTreeMap<TransactionId, (&'a TransactionRow, bool)>,
    /// Steps of the history of transactions that are new with the batch.
    history: BTreeMap<(TransactionId, u32), &'a HistoryRow>,
    /// What organisations have more, fewer or other than before.
    change: Change<'t>,
    tallies: &'t Tallies,
    found_by: Vec<FoundBy>,
    /// No row has an earlier version in the view, also where it is not in its first.
    all_new: bool,
}

impl<'a, 't> Applying<'a, 't> {
    fn new(view: &'a Connection, tallies: &'t Tallies) -> Self {
        Self {
            view,
            buffer: Vec::with_capacity(4096),
            cards: Vec::new(),
            transactions: BTreeMap::new(),
            history: BTreeMap::new(),
            change: tallies.change(),
            tallies,
            found_by: Vec::new(),
            all_new: false,
        }
    }

    /// Whether the view has no earlier version of a row of this version.
    const fn is_new(&self, version: u32) -> bool {
        self.all_new || version == 1
    }

    /// Counts a row that takes the place of the version before it, if the view has that.
    fn count(&mut self, counted: Counted, organisation: OrganisationId, id: &[u8; 12], version: u32) {
        if self.all_new {
            self.change.add(counted, organisation, id, version);
        } else {
            self.change.put(counted, organisation, id, version);
        }
    }

    fn run(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<(), rusqlite::Error> {
        self.view.prepare_cached(sql)?.execute(parameters).map(drop)
    }

    fn encoded(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        encode(&mut self.buffer);
    }

    /// The frame's notes and what chains it. Its notes are one value: the trail grows by frames, not by steps.
    fn frame(&mut self, frame: &ApplyFrame) -> Result<(), rusqlite::Error> {
        self.encoded(|buffer| notes::pack(&frame.notes, buffer));
        self.run(
            "INSERT INTO chain VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                &frame.first_sequence.cast_signed(),
                &frame.segment.cast_signed(),
                &frame.effects_bytes,
                &frame.effects_digest,
                &frame.previous,
                &frame.tag,
                &frame.key,
                &self.buffer,
            ],
        )
    }

    fn effect(&mut self, effect: &'a Effect) -> Result<(), rusqlite::Error> {
        match effect {
            Effect::Put(row) => self.put(row),
            Effect::Delete(key) => self.delete(*key),
            Effect::Retag(row) => self.retag(row),
        }
    }

    fn put(&mut self, row: &'a Row) -> Result<(), rusqlite::Error> {
        match row {
            Row::Card(row) => self.card(row),
            Row::Transaction(row) => {
                let is_new = self.transactions.get(&row.id).is_some_and(|(_, is_new)| *is_new);
                self.transactions.insert(row.id, (row, is_new || self.is_new(row.version)));
                let (organisation, id) = (row.organisation, row.id.as_bytes());
                if self.all_new {
                    self.change.add(Counted::Transactions, organisation, id, row.version);
                } else {
                    let versions = (row.version_before(), row.version);
                    self.change.replace(Counted::Transactions, organisation, id, versions);
                }
                Ok(())
            }
            Row::History(row) => {
                // The view has no step of a transaction that it does not have.
                if self.transactions.get(&row.transaction).is_some_and(|(_, is_new)| *is_new) {
                    self.history.insert((row.transaction, row.version), row);
                    return Ok(());
                }
                self.history_replace(row)
            }
            Row::Document(row) => {
                self.encoded(|buffer| row.encode(buffer));
                let (kind, id) = (row.kind.code(), row.id.as_bytes());
                let sql = "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)";
                self.run(sql, &[&kind, id, &row.version, &self.buffer])
            }
            Row::Idempotency(row) => {
                self.encoded(|buffer| row.encode(buffer));
                let expires_at = row.expires_at.unix_millis().cast_signed();
                let sql = "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?)";
                self.run(sql, &[&row.key.0, &expires_at, &self.buffer])
            }
            Row::CardCvv(row) => {
                self.encoded(|buffer| row.encode(buffer));
                let until = row.cvv_until.unix_millis().cast_signed();
                let sql = "INSERT OR REPLACE INTO card_cvv VALUES (?, ?, ?)";
                self.run(sql, &[row.card.as_bytes(), &until, &self.buffer])
            }
            Row::Node(row) => {
                self.encoded(|buffer| row.encode(buffer));
                self.run("INSERT OR REPLACE INTO node VALUES (?, ?)", &[row.id.as_bytes(), &self.buffer])
            }
            Row::Refund(row) => self.refund(row),
            Row::Customer(row) => self.customer(row),
            Row::Delivery(row) => self.delivery(row),
            Row::Checkout(row) => self.checkout(row),
            Row::ApiKeyUse(row) => {
                self.encoded(|buffer| row.encode(buffer));
                let sql = "INSERT OR REPLACE INTO apikey_use VALUES (?, ?)";
                self.run(sql, &[row.api_key.as_bytes(), &self.buffer])
            }
        }
    }

    /// Writes a step of a history over what the view may have of it.
    fn history_replace(&mut self, row: &HistoryRow) -> Result<(), rusqlite::Error> {
        self.encoded(|buffer| row.encode(buffer));
        let (transaction, version) = (row.transaction.as_bytes(), row.version);
        let sql = "INSERT OR REPLACE INTO history VALUES (?, ?, ?)";
        self.run(sql, &[transaction, &version, &self.buffer])
    }

    fn delete(&mut self, key: RowKey) -> Result<(), rusqlite::Error> {
        match key {
            RowKey::Card(id) => self.card_delete(id),
            RowKey::Transaction(id) => self.transaction_delete(id),
            RowKey::History(id, version) => {
                self.history.remove(&(id, version));
                let sql = "DELETE FROM history WHERE payment = ? AND version = ?";
                self.run(sql, &[id.as_bytes(), &version])
            }
            RowKey::Document(kind, id) => {
                self.run("DELETE FROM document WHERE kind = ? AND id = ?", &[&kind.code(), id.as_bytes()])
            }
            RowKey::Idempotency(key) => self.run("DELETE FROM idempotency WHERE key = ?", &[&key.0]),
            RowKey::CardCvv(card) => self.run("DELETE FROM card_cvv WHERE card = ?", &[card.as_bytes()]),
            RowKey::Node(id) => self.run("DELETE FROM node WHERE id = ?", &[id.as_bytes()]),
            RowKey::Refund(id) => self.refund_delete(id),
            RowKey::Customer(id) => self.customer_delete(id),
            RowKey::Delivery(id) => self.delivery_delete(id),
            RowKey::Checkout(id) => self.checkout_delete(id),
            RowKey::ApiKeyUse(id) => self.run("DELETE FROM apikey_use WHERE id = ?", &[id.as_bytes()]),
        }
    }

    /// The row says where the indexes have it.
    fn card_delete(&mut self, id: CardId) -> Result<(), rusqlite::Error> {
        self.new_cards()?;
        let Some(row) = self.card_stored(id)? else { return Ok(()) };
        self.change.delete(Counted::Cards, row.organisation, id.as_bytes(), row.version);
        let (id, organisation) = (id.as_bytes(), row.organisation.as_bytes());
        self.run("DELETE FROM card WHERE id = ?", &[id])?;
        self.run("DELETE FROM card_by_organisation WHERE organisation = ? AND id = ?", &[organisation, id])?;
        row.fingerprints().try_for_each(|fingerprint| fingerprints::delete(self.view, &fingerprint, id))
    }

    fn card_stored(&self, id: CardId) -> Result<Option<CardRow>, rusqlite::Error> {
        self.stored("SELECT row FROM card WHERE id = ?", id.as_bytes(), |bytes| {
            CardRow::decode_under_id(id.as_bytes(), bytes)
        })
    }

    fn transaction_delete(&mut self, id: TransactionId) -> Result<(), rusqlite::Error> {
        self.transactions()?;
        let stored =
            self.stored("SELECT row FROM payment WHERE id = ?", id.as_bytes(), TransactionRow::decode)?;
        let Some(row) = stored else { return Ok(()) };
        self.change.delete(Counted::Transactions, row.organisation, id.as_bytes(), row.version);
        let (id, organisation, card) = (id.as_bytes(), row.organisation.as_bytes(), row.card.as_bytes());
        self.run("DELETE FROM payment WHERE id = ?", &[id])?;
        self.run("DELETE FROM payment_open WHERE id = ?", &[id])?;
        let sql = "DELETE FROM payment_by_card WHERE organisation = ? AND card = ? AND id = ?";
        self.run(sql, &[organisation, card, id])?;
        if let Some(fingerprint) = fingerprints::of_reference(self.tallies.chain(), &row) {
            fingerprints::delete(self.view, &fingerprint, id)?;
        }
        let sql = "DELETE FROM payment_by_account WHERE organisation = ? AND account = ? AND id = ?";
        self.run(sql, &[organisation, row.account.as_bytes(), id])?;
        self.status_end(&row)?;
        let sql = "DELETE FROM payment_by_organisation WHERE organisation = ? AND id = ?";
        self.run(sql, &[organisation, id])
    }

    fn refund(&mut self, row: &RefundRow) -> Result<(), rusqlite::Error> {
        self.count(Counted::Refunds, row.organisation, row.id.as_bytes(), row.version);
        self.encoded(|buffer| row.encode(buffer));
        let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
        if self.is_new(row.version) {
            self.run("INSERT INTO refund_by_organisation VALUES (?, ?)", &[organisation, id])?;
            self.run("INSERT INTO refund_by_payment VALUES (?, ?)", &[row.transaction.as_bytes(), id])?;
            let sql = "INSERT INTO refund_by_account VALUES (?, ?, ?)";
            self.run(sql, &[organisation, row.account.as_bytes(), id])?;
        } else if let Some(before) =
            self.stored("SELECT row FROM refund WHERE id = ?", id, RefundRow::decode)?
        {
            self.refund_status_end(&before)?;
        }
        let sql = "INSERT OR REPLACE INTO refund_by_status VALUES (?, ?, ?)";
        self.run(sql, &[organisation, &row.status.code(), id])?;
        self.run("INSERT OR REPLACE INTO refund VALUES (?, ?)", &[id, &self.buffer])?;
        let sql = if row.is_open() {
            "INSERT OR REPLACE INTO refund_open VALUES (?)"
        } else {
            "DELETE FROM refund_open WHERE id = ?"
        };
        self.run(sql, &[id])
    }

    fn refund_delete(&mut self, id: RefundId) -> Result<(), rusqlite::Error> {
        let stored = self.stored("SELECT row FROM refund WHERE id = ?", id.as_bytes(), RefundRow::decode)?;
        let Some(row) = stored else { return Ok(()) };
        self.change.delete(Counted::Refunds, row.organisation, id.as_bytes(), row.version);
        let (id, organisation, payment) =
            (id.as_bytes(), row.organisation.as_bytes(), row.transaction.as_bytes());
        self.run("DELETE FROM refund WHERE id = ?", &[id])?;
        self.run("DELETE FROM refund_open WHERE id = ?", &[id])?;
        self.run("DELETE FROM refund_by_payment WHERE payment = ? AND id = ?", &[payment, id])?;
        let sql = "DELETE FROM refund_by_account WHERE organisation = ? AND account = ? AND id = ?";
        self.run(sql, &[organisation, row.account.as_bytes(), id])?;
        self.refund_status_end(&row)?;
        let sql = "DELETE FROM refund_by_organisation WHERE organisation = ? AND id = ?";
        self.run(sql, &[organisation, id])
    }

    /// The address of one that changed may be another than before.
    fn customer(&mut self, row: &CustomerRow) -> Result<(), rusqlite::Error> {
        self.count(Counted::Customers, row.organisation, row.id.as_bytes(), row.version);
        let id = row.id.as_bytes();
        if self.is_new(row.version) {
            let sql = "INSERT INTO customer_by_organisation VALUES (?, ?)";
            self.run(sql, &[row.organisation.as_bytes(), id])?;
        } else {
            self.customer_email_delete(row.id)?;
        }
        self.encoded(|buffer| row.encode(buffer));
        self.run("INSERT OR REPLACE INTO customer VALUES (?, ?)", &[id, &self.buffer])?;
        match &row.email {
            Some(digest) => self.run("INSERT INTO customer_by_email VALUES (?, ?)", &[digest.as_bytes(), id]),
            None => Ok(()),
        }
    }

    fn customer_delete(&mut self, id: CustomerId) -> Result<(), rusqlite::Error> {
        let Some(row) = self.customer_email_delete(id)? else { return Ok(()) };
        self.change.delete(Counted::Customers, row.organisation, id.as_bytes(), row.version);
        let (id, organisation) = (id.as_bytes(), row.organisation.as_bytes());
        self.run("DELETE FROM customer WHERE id = ?", &[id])?;
        let sql = "DELETE FROM customer_by_organisation WHERE organisation = ? AND id = ?";
        self.run(sql, &[organisation, id])
    }

    /// Takes a customer as the view has it out of the index of addresses, and gives the row.
    fn customer_email_delete(&mut self, id: CustomerId) -> Result<Option<CustomerRow>, rusqlite::Error> {
        let sql = "SELECT row FROM customer WHERE id = ?";
        let stored = self.stored(sql, id.as_bytes(), CustomerRow::decode)?;
        if let Some(digest) = stored.as_ref().and_then(|row| row.email) {
            let sql = "DELETE FROM customer_by_email WHERE email = ? AND id = ?";
            self.run(sql, &[digest.as_bytes(), id.as_bytes()])?;
        }
        Ok(stored)
    }

    /// A row as the view has it; what it holds that is no row is a fault.
    fn stored<T>(
        &self,
        sql: &str,
        id: &[u8; 12],
        decode: impl FnOnce(&[u8]) -> Result<T, RowFault>,
    ) -> Result<Option<T>, rusqlite::Error> {
        let mut statement = self.view.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let decoded = decode(row.get_ref(0)?.as_blob()?);
        let refused = |fault| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(fault));
        decoded.map(Some).map_err(refused)
    }

    fn card(&mut self, row: &'a CardRow) -> Result<(), rusqlite::Error> {
        self.count(Counted::Cards, row.organisation, row.id.as_bytes(), row.version);
        if self.is_new(row.version) {
            self.cards.push(row);
            return Ok(());
        }
        self.new_cards()?;
        let id = row.id.as_bytes();
        let stored = self.card_stored(row.id)?;
        let before: Vec<_> = stored.iter().flat_map(CardRow::fingerprints).collect();
        let now: Vec<_> = row.fingerprints().collect();
        for gone in before.iter().filter(|fingerprint| !now.contains(fingerprint)) {
            fingerprints::delete(self.view, gone, id)?;
        }
        let added = now.into_iter().filter(|fingerprint| !before.contains(fingerprint));
        let added: Vec<FoundBy> = added.map(|fingerprint| (fingerprint, *id)).collect();
        fingerprints::insert_all(self.view, &added)?;
        self.found_by.extend(added);
        self.encoded(|buffer| row.encode_under_id(buffer));
        self.run("INSERT OR REPLACE INTO card VALUES (?, ?)", &[id, &self.buffer])
    }

    /// Writes the new cards in the order of their ids, so that tables are written at their ends, page by page.
    fn new_cards(&mut self) -> Result<(), rusqlite::Error> {
        let mut new = core::mem::take(&mut self.cards);
        new.sort_unstable_by_key(|row| row.id);
        let buffer = &mut self.buffer;
        insert_all(self.view, "card", 2, &new, |insert, at, row| {
            buffer.clear();
            row.encode_under_id(buffer);
            insert.raw_bind_parameter(at, row.id.as_bytes())?;
            insert.raw_bind_parameter(at + 1, buffer.as_slice())
        })?;
        let found_by = |row: &&CardRow| {
            row.fingerprints().map(|fingerprint| (fingerprint, *row.id.as_bytes())).collect::<Vec<_>>()
        };
        let entries: Vec<FoundBy> = new.iter().flat_map(found_by).collect();
        fingerprints::insert_all(self.view, &entries)?;
        self.found_by.extend(entries);
        // Equal organisations stay in the order of ids.
        new.sort_by_key(|row| row.organisation);
        insert_all(self.view, "card_by_organisation", 2, &new, |insert, at, row| {
            insert.raw_bind_parameter(at, row.organisation.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.id.as_bytes())
        })?;
        new.clear();
        self.cards = new;
        Ok(())
    }

    /// Writes what transactions are, each once, and first of all those that are new.
    fn transactions(&mut self) -> Result<(), rusqlite::Error> {
        let all = core::mem::take(&mut self.transactions);
        let mut new = Vec::with_capacity(all.len());
        for (row, is_new) in all.into_values() {
            if is_new {
                new.push(row);
            } else {
                self.transaction_again(row)?;
            }
        }
        self.new_transactions(&new)
    }

    /// Writes new transactions in the order of their ids, and their history.
    fn new_transactions(&mut self, new: &[&TransactionRow]) -> Result<(), rusqlite::Error> {
        let (view, buffer) = (self.view, &mut self.buffer);
        insert_all(view, "payment", 2, new, |insert, at, row| {
            buffer.clear();
            row.encode(buffer);
            insert.raw_bind_parameter(at, row.id.as_bytes())?;
            insert.raw_bind_parameter(at + 1, buffer.as_slice())
        })?;
        let history: Vec<&HistoryRow> = core::mem::take(&mut self.history).into_values().collect();
        insert_all(view, "history", 3, &history, |insert, at, row| {
            buffer.clear();
            row.encode(buffer);
            insert.raw_bind_parameter(at, row.transaction.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.version)?;
            insert.raw_bind_parameter(at + 2, buffer.as_slice())
        })?;
        insert_all(view, "payment_by_status", 3, new, |insert, at, row| {
            insert.raw_bind_parameter(at, row.organisation.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.status.code())?;
            insert.raw_bind_parameter(at + 2, row.id.as_bytes())
        })?;
        insert_all(view, "payment_by_account", 3, new, |insert, at, row| {
            insert.raw_bind_parameter(at, row.organisation.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.account.as_bytes())?;
            insert.raw_bind_parameter(at + 2, row.id.as_bytes())
        })?;
        insert_all(view, "payment_by_organisation", 2, new, |insert, at, row| {
            insert.raw_bind_parameter(at, row.organisation.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.id.as_bytes())
        })?;
        insert_all(view, "payment_by_card", 3, new, |insert, at, row| {
            insert.raw_bind_parameter(at, row.organisation.as_bytes())?;
            insert.raw_bind_parameter(at + 1, row.card.as_bytes())?;
            insert.raw_bind_parameter(at + 2, row.id.as_bytes())
        })?;
        let open: Vec<&TransactionRow> = new.iter().copied().filter(|row| row.is_open()).collect();
        insert_all(view, "payment_open", 1, &open, |insert, at, row| {
            insert.raw_bind_parameter(at, row.id.as_bytes())
        })?;
        let chain = self.tallies.chain();
        let reference =
            |row: &&TransactionRow| Some((fingerprints::of_reference(chain, row)?, *row.id.as_bytes()));
        let references: Vec<FoundBy> = new.iter().filter_map(reference).collect();
        fingerprints::insert_all(view, &references)?;
        self.found_by.extend(references);
        Ok(())
    }

    /// Writes a transaction that the view has in an earlier version.
    fn transaction_again(&mut self, row: &TransactionRow) -> Result<(), rusqlite::Error> {
        let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
        let before = self.stored("SELECT row FROM payment WHERE id = ?", id, TransactionRow::decode)?;
        self.encoded(|buffer| row.encode(buffer));
        self.run("INSERT OR REPLACE INTO payment VALUES (?, ?)", &[id, &self.buffer])?;
        if before.as_ref().is_none_or(|before| before.status != row.status) {
            before.iter().try_for_each(|before| self.status_end(before))?;
            let sql = "INSERT OR REPLACE INTO payment_by_status VALUES (?, ?, ?)";
            self.run(sql, &[organisation, &row.status.code(), id])?;
        }
        let sql = if row.is_open() {
            "INSERT OR REPLACE INTO payment_open VALUES (?)"
        } else {
            "DELETE FROM payment_open WHERE id = ?"
        };
        self.run(sql, &[id])
    }
}

impl Applying<'_, '_> {
    /// Takes a transaction out from under its status.
    fn status_end(&self, row: &TransactionRow) -> Result<(), rusqlite::Error> {
        let sql = "DELETE FROM payment_by_status WHERE organisation = ? AND status = ? AND id = ?";
        self.run(sql, &[row.organisation.as_bytes(), &row.status.code(), row.id.as_bytes()])
    }

    /// Takes a refund out from under its status.
    fn refund_status_end(&self, row: &RefundRow) -> Result<(), rusqlite::Error> {
        let sql = "DELETE FROM refund_by_status WHERE organisation = ? AND status = ? AND id = ?";
        self.run(sql, &[row.organisation.as_bytes(), &row.status.code(), row.id.as_bytes()])
    }
}

/// Rows that one statement inserts when there are as many.
const ROWS_OF_A_STATEMENT: usize = 16;

/// Inserts rows, many with one statement: starting a statement costs as much as inserting a row. `bind` binds the columns of a row,
/// the first at a place that it is told.
pub(super) fn insert_all<T>(
    view: &Connection,
    table: &str,
    columns: usize,
    rows: &[T],
    mut bind: impl FnMut(&mut Statement<'_>, usize, &T) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let (many, few) = rows.as_chunks::<ROWS_OF_A_STATEMENT>();
    for (rows, at_once) in [(many.as_flattened(), ROWS_OF_A_STATEMENT), (few, 1)] {
        if rows.is_empty() {
            continue;
        }
        let row = format!("({})", vec!["?"; columns].join(","));
        // "Or fail", because the alternative is a journal of the statement: the transaction is given up either way.
        let sql = format!("INSERT OR FAIL INTO {table} VALUES {}", vec![row; at_once].join(","));
        let mut insert = view.prepare_cached(&sql)?;
        for rows in rows.chunks_exact(at_once) {
            for (place, row) in rows.iter().enumerate() {
                bind(&mut insert, place * columns + 1, row)?;
            }
            insert.raw_execute()?;
        }
    }
    Ok(())
}

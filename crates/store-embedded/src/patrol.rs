//! Holds all that a store started with against its tallies, a slice at a time: every card, transaction, refund and customer, and the index that lists are
//! read from. It runs on the applier's thread, so that nothing changes under it; what changes between two slices, where it has been
//! already, it takes up from what was applied.

use std::collections::HashMap;

use panvault_model::{CardId, CustomerId, OrganisationId, RefundId, TransactionId};
use panvault_store::{CardRow, CustomerRow, RefundRow, RowKey, TransactionRow};
use rusqlite::Connection;

use crate::view::{Counted, Each, Step, Tallies, Tally, hash, toggle};

/// Rows that cannot be read or are not ours that are named in the log; the rest is found with their organisations.
const NAMED_MAX: u32 = 20;

/// How far a start's look at everything has come.
pub(crate) struct Patrol {
    at: Option<Phase>,
    rows_to: Each<To>,
    index_to: Each<To>,
    seen: HashMap<OrganisationId, Each<Seen>>,
    named: u32,
}

/// What is gone through now.
#[derive(Clone, Copy)]
enum Phase {
    Rows(Counted),
    Index(Counted),
}

/// How far a table was gone through: up to this key, as SQLite orders keys, whatever their length; its second part is empty where
/// keys have one.
#[derive(Default)]
struct To {
    key: (Vec<u8>, Vec<u8>),
    has_begun: bool,
    is_end: bool,
}

impl To {
    fn go(&mut self, first: &[u8], second: &[u8]) {
        self.has_begun = true;
        self.key.0.clear();
        self.key.0.extend_from_slice(first);
        self.key.1.clear();
        self.key.1.extend_from_slice(second);
    }

    fn has_passed(&self, first: &[u8], second: &[u8]) -> bool {
        self.is_end || self.has_begun && (first, second) <= (self.key.0.as_slice(), self.key.1.as_slice())
    }
}

/// What was seen of an organisation.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Rows, by id and version.
    rows: Tally,
    /// The same, by id alone.
    ids: [u8; 16],
    /// Entries of the index, by id alone.
    index: Tally,
}

impl Patrol {
    pub(crate) fn start() -> Self {
        Self {
            at: Some(Phase::Rows(Counted::Cards)),
            rows_to: Each::default(),
            index_to: Each::default(),
            seen: HashMap::new(),
            named: 0,
        }
    }

    pub(crate) const fn is_under_way(&self) -> bool {
        self.at.is_some()
    }

    /// Looks at so many rows more, and says what it has found when it has looked at all of a kind.
    pub(crate) fn look(
        &mut self,
        view: &Connection,
        tallies: &Tallies,
        rows: usize,
    ) -> Result<(), rusqlite::Error> {
        let (counted, seen) = match self.at {
            None => return Ok(()),
            Some(Phase::Rows(counted)) => (counted, self.look_at_rows(view, tallies, counted, rows)?),
            Some(Phase::Index(counted)) => (counted, self.look_at_index(view, tallies, counted, rows)?),
        };
        if seen == rows {
            return Ok(());
        }
        self.at = match self.at {
            Some(Phase::Rows(_)) => {
                self.rows_to.of_mut(counted).is_end = true;
                Some(Phase::Index(counted))
            }
            Some(Phase::Index(_)) => {
                self.index_to.of_mut(counted).is_end = true;
                self.judge(tallies, counted);
                match counted {
                    Counted::Cards => Some(Phase::Rows(Counted::Transactions)),
                    Counted::Transactions => Some(Phase::Rows(Counted::Refunds)),
                    Counted::Refunds => Some(Phase::Rows(Counted::Customers)),
                    Counted::Customers => None,
                }
            }
            None => None,
        };
        if self.at.is_none() {
            self.seen = HashMap::new();
            tallies.set_patrolled();
            tracing::debug!(damaged = tallies.damaged(), "view.patrolled");
        }
        Ok(())
    }

    fn look_at_rows(
        &mut self,
        view: &Connection,
        tallies: &Tallies,
        counted: Counted,
        rows: usize,
    ) -> Result<usize, rusqlite::Error> {
        let sql = match counted {
            Counted::Cards => "SELECT id, row FROM card WHERE id > ? ORDER BY id LIMIT ?",
            Counted::Transactions => "SELECT id, row FROM payment WHERE id > ? ORDER BY id LIMIT ?",
            Counted::Refunds => "SELECT id, row FROM refund WHERE id > ? ORDER BY id LIMIT ?",
            Counted::Customers => "SELECT id, row FROM customer WHERE id > ? ORDER BY id LIMIT ?",
        };
        let mut statement = view.prepare_cached(sql)?;
        let mut found =
            statement.query((&self.rows_to.of(counted).key.0, i64::try_from(rows).unwrap_or(i64::MAX)))?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            count += 1;
            let (Ok(key), bytes) = (row.get_ref(0)?.as_blob(), row.get_ref(1)?.as_blob()) else { continue };
            self.rows_to.of_mut(counted).go(key, &[]);
            // A key of another length is nobody's.
            let Ok(id) = <[u8; 12]>::try_from(key) else { continue };
            let ours = bytes.ok().and_then(|bytes| ours(tallies, counted, &id, bytes));
            let Some((organisation, version)) = ours else {
                self.name(counted, id);
                continue;
            };
            let seen = self.seen.entry(organisation).or_default().of_mut(counted);
            seen.rows.add(hash(tallies.chain(), counted, organisation, &id, version));
            toggle(&mut seen.ids, hash(tallies.chain(), counted, organisation, &id, 0));
        }
        Ok(count)
    }

    fn look_at_index(
        &mut self,
        view: &Connection,
        tallies: &Tallies,
        counted: Counted,
        rows: usize,
    ) -> Result<usize, rusqlite::Error> {
        let sql = match counted {
            Counted::Cards => {
                "SELECT organisation, id FROM card_by_organisation WHERE (organisation, id) > (?, ?) \
                 ORDER BY organisation, id LIMIT ?"
            }
            Counted::Transactions => {
                "SELECT organisation, id FROM payment_by_organisation WHERE (organisation, id) > (?, ?) \
                 ORDER BY organisation, id LIMIT ?"
            }
            Counted::Refunds => {
                "SELECT organisation, id FROM refund_by_organisation WHERE (organisation, id) > (?, ?) \
                 ORDER BY organisation, id LIMIT ?"
            }
            Counted::Customers => {
                "SELECT organisation, id FROM customer_by_organisation WHERE (organisation, id) > (?, ?) \
                 ORDER BY organisation, id LIMIT ?"
            }
        };
        let mut statement = view.prepare_cached(sql)?;
        let (organisation, id) = &self.index_to.of(counted).key;
        let limit = i64::try_from(rows).unwrap_or(i64::MAX);
        let mut found = statement.query((organisation, id, limit))?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            count += 1;
            let blob = |column| row.get_ref(column).map(|value| value.as_blob().unwrap_or_default());
            let (organisation, id) = (blob(0)?, blob(1)?);
            self.index_to.of_mut(counted).go(organisation, id);
            let Ok(whose) = <[u8; 12]>::try_from(organisation).map(OrganisationId::from_bytes) else {
                continue;
            };
            let seen = self.seen.entry(whose).or_default().of_mut(counted);
            match <[u8; 12]>::try_from(id) {
                Ok(id) => seen.index.add(hash(tallies.chain(), counted, whose, &id, 0)),
                // Of no row, and one too many.
                Err(_) => seen.index.add([0; 16]),
            }
        }
        Ok(count)
    }

    /// Takes up what was applied where it has been already.
    pub(crate) fn applied(&mut self, tallies: &Tallies, steps: &[Step]) {
        if !self.is_under_way() {
            return;
        }
        for Step { counted, organisation, id, before, after } in steps.iter().copied() {
            let of = |version| hash(tallies.chain(), counted, organisation, &id, version);
            let rows = self.rows_to.of(counted).has_passed(&id, &[]);
            let index = self.index_to.of(counted).has_passed(organisation.as_bytes(), &id);
            if !rows && !index {
                continue;
            }
            let seen = self.seen.entry(organisation).or_default().of_mut(counted);
            if rows {
                before.into_iter().for_each(|version| seen.rows.take(of(version)));
                after.into_iter().for_each(|version| seen.rows.add(of(version)));
            }
            match (before, after) {
                (None, Some(_)) => {
                    if rows {
                        toggle(&mut seen.ids, of(0));
                    }
                    if index {
                        seen.index.add(of(0));
                    }
                }
                (Some(_), None) => {
                    if rows {
                        toggle(&mut seen.ids, of(0));
                    }
                    if index {
                        seen.index.take(of(0));
                    }
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }

    /// Holds what was seen of a kind against what there should be.
    fn judge(&mut self, tallies: &Tallies, counted: Counted) {
        let mut expected: HashMap<OrganisationId, Tally> = tallies
            .all()
            .into_iter()
            .map(|(organisation, tallies)| (organisation, *tallies.of(counted)))
            .collect();
        let mut damaged = Vec::new();
        for (organisation, seen) in &self.seen {
            let seen = seen.of(counted);
            let rows = expected.remove(organisation).unwrap_or_default();
            let index = Tally { sum: seen.ids, count: seen.rows.count };
            if seen.rows != rows || seen.index != index {
                damaged.push(*organisation);
            }
        }
        damaged.extend(
            expected.into_iter().filter(|(_, rows)| rows.count > 0).map(|(organisation, _)| organisation),
        );
        damaged.sort_unstable();
        for organisation in damaged {
            let advice = "somebody changed view.sqlite: its lists and counts are refused; run panvault doctor, which names what was put back \
                          or taken away, and restore the data directory from a backup";
            tracing::error!(organisation.id = %organisation, rows = counted.name(), advice, "view.rows_forged");
            tallies.found_damaged(counted, organisation);
        }
    }

    /// Says which row it is that is not ours.
    fn name(&mut self, counted: Counted, id: [u8; 12]) {
        self.named = self.named.saturating_add(1);
        if self.named > NAMED_MAX {
            return;
        }
        let row = match counted {
            Counted::Cards => RowKey::Card(CardId::from_bytes(id)),
            Counted::Transactions => RowKey::Transaction(TransactionId::from_bytes(id)),
            Counted::Refunds => RowKey::Refund(RefundId::from_bytes(id)),
            Counted::Customers => RowKey::Customer(CustomerId::from_bytes(id)),
        };
        let advice =
            "somebody changed view.sqlite: run panvault doctor, and restore the data directory from a backup";
        tracing::error!(%row, advice, "view.row_forged");
    }
}

/// Whose a row is and of which version, if the vault wrote it under this id.
fn ours(tallies: &Tallies, counted: Counted, id: &[u8; 12], bytes: &[u8]) -> Option<(OrganisationId, u32)> {
    match counted {
        Counted::Cards => {
            let row = CardRow::decode_under_id(id, bytes).ok()?;
            tallies.chain().card_is_ours(&row).then_some((row.organisation, row.version))
        }
        Counted::Transactions => {
            let row = TransactionRow::decode(bytes).ok()?;
            let is_ours = row.id.as_bytes() == id && tallies.chain().transaction_is_ours(&row);
            is_ours.then_some((row.organisation, row.version))
        }
        Counted::Refunds => {
            let row = RefundRow::decode(bytes).ok()?;
            let is_ours = row.id.as_bytes() == id && tallies.chain().refund_is_ours(&row);
            is_ours.then_some((row.organisation, row.version))
        }
        Counted::Customers => {
            let row = CustomerRow::decode(bytes).ok()?;
            let is_ours = row.id.as_bytes() == id && tallies.chain().customer_is_ours(&row);
            is_ours.then_some((row.organisation, row.version))
        }
    }
}

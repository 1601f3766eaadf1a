use std::collections::{BTreeSet, BinaryHeap};
use std::vec;

use panvault_model::OrganisationId;
use panvault_store::{Indexed, Query, StoreFault};

use crate::limits::{IDS_HELD_MAX, IDS_MAX, RANGES_MAX};
use crate::list::Listed;
use crate::list::snapshot::Snapshot;
use crate::row::{self, Argument, UNREADABLE, limit};
use crate::table::{self, Kind, Value};

/// What an index has for a question: of each of some keys the ids that are behind it, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// The columns of the keys.
    columns: Vec<(&'static str, Kind)>,
    /// Another column that may have the value of the one there is.
    or_column: Option<&'static str>,
    /// Whose each is, where the index says, and a value for each of the columns.
    keys: Vec<(Option<OrganisationId>, Vec<Value>)>,
    /// Ids that the question names.
    named: Vec<[u8; 12]>,
}

impl Ranges {
    /// All rows of some organisations.
    pub(super) fn of(organisations: &[OrganisationId]) -> Self {
        let keys = organisations.iter().map(|organisation| (Some(*organisation), vec![owner(*organisation)]));
        let columns = vec![("organisation", Kind::Bytes)];
        Self { columns, or_column: None, keys: keys.collect(), named: Vec::new() }
    }

    /// Those of some organisations with some values in a column.
    pub(super) fn owned(
        organisations: &[OrganisationId],
        (column, kind): (&'static str, Kind),
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        let values: BTreeSet<Value> = values.into_iter().collect();
        let key = |organisation: OrganisationId, value: &Value| {
            (Some(organisation), vec![owner(organisation), value.clone()])
        };
        let keys = organisations.iter().flat_map(|whose| values.iter().map(move |value| key(*whose, value)));
        let columns = vec![("organisation", Kind::Bytes), (column, kind)];
        Self { columns, or_column: None, keys: keys.collect(), named: Vec::new() }
    }

    /// Those with some values in a column, each with whose it is where only their rows have it.
    pub(super) fn keyed(
        column: (&'static str, Kind),
        values: impl IntoIterator<Item = (Option<OrganisationId>, Value)>,
    ) -> Self {
        let values: BTreeSet<_> = values.into_iter().collect();
        let keys = values.into_iter().map(|(whose, value)| (whose, vec![value]));
        Self { columns: vec![column], or_column: None, keys: keys.collect(), named: Vec::new() }
    }

    /// And those that have a value in another column, of the same kind.
    pub(super) fn or_in(self, column: &'static str) -> Self {
        Self { or_column: Some(column), ..self }
    }

    /// Those with these ids: no index is needed to find them.
    pub(super) const fn named(ids: Vec<[u8; 12]>) -> Self {
        Self { columns: Vec::new(), or_column: None, keys: Vec::new(), named: ids }
    }

    /// Ids of some ranges from `$first` on, each range before an id of its own, newest first, so many of each.
    fn sql(&self, table: &'static str) -> String {
        let count = self.columns.len();
        let arrays: Vec<String> = (1..=count + 1).map(|at| format!("${at}")).collect();
        let names: Vec<String> = (1..=count).map(|at| format!("key_{at}")).collect();
        let (first, most) = (count + 2, count + 3);
        let ids = |columns: Vec<&str>| {
            let tests = columns.iter().zip(&names);
            let tests: Vec<String> =
                tests.map(|(column, name)| format!("{table}.{column} = range.{name}")).collect();
            format!(
                "SELECT {table}.id FROM {table} WHERE {tests} AND {table}.id >= ${first} \
                 AND {table}.id < range.before ORDER BY {table}.id DESC LIMIT ${most}",
                tests = tests.join(" AND "),
            )
        };
        let of_columns = ids(self.columns.iter().map(|(column, _)| *column).collect());
        let found = match self.or_column {
            // Each side by an index of its own.
            Some(column) => format!(
                "SELECT either.id FROM (({of_columns}) UNION ALL ({or})) AS either ORDER BY either.id DESC LIMIT ${most}",
                or = ids(vec![column]),
            ),
            None => of_columns,
        };
        format!(
            "SELECT range.at, found.id FROM unnest({arrays}) WITH ORDINALITY AS range ({names}, before, at), \
             LATERAL ({found}) AS found",
            arrays = arrays.join(", "),
            names = names.join(", "),
        )
    }
}

fn owner(organisation: OrganisationId) -> Value {
    Value::Bytes(organisation.as_bytes().to_vec())
}

/// An entry of an index, and whose it is, where that says.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) organisation: Option<OrganisationId>,
    pub(super) id: [u8; 12],
}

/// Entries of some ranges, newest first, of which a few of each are held at a time. None comes twice.
pub(super) struct Entries<'a> {
    snapshot: &'a Snapshot,
    ranges: Ranges,
    sql: String,
    /// The least id that may match.
    first: [u8; 12],
    states: Vec<State>,
    /// The newest that is left of each range, and which range that is.
    newest: BinaryHeap<([u8; 12], usize)>,
    held: usize,
    last: Option<[u8; 12]>,
}

/// How far a range was read.
struct State {
    batch: vec::IntoIter<[u8; 12]>,
    /// How many were asked for the last time.
    asked: usize,
    /// Whether it may have more.
    is_open: bool,
}

impl<'a> Entries<'a> {
    /// Those that may match by when they were made; `wanted` is how many are likely asked for.
    pub(super) async fn of<F: Listed>(
        snapshot: &'a Snapshot,
        query: &Query<F>,
        mut ranges: Ranges,
        wanted: usize,
    ) -> Result<Self, StoreFault> {
        let (first, before) = bounds(query);
        let share = (IDS_HELD_MAX / ranges.keys.len().max(1)).max(1);
        let asked = wanted.clamp(1, IDS_MAX).min(share);
        let mut named = core::mem::take(&mut ranges.named);
        named.retain(|id| (first.as_slice()..before.as_slice()).contains(&id.as_slice()));
        named.sort_unstable_by(|one, other| other.cmp(one));
        let state = |_: &_| State { batch: Vec::new().into_iter(), asked, is_open: true };
        let mut entries = Self {
            snapshot,
            sql: ranges.sql(table::name(F::TABLE)),
            first,
            states: ranges.keys.iter().map(state).collect(),
            ranges,
            newest: BinaryHeap::new(),
            held: 0,
            last: None,
        };
        let all: Vec<usize> = (0..entries.states.len()).collect();
        for some in all.chunks(RANGES_MAX) {
            entries.refill(some, &before, asked).await?;
        }
        // They are one range more, which is there already.
        entries.states.push(State { batch: named.into_iter(), asked, is_open: false });
        entries.put(all.len());
        Ok(entries)
    }

    pub(super) async fn next(&mut self) -> Result<Option<Entry>, StoreFault> {
        while let Some((id, at)) = self.newest.pop() {
            self.advance(at, &id).await?;
            // One range may have been named by two values, and an id by two.
            if self.last.replace(id) != Some(id) {
                let organisation = self.ranges.keys.get(at).and_then(|(organisation, _)| *organisation);
                return Ok(Some(Entry { organisation, id }));
            }
        }
        Ok(None)
    }

    /// Puts the next of a range in its place, and reads more of them when these are used up, twice as many each time.
    async fn advance(&mut self, at: usize, id: &[u8; 12]) -> Result<(), StoreFault> {
        let Some(state) = self.states.get(at) else { return Ok(()) };
        if state.batch.len() > 0 || !state.is_open {
            self.put(at);
            return Ok(());
        }
        let room = IDS_HELD_MAX.saturating_sub(self.held).max(1);
        let asked = state.asked.saturating_mul(2).min(IDS_MAX).min(room);
        self.refill(&[at], id, asked).await
    }

    fn put(&mut self, at: usize) {
        if let Some(id) = self.states.get_mut(at).and_then(|state| state.batch.next()) {
            self.held = self.held.saturating_sub(1);
            self.newest.push((id, at));
        }
    }

    /// Reads what some ranges have before an id.
    async fn refill(&mut self, ranges: &[usize], before: &[u8], asked: usize) -> Result<(), StoreFault> {
        if ranges.is_empty() {
            return Ok(());
        }
        let keys: Vec<&[Value]> =
            ranges.iter().filter_map(|at| self.ranges.keys.get(*at)).map(|(_, key)| key.as_slice()).collect();
        let columns: Vec<Column> =
            self.ranges.columns.iter().enumerate().map(|column| Column::of(column, &keys)).collect();
        let befores = vec![before.to_vec(); ranges.len()];
        let mut arguments: Vec<Argument<'_>> = columns.iter().map(Column::argument).collect();
        arguments.extend([Argument::BytesOf(&befores), Argument::Bytes(&self.first), limit(asked)]);
        let rows = self.snapshot.query(&self.sql, &arguments).await?;
        let mut found: Vec<Vec<[u8; 12]>> = vec![Vec::new(); ranges.len()];
        for row in &rows {
            let at: i64 = row.try_get(0).map_err(|_| UNREADABLE)?;
            let id: &[u8] = row.try_get(1).map_err(|_| UNREADABLE)?;
            // They are counted from 1.
            let at = usize::try_from(at).ok().and_then(|at| found.get_mut(at.checked_sub(1)?));
            at.ok_or(UNREADABLE)?.push(id.try_into().map_err(|_| UNREADABLE)?);
        }
        self.held = self.held.saturating_add(rows.len());
        for (at, mut ids) in ranges.iter().zip(found) {
            // A statement promises no order of what two others gave it.
            ids.sort_unstable_by(|one, other| other.cmp(one));
            if let Some(state) = self.states.get_mut(*at) {
                *state = State { is_open: ids.len() >= asked, batch: ids.into_iter(), asked };
            }
            self.put(*at);
        }
        Ok(())
    }
}

/// The least id that a list may have, and what sorts right behind the last: it begins behind `after`.
fn bounds<F: Indexed>(query: &Query<F>) -> ([u8; 12], Vec<u8>) {
    let (first, last) = query.ids();
    let before = match query.after {
        Some(after) if after <= last => after.as_bytes().to_vec(),
        // What is longer sorts behind: nothing lies between the last id and this.
        Some(_) | None => [last.as_bytes().as_slice(), &[0]].concat(),
    };
    (*first.as_bytes(), before)
}

/// The values of one column of many keys.
enum Column {
    Ints(Vec<i64>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    fn of((at, (_, kind)): (usize, &(&'static str, Kind)), keys: &[&[Value]]) -> Self {
        let values = keys.iter().filter_map(|key| key.get(at));
        match kind {
            Kind::Int => Self::Ints(values.filter_map(row::int).collect()),
            Kind::Bytes => Self::Bytes(values.filter_map(row::bytes).map(<[u8]>::to_vec).collect()),
        }
    }

    fn argument(&self) -> Argument<'_> {
        match self {
            Self::Ints(values) => Argument::Ints(values),
            Self::Bytes(values) => Argument::BytesOf(values),
        }
    }
}

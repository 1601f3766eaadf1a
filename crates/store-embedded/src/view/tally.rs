//! How many cards, transactions, refunds and customers each organisation has, and a keyed hash of which they are.
//!
//! Somebody who can write to the view and has no key can put rows back, take them away, and forge indexes and counts; each row alone still
//! bears its tag. So the applier counts what it writes, and keeps the exclusive or of a keyed hash of every row's id and version. All of it
//! is in memory, where counts are answered from; in the view each organisation has a row of it, sealed, and one tag over all of them and
//! the last step says that none was changed, put back or taken away.

mod sealed;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use panvault_model::OrganisationId;
use panvault_store::{Chain, RowFault, StoreFault, Totals};
use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::OpenFault;
use crate::view::tally::sealed::{head, open, seal};

pub(super) use sealed::nothing;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    Cards,
    Transactions,
    Refunds,
    Customers,
}

impl Counted {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Cards, Self::Transactions, Self::Refunds, Self::Customers];

    /// Goes into hashes; append-only.
    const fn code(self) -> u8 {
        match self {
            Self::Cards => 1,
            Self::Transactions => 2,
            Self::Refunds => 3,
            Self::Customers => 4,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cards => "cards",
            Self::Transactions => "transactions",
            Self::Refunds => "refunds",
            Self::Customers => "customers",
        }
    }
}

/// One of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Each<T> {
    pub(crate) cards: T,
    pub(crate) transactions: T,
    pub(crate) refunds: T,
    pub(crate) customers: T,
}

impl<T> Each<T> {
    pub(crate) const fn of(&self, counted: Counted) -> &T {
        match counted {
            Counted::Cards => &self.cards,
            Counted::Transactions => &self.transactions,
            Counted::Refunds => &self.refunds,
            Counted::Customers => &self.customers,
        }
    }

    pub(crate) const fn of_mut(&mut self, counted: Counted) -> &mut T {
        match counted {
            Counted::Cards => &mut self.cards,
            Counted::Transactions => &mut self.transactions,
            Counted::Refunds => &mut self.refunds,
            Counted::Customers => &mut self.customers,
        }
    }
}

/// A set of rows: how many, and the exclusive or of their hashes, which stays in memory or sealed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) sum: [u8; 16],
}

impl Tally {
    pub(crate) fn add(&mut self, hash: [u8; 16]) {
        self.count = self.count.saturating_add(1);
        toggle(&mut self.sum, hash);
    }

    pub(crate) fn take(&mut self, hash: [u8; 16]) {
        self.count = self.count.saturating_sub(1);
        toggle(&mut self.sum, hash);
    }
}

pub(crate) fn toggle(sum: &mut [u8; 16], hash: [u8; 16]) {
    *sum = (u128::from_ne_bytes(*sum) ^ u128::from_ne_bytes(hash)).to_ne_bytes();
}

/// A row of an organisation that came, went or changed.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) counted: Counted,
    pub(crate) organisation: OrganisationId,
    pub(crate) id: [u8; 12],
    /// The version that is no more, and the one that is.
    pub(crate) before: Option<u32>,
    pub(crate) after: Option<u32>,
}

/// Keyed hash of a row in the set of its organisation's.
pub(crate) fn hash(
    chain: &dyn Chain,
    counted: Counted,
    organisation: OrganisationId,
    id: &[u8; 12],
    version: u32,
) -> [u8; 16] {
    let [mut set, mut member] = [[0; 16]; 2];
    let [kind, _, _, _, owner @ ..] = &mut set;
    (*kind, *owner) = (counted.code(), *organisation.as_bytes());
    let [row @ .., a, b, c, d] = &mut member;
    *row = *id;
    [*a, *b, *c, *d] = version.to_be_bytes();
    chain.member_hash(&set, &member)
}

/// What is known of an organisation.
#[derive(Clone, Copy, Default)]
struct Entry {
    tallies: Each<Tally>,
    /// Rows that came or went since the start.
    changes: Each<u64>,
    /// Hash of its row in the set of all of them, which stays in memory.
    element: [u8; 16],
}

/// The tallies of all organisations.
pub(crate) struct Tallies {
    chain: Arc<dyn Chain>,
    state: RwLock<State>,
    damaged: AtomicU64,
    patrolled: AtomicBool,
}

#[derive(Default)]
struct State {
    of: HashMap<OrganisationId, Entry>,
    /// Exclusive or of the hashes of their rows.
    sum: [u8; 16],
    damaged: BTreeSet<(Counted, OrganisationId)>,
}

/// What some organisations have in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) count: u64,
    /// Rows that came or went since the start: between two looks, so many may have been seen or not.
    changes: u64,
}

impl Known {
    /// Rows that may have come or gone since an earlier look.
    pub(crate) const fn changes_since(&self, earlier: &Self) -> u64 {
        self.changes.saturating_sub(earlier.changes)
    }
}

/// What is wrong with a view whose tallies were changed.
const NOT_OURS: OpenFault = OpenFault::ViewDamaged {
    what: "its counts of cards, transactions, refunds and customers are not those that were written",
};

const TAGGED: &str = "SELECT value FROM meta WHERE name = 'tallies'";

impl Tallies {
    /// Of a view in which nothing is.
    pub(crate) fn empty(chain: Arc<dyn Chain>) -> Self {
        let (damaged, patrolled) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { chain, state: RwLock::default(), damaged, patrolled }
    }

    /// Reads those of a view, and refuses what was not written so at this step.
    pub(crate) fn load(view: &Connection, chain: Arc<dyn Chain>, applied: u64) -> Result<Self, OpenFault> {
        let state = read(view, chain.as_ref(), applied)?;
        Ok(Self { state: RwLock::new(state), ..Self::empty(chain) })
    }

    /// Reads what each organisation has, in the same way.
    pub(crate) fn stored(
        view: &Connection,
        chain: &dyn Chain,
        applied: u64,
    ) -> Result<HashMap<OrganisationId, Each<Tally>>, OpenFault> {
        let of = read(view, chain, applied)?.of;
        Ok(of.into_iter().map(|(organisation, entry)| (organisation, entry.tallies)).collect())
    }

    pub(crate) fn chain(&self) -> &dyn Chain {
        self.chain.as_ref()
    }

    /// Begins to count what a batch brings.
    pub(crate) fn change(&self) -> Change<'_> {
        Change { tallies: self, of: HashMap::new(), steps: Vec::new(), sum: [0; 16] }
    }

    /// Commits a batch, and from then on answers with what it brought. Whoever sees rows of the batch in the view, and asks afterwards
    /// how many there are, waits for that.
    pub(crate) fn commit(
        &self,
        change: Change<'_>,
        commit: impl FnOnce() -> Result<(), rusqlite::Error>,
    ) -> Result<Vec<Step>, rusqlite::Error> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        commit()?;
        let Change { of, steps, sum, .. } = change;
        state.of.extend(of);
        state.sum = sum;
        Ok(steps)
    }

    /// How many rows these organisations have, each named once.
    pub(crate) fn known(
        &self,
        counted: Counted,
        organisations: &[OrganisationId],
    ) -> Result<Known, StoreFault> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = Known { count: 0, changes: 0 };
        for organisation in organisations {
            if !state.damaged.is_empty() && state.damaged.contains(&(counted, *organisation)) {
                return Err(StoreFault::Damaged { row: None, fault: RowFault::Forged });
            }
            if let Some(entry) = state.of.get(organisation) {
                known.count = known.count.saturating_add(entry.tallies.of(counted).count);
                known.changes = known.changes.saturating_add(*entry.changes.of(counted));
            }
        }
        Ok(known)
    }

    /// How many rows there are of all organisations, also of those that are damaged: so many there should be.
    pub(crate) fn totals(&self) -> Totals {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.of.values().fold(Totals::default(), |totals, entry| Totals {
            cards: totals.cards.saturating_add(entry.tallies.cards.count),
            transactions: totals.transactions.saturating_add(entry.tallies.transactions.count),
            refunds: totals.refunds.saturating_add(entry.tallies.refunds.count),
        })
    }

    /// What each organisation has.
    pub(crate) fn all(&self) -> Vec<(OrganisationId, Each<Tally>)> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.of.iter().map(|(organisation, entry)| (*organisation, entry.tallies)).collect()
    }

    /// Rows of an organisation are not those that there should be.
    pub(crate) fn found_damaged(&self, counted: Counted, organisation: OrganisationId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.damaged.insert((counted, organisation));
        let organisations: BTreeSet<_> =
            state.damaged.iter().map(|(_, organisation)| *organisation).collect();
        self.damaged.store(organisations.len() as u64, Ordering::SeqCst);
    }

    /// Organisations of which that is known.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::SeqCst)
    }

    /// All that was there at the start has been looked at.
    pub(crate) fn set_patrolled(&self) {
        self.patrolled.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_patrolled(&self) -> bool {
        self.patrolled.load(Ordering::SeqCst)
    }
}

/// What a batch brings, until it is committed.
pub(crate) struct Change<'a> {
    tallies: &'a Tallies,
    of: HashMap<OrganisationId, Entry>,
    steps: Vec<Step>,
    sum: [u8; 16],
}

impl Change<'_> {
    /// A row of this version takes the place of the one before it.
    pub(crate) fn put(
        &mut self,
        counted: Counted,
        organisation: OrganisationId,
        id: &[u8; 12],
        version: u32,
    ) {
        let before = version.checked_sub(1).filter(|before| *before > 0);
        self.replace(counted, organisation, id, (before, version));
    }

    /// The same, of a row that says which version was before it.
    pub(crate) fn replace(
        &mut self,
        counted: Counted,
        organisation: OrganisationId,
        id: &[u8; 12],
        (before, version): (Option<u32>, u32),
    ) {
        self.step(Step { counted, organisation, id: *id, before, after: Some(version) });
    }

    /// A row of this version comes, and none was there before it.
    pub(crate) fn add(
        &mut self,
        counted: Counted,
        organisation: OrganisationId,
        id: &[u8; 12],
        version: u32,
    ) {
        self.step(Step { counted, organisation, id: *id, before: None, after: Some(version) });
    }

    /// A row of this version goes.
    pub(crate) fn delete(
        &mut self,
        counted: Counted,
        organisation: OrganisationId,
        id: &[u8; 12],
        version: u32,
    ) {
        self.step(Step { counted, organisation, id: *id, before: Some(version), after: None });
    }

    fn step(&mut self, step: Step) {
        let Step { counted, organisation, id, before, after } = step;
        let chain = self.tallies.chain.as_ref();
        let entry = self.of.entry(organisation).or_insert_with(|| self.tallies.entry(organisation));
        let tally = entry.tallies.of_mut(counted);
        if let Some(version) = before {
            tally.take(hash(chain, counted, organisation, &id, version));
        }
        if let Some(version) = after {
            tally.add(hash(chain, counted, organisation, &id, version));
        }
        if before.is_none() || after.is_none() {
            *entry.changes.of_mut(counted) += 1;
        }
        self.steps.push(step);
    }

    /// Writes what it brings into the view, as of its last step.
    pub(crate) fn write(&mut self, view: &Connection, applied: u64) -> Result<(), rusqlite::Error> {
        let chain = self.tallies.chain.as_ref();
        let (mut sum, mut organisations) = self.tallies.sum();
        let mut put = view.prepare_cached("INSERT OR REPLACE INTO tally VALUES (?, ?)")?;
        for (organisation, entry) in &mut self.of {
            if self.tallies.has(*organisation) {
                toggle(&mut sum, entry.element);
            } else {
                organisations += 1;
            }
            let (row, element) = seal(chain, *organisation, &entry.tallies);
            entry.element = element;
            toggle(&mut sum, element);
            put.execute(params![organisation.as_bytes(), row])?;
        }
        self.sum = sum;
        let tag = head(chain, applied, organisations, &sum);
        view.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('tallies', ?)")?.execute([tag]).map(drop)
    }
}

impl Tallies {
    fn entry(&self, organisation: OrganisationId) -> Entry {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.of.get(&organisation).copied().unwrap_or_default()
    }

    fn has(&self, organisation: OrganisationId) -> bool {
        self.state.read().unwrap_or_else(PoisonError::into_inner).of.contains_key(&organisation)
    }

    fn sum(&self) -> ([u8; 16], usize) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.sum, state.of.len())
    }
}

/// Reads all of them, and refuses what was not written so at this step.
fn read(view: &Connection, chain: &dyn Chain, applied: u64) -> Result<State, OpenFault> {
    let mut state = State::default();
    let mut statement = view.prepare("SELECT organisation, row FROM tally")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let blob = |column| row.get_ref(column).map(|value| value.as_blob().unwrap_or_default());
        let organisation = blob(0)?.try_into().map_err(|_| NOT_OURS)?;
        let organisation = OrganisationId::from_bytes(organisation);
        let (tallies, element) = open(chain, organisation, blob(1)?).ok_or(NOT_OURS)?;
        toggle(&mut state.sum, element);
        state.of.insert(organisation, Entry { tallies, element, ..Entry::default() });
    }
    let tag = view.query_row(TAGGED, [], |row| Ok(row.get_ref(0)?.as_blob().ok().map(<[u8]>::to_vec)));
    let tag = tag.optional()?.flatten().ok_or(NOT_OURS)?;
    if tag != head(chain, applied, state.of.len(), &state.sum) {
        return Err(NOT_OURS);
    }
    Ok(state)
}

//! A file or a directory: what of it is durable, and what was changed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::surviving::SurvivingWrites;

/// What a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// Names, and the nodes that they name.
pub(super) type Names = BTreeMap<String, usize>;

/// What is durable.
#[derive(Clone)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Names(Names),
}

#[derive(Clone)]
pub(super) struct Node {
    durable: Content,
    /// Not durable yet, in the order in which it was done.
    changes: Vec<Change>,
}

/// A change of one sector, of the length, or of names. It comes whole or not at all.
#[derive(Clone)]
pub(super) struct Change {
    /// Its place among all changes.
    pub(super) number: u64,
    /// The call that made it, as long as that has not returned.
    under_way: Option<usize>,
    what: What,
}

#[derive(Clone)]
pub(super) enum What {
    Bytes(usize, Arc<[u8]>),
    Length(usize),
    /// Names, and what they name from then on: all of them change together.
    Names(Vec<(String, Option<usize>)>),
}

impl Node {
    pub(super) const fn file() -> Self {
        Self { durable: Content::Bytes(Vec::new()), changes: Vec::new() }
    }

    pub(super) const fn directory() -> Self {
        Self { durable: Content::Names(Names::new()), changes: Vec::new() }
    }

    pub(super) fn durable_file(bytes: &[u8]) -> Self {
        Self { durable: Content::Bytes(bytes.to_vec()), changes: Vec::new() }
    }

    pub(super) fn durable_name(&mut self, name: String, node: usize) {
        self.durable.apply(&What::Names(vec![(name, Some(node))]));
    }

    /// Notes a change that a call makes. `next` numbers the parts that a disk may take one without the other.
    pub(super) fn change(&mut self, call: usize, what: What, next: &mut u64) {
        let mut push = |what| {
            *next += 1;
            self.changes.push(Change { number: *next, under_way: Some(call), what });
        };
        let What::Bytes(at, bytes) = what else { return push(what) };
        let mut from = 0;
        while from < bytes.len() {
            let to = (from + SECTOR_BYTES - (at + from) % SECTOR_BYTES).min(bytes.len());
            push(What::Bytes(at + from, bytes[from..to].into()));
            from = to;
        }
    }

    /// A call has returned.
    pub(super) fn returned(&mut self, call: usize) {
        for change in self.changes.iter_mut().filter(|change| change.under_way == Some(call)) {
            change.under_way = None;
        }
    }

    /// What a flush that begins now will have covered when it returns.
    pub(super) fn done(&self) -> Vec<u64> {
        self.changes.iter().filter(|change| change.under_way.is_none()).map(|change| change.number).collect()
    }

    /// Makes changes durable.
    pub(super) fn flush(&mut self, covered: &[u64]) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let covers = covered.binary_search(&change.number).is_ok();
            if covers {
                durable.apply(&change.what);
            }
            !covers
        });
    }

    /// The numbers of the changes that are not durable.
    pub(super) fn open(&self) -> impl Iterator<Item = u64> {
        self.changes.iter().map(|change| change.number)
    }

    /// What is left when the power is cut.
    pub(super) fn left(&self, surviving: &mut SurvivingWrites) -> Content {
        let mut left = self.durable.clone();
        for (change, comes) in self.changes.iter().zip(surviving.which_come(&self.changes)) {
            if comes {
                left.apply(&change.what);
            }
        }
        left
    }

    pub(super) fn durable(&self) -> Content {
        self.durable.clone()
    }

    /// What processes see.
    pub(super) fn seen(&self) -> Content {
        let mut seen = self.durable.clone();
        self.changes.iter().for_each(|change| seen.apply(&change.what));
        seen
    }
}

impl Change {
    /// What a change is of: one sector, the length, or the names.
    pub(super) const fn place(&self) -> Place<'_> {
        match &self.what {
            What::Bytes(at, _) => Place::Sector(*at / SECTOR_BYTES),
            What::Length(_) => Place::Length,
            What::Names(names) => Place::Names(names.as_slice()),
        }
    }
}

/// Where a change is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place<'a> {
    Length,
    Sector(usize),
    Names(&'a [(String, Option<usize>)]),
}

impl Content {
    fn apply(&mut self, what: &What) {
        match (self, what) {
            (Self::Bytes(file), What::Bytes(at, bytes)) => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
            (Self::Bytes(file), What::Length(length)) => file.resize(*length, 0),
            (Self::Names(names), What::Names(changes)) => {
                for (name, node) in changes {
                    match node {
                        Some(node) => drop(names.insert(name.clone(), *node)),
                        None => drop(names.remove(name)),
                    }
                }
            }
            (Self::Bytes(_), What::Names(_)) | (Self::Names(_), What::Bytes(..) | What::Length(_)) => {
                panic!("a file is no directory")
            }
        }
    }
}

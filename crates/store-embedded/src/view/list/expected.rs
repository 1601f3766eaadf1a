use panvault_model::OrganisationId;
use panvault_store::{RowFault, RowKey, StoreFault};

use crate::view::tally::{Counted, Known, Tallies};

/// What a list must find in the index: as many entries as its organisations have rows, give or take what comes and goes meanwhile, and a
/// row for each of them.
pub(super) struct Expected<'a> {
    tallies: &'a Tallies,
    counted: Option<Counted>,
    organisations: &'a [OrganisationId],
    known: Known,
    entries: u64,
    missing: u64,
    missing_row: Option<RowKey>,
}

impl<'a> Expected<'a> {
    /// Before anything is read; of what is not counted nothing is expected. A fault where rows of one of them are known to be put back, taken away or changed.
    pub(super) fn begin(
        tallies: &'a Tallies,
        counted: Option<Counted>,
        organisations: &'a [OrganisationId],
    ) -> Result<Self, StoreFault> {
        let known = match counted {
            Some(counted) => tallies.known(counted, organisations)?,
            None => Known::default(),
        };
        Ok(Self { tallies, counted, organisations, known, entries: 0, missing: 0, missing_row: None })
    }

    /// How many rows they have.
    pub(super) const fn total(&self) -> u64 {
        self.known.count
    }

    /// An entry was read.
    pub(super) const fn entry(&mut self) {
        self.entries += 1;
    }

    /// No row is behind an entry.
    pub(super) const fn missing(&mut self, row: RowKey) {
        self.missing += 1;
        self.missing_row = Some(row);
    }

    /// Judges what was read, also whether entries are missing when the index was read to its end.
    pub(super) fn judge(&self, to_the_end: bool) -> Result<(), StoreFault> {
        let Some(counted) = self.counted else { return Ok(()) };
        // Whoever has seen a row asks after it was counted.
        let changes = self.tallies.known(counted, self.organisations)?.changes_since(&self.known);
        let too_many = self.entries > self.known.count.saturating_add(changes);
        let too_few = to_the_end && self.entries.saturating_add(changes) < self.known.count;
        if self.missing <= changes && !too_many && !too_few {
            return Ok(());
        }
        // Of several it is not known which one it is; whoever looks at everything finds out.
        if let [organisation] = self.organisations {
            self.tallies.found_damaged(counted, *organisation);
        }
        Err(StoreFault::Damaged { row: self.missing_row, fault: RowFault::Forged })
    }
}

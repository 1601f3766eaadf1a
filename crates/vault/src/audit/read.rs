use panvault_model::{Id, NodeId, Timestamp};
use panvault_store::{Action, AuditField, AuditQuery, AuditRecord, FieldValue, StoreFault, Test};
use tokio::time::timeout;

use crate::audit::{audit_starts, known_trails};
use crate::error::{Named, VaultError};
use crate::limits::{AUDIT_PAGE_RECORDS, AUDIT_SCANNED_MAX, AUDIT_SKEW_MILLIS};
use crate::permit::{AuditList, AuditRead, Permit};
use crate::vault::Vault;

impl Vault {
    /// What was done in the organisations that the caller sees, the newest first; `query.organisations` narrows them when it names some.
    /// `query.sort` has no meaning here. [`VaultError::NotFound`] when it names an organisation that the caller does not see;
    /// [`VaultError::Faults`] when so many records do not match that the list would take too long.
    ///
    /// There is no total: counting would read the whole trail. Few lists are made at a time, shared out by who asks; one waits and
    /// takes no longer than a list of the store may, and ends with whoever waits for it.
    pub async fn audit_list(
        &self,
        permit: &Permit<AuditList>,
        query: &AuditQuery,
    ) -> Result<Vec<AuditRecord>, VaultError> {
        for organisation in &query.organisations {
            if !permit.is_operator() {
                permit.within(*organisation, Named::Condition("organisation"))?;
            }
        }
        let time = self.store().list_time();
        let waited = timeout(time, self.audit_lists().take(permit.asked_by())).await;
        let slot = waited.unwrap_or(Err(StoreFault::Busy))?;
        let found = timeout(time, self.audit_scan(permit, query)).await;
        drop(slot);
        let found = found.unwrap_or(Err(VaultError::Store(StoreFault::TimedOut)))?;
        self.seen(permit, Action::AuditRead, permit.counted_in(&query.organisations), None);
        Ok(found)
    }

    /// Looks through the trail for what a list asks for.
    async fn audit_scan(
        &self,
        permit: &Permit<AuditList>,
        query: &AuditQuery,
    ) -> Result<Vec<AuditRecord>, VaultError> {
        let (from, until) = times(query);
        let mut chains = Vec::new();
        let ends = self.trails_known().await?;
        let writers: Vec<_> = ends.keys().copied().collect();
        let starts = audit_starts(self.store(), self.keys(), &writers).await?;
        let is_bounded = (from, until) != (0, Timestamp::MAX.unix_millis());
        for (writer, end) in ends {
            let start = starts.get(&writer).map_or(0, |(_, start)| start.place);
            let next =
                if is_bounded { self.audit_last(writer, (start, end), from, until).await? } else { end };
            chains.push(Backward { writer, start, next, ready: Vec::new() });
        }
        let (mut found, mut skip) = (Vec::new(), query.skip);
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        for scanned in 0_u64.. {
            let Some(record) = self.audit_newest(&mut chains).await? else { break };
            let too_old = record.note.at.unix_millis().saturating_add(AUDIT_SKEW_MILLIS) < from;
            if found.len() == most || too_old {
                break;
            }
            if scanned >= AUDIT_SCANNED_MAX {
                let why = format!(
                    "is not narrow enough: {AUDIT_SCANNED_MAX} records were looked through; ask for those before {} \
                     with created_at<=, or for fewer",
                    record.note.at
                );
                return Err(VaultError::field("created_at", why));
            }
            let named = &query.organisations;
            let organisation = record.note.organisation;
            let is_asked = named.is_empty() || named.contains(&organisation);
            if is_asked && permit.audits(organisation) && query.holds(&record) {
                match skip.checked_sub(1) {
                    Some(rest) => skip = rest,
                    None => found.push(record),
                }
            }
        }
        Ok(found)
    }

    /// One record. [`VaultError::NotFound`] when there is none, or the caller does not see the organisation that it is about.
    pub async fn audit_read(
        &self,
        permit: &Permit<AuditRead>,
        writer: NodeId,
        place: u64,
    ) -> Result<AuditRecord, VaultError> {
        let starts = audit_starts(self.store(), self.keys(), &[writer]).await?;
        if starts.get(&writer).is_some_and(|(_, start)| place <= start.place) {
            return Err(VaultError::not_found(Named::Subject));
        }
        let known = known_trails(self.store(), self.keys(), vec![writer]).await?;
        if known.ends.first().is_none_or(|(_, end)| place > *end) {
            return Err(VaultError::not_found(Named::Subject));
        }
        let records = self.store().audit_read(writer, place, 1).await?;
        let seen = records.into_iter().find(|record| permit.audits(record.note.organisation));
        let seen = seen.filter(|record| record.place == place);
        let record = seen.ok_or_else(|| VaultError::not_found(Named::Subject))?;
        self.seen(permit, Action::AuditRead, record.note.organisation, None);
        Ok(record)
    }

    /// The newest record that the chains have not given yet.
    async fn audit_newest(&self, chains: &mut [Backward]) -> Result<Option<AuditRecord>, VaultError> {
        for chain in chains.iter_mut().filter(|chain| chain.ready.is_empty() && chain.next > chain.start) {
            let first = chain.next.saturating_sub(AUDIT_PAGE_RECORDS as u64).max(chain.start) + 1;
            let count = usize::try_from(chain.next - first + 1).unwrap_or(AUDIT_PAGE_RECORDS);
            chain.ready = self.store().audit_read(chain.writer, first, count).await?;
            // A trail has no gaps.
            if chain.ready.len() != count {
                return Err(VaultError::Store(StoreFault::Read("the audit trail has a gap")));
            }
            chain.next = first - 1;
        }
        let newest = chains.iter_mut().max_by_key(|chain| chain.ready.last().map(|record| record.note.at));
        Ok(newest.and_then(|chain| chain.ready.pop()))
    }

    /// The last place of a writer's chain, which is kept behind one place up to another, whose record is between two moments, as far as its times are in order; the former for none.
    async fn audit_last(
        &self,
        writer: NodeId,
        (start, end): (u64, u64),
        from: u64,
        until: u64,
    ) -> Result<u64, VaultError> {
        let until = until.saturating_add(AUDIT_SKEW_MILLIS);
        let at = async |place: u64| -> Result<u64, VaultError> {
            let records = self.store().audit_read(writer, place, 1).await?;
            let record = records.first().filter(|record| record.place == place);
            let gap = VaultError::Store(StoreFault::Read("the audit trail has a gap"));
            Ok(record.ok_or(gap)?.note.at.unix_millis())
        };
        let last = at(end).await?;
        if last.saturating_add(AUDIT_SKEW_MILLIS) < from {
            return Ok(start);
        }
        if last <= until {
            return Ok(end);
        }
        // Between one that is, or none, and one that is not.
        let (mut low, mut high) = (start, end);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if at(middle).await? <= until { low = middle } else { high = middle }
        }
        Ok(low)
    }
}

/// A chain that is read from its end.
struct Backward {
    writer: NodeId,
    /// The last place that is kept no longer.
    start: u64,
    /// The last place that was not read.
    next: u64,
    /// Read, and not given yet; the newest last.
    ready: Vec<AuditRecord>,
}

/// The moments, in Unix milliseconds, between which all must lie that a list asks for.
fn times(query: &AuditQuery) -> (u64, u64) {
    let (mut from, mut until) = (0, Timestamp::MAX.unix_millis());
    for filter in query.filters.iter().filter(|filter| filter.field == AuditField::CreatedAt) {
        let bounds = filter.values.iter().filter_map(|value| match value {
            FieldValue::Number(millis) => Some(*millis),
            FieldValue::Absent | FieldValue::Text(_) => None,
        });
        match filter.test {
            Test::AtLeast => from = bounds.fold(from, u64::max),
            Test::AtMost => until = bounds.fold(until, u64::min),
            Test::Equal | Test::NotEqual => {}
        }
    }
    // Nothing is done in a request before it was named, and names begin with that moment.
    for filter in query.filters.iter().filter(|filter| filter.field == AuditField::Request) {
        let named = filter.values.iter().filter_map(|value| match value {
            FieldValue::Text(text) => Id::parse(text).ok(),
            FieldValue::Absent | FieldValue::Number(_) => None,
        });
        match filter.test {
            Test::Equal => from = from.max(named.map(|id| id.made_at().unix_millis()).min().unwrap_or(0)),
            Test::NotEqual | Test::AtLeast | Test::AtMost => {}
        }
    }
    (from, until)
}

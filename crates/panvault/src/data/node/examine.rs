//! What a doctor finds of a node. Nothing is changed.

mod latest;
mod presence;
mod rows;

use core::time::Duration;
use std::collections::HashSet;
use std::sync::Arc;

use panvault_keys::VaultKeys;
use panvault_model::{ProcessorId, VaultId};
use panvault_store::{AuditRecord, DocumentKind, DocumentRow, Store, Table};
use panvault_store_postgres::{Database, PostgresStore};
use panvault_vault::{
    Mode, RowVerifier, SystemClock, VaultError, audit_starts, documents_differ, processor_types,
    trail_examine_each,
};

use crate::config::Cvvs;
use crate::data::beside::{Looked, looked};
use crate::data::header::{CopyFault, OpenHeader};
use crate::data::node::NodeDirectory;
use crate::data::node::database::unsecured;
use crate::data::node::examine::latest::{Latest, Suspects};
use crate::data::node::examine::presence::{Candidates, Presence};
use crate::data::node::examine::rows::{Rows, RowsExamined, named};
use crate::data::node::open::cvv_server;
use crate::data::open::node_make;
use crate::data::{Unattended, chain};

/// Time that the database has for an answer.
const READ_TIME: Duration = Duration::from_secs(10);
/// Objects that are listed by name; the rest are counted.
const LISTED_MAX: usize = 20;
const TOO_MANY: &str = "more rows than can be named are not as the audit trail tells of them";
/// Objects that are looked up at a time.
const LOOKED_UP: usize = 512;

/// What was found, and what could be opened.
#[derive(Default)]
pub(crate) struct NodeExamined {
    pub(crate) keys: Option<VaultKeys>,
    pub(crate) vault: Option<VaultId>,
    pub(crate) mode: Option<Mode>,
    /// Why the database, or what is in it, cannot be used.
    pub(crate) database: Vec<String>,
    /// Documents that are not what the vault wrote.
    pub(crate) documents: Vec<String>,
    /// Id and type of each processor; `None` where documents could not be read.
    pub(crate) types: Option<Vec<(ProcessorId, String)>>,
    /// Keys of organisations, and how far the trail was exported: what advice is given by.
    pub(crate) advised_rows: Vec<Arc<DocumentRow>>,
    /// What was read of the rows; `None` where they could not be.
    pub(crate) rows: Option<RowsExamined>,
    /// What is wrong with the audit trail.
    pub(crate) trail: Vec<String>,
    /// Why CVVs cannot be held.
    pub(crate) cvvs: Vec<String>,
    /// Copies of the keys that do not serve.
    pub(crate) copies: Vec<CopyFault>,
    /// What is found may come of keys that changed meanwhile.
    pub(crate) keys_change: bool,
    /// What is to be known of how the database keeps what it is given.
    pub(crate) replication: Option<String>,
    /// What is to be known of the way there.
    pub(crate) unsecured: Option<&'static str>,
}

impl NodeExamined {
    /// Nothing is wrong that other keys would explain.
    fn is_whole(&self) -> bool {
        let are_rows = self.rows.as_ref().is_some_and(|rows| rows.findings.is_empty());
        let said = [&self.database, &self.documents, &self.trail];
        are_rows && self.copies.is_empty() && said.iter().all(|said| said.is_empty())
    }
}

impl NodeDirectory {
    /// Looks at everything that this node needs, beside those that serve the vault.
    /// Says `at` how many rows were read so far.
    pub(crate) async fn examined(
        &self,
        by: Unattended<'_>,
        cvvs_held_max: u64,
        at: &mut (dyn FnMut(u64) + Send),
    ) -> NodeExamined {
        let unsecured = unsecured(&self.shared.store);
        let look = async || {
            let mut examined = NodeExamined { unsecured, ..NodeExamined::default() };
            if let Err(error) = self.examine(by, cvvs_held_max, at, &mut examined).await {
                examined.database.push(format!("{error:#}"));
            }
            examined
        };
        let Looked { found, keys_change } =
            looked(async || self.versions().await, look, NodeExamined::is_whole).await;
        NodeExamined { keys_change, ..found }
    }

    async fn examine(
        &self,
        by: Unattended<'_>,
        cvvs_held_max: u64,
        at: &mut (dyn FnMut(u64) + Send),
        examined: &mut NodeExamined,
    ) -> anyhow::Result<()> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        (examined.vault, examined.mode) = (Some(row.vault), Some(mode));
        examined.replication = replication(&database).await;
        if let Cvvs::Server(server) = &self.shared.cvvs
            && let Err(error) = cvv_server(server, row.vault, cvvs_held_max).await
        {
            examined.cvvs.push(format!("{error:#}"));
        }
        let slot = self.unattended_of(&row, mode, by).await?;
        let header = || self.header_by(&database, &row, mode, slot.as_ref());
        let OpenHeader { keys, copies, .. } = header()?;
        examined.copies = copies.faults;
        let node = node_make(&SystemClock::start())?;
        let store = PostgresStore::open(database.clone(), chain(&keys), node).await?;
        let documents = store.document_read_all().await?;
        examined.documents = documents_differ(&keys, &documents);
        examined.types = Some(processor_types(&documents));
        let looked_at = [DocumentKind::OrganisationKey, DocumentKind::TrailState];
        examined.advised_rows =
            documents.iter().filter(|row| looked_at.contains(&row.kind)).cloned().collect();
        // Opened once more: keys are not copied.
        let opened = || Ok(header()?.keys);
        let looking = Looking { store: &store, keys: &keys, opened: &opened };
        match RowVerifier::open(opened()?, &documents) {
            Ok(verifier) => {
                let (rows, trail) = looking.look(verifier, at, None).await?;
                (examined.rows, examined.trail) = (Some(rows), trail);
            }
            Err(error) => examined.documents.push(unverified(error)),
        }
        examined.keys = Some(keys);
        Ok(())
    }
}

fn unverified(error: VaultError) -> String {
    format!("documents or keys do not verify: {:#}", anyhow::Error::from(error))
}

/// A database that nobody writes to, and what it is looked at with.
pub(in crate::data) struct AtRest<'a> {
    pub(in crate::data) store: &'a PostgresStore,
    /// Opens the keys: they are not copied.
    pub(in crate::data) keys: &'a (dyn Fn() -> anyhow::Result<VaultKeys> + Sync),
}

impl AtRest<'_> {
    /// Looks at all that is in it, and hands out each record of its trail: what is wrong, and how many rows there are of each kind. Beside what a doctor finds of a
    /// database that is served, rows of before are found in the place of those of now.
    pub(in crate::data) async fn examined(
        &self,
        at: &mut (dyn FnMut(u64) + Send),
        each: &mut (dyn FnMut(&AuditRecord) + Send),
    ) -> anyhow::Result<(Vec<String>, Vec<(&'static str, u64)>)> {
        let keys = (self.keys)()?;
        let documents = self.store.document_read_all().await?;
        let mut findings = documents_differ(&keys, &documents);
        let verifier = match RowVerifier::open((self.keys)()?, &documents) {
            Ok(verifier) => verifier,
            Err(error) => {
                findings.push(unverified(error));
                return Ok((findings, Vec::new()));
            }
        };
        let looking = Looking { store: self.store, keys: &keys, opened: self.keys };
        let writers = self.store.audit_writers().await?;
        // One that is not what the vault wrote is found with the trail.
        let starts = audit_starts(self.store, &keys, &writers).await.unwrap_or_default();
        let retired_until = starts.values().map(|(_, start)| start.at).max();
        let rest = Rest { latest: Latest::new(retired_until), each };
        let (rows, trail) = looking.look(verifier, at, Some(rest)).await?;
        findings.extend(trail);
        findings.extend(rows.findings);
        Ok((findings, rows.counts))
    }
}

/// What is looked at beside, where nobody writes.
struct Rest<'a> {
    latest: Latest,
    each: &'a mut (dyn FnMut(&AuditRecord) + Send),
}

/// What rows and trail are looked at with.
struct Looking<'a> {
    store: &'a PostgresStore,
    keys: &'a VaultKeys,
    opened: &'a (dyn Fn() -> anyhow::Result<VaultKeys> + Sync),
}

impl Looking<'_> {
    /// All rows, then the trail: whatever was deleted before its row was read is told of in it. What is wrong with the trail comes apart.
    async fn look(
        &self,
        verifier: RowVerifier,
        at: &mut (dyn FnMut(u64) + Send),
        mut rest: Option<Rest<'_>>,
    ) -> anyhow::Result<(RowsExamined, Vec<String>)> {
        let now = self.store.database().clock().await?;
        let mut presence = Presence::new(chain(self.keys), now);
        let rows = Rows { store: self.store, keys: self.opened, at };
        let latest = rest.as_mut().map(|rest| &mut rest.latest);
        let mut found = rows.examine(verifier, &mut presence, latest).await?;
        let trail = trail_examine_each(self.store, self.keys, &mut |record| {
            presence.record(record);
            if let Some(rest) = &mut rest {
                rest.latest.record(&record.note);
                (rest.each)(record);
            }
        })
        .await?;
        presence.retired(trail.told);
        // A trail that is not whole says nothing of what it lacks.
        if trail.findings.is_empty() {
            found.findings.extend(self.not_as_told(&presence).await?);
            if let Some(Rest { latest, .. }) = rest {
                found.findings.extend(self.not_the_last(latest).await?);
            }
        }
        Ok((found, trail.findings))
    }

    /// Rows that are not the last of their versions, by name where that can be told.
    async fn not_the_last(&self, mut latest: Latest) -> anyhow::Result<Vec<String>> {
        if latest.has_deleted() {
            trail_examine_each(self.store, self.keys, &mut |record| latest.without_deleted(&record.note))
                .await?;
        }
        let (mut found, differ) = (latest.counted(), latest.differ());
        if differ.is_empty() {
            return Ok(found);
        }
        let (mut suspects, mut are_all) = (Suspects::new(), true);
        trail_examine_each(self.store, self.keys, &mut |record| {
            are_all &= latest.suspect(&differ, &record.note, &mut suspects);
        })
        .await?;
        if !are_all {
            found.push(TOO_MANY.to_owned());
            return Ok(found);
        }
        let (mut named_rows, mut count) = (Vec::new(), 0);
        for table in Table::ALL {
            let keys: Vec<_> =
                suspects.keys().filter(|(of, _)| *of == table).map(|(_, key)| key.clone()).collect();
            for keys in keys.chunks(LOOKED_UP) {
                for read in self.store.rows_of(table, keys).await? {
                    let Ok(row) = &read.row else { continue };
                    let changes = suspects.get(&(table, read.key.clone())).copied().unwrap_or(0);
                    if u64::from(row.version()) == changes {
                        continue;
                    }
                    count += 1;
                    if named_rows.len() < LISTED_MAX {
                        named_rows.push(format!(
                            "{} is not as it was last: it has version {}, and the audit trail tells of {changes}",
                            named(table, &read.key),
                            row.version()
                        ));
                    }
                }
            }
        }
        let rest = count - named_rows.len();
        found.extend(named_rows);
        if rest > 0 {
            found.push(format!("and {rest} further rows that are not as they were last"));
        }
        Ok(found)
    }

    /// Objects that are not there and were not deleted, or are there again, by name. What was deleted while this ran is so only once.
    async fn not_as_told(&self, presence: &Presence) -> anyhow::Result<Vec<String>> {
        let differ = presence.differ();
        let mut first = self.wrong_of(presence.young()).await?;
        if !differ.is_empty() {
            let Some(settled) = self.candidates(presence, &differ).await? else {
                return Ok(vec![TOO_MANY.to_owned()]);
            };
            first.extend(self.wrong_of(&settled).await?);
        }
        if first.is_empty() {
            return Ok(presence.unnamed(core::iter::empty()));
        }
        let Some(second) = self.candidates(presence, &differ).await? else {
            return Ok(vec![TOO_MANY.to_owned()]);
        };
        let mut wrong: Vec<_> =
            self.wrong_of(&second).await?.into_iter().filter(|was| first.contains(was)).collect();
        wrong.sort();
        let unnamed = presence.unnamed(wrong.iter().map(|(table, key, _)| (*table, key.as_slice())));
        let rest = wrong.len().saturating_sub(LISTED_MAX);
        let said = wrong.iter().take(LISTED_MAX).map(|(table, key, is_there)| {
            let what = if *is_there {
                "was deleted, and is there again"
            } else {
                "is gone, and the audit trail tells of nobody who deleted it"
            };
            format!("{} {what}", named(*table, key))
        });
        let mut said: Vec<String> = said.collect();
        if rest > 0 {
            said.push(format!("and {rest} further rows that are not as the audit trail tells of them"));
        }
        said.extend(unnamed);
        Ok(said)
    }

    async fn candidates(
        &self,
        presence: &Presence,
        differ: &HashSet<(Table, usize)>,
    ) -> anyhow::Result<Option<Candidates>> {
        let (mut candidates, mut are_all) = (Candidates::new(), true);
        trail_examine_each(self.store, self.keys, &mut |record| {
            are_all &= presence.candidate(differ, record, &mut candidates);
        })
        .await?;
        Ok(are_all.then_some(candidates))
    }

    /// Those that are not as the trail tells of them, and whether they are there.
    async fn wrong_of(&self, candidates: &Candidates) -> anyhow::Result<HashSet<(Table, Vec<u8>, bool)>> {
        let mut wrong = HashSet::new();
        for table in Table::ALL {
            let keys: Vec<_> =
                candidates.keys().filter(|(of, _)| *of == table).map(|(_, key)| key.clone()).collect();
            for keys in keys.chunks(LOOKED_UP) {
                let missing = self.store.rows_missing(table, keys).await?;
                for key in keys {
                    let (is_there, named) = (!missing.contains(key), (table, key.clone()));
                    let is_told = candidates.get(&named).is_some_and(|made| *made > 0);
                    if is_there != is_told {
                        wrong.insert((table, named.1, is_there));
                    }
                }
            }
        }
        Ok(wrong)
    }
}

/// What an operator should know of where commits are kept; `None` where each is on two machines.
async fn replication(database: &Database) -> Option<String> {
    let replication = database.replication().await.ok()?;
    match (replication.synchronous, replication.standbys) {
        (true, 1..) => None,
        (true, 0) => Some("the database commits only with a standby, and has none: nothing is written".to_owned()),
        (false, 0) => Some(
            "the database has no standby: with its disk, what was acknowledged is gone; set synchronous_standby_names, or keep it elsewhere \
             as its documentation says"
                .to_owned(),
        ),
        (false, _) => Some(
            "the database's standbys are asynchronous: what was acknowledged last is gone when one of them takes over; set \
             synchronous_standby_names"
                .to_owned(),
        ),
    }
}

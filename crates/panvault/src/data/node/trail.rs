//! The chains of all nodes, read from end to end.

use core::time::Duration;
use std::path::Path;

use anyhow::Context;
use panvault_model::NodeId;
use panvault_store::Store;
use panvault_store_postgres::PostgresStore;
use panvault_vault::SystemClock;

use crate::data::chain;
use crate::data::node::NodeDirectory;
use crate::data::open::node_make;

/// Time that the database has for an answer.
const READ_TIME: Duration = Duration::from_secs(60);
/// Records that are asked for at a time.
const PAGE_RECORDS: usize = 1000;

/// What was read of the trail.
#[derive(Default)]
pub(crate) struct TrailVerified {
    pub(crate) records: u64,
    pub(crate) chains: usize,
    /// Chains that are not as they were written, one text each.
    pub(crate) findings: Vec<String>,
}

impl NodeDirectory {
    /// Holds every record of every chain against its tag and its place. Changes nothing.
    pub(crate) async fn trail_verify(&self, root_key_file: Option<&Path>) -> anyhow::Result<TrailVerified> {
        let (database, row, mode) = self.reach(READ_TIME).await?;
        let keys = self.header(&database, &row, mode, root_key_file)?.keys;
        let node = node_make(&SystemClock::start())?;
        let store = PostgresStore::open(database, chain(&keys), node).await?;
        let writers = store.audit_writers().await.context("who has written records cannot be read")?;
        // What is written from here on is not waited for.
        let ends =
            store.audit_ends(writers.clone()).await.context("the ends of the chains cannot be read")?;
        let mut verified = TrailVerified { chains: writers.len(), ..TrailVerified::default() };
        for (writer, end) in writers.into_iter().zip(ends) {
            match chain_read(&store, writer, end).await {
                Ok(()) => verified.records = verified.records.saturating_add(end),
                Err(what) => verified.findings.push(format!("the chain of node {writer} {what}")),
            }
        }
        Ok(verified)
    }
}

/// Reads a chain up to its end. The store holds each record against its tag; here it is counted.
async fn chain_read(store: &dyn Store, writer: NodeId, end: u64) -> Result<(), String> {
    let mut next = 1_u64;
    while next <= end {
        let records = store.audit_read(writer, next, PAGE_RECORDS).await;
        let records = records.map_err(|fault| format!("cannot be read from record {next} on: {fault}"))?;
        if records.is_empty() {
            return Err(format!("ends before record {next}, and has {end}"));
        }
        for record in records {
            if record.place != next {
                return Err(format!("has record {} in the place of {next}", record.place));
            }
            next = next.saturating_add(1);
        }
    }
    Ok(())
}

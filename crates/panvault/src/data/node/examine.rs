//! What a doctor finds of a node. Nothing is changed.

use core::time::Duration;
use std::path::Path;

use panvault_keys::VaultKeys;
use panvault_model::VaultId;
use panvault_store::Store;
use panvault_store_postgres::{Database, PostgresStore};
use panvault_vault::{Mode, RowVerifier, SystemClock, documents_differ};

use crate::config::Cvvs;
use crate::data::chain;
use crate::data::header::{CopyFault, OpenHeader};
use crate::data::node::NodeDirectory;
use crate::data::node::database::unsecured;
use crate::data::node::open::cvv_server;
use crate::data::open::node_make;

/// Time that the database has for an answer.
const READ_TIME: Duration = Duration::from_secs(10);

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
    /// Why CVVs cannot be held.
    pub(crate) cvvs: Vec<String>,
    /// Copies of the keys that do not serve.
    pub(crate) copies: Vec<CopyFault>,
    /// What is to be known of how the database keeps what it is given.
    pub(crate) replication: Option<String>,
    /// What is to be known of the way there.
    pub(crate) unsecured: Option<&'static str>,
}

impl NodeDirectory {
    /// Looks at everything that this node needs.
    pub(crate) async fn examined(&self, root_key_file: Option<&Path>, cvvs_held_max: u64) -> NodeExamined {
        let unsecured = unsecured(&self.shared.store);
        let mut examined = NodeExamined { unsecured, ..NodeExamined::default() };
        if let Err(error) = self.examine(root_key_file, cvvs_held_max, &mut examined).await {
            examined.database.push(format!("{error:#}"));
        }
        examined
    }

    async fn examine(
        &self,
        root_key_file: Option<&Path>,
        cvvs_held_max: u64,
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
        let OpenHeader { keys, copies, .. } = self.header(&database, &row, mode, root_key_file)?;
        examined.copies = copies.faults;
        let node = node_make(&SystemClock::start())?;
        let store = PostgresStore::open(database.clone(), chain(&keys), node).await?;
        let documents = store.document_read_all().await?;
        examined.documents = documents_differ(&keys, &documents);
        // Opened once more: keys are not copied.
        let verifying = self.header(&database, &row, mode, root_key_file)?.keys;
        if let Err(error) = RowVerifier::open(verifying, &documents) {
            examined
                .documents
                .push(format!("documents or keys do not verify: {:#}", anyhow::Error::from(error)));
        }
        examined.keys = Some(keys);
        Ok(())
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

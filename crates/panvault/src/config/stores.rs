//! Where rows and CVVs are kept when several nodes share them.

use core::time::Duration;
use std::path::PathBuf;

use panvault_store_postgres::PostgresUrl;
use panvault_store_redis::RedisUrl;

use crate::config::{Checked, Fallback};

/// A database that holds the vault, and what this node needs to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The database, by its address.
    pub(crate) store: PostgresUrl,
    pub(crate) store_password_file: Option<PathBuf>,
    pub(crate) store_connections_max: u32,
    /// Commits that are written as one.
    pub(crate) commit_rows_max: u32,
    pub(crate) cvvs: Cvvs,
    /// How long this node is still served to when it is told to stop, so that whoever shares requests out sees it.
    pub(crate) drain: Duration,
}

/// Who holds the CVVs of a vault in a database.
#[derive(Clone, Debug)]
pub(crate) enum Cvvs {
    /// This process: the operator says that there is no other node.
    InProcess,
    /// A server that all nodes ask.
    Server(CvvServer),
}

/// A Redis or Valkey.
#[derive(Clone, Debug)]
pub(crate) struct CvvServer {
    pub(crate) url: RedisUrl,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    /// Certificates that it is known by; `None` for those of the public authorities.
    pub(crate) roots_file: Option<PathBuf>,
    /// It may be asked without TLS at any address.
    pub(crate) insecure: bool,
}

/// How many processes serve a vault that is in a database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nodes {
    One,
    Several,
}

/// Settings that mean something only where `store` names a database.
const OF_STORE: [&str; 4] = ["store_password_file", "cvv_store", "nodes", "drain_seconds"];
/// Settings that mean something only where `cvv_store` names a server.
const OF_CVV_STORE: [&str; 3] = ["cvv_store_user", "cvv_store_password_file", "cvv_store_roots_file"];

impl Checked {
    /// What is shared with other nodes; `None` for a vault that is one directory.
    pub(super) fn shared(&mut self) -> Option<Shared> {
        let store = self.text("store");
        let cvv_store = self.text("cvv_store");
        let nodes = self.value("nodes", "must be one or several");
        let connections = self.number("store_connections_max", 2, 1000);
        let commit_rows_max = self.number("commit_rows_max", 1, 10_000);
        let drain = Duration::from_secs(self.number("drain_seconds", 0, 3600));
        let insecure = self.value("cvv_store_insecure", "must be true or false");
        if cvv_store.is_empty() {
            self.unused(&OF_CVV_STORE, "means nothing without cvv_store: name it, or leave this out");
        }
        if store.is_empty() {
            self.unused(
                &OF_STORE,
                "means nothing without store, which names the database that nodes share: name it, or leave this out",
            );
            return None;
        }
        self.unused(
            &["wal_directory", "backup_archive_bytes"],
            "means nothing with store, whose vault has no log of its own: leave it out",
        );
        let store = PostgresUrl::parse(&store).map_err(|fault| self.fault("store", &fault.to_string())).ok();
        let cvv_url = match cvv_store.as_str() {
            "" => None,
            text => RedisUrl::parse(text)
                .map_err(|fault| self.fault("cvv_store", &format!("is no address of a server: {fault}")))
                .ok(),
        };
        let cvvs = match (cvv_store.is_empty(), nodes) {
            (false, Nodes::One | Nodes::Several) => Cvvs::Server(CvvServer {
                url: cvv_url?,
                user: Some(self.text("cvv_store_user")).filter(|user| !user.is_empty()),
                password_file: self.path("cvv_store_password_file"),
                roots_file: self.path("cvv_store_roots_file"),
                insecure,
            }),
            (true, Nodes::One) => Cvvs::InProcess,
            (true, Nodes::Several) => {
                self.fault(
                    "cvv_store",
                    "is required with store: nodes do not see the CVVs that another one's process holds. Name a Redis or Valkey \
                     that all of them ask, or set nodes = \"one\" if no other process ever serves this vault",
                );
                Cvvs::InProcess
            }
        };
        Some(Shared {
            store: store?,
            store_password_file: self.path("store_password_file"),
            store_connections_max: connections,
            commit_rows_max,
            cvvs,
            drain,
        })
    }

    /// Refuses settings that would have no effect: whoever wrote one expects something of it.
    pub(super) fn unused(&mut self, names: &[&str], what: &str) {
        for name in names {
            if !self.text(name).is_empty() && !self.is_default(name) {
                self.fault(name, what);
            }
        }
    }
}

impl core::str::FromStr for Nodes {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "one" => Ok(Self::One),
            "several" => Ok(Self::Several),
            _ => Err(()),
        }
    }
}

impl Fallback for Nodes {
    /// So that a word that is neither is the one fault.
    fn fallback() -> Self {
        Self::One
    }
}

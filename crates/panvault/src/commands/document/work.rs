//! Opening a vault, doing one thing with it, and closing it.

use panvault_store::StoreFault;
use panvault_store::limits::LIST_ROWS_MAX;
use panvault_vault::{DocumentPlan, Mode, Named, Query, Vault, VaultError};
use serde_json::Value;

use crate::cli::Shared;
use crate::commands::document::arguments::argument;
use crate::commands::document::json;
use crate::commands::runtime;
use crate::config;
use crate::data::{DataDirectory, OpenSettings};
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Does one thing, and gives what came of it.
pub(super) fn with_vault<T>(
    shared: &Shared,
    operation: impl AsyncFnOnce(&Vault) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    runtime()?.block_on(async {
        let settings = OpenSettings { root_key_file: config.root_key_file, ..OpenSettings::default() };
        let open = DataDirectory::find(&config.data_directory)?.open(&settings).await?;
        let done = operation(&open.vault).await;
        // What was acknowledged is in the log by now, and the next start carries it into the view: this changes nothing of what
        // was done.
        if let Err(error) = open.vault.close().await {
            let advice = "what was done is kept; look at the disk, then run panvault doctor";
            tracing::warn!(%error, advice, "vault.close_failed");
        }
        done
    })
}

/// Plans a document, shows it, and makes it. In this order, for a command that fails has changed nothing, and a key that nobody
/// could see must not be one.
pub(super) fn make(
    shared: &Shared,
    plan: impl FnOnce(&Vault) -> Result<(Value, DocumentPlan), VaultError>,
) -> anyhow::Result<()> {
    with_vault(shared, async |vault| {
        // Better said before than after something was printed.
        if let Some(fault) = vault.status().store.fault {
            return Err(anyhow::Error::from(fault).context("nothing was made"));
        }
        let (value, plan) = plan(vault).map_err(|error| said(error, vault.mode()))?;
        output::show(json::text(&value, shared.json))?;
        vault.document_make(plan).await.map_err(|error| undone(error, "what was printed was not made"))
    })
}

/// Prints what is there.
pub(super) fn list<F>(
    shared: &Shared,
    rows: impl AsyncFn(&Vault, Query<F>) -> Result<Vec<Value>, VaultError>,
) -> anyhow::Result<()> {
    let rows = with_vault(shared, async |vault| {
        let mut all = Vec::new();
        loop {
            let some = Query { skip: all.len() as u64, ..Query::newest(Vec::new(), LIST_ROWS_MAX) };
            let some = rows(vault, some).await?;
            if some.is_empty() {
                return Ok(Value::Array(all));
            }
            all.extend(some);
        }
    })?;
    match json::text(&rows, shared.json) {
        none if none.is_empty() => Ok(()),
        text => Ok(output::line(text)?),
    }
}

/// Why a change was not done, as far as that is known.
pub(super) fn undone(error: VaultError, said: &'static str) -> anyhow::Error {
    let is_sure = match &error {
        VaultError::Store(StoreFault::Full | StoreFault::TooLarge)
        | VaultError::Busy
        | VaultError::Contended
        | VaultError::Faults(_) => true,
        VaultError::Store(
            StoreFault::Busy
            | StoreFault::Stopped
            | StoreFault::Damaged { .. }
            | StoreFault::Read(_)
            | StoreFault::TooManyRows,
        )
        | VaultError::NotAuthenticated
        | VaultError::RoleNotAllowed
        | VaultError::NotFound(_)
        | VaultError::WrongState { .. }
        | VaultError::IdempotencyInUse
        | VaultError::IdempotencyMismatch
        | VaultError::CvvFull
        | VaultError::CvvUnavailable
        | VaultError::LeaseLost
        | VaultError::Tampered(_)
        | VaultError::Keys(_)
        | VaultError::Row(_) => false,
    };
    let said = if is_sure {
        said
    } else {
        "whether it was done is not known: see by the list command, and delete an API key that should not be there"
    };
    anyhow::Error::from(error).context(said)
}

/// A refusal with its arguments spelled out.
pub(super) fn said(error: VaultError, mode: Mode) -> anyhow::Error {
    match error {
        VaultError::Faults(faults) => {
            let mut said: Vec<String> =
                faults.iter().map(|fault| format!("{} {}", argument(fault.field), fault.reason)).collect();
            if mode == Mode::Live && faults.iter().any(|fault| fault.field == "configuration") {
                said.push("a vault that takes card_dummy is made by panvault init --mode test".to_owned());
            }
            anyhow::anyhow!(said.join("; "))
        }
        VaultError::NotFound(named) => {
            let names: Vec<&str> = named
                .into_iter()
                .map(|named| match named {
                    Named::Subject => "ID",
                    Named::Field(name) | Named::Condition(name) => argument(name),
                })
                .collect();
            anyhow::anyhow!(
                "{} names nothing in this vault; the list commands show what there is",
                names.join(", ")
            )
        }
        error => error.into(),
    }
}

//! A vault that is moved: from its directory into a database, or back.
//!
//! The order is what keeps two copies from both being served. The copy is made, and is no vault that anything serves; it is held against the source row by
//! row; then the source is marked as moved, durably; and only then the copy becomes a vault. Killed between any two of these steps, the same command
//! goes on from there.

mod copy;
mod directory;
mod from_database;
mod from_directory;
mod mark;
mod trail;

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use panvault_keys::VaultKeys;
use panvault_processor::OWN_TYPES;
use panvault_processor::card_http::Registry;
use panvault_store::audit_start::AuditStart;
use panvault_store::{Chain, RowKey, Store, StoreFault};
use panvault_vault::{RowVerifier, VaultError, audit_starts, processor_types, with_causes};

pub(crate) use from_database::to_directory;
pub(in crate::data) use from_directory::replace;
pub(crate) use from_directory::to_database;
pub(in crate::data) use mark::{VaultState, directory_moved, is_arriving};

/// What was moved.
pub(crate) struct Moved {
    /// The vault.
    pub(crate) vault: String,
    /// Rows of each kind.
    pub(crate) rows: Vec<(&'static str, u64)>,
    /// Records of the trail, without the one that says that it was moved.
    pub(crate) records: u64,
    /// A processor goes by a description that does not come with the program.
    pub(crate) has_described: bool,
    /// All of it had been done before.
    pub(crate) was_done: bool,
}

/// What is told while it goes on.
pub(crate) enum Told<'a> {
    /// Another part begins; it has about so many rows and records.
    Begun(&'static str, u64),
    /// So many more are done.
    Done(u64),
    /// The database is away, and is waited for.
    Away(&'a StoreFault),
}

/// Who is told.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Told<'_>);

/// How long a database that is away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const TRY_EVERY: Duration = Duration::from_millis(250);

/// Asks again while a database is away, for as long as that may take.
pub(in crate::data) async fn patient<T>(
    tell: Tell<'_>,
    mut ask: impl AsyncFnMut() -> Result<T, StoreFault>,
) -> anyhow::Result<T> {
    let begun = now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(
                fault @ (StoreFault::Unreachable
                | StoreFault::Unresolved
                | StoreFault::Busy
                | StoreFault::TimedOut),
            ) if begun.elapsed() < PATIENCE => {
                tell(Told::Away(&fault));
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(fault) => return Err(failed(fault)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long somebody waits is told by no clock of the vault")]
fn now() -> Instant {
    Instant::now()
}

/// Why a store did not do something, and what to do.
fn failed(fault: StoreFault) -> anyhow::Error {
    let said = match fault {
        StoreFault::Damaged { row: Some(key), .. } => damaged(key),
        StoreFault::Unreachable | StoreFault::Unresolved | StoreFault::Busy | StoreFault::TimedOut => {
            "the database was away for a minute; run the same command again, and it goes on where it stopped"
                .to_owned()
        }
        StoreFault::Full => {
            "there is no room for the copy; make some and run the same command again, and it goes on where it stopped"
                .to_owned()
        }
        StoreFault::Stopped => {
            "something else was written in the place of the copy meanwhile, such as by a command that was killed; run the same command again, and it goes on \
             where it stopped"
                .to_owned()
        }
        StoreFault::Damaged { row: None, .. }
        | StoreFault::Read(_)
        | StoreFault::TooLarge
        | StoreFault::TooManyRows
        | StoreFault::TooManyExamined => "the vault was not moved".to_owned(),
    };
    anyhow::Error::from(fault).context(said)
}

/// What is said of a row that is not the vault's.
fn damaged(key: RowKey) -> String {
    format!(
        "{key} is not what the vault wrote, so the vault was not moved: restore it from a backup, or ask for help with this line"
    )
}

/// Names the row that is not the vault's.
fn not_ours(error: VaultError) -> anyhow::Error {
    match error {
        VaultError::Tampered(key) => anyhow!(damaged(key)),
        VaultError::Store(fault) => failed(fault),
        error => anyhow!("the vault was not moved: {}", with_causes(&error)),
    }
}

/// A vault that is to be moved, closed for everybody else.
struct Source {
    store: Arc<dyn Store>,
    chain: Arc<dyn Chain>,
    keys: VaultKeys,
    verifier: RowVerifier,
    /// What tells a state of the vault from every other: how far each chain of its trail has come, and with what.
    state: String,
    /// Records of the trail that are kept, and what those told that are not.
    records: u64,
    told: AuditStart,
    /// A processor goes by a description that does not come with the program.
    has_described: bool,
}

impl Source {
    /// Reads what is to be known beforehand. The keys are opened twice, because they are not copied.
    async fn read(
        store: Arc<dyn Store>,
        chain: Arc<dyn Chain>,
        keys: VaultKeys,
        verifying: VaultKeys,
        tell: Tell<'_>,
    ) -> anyhow::Result<Self> {
        let documents = patient(tell, async || store.document_read_all().await).await?;
        ensure!(
            documents.iter().any(|row| !row.kind.is_beside()),
            "there is nothing to move: the vault has no organisation; make one where it is to be, with panvault init"
        );
        let verifier = RowVerifier::open(verifying, &documents).map_err(not_ours)?;
        let (state, records, told) = state(store.as_ref(), chain.as_ref(), &keys, tell).await?;
        let shipped = Registry::shipped();
        let is_own = |type_name: &String| {
            !OWN_TYPES.contains(&type_name.as_str()) && shipped.of_type(type_name).is_none()
        };
        let has_described = processor_types(&documents).iter().any(|(_, type_name)| is_own(type_name));
        Ok(Self { store, chain, keys, verifier, state, records, told, has_described })
    }
}

/// What tells a state of a vault from every other, how many records it keeps, and what those told that it does not. Whatever changes writes a record.
async fn state(
    store: &dyn Store,
    chain: &dyn Chain,
    keys: &VaultKeys,
    tell: Tell<'_>,
) -> anyhow::Result<(String, u64, AuditStart)> {
    let mut writers = patient(tell, async || store.audit_writers().await).await?;
    writers.sort_unstable();
    let ends = patient(tell, async || store.audit_ends(writers.clone()).await).await?;
    let starts = audit_starts(store, keys, &writers).await.map_err(not_ours)?;
    let (mut bytes, mut records, mut told) = (Vec::new(), 0_u64, AuditStart::default());
    starts.values().for_each(|(_, start)| told.add(start));
    for (writer, end) in writers.into_iter().zip(ends).filter(|(_, end)| *end > 0) {
        let last = patient(tell, async || store.audit_read(writer, end, 1).await).await?;
        let last = last.first().context("the trail has a gap at its end, so the vault was not moved")?;
        bytes.extend_from_slice(writer.as_bytes());
        bytes.extend_from_slice(&end.to_be_bytes());
        last.note.encode(&mut bytes);
        let place = starts.get(&writer).map_or(0, |(_, start)| start.place);
        records = records.saturating_add(end.saturating_sub(place));
    }
    let digest = chain.digest(&bytes);
    Ok((digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect(), records, told))
}

use anyhow::{Context, bail};
use panvault_model::Id;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::client::{Client, TRY_EVERY, WAIT_SECONDS_MAX, is_in_use};
use crate::config::Config;
use crate::data::{OpenSettings, OpenVault, Place};

const UNWRITTEN: &str = "the audit trail cannot be written, and the table in use is untouched";

/// Where a change of the table is written down: by this process, in the audit trail, before it is made; or, while a server has the vault
/// open, by that server when it takes the table up.
pub(crate) struct Trail(Option<(Runtime, OpenVault)>);

impl Trail {
    /// Opens the vault, unless a server has it. Another command that has it is done in a moment, and is waited for.
    pub(crate) fn open(runtime: Runtime, place: &Place, config: &Config) -> anyhow::Result<Self> {
        let open = runtime.block_on(open_unless_served(place, config)).context(UNWRITTEN)?;
        Ok(Self(open.map(|open| (runtime, open))))
    }

    /// Writes down which table is about to be the one in use; `None` for none. Then `change` makes it so.
    pub(crate) fn note(
        self,
        table: Option<Id>,
        change: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some((runtime, open)) = self.0 else { return change() };
        runtime.block_on(async {
            let noted = open.vault.bins_note(table).await;
            let noted = noted.context(UNWRITTEN);
            let changed = noted.and_then(|_| change());
            // What was written down is durable, however this ends.
            let closed = open.vault.close().await;
            changed.and(closed.map_err(anyhow::Error::from))
        })
    }
}

async fn open_unless_served(place: &Place, config: &Config) -> anyhow::Result<Option<OpenVault>> {
    // Also where a server has it, which looked at this when it started.
    place.private()?;
    let settings = OpenSettings {
        slot_key_file: config.slot_key_file.clone(),
        slot_peers: config.slot_peers.clone(),
        ..OpenSettings::default()
    };
    let begun = Instant::now();
    loop {
        let unreached = match Client::reach(place, config).await? {
            Ok(_) => return Ok(None),
            Err(unreached) => unreached,
        };
        match place.open(&settings).await {
            Ok(open) => return Ok(Some(open)),
            Err(error) if is_in_use(&error) && begun.elapsed().as_secs() < WAIT_SECONDS_MAX => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) if is_in_use(&error) => {
                bail!("{error}, and it was not reached over its socket: {}", unreached.said());
            }
            Err(error) => return Err(error),
        }
    }
}

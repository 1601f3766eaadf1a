use std::process::ExitCode;

use panvault_server::LocalMethod;

use crate::cli::Shared;
use crate::commands::document::{asked, print};

/// Settles what the dummy has captured, and says how much that was. What it cannot print is settled all the same: nothing is lost by it.
pub(crate) fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let settled =
        asked(shared, async |client| Ok(client.send(LocalMethod::Post, "/local/settle", None).await?.value))?;
    print(&settled, shared.json)?;
    Ok(ExitCode::SUCCESS)
}

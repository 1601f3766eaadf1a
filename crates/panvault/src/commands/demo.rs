//! The page, walked through over HTTP against a vault of its own.

mod client;
mod walk;

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::sync::oneshot;

use crate::commands::{dev, runtime};
use crate::output;
use crate::signals::Signals;
use crate::telemetry::{self, LogFormat};
use crate::temporary::Temporary;

/// Serves a vault on a free port, walks through a card's life, and says whether all was as it should be.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    telemetry::start("warn", LogFormat::Text)?;
    let temporary = Temporary::make("panvault-demo-")?;
    let path = temporary.path().join("vault");
    let wrong = runtime()?.block_on(async {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (bound, started) = dev::start(&path, free, None, None, dev::settings(&path)).await?;
        let (url, now) = (bound.url.clone(), bound.now());
        let (done, stop) = oneshot::channel::<()>();
        let mut asked = Signals::handle()?.stop;
        let serving =
            tokio::spawn(async move { bound.run(&mut asked, async move { drop(stop.await) }).await });
        let walked = tokio::task::spawn_blocking(move || walk::walk(&url, &started.vault, now)).await?;
        drop(done);
        serving.await??;
        walked
    })?;
    if wrong.is_empty() {
        output::line("Everything was as the API promises.")?;
        return Ok(ExitCode::SUCCESS);
    }
    for what in wrong {
        output::line(format!("NOT AS PROMISED: {what}"))?;
    }
    Ok(ExitCode::FAILURE)
}

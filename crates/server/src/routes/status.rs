use std::sync::Arc;

use http::StatusCode;
use panvault_vault::{RefusedTrail, StatusRead};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::{ErrorCode, Refusal};
use crate::object::Number;
use crate::object::status::{Count, Failures, Status, StatusView, Statuses};
use crate::process::ProcessReport;

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<StatusRead>()?;
    let vault = app.vault();
    let status = vault.status_read(&permit)?;
    let totals = vault.totals_read(&permit).await?;
    let statuses = app.recent_transactions(&permit, asked.caller.organisation()).await.map(Statuses);
    let nodes = vault.nodes_list(&permit).await?;
    let report = match app.process().cloned() {
        Some(process) => tokio::task::spawn_blocking(move || process.report()).await,
        None => Ok(ProcessReport::default()),
    };
    let report = report.map_err(|_panicked| Refusal::new(ErrorCode::Internal))?;
    let (ready, state) = app.ready();
    let counts = |of: &[u64]| of.iter().map(|count| Number(*count)).collect::<Vec<Count>>();
    let (bytes, millis): (Vec<u64>, Vec<u64>) = report.standby_lags.iter().copied().unzip();
    Ok(Answer::of::<Status>(&StatusView {
        is_ready: ready == StatusCode::OK,
        state,
        mode: vault.mode(),
        vault: vault.id().0,
        now: vault.now().wall,
        status,
        totals,
        standby_lags: (!bytes.is_empty()).then(|| (counts(&bytes), counts(&millis))),
        lease_seconds: nodes.as_ref().map(|nodes| counts(&nodes.lease_seconds)),
        report,
        recent: app.metrics().recent(),
        failures: Failures(app.metrics().failures()),
        statuses,
        nodes,
        trail: vault.trail_status(),
        trail_refused: vault.trail_refused().iter().map(RefusedTrail::writer).collect(),
    }))
}

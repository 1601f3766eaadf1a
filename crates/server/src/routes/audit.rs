use std::sync::Arc;

use panvault_vault::{AuditList, AuditRead};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::Refusal;
use crate::fault::Faults;
use crate::list;
use crate::object::audit::{Audit, RecordId};

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<AuditList>()?;
    let query = list::read::<Audit>(asked.query.as_deref(), faults)?;
    let mut faults = Faults::default();
    if query.sort.is_some() {
        faults.malformed("query._sort", "is not of this list, which is always the newest first");
    }
    if query.after.is_some() {
        faults
            .malformed("query._after", "is not of this list; ask for what was done before with created_at<=");
    }
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let records = app.vault().audit_list(&permit, &query).await?;
    Answer::list_of::<Audit>(records.iter(), None)
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<AuditRead>()?;
    let RecordId { writer, place } = asked.id(|text| RecordId::parse(text).ok_or(()))?;
    Ok(Answer::of::<Audit>(&app.vault().audit_read(&permit, writer, place).await?))
}

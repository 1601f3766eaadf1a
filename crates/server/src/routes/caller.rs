use std::sync::Arc;

use panvault_vault::CallerRead;

use crate::answer::Answer;
use crate::app::App;
use crate::asked::Asked;
use crate::error::Refusal;
use crate::object::caller::{Caller, CallerView};
use crate::table::ENDPOINTS;

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<CallerRead>()?;
    let caller = &asked.caller;
    let allowed = ENDPOINTS.iter().filter(|endpoint| caller.may(endpoint.operation, endpoint.roles));
    let view = CallerView {
        api_key: caller.api_key(),
        organisation: caller.organisation(),
        organisation_name: permit.organisation_name().map(str::to_owned),
        roles: permit.roles().to_vec(),
        operations: allowed.map(|endpoint| endpoint.operation).collect(),
        mode: app.vault().mode(),
    };
    Ok(if permit.is_whole() { Answer::of::<Caller>(&view) } else { Answer::part_of::<Caller>(&view) })
}

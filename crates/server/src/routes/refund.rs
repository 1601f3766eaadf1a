use std::sync::Arc;

use panvault_model::{RefundId, RefundStatus, TransactionId};
use panvault_vault::{Done, NewRefund, RefundCreate, RefundList, RefundRead, RefundRow};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::{Refusal, action_code};
use crate::list;
use crate::object::api_error::{Details, Failure};
use crate::object::refund::{self as field, Refund};
use crate::object::transaction::MERCHANT_REFERENCE;
use crate::routes::transaction::action_amount;

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<RefundCreate>()?;
    let id = asked.id(TransactionId::parse);
    let (new, idempotency) = parsed(asked.take_body(), &field::CREATE, faults, |fields, faults| {
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let new = NewRefund {
            amount: action_amount(fields),
            reason: fields.of(&field::REASON).map(str::to_owned),
            merchant_reference: fields.of(&MERCHANT_REFERENCE).map(str::to_owned),
        };
        Ok((new, asked.idempotency(app.vault(), &permit, fields)))
    })?;
    let (id, vault) = (id?, app.vault().clone());
    let done = to_the_end(async move { vault.refund_create(&permit, id, new, idempotency).await }).await?;
    Ok(outcome(done, &asked))
}

/// The refund; with the code of its failure when it is over. One of which nobody knows what became is on its way: who takes it for a
/// failure gives the money back twice.
fn outcome(done: Done<Arc<RefundRow>>, asked: &Asked) -> Answer {
    let code = match done.value.status {
        RefundStatus::Pending | RefundStatus::Processed => None,
        RefundStatus::Failed => action_code(done.value.state),
    };
    let answer = match code {
        None => Answer::of::<Refund>(&done.value),
        Some(code) => {
            let details = Some(Details::Refund(done.value));
            Answer::failure(Failure { code, at: asked.caller.now().wall, details })
        }
    };
    answer.replayed(done.replayed)
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<RefundRead>()?;
    let row = app.vault().refund_read(&permit, asked.id(RefundId::parse)?).await?;
    Ok(Answer::of::<Refund>(&row))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<RefundList>()?;
    let query = list::read::<Refund>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app.vault().refund_list(&permit, query).await.map_err(list::refused::<Refund>)?;
    Answer::list_of::<Refund>(page.rows.iter().map(AsRef::as_ref), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<RefundList>()?;
    let query = list::read::<Refund>(asked.query.as_deref(), faults)?;
    let query = list::counting(list::bounded(query, asked.reads, app.settings()));
    let page = app.vault().refund_list(&permit, query).await.map_err(list::refused::<Refund>)?;
    Ok(Answer::count(Total::of(&page)))
}

use std::sync::Arc;

use panvault_model::DeliveryId;
use panvault_vault::{WebhookDeliveryList, WebhookDeliveryRead, WebhookDeliveryRetry};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, to_the_end};
use crate::error::Refusal;
use crate::list;
use crate::object::webhook_delivery::{RETRY, WebhookDelivery};
use crate::routes::document;

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<WebhookDeliveryRead>()?;
    let row = app.vault().webhook_delivery_read(&permit, asked.id(DeliveryId::parse)?).await?;
    Ok(Answer::of::<WebhookDelivery>(&row))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<WebhookDeliveryList>()?;
    let query = list::read::<WebhookDelivery>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app.vault().webhook_delivery_list(&permit, query).await;
    let page = page.map_err(list::refused::<WebhookDelivery>)?;
    Answer::list_of::<WebhookDelivery>(page.rows.iter().map(AsRef::as_ref), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<WebhookDeliveryList>()?;
    let query = list::read::<WebhookDelivery>(asked.query.as_deref(), faults)?;
    let query = list::counting(list::bounded(query, asked.reads, app.settings()));
    let page = app.vault().webhook_delivery_list(&permit, query).await;
    Ok(Answer::count(Total::of(&page.map_err(list::refused::<WebhookDelivery>)?)))
}

pub(crate) async fn retry(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, idempotency) =
        document::act::<WebhookDeliveryRetry, _, _>(&app, asked, DeliveryId::parse, &RETRY)?;
    let vault = app.vault().clone();
    let done = async move { vault.webhook_delivery_retry(&permit, id, idempotency).await };
    let done = to_the_end(done).await?;
    Ok(Answer::of::<WebhookDelivery>(&done.value).replayed(done.replayed))
}

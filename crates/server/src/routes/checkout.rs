use std::sync::Arc;

use panvault_model::{AccountId, Amount, CheckoutId};
use panvault_vault::limits::CHECKOUT_SECONDS;
use panvault_vault::{
    CheckoutCreate, CheckoutDelete, CheckoutList, CheckoutQuery, CheckoutRead, CheckoutView, NewCheckout,
    Permit, return_url_fits,
};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::checkout::{
    ACCOUNT, AMOUNT, CARD, CONFIGURATIONS, CREATE, Checkout, CheckoutShown, EXPIRES_IN, LOCALE,
    LOCALE_BYTES_MAX, PROCESS_TRANSACTION, RETURN_URL,
};
use crate::object::transaction::{CAPTURE_NOW, CUSTOMER, DYNAMIC_DESCRIPTOR, MERCHANT_REFERENCE, WEBHOOK};
use crate::routes::document;
use crate::routes::transaction::{customer_parse, web_address_parse};

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CheckoutCreate>()?;
    let (new, idempotency) = parsed(asked.take_body(), &CREATE, faults, |fields, faults| {
        Ok((create_parse(fields, faults)?, asked.idempotency(app.vault(), &permit, fields)))
    })?;
    let vault = app.vault().clone();
    let done = to_the_end(async move { vault.checkout_create(&permit, new, idempotency).await }).await?;
    Ok(Answer::of::<Checkout>(&shown(&asked.base, done.value)).replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let base = asked.base.clone();
    let (permit, id) = document::one::<CheckoutRead, _, _>(asked, CheckoutId::parse)?;
    let view = app.vault().checkout_read(&permit, id).await?;
    Ok(Answer::of::<Checkout>(&shown(&base, view)))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = query(&app, &mut asked)?;
    let page = app.vault().checkout_list(&permit, query).await.map_err(list::refused::<Checkout>)?;
    let total = Total::of(&page);
    let rows: Vec<_> = page.rows.into_iter().map(|view| shown(&asked.base, view)).collect();
    Answer::list_of::<Checkout>(rows.iter(), Some(total))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = query(&app, &mut asked)?;
    let query = list::counting(query);
    let page = app.vault().checkout_list(&permit, query).await.map_err(list::refused::<Checkout>)?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one::<CheckoutDelete, _, _>(asked, CheckoutId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.checkout_delete(&permit, id).await }).await
}

fn query(app: &App, asked: &mut Asked) -> Result<(Permit<CheckoutList>, CheckoutQuery), Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CheckoutList>()?;
    let query = list::read::<Checkout>(asked.query.as_deref(), faults)?;
    Ok((permit, list::bounded(query, asked.reads, app.settings())))
}

fn shown(base: &str, view: CheckoutView) -> CheckoutShown {
    let url = format!("{base}/v1/checkout/view/{}.html", view.row.id);
    CheckoutShown { view, url }
}

fn create_parse(fields: &Fields<'_>, mut faults: Faults) -> Result<NewCheckout, Refusal> {
    let amount = fields.of(&AMOUNT).and_then(|amount| u32::try_from(amount).ok()).and_then(Amount::new);
    let customer = customer_parse(fields.of(&CUSTOMER), &mut faults);
    // Whether it is encrypted, the vault looks at, which knows what it is for.
    let return_url = |url: &str| return_url_fits(url, false).map(|()| url.to_owned());
    let return_url = fields.typed(&RETURN_URL, return_url, &mut faults);
    let webhook_transaction_update = fields.typed(&WEBHOOK, web_address_parse, &mut faults);
    let locale = fields.typed(&LOCALE, locale_parse, &mut faults);
    let inside = [CONFIGURATIONS.name, CARD.name];
    match (fields.of(&ACCOUNT), amount, return_url) {
        (Some(account), Some(amount), Some(return_url)) if faults.is_empty() => Ok(NewCheckout {
            account: AccountId(account),
            amount,
            customer,
            merchant_reference: fields.of(&MERCHANT_REFERENCE).unwrap_or_default().to_owned(),
            dynamic_descriptor: fields.inside(&inside, &DYNAMIC_DESCRIPTOR).unwrap_or_default().to_owned(),
            return_url,
            webhook_transaction_update,
            process_transaction: fields.inside(&inside, &PROCESS_TRANSACTION).unwrap_or(true),
            capture_now: fields.inside(&inside, &CAPTURE_NOW).unwrap_or(true),
            locale,
            expires_in_seconds: fields
                .of(&EXPIRES_IN)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .unwrap_or(CHECKOUT_SECONDS),
        }),
        (..) => Err(faults.into()),
    }
}

/// A language tag (BCP 47), or as POSIX writes it.
fn locale_parse(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split(['-', '_']);
    let language =
        |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_first = parts.next().is_some_and(language);
    let rest =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // No tag has the digits of a card number.
    let has_few_digits = text.bytes().filter(u8::is_ascii_digit).count() <= 4;
    if is_first && parts.all(rest) && has_few_digits && text.len() <= LOCALE_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err("must be a language tag, such as de or pt-BR")
    }
}

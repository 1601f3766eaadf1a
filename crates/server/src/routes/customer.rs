use std::sync::Arc;

use panvault_card::{CustomerDetails, EmailAddress, is_date};
use panvault_model::{Country, CustomerDetail, CustomerId, OrganisationId};
use panvault_vault::{
    CustomerCreate, CustomerField, CustomerList, CustomerQuery, CustomerUpdate, FieldValue, Permit, Test,
};
use zeroize::Zeroizing;

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::customer::{
    BILLING, COUNTRY_CODE, CREATE, Customer, DATE_OF_BIRTH, EMAIL_ADDRESS, ORGANISATION, TEXTS, UPDATE,
    billing_detail, billing_details,
};
use crate::routes::document::{self, owner};

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CustomerCreate>()?;
    let own = asked.caller.organisation();
    // The plaintext lives inside this closure: what comes out of it is sealed.
    let (planned, idempotency) = parsed(asked.take_body(), &CREATE, faults, |fields, mut faults| {
        let details = details_parse(fields, &mut faults);
        match owner(fields, own, &mut faults).filter(|_| faults.is_empty()) {
            Some(organisation) => {
                let planned = app.vault().customer_plan(&permit, organisation, details);
                Ok((planned, asked.idempotency(app.vault(), &permit, fields)))
            }
            None => Err(faults.into()),
        }
    })?;
    drop(asked);
    let (permit, vault) = (Arc::new(permit), app.vault().clone());
    let creating = {
        let permit = Arc::clone(&permit);
        async move { vault.customer_create(&permit, planned, idempotency).await }
    };
    let done = to_the_end(creating).await?;
    let view = app.vault().customer_view(&permit, done.value)?;
    Ok(Answer::of::<Customer>(&view).replayed(done.replayed))
}

pub(crate) async fn update(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CustomerUpdate>()?;
    let id = asked.id(CustomerId::parse)?;
    let own = asked.caller.organisation();
    let (change, idempotency) = parsed(asked.take_body(), &UPDATE, faults, |fields, mut faults| {
        let details = details_parse(fields, &mut faults);
        if fields.has_none_but(&ORGANISATION) {
            faults.missing_one_of("body", "needs at least one field beside organisation");
        }
        match owner(fields, own, &mut faults).filter(|_| faults.is_empty()) {
            Some(owner) => {
                let named = fields.of(&ORGANISATION).map(OrganisationId);
                let change = app.vault().customer_change(&permit, id, named, owner, details)?;
                Ok((change, asked.idempotency(app.vault(), &permit, fields)))
            }
            None => Err(faults.into()),
        }
    })?;
    drop(asked);
    let (permit, vault) = (Arc::new(permit), app.vault().clone());
    let updating = {
        let permit = Arc::clone(&permit);
        async move { vault.customer_update(&permit, id, change, idempotency).await }
    };
    let done = to_the_end(updating).await?;
    let view = app.vault().customer_view(&permit, done.value)?;
    Ok(Answer::of::<Customer>(&view).replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, CustomerId::parse)?;
    let view = app.vault().customer_read(&permit, id).await?;
    Ok(Answer::of::<Customer>(&view))
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let listing = {
        let reads = asked.reads;
        let (permit, query, emails) = query(asked)?;
        app.vault().customer_list(permit, list::bounded(query, reads, app.settings()), emails)
    };
    let page = listing.await.map_err(list::refused::<Customer>)?;
    Answer::list_of::<Customer>(page.rows.iter(), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let counting = {
        let reads = asked.reads;
        let (permit, query, emails) = query(asked)?;
        let query = list::counting(list::bounded(query, reads, app.settings()));
        app.vault().customer_list(permit, query, emails)
    };
    Ok(Answer::count(Total::of(&counting.await.map_err(list::refused::<Customer>)?)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, CustomerId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.customer_delete(&permit, id).await }).await
}

/// Every detail that was sent; those that are to end have none.
fn details_parse(fields: &Fields<'_>, faults: &mut Faults) -> CustomerDetails {
    let mut details = CustomerDetails::new();
    for (detail, field) in &TEXTS {
        put(&mut details, *detail, fields.of(field), fields.is_null(field));
    }
    // Each is held against its form, and kept as it was written.
    let as_sent = |text: &str| text.trim().to_owned();
    let email = fields.typed(
        &EMAIL_ADDRESS,
        |text| EmailAddress::parse(text).map(|_| Zeroizing::new(as_sent(text))),
        faults,
    );
    put(
        &mut details,
        CustomerDetail::EmailAddress,
        email.as_ref().map(|text| text.as_str()),
        fields.is_null(&EMAIL_ADDRESS),
    );
    let date = fields.typed(&DATE_OF_BIRTH, date_parse, faults);
    put(
        &mut details,
        CustomerDetail::DateOfBirth,
        date.as_ref().map(|text| text.as_str()),
        fields.is_null(&DATE_OF_BIRTH),
    );
    let country = fields.typed(&COUNTRY_CODE, country_parse, faults);
    put(
        &mut details,
        CustomerDetail::CountryCode,
        country.as_ref().map(Country::as_str),
        fields.is_null(&COUNTRY_CODE),
    );
    if fields.is_null(&BILLING) {
        billing_details().for_each(|detail| details.end(detail));
    }
    for (name, text) in fields.members_of(&BILLING) {
        let Some(detail) = billing_detail(name) else { continue };
        if detail == CustomerDetail::BillingCountryCode
            && text.is_some_and(|text| Country::parse(text).is_none())
        {
            faults.malformed(format!("{}.{name}", BILLING.place()), Country::EXPECTED);
        }
        put(&mut details, detail, text, text.is_none());
    }
    details
}

fn put(details: &mut CustomerDetails, detail: CustomerDetail, text: Option<&str>, ends: bool) {
    if ends {
        details.end(detail);
    } else if let Some(text) = text {
        details.put(detail, text);
    }
}

fn date_parse(text: &str) -> Result<Zeroizing<String>, &'static str> {
    if is_date(text) { Ok(Zeroizing::new(text.to_owned())) } else { Err("must be a day, as YYYY-MM-DD") }
}

fn country_parse(text: &str) -> Result<Country, &'static str> {
    Country::parse(text).ok_or(Country::EXPECTED)
}

/// The question, and the addresses that are asked for: a store knows their digests alone, and these say nothing but whether two are equal.
fn query(mut asked: Asked) -> Result<(Permit<CustomerList>, CustomerQuery, Vec<EmailAddress>), Refusal> {
    let (permit, faults) = asked.permit_and_faults()?;
    let mut query = list::read::<Customer>(asked.query.as_deref(), faults)?;
    let mut faults = Faults::default();
    let place = format!("query.{}", EMAIL_ADDRESS.name);
    if query.sort.is_some_and(|(field, _)| field == CustomerField::Email) {
        faults.malformed("query._sort", "is not a field that this list is sorted by");
    }
    let mut emails = Vec::new();
    for filter in query.filters.extract_if(.., |filter| filter.field == CustomerField::Email) {
        if filter.test != Test::Equal {
            faults.malformed(place.as_str(), "can be asked for with = only");
            continue;
        }
        for value in &filter.values {
            let FieldValue::Text(text) = value else { continue };
            match EmailAddress::parse(text) {
                Ok(email) => emails.push(email),
                Err(fault) => faults.malformed(place.as_str(), fault),
            }
        }
    }
    if faults.is_empty() { Ok((permit, query, emails)) } else { Err(faults.into()) }
}

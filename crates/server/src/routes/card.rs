use std::sync::Arc;

use http::StatusCode;
use panvault_card::{BinPrefix, Cvv, Holder, NewCard, Pan};
use panvault_model::{Brand, CardId, CardKind, Expiry, ExpiryFault, OrganisationId, Timestamp};
use panvault_vault::{
    CardChange, CardCreate, CardDelete, CardList, CardRead, CardUpdate, CardView, CvvChange, Metadata,
};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::json::Text;
use crate::list;
use crate::object::card::{
    CARD_HOLDER_NAME, CARD_NUMBER, CREATE, CVV, Card, EXPIRY_MONTH, EXPIRY_YEAR, KIND, METADATA,
    ORGANISATION, UPDATE,
};
use crate::routes::document::owner;

/// Leading digits that tell the brand of a number whose other digits are wrong.
const LEADING_DIGITS: usize = 8;

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CardCreate>()?;
    // The plaintext lives inside this closure: what comes out of it is a commit without plaintext.
    let own = asked.caller.organisation();
    let creating = parsed(asked.take_body(), &CREATE, faults, |fields, faults| {
        let NewCardRequest { organisation, card, metadata } =
            create_parse(fields, own, Judged::of(&asked, permit.now().wall), faults)?;
        let idempotency = asked.idempotency(app.vault(), &permit, fields);
        Ok(app.vault().card_create(&permit, organisation, card, metadata, idempotency))
    })?;
    let may_be_repeated = asked.idempotency.is_some();
    drop(asked);
    // A client that hangs up may cut this off: then the card is stored, or it is not, and nobody knows its token. Unless it asks
    // again: then it learns the token, and its CVV must not be lost by that.
    let done = if may_be_repeated { to_the_end(creating).await? } else { creating.await? };
    let answer = card_answer(&done.value, permit.is_whole());
    Ok(answer.replayed(done.replayed))
}

pub(crate) async fn update(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CardUpdate>()?;
    let id = asked.id(CardId::parse)?;
    let own = asked.caller.organisation();
    let updating = parsed(asked.take_body(), &UPDATE, faults, |fields, faults| {
        let judged = Judged::of(&asked, permit.now().wall);
        let (organisation, change) = update_parse(fields, own, judged, faults)?;
        let idempotency = asked.idempotency(app.vault(), &permit, fields);
        let is_sent = fields.has(ORGANISATION.name);
        Ok((is_sent, app.vault().card_update(&permit, id, organisation, change, idempotency)))
    })?;
    drop(asked);
    let (is_sent, updating) = updating;
    let done = to_the_end(updating).await.map_err(|mut refusal| {
        // The key's own was taken, and the card is of one below it.
        if !is_sent
            && let [(place, what)] = refusal.details.as_mut_slice()
            && *place == ORGANISATION.place()
        {
            *what = "is to be sent: the card is not of the organisation of the key".to_owned();
        }
        refusal
    })?;
    Ok(card_answer(&done.value, permit.is_whole()).replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<CardRead>()?;
    let view = app.vault().card_read(&permit, asked.id(CardId::parse)?).await?;
    Ok(Answer::of::<Card>(&view))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CardList>()?;
    let query = list::read::<Card>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app.vault().card_list(&permit, query).await.map_err(list::refused::<Card>)?;
    Answer::list_of::<Card>(page.rows.iter(), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<CardList>()?;
    let query = list::read::<Card>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app.vault().card_list(&permit, list::counting(query)).await.map_err(list::refused::<Card>)?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<CardDelete>()?;
    let id = asked.id(CardId::parse)?;
    let vault = app.vault().clone();
    to_the_end(async move { vault.card_delete(&permit, id).await }).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT, Vec::new()))
}

pub(crate) struct NewCardRequest {
    organisation: OrganisationId,
    pub(crate) card: NewCard,
    metadata: Metadata,
}

pub(crate) fn create_parse(
    fields: &Fields<'_>,
    own: Option<OrganisationId>,
    judged: Judged,
    mut faults: Faults,
) -> Result<NewCardRequest, Refusal> {
    let (pan, brand) = pan_parse(fields, &mut faults);
    let cvv = cvv_parse(fields, brand, &mut faults);
    let kind = fields.of(&KIND).and_then(CardKind::parse).unwrap_or(CardKind::Card);
    let holder = holder_parse(fields, &mut faults);
    let organisation = owner(fields, own, &mut faults);
    let (month, year) = expiry_parse(fields, judged, &mut faults);
    let expiry = month.zip(year).and_then(|(month, year)| Expiry::new(year, month));
    match (pan, expiry, organisation) {
        (Some(pan), Some(expiry), Some(organisation)) if faults.is_empty() => Ok(NewCardRequest {
            organisation,
            card: NewCard { pan, kind, expiry, cvv, holder },
            metadata: fields.of(&METADATA).unwrap_or_default(),
        }),
        (..) => Err(faults.into()),
    }
}

fn update_parse(
    fields: &Fields<'_>,
    own: Option<OrganisationId>,
    judged: Judged,
    mut faults: Faults,
) -> Result<(OrganisationId, CardChange), Refusal> {
    let cvv = if fields.is_null(&CVV) {
        CvvChange::Clear
    } else {
        // Which brand the card is of is known where it is stored; there the length is looked at again.
        cvv_parse(fields, None, &mut faults).map_or(CvvChange::Keep, CvvChange::Put)
    };
    let holder = holder_parse(fields, &mut faults);
    if fields.has_none_but(&ORGANISATION) {
        faults.missing_one_of("body", "needs at least one field beside organisation");
    }
    let organisation = owner(fields, own, &mut faults);
    // Held against the month or year that is stored where the other is not sent.
    let (expiry_month, expiry_year) = expiry_parse(fields, judged, &mut faults);
    let change = CardChange { cvv, expiry_month, expiry_year, holder, metadata: fields.of(&METADATA) };
    match organisation {
        Some(organisation) if faults.is_empty() => Ok((organisation, change)),
        Some(_) | None => Err(faults.into()),
    }
}

/// The card number, and its brand. A number that is wrong elsewhere may still tell that, and so how many digits its CVV has.
fn pan_parse(fields: &Fields<'_>, faults: &mut Faults) -> (Option<Pan>, Option<Brand>) {
    let Some(text) = fields.secret(&CARD_NUMBER).map(Text::expose_text) else { return (None, None) };
    match faults.field(&CARD_NUMBER, Pan::parse(text)) {
        Some(pan) => {
            let brand = pan.brand();
            (Some(pan), brand)
        }
        None => (None, leading_brand(text)),
    }
}

fn cvv_parse(fields: &Fields<'_>, brand: Option<Brand>, faults: &mut Faults) -> Option<Cvv> {
    faults.field(&CVV, Cvv::parse(fields.secret(&CVV)?.expose_text(), brand))
}

fn holder_parse(fields: &Fields<'_>, faults: &mut Faults) -> Option<Holder> {
    faults.field(&CARD_HOLDER_NAME, Holder::parse(fields.secret(&CARD_HOLDER_NAME)?.expose_text()))
}

/// The scheme of all numbers that begin like this one.
fn leading_brand(card_number: &str) -> Option<Brand> {
    let number = card_number.chars().filter(|sign| !matches!(sign, ' ' | '-'));
    let leading: String = number.take(LEADING_DIGITS).collect();
    BinPrefix::parse(&leading).ok().and_then(|leading| leading.brand())
}

/// By what time an expiry is judged.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) now: Timestamp,
    /// Whether the request may have been answered before, when the card had not expired yet.
    pub(crate) may_be_repeated: bool,
}

impl Judged {
    const fn of(asked: &Asked, now: Timestamp) -> Self {
        Self { now, may_be_repeated: asked.idempotency.is_some() }
    }
}

/// Month and year, each read by itself, after all other fields; a year that is wrong with every month is said also where the month is wrong
/// or not sent. Where nothing but a past is wrong with a request that may be a repeated one, the vault says so, which has the first answer.
fn expiry_parse(fields: &Fields<'_>, judged: Judged, faults: &mut Faults) -> (Option<u8>, Option<u16>) {
    let Judged { now, may_be_repeated } = judged;
    let month = fields.typed(&EXPIRY_MONTH, Expiry::parse_month, faults);
    let year = fields.typed(&EXPIRY_YEAR, Expiry::parse_year, faults);
    let Some(year) = year else { return (month, year) };
    let judged = |month| Expiry::new(year, month).and_then(|expiry| expiry.in_future(now).err());
    let past = judged(month.unwrap_or(12)).filter(|fault| *fault == ExpiryFault::Past);
    let far = judged(month.unwrap_or(1)).filter(|fault| *fault == ExpiryFault::Far);
    if let Some(fault) = past.or(far)
        && !(past.is_some() && may_be_repeated && faults.is_empty())
    {
        faults.malformed(EXPIRY_YEAR.place(), fault);
    }
    (month, Some(year))
}

/// The card as a caller may see it: a browser learns nothing of the issuer, and nothing of whether the card was known.
fn card_answer(view: &CardView, whole: bool) -> Answer {
    if whole { Answer::of::<Card>(view) } else { Answer::part_of::<Card>(view) }
}

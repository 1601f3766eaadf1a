//! What only commands on the vault's machine may ask for: it is on their socket, and not on the API's listener.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64ct::{Base64, Encoding};
use http::StatusCode;
use panvault_model::{CardId, RequestId};
use panvault_vault::{
    AuditVerify, CardRefresh, HandOver, HeaderUpdate, Origin, Permit, Refreshed, SettledCounts,
    TransactionSettle, VaultBackup, VaultError, VaultSeal,
};
use tokio::task::JoinSet;

use crate::answer::{Answer, Json, object_body};
use crate::app::App;
use crate::dispatch::Peer;
use crate::error::{ErrorCode, Refusal};
use crate::limits::{LOCAL_HEADER_BYTES_MAX, LOCAL_REFRESH_CARDS_MAX};
use crate::object::Number;

pub(super) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/local/posture", get(posture))
        .route("/local/reload", post(reload))
        .route("/local/card_refresh", post(card_refresh))
        .route("/local/settle", post(settle))
        .route("/local/seal", post(seal))
        .route("/local/backup", post(backup))
        .route("/local/audit_verify", post(audit_verify))
        .route("/local/header", get(header_read).post(header_change))
        .with_state(app)
}

/// A command's request, which comes from this machine.
const fn asked_in(id: RequestId) -> Origin {
    Origin { request: Some(id), address: None }
}

fn answered(app: &App, id: RequestId, answer: Result<Answer, Refusal>) -> Response {
    answer.unwrap_or_else(|refusal| Answer::refusal(refusal, app.vault().now().wall)).into_response(id)
}

/// How this process serves the vault, for assessors.
async fn posture(State(app): State<Arc<App>>) -> Response {
    let id = app.make_request_id();
    let posture = match app.process().cloned() {
        Some(process) => tokio::task::spawn_blocking(move || process.posture()).await,
        None => Ok(None),
    };
    let answer = match posture {
        Ok(Some(posture)) => Answer::new(StatusCode::OK, posture.into_bytes()),
        Ok(None) => Answer::refusal(Refusal::new(ErrorCode::NotFound), app.vault().now().wall),
        Err(_panicked) => Answer::refusal(Refusal::new(ErrorCode::Internal), app.vault().now().wall),
    };
    answer.into_response(id)
}

/// Reads again what may change while the process runs.
async fn reload(State(app): State<Arc<App>>) -> Response {
    let reloaded = match app.process() {
        Some(process) => process.reload().await,
        None => Vec::new(),
    };
    let mut body = vec![b'['];
    for (at, reloaded) in reloaded.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        Json::object(&mut body, |json| {
            json.always("what", reloaded.what);
            json.always("done", reloaded.is_done);
            json.always("said", reloaded.said.as_str());
        });
    }
    body.push(b']');
    Answer::new(StatusCode::OK, body).into_response(app.make_request_id())
}

/// Derives again who issued so many cards, from behind one of them on.
async fn card_refresh(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let id = app.make_request_id();
    let query = request.uri().query().unwrap_or_default().to_owned();
    answered(&app, id, card_refresh_page(&app, &peer, asked_in(id), &query).await)
}

/// Settles what waits for it.
async fn settle(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Response {
    let id = app.make_request_id();
    let settled = settled(&app, &peer, asked_in(id)).await;
    answered(&app, id, settled)
}

/// Seals the vault. Whoever asked is answered before the connection ends, which it does with the vault.
async fn seal(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Response {
    let id = app.make_request_id();
    let sealed = sealed(&app, &peer, asked_in(id)).await;
    answered(&app, id, sealed)
}

async fn sealed(app: &Arc<App>, peer: &Peer, origin: Origin) -> Result<Answer, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    let permit: Permit<VaultSeal> = app.vault().operator(key, origin)?.permit()?;
    app.vault().seal(&permit).await?;
    Ok(Answer::new(StatusCode::OK, object_body(|json| json.always("sealed", true))))
}

/// Makes a backup below the directory that the query names. Whoever asked waits until it is made.
async fn backup(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, request: Request) -> Response {
    let id = app.make_request_id();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let made = backed_up(&app, &peer, asked_in(id), &query).await;
    answered(&app, id, made)
}

async fn backed_up(app: &Arc<App>, peer: &Peer, origin: Origin, query: &str) -> Result<Answer, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    let (destination, since) = match form_urlencoded::parse(query.as_bytes()).collect::<Vec<_>>().as_slice() {
        [(name, value)] if name == "destination" => (PathBuf::from(value.as_ref()), None),
        [(name, value), (since, base)] if name == "destination" && since == "since" => {
            (PathBuf::from(value.as_ref()), Some(PathBuf::from(base.as_ref())))
        }
        _ => {
            let takes = "takes destination=DIRECTORY, and since=BACKUP behind it";
            return Err(Refusal::with(ErrorCode::Malformed, "query", takes));
        }
    };
    let permit: Permit<VaultBackup> = app.vault().operator(key, origin)?.permit()?;
    let made = match app.process() {
        Some(process) => process.backup(&permit, &destination, since.as_deref()).await,
        None => Err("this process makes no backups".to_owned()),
    };
    Ok(Answer::new(
        StatusCode::OK,
        object_body(|json| match &made {
            Ok(made) => {
                json.always("done", true);
                json.always("path", made.path.as_str());
                json.always("backup", made.id.as_str());
                json.always::<Count>("order", Number(made.order));
                json.always::<Count>("bytes", Number(made.bytes));
                json.optional("base", made.base.as_deref());
                json.optional("full_because", made.full_because.as_deref());
                json.always("unfinished", &made.unfinished[..]);
            }
            Err(said) => {
                json.always("done", false);
                json.always("said", said.as_str());
            }
        }),
    ))
}

/// Writes down what a command found that held the trail against its chain.
async fn audit_verify(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let id = app.make_request_id();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let noted = audit_verified(&app, &peer, asked_in(id), &query).await;
    answered(&app, id, noted)
}

async fn audit_verified(app: &Arc<App>, peer: &Peer, origin: Origin, query: &str) -> Result<Answer, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    let malformed = || Refusal::with(ErrorCode::Malformed, "query", "takes records=COUNT&findings=COUNT");
    let (records, findings) = match form_urlencoded::parse(query.as_bytes()).collect::<Vec<_>>().as_slice() {
        [(records, of), (findings, found)] if records == "records" && findings == "findings" => {
            (of.parse().map_err(|_| malformed())?, found.parse().map_err(|_| malformed())?)
        }
        _ => return Err(malformed()),
    };
    let permit: Permit<AuditVerify> = app.vault().operator(key, origin)?.permit()?;
    app.vault().audit_verify_note(&permit, records, findings).await?;
    Ok(Answer::new(StatusCode::OK, object_body(|json| json.always("noted", true))))
}

/// Says which header of keys the documents name, and how far each of its keys has come.
async fn header_read(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>) -> Response {
    let id = app.make_request_id();
    let read = || {
        let permit = header_permit(&app, &peer, asked_in(id))?;
        let named = app.vault().header_named(&permit).encode_text();
        Ok(Answer::new(StatusCode::OK, object_body(|json| json.always("hand_over", named.as_str()))))
    };
    let answer: Result<_, Refusal> = read();
    answered(&app, id, answer)
}

/// Puts the next header of keys in the place of the one that is named.
async fn header_change(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let id = app.make_request_id();
    let changed = header_changed(&app, &peer, asked_in(id), request).await;
    answered(&app, id, changed)
}

async fn header_changed(
    app: &Arc<App>,
    peer: &Peer,
    origin: Origin,
    request: Request,
) -> Result<Answer, Refusal> {
    let permit = header_permit(app, peer, origin)?;
    let malformed = || {
        Refusal::with(ErrorCode::Malformed, "body", "must be a header of keys and what is handed over of it")
    };
    let body = to_bytes(request.into_body(), LOCAL_HEADER_BYTES_MAX).await.map_err(|_| malformed())?;
    let sent: serde_json::Value = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let text = |name: &str| sent.get(name).and_then(serde_json::Value::as_str).ok_or_else(malformed);
    let header = Base64::decode_vec(text("header")?).map_err(|_| malformed())?;
    let handed = HandOver::decode_text(text("hand_over")?).map_err(|_| malformed())?;
    let version = handed.header_version();
    app.vault().header_change(&permit, header, handed).await?;
    Ok(Answer::new(
        StatusCode::OK,
        object_body(|json| json.always::<Count>("version", Number(version.into()))),
    ))
}

fn header_permit(app: &Arc<App>, peer: &Peer, origin: Origin) -> Result<Permit<HeaderUpdate>, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    Ok(app.vault().operator(key, origin)?.permit()?)
}

async fn settled(app: &Arc<App>, peer: &Peer, origin: Origin) -> Result<Answer, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    let permit: Permit<TransactionSettle> = app.vault().operator(key, origin)?.permit()?;
    let SettledCounts { submitted, completed, refunds_processed } = app.vault().settle(&permit).await?;
    Ok(Answer::new(
        StatusCode::OK,
        object_body(|json| {
            json.always::<Count>("submitted", Number(submitted));
            json.always::<Count>("completed", Number(completed));
            json.always::<Count>("refunds_processed", Number(refunds_processed));
        }),
    ))
}

async fn card_refresh_page(
    app: &Arc<App>,
    peer: &Peer,
    origin: Origin,
    query: &str,
) -> Result<Answer, Refusal> {
    let Peer::Operator(key) = peer else { return Err(Refusal::new(ErrorCode::NotAuthenticated)) };
    let (after, limit) = page_parse(query)?;
    let vault = app.vault();
    let permit: Arc<Permit<CardRefresh>> = Arc::new(vault.operator(key, origin)?.permit()?);
    let rows = vault.card_page(&permit, after, limit).await?;
    let last = rows.last().map(|row| row.id);
    let mut tasks = JoinSet::new();
    for row in rows {
        let (vault, permit) = (vault.clone(), Arc::clone(&permit));
        tasks.spawn(async move { (row.id, vault.card_refresh(&permit, row).await) });
    }
    let mut done = Done::default();
    while let Some(ended) = tasks.join_next().await {
        let (id, refreshed) = ended.map_err(|_panicked| Refusal::new(ErrorCode::Internal))?;
        done.count(id, refreshed)?;
    }
    let table_version = vault.status().bins.version;
    Ok(Answer::new(
        StatusCode::OK,
        object_body(|json| {
            json.optional("after", last);
            for (name, count) in [
                ("cards", done.cards),
                ("changed", done.changed),
                ("same", done.same),
                ("current", done.current),
            ] {
                json.always::<Count>(name, Number(count));
            }
            json.always::<Count>("table_version", Number(table_version.into()));
            json.always("failed", &done.failed[..]);
        }),
    ))
}

type Count = Number<0, { u64::MAX }>;

fn page_parse(query: &str) -> Result<(CardId, usize), Refusal> {
    let (mut after, mut limit) = (CardId::from_bytes([0; 12]), LOCAL_REFRESH_CARDS_MAX);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let read = match name.as_ref() {
            "after" => CardId::parse(&value).ok().map(|id| after = id),
            "limit" => {
                let most = 1..=LOCAL_REFRESH_CARDS_MAX;
                value.parse().ok().filter(|cards| most.contains(cards)).map(|cards| limit = cards)
            }
            _ => None,
        };
        read.ok_or_else(|| Refusal::with(ErrorCode::Malformed, "query", "takes after=ID and limit=CARDS"))?;
    }
    Ok((after, limit))
}

/// What became of some cards.
#[derive(Default)]
struct Done {
    cards: u64,
    changed: u64,
    same: u64,
    current: u64,
    /// Cards that were left as they are, and why.
    failed: Vec<(String, String)>,
}

impl Done {
    fn count(&mut self, id: CardId, refreshed: Result<Refreshed, VaultError>) -> Result<(), VaultError> {
        self.cards += 1;
        match refreshed {
            Ok(Refreshed::Changed) => self.changed += 1,
            Ok(Refreshed::Same) => self.same += 1,
            Ok(Refreshed::Current | Refreshed::Gone) => self.current += 1,
            // It is the store that fails, not the card.
            Err(error @ (VaultError::Store(_) | VaultError::Busy)) => return Err(error),
            Err(error) => {
                self.failed.push((id.to_string(), error.to_string()));
            }
        }
        Ok(())
    }
}

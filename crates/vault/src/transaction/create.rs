use core::time::Duration;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use panvault_model::{
    AccountId, ActionState, Amount, CardId, CustomerId, CvvResult, Id, Now, OrganisationId, ProcessorId,
    RecurringType, ShopperInteraction, Tag, Timestamp, TransactionAction, TransactionId, TransactionStatus,
};
use panvault_processor::{Act, Clearance, Order, Processor, Sent, ThreeDSecure};
use panvault_store::{
    AccountRow, Action, CardRow, CheckoutRow, Commit, CustomerRow, CvvClaim, Expect, HistoryRow,
    IdempotencyAnswer, Outcome, RowKey, StoreFault, TransactionRow,
};

use crate::audit::Requester;
use crate::cvv;
use crate::document::Snapshot;
use crate::error::{Named, VaultError, with_causes};
use crate::idempotency::{Done, Idempotency};
use crate::limits::{CUSTOMER_TRIES_MAX, PROCESSOR_SECONDS_MAX};
use crate::node::InHand;
use crate::permit::{Permit, TransactionCreate};
use crate::seal;
use crate::text::{pairs_storable, texts_storable};
use crate::transaction::claim::{Claimed, ClaimedCvv, Claiming};
use crate::transaction::cryptogram::{SealedCryptogram, TokenPayment};
use crate::transaction::outbound::outbound_open;
use crate::transaction::route::Candidate;
use crate::transaction::series::FirstOfSeries;
use crate::transaction::settle::{Patience, SettleBase, may_pass};
use crate::transaction::threed::threed_secure;
use crate::transaction::tries::{NOT_OPENED, Tried};
use crate::vault::Vault;

/// A transaction to be initiated. Texts are echoed as they are.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct NewTransaction {
    pub account: AccountId,
    pub amount: Amount,
    pub card: CardId,
    pub capture_now: bool,
    pub customer_ip: String,
    pub dynamic_descriptor: String,
    pub merchant_reference: String,
    pub user_agent: String,
    pub customer: Option<Id>,
    pub webhook_transaction_update: Option<String>,
    pub recurring_type: Option<RecurringType>,
    /// 0 when it was not sent.
    pub installments: u8,
    pub shopper_interaction: Option<ShopperInteraction>,
    /// Of a network token.
    pub cryptogram: Option<SealedCryptogram>,
    /// Further members, with flattened names such as `shipping_information.city`.
    pub extras: Vec<(String, String)>,
}

impl NewTransaction {
    fn storable(&self) -> Result<(), VaultError> {
        pairs_storable(&self.extras)?;
        texts_storable(self.webhook_transaction_update.as_deref())?;
        texts_storable(
            [&self.customer_ip, &self.dynamic_descriptor, &self.merchant_reference, &self.user_agent]
                .map(String::as_str),
        )
    }
}

/// Places of expectations where `INITIATED` is written: that the card is there, and that the customer is as it was read. Behind it, or in its
/// place where none is named: that the CVV is still the one that was claimed.
const EXPECT_CARD: usize = 0;
const EXPECT_CUSTOMER: usize = 2;

/// What a transaction needs to be sent, found before anything is written.
pub(super) struct Prepared {
    pub(super) row: Arc<TransactionRow>,
    pub(super) connection: Arc<dyn Processor>,
    /// Reason codes of declines after which the next candidate is tried.
    pub(super) again_after: Vec<String>,
    /// At whom else an authorisation may be tried, in their order.
    pub(super) further: VecDeque<Candidate>,
    pub(super) asked: Requester,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) idempotency: Option<Idempotency>,
    /// What a 3-D Secure has shown; of an authorisation.
    pub(super) threed: Option<ThreeDSecure>,
    /// What goes with a network token, to each processor until one may have seen it; of an authorisation.
    pub(super) token: Option<TokenPayment>,
    /// What the card's network called the first of the series; of a later authorisation.
    pub(super) first_of_series: Option<String>,
}

/// An outcome that could not be written at once.
struct Later {
    asked: Requester,
    initiated: Arc<TransactionRow>,
    sent: Sent,
    idempotency: Option<Idempotency>,
    /// As of when it is.
    now: Now,
}

impl Vault {
    /// Initiates a transaction: claims the CVV, writes `INITIATED`, opens the card, sends, writes the outcome.
    ///
    /// The caller must see both the card's organisation and the account's, and one of the two must be the other or above
    /// it: a marketplace may charge its sellers' cards to itself or its own cards to a seller, but never one seller's card
    /// to another seller.
    ///
    /// A decline or failure is an answer like any other: see the row's status. An error means that nothing was sent. The
    /// future must be run to its end: dropping it half-way leaves the outcome to the next sweep, which calls it unknown.
    pub async fn transaction_create(
        &self,
        permit: &Permit<TransactionCreate>,
        new: NewTransaction,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        self.transaction_create_at(permit, new, idempotency, None).await
    }

    /// The same, at a checkout: the attempt is counted in the step that writes `INITIATED`. [`VaultError::Contended`] where the checkout has changed
    /// meanwhile.
    pub(crate) async fn transaction_create_at(
        &self,
        permit: &Permit<TransactionCreate>,
        new: NewTransaction,
        idempotency: Option<Idempotency>,
        checkout: Option<Arc<CheckoutRow>>,
    ) -> Result<Done<Arc<TransactionRow>>, VaultError> {
        let now = permit.now();
        // Looked at first, so that a repeated request does not take a CVV that was put back since.
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, now).await?
        {
            return self.transaction_replayed(&earlier);
        }
        // All that is not found is said at once.
        let mut missing = Vec::new();
        let card = found(self.card_seen(permit, new.card, Named::Field("card")).await, &mut missing)?;
        let checkout = checkout.as_deref();
        let customer = found(self.transaction_customer(permit, new.customer, checkout).await, &mut missing)?;
        let (Some(card), Some(mut customer)) = (card, customer) else {
            if account_seen(permit, new.account).is_err() {
                missing.push(Named::Field("account"));
            }
            return Err(VaultError::NotFound(missing));
        };
        seal::card_openable(&card, &permit.snapshot().keys, Named::Field("card"))?;
        let first = match account_seen(permit, new.account) {
            Ok(account) => self.transaction_first_of_series(account.organisation, &new).await?,
            // Said with what else is wrong.
            Err(_) => None,
        };
        let customer_row = customer.as_deref();
        let mut prepared = self.transaction_plan(permit, new, &card, customer_row, first, idempotency)?;
        let numbers = self.card_fingerprints(&card, permit.snapshot())?;
        let mut attempt = self.guards().attempt(&card, &numbers, &prepared.row, now)?;
        let in_hand = self.node().take(prepared.row.id.0)?;
        let mut customer_tries_left = CUSTOMER_TRIES_MAX;
        let mut claiming = Claiming::new(card.id, idempotency.map(|claim| claim.key.0));
        loop {
            let cvv = match self.cvv_claim(&mut claiming, permit).await? {
                Claimed::Cvv(cvv) => Some(cvv),
                Claimed::Nothing => None,
                Claimed::Twin => {
                    // It may have ended since this request looked.
                    return match &idempotency {
                        Some(claim) => match self.idempotency_earlier(claim, now).await? {
                            Some(earlier) => self.transaction_replayed(&earlier),
                            None => Err(VaultError::IdempotencyInUse),
                        },
                        None => Err(VaultError::IdempotencyInUse),
                    };
                }
            };
            let initiated = self.transaction_initiate(
                &mut prepared,
                card.organisation,
                cvv.as_ref(),
                customer.as_deref(),
                checkout,
                permit.now(),
            );
            match initiated.await {
                Ok((row, Outcome::Done { .. })) => {
                    attempt.begin();
                    let tries =
                        self.transaction_tries(&mut prepared, row, &card, cvv, &in_hand, permit.now());
                    let Tried { row, sent, cvv } = tries.await;
                    let settled = self.transaction_settle(&prepared, &row, sent, cvv, in_hand).await;
                    attempt.end(&settled, self.now());
                    return Ok(Done::new(settled));
                }
                Ok((_, Outcome::Claimed(earlier))) => {
                    self.cvv_release(cvv.map(|cvv| cvv.claim), true).await;
                    let claim = idempotency.ok_or(VaultError::Contended)?;
                    return self.transaction_replayed(&*self.idempotency_claimed(&claim, earlier)?);
                }
                // It was used with another card meanwhile, or changed, or erased.
                Ok((_, Outcome::Unmet(EXPECT_CUSTOMER))) if customer.is_some() => {
                    let read = match customer_tries_left.checked_sub(1) {
                        Some(left) => {
                            customer_tries_left = left;
                            self.transaction_customer(permit, prepared.row.customer, checkout).await
                        }
                        None => Err(VaultError::Contended),
                    };
                    match read {
                        Ok(read) => customer = read,
                        Err(error) => {
                            self.cvv_release(cvv.map(|cvv| cvv.claim), true).await;
                            return Err(error);
                        }
                    }
                    claiming.again_uncounted(cvv);
                }
                Ok((_, Outcome::Unmet(at)))
                    if at == EXPECT_CUSTOMER + usize::from(customer.is_some())
                        && cvv.as_ref().is_some_and(|cvv| cvv.row.is_some()) =>
                {
                    claiming.again(cvv);
                }
                Ok((_, Outcome::Unmet(at))) => {
                    self.cvv_release(cvv.map(|cvv| cvv.claim), true).await;
                    return Err(if at == EXPECT_CARD {
                        VaultError::not_found(Named::Field("card"))
                    } else {
                        VaultError::Contended
                    });
                }
                // A store that stopped, or lost its database at the commit, cannot tell whether `INITIATED` is durable, and a CVV may be
                // in one such row only.
                Err(error) => {
                    let untouched =
                        !matches!(error, VaultError::Store(StoreFault::Stopped | StoreFault::Unresolved));
                    self.cvv_release(cvv.map(|cvv| cvv.claim), untouched).await;
                    return Err(error);
                }
            }
        }
    }

    /// The customer that a transaction names. That of a checkout was held against who made it, and may be of an organisation above the account's, which
    /// a checkout's page does not see.
    async fn transaction_customer(
        &self,
        permit: &Permit<TransactionCreate>,
        named: Option<Id>,
        checkout: Option<&CheckoutRow>,
    ) -> Result<Option<Arc<CustomerRow>>, VaultError> {
        match (checkout, named) {
            (Some(_), Some(id)) => {
                self.customer_there(CustomerId(id), Named::Field("customer")).await.map(Some)
            }
            (Some(_) | None, named) => self.customer_of(permit, named).await,
        }
    }

    /// Finds account and processors, and makes the row that is written first.
    fn transaction_plan(
        &self,
        permit: &Permit<TransactionCreate>,
        mut new: NewTransaction,
        card: &CardRow,
        customer: Option<&CustomerRow>,
        first: Option<FirstOfSeries>,
        idempotency: Option<Idempotency>,
    ) -> Result<Prepared, VaultError> {
        new.storable()?;
        let threed = threed_secure(&new.extras)?;
        let token = TokenPayment::take(&mut new, card)?;
        if let Some(fault) =
            new.webhook_transaction_update.as_deref().and_then(|url| self.deliveries().refuses(url))
        {
            return Err(VaultError::field("webhook_transaction_update", fault));
        }
        let snapshot = Arc::clone(permit.snapshot());
        let account = account_seen(permit, new.account)?;
        let organisation = account.organisation;
        let is_in_line = |other| {
            snapshot.documents.is_below(organisation, other)
                || snapshot.documents.is_below(other, organisation)
        };
        if !is_in_line(card.organisation) {
            return Err(VaultError::field(
                "card",
                "is of an organisation that is neither above nor below the account's",
            ));
        }
        if customer.is_some_and(|customer| !is_in_line(customer.organisation)) {
            return Err(VaultError::field(
                "customer",
                "is of an organisation that is neither above nor below the account's",
            ));
        }
        // A customer shows the cards that it was used with.
        let documents = &snapshot.documents;
        let is_apart = |one, other| !documents.is_below(one, other) && !documents.is_below(other, one);
        if customer.is_some_and(|customer| is_apart(customer.organisation, card.organisation)) {
            return Err(VaultError::field(
                "customer",
                "is of an organisation that is neither above nor below the card's",
            ));
        }
        if account.disabled {
            return Err(VaultError::WrongState { reason: "the account is disabled" });
        }
        // The account's was looked at with the account.
        if card.organisation != organisation {
            snapshot.documents.enabled(card.organisation)?;
        }
        let now = permit.now().wall;
        let mut row = TransactionRow {
            id: TransactionId::make(now, self.make_id_bytes()?),
            organisation,
            version: 1,
            node: self.node().id(),
            account: account.id,
            // That of the first candidate, below.
            processor: ProcessorId::from_bytes([0; 12]),
            processor_name: String::new(),
            try_number: 1,
            card: new.card,
            amount: new.amount,
            currency: account.currency,
            capture_now: new.capture_now,
            customer_ip: new.customer_ip,
            dynamic_descriptor: new.dynamic_descriptor,
            merchant_reference: new.merchant_reference,
            user_agent: new.user_agent,
            customer: new.customer,
            brand: card.brand,
            webhook_transaction_update: new.webhook_transaction_update,
            recurring_type: new.recurring_type,
            installments: new.installments,
            shopper_interaction: new.shopper_interaction,
            extras: new.extras,
            status: TransactionStatus::Initiated,
            status_reason: None,
            reason_code: None,
            authorization_code: None,
            processor_reference: None,
            act_reference: None,
            network_transaction_id: None,
            cvv_present: false,
            cvv_result: CvvResult::Unavailable,
            avs_result: 0,
            captured: Amount::ZERO,
            refunded: Amount::ZERO,
            action: TransactionAction::Authorise,
            state: ActionState::InHand,
            asks: 0,
            ask_at: None,
            idempotency: idempotency.map(|claim| claim.key),
            created_at: now,
            updated_at: now,
            tag: Tag::NONE,
        };
        let is_token = token.is_some();
        let mut further =
            self.transaction_candidates(&snapshot, account, &row, card, first.as_ref(), is_token)?;
        let Candidate { processor, name, connection, again_after } =
            further.pop_front().ok_or(VaultError::NotSupported)?;
        (row.processor, row.processor_name) = (processor, name);
        let (row, asked) = (Arc::new(row), *permit.asked());
        let first_of_series = first.map(|first| first.network_transaction_id);
        Ok(Prepared {
            row,
            connection,
            again_after,
            further,
            asked,
            snapshot,
            idempotency,
            threed,
            token,
            first_of_series,
        })
    }

    /// Writes `INITIATED`, durably, marks the CVV as used where nodes share CVVs, and notes the card with the customer when the two are used
    /// together for the first time; the row is that which is written.
    async fn transaction_initiate(
        &self,
        prepared: &mut Prepared,
        card_organisation: OrganisationId,
        cvv: Option<&ClaimedCvv>,
        customer: Option<&CustomerRow>,
        checkout: Option<&CheckoutRow>,
        began: Now,
    ) -> Result<(Arc<TransactionRow>, Outcome), VaultError> {
        let row = Arc::make_mut(&mut prepared.row);
        row.cvv_present = cvv.is_some();
        row.tag = seal::transaction_tag(self.keys(), row);
        let row = Arc::clone(&prepared.row);
        let history = self.history(&row, row.created_at)?;
        let audit =
            prepared.asked.note(row.created_at, Action::TransactionInitiate, row.organisation, row.id.0);
        let mut commit = Commit {
            claim: prepared
                .idempotency
                .map(|claim| claim.claim(self.keys(), row.created_at, IdempotencyAnswer::RUNNING)),
            // They are looked at by their places.
            expects: vec![
                Expect::Owned(RowKey::Card(row.card), card_organisation),
                Expect::Absent(RowKey::Transaction(row.id)),
            ],
            effects: vec![Arc::clone(&row).into(), history.into()],
            audit,
        };
        if let Some(customer) = customer {
            let key = RowKey::Customer(customer.id);
            if customer.cards.contains(&row.card) {
                commit.expects.push(Expect::Owned(key, customer.organisation));
            } else {
                commit.expects.push(Expect::Version(key, customer.version));
                commit.effects.push(self.customer_with_card(customer, row.card, row.created_at)?.into());
            }
        }
        if let Some(unused) = cvv.and_then(|cvv| cvv.row.as_deref()) {
            commit.expects.push(cvv::as_read(Some(unused), unused.card));
            commit.effects.push(self.cvv_used(unused, true)?.into());
        }
        if let Some(checkout) = checkout {
            commit.expects.push(Expect::Version(RowKey::Checkout(checkout.id), checkout.version));
            commit.effects.push(self.checkout_begun(checkout, row.id, row.created_at)?.into());
        }
        self.in_time(began)?;
        let outcome = self.store().commit(commit).await?;
        Ok((row, outcome))
    }

    /// Opens card and CVV and hands them to the processor, which is the one place where plaintext crosses a wait.
    pub(super) async fn transaction_send(
        &self,
        prepared: &Prepared,
        row: &TransactionRow,
        card: &CardRow,
        claim: Option<&CvvClaim>,
        token: Option<TokenPayment>,
        in_hand: &InHand,
    ) -> Sent {
        // The processor asks too, before its first byte; here nothing is opened yet.
        if !in_hand.is_given() {
            return Sent::NOT_CLEARED;
        }
        let order = Order {
            transaction: row.id,
            try_number: row.try_number,
            amount: row.amount,
            currency: row.currency,
            capture_now: row.capture_now,
            merchant_reference: row.merchant_reference.clone(),
            dynamic_descriptor: row.dynamic_descriptor.clone(),
            customer_ip: row.customer_ip.clone(),
            recurring_type: row.recurring_type,
            shopper_interaction: row.shopper_interaction,
            threed_authentication: prepared.threed.clone(),
            network_transaction_id: prepared.first_of_series.clone(),
        };
        let env = self.env(&prepared.snapshot, self.now());
        let outbound = match outbound_open(card, claim, token, row.organisation, order, &env) {
            Ok(outbound) => outbound,
            Err(error) => {
                tracing::error!(request.id = prepared.asked.origin.request.map(tracing::field::display), transaction.id = %row.id, error = %with_causes(&error), advice = "run panvault doctor", "transaction.open_failed");
                return NOT_OPENED;
            }
        };
        sent_in_time(&*prepared.connection, Act::Authorise(outbound), in_hand).await
    }

    /// Writes the outcome, durably, and only then lets a CVV that was not sent go back. Where nodes share CVVs, the outcome takes the
    /// mark away that the CVV was used: it does not go back where it was replaced or ended meanwhile.
    ///
    /// Money may have moved by now, so an outcome that cannot be written is answered as unknown; an error would say that nothing was done. It is
    /// tried on by itself for as long as nobody else takes the transaction over; after that the next sweep makes it unknown.
    pub(super) async fn transaction_settle(
        &self,
        prepared: &Prepared,
        initiated: &Arc<TransactionRow>,
        sent: Sent,
        cvv: Option<ClaimedCvv>,
        in_hand: InHand,
    ) -> Arc<TransactionRow> {
        let reached = !matches!(sent, Sent::NotReached { .. });
        let now = self.now();
        let onto = SettleBase {
            unused: cvv.as_ref().and_then(|cvv| cvv.row.as_deref()).filter(|_| !reached),
            expects: Vec::new(),
        };
        let (asked, idempotency) = (prepared.asked, prepared.idempotency);
        let settled = self.transaction_outcome(&asked, initiated, sent.clone(), idempotency, onto, now).await;
        let goes_back = !reached && matches!(&settled, Ok(Some(settled)) if settled.cvv_goes_back);
        self.cvv_release(cvv.map(|cvv| cvv.claim), goes_back).await;
        let unknown = |reason: &str| {
            Arc::new(TransactionRow {
                status: TransactionStatus::Unknown,
                state: ActionState::Unknown,
                status_reason: Some(reason.to_owned()),
                ..TransactionRow::clone(initiated)
            })
        };
        match settled {
            Ok(Some(settled)) => settled.row,
            Ok(None) => {
                let advice = "see why this node lost its lease, and ask the processor for the outcome";
                tracing::error!(request.id = prepared.asked.origin.request.map(tracing::field::display), transaction.id = %initiated.id, advice, "transaction.taken_over");
                self.transaction_as_stored(initiated)
                    .await
                    .unwrap_or_else(|| unknown("another node has taken it over"))
            }
            Err(error) => {
                let advice = "see why the store does not write, and ask the processor for the outcome";
                tracing::error!(request.id = prepared.asked.origin.request.map(tracing::field::display), transaction.id = %initiated.id, error = %with_causes(&error), advice, "transaction.not_settled");
                if may_pass(&error) {
                    let (vault, initiated) = (self.clone(), Arc::clone(initiated));
                    let later = Later { asked, initiated, sent, idempotency, now };
                    tokio::spawn(async move {
                        vault.transaction_settle_later(later, error).await;
                        drop(in_hand);
                    });
                }
                unknown("the outcome could not be written")
            }
        }
    }

    /// Goes on to write an outcome. The CVV is gone by now, whatever was sent.
    async fn transaction_settle_later(&self, later: Later, mut error: VaultError) {
        let Later { asked, initiated, sent, idempotency, now } = later;
        let request = asked.origin.request.map(tracing::field::display);
        let mut patience = Patience::from(now);
        while patience.goes_on_after(&error, self).await {
            let onto = SettleBase { unused: None, expects: Vec::new() };
            match self.transaction_outcome(&asked, &initiated, sent.clone(), idempotency, onto, now).await {
                Ok(Some(_)) => {
                    tracing::info!(request.id = request, transaction.id = %initiated.id, "transaction.settled_late");
                    return;
                }
                Ok(None) => return,
                Err(fault) => error = fault,
            }
        }
        let advice = "see why the store does not write, and ask the processor for the outcome";
        tracing::error!(request.id = request, transaction.id = %initiated.id, error = %with_causes(&error), advice, "transaction.given_up");
    }

    /// The row as somebody else has left it, if it can be read and is one of this vault.
    async fn transaction_as_stored(&self, initiated: &TransactionRow) -> Option<Arc<TransactionRow>> {
        let row = self.store().transaction_read(initiated.id).await.ok().flatten()?;
        let is_later = row.id == initiated.id && row.version > initiated.version;
        (is_later && seal::transaction_verify(self.keys(), &row).is_ok()).then_some(row)
    }

    /// The step of a transaction's history that its row stands for.
    pub(crate) fn history(&self, row: &TransactionRow, at: Timestamp) -> Result<HistoryRow, VaultError> {
        let mut history = HistoryRow {
            id: Id::make(at, self.make_id_bytes()?),
            transaction: row.id,
            version: row.version,
            status: row.status,
            status_reason: row.status_reason.clone(),
            processor_name: row.processor_name.clone(),
            reason_code: row.reason_code.clone(),
            cvv_present: row.cvv_present,
            created_at: at,
            tag: Tag::NONE,
        };
        history.tag = seal::history_tag(self.keys(), &history);
        Ok(history)
    }
}

/// Hands an act to a processor, and gives it up when its answer takes too long.
pub(crate) async fn sent_in_time(connection: &dyn Processor, act: Act, clearance: &dyn Clearance) -> Sent {
    let sent = answered_in_time(connection, act, clearance).await;
    sent.unwrap_or(Sent::Unknown { reason: Cow::Borrowed("the processor did not answer in time") })
}

/// The same; `None` when the answer took too long.
pub(crate) async fn answered_in_time(
    connection: &dyn Processor,
    act: Act,
    clearance: &dyn Clearance,
) -> Option<Sent> {
    let limit = Duration::from_secs(PROCESSOR_SECONDS_MAX);
    tokio::time::timeout(limit, connection.send(act, clearance)).await.ok()
}

/// What was read; what is not found goes to what is missing.
fn found<T>(read: Result<T, VaultError>, missing: &mut Vec<Named>) -> Result<Option<T>, VaultError> {
    match read {
        Err(VaultError::NotFound(named)) => {
            missing.extend(named);
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The account, if the caller sees it.
fn account_seen(permit: &Permit<TransactionCreate>, id: AccountId) -> Result<&AccountRow, VaultError> {
    let named = Named::Field("account");
    let account = permit.snapshot().documents.account(id).ok_or_else(|| VaultError::not_found(named))?;
    permit.within_enabled(account.organisation, named)?;
    Ok(account)
}

use core::future::Future;
use core::pin::Pin;
use std::borrow::Cow;
use std::sync::Arc;

use panvault_model::{Amount, Brand, CardKind, Currency, CvvResult, Timestamp, TransactionAction};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::act::ActName;
use super::answer::{Answer, Pick};
use super::breaker::{Breaker, Changed, Passed};
use super::connection::Dialer;
use super::counters::{Counts, HttpCounters, add_one};
use super::description::{Description, Exchange, HttpMode};
use super::facts::{self, Facts};
use super::limits::{HttpLimitFault, HttpLimits};
use super::pool::{InUse, NoConnection, Pool};
use super::request::{self, Measured, Unmade};
use super::response;
use super::setting::SettingFault;
use crate::act::{Act, FollowUp};
use crate::notification::{Misfit, Notice, Notification, NotificationFault, NotificationScheme};
use crate::secrets::Secrets;
use crate::{Clearance, Processor, Reply, Sent, Verdict};

/// A PSP that is spoken to as a description says.
pub struct HttpProcessor {
    description: Arc<Description>,
    settings: Vec<(String, String)>,
    secrets: Secrets,
    limits: HttpLimits,
    pool: Arc<Pool>,
    breaker: Arc<Breaker>,
    counts: Arc<Counts>,
}

/// Why there is no processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// A setting or secret that is wrong, missing or not known.
    #[error("a setting is wrong")]
    Settings(Vec<SettingFault>),
    /// There is nowhere to call.
    #[error("the processor {0}")]
    Origin(String),
    /// A limit.
    #[error("a limit is wrong")]
    Limits(#[source] HttpLimitFault),
}

const LEFT_ALONE: &str = "the processor is left alone for a while: it failed several times in a row";

const TOO_LATE: &str = "the processor did not answer in time";

/// What became of a request.
enum Exchanged {
    NotReached(&'static str),
    LeftAlone,
    Full(&'static str),
    NotCleared,
    Unknown(&'static str),
    Answered(Answer),
}

impl HttpProcessor {
    /// A processor that calls the origin of the description for vaults of that kind. Nothing is called yet.
    pub fn new(
        description: Arc<Description>,
        settings: &[(String, String)],
        secrets: Secrets,
        limits: HttpLimits,
        mode: HttpMode,
    ) -> Result<Self, HttpFault> {
        Self::counted(description, settings, secrets, limits, mode, (Arc::default(), Box::new(|_| {})))
    }

    /// The same, and what it does is counted there; that it is left alone, and that it is not any more, is told.
    pub(crate) fn counted(
        description: Arc<Description>,
        settings: &[(String, String)],
        secrets: Secrets,
        limits: HttpLimits,
        mode: HttpMode,
        (counts, changed): (Arc<Counts>, Changed),
    ) -> Result<Self, HttpFault> {
        let limits = limits.checked().map_err(HttpFault::Limits)?;
        let mut faults = description.judge(settings, secrets.names());
        let judged = secrets.names().filter_map(|name| description.judge_secret(name, secrets.expose(name)?));
        faults.extend(judged.filter(|fault| !faults.contains(fault)).collect::<Vec<_>>());
        if !faults.is_empty() {
            return Err(HttpFault::Settings(faults));
        }
        let origin = description.origin(mode, settings).map_err(HttpFault::Origin)?;
        let dialer =
            Dialer::new(origin, &description.roots, Arc::clone(&counts)).map_err(HttpFault::Origin)?;
        Ok(Self {
            settings: settings.to_vec(),
            secrets,
            limits,
            pool: Arc::new(Pool::new(dialer, limits, Arc::clone(&counts))),
            breaker: Arc::new(Breaker::new(
                limits.breaker_failures,
                limits.breaker_pause(),
                Arc::clone(&counts),
                changed,
            )),
            counts,
            description,
        })
    }

    /// What it has done so far.
    pub fn counters(&self) -> HttpCounters {
        self.counts.shown()
    }

    fn facts<'a>(&'a self, act: &'a Act) -> Facts<'a> {
        Facts {
            name: ActName::of(act),
            act,
            settings: &self.settings,
            secrets: &self.secrets,
            tables: &self.description.tables,
            exponents: &self.description.exponents,
        }
    }

    /// How an act is sent, or of which part of it the description has nothing.
    fn exchange(&self, act: &Act) -> Option<(&Exchange, Option<&Pick>)> {
        match act {
            Act::Ask(of) => {
                let facts = self.facts(act);
                let can = |exchange: &Exchange| {
                    request::measure(&self.description, exchange, self.pool.dialer().origin(), &facts).is_ok()
                };
                let asks = self.description.asks.iter();
                let mut fitting = asks.filter(|ask| ask.of.contains(&of.action) && can(&ask.exchange));
                fitting.next().map(|ask| (&ask.exchange, ask.pick.as_ref()))
            }
            Act::Authorise(outbound)
                if outbound.kind() == CardKind::NetworkToken
                    && !self.description.takes_network_token(ActName::of(act), outbound.brand()) =>
            {
                None
            }
            Act::Authorise(_) | Act::Capture(_) | Act::Void(_) | Act::Refund(_) => {
                self.description.act(ActName::of(act)).map(|exchange| (exchange, None))
            }
        }
    }

    async fn act(&self, act: Act, clearance: &dyn Clearance) -> Sent {
        let Some((exchange, pick)) = self.exchange(&act) else { return undescribed(&act) };
        let origin = self.pool.dialer().origin();
        let measured = match request::measure(&self.description, exchange, origin, &self.facts(&act)) {
            Ok(measured) => measured,
            Err(unmade) => return unsendable(unmade),
        };
        let is_question = matches!(act, Act::Ask(_));
        let (act, exchanged) = self.exchanged(act, exchange, measured, clearance).await;
        let (sent, counter) = match exchanged {
            Exchanged::NotReached(reason) => (Sent::NotReached { reason }, &self.counts.not_reached),
            Exchanged::LeftAlone => (Sent::NotReached { reason: LEFT_ALONE }, &self.counts.breaker_refused),
            Exchanged::Full(reason) => (Sent::NotReached { reason }, &self.counts.full_refused),
            Exchanged::NotCleared => (Sent::NOT_CLEARED, &self.counts.not_reached),
            Exchanged::Unknown(reason) => (Sent::Unknown { reason: reason.into() }, &self.counts.unknown),
            Exchanged::Answered(answer) => {
                let facts = act.facts(self);
                let sent = if is_question {
                    exchange.answers.read_told(&answer, pick, &facts)
                } else {
                    exchange.answers.read(&answer, pick, &facts)
                };
                // What came and means nothing is as good as nothing.
                let counter = match sent {
                    Sent::Answered(_) => &self.counts.answered,
                    Sent::Unknown { .. } | Sent::NotReached { .. } => &self.counts.unknown,
                };
                (sent, counter)
            }
        };
        add_one(match (is_question, &sent) {
            (false, _) => counter,
            (true, Sent::Answered(_)) => &self.counts.questions_answered,
            (true, Sent::Unknown { .. } | Sent::NotReached { .. }) => &self.counts.questions_unanswered,
        });
        sent
    }

    /// Sends the request once, and waits for its answer.
    async fn exchanged(
        &self,
        act: Act,
        exchange: &Exchange,
        measured: Measured,
        clearance: &dyn Clearance,
    ) -> (Remembered, Exchanged) {
        let remembered = Remembered::of(&act);
        let Some(passed) = self.breaker.pass(Instant::now()) else {
            return (remembered, Exchanged::LeftAlone);
        };
        let mut in_use = match self.pool.take().await {
            Ok(in_use) => in_use,
            Err(fault) => return (remembered, not_connected(fault, passed)),
        };
        // It may have been closed while it was handed over: nothing is written yet, so another may be tried, once.
        if !in_use.connection.is_quiet()
            && let Err(fault) = self.pool.replace(&mut in_use).await
        {
            return (remembered, not_connected(fault, passed));
        }
        // Others may have found out that it is away while this one waited.
        if !passed.holds() {
            passed.untried();
            self.pool.put_back(in_use);
            return (remembered, Exchanged::LeftAlone);
        }
        if !clearance.is_given() {
            passed.untried();
            self.pool.put_back(in_use);
            return (remembered, Exchanged::NotCleared);
        }
        if in_use.is_reused {
            add_one(&self.counts.connections_reused);
        }
        let exchanged = self.written(act, exchange, measured, in_use, passed).await;
        (remembered, exchanged)
    }

    /// From here on bytes are handed over: whatever fails leaves the outcome unknown.
    async fn written(
        &self,
        act: Act,
        exchange: &Exchange,
        measured: Measured,
        mut in_use: InUse,
        passed: Passed,
    ) -> Exchanged {
        let origin = self.pool.dialer().origin();
        let bytes = request::make(&self.description, exchange, origin, &self.facts(&act), measured);
        let answer_bytes_max = usize::try_from(self.limits.answer_bytes_max).unwrap_or(usize::MAX);
        let begun = Instant::now();
        let conversation = async {
            let stream = &mut *in_use.connection.stream;
            let written = async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            };
            written.await.map_err(|_| "the connection to the processor broke while the request was sent")?;
            // What was sent is wiped before its answer is waited for.
            drop((bytes, act));
            response::read(stream, answer_bytes_max).await
        };
        match timeout(self.limits.answer(), conversation).await {
            Ok(Ok(response)) => {
                self.counts.answered_after(begun.elapsed());
                passed.succeeded();
                if response.keeps_connection {
                    self.pool.put_back(in_use);
                }
                let json = serde_json::from_slice(&response.body).ok();
                Exchanged::Answered(Answer { status: response.status, json })
            }
            Ok(Err(reason)) => {
                passed.failed(reason);
                Exchanged::Unknown(reason)
            }
            Err(_) => {
                passed.failed(TOO_LATE);
                Exchanged::Unknown(TOO_LATE)
            }
        }
    }
}

impl Processor for HttpProcessor {
    fn send<'a>(
        &'a self,
        act: Act,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        Box::pin(self.act(act, clearance))
    }

    fn can_be_asked(&self, of: &FollowUp) -> bool {
        self.exchange(&Act::Ask(of.clone())).is_some()
    }

    fn can_do(&self, action: TransactionAction, amount: Amount) -> bool {
        let name = match action {
            TransactionAction::Authorise if amount.is_zero() => ActName::Verify,
            TransactionAction::Authorise => ActName::Authorise,
            TransactionAction::Capture => ActName::Capture,
            TransactionAction::Void => ActName::Void,
            TransactionAction::VoidCapture => ActName::VoidCapture,
            TransactionAction::Refund => ActName::Refund,
            // Nothing is sent for it.
            TransactionAction::Settle => return true,
        };
        self.description.act(name).is_some()
    }

    fn takes_network_token(&self, amount: Amount, brand: Option<Brand>) -> bool {
        let name = if amount.is_zero() { ActName::Verify } else { ActName::Authorise };
        self.description.takes_network_token(name, brand)
    }

    /// None of the APIs says when money has moved: what is captured is settled when this vault says so.
    fn is_settled_here(&self) -> bool {
        true
    }

    fn notifies(&self) -> Option<NotificationScheme> {
        self.description
            .notification
            .as_ref()
            .filter(|setup| self.secrets.expose(&setup.secret).is_some())
            .map(|setup| setup.scheme)
    }

    fn notices(
        &self,
        notification: Notification<'_>,
        now: Timestamp,
    ) -> Result<Vec<Notice>, NotificationFault> {
        let setup = self.description.notification.as_ref().ok_or(NotificationFault::Secret)?;
        let secret = self.secrets.expose(&setup.secret).ok_or(NotificationFault::Secret)?;
        setup.scheme.read(notification, secret, now)
    }

    fn misfit(&self, notice: &Notice, amount: Amount, currency: Currency) -> Option<Misfit> {
        let account = self.description.notification.as_ref().and_then(|setup| setup.account.as_deref());
        let ours = account.and_then(|name| self.settings.iter().find(|(known, _)| known == name));
        if account.is_some() && notice.account.as_ref() != ours.map(|(_, value)| value) {
            return Some(Misfit::Account);
        }
        if notice.currency.is_some_and(|told| told != currency) {
            return Some(Misfit::Currency);
        }
        let fits = match notice.act {
            // Nothing moves by it: some say the amount that was reserved, others none.
            TransactionAction::Void | TransactionAction::VoidCapture => true,
            TransactionAction::Authorise
            | TransactionAction::Capture
            | TransactionAction::Refund
            | TransactionAction::Settle => {
                let expected = facts::units(&self.description.exponents, amount, currency);
                expected.is_some() && notice.amount == expected
            }
        };
        (!fits).then_some(Misfit::Amount)
    }
}

/// What an answer may be compared with once the card is gone.
struct Remembered(Act);

impl Remembered {
    fn of(act: &Act) -> Self {
        let follow_up = match act {
            Act::Authorise(outbound) => {
                let order = outbound.order();
                FollowUp {
                    action: TransactionAction::Authorise,
                    transaction: order.transaction,
                    try_number: order.try_number,
                    refund: None,
                    amount: order.amount,
                    currency: order.currency,
                    merchant_reference: order.merchant_reference.clone(),
                    reason: None,
                    reference: None,
                    act_reference: None,
                    attempt: 1,
                }
            }
            Act::Capture(of) | Act::Void(of) | Act::Refund(of) | Act::Ask(of) => of.clone(),
        };
        Self(Act::Ask(follow_up))
    }

    fn facts<'a>(&'a self, processor: &'a HttpProcessor) -> Facts<'a> {
        processor.facts(&self.0)
    }
}

fn not_connected(fault: NoConnection, passed: Passed) -> Exchanged {
    match fault {
        NoConnection::Busy => {
            passed.untried();
            Exchanged::Full("all connections to the processor are in use")
        }
        NoConnection::Full => {
            passed.untried();
            Exchanged::Full("all connections to the processor are in use, and too many wait for one")
        }
        NoConnection::NotConnected(reason) => {
            passed.failed(reason);
            Exchanged::NotReached(reason)
        }
    }
}

/// An act that the description has not. Nothing is sent.
fn undescribed(act: &Act) -> Sent {
    match act {
        Act::Ask(_) => Sent::Unknown { reason: Cow::Borrowed("the processor cannot tell what became of it") },
        Act::Authorise(_) | Act::Capture(_) | Act::Void(_) | Act::Refund(_) => {
            not_supported("not supported by the processor")
        }
    }
}

fn unsendable(unmade: Unmade) -> Sent {
    not_supported(match unmade {
        Unmade::Amount => "the processor has no such amount in this currency",
        Unmade::Target => "the processor has not said what it calls this payment",
        Unmade::Header => "a setting that the processor needs is missing",
    })
}

/// Code 40 of ISO 8583: the function is not supported.
fn not_supported(reason: &str) -> Sent {
    Sent::Answered(Reply {
        verdict: Verdict::NotSupported,
        reason_code: "40".to_owned(),
        status_reason: Some(reason.to_owned()),
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        authorization_code: None,
        reference: None,
        network_transaction_id: None,
    })
}

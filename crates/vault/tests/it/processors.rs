use core::future::ready;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use panvault_model::{Amount, Brand, CardKind, Currency, ProcessorId, Timestamp, TransactionId};
use panvault_processor::{
    Act, Clearance, Configuration, ConfigurationFault, Connect, Connector, FollowUp, HttpConfiguration,
    Misfit, Notice, Notification, NotificationFault, NotificationScheme, Order, Processor, Secrets, Sent,
};

use crate::gate::Gate;

/// Connections to the dummy that write down what leaves for it. Tasks can be made to stand still just before their first byte, as while
/// a connection is made.
#[derive(Default)]
pub(crate) struct TestProcessors {
    line: Arc<Line>,
    /// The secret that each connection was made with.
    connected: Mutex<Vec<Option<Vec<u8>>>>,
    /// Whether the description of [`SCRIPTED`] was taken away.
    is_gone: AtomicBool,
}

#[derive(Default)]
struct Line {
    before: Gate,
    after: Gate,
    left: Mutex<Vec<TransactionId>>,
    /// What is answered in place of the dummy's own answers.
    answers: Mutex<VecDeque<Sent>>,
    /// What was said of acts that bear a card.
    orders: Mutex<Vec<Order>>,
    /// Whether those came with a CVV.
    carried: Mutex<Vec<bool>>,
    /// What came with network tokens: each time a cryptogram and its ECI.
    tokens: Mutex<Vec<Token>>,
    takes_no_tokens: AtomicBool,
    /// What was said of acts that follow a first.
    follow_ups: Mutex<Vec<FollowUp>>,
    can_be_asked: AtomicBool,
    /// Whether the first try of each payment is not reached.
    is_first_away: AtomicBool,
    /// What the next notifications say.
    notices: Mutex<VecDeque<Vec<Notice>>>,
}

/// What came with a network token.
pub(crate) type Token = (Option<String>, Option<String>);

/// A type with secrets, which answers as the dummy does, or as it is told.
pub(crate) const SCRIPTED: &str = "card_scripted";

/// The body of a notification that is signed.
pub(crate) const SIGNED: &[u8] = b"signed";

/// Whose account at the processor it is.
pub(crate) const OURS: &str = "ours";

/// Its settings, and whether they are secrets.
const SETTINGS: [(&str, bool); 3] = [("merchant", false), ("api_key", true), ("signing_key", true)];

impl TestProcessors {
    pub(crate) fn description_goes(&self, is_gone: bool) {
        self.is_gone.store(is_gone, Ordering::Relaxed);
    }

    /// What the connections were made with, in their order.
    pub(crate) fn connected_with(&self) -> Vec<Option<String>> {
        let connected = self.connected.lock().unwrap();
        connected.iter().map(|key| key.as_ref().map(|key| String::from_utf8(key.clone()).unwrap())).collect()
    }

    /// Just before the first byte.
    pub(crate) fn before(&self) -> &Gate {
        &self.line.before
    }

    /// Before the answer.
    pub(crate) fn after(&self) -> &Gate {
        &self.line.after
    }

    /// The next answers, to whatever is sent, and that the processor can be asked.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Sent>) {
        self.line.answers.lock().unwrap().extend(answers);
        self.can_be_asked(true);
    }

    pub(crate) fn can_be_asked(&self, can: bool) {
        self.line.can_be_asked.store(can, Ordering::Relaxed);
    }

    /// The next notification says this, where it is signed: its body is [`SIGNED`].
    pub(crate) fn tell(&self, notices: Vec<Notice>) {
        self.line.notices.lock().unwrap().push_back(notices);
    }

    /// What was said of the last act that bore a card.
    pub(crate) fn last_order(&self) -> Order {
        self.line.orders.lock().unwrap().last().unwrap().clone()
    }

    /// What came with network tokens, in its order.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.line.tokens.lock().unwrap().clone()
    }

    pub(crate) fn takes_no_tokens(&self, none: bool) {
        self.line.takes_no_tokens.store(none, Ordering::Relaxed);
    }

    /// Nobody is reached by the first try of a payment from now on.
    pub(crate) fn first_goes_away(&self) {
        self.line.is_first_away.store(true, Ordering::Relaxed);
    }

    /// Which acts that bear a card came with a CVV, in their order.
    pub(crate) fn carried(&self) -> Vec<bool> {
        self.line.carried.lock().unwrap().clone()
    }

    /// What named the last act that bore no card.
    pub(crate) fn last_follow_up(&self) -> FollowUp {
        self.line.follow_ups.lock().unwrap().last().unwrap().clone()
    }

    /// How often anything was done that bore no card, or asked.
    pub(crate) fn follow_ups(&self) -> usize {
        self.line.follow_ups.lock().unwrap().len()
    }

    /// What has left, in its order.
    pub(crate) fn left(&self) -> Vec<TransactionId> {
        self.line.left.lock().unwrap().clone()
    }
}

impl Connect for TestProcessors {
    fn is_secret(&self, type_name: &str, setting: &str) -> Option<bool> {
        if type_name != SCRIPTED {
            return Connector.is_secret(type_name, setting);
        }
        SETTINGS.iter().find(|(name, _)| *name == setting).map(|(_, is_secret)| *is_secret)
    }

    fn secret_fault(&self, _: &str, _: &str, value: &[u8]) -> Option<String> {
        (!value.starts_with(b"sk_")).then(|| "must begin with sk_".to_owned())
    }

    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        secrets: &[&str],
    ) -> Result<Configuration, Vec<ConfigurationFault>> {
        if type_name != SCRIPTED || self.is_gone.load(Ordering::Relaxed) {
            return Connector.configuration(type_name, settings, secrets);
        }
        if !secrets.contains(&"api_key") {
            return Err(vec![ConfigurationFault::of("api_key", "is required".to_owned())]);
        }
        let (type_name, settings) = (type_name.to_owned(), settings.to_vec());
        Ok(Configuration::Http(HttpConfiguration { type_name, settings }))
    }

    fn connect(
        &self,
        id: ProcessorId,
        configuration: &Configuration,
        secrets: Secrets,
    ) -> Arc<dyn Processor> {
        let api_key = secrets.expose("api_key").map(<[u8]>::to_vec);
        self.connected.lock().unwrap().push(api_key);
        let dummy = Connector.configuration("card_dummy", &[], &[]).unwrap();
        let dummy = match configuration {
            Configuration::Dummy(_) | Configuration::Route(_) => {
                Connector.connect(id, configuration, secrets)
            }
            Configuration::Http(_) => Connector.connect(id, &dummy, secrets),
        };
        Arc::new(Connection { line: Arc::clone(&self.line), dummy })
    }
}

struct Connection {
    line: Arc<Line>,
    dummy: Arc<dyn Processor>,
}

impl Processor for Connection {
    fn send<'a>(
        &'a self,
        act: Act,
        clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        if let Act::Ask(of) | Act::Capture(of) | Act::Void(of) | Act::Refund(of) = &act {
            self.line.follow_ups.lock().unwrap().push(of.clone());
        }
        if let Act::Authorise(outbound) = &act {
            self.line.orders.lock().unwrap().push(outbound.order().clone());
            if outbound.kind() == CardKind::NetworkToken {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let eci = outbound.cryptogram_eci().map(str::to_owned);
                self.line.tokens.lock().unwrap().push((outbound.expose_cryptogram().map(text), eci));
            }
            self.line.carried.lock().unwrap().push(outbound.carries_cvv());
        }
        let is_first = matches!(&act, Act::Authorise(outbound) if outbound.order().try_number == 1);
        if is_first && self.line.is_first_away.load(Ordering::Relaxed) {
            return Box::pin(ready(Sent::NotReached { reason: "nobody is there" }));
        }
        let answer = self.line.answers.lock().unwrap().pop_front();
        if let Act::Ask(_) = act {
            return answer.map_or_else(|| self.dummy.send(act, clearance), |answer| Box::pin(ready(answer)));
        }
        Box::pin(async move {
            self.line.before.pass().await;
            if !clearance.is_given() {
                return Sent::NOT_CLEARED;
            }
            self.line.left.lock().unwrap().push(act.transaction());
            self.line.after.pass().await;
            // It has left: what the node may do now changes nothing.
            match answer {
                Some(answer) => answer,
                None => self.dummy.send(act, &Left).await,
            }
        })
    }

    fn can_be_asked(&self, of: &FollowUp) -> bool {
        self.line.can_be_asked.load(Ordering::Relaxed) || self.dummy.can_be_asked(of)
    }

    fn notifies(&self) -> Option<NotificationScheme> {
        Some(NotificationScheme::Adyen)
    }

    fn notices(
        &self,
        notification: Notification<'_>,
        _now: Timestamp,
    ) -> Result<Vec<Notice>, NotificationFault> {
        if notification.body != SIGNED {
            return Err(NotificationFault::Signature);
        }
        Ok(self.line.notices.lock().unwrap().pop_front().unwrap_or_default())
    }

    fn misfit(&self, notice: &Notice, amount: Amount, currency: Currency) -> Option<Misfit> {
        if notice.account.as_deref() != Some(OURS) {
            Some(Misfit::Account)
        } else if notice.currency != Some(currency) {
            Some(Misfit::Currency)
        } else {
            (notice.amount != Some(amount.minor_units().into())).then_some(Misfit::Amount)
        }
    }

    fn takes_network_token(&self, amount: Amount, brand: Option<Brand>) -> bool {
        !self.line.takes_no_tokens.load(Ordering::Relaxed) && self.dummy.takes_network_token(amount, brand)
    }

    fn is_settled_here(&self) -> bool {
        self.dummy.is_settled_here()
    }
}

struct Left;

impl Clearance for Left {
    fn is_given(&self) -> bool {
        true
    }
}

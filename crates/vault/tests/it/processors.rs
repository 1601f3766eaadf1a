use core::future::ready;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use panvault_model::TransactionId;
use panvault_processor::{Act, Clearance, Configuration, Connect, Connector, FollowUp, Processor, Sent};

use crate::gate::Gate;

/// Connections to the dummy that write down what leaves for it. Tasks can be made to stand still just before their first byte, as while
/// a connection is made.
#[derive(Default)]
pub(crate) struct TestProcessors {
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    before: Gate,
    after: Gate,
    left: Mutex<Vec<TransactionId>>,
    /// What is answered in place of the dummy's own answers.
    answers: Mutex<VecDeque<Sent>>,
    /// What was said of acts that follow a first.
    follow_ups: Mutex<Vec<FollowUp>>,
    can_be_asked: AtomicBool,
}

impl TestProcessors {
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
    fn connect(&self, configuration: &Configuration) -> Arc<dyn Processor> {
        Arc::new(Connection { line: Arc::clone(&self.line), dummy: Connector.connect(configuration) })
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

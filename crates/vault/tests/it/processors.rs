use core::pin::Pin;
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
        if let Act::Ask(_) = act {
            return self.dummy.send(act, clearance);
        }
        Box::pin(async move {
            self.line.before.pass().await;
            if !clearance.is_given() {
                return Sent::NOT_CLEARED;
            }
            self.line.left.lock().unwrap().push(act.transaction());
            self.line.after.pass().await;
            // It has left: what the node may do now changes nothing.
            self.dummy.send(act, &Left).await
        })
    }

    fn can_be_asked(&self, of: &FollowUp) -> bool {
        self.dummy.can_be_asked(of)
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

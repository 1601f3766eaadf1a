//! Where the chain of this node ends.

use panvault_model::NodeId;
use panvault_store::StoreFault;
use panvault_store::checkpoint::ChainTag;

use crate::audit::{self, FIRST_TAG, Step};
use crate::connect::Database;

/// Where the next step of a node goes.
#[derive(Clone, Debug)]
pub(crate) struct ChainEnd {
    pub(crate) writer: NodeId,
    /// Of the next note.
    pub(crate) place: u64,
    /// The last step's place, if there is one.
    pub(crate) last: Option<u64>,
    /// The last step's tag.
    pub(crate) tag: ChainTag,
    /// The tag of a row without notes that is at the place: the next step replaces it.
    pub(crate) mark: Option<ChainTag>,
}

impl ChainEnd {
    pub(crate) async fn read(database: &Database, writer: NodeId) -> Result<Self, StoreFault> {
        let mut end = Self { writer, place: 1, last: None, tag: FIRST_TAG, mark: None };
        let steps = audit::last_two(database, writer).await?;
        if let Some(step) = steps.iter().find(|step| step.count > 0) {
            end.follow(step);
        }
        end.mark = steps.first().filter(|step| step.count == 0).map(|step| step.tag);
        Ok(end)
    }

    /// A step was done.
    pub(crate) fn follow(&mut self, step: &Step) {
        self.last = Some(step.place);
        self.place = step.end();
        self.tag = step.tag;
        self.mark = None;
    }
}

use core::future::ready;
use core::pin::Pin;

use panvault_model::{Amount, Brand};

use crate::{Act, Clearance, FollowUp, Processor, Sent};

/// A processor that cannot be connected to: whatever is to be sent to it is not, and nothing else fails by it.
pub struct Unusable {
    reason: &'static str,
}

impl Unusable {
    /// For this reason, in words that whoever pays may read.
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

impl Processor for Unusable {
    fn send<'a>(
        &'a self,
        act: Act,
        _clearance: &'a dyn Clearance,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        drop(act);
        Box::pin(ready(Sent::NotReached { reason: self.reason }))
    }

    /// So that what is open is asked about when it can be connected to again.
    fn can_be_asked(&self, _of: &FollowUp) -> bool {
        true
    }

    fn takes_network_token(&self, _amount: Amount, _brand: Option<Brand>) -> bool {
        true
    }

    fn is_settled_here(&self) -> bool {
        false
    }
}

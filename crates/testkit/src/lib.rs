//! Fakes, canary cards and the conformance suite, for tests only.

mod cards;
mod clock;
pub mod conformance;
mod entropy;
mod http;
mod network_cvv;
mod scan;
mod shared_cvv;
pub mod workload;

pub use crate::cards::{CanaryCard, canary_cards};
pub use crate::clock::TestClock;
pub use crate::entropy::{Dice, SeededEntropy};
pub use crate::http::{Answer, http_send};
pub use crate::network_cvv::{NetworkCvvs, Weather};
pub use crate::scan::{Encoding, Leak, LeakScan};
pub use crate::shared_cvv::SharedCvvs;

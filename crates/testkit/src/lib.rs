//! Fakes, canary cards and the conformance suite, for tests only.

mod cards;
mod clock;
pub mod conformance;
#[expect(clippy::unwrap_used, clippy::panic, reason = "a fault here is a failed test")]
pub mod corpus;
mod entropy;
mod http;
#[expect(clippy::unwrap_used, reason = "a fault here is a failed test")]
mod keys;
mod network_cvv;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fault here is a failed test"
)]
pub mod psp;
mod scan;
#[expect(clippy::unwrap_used, clippy::panic, reason = "a fault here is a failed test")]
pub mod servers;
mod shared_cvv;
mod small_disk;
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fault here is a failed test")]
mod syslog;
#[expect(clippy::unwrap_used, reason = "a fault here is a failed test")]
mod tls;
pub mod workload;

pub use crate::cards::{CanaryCard, canary_cards};
pub use crate::clock::TestClock;
pub use crate::entropy::{SeededEntropy, SeededRandom};
pub use crate::http::{HttpAnswer, HttpClient, http_send};
pub use crate::keys::{operator, operator_key, root_key, slot_key, vault_header, vault_keys};
pub use crate::network_cvv::{NetworkCvvs, NetworkFaults};
pub use crate::scan::{Encoding, Leak, LeakScan, NeedleScan, plain_blocks, triples};
pub use crate::shared_cvv::SharedCvvs;
pub use crate::small_disk::SmallDisk;
pub use crate::syslog::SyslogServer;

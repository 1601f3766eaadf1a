//! PSPs over HTTPS that are described, not programmed: a file says what is sent and what answers mean.

mod act;
mod answer;
mod body;
mod breaker;
mod connection;
mod counters;
mod description;
mod facts;
pub mod limits;
mod meters;
mod origin;
mod path;
mod placeholder;
mod pool;
mod processor;
mod read;
mod registry;
mod remark;
mod request;
mod response;
mod setting;
mod summary;
mod table;
mod template;
#[cfg(test)]
mod tests;

pub use breaker::BreakerChange;
pub(crate) use breaker::Changed as BreakerChanged;
pub use counters::{ANSWER_BUCKETS_MILLIS, AnswerTimes, HttpCounters};
pub use description::{Description, Fault, HttpMode};
pub use limits::{HTTP_LIMITS, HttpLimitFault, HttpLimits, ProcessorLimits, TypeLimits};
pub use meters::HttpMeter;
pub(crate) use meters::Meters;
pub use processor::{HttpFault, HttpProcessor};
pub use registry::{FileFault, Registry};
pub use setting::{Setting, SettingFault, SettingKind};
pub use summary::{ActSummary, AskSummary, NotificationSummary, Summary};

//! What PSPs did with what they were sent, and how each stands.

use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use panvault_vault::{ANSWER_BUCKETS_MILLIS, HttpCounters, HttpMeter};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What was counted when the page was asked for: processors come, and so do their lines; those of one that is gone stay until there is no room.
#[derive(Debug, Default)]
pub(super) struct ProcessorMetrics(Mutex<Vec<HttpMeter>>);

/// Whose: a type names a description of the operator's, and an id is one that the vault has made, or `other` for all that are not counted each by
/// itself.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Whose {
    r#type: String,
    processor: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Act {
    r#type: String,
    processor: String,
    outcome: &'static str,
}

type Read = fn(&HttpCounters) -> u64;

/// What became of acts, and of questions about them.
const OUTCOMES: [(&str, Read); 7] = [
    ("answered", |counters| counters.answered),
    ("not_reached", |counters| counters.not_reached),
    ("breaker_open", |counters| counters.breaker_refused),
    ("full", |counters| counters.full_refused),
    ("unknown", |counters| counters.unknown),
    ("question_answered", |counters| counters.questions_answered),
    ("question_unanswered", |counters| counters.questions_unanswered),
];

const COUNTERS: [(&str, &str, Read); 4] = [
    ("processor_connections_made", "Connections that were made to a PSP", |counters| {
        counters.connections_made
    }),
    (
        "processor_connections_reused",
        "Acts that went out on a connection that had been used before",
        |counters| counters.connections_reused,
    ),
    (
        "processor_connections_retried",
        "Connections to a PSP that were tried again, for they could not be made",
        |counters| counters.connections_retried,
    ),
    (
        "processor_breaker_openings",
        "Times that a PSP was left alone, for it had failed several times in a row",
        |counters| counters.breaker_openings,
    ),
];

const GAUGES: [(&str, &str, Read); 3] = [
    ("processor_connections", "Open connections to a PSP", |counters| counters.connections_open),
    ("processor_waiting", "Acts that wait for a connection to a PSP", |counters| counters.waiting),
    (
        "processor_breaker_open",
        "Processors that are left alone: of one 1, and the one that it was before a change may be too while it has acts",
        |counters| counters.breakers_open,
    ),
];

impl ProcessorMetrics {
    pub(super) fn set(&self, meters: Vec<HttpMeter>) {
        *self.meters() = meters;
    }

    fn meters(&self) -> MutexGuard<'_, Vec<HttpMeter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for ProcessorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let meters = self.meters();
        if meters.is_empty() {
            return Ok(());
        }
        let help = "What was to be sent to PSPs, by what became of it";
        let mut acts = encoder.encode_descriptor("processor_acts", help, None, MetricType::Counter)?;
        for meter in &*meters {
            let Whose { r#type, processor } = Whose::of(meter);
            for (outcome, read) in OUTCOMES {
                let act = Act { r#type: r#type.clone(), processor: processor.clone(), outcome };
                ConstCounter::new(read(&meter.counters)).encode(acts.encode_family(&act)?)?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for meter in &*meters {
                let whose = Whose::of(meter);
                ConstCounter::new(read(&meter.counters)).encode(family.encode_family(&whose)?)?;
            }
        }
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for meter in &*meters {
                let whose = Whose::of(meter);
                ConstGauge::new(read(&meter.counters)).encode(family.encode_family(&whose)?)?;
            }
        }
        let (name, help) = (
            "processor_answer_seconds",
            "From the first byte of what is sent to a PSP to the last of its answer",
        );
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for meter in &*meters {
            let times = &meter.counters.answer_times;
            let bounds = ANSWER_BUCKETS_MILLIS.iter().map(|millis| *millis as f64 / 1e3);
            let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(times.buckets).collect();
            let (sum, count) = (times.micros as f64 / 1e6, times.buckets.iter().sum());
            let whose = Whose::of(meter);
            family.encode_family(&whose)?.encode_histogram::<Whose>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

impl Whose {
    fn of(meter: &HttpMeter) -> Self {
        let processor = meter.processor.map_or_else(|| "other".to_owned(), |id| id.to_string());
        Self { r#type: meter.type_name.clone(), processor }
    }
}

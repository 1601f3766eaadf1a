//! Where what processors do is counted: it goes on when one is connected to anew, and does not grow without end.

use std::sync::{Arc, Mutex, PoisonError};

use panvault_model::ProcessorId;

use super::counters::{Counts, HttpCounters};
use super::limits::PROCESSORS_METERED_MAX;

/// What was counted of one processor, or of all of a type that are not counted each by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMeter {
    /// `configuration._type`
    pub type_name: String,
    /// Of which; `None` of the others of its type.
    pub processor: Option<ProcessorId>,
    /// What was counted.
    pub counters: HttpCounters,
}

/// The counts of processors, by type and id. Whoever makes processors decides how many there are, so only so many have counts of their own; there
/// are no more types than descriptions.
#[derive(Default)]
pub(crate) struct Meters(Mutex<Vec<Meter>>);

struct Meter {
    type_name: String,
    processor: Option<ProcessorId>,
    counts: Arc<Counts>,
}

impl Meters {
    /// Where a processor is counted.
    pub(crate) fn of(&self, type_name: &str, id: ProcessorId) -> Arc<Counts> {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |meters: &[Meter], processor| {
            let is_it = |meter: &&Meter| meter.type_name == type_name && meter.processor == processor;
            meters.iter().find(is_it).map(|meter| Arc::clone(&meter.counts))
        };
        if let Some(counts) = find(&meters, Some(id)) {
            return counts;
        }
        let own = meters.iter().filter(|meter| meter.processor.is_some()).count();
        // One that is not connected to any more makes room.
        let gone = |meter: &Meter| meter.processor.is_some() && Arc::strong_count(&meter.counts) == 1;
        let processor = if own < PROCESSORS_METERED_MAX {
            Some(id)
        } else if let Some(at) = meters.iter().position(gone) {
            meters.swap_remove(at);
            Some(id)
        } else {
            None
        };
        if let Some(counts) = find(&meters, processor) {
            return counts;
        }
        let counts = Arc::<Counts>::default();
        meters.push(Meter { type_name: type_name.to_owned(), processor, counts: Arc::clone(&counts) });
        counts
    }

    /// What was counted, in the order of types and ids.
    pub(crate) fn shown(&self) -> Vec<HttpMeter> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |meter: &Meter| HttpMeter {
            type_name: meter.type_name.clone(),
            processor: meter.processor,
            counters: meter.counts.shown(),
        };
        let mut shown: Vec<_> = meters.iter().map(shown).collect();
        drop(meters);
        shown.sort_by(|one, other| (&one.type_name, one.processor).cmp(&(&other.type_name, other.processor)));
        shown
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Id;

    use super::*;
    use crate::card_http::counters::add_one;

    fn id(number: usize) -> ProcessorId {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        ProcessorId(Id::from_bytes(bytes))
    }

    #[test]
    fn so_many_are_counted_each_and_the_others_together() {
        let meters = Meters::default();
        let mut connected: Vec<_> = (0..PROCESSORS_METERED_MAX).map(|n| meters.of("card_a", id(n))).collect();
        for n in 0..5_000 {
            add_one(&meters.of("card_a", id(PROCESSORS_METERED_MAX + n)).answered);
        }
        meters.of("card_b", id(0));
        let shown = meters.shown();
        assert_eq!(shown.len(), PROCESSORS_METERED_MAX + 2);
        let others: Vec<_> = shown.iter().filter(|meter| meter.processor.is_none()).collect();
        let named: Vec<_> =
            others.iter().map(|meter| (meter.type_name.as_str(), meter.counters.answered)).collect();
        assert_eq!(named, [("card_a", 5_000), ("card_b", 0)]);
        // One that is gone makes room.
        connected.remove(7);
        meters.of("card_b", id(1));
        let shown = meters.shown();
        assert_eq!(shown.len(), PROCESSORS_METERED_MAX + 2);
        assert!(!shown.iter().any(|meter| meter.processor == Some(id(7))));
        assert!(shown.iter().any(|meter| meter.type_name == "card_b" && meter.processor == Some(id(1))));
    }

    #[test]
    fn counting_goes_on_when_a_processor_is_connected_to_anew() {
        let meters = Meters::default();
        add_one(&meters.of("card_a", id(1)).answered);
        add_one(&meters.of("card_a", id(1)).answered);
        assert_eq!(meters.shown()[0].counters.answered, 2);
    }
}

use panvault_vault::{HttpCounters, HttpMeter};

use super::*;

/// An alert on a metric that nobody serves never wakes anybody.
#[test]
fn metrics_of_alerts_are_served() {
    let metrics = Metrics::new();
    // What is counted by name is there once something was, or there is a PSP, or a destination of the trail.
    metrics.requests.get_or_create(&Request { operation: "card_list", status: 500 }).inc();
    metrics.refused.get_or_create(&Refused { reason: "key_unknown" }).inc();
    metrics.limit_reached("card_guesses_per_day");
    metrics.notified("stripe_v1", "contradicted");
    metrics.trail_lag.get_or_create(&Destination { destination: "file".to_owned() }).set(1);
    let counters = HttpCounters { unknown: 1, ..HttpCounters::default() };
    metrics.processors.set(vec![HttpMeter { type_name: "stripe".to_owned(), processor: None, counters }]);
    let mut page = String::new();
    encode(&mut page, &metrics.registry).unwrap();
    let rules = include_str!("../../../../docs/operations.md").split("groups:\n").nth(1).unwrap();
    let rules = rules.split("```").next().unwrap();
    let is_name = |symbol: char| symbol == '_' || symbol.is_ascii_lowercase();
    let words = rules.split(|symbol| !is_name(symbol));
    let named: Vec<_> = words.filter(|word| word.starts_with("panvault_")).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let family = format!("# TYPE {} ", name.trim_end_matches("_total"));
        assert!(page.contains(&family), "{name} is not in\n{page}");
    }
    // The labels that a rule asks for are those that are served.
    for of in ["panvault_processor_acts_total", "panvault_notifications_total"] {
        let asked: Vec<_> = rules.split(of).skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
        assert!(!asked.is_empty(), "{of}");
        for outcome in asked {
            let label = format!("outcome=\"{outcome}\"");
            let is_it = |line: &str| line.starts_with(of) && line.contains(&label);
            assert!(page.lines().any(is_it), "{of} has no {outcome} in\n{page}");
        }
    }
}

//! Where the trail goes to, as far as that is seen without sending anything.

use std::sync::Arc;

use panvault_store::trail::TrailState;
use panvault_store::{DocumentKind, DocumentRow};

use crate::trail::TrailConfig;

/// What of the settings cannot be used, and what destinations had not taken when that was last written down.
pub(super) fn state(config: &TrailConfig, rows: &[Arc<DocumentRow>]) -> (Vec<String>, Vec<String>) {
    let state = rows.iter().find(|row| row.kind == DocumentKind::TrailState);
    // A row that is none is found where rows are held against their tags.
    let behind = state.and_then(|row| TrailState::decode(&row.body).ok()).map(|state| behind(&state));
    (config.faults(), behind.unwrap_or_default())
}

fn behind(state: &TrailState) -> Vec<String> {
    let one = |(name, taken): (&String, &panvault_store::trail::TrailTaken)| {
        let since = taken.behind_since?;
        Some(format!(
            "the trail's destination {name} had taken {} of {} checkpoints when the last was signed, and lacks what was signed since {since}: \
             panvault status and trail.not_taken in the log say why",
            taken.number, state.number
        ))
    };
    state.taken.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use panvault_model::Timestamp;
    use panvault_store::trail::TrailTaken;

    use super::*;

    #[test]
    fn a_destination_that_is_behind_is_said_and_no_other() {
        let at = Timestamp::from_unix_millis(1_800_000_000_000);
        let taken = |number, behind_since| TrailTaken { number, behind_since };
        let state = TrailState {
            number: 9,
            sequence: 90,
            kept_from: 4,
            checkpoint: [0; 32],
            key: 1,
            signed_at: at,
            ends: BTreeMap::new(),
            taken: BTreeMap::from([
                ("file".to_owned(), taken(8, None)),
                ("syslog".to_owned(), taken(3, Some(at))),
            ]),
        };
        let said = behind(&state);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("destination syslog had taken 3 of 9 checkpoints"), "{said:?}");
    }
}

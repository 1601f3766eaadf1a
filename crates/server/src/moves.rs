//! What may be done with a transaction where it stands, as the guide has it.

use core::fmt::Write;

use panvault_model::{MOVES, TransactionAction, TransactionStatus};

/// The actions that a caller may ask for, in the order of the table.
const ASKED: [TransactionAction; 4] = [
    TransactionAction::Capture,
    TransactionAction::VoidCapture,
    TransactionAction::Void,
    TransactionAction::Refund,
];

/// The table of status by action as it stands in the guide.
fn moves_markdown() -> String {
    let mut table = String::from("| status |");
    for action in ASKED {
        let _ = write!(table, " {action} |");
    }
    let _ = write!(table, "\n| --- |{}", " --- |".repeat(ASKED.len()));
    for status in TransactionStatus::ALL {
        let may = |action: &TransactionAction| status.after(*action).is_some();
        if MOVES.iter().any(|row| row.from == *status) && ASKED.iter().any(may) {
            let _ = write!(table, "\n| `{status}` |");
            for action in ASKED {
                let led = status.after(action).map_or("–".to_owned(), |to| format!("`{to}`"));
                let _ = write!(table, " {led} |");
            }
        }
    }
    table.push('\n');
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_guide_is_this_one() {
        assert!(include_str!("../../../docs/guide.md").contains(&moves_markdown()), "{}", moves_markdown());
    }
}

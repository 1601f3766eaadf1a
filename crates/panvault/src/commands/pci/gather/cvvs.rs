use serde_json::Value;

use crate::commands::pci::files::Files;
use crate::commands::pci::gather::{Gathered, text};
use crate::commands::pci::report::{Remark, Section};

impl Gathered {
    pub(super) fn cvvs(&self, served: bool, files: &Files) -> Section {
        let cvv = self.posture.get("cvv").unwrap_or(&Value::Null);
        let memory = self.posture.get("memory").unwrap_or(&Value::Null);
        let mut rows: Vec<(&str, String)> = vec![
            ("held for, seconds at most", text(cvv, "ttl_seconds")),
            ("held by", text(cvv, "held_by")),
            ("held at a time, at most", text(cvv, "held_max")),
        ];
        if served {
            rows.extend([
                ("held now", text(&self.status, "cvvs_held")),
                ("used since this process began", text(&self.status, "cvvs_used")),
                ("of these put back, for nothing was sent", text(&self.status, "cvvs_put_back")),
                ("ended by their time since then", text(&self.status, "cvvs_expired")),
                ("process began", text(&self.status, "started_at")),
            ]);
        } else {
            rows.push(("held now", "0: no process serves the vault, and none is kept".to_owned()));
        }
        rows.extend([
            ("memory is locked, no page goes to swap", text(memory, "locked")),
            ("core dumps are off", text(memory, "core_dumps_off")),
            ("files of the vault's directory searched", files.files.to_string()),
            ("bytes of these", files.bytes.to_string()),
            ("card numbers in clear in them", files.card_numbers.to_string()),
            ("CVVs with a label in them", files.cvvs.to_string()),
        ]);
        let mut remarks = Vec::new();
        if files.card_numbers + files.cvvs > 0 {
            remarks.push(Remark {
                requirement: "12.10.7",
                what: "something in the vault's directory is written as a card number or a CVV is: panvault scan says where; Panvault itself writes neither".to_owned(),
            });
        }
        if files.unread > 0 {
            remarks.push(Remark {
                requirement: "3.3.1",
                what: format!("{} files of the vault's directory could not be read whole", files.unread),
            });
        }
        Section {
            name: "cvv",
            title: "CVVs: how long, and that nothing stays",
            requirements: &["3.2.1", "3.3.1", "3.3.1.2", "3.3.2"],
            meaning: "A CVV is gone once a payment was authorised, and before that it is held briefly and sealed. It is in memory only: no row, no frame of the log and no backup has a place for it (docs/record-format.md).",
            columns: &["what", "value"],
            rows: rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect(),
            remarks,
        }
    }
}

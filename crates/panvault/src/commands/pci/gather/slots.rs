use panvault_keys::{HeaderSlot, Protection};

use crate::commands::pci::report::{Remark, Section};
use crate::commands::slot::described;

pub(super) fn section(slots: &[HeaderSlot]) -> Section {
    let rows = slots.iter().map(|slot| {
        let made = slot.created_at().to_string();
        vec![
            slot.number().to_string(),
            slot.protection().name().to_owned(),
            slot.label().to_owned(),
            described(slot),
            made,
        ]
    });
    let mut remarks = Vec::new();
    if slots.iter().all(|slot| matches!(slot.protection(), Protection::KeyFile)) {
        remarks.push(Remark {
            requirement: "3.6.1.2",
            what: "only key files open this vault: whoever has one and the vault's files opens it alone; use shares of custodians, a token or a KMS, or keep the file where the vault's files never are".to_owned(),
        });
    }
    if slots.len() < 2 {
        remarks.push(Remark {
            requirement: "3.7.3",
            what: "there is one slot: when it is lost, every card is; add another and keep it elsewhere"
                .to_owned(),
        });
    }
    Section {
        name: "slots",
        title: "Slots: what opens the root key",
        requirements: &["3.6.1.2", "3.6.1.3", "3.7.3", "3.7.6"],
        meaning: "Keys that encrypt keys are kept apart from what they encrypt, in few places, and nobody who handles one in clear has all of it. The root key is stored nowhere but sealed to each of these.",
        columns: &["number", "kind", "label", "opens_by", "made"],
        rows: rows.collect(),
        remarks,
    }
}

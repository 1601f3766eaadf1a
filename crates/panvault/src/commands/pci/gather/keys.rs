use serde_json::Value;

use crate::commands::pci::gather::{Gathered, date, text, time};
use crate::commands::pci::report::{Remark, Section};

impl Gathered {
    pub(super) fn keys(&self) -> Section {
        let days_max = self.posture.get("key_days_max").and_then(Value::as_u64).filter(|days| *days > 0);
        let (mut rows, mut remarks) = (Vec::new(), Vec::new());
        for key in self.vault_keys.iter().chain(&self.keys) {
            let of = key.get("organisation").and_then(Value::as_str).unwrap_or("vault").to_owned();
            let since = time(key, "active_from").or_else(|| time(key, "created_at"));
            let age = since.map(|since| self.days_since(since));
            let is_active = text(key, "state") == "active";
            let is_over = key
                .get("overdue")
                .and_then(Value::as_bool)
                .unwrap_or_else(|| age.zip(days_max).is_some_and(|(age, most)| age >= most));
            if is_active && is_over {
                let (purpose, version) = (text(key, "purpose"), text(key, "version"));
                let age = age.unwrap_or_default();
                remarks.push(Remark {
                    requirement: "3.7.4",
                    what: format!("the {purpose} key {version} of {of} is active for {age} days, which is over its cryptoperiod"),
                });
            }
            rows.push(vec![
                of,
                text(key, "purpose"),
                text(key, "version"),
                text(key, "state"),
                date(key, "created_at"),
                age.filter(|_| is_active).map(|days| days.to_string()).unwrap_or_default(),
                date(key, "active_until"),
                if text(key, "state") == "destroyed" { date(key, "destroyed_at") } else { String::new() },
                text(key, "rows_left"),
            ]);
        }
        if days_max.is_none() {
            remarks.push(Remark {
                requirement: "3.7.4",
                what: "no cryptoperiod is set (key_days_max is 0)".to_owned(),
            });
        }
        Section {
            name: "keys",
            title: "Keys",
            requirements: &["3.6.1.1", "3.7.1", "3.7.4", "3.7.5"],
            meaning: "Every key has a purpose, a cryptoperiod and an end. These are all keys of the vault and of its organisations; the root key above them is in the slots below. docs/keys.md says what each protects.",
            columns: &[
                "of",
                "purpose",
                "version",
                "state",
                "made",
                "age_days",
                "active_until",
                "destroyed",
                "rows_left",
            ],
            rows,
            remarks,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::commands::pci::gather::tests::{gathered, remarks};

    #[test]
    fn a_key_is_over_its_cryptoperiod_from_its_last_day_on() {
        let key = |state: &str, made: &str| json!({ "purpose": "wrapping", "version": 1, "state": state, "created_at": made });
        let (on, before) = ("2026-10-28T12:00:00.000Z", "2026-10-28T12:00:01.000Z");
        let keys = json!([key("active", on), key("active", before), key("open_only", on)]);
        let said = gathered(30, &keys, &json!([]));
        let section = said.keys();
        let expected = "the wrapping key 1 of vault is active for 30 days, which is over its cryptoperiod";
        assert_eq!(remarks(&section), [("3.7.4", expected)]);
        let none = gathered(0, &keys, &json!([]));
        let section = none.keys();
        assert_eq!(remarks(&section), [("3.7.4", "no cryptoperiod is set (key_days_max is 0)")]);
        // Of an organisation's key the vault says it.
        let told = json!([{ "purpose": "data", "version": 2, "state": "active", "created_at": before, "overdue": true }]);
        assert_eq!(gathered(30, &told, &json!([])).keys().remarks.len(), 1);
    }
}

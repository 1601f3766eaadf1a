use serde_json::Value;

use crate::commands::pci::gather::{Gathered, date, list, text, time};
use crate::commands::pci::report::{Remark, Section};

/// Days after which somebody who was not there is to be locked out (PCI DSS 8.2.6).
const UNUSED_DAYS: u64 = 90;

impl Gathered {
    pub(super) fn api_keys(&self) -> Section {
        let (mut rows, mut remarks) = (Vec::new(), Vec::new());
        for key in &self.api_keys {
            let (id, name) = (text(key, "_id"), text(key, "name"));
            let roles = list(key, "roles").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            let (made, used) = (time(key, "created_at"), time(key, "last_used_at"));
            let is_over = time(key, "expires_at").is_some_and(|end| end <= self.now);
            let idle = used.or(made).map(|since| self.days_since(since));
            if let Some(days) = idle.filter(|days| *days >= UNUSED_DAYS && !is_over) {
                let since = if used.is_some() { "last used" } else { "made, and never used," };
                remarks.push(Remark {
                    requirement: "8.2.6",
                    what: format!(
                        "the API key {id} ({name}; {roles}) was {since} {days} days ago: revoke it"
                    ),
                });
            }
            if key.get("expires_at").is_none() {
                remarks.push(Remark {
                    requirement: "8.6.3",
                    what: format!("the API key {id} ({name}; {roles}) never expires: give it an end, or write down when it is replaced"),
                });
            }
            rows.push(vec![
                id,
                name,
                text(key, "organisation"),
                roles,
                date(key, "created_at"),
                date(key, "expires_at"),
                if used.is_some() { date(key, "last_used_at") } else { "never".to_owned() },
            ]);
        }
        Section {
            name: "api_keys",
            title: "API keys: roles and last uses",
            requirements: &["7.2.5", "8.2.1", "8.2.6", "8.3.2", "8.6.3"],
            meaning: "Each program and person has a key of their own, no more rights than needed, and loses it when it is not used. Of a key itself only a keyed hash is kept.",
            columns: &["id", "name", "organisation", "roles", "made", "expires", "last_used"],
            rows,
            remarks,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::commands::pci::gather::tests::gathered;

    #[test]
    fn an_api_key_that_nobody_used_for_ninety_days_is_named() {
        let (on, before) = ("2026-08-29T12:00:00.000Z", "2026-08-29T12:00:01.000Z");
        let key = |id: &str, made: &str, used: Option<&str>, end: &str| {
            let mut key = json!({ "_id": id, "name": "n", "roles": ["MerchantUser"], "created_at": made, "expires_at": end });
            if let Some(used) = used {
                key["last_used_at"] = json!(used);
            }
            key
        };
        let later = "2027-01-01T00:00:00.000Z";
        let keys = json!([
            key("unused", on, None, later),
            key("idle", on, Some(on), later),
            key("new", before, None, later),
            key("used", on, Some(before), later),
            key("over", on, None, "2026-11-27T12:00:00.000Z"),
        ]);
        let said = gathered(30, &json!([]), &keys);
        let section = said.api_keys();
        let named: Vec<_> =
            section.remarks.iter().map(|remark| (remark.requirement, &remark.what[..16])).collect();
        assert_eq!(named, [("8.2.6", "the API key unus"), ("8.2.6", "the API key idle")]);
        assert_eq!(section.rows.len(), 5);
        let mut endless = keys;
        endless[2].as_object_mut().unwrap().remove("expires_at");
        let endless = gathered(30, &json!([]), &endless).api_keys();
        assert!(
            endless.remarks.iter().any(|remark| remark.requirement == "8.6.3" && remark.what.contains("new"))
        );
    }
}

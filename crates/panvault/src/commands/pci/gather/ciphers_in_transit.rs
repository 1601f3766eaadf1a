use serde_json::Value;

use crate::commands::pci::gather::{Gathered, date, list, text, time};
use crate::commands::pci::report::{Remark, Section};

impl Gathered {
    pub(super) fn ciphers_in_transit(&self) -> Section {
        let words = |of: &Value, name: &str| {
            let words = list(of, name);
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        };
        let mut rows = Vec::new();
        for of in list(&self.posture, "listeners") {
            let has_tls = of.get("tls").and_then(Value::as_bool) == Some(true);
            let asks = of.get("client_certificates").and_then(Value::as_bool) == Some(true);
            rows.push(vec![
                text(of, "name"),
                text(of, "address"),
                if has_tls { words(of, "versions") } else { "no TLS here".to_owned() },
                words(of, "suites"),
                words(of, "groups"),
                if asks { "asked for" } else { "" }.to_owned(),
                date(of, "certificate_expires_at"),
            ]);
        }
        for link in list(&self.posture, "links") {
            let mut row = vec![text(link, "to"), text(link, "address"), text(link, "protection")];
            row.resize(7, String::new());
            rows.push(row);
        }
        let expired = list(&self.posture, "listeners")
            .iter()
            .filter(|of| time(of, "certificate_expires_at").is_some_and(|end| end <= self.now));
        let remarks = expired.map(|of| Remark {
            requirement: "4.2.1",
            what: format!("the certificate of {} has expired", text(of, "name")),
        });
        Section {
            name: "ciphers_in_transit",
            title: "Ciphers on the way",
            requirements: &["4.2.1", "4.2.1.1", "12.3.3"],
            meaning: "Card numbers travel under strong cryptography, and what is in use is on a list. This is what each listener agrees on as it is configured, the preferred first.",
            columns: &[
                "where",
                "address",
                "protocol",
                "suites",
                "groups",
                "client_certificates",
                "certificate_until",
            ],
            remarks: remarks.collect(),
            rows,
        }
    }
}

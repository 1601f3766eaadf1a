//! What a vault says of itself over its API, and the sections that are made of it.

use anyhow::Context;
use panvault_keys::{CIPHERS, HeaderSlot, Protection};
use panvault_model::Timestamp;
use panvault_vault::{Clock, SystemClock};
use serde_json::Value;

use crate::client::Client;
use crate::commands::key::{keys, keys_of_all};
use crate::commands::pci::Trail;
use crate::commands::pci::files::Files;
use crate::commands::pci::report::{Remark, Report, Section};
use crate::commands::slot::described;

/// Rows that are asked for at a time.
const PAGE_ROWS: usize = 100;
const DAY_SECONDS: u64 = 86_400;
/// Days after which somebody who was not there is to be locked out (PCI DSS 8.2.6).
const UNUSED_DAYS: u64 = 90;

/// Answers of a vault.
pub(super) struct Gathered {
    now: Timestamp,
    status: Value,
    vault_keys: Vec<Value>,
    keys: Vec<Value>,
    api_keys: Vec<Value>,
    /// The newest record of the trail.
    head: Option<Value>,
    /// What the process that serves it says; null where none does.
    pub(super) posture: Value,
}

impl Gathered {
    pub(super) async fn ask(client: &mut Client) -> anyhow::Result<Self> {
        let posture = if client.is_served() { client.get("/local/posture").await? } else { Value::Null };
        Ok(Self {
            now: SystemClock::start().now().wall,
            status: client.get("/v1/status").await?,
            vault_keys: keys(client, "/v1/key").await?,
            keys: keys_of_all(client).await?,
            api_keys: all(client, "/v1/apikey").await?,
            head: all_of(client.get("/v1/audit?_limit=1").await?)?.pop(),
            posture,
        })
    }

    pub(super) fn report(&self, served: bool, slots: &[HeaderSlot], trail: &Trail, files: &Files) -> Report {
        Report {
            made_at: self.now,
            vault: text(&self.status, "vault"),
            mode: text(&self.status, "mode"),
            version: text(&self.status, "version"),
            served,
            sections: vec![
                self.weaknesses(),
                self.keys(),
                slots_section(slots),
                ciphers_at_rest(),
                self.ciphers_in_transit(),
                self.cvvs(served, files),
                self.api_keys(),
                self.trail(trail),
            ],
        }
    }

    fn weaknesses(&self) -> Section {
        let weaknesses = list(&self.posture, "weaknesses");
        let remarks = weaknesses.iter().map(|weakness| Remark {
            requirement: requirement(weakness),
            what: format!("{}: {}", text(weakness, "name"), text(weakness, "reason")),
        });
        Section {
            name: "weaknesses",
            title: "Settings that weaken something",
            requirements: &["2.2.1"],
            meaning: "Settings follow a standard for hardening. Every setting of Panvault that makes a vault weaker is looked at; those that do are named here.",
            columns: &[],
            rows: Vec::new(),
            remarks: remarks.collect(),
        }
    }

    fn keys(&self) -> Section {
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

    fn ciphers_in_transit(&self) -> Section {
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

    fn cvvs(&self, served: bool, files: &Files) -> Section {
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

    fn api_keys(&self) -> Section {
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

    fn trail(&self, trail: &Trail) -> Section {
        let whole = if trail.findings.is_empty() { "yes" } else { "no" };
        let head = self.head.as_ref();
        let of_head = |name| head.map(|head| text(head, name)).unwrap_or_default();
        let rows = [
            ("verified", self.now.to_string()),
            ("whole", whole.to_owned()),
            ("records", trail.records.to_string()),
            ("chains", trail.chains.to_string()),
            ("newest record", of_head("_id")),
            ("written", of_head("created_at")),
        ];
        let rows = rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]);
        let remarks = trail.findings.iter().map(|what| Remark { requirement: "10.3.4", what: what.clone() });
        let (elsewhere, missed) = elsewhere(&self.status, &trail.destinations);
        Section {
            name: "trail",
            title: "Audit trail",
            requirements: &["10.2.1", "10.2.2", "10.3.2", "10.3.3", "10.3.4", "10.5.1"],
            meaning: "Who did what is written down, and nobody changes that unseen. For this report every record was held against its chain, and the rows against what the trail says of them.",
            columns: &["what", "value"],
            rows: rows.chain(elsewhere).chain(encrypted(trail)).collect(),
            remarks: remarks.chain(missed).collect(),
        }
    }

    fn days_since(&self, since: Timestamp) -> u64 {
        self.now.unix_seconds().saturating_sub(since.unix_seconds()) / DAY_SECONDS
    }
}

/// Where the trail goes to and how far that is, and what is to be said of it. A process that serves the vault says so; where none does, the settings name them.
fn elsewhere(status: &Value, set: &[String]) -> (Vec<Vec<String>>, Vec<Remark>) {
    let remark = |what: String| Remark { requirement: "10.3.3", what };
    let sent = list(status, "trail_destinations");
    let told: Vec<_> = sent.iter().map(|at| text(at, "name")).collect();
    let rows = sent.iter().map(|at| {
        let (records, seconds) = (text(at, "records_behind"), text(at, "lag_seconds"));
        vec![format!("sent to {}", text(at, "name")), format!("{records} records behind, for {seconds} s")]
    });
    let unserved = set.iter().filter(|name| !told.contains(name));
    let unserved = unserved.map(|name| vec![format!("sent to {name}"), "set; not served".to_owned()]);
    let rows: Vec<_> = rows.chain(unserved).collect();
    let mut remarks: Vec<_> = sent
        .iter()
        .filter_map(|at| at.get("fault").and_then(Value::as_str).map(|fault| (text(at, "name"), fault)))
        .map(|(name, fault)| remark(format!("the destination {name} did not take the trail: {fault}")))
        .collect();
    if rows.is_empty() {
        remarks.push(remark(
            "the trail leaves this machine nowhere: set trail_file, trail_syslog or trail_https, or copy it elsewhere promptly".to_owned(),
        ));
    }
    (rows, remarks)
}

/// Who can read what leaves.
fn encrypted(trail: &Trail) -> impl Iterator<Item = Vec<String>> {
    let is_plain = trail.recipients.is_empty() && !trail.destinations.is_empty();
    let plain = is_plain.then(|| "not encrypted: whoever has a copy reads who did what".to_owned());
    trail.recipients.iter().cloned().chain(plain).map(|whom| vec!["encrypted to".to_owned(), whom])
}

fn slots_section(slots: &[HeaderSlot]) -> Section {
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

fn ciphers_at_rest() -> Section {
    let rows = CIPHERS.iter().map(|of| {
        vec![of.what.to_owned(), of.algorithm.to_owned(), of.key_bits.to_string(), of.standard.to_owned()]
    });
    Section {
        name: "ciphers_at_rest",
        title: "Ciphers at rest",
        requirements: &["3.5.1", "3.5.1.1", "3.6.1.1", "12.3.3"],
        meaning: "Stored card numbers are unreadable by strong cryptography, their hashes are keyed and over the whole number, and what is in use is on a list. Records and keys name the version of their format and key, so that each can be replaced.",
        columns: &["what", "algorithm", "key_bits", "standard"],
        rows: rows.collect(),
        remarks: Vec::new(),
    }
}

/// The requirement of a weakness, of those that there are.
fn requirement(weakness: &Value) -> &'static str {
    let named = weakness.get("name").and_then(Value::as_str);
    let mut all = crate::posture::Weakness::ALL.into_iter();
    all.find(|of| Some(of.as_str()) == named).map_or("2.2.1", crate::posture::Weakness::requirement)
}

/// All rows of a list.
async fn all(client: &mut Client, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    loop {
        let page = format!("{path}?_limit={PAGE_ROWS}&_skip={}&_sort=_id", rows.len());
        let page = all_of(client.get(&page).await?)?;
        let is_last = page.len() < PAGE_ROWS;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

fn all_of(page: Value) -> anyhow::Result<Vec<Value>> {
    let Value::Array(rows) = page else { return None.context("the vault answered a list with what is none") };
    Ok(rows)
}

/// A member as a cell; nothing where it is not there.
fn text(of: &Value, name: &str) -> String {
    match of.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// The day of a time.
fn date(of: &Value, name: &str) -> String {
    text(of, name).chars().take_while(|symbol| *symbol != 'T').collect()
}

fn time(of: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(of.get(name)?.as_str()?).ok()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trail_that_leaves_the_machine_nowhere_is_remarked_and_so_is_one_that_is_not_taken() {
        let remarks = |status: &Value, set: &[String]| {
            elsewhere(status, set).1.into_iter().map(|remark| remark.what).collect::<Vec<_>>()
        };
        let nowhere = remarks(&json!({}), &[]);
        assert!(nowhere.len() == 1 && nowhere[0].starts_with("the trail leaves this machine nowhere"));
        assert!(remarks(&json!({}), &["file".to_owned()]).is_empty());
        let at = |name: &str| json!({ "name": name, "records_behind": 0, "lag_seconds": 0 });
        let mut late = at("syslog");
        late["fault"] = json!("it took too long");
        let served = json!({ "trail_destinations": [at("file"), late] });
        assert_eq!(
            remarks(&served, &[]),
            ["the destination syslog did not take the trail: it took too long"]
        );
        assert_eq!(elsewhere(&served, &["file".to_owned()]).0.len(), 2, "each once");
    }

    const NOW: &str = "2026-11-27T12:00:00.000Z";

    fn gathered(key_days_max: u32, keys: &Value, api_keys: &Value) -> Gathered {
        let rows = |of: &Value| of.as_array().unwrap().clone();
        Gathered {
            now: Timestamp::parse(NOW).unwrap(),
            status: json!({}),
            vault_keys: rows(keys),
            keys: Vec::new(),
            api_keys: rows(api_keys),
            head: None,
            posture: json!({ "key_days_max": key_days_max }),
        }
    }

    fn remarks(of: &Section) -> Vec<(&'static str, &str)> {
        of.remarks.iter().map(|remark| (remark.requirement, remark.what.as_str())).collect()
    }

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

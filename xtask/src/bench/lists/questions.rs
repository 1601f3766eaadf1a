use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::client::Client;
use crate::bench::server::{Server, Vault};

/// Objects that are asked about in turn, from all over the list.
const SAMPLES: usize = 50;
/// Fingerprints of one question: as many as one may have.
const FINGERPRINTS: usize = 32;
/// Rows that a list examines at most.
const EXAMINED_MAX: u64 = 100_000;
/// Customers that are made, each with an address of its own.
const CUSTOMERS: usize = 1_000;
/// Digits of an id.
const ID_DIGITS: usize = 24;

/// A question, such as that for the transactions of a card.
pub(super) struct Question {
    pub(super) what: &'static str,
    /// The same of different objects, asked in turn.
    pub(super) paths: Vec<String>,
    /// The status that it is answered with: what examines too much is refused.
    pub(super) status: u16,
    /// Whether something is found, where it is a list.
    pub(super) finds_some: Option<bool>,
    /// Whether it finds what it is asked for without going through others.
    pub(super) is_indexed: bool,
}

impl Question {
    fn list(what: &'static str, paths: Vec<String>) -> Self {
        Self { what, paths, status: 200, finds_some: Some(true), is_indexed: true }
    }

    fn none(what: &'static str, path: String) -> Self {
        Self { finds_some: Some(false), ..Self::list(what, vec![path]) }
    }

    fn count(what: &'static str, path: String) -> Self {
        Self { finds_some: None, ..Self::list(what, vec![path]) }
    }

    fn of_many(self) -> Self {
        Self { is_indexed: false, ..self }
    }

    /// It goes through so many, and is refused where that is too many.
    fn examines(self, count: u64) -> Self {
        if count > EXAMINED_MAX {
            Self { status: 400, finds_some: None, ..self.of_many() }
        } else {
            self.of_many()
        }
    }
}

/// Objects of the vault.
struct Samples {
    client: Client,
    api_key: String,
}

impl Samples {
    /// The objects of some ids of a file, evenly spread.
    fn of_file(&mut self, what: &str, ids: &Path) -> anyhow::Result<Vec<Value>> {
        let text = fs::read(ids).with_context(|| format!("{} cannot be read", ids.display()))?;
        let count = text.len() / ID_DIGITS;
        ensure!(count > 0, "there are no ids of a {what}");
        (0..SAMPLES.min(count))
            .map(|at| self.of_place(what, &text, at * count / SAMPLES.min(count)))
            .collect()
    }

    fn of_place(&mut self, what: &str, ids: &[u8], place: usize) -> anyhow::Result<Value> {
        let id = ids.get(place * ID_DIGITS..(place + 1) * ID_DIGITS).context("an id is cut short")?;
        let answer = self.client.ask(
            "GET",
            &format!("/v1/{what}/{}", core::str::from_utf8(id)?),
            &self.api_key,
            None,
        )?;
        ensure!(answer.status == 200, "a {what} is answered {}", answer.status);
        answer.json()
    }

    /// The objects of the first page of a list.
    fn list(&mut self, path: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.client.ask("GET", path, &self.api_key, None)?;
        ensure!(answer.status == 200, "a list is answered {}", answer.status);
        answer.json()?.as_array().cloned().context("a list is no array")
    }

    fn customer_create(&mut self, organisation: &str, number: usize) -> anyhow::Result<()> {
        let body =
            format!(r#"{{"organisation":"{organisation}","email_address":"{}"}}"#, email_address(number));
        let answer = self.client.ask("POST", "/v1/customer", &self.api_key, Some(&body))?;
        ensure!(answer.status == 200, "a new customer is answered with {}", answer.status);
        Ok(())
    }
}

fn email_address(number: usize) -> String {
    format!("shopper-{number}@example.com")
}

/// What is asked about cards, transactions, refunds and customers. The last go through many rows.
pub(super) fn questions(
    vault: &Vault,
    server: &Server,
    second_account: &str,
    card_ids: &Path,
    transaction_ids: &Path,
) -> anyhow::Result<Vec<Question>> {
    let client = Client::connect(server.authority())?;
    let mut samples = Samples { client, api_key: vault.api_key.clone() };
    let cards = samples.of_file("card", card_ids)?;
    let transactions = samples.of_file("transaction", transaction_ids)?;
    let refunds = samples.list("/v1/refund?_limit=50")?;
    for number in 0..CUSTOMERS {
        samples.customer_create(&vault.organisation, number)?;
    }
    let of = |list: &str, field: &'static str, rows: &[Value], member: &str| -> anyhow::Result<Vec<String>> {
        let values: Vec<String> =
            rows.iter().filter_map(|row| row.get(member)?.as_str().map(str::to_owned)).collect();
        ensure!(!values.is_empty(), "no {list} has a {member}");
        Ok(values.iter().map(|value| format!("/v1/{list}?{field}={value}")).collect())
    };
    let counted = samples.client.ask("GET", "/v1/card/count", &vault.api_key, None)?.json()?;
    let count = counted.get("count").and_then(Value::as_u64).context("the cards cannot be counted")?;
    let first = |name: &str| cards.first().and_then(|card| card.get(name)?.as_str());
    let bin = first("bin").context("a card has no bin")?;
    let first_card = first("_id").context("a card has no id")?;
    let fingerprints = of("card", "fingerprint", &cards, "fingerprint")?;
    let many: Vec<&str> = fingerprints
        .iter()
        .filter_map(|path| path.split_once('?'))
        .map(|(_, query)| query)
        .take(FINGERPRINTS)
        .collect();
    let many = many.join("&");
    let absent: Vec<_> = (0..FINGERPRINTS).map(|n| format!("fingerprint={n:032x}")).collect();
    let one = |path: &str| vec![path.to_owned()];
    let emails = (0..CUSTOMERS).step_by(CUSTOMERS / SAMPLES).map(email_address);
    let emails = emails.map(|email| format!("/v1/customer?email_address={email}")).collect();
    let sorted =
        Question::list("cards, _sort=last_four, refused past 100,000", one("/v1/card?_sort=last_four"));
    let other_bin = format!("/v1/card?bin!={bin}");
    let other_bin = Question::none("cards, bin!=, refused past 100,000", other_bin);
    Ok(vec![
        Question::list("cards, the newest", one("/v1/card")),
        Question::list("cards, _sort=-created_at", one("/v1/card?_sort=-created_at")),
        Question::list("cards, created_at<=", of("card", "created_at%3C", &cards, "created_at")?),
        Question::list(
            "cards, _after",
            of("card", "_limit=100&_after", cards.get(1..).unwrap_or_default(), "_id")?,
        ),
        Question::list("cards, _id=", of("card", "_id", &cards, "_id")?),
        Question::list("cards, fingerprint=", fingerprints),
        Question::list("cards, 32 fingerprints that are there", vec![format!("/v1/card?{many}")]),
        Question::none("cards, 32 fingerprints that are not", format!("/v1/card?{}", absent.join("&"))),
        Question::count("count of cards", "/v1/card/count".to_owned()),
        Question::list("transactions, the newest", one("/v1/transaction")),
        Question::list(
            "transactions, created_at<=",
            of("transaction", "created_at%3C", &transactions, "created_at")?,
        ),
        Question::list(
            "transactions, _after",
            of("transaction", "_after", transactions.get(1..).unwrap_or_default(), "_id")?,
        ),
        Question::list("transactions, card=", of("transaction", "card", &transactions, "card")?),
        Question::list(
            "transactions, card= of one in a hundred",
            vec![format!("/v1/transaction?card={first_card}")],
        ),
        Question::list(
            "transactions, merchant_reference=",
            of("transaction", "merchant_reference", &transactions, "merchant_reference")?,
        ),
        Question::list(
            "transactions, merchant_reference= of one in a hundred",
            one("/v1/transaction?merchant_reference=subscription"),
        ),
        Question::none(
            "transactions, merchant_reference= of none",
            "/v1/transaction?merchant_reference=none".to_owned(),
        ),
        Question::list("transactions, account=", vec![format!("/v1/transaction?account={}", vault.account)]),
        Question::list(
            "transactions, account= of one in a thousand",
            vec![format!("/v1/transaction?account={second_account}")],
        ),
        Question::list("transactions, status= of nearly all", one("/v1/transaction?status=AUTHORIZED")),
        Question::list(
            "transactions, status= of one in fifty",
            one("/v1/transaction?status=SETTLEMENT_COMPLETED"),
        ),
        Question::none("transactions, status= of none", "/v1/transaction?status=DECLINED".to_owned()),
        Question::list("refunds, the newest", one("/v1/refund")),
        Question::list("refunds, transaction=", of("refund", "transaction", &refunds, "transaction")?),
        Question::list("refunds, account=", of("refund", "account", &refunds, "account")?),
        Question::list("refunds, status=", one("/v1/refund?status=PENDING")),
        Question::list("customers, email_address=", emails),
        Question::list(
            "cards, _skip=100000 or half",
            vec![format!("/v1/card?_skip={}", (count / 2).min(EXAMINED_MAX))],
        )
        .of_many(),
        Question::list("cards, bin=", vec![format!("/v1/card?bin={bin}")]).of_many(),
        other_bin.examines(count),
        Question::count("count of cards, bin!=", format!("/v1/card/count?bin!={bin}")).of_many(),
        Question::count(
            "count of transactions, status=",
            "/v1/transaction/count?status=AUTHORIZED".to_owned(),
        )
        .of_many(),
        sorted.examines(count),
    ])
}

use panvault_model::Timestamp;
use serde_json::{Value, json};

use crate::commands::demo::client::{Client, DemoAnswer};
use crate::commands::dev::DevVault;
use crate::output;

/// Walks through a card's life, and gives back what was not as it should be.
pub(super) fn walk(url: &str, vault: &DevVault, now: Timestamp) -> anyhow::Result<Vec<String>> {
    let mut walk = Walk { client: Client::new(url, &vault.api_key), vault, wrong: Vec::new() };
    output::line(format!(
        "A test vault is at {url}. Card numbers and CVVs are masked in what follows, not in what is sent."
    ))?;

    let (year, _) = now.year_month();
    step("1. Create the token: post the card once, keep its _id.")?;
    let card = walk.client.post_shown_whole(
        "/v1/card",
        &json!({
            "card_number": "4111111111111111", "cvv": "111", "expiry_month": "12",
            "expiry_year": (year + 3).to_string(), "organisation": vault.organisation,
        }),
    )?;
    walk.expect(
        "the card is created",
        &card,
        200,
        &[
            ("brand", json!("Visa")),
            ("issuer_country", json!("NL")),
            ("currency", json!("EUR")),
            ("type", json!("credit")),
            ("cvv_present", json!(true)),
        ],
    );
    let id = card.text("_id");
    say("The CVV is held in memory, until a transaction uses it or its time is up.")?;
    say(
        "That was the whole answer. The others are shown without members that were sent, are null or empty, or tell nothing new.",
    )?;

    step("2. Initiate a transaction with the token. The CVV goes along.")?;
    let first = walk.transact(&id, 1099, "order-1001")?;
    walk.expect(
        "it is accepted with the CVV, which matches",
        &first,
        200,
        &[
            ("status", json!("SETTLEMENT_REQUESTED")),
            ("cvv_present", json!(true)),
            ("cvv_result", json!("1")),
        ],
    );
    let after = walk.client.get(&format!("/v1/card/{id}"))?;
    walk.expect(
        "the CVV is gone from the card",
        &after,
        200,
        &[("_id", json!(id)), ("cvv_present", json!(false))],
    );
    say("The CVV was used, and is gone: it was never on a disk, and no copy is left.")?;

    step("3. Reuse the token without a CVV. This works; at many acquirers it is declined more often.")?;
    let second = walk.transact(&id, 2500, "order-1002")?;
    walk.expect(
        "it is accepted without a CVV",
        &second,
        200,
        &[
            ("status", json!("SETTLEMENT_REQUESTED")),
            ("cvv_present", json!(false)),
            ("cvv_result", json!("0")),
        ],
    );

    step("4. Put a CVV back on the token.")?;
    let update = json!({ "cvv": "222", "organisation": vault.organisation });
    let updated = walk.client.post(&format!("/v1/card/{id}"), &update)?;
    walk.expect(
        "the token is the same, and has a CVV again",
        &updated,
        200,
        &[("_id", json!(id)), ("cvv_present", json!(true))],
    );
    say("A new CVV is held, and a new clock has started.")?;

    step(
        "5. Initiate another transaction. The new CVV goes along, and the issuer says that it does not match.",
    )?;
    let third = walk.transact(&id, 4200, "order-1003")?;
    walk.expect(
        "it goes out with the new CVV",
        &third,
        200,
        &[("cvv_present", json!(true)), ("cvv_result", json!("2"))],
    );
    say("That CVV is gone too.")?;

    step("6. A decline: an amount that ends in 121 makes the dummy processor decline.")?;
    let declined = walk.transact(&id, 1121, "order-1004")?;
    walk.expect("it is declined", &declined, 403, &[("code", json!(121))]);
    let status = declined.body.pointer("/details/status");
    walk.hold("the declined transaction is stored", status == Some(&json!("DECLINED")));
    say(
        "There was no CVV to use. Had there been one, it would be gone: a decline uses it like any other outcome.",
    )?;

    step("7. What happened with the token, newest first.")?;
    let list = walk.client.get(&format!("/v1/transaction?card={id}"))?;
    walk.hold("all four are listed", list.body.as_array().is_some_and(|rows| rows.len() == 4));
    let history = walk.client.get(&format!("/v1/transaction/{}/history", first.text("_id")))?;
    let statuses: Vec<&Value> =
        history.body.as_array().into_iter().flatten().filter_map(|row| row.get("status")).collect();
    walk.hold("the first has its history", statuses == [&json!("SETTLEMENT_REQUESTED"), &json!("INITIATED")]);
    output::line("")?;
    Ok(walk.wrong)
}

struct Walk<'a> {
    client: Client,
    vault: &'a DevVault,
    wrong: Vec<String>,
}

impl DemoAnswer {
    fn text(&self, name: &str) -> String {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl Walk<'_> {
    fn transact(&self, card: &str, amount: u32, merchant_reference: &str) -> anyhow::Result<DemoAnswer> {
        self.client.post(
            "/v1/transaction",
            &json!({
                "account": self.vault.account, "amount": amount, "card": card, "capture_now": true,
                "customer_ip": "203.0.113.7", "dynamic_descriptor": "Example shop",
                "merchant_reference": merchant_reference, "user_agent": "panvault demo",
            }),
        )
    }

    fn expect(&mut self, what: &str, answer: &DemoAnswer, status: u16, members: &[(&str, Value)]) {
        self.hold(&format!("{what} (HTTP {status})"), answer.status == status);
        for (name, value) in members {
            self.hold(&format!("{what}: {name} is {value}"), answer.body.get(name) == Some(value));
        }
    }

    fn hold(&mut self, what: &str, true_now: bool) {
        if !true_now {
            self.wrong.push(what.to_owned());
        }
    }
}

fn step(text: &str) -> anyhow::Result<()> {
    Ok(output::line(format!("\n{text}"))?)
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(output::line(format!("\n  {text}"))?)
}

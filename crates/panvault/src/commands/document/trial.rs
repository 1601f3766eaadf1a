//! A processor is tried: with a verification of a card that is nobody's, or with an amount that is released again. Neither moves anything.

use anyhow::{Context, bail, ensure};
use panvault_vault::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::cli::One;
use crate::client::{Client, Refused};
use crate::commands::document::print;
use crate::commands::document::work::{PAGE_ROWS, asked, object};

/// The schemes' published number for trying.
const TEST_CARD: &str = "4111111111111111";
const TEST_CVV: &str = "123";
const TEST_HOLDER: &str = "Panvault Test";

/// Sends the verification or authorisation, and shows what became of it.
pub(super) fn processor_try(one: &One, amount: u64) -> anyhow::Result<()> {
    let path = object("/v1/processor", &one.id)?;
    let tried = asked(&one.shared, async |client| {
        let status = client.get("/v1/status").await?;
        ensure!(status.get("mode") == Some(&json!("test")), "only a test vault sends a test card anywhere");
        client.get(&path).await?;
        let account = account_with(client, &one.id).await?;
        let organisation = account.get("organisation").cloned().unwrap_or_default();
        let year: u32 = SystemClock::start().now().wall.to_string().get(..4).unwrap_or_default().parse()?;
        let card = json!({
            "card_number": TEST_CARD, "cvv": TEST_CVV, "expiry_month": "12", "expiry_year": (year + 2).to_string(),
            "card_holder_name": TEST_HOLDER, "organisation": organisation,
        });
        let card = client.post("/v1/card", &card).await?;
        let card =
            card.get("_id").and_then(Value::as_str).context("the vault answered a card without an id")?;
        let order = json!({
            "account": account.get("_id"), "amount": amount, "card": card, "capture_now": false,
            "merchant_reference": "panvault processor try",
        });
        let tried = client.post("/v1/transaction", &order).await;
        let deleted = client.delete(&format!("/v1/card/{card}")).await;
        let tried = match tried {
            Ok(transaction) => transaction,
            Err(error) => match error.downcast_ref::<Refused>().map(|refused| &refused.details) {
                Some(details) if details.contains_key("status") => Value::Object(details.clone()),
                Some(_) | None => return Err(error),
            },
        };
        deleted.context("the test card could not be deleted again")?;
        if amount == 0 || tried.get("status") != Some(&json!("AUTHORIZED")) {
            return Ok(tried);
        }
        released(client, tried).await
    })?;
    print(&tried, one.shared.json)?;
    let is_good = matches!(tried.get("status").and_then(Value::as_str), Some("AUTHORIZED" | "PENDING"));
    ensure!(is_good, "the processor did not take the test card");
    Ok(())
}

/// The same with what became of its release.
async fn released(client: &mut Client, mut tried: Value) -> anyhow::Result<Value> {
    let id =
        tried.get("_id").and_then(Value::as_str).context("the vault answered a transaction without an id")?;
    let voided = client.post(&format!("/v1/transaction/{id}/void"), &json!({})).await;
    let voided =
        voided.with_context(|| format!("transaction {id} was authorised, and not released again"))?;
    if let (Some(members), Some(status)) = (tried.as_object_mut(), voided.get("status")) {
        members.insert("after_void".to_owned(), status.clone());
    }
    Ok(tried)
}

/// An account that pays by the processor.
async fn account_with(client: &mut Client, processor: &str) -> anyhow::Result<Value> {
    for page in 0_usize.. {
        let path =
            format!("/v1/account?_limit={PAGE_ROWS}&_skip={}&_sort=_id", page.saturating_mul(PAGE_ROWS));
        let Value::Array(accounts) = client.get(&path).await? else {
            bail!("the vault answered a list with what is none");
        };
        let is_last = accounts.len() < PAGE_ROWS;
        let has_it = |account: &Value| {
            let processors = account.get("processors").and_then(Value::as_array);
            processors.is_some_and(|ids| ids.contains(&json!(processor)))
        };
        if let Some(account) = accounts.into_iter().find(has_it) {
            return Ok(account);
        }
        if is_last {
            break;
        }
    }
    bail!("no account has it: make one with panvault account create --processor {processor}")
}

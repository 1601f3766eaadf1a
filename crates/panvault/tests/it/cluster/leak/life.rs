//! One card's life over three nodes, and its number in all the places where it does not belong.

use panvault_testkit::{CanaryCard, HttpAnswer, http_send};
use serde_json::json;

use crate::cluster::nodes::{Cluster, NODES};

/// The CVV of every other card that has one of three digits.
pub(super) const CANARY: usize = 739;

/// Makes the card at one node, pays with it at the others or by the address before them, and does what is wrong. What is answered is added to `said`; a node that is killed
/// meanwhile gives no answer.
pub(super) fn live(cluster: &Cluster, haproxy: &str, at: usize, card: &CanaryCard, said: &mut Vec<u8>) {
    let (number, canary) = (card.number.as_str(), CANARY.to_string());
    let cvv = if at.is_multiple_of(2) && card.cvv.len() == 3 { canary.as_str() } else { card.cvv.as_str() };
    let urls = [0, 1, 2].map(|node| cluster.url(node, ""));
    let node = |step: usize| match (at + step) % (NODES + 1) {
        NODES => haproxy,
        node => urls[node].as_str(),
    };
    // A proxy logs paths, as all do: what is not in a body goes to a node.
    let direct = |step: usize| urls[(at + step) % NODES].as_str();
    let mut send = |base: &str, method: &str, path: &str, more: &[(&str, &str)], body: Option<&str>| {
        let mut headers = vec![("X-APIKEY", cluster.key.as_str()), ("Content-Type", "application/json")];
        headers.extend_from_slice(more);
        let answer = http_send(&format!("{base}{path}"), method, &headers, body).ok()?;
        keep(&answer, said);
        Some(answer)
    };
    let body = cluster.card_body(number, Some(cvv));
    let good = body.to_string();
    let created = send(node(0), "POST", "/v1/card", &[("Idempotency-Key", number)], Some(&good));
    let Some(id) = created.filter(|created| created.status == 200).map(|created| created.id()) else {
        return;
    };
    let path = format!("/v1/card/{id}");
    let payment = |amount: u32| cluster.transaction_body(&id, amount).to_string();
    match at % 5 {
        // Declined, failed, not sent, so that its CVV goes back; and once more.
        0 | 1 => {
            for (step, amount) in [(1, 131), (2, [1099, 121, 122, 123, 0][at % 5]), (3, 1099)] {
                drop(send(node(step), "POST", "/v1/transaction", &[], Some(&payment(amount))));
            }
        }
        // Replaced, and ended with the card.
        2 => {
            let update = json!({ "cvv": cvv, "card_holder_name": "A. N. Other", "organisation": cluster.organisation });
            drop(send(node(1), "POST", &path, &[], Some(&update.to_string())));
            drop(send(node(2), "DELETE", &path, &[], None));
        }
        // Its time ends it, or what is held at last is ended.
        3 => {}
        _ => {
            let mistyped = format!("{number}{number}");
            let customer = json!({
                "phone": number, "billing": { "first_name": number, "phone": number }, "date_of_birth": number,
                "email_address": format!("{number}@a.example"),
            });
            let reference = payment(1099).replace("\"order\"", &format!("\"{number}\""));
            for (path, body) in [
                ("/v1/card", good.replace(number, &mistyped)),
                ("/v1/card", good.replace(&format!("\"{number}\""), number)),
                ("/v1/card", good[..good.len() - 2].to_owned()),
                ("/v1/card", good.replacen('{', &format!("{{\"{number}\":1,"), 1)),
                ("/v1/transaction", reference),
                ("/v1/transaction", good.clone()),
                ("/v1/customer", customer.to_string()),
            ] {
                let refused = send(node(1), "POST", path, &[], Some(&body));
                assert!(refused.is_none_or(|refused| refused.status >= 400), "{path}");
            }
            for path in [
                format!("/v1/card/{number}"),
                format!("/v1/card?card_number={number}"),
                format!("/v1/{number}"),
            ] {
                let refused = send(direct(1), "GET", &path, &[("User-Agent", number)], None);
                assert!(refused.is_none_or(|refused| refused.status >= 400), "{path}");
            }
        }
    }
    drop(send(node(3), "GET", &path, &[], None));
    drop(send(direct(2), "GET", "/v1/card?_limit=3", &[], None));
}

fn keep(answer: &HttpAnswer, said: &mut Vec<u8>) {
    for (name, value) in &answer.headers {
        said.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    said.extend_from_slice(answer.text.as_bytes());
    said.push(b'\n');
}

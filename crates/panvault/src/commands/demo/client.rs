use anyhow::Context;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

use crate::output;

/// Sends requests, and prints them and their answers. A card number or CVV is masked before it is printed.
pub(super) struct Client {
    agent: Agent,
    url: String,
    key: String,
}

/// An answer: its status and its body.
pub(super) struct DemoAnswer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> Self {
        // A failure is an answer like any other.
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        Self { agent, url: url.to_owned(), key: key.to_owned() }
    }

    /// Posts, and prints of the answer what is new in it.
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<DemoAnswer> {
        self.send(path, body, |answer| told(answer, Some(body)))
    }

    /// Posts, and prints the whole answer.
    pub(super) fn post_shown_whole(&self, path: &str, body: &Value) -> anyhow::Result<DemoAnswer> {
        self.send(path, body, Value::clone)
    }

    fn send(&self, path: &str, body: &Value, shown: impl Fn(&Value) -> Value) -> anyhow::Result<DemoAnswer> {
        output::line(format!("\n  POST {path}\n{}", indented(&masked(body))?))?;
        let sent = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("X-APIKEY", &self.key)
            .header("Content-Type", "application/json")
            .send(body.to_string());
        answer(sent, shown)
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<DemoAnswer> {
        output::line(format!("\n  GET {path}"))?;
        answer(self.agent.get(format!("{}{path}", self.url)).header("X-APIKEY", &self.key).call(), |answer| {
            told(answer, None)
        })
    }
}

fn answer(
    sent: Result<Response<ureq::Body>, ureq::Error>,
    shown: impl Fn(&Value) -> Value,
) -> anyhow::Result<DemoAnswer> {
    let mut response = sent.context("the server did not answer")?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().context("the answer did not arrive whole")?;
    let body: Value = serde_json::from_str(&text).context("the answer is not JSON")?;
    output::line(format!("  → {status}\n{}", indented(&shown(&body))?))?;
    Ok(DemoAnswer { status, body })
}

/// What an answer says that is new: without what was sent, what is null or empty, and what stays the same. The walk says so.
fn told(body: &Value, asked: Option<&Value>) -> Value {
    let news = |name: &str, value: &Value| {
        let sent = asked.and_then(|asked| asked.get(name)) == Some(value);
        let known =
            matches!(name, "organisation" | "account" | "user_agent" | "customer_ip" | "dynamic_descriptor");
        let nothing = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        !sent && !known && !nothing && name != "updated_at"
    };
    match body {
        Value::Array(rows) => rows.iter().map(|row| told(row, asked)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| news(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        other => other.clone(),
    }
}

fn masked(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(number) = body.get_mut("card_number") {
        let text = number.as_str().unwrap_or_default();
        *number = match (text.get(..6), text.len().checked_sub(4).and_then(|at| text.get(at..))) {
            (Some(bin), Some(last_four)) => json!(format!("{bin}******{last_four}")),
            _ => json!("******"),
        };
    }
    if let Some(cvv) = body.get_mut("cvv") {
        *cvv = json!("***");
    }
    body
}

fn indented(value: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_without_what_was_sent() {
        let body = json!([{ "_id": "i", "amount": 1, "card": "c", "customer": null, "status": "DECLINED" }]);
        assert_eq!(
            told(&body, Some(&json!({ "amount": 1 }))),
            json!([{ "_id": "i", "card": "c", "status": "DECLINED" }])
        );
    }

    #[test]
    fn card_number_and_cvv_are_masked() {
        let shown = masked(&json!({ "card_number": "4111111111111111", "cvv": "123", "organisation": "o" }));
        assert_eq!(shown, json!({ "card_number": "411111******1111", "cvv": "***", "organisation": "o" }));
        assert_eq!(masked(&json!({ "card_number": "41" })), json!({ "card_number": "******" }));
    }
}

//! Requests and answers to look at. Their members come from the tables and schemas, so that none is missing; their values from here.

use serde_json::{Map, Value, json};

use crate::error::ErrorCode;
use crate::fields::card::CVV;
use crate::fields::{FieldSpec, Kind};
use crate::table::{AnswerSchema, Endpoint};

/// Members in the order in which they are shown, with the values that they have. Others follow, with what their schema allows.
const VALUES: &[(&str, &str)] = &[
    ("_id", "65f1c0de8a4b3c2d1e0f9a8b"),
    ("organisation", "65f1c0d00b5e6f708192a3b4"),
    ("account", "65f1c0d11c2d3e4f5a6b7c8d"),
    ("processor", "dummy"),
    ("transaction", "65f1c0e92b3c4d5e6f708192"),
    ("card", "65f1c0de8a4b3c2d1e0f9a8b"),
    ("brand", "VISA"),
    ("bin", "411111"),
    ("last_four", "1111"),
    ("masked_card_number", "411111******1111"),
    ("expiry_month", "12"),
    ("expiry_year", "35"),
    ("issuer_name", "EXAMPLE BANK"),
    ("issuer_country", "NL"),
    ("amount", "1099"),
    ("currency_code", "EUR"),
    ("currency", "EUR"),
    ("type", "CREDIT"),
    ("variant", "CLASSIC"),
    ("fingerprint", "0f6b1d2c3a495867e8f9a0b1c2d3e4f5"),
    ("capture_now", "true"),
    ("status", "SETTLEMENT_REQUESTED"),
    ("reason_code", "00"),
    ("authorization_code", "561097"),
    ("cvv_present", "true"),
    ("cvv_expires_at", "2026-01-31T13:00:00.000Z"),
    ("cvv_result", "1"),
    ("avs_result", "0"),
    ("customer_ip", "203.0.113.7"),
    ("dynamic_descriptor", "Example shop"),
    ("merchant_reference", "order-1001"),
    ("user_agent", "Mozilla/5.0"),
    ("count", "1"),
    ("created_at", "2026-01-31T12:00:00.000Z"),
    ("updated_at", "2026-01-31T12:00:00.000Z"),
];
const TIMESTAMP: u64 = 1_769_860_800_000;

/// A request that works when the ids and the key are set.
pub(super) fn request(endpoint: &Endpoint) -> String {
    let kind = if endpoint.path.contains("/transaction") { "$TRANSACTION" } else { "$CARD" };
    let path = endpoint.path.replace("{id}", kind).replace("{bin}", "411111");
    let query = if endpoint.list.is_some() { "?created_at%3E=2026-01-31T00:00:00Z" } else { "" };
    let method = if endpoint.method == http::Method::DELETE { "-X DELETE " } else { "" };
    let mut request = format!("curl {method}\"$PANVAULT{path}{query}\" \\\n  -H \"X-APIKEY: $KEY\"");
    if let Some(body) = endpoint.body {
        let shown = |spec: &&FieldSpec| spec.required || spec.name == CVV.name;
        let members: Vec<String> = body
            .iter()
            .filter(shown)
            .map(|spec| format!("    \"{}\": {}", spec.name, example(spec)))
            .collect();
        request += &format!(
            " \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\n{}\n  }}'",
            members.join(",\n")
        );
    }
    request
}

fn example(spec: &FieldSpec) -> String {
    match spec.kind {
        Kind::Secret { example, .. }
        | Kind::Typed { example, .. }
        | Kind::Text { example, .. }
        | Kind::Masked { example } => format!("\"{example}\""),
        Kind::Phone { .. } => "\"\"".to_owned(),
        // The quotes let the shell put the variable in.
        Kind::Id => format!("\"'$${}'\"", spec.name.to_uppercase()).replace("$$", "$"),
        Kind::Choice(choices) => format!("\"{}\"", choices.first().unwrap_or(&"")),
        Kind::Integer { .. } => "1099".to_owned(),
        Kind::Bool => "true".to_owned(),
        Kind::Pairs | Kind::Object(_) => "{}".to_owned(),
    }
}

/// What it answers when all goes well; `None` when that has no body.
pub(super) fn success(endpoint: &Endpoint, schemas: &Value) -> Option<String> {
    let of = |name: &str| object(schemas.get(name).unwrap_or(&Value::Null), "");
    Some(match endpoint.answer? {
        AnswerSchema::Card => of("Card"),
        AnswerSchema::Cards => format!("[{}]", of("Card")),
        AnswerSchema::Transaction => of("Transaction"),
        AnswerSchema::Transactions => format!("[{}]", of("Transaction")),
        AnswerSchema::History => format!("[{}]", of("HistoryStep")),
        AnswerSchema::Bin => of("Bin"),
        AnswerSchema::Count => "{\n  \"count\": 1\n}".to_owned(),
    })
}

/// A failure that is its own, or else one that all have.
pub(super) fn failure(endpoint: &Endpoint, schemas: &Value) -> (ErrorCode, String) {
    let has = |code: &ErrorCode| endpoint.codes().contains(code);
    let likely = [ErrorCode::Declined, ErrorCode::Missing, ErrorCode::NotFound, ErrorCode::Malformed];
    let code = likely.into_iter().find(has).unwrap_or(ErrorCode::NotAuthenticated);
    let details = if code == ErrorCode::Declined {
        Some(declined(schemas))
    } else if code == ErrorCode::Missing {
        Some(format!("{{\n    \"body.{}\": \"is required\"\n  }}", first_required(endpoint)))
    } else if code == ErrorCode::Malformed {
        Some("{\n    \"query._limit\": \"must be 1 to 1000\"\n  }".to_owned())
    } else {
        None
    };
    let details = details.map_or_else(String::new, |details| format!(",\n  \"details\": {details}"));
    let (number, message) = (code.number(), code.message());
    (
        code,
        format!(
            "{{\n  \"code\": {number},\n  \"message\": \"{message}\",\n  \"timestamp\": {TIMESTAMP}{details}\n}}"
        ),
    )
}

fn first_required(endpoint: &Endpoint) -> &'static str {
    let specs = endpoint.body.unwrap_or_default();
    specs.iter().find(|spec| spec.required).map_or("organisation", |spec| spec.name)
}

/// What became of a transaction that was declined.
fn declined(schemas: &Value) -> String {
    let outcome = schemas.pointer("/Error/properties/details/anyOf/1").cloned().unwrap_or_default();
    let text = object(&outcome, "  ");
    text.replace("SETTLEMENT_REQUESTED", "DECLINED").replace("\"00\"", "\"05\"").replace("\"561097\"", "null")
}

/// An object of this schema, one member a line.
fn object(schema: &Value, indent: &str) -> String {
    let nothing = Map::new();
    let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let place = |name: &str| VALUES.iter().position(|(known, _)| *known == name).unwrap_or(VALUES.len());
    let mut shown: Vec<(&String, Value)> = members
        .iter()
        .filter(|(name, _)| required.iter().any(|required| required == *name))
        .map(|(name, schema)| (name, value(name, schema)))
        .collect();
    shown.sort_by_key(|(name, _)| place(name));
    let lines: Vec<String> =
        shown.iter().map(|(name, value)| format!("{indent}  \"{name}\": {value}")).collect();
    format!("{{\n{}\n{indent}}}", lines.join(",\n"))
}

/// A value that the schema allows, the one above if it does.
fn value(name: &str, schema: &Value) -> Value {
    // What may be nothing is shown as something where there is a value for it.
    let alternative = schema.pointer("/anyOf/0").unwrap_or(schema);
    let known = VALUES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let is = |kind: &str| alternative.get("type").and_then(Value::as_str) == Some(kind);
    if let Some(all) = alternative.get("enum").and_then(Value::as_array) {
        let is_known = |one: &&Value| {
            one.as_str().is_some_and(|one| known.is_some_and(|known| one.eq_ignore_ascii_case(known)))
        };
        return match all.iter().find(is_known) {
            Some(one) => one.clone(),
            None if schema.get("anyOf").is_some() => Value::Null,
            None => all.first().cloned().unwrap_or_default(),
        };
    }
    match known {
        Some(text) if is("integer") || is("boolean") => serde_json::from_str(text).unwrap_or_default(),
        Some(text) => json!(text),
        None if is("object") => json!({}),
        None if is("boolean") => json!(false),
        None if schema.get("anyOf").is_some() || alternative.get("type").is_some_and(Value::is_array) => {
            Value::Null
        }
        None if is("integer") => json!(0),
        None => json!(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;
    use crate::table::ENDPOINTS;

    #[test]
    fn samples_are_json_and_have_what_the_schemas_require() {
        let schemas = openapi::schemas();
        for endpoint in ENDPOINTS {
            let answer = success(endpoint, &schemas);
            assert_eq!(answer.is_some(), endpoint.success != 204, "{}", endpoint.operation);
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("{text}"));
            if let Some(answer) = answer {
                let answer = parse(&answer);
                assert!(
                    !answer.to_string().contains("\"\""),
                    "{}: a value is missing: {answer}",
                    endpoint.operation
                );
            }
            let (code, failure) = failure(endpoint, &schemas);
            assert_eq!(parse(&failure)["code"], json!(code.number()));
        }
    }

    #[test]
    fn bodies_of_requests_are_json_for_the_shell() {
        for endpoint in ENDPOINTS {
            let request = request(endpoint);
            assert!(!request.contains('{') || endpoint.body.is_some(), "{request}");
            if let Some((_, body)) = request.split_once("-d '") {
                // As the shell puts the variables in.
                let body = body.strip_suffix('\'').unwrap().replace("'$", "").replace("'\"", "\"");
                assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}");
            }
        }
    }
}

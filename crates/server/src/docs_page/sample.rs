//! Requests and answers to look at. Their members come from the tables and schemas, so that none is missing; their values from here.

use crate::error::ErrorCode;
use crate::fields::FieldSpec;
use crate::limits::LIST_ROWS_MAX;
use crate::object::api_error::ApiError;
use crate::object::refund::Refund;
use crate::object::transaction::Transaction;
use crate::object::{EXAMPLE_ACCOUNT, EXAMPLE_CARD, EXAMPLE_ORGANISATION, MemberSpec, Object, ObjectSpec};
use crate::table::{AnswerSchema, Endpoint};

/// A request that works when the ids and the key are set.
pub(super) fn request(endpoint: &Endpoint) -> String {
    let kind = match endpoint.path {
        path if path.contains("/transaction") => "$TRANSACTION",
        path if path.contains("/refund") => "$REFUND",
        _ => "$CARD",
    };
    let path = endpoint.path.replace("{id}", kind).replace("{bin}", "411111");
    let query = if endpoint.list.is_some() { "?created_at%3E=2026-01-31T00:00:00Z" } else { "" };
    let method = if endpoint.method == http::Method::DELETE { "-X DELETE " } else { "" };
    let mut request = format!("curl {method}\"$PANVAULT{path}{query}\" \\\n  -H \"X-APIKEY: $KEY\"");
    if endpoint.body.is_some() {
        let shown = endpoint.fields().iter().filter(|spec| spec.in_example());
        let members: Vec<String> =
            shown.map(|spec| format!("    \"{}\": {}", spec.name, example(spec))).collect();
        request += &format!(
            " \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\n{}\n  }}'",
            members.join(",\n")
        );
    }
    request
}

/// As the OpenAPI document has it, with variables for ids: the quotes let the shell put them in.
fn example(spec: &FieldSpec) -> String {
    let variables =
        [("$ORGANISATION", EXAMPLE_ORGANISATION), ("$ACCOUNT", EXAMPLE_ACCOUNT), ("$CARD", EXAMPLE_CARD)];
    let text = spec.kind.example(spec.name).to_string();
    variables.iter().fold(text, |text, (variable, id)| text.replace(id, &format!("'{variable}'")))
}

/// What it answers when all goes well; `None` when that has no body.
pub(super) fn success(endpoint: &Endpoint) -> Option<String> {
    Some(match endpoint.answer? {
        AnswerSchema::One(of) | AnswerSchema::OneOrPart(of) => object(of, |_| true, ""),
        AnswerSchema::List(of) => format!("[{}]", object(of, |_| true, "")),
    })
}

/// A failure that is its own, or else one that all have.
pub(super) fn failure(endpoint: &Endpoint) -> (ErrorCode, String) {
    let has = |code: &ErrorCode| endpoint.codes().contains(code);
    let likely = [ErrorCode::Declined, ErrorCode::Missing, ErrorCode::NotFound, ErrorCode::Malformed];
    let code = likely.into_iter().find(has).unwrap_or(ErrorCode::NotAuthenticated);
    let details = if code == ErrorCode::Declined {
        Some(declined(endpoint))
    } else if code == ErrorCode::Missing {
        let required = endpoint.fields().iter().find(|spec| spec.required);
        Some(required.map_or_else(
            || "{\n    \"body\": \"needs at least one field\"\n  }".to_owned(),
            |spec| format!("{{\n    \"body.{}\": \"is required\"\n  }}", spec.name),
        ))
    } else if code == ErrorCode::Malformed {
        Some(format!("{{\n    \"query._limit\": \"must be 1 to {LIST_ROWS_MAX}\"\n  }}"))
    } else {
        None
    };
    let lines: Vec<String> = ApiError::SPEC
        .members()
        .filter_map(|member| {
            let value = match member.name {
                "code" => code.number().to_string(),
                "message" => format!("\"{}\"", code.message()),
                "details" => details.clone()?,
                _ => member.example()?.to_string(),
            };
            Some(format!("  \"{}\": {value}", member.name))
        })
        .collect();
    (code, format!("{{\n{}\n}}", lines.join(",\n")))
}

/// What became of a transaction that was declined, or of a refund.
fn declined(endpoint: &Endpoint) -> String {
    let (of, status, declined) = match endpoint.answer {
        Some(AnswerSchema::One(of)) if of.name == Refund::SPEC.name => (of, "PENDING", "FAILED"),
        _ => (Transaction::SPEC, "SETTLEMENT_REQUESTED", "DECLINED"),
    };
    let text = object(of, |member| member.in_part, "  ");
    text.replace(status, declined).replace("\"00\"", "\"05\"").replace("\"561097\"", "null")
}

/// An object, one member a line: all that has an example.
fn object(spec: &ObjectSpec, is_shown: impl Fn(&MemberSpec) -> bool, indent: &str) -> String {
    let lines: Vec<String> = spec
        .members()
        .filter(|member| is_shown(member))
        .filter_map(|member| Some(format!("{indent}  \"{}\": {}", member.name, member.example()?)))
        .collect();
    format!("{{\n{}\n{indent}}}", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::table::ENDPOINTS;

    #[test]
    fn samples_are_json_and_have_what_the_schemas_require() {
        for endpoint in ENDPOINTS {
            let answer = success(endpoint);
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
            let (code, failure) = failure(endpoint);
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

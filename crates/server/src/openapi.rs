//! The OpenAPI 3.1 document, made from the route table, the fields and the error table.

use const_format::formatcp;
use panvault_card::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN};
use serde_json::{Map, Value, json};

use crate::error::ErrorCode;
use crate::fields::{FieldSpec, Kind};
use crate::lenience::Rule;
use crate::limits::{
    IDEMPOTENCY_KEY_CHARS_MAX, IDEMPOTENCY_KEY_RANDOM_CHARS_MIN, LIST_ROWS_DEFAULT, LIST_ROWS_MAX,
    LIST_SKIP_MAX, LIST_VALUES_MAX, METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX,
};
use crate::notification;
use crate::object::Shown;
use crate::object::audit::{Audit, EXAMPLE_RECORD, RecordId};
use crate::object::{
    EXAMPLE_ACCOUNT, EXAMPLE_API_KEY, EXAMPLE_CARD, EXAMPLE_CHECKOUT, EXAMPLE_CUSTOMER, EXAMPLE_DELIVERY,
    EXAMPLE_ORGANISATION, EXAMPLE_PROCESSOR, EXAMPLE_REFUND, EXAMPLE_TRANSACTION, Object, ObjectSpec,
};
use crate::table::{AnswerSchema, ENDPOINTS, Endpoint};

mod schemas;

const IDEMPOTENCY_KEY_DOC: &str = formatcp!(
    "The same key and body again within 24 hours get the same answer, with `Idempotency-Replayed: true`. From a browser's API key a UUID of version 4, or {IDEMPOTENCY_KEY_RANDOM_CHARS_MIN} random characters of base64url or more."
);

use schemas::schemas;

/// Where a server is that was not told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8420";

/// The document as a server answers it: of itself, wherever it is reached.
pub(crate) fn openapi_served() -> Value {
    let mut document = openapi();
    if let Some(servers) = document.get_mut("servers") {
        *servers = json!([{ "url": "/" }]);
    }
    document
}

/// The document.
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.as_str().to_lowercase(), operation(endpoint));
        }
    }
    paths.insert(notification::PATH.to_owned(), json!({ "post": notification_take() }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Panvault",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A self-hosted vault for payment cards: post a card once, keep its token, pay with the token.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": DEFAULT_URL, "description": "Where `panvault dev` and `panvault serve` are unless they are told otherwise." }],
        "security": [{ "api_key": [] }],
        "tags": [
            { "name": "card", "description": "Cards and their tokens." },
            { "name": "bin", "description": "Who issued which cards." },
            { "name": "transaction", "description": "Attempts to move money with a card." },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-APIKEY",
                    "description": "Also taken: `X-API-KEY`, a bearer token, and Basic with the key as user name or as password.",
                },
            },
            "headers": {
                "X-Request-Id": {
                    "description": "Names the request; quote it when something is wrong.",
                    "required": true,
                    "schema": schemas::id(),
                },
            },
            "schemas": schemas(),
        },
    })
}

/// What processors tell. It is none of the endpoints: nobody has a key for it, and its body is whatever the PSP sends.
fn notification_take() -> Value {
    let id = json!({ "$ref": "#/components/headers/X-Request-Id" });
    let mut answers = responses_of(notification::FAILURES.to_vec());
    if let Some(answers) = answers.as_object_mut() {
        let taken = json!({
            "description": "Taken in, and durable; or about nothing that is under way here. The body is what the PSP asks for, and may be empty.",
            "headers": { "X-Request-Id": id },
        });
        answers.insert("200".to_owned(), taken);
    }
    json!({
        "operationId": operation_id(notification::OPERATION),
        "tags": ["notification"],
        "summary": "Take in what a PSP tells",
        "description": "For PSPs, not for clients: what became of a payment, capture, void or refund, as Stripe, Adyen or Checkout.com sends it. No API key; it must be signed with the secret that the processor is set up with.",
        "security": [],
        "parameters": [{ "name": "processor", "in": "path", "required": true, "schema": schemas::id(), "example": EXAMPLE_PROCESSOR }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "object" } } } },
        "responses": answers,
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let tag = endpoint.path.split('/').nth(2).unwrap_or_default();
    let mut operation = json!({
        "operationId": operation_id(endpoint.operation),
        "tags": [tag],
        "summary": endpoint.summary,
        "description": endpoint.doc,
        "responses": responses(endpoint),
    });
    let parameters = parameters(endpoint);
    if let Some(members) = operation.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), Value::Array(parameters));
        }
        if let Some(body) = endpoint.body {
            let content = json!({ "schema": reference(body.name), "example": body.example() });
            let body = json!({ "required": !body.may_lack, "content": { "application/json": content } });
            members.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

/// The gateway's name of an operation: `getCard` of `card_read`, `listCards` of `card_list`.
pub(crate) fn operation_id(operation: &str) -> String {
    let (noun, verb) = operation.split_once('_').unwrap_or((operation, ""));
    let noun = match noun {
        "apikey" => "ApiKey".to_owned(),
        noun => {
            let mut letters = noun.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    };
    match verb {
        "read" => format!("get{noun}"),
        "list" | "count" => format!("{verb}{noun}s"),
        "history" => format!("get{noun}History"),
        verb => format!("{verb}{noun}"),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let mut parameters = Vec::new();
    if endpoint.path.contains("{id}") {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true, "schema": id_schema(endpoint), "example": id_of(endpoint),
        }));
    }
    if endpoint.path.contains("{bin}") {
        parameters.push(json!({
            "name": "bin", "in": "path", "required": true,
            "schema": { "type": "string", "pattern": format!("^[0-9]{{{BIN_DIGITS_MIN},{BIN_DIGITS_MAX}}}$"), "examples": ["411111"] },
            "example": "411111",
        }));
    }
    if endpoint.idempotent() {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": IDEMPOTENCY_KEY_DOC,
            "schema": { "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS_MAX, "pattern": "^[!-~]+$" },
        }));
    }
    if let Some(list) = endpoint.list {
        parameters.extend(list_parameters(list));
    }
    parameters
}

/// What an id in the path looks like.
fn id_schema(endpoint: &Endpoint) -> Value {
    match endpoint.path.split('/').nth(2) {
        Some("audit") => RecordId::SHAPE.value_schema(),
        _ => schemas::id(),
    }
}

/// An id as the examples have it, of the kind that the path names.
fn id_of(endpoint: &Endpoint) -> &'static str {
    match endpoint.path.split('/').nth(2) {
        Some("transaction") => EXAMPLE_TRANSACTION,
        Some("refund") => EXAMPLE_REFUND,
        Some("customer") => EXAMPLE_CUSTOMER,
        Some("checkout") => EXAMPLE_CHECKOUT,
        Some("webhook_delivery") => EXAMPLE_DELIVERY,
        Some("organisation") => EXAMPLE_ORGANISATION,
        Some("account") => EXAMPLE_ACCOUNT,
        Some("processor") => EXAMPLE_PROCESSOR,
        Some("apikey") => EXAMPLE_API_KEY,
        Some("audit") => EXAMPLE_RECORD,
        _ => EXAMPLE_CARD,
    }
}

fn list_parameters(list: &ObjectSpec) -> Vec<Value> {
    let fields = || list.members().filter(|member| member.is_by);
    let names: Vec<String> =
        fields().flat_map(|member| [member.name.to_owned(), format!("-{}", member.name)]).collect();
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema });
    let mut parameters = vec![
        query(
            "_limit",
            "Rows to give.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIST_ROWS_MAX, "default": LIST_ROWS_DEFAULT }),
        ),
        query(
            "_skip",
            "Rows to leave out.",
            json!({ "type": "integer", "minimum": 0, "maximum": LIST_SKIP_MAX }),
        ),
        query(
            "_after",
            "Only what comes behind this `_id`, the newest first: the last of the page before. Not together with `_sort`.",
            schemas::id(),
        ),
        query(
            "_count",
            "Nothing is counted, and `X-Total-Count` left out: a list with conditions is done as soon as its page is.",
            json!({ "type": "string", "enum": ["none"] }),
        ),
        query(
            "_sort",
            "Field to sort by; with `-` before it, largest first.",
            json!({ "type": "string", "enum": names }),
        ),
    ];
    if list.name == Audit::SPEC.name {
        parameters.retain(|parameter| parameter.get("name") != Some(&json!("_after")));
    }
    for member in fields() {
        // The same value counts once, which no `maxItems` can say.
        let description = formatcp!(
            "Rows with this value; repeated, with any of the values, at most {LIST_VALUES_MAX} different ones. Also `!=`, `>=` and \
             `<=`, written `%3E=` and `%3C=`."
        );
        let values = json!({ "type": "array", "items": member.shape.value_schema() });
        let mut parameter = query(member.name, description, values);
        if let Some(parameter) = parameter.as_object_mut() {
            parameter.insert("style".to_owned(), json!("form"));
            parameter.insert("explode".to_owned(), json!(true));
        }
        parameters.push(parameter);
    }
    parameters
}

/// Every status that the endpoint can answer with: its success, and the codes of the failures, grouped by status.
fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = responses_of(endpoint.codes());
    if let Some(responses) = responses.as_object_mut() {
        responses.insert(endpoint.success.to_string(), success(endpoint));
    }
    responses
}

/// The answers of a path that can fail with these codes.
fn responses_of(mut codes: Vec<ErrorCode>) -> Value {
    let mut responses = Map::new();
    // Of the path, and said with each of its operations: the document has no other place for it.
    codes.push(ErrorCode::Method);
    codes.sort_by_key(|code| (code.status().as_u16(), code.number()));
    for chunk in codes.chunk_by(|a, b| a.status() == b.status()) {
        let Some(first) = chunk.first() else { continue };
        let meanings: Vec<String> =
            chunk.iter().map(|code| format!("{}: {}", code.number(), code.message())).collect();
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        let may_be_repeated = chunk.iter().any(|code| matches!(code, ErrorCode::Busy | ErrorCode::TooMany));
        if let (true, Some(headers)) = (may_be_repeated, headers.as_object_mut()) {
            let seconds = json!({
                "description": "Seconds after which to try again; with codes 140 and 144, and with 111 where a payment is blocked for a while.",
                "schema": { "type": "integer" },
            });
            headers.insert("Retry-After".to_owned(), seconds);
        }
        if let (true, Some(headers)) = (chunk.contains(&ErrorCode::TooMany), headers.as_object_mut()) {
            for (name, what) in [
                (
                    "RateLimit-Policy",
                    "The limit that is reached, by the name of its setting: `q` uses in `w` seconds.",
                ),
                ("RateLimit", "The same limit: `r` uses are left, and there are more after `t` seconds."),
            ] {
                headers
                    .insert(name.to_owned(), json!({ "description": what, "schema": { "type": "string" } }));
            }
        }
        if let (true, Some(headers)) = (chunk.contains(&ErrorCode::NotAuthenticated), headers.as_object_mut())
        {
            let schemes = json!({
                "description": "`Bearer`; and `Basic` for who sent `Authorization`.",
                "schema": { "type": "string" },
            });
            headers.insert("WWW-Authenticate".to_owned(), schemes);
        }
        if let (true, Some(headers)) = (chunk.contains(&ErrorCode::Method), headers.as_object_mut()) {
            let methods =
                json!({ "description": "The methods that this path has.", "schema": { "type": "string" } });
            headers.insert("Allow".to_owned(), methods);
        }
        responses.insert(
            first.status().as_u16().to_string(),
            json!({
                "description": meanings.join(". "),
                "headers": headers,
                "content": { "application/json": { "schema": reference("ApiError") } },
            }),
        );
    }
    Value::Object(responses)
}

fn success(endpoint: &Endpoint) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
    let mut head = |name: &str, description: &str, schema: Value| {
        if let Some(headers) = headers.as_object_mut() {
            headers.insert(name.to_owned(), json!({ "description": description, "schema": schema }));
        }
    };
    if endpoint.idempotent() {
        head(
            "Idempotency-Replayed",
            "`true` when the answer was given before.",
            json!({ "type": "string", "const": "true" }),
        );
    }
    let Some(answer) = endpoint.answer else {
        return json!({ "description": "Done.", "headers": headers });
    };
    if endpoint.list.is_some() && matches!(answer, AnswerSchema::List(_)) {
        head("X-Total-Count", "How many rows match in all.", json!({ "type": "integer" }));
    }
    if endpoint.list.is_some() && endpoint.operation != "audit_list" {
        head(
            "X-Total-Count-Exact",
            "`false` where not all rows were counted: at least so many match.",
            json!({ "type": "string", "const": "false" }),
        );
    }
    let mut content = json!({ "application/json": { "schema": answer.schema() } });
    if let (AnswerSchema::List(_), Some(content)) = (answer, content.as_object_mut()) {
        let description = "A line for each object, behind one with the names of the members. Without `_limit`, all of the list.";
        let schema = json!({ "type": "string", "description": description });
        content.insert("text/csv".to_owned(), json!({ "schema": schema }));
    }
    json!({ "description": answer.description(), "headers": headers, "content": content })
}

impl AnswerSchema {
    fn description(self) -> String {
        match self {
            Self::One(object) | Self::OneOrPart(object) => object.doc.trim().to_owned(),
            Self::List(object) => format!("Each is a `{}`, newest first.", object.name),
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::One(object) => reference(object.name),
            Self::OneOrPart(object) => match object.part {
                // A browser's key sees less.
                Some(part) => json!({ "anyOf": [reference(object.name), reference(part)] }),
                None => reference(object.name),
            },
            Self::List(object) => json!({ "type": "array", "items": reference(object.name) }),
        }
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(specs: &[FieldSpec]) -> Value {
    let mut properties = Map::new();
    for spec in specs {
        let mut schema = spec.kind.schema();
        if spec.nullable {
            or_null(&mut schema);
        }
        if let (Some(members), false) = (schema.as_object_mut(), spec.doc.is_empty()) {
            members.insert("description".to_owned(), json!(spec.doc));
        }
        let old = matches!(spec.rule, Some(Rule::Capture | Rule::Ignored));
        if let (Some(members), true) = (schema.as_object_mut(), old) {
            members.insert("deprecated".to_owned(), json!(true));
        }
        properties.insert(spec.name.to_owned(), schema);
    }
    let required: Vec<&str> = specs.iter().filter(|spec| spec.required).map(|spec| spec.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if let (Some(members), false) = (schema.as_object_mut(), required.is_empty()) {
        members.insert("required".to_owned(), json!(required));
    }
    schema
}

/// Lets a schema of one type be of `null` too.
fn or_null(schema: &mut Value) {
    if let Some(members) = schema.as_object_mut() {
        let of_its_own = members.get("type").cloned();
        members.insert("type".to_owned(), json!([of_its_own, "null"]));
    }
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Self::Secret { pattern, example, .. } | Self::Typed { pattern, example } => {
                json!({ "type": "string", "pattern": pattern, "examples": [example] })
            }
            Self::Id => schemas::id(),
            Self::Text { max, example } => {
                let mut schema = json!({ "type": "string", "maxLength": max });
                if let (Some(members), false) = (schema.as_object_mut(), example.is_empty()) {
                    members.insert("examples".to_owned(), json!([example]));
                }
                schema
            }
            Self::Phone { max } => json!({ "type": "string", "maxLength": max }),
            Self::Masked { example } => json!({ "type": "string", "examples": [example] }),
            Self::Choice(choices) => json!({ "type": "string", "enum": choices }),
            Self::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Pairs => json!({
                "type": "object",
                "maxProperties": METADATA_PAIRS_MAX,
                "propertyNames": { "minLength": 1, "maxLength": METADATA_NAME_BYTES_MAX },
                "additionalProperties": { "type": "string", "maxLength": METADATA_VALUE_BYTES_MAX },
            }),
            Self::Array { of, max } => json!({ "type": "array", "items": of.schema(), "maxItems": max }),
            Self::Object(specs) => object(specs),
            Self::Open(specs) => {
                let mut schema = object(specs);
                if let Some(members) = schema.as_object_mut() {
                    members.insert("additionalProperties".to_owned(), json!(true));
                }
                schema
            }
            Self::Ignored => json!({}),
            Self::Settings(specs) => {
                let mut schema = object(specs);
                if let Some(members) = schema.as_object_mut() {
                    members.insert("additionalProperties".to_owned(), json!({ "type": "string" }));
                }
                schema
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_and_every_reference_is_there() {
        let document = openapi();
        let mut ids = Vec::new();
        for endpoint in ENDPOINTS {
            let method = endpoint.method.as_str().to_lowercase();
            let operation = &document["paths"][endpoint.path][method];
            ids.push(operation["operationId"].as_str().unwrap());
        }
        assert!(
            ["createCard", "getCard", "listCards", "createTransaction"].iter().all(|id| ids.contains(id))
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ENDPOINTS.len());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn the_document_in_docs_is_this_one() {
        let kept: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        assert!(kept == openapi(), "docs/openapi.json is out of date: run cargo xtask openapi");
    }
}

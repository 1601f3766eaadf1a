//! Processors with secrets over HTTP: what is sent is never shown again.

use std::sync::Arc;

use panvault_model::{ProcessorId, Role};
use panvault_vault::{
    Configuration, ConfigurationFault, Connect, Connector, HttpConfiguration, Processor, Secrets,
};
use serde_json::json;

use crate::support::{Server, send};

const TYPE: &str = "card_described";

/// Beside the dummy a type with a setting and a secret, which answers as the dummy does.
pub(crate) struct Described;

impl Connect for Described {
    fn is_secret(&self, type_name: &str, setting: &str) -> Option<bool> {
        match (type_name, setting) {
            (TYPE, "merchant") => Some(false),
            (TYPE, "api_key") => Some(true),
            _ => Connector.is_secret(type_name, setting),
        }
    }

    fn secret_fault(&self, _: &str, _: &str, value: &[u8]) -> Option<String> {
        (!value.starts_with(b"sk_")).then(|| "must begin with sk_".to_owned())
    }

    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        secrets: &[&str],
    ) -> Result<Configuration, Vec<ConfigurationFault>> {
        if type_name != TYPE {
            return Connector.configuration(type_name, settings, secrets);
        }
        if secrets.is_empty() {
            return Err(vec![ConfigurationFault::of("api_key", "is required".to_owned())]);
        }
        let (type_name, settings) = (type_name.to_owned(), settings.to_vec());
        Ok(Configuration::Http(HttpConfiguration { type_name, settings }))
    }

    fn connect(
        &self,
        id: ProcessorId,
        configuration: &Configuration,
        secrets: Secrets,
    ) -> Arc<dyn Processor> {
        Connector.connect(id, configuration, secrets)
    }
}

const SECRET: &str = "sk_51HqLyjWDarjtT1zdp7dc";
const OTHER: &str = "sk_4eC39HqLyjWDarjtT1zdq";

#[test]
fn a_secret_is_sent_once_and_shown_to_nobody() {
    let server = Server::start();
    let key = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    let body =
        json!({ "name": "PSP", "configuration": { "_type": TYPE, "merchant": "shop-1", "api_key": SECRET } });
    let headers =
        [("X-APIKEY", key.as_str()), ("Content-Type", "application/json"), ("Idempotency-Key", "psp-1")];
    let url = format!("http://{}/v1/processor", server.address);
    let post = |body: &serde_json::Value| send(&url, "POST", &headers, Some(&body.to_string()));
    let made = post(&body);
    assert_eq!(made.status, 200, "{}", made.text);
    let shown = made.json();
    assert_eq!(shown["configuration"], json!({ "_type": TYPE, "merchant": "shop-1" }));
    assert_eq!(shown["secrets"], json!(["api_key"]));
    let again = post(&body);
    assert_eq!(again.json(), shown, "repeated, it is answered the same");
    let mut other = body.clone();
    other["configuration"]["api_key"] = json!(OTHER);
    assert_eq!(post(&other).status, 422, "the secret is a part of the request");
    let path = format!("/v1/processor/{}", shown["_id"].as_str().unwrap());
    let changed = server.post(&key, &path, &json!({ "configuration": { "api_key": OTHER } }));
    assert_eq!((changed.status, &changed.json()["secrets"]), (200, &json!(["api_key"])), "{}", changed.text);
    let read = server.get(&key, &path);
    let listed = server.get(&key, "/v1/processor");
    for answer in [&made, &again, &changed, &read, &listed] {
        assert!(!answer.text.contains(&SECRET[3..]) && !answer.text.contains(&OTHER[3..]), "{}", answer.text);
    }
}

#[test]
fn faults_of_a_configuration_name_the_setting_and_repeat_no_value() {
    let server = Server::start();
    let key = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    for (configuration, code, place) in [
        (json!({ "_type": TYPE }), 107, "body.configuration.api_key"),
        (json!({ "_type": TYPE, "api_key": "pk_51HqLyj" }), 107, "body.configuration.api_key"),
        (json!({ "_type": TYPE, "api_key": 51 }), 107, "body.configuration.api_key"),
        (
            json!({ "_type": TYPE, "api_key": SECRET, "colour": "pk_51HqLyj" }),
            127,
            "body.configuration.colour",
        ),
        (json!({ "_type": "card_dummy", "api_key": SECRET }), 127, "body.configuration.api_key"),
        (json!({ "_type": "card_nobody", "api_key": SECRET }), 107, "body.configuration._type"),
        (
            json!({ "_type": TYPE, "api_key": SECRET, "merchant": "4111111111111111" }),
            107,
            "body.configuration.merchant",
        ),
    ] {
        let body = json!({ "name": "PSP", "configuration": configuration });
        let answer = server.post(&key, "/v1/processor", &body);
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(code)), "{}", answer.text);
        assert!(answer.json()["details"][place].is_string(), "{}", answer.text);
        for value in ["51HqLyj", "4111111111111111"] {
            assert!(!answer.text.contains(value), "{}", answer.text);
        }
    }
    let twice = format!(
        "{{\"name\":\"PSP\",\"configuration\":{{\"_type\":\"{TYPE}\",\"api_key\":\"{SECRET}\",\"api_key\":\"{SECRET}\"}}}}"
    );
    let answer = server.post_text(&key, "/v1/processor", &twice);
    assert_eq!(answer.status, 400, "{}", answer.text);
}

/// Routes are shown as they were sent, and what is wrong with one is said at its member.
#[test]
fn routes_are_shown_as_they_are_sent() {
    let server = Server::start();
    let key = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    let make = |configuration: serde_json::Value| {
        server.post(&key, "/v1/processor", &json!({ "name": "P", "configuration": configuration }))
    };
    let id = |made: serde_json::Value| made["_id"].as_str().unwrap().to_owned();
    let [one, two] = [(); 2].map(|()| id(make(json!({ "_type": "card_dummy" })).json()));
    let routes = json!([
        {
            "processor": one, "brands": ["Visa", "UnionPay"], "currencies": ["EUR"], "amount_min": 0, "amount_max": 5000,
            "issuer_countries": ["NL", "BE"], "percentage": 30, "again_after": ["05", "insufficient_funds"],
        },
        { "processor": two },
    ]);
    let configuration = json!({ "_type": "card_route", "routes": routes });
    let made = make(configuration.clone());
    assert_eq!((made.status, &made.json()["configuration"]), (200, &configuration), "{}", made.text);
    let path = format!("/v1/processor/{}", id(made.json()));
    assert_eq!(server.get(&key, &path).json()["configuration"], configuration);
    let listed = server.get(&key, "/v1/processor").json();
    assert!(listed.as_array().unwrap().iter().any(|row| row["configuration"] == configuration), "{listed}");

    let refused = |routes: serde_json::Value, expected: &[&str], code: u16| {
        let answer = make(json!({ "_type": "card_route", "routes": routes }));
        let error = answer.json();
        let details = error["details"].as_object().unwrap();
        let places: Vec<_> = details.keys().map(String::as_str).collect();
        let expected: Vec<_> = expected.iter().map(|place| format!("body.configuration.{place}")).collect();
        assert_eq!(
            (&error["code"], places),
            (&json!(code), expected.iter().map(String::as_str).collect()),
            "{error}"
        );
    };
    refused(json!([]), &["routes"], 107);
    refused(json!([{}]), &["routes.0.processor"], 126);
    refused(json!([{ "processor": one, "colour": "red" }]), &["routes.0.colour"], 127);
    refused(json!([{ "processor": one }, { "processor": one }]), &["routes.1.processor"], 107);
    refused(json!([{ "processor": one, "percentage": 101 }]), &["routes.0.percentage"], 107);
    refused(json!([{ "processor": one, "brands": [] }]), &["routes.0.brands"], 107);
    refused(json!([{ "processor": one, "currencies": ["EUR", "eur"] }]), &["routes.0.currencies"], 107);
    refused(json!([{ "processor": one, "again_after": ["05,91"] }]), &["routes.0.again_after"], 107);
    refused(json!([{ "processor": "1".repeat(24) }]), &["routes"], 109);
    let many: Vec<_> = (0..17).map(|at| json!({ "processor": format!("{at:024x}") })).collect();
    refused(json!(many), &["routes"], 107);
    // Only as a list.
    let flat = make(json!({ "_type": "card_route", "routes.0.processor": one })).json();
    assert_eq!(
        flat["details"]["body.configuration.routes.0.processor"].as_str(),
        Some("is not expected here")
    );
    // A dummy has none, and what was made stands as it is.
    assert_eq!(make(json!({ "_type": "card_dummy", "routes": [{ "processor": one }] })).json()["code"], 127);
    let changed = server.post(&key, &path, &json!({ "configuration": { "routes": [] } }));
    assert_eq!((changed.status, &changed.json()["code"]), (400, &json!(107)), "{}", changed.text);
    assert_eq!(server.get(&key, &path).json()["configuration"], configuration);
}

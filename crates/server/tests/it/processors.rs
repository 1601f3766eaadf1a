//! Processors with secrets over HTTP: what is sent is never shown again.

use std::sync::Arc;

use panvault_model::Role;
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

    fn connect(&self, configuration: &Configuration, secrets: Secrets) -> Arc<dyn Processor> {
        Connector.connect(configuration, secrets)
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

//! Keys of organisations: which there are, and how one is replaced.

use panvault_model::Role;
use serde_json::json;

use crate::support::Server;

#[test]
fn the_keys_of_an_organisation_are_listed_and_replaced() {
    let server = Server::start();
    let admin = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    let path = format!("/v1/organisation/{}/key", server.child.organisation);
    let keys = server.get(&admin, &path).json();
    let said: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["purpose"].clone(), key["version"].clone(), key["state"].clone()))
        .collect();
    assert_eq!(
        said,
        [(json!("data"), json!(1), json!("active")), (json!("fingerprint"), json!(1), json!("active"))]
    );
    assert_eq!(keys[0]["overdue"], json!(false));
    assert!(keys[0]["active_until"].as_str() > keys[0]["active_from"].as_str());

    for (body, code) in [
        (json!({}), 112),
        (json!({ "purpose": "row_tag" }), 103),
        (json!({ "purpose": "data", "more": 1 }), 115),
    ] {
        let refused = server.post(&admin, &path, &body);
        assert!(refused.status == 400, "{code}: {}", refused.text);
    }
    let made = server.post(&admin, &path, &json!({ "purpose": "data" })).json();
    assert_eq!((&made["version"], &made["state"]), (&json!(2), &json!("pre_active")), "{made}");
    let refused = server.post(&admin, &path, &json!({ "purpose": "data" }));
    assert!(refused.fails(400, 110).text.contains("under way"));
    let made = server.post(&admin, &path, &json!({ "purpose": "fingerprint" })).json();
    assert_eq!((&made["version"], &made["state"]), (&json!(2), &json!("pre_active")), "{made}");
    assert_eq!(server.get(&admin, &path).json().as_array().unwrap().len(), 4);
    let vault = server.get(&admin, "/v1/key").json();
    let purposes: Vec<_> =
        vault.as_array().unwrap().iter().map(|key| key["purpose"].as_str().unwrap()).collect();
    assert!(
        purposes.len() == 10 && purposes.contains(&"wrapping") && purposes.contains(&"row_tag"),
        "{vault}"
    );
    server.get(&server.make_key(&server.child, &[Role::ProviderAdmin]), "/v1/key").fails(403, 113);
    assert!(server.get(&admin, "/v1/status").json()["keys_rotating"].is_u64());

    // Whoever types the id of another destroys nothing.
    let destroy = format!("{path}/destroy");
    let other = json!({ "organisation": server.stranger.organisation });
    assert_eq!(server.post(&admin, &destroy, &other).status, 400);
    let own = format!("/v1/organisation/{}/key/destroy", server.parent.organisation);
    server.post(&admin, &own, &json!({ "organisation": server.parent.organisation })).fails(400, 110);
    let again = json!({ "organisation": server.child.organisation });
    assert_eq!(server.post(&admin, &destroy, &again).status, 204);
    server.post(&admin, &destroy, &again).fails(400, 110);
    let keys = server.get(&admin, &path).json();
    assert!(keys.as_array().unwrap().iter().all(|key| key["state"] == "destroyed"), "{keys}");
    let enable = format!("/v1/organisation/{}", server.child.organisation);
    server.post(&admin, &enable, &json!({ "disabled": false })).fails(400, 110);
}

//! Cards that a shopper's browser creates without a key, as old programs for the gateway do.

use panvault_model::Role;
use panvault_server::{RequestLimits, ServerSettings};
use panvault_vault::GuardSettings;
use serde_json::{Value, json};

use crate::support::{HttpAnswer, SHOP, Server, Tenant, card_body};

const OTHER: &str = "https://other.example";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Lets pages of an organisation create cards.
fn switch_on(server: &Server, tenant: &Tenant, origins: &[&str]) {
    let admin = server.make_key(tenant, &[Role::ProviderAdmin]);
    let path = format!("/v1/organisation/{}", tenant.organisation);
    let answer = server.post(&admin, &path, &json!({ "keyless_capture_origins": origins }));
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn started() -> Server {
    let server = Server::start();
    switch_on(&server, &server.parent, &[SHOP]);
    server
}

fn ask(server: &Server, origin: &str, kind: &str, body: &str) -> HttpAnswer {
    server.send("POST", "/v1/card", &[("Origin", origin), ("Content-Type", kind)], Some(body))
}

fn form(tenant: &Tenant) -> String {
    format!(
        "card_number=4111111111111111&expiry_month=12&expiry_year=29&cvv=111&organisation={}",
        tenant.organisation
    )
}

#[test]
fn the_forms_of_known_plug_ins_pass() {
    let server = started();
    let organisation = &server.parent.organisation;
    let json = |rest: Value| {
        let mut body = card_body(&server.parent);
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body.to_string()
    };
    for (client, path, kind, body) in [
        (
            "a plug-in for WooCommerce",
            "/v1/card",
            "application/x-www-form-urlencoded; charset=UTF-8",
            format!(
                "card_number=4111+1111+1111+1111&expiry_month=05&expiry_year=29&cvv=123&organisation={organisation}&account=65f1c0de8a4b3c2d1e0f9a8b"
            ),
        ),
        (
            "a module for Magento 1, without any header that needs a preflight",
            "/v1/card/",
            FORM,
            format!(
                "card_number=4111111111111111&cvv=123&expiry_month=5&expiry_year=2029&organisation={organisation}&account="
            ),
        ),
        (
            "a module for Magento 2, with the shop's own number of a customer as account",
            "/v1/card",
            "application/x-www-form-urlencoded; charset=UTF-8",
            format!(
                "organisation={organisation}&account=1001&card_number=4111-1111-1111-1111&expiry_month=05&expiry_year=29&cvv=123"
            ),
        ),
        (
            "a module for PrestaShop, by its own form",
            "/v1/card/",
            FORM,
            format!(
                "card_number=4111%201111%201111%201111&expiry_month=05&expiry_year=29&cvv=123&organisation={organisation}"
            ),
        ),
        (
            "a module for PrestaShop, of its later version, as JSON",
            "/v1/card/",
            "application/json; charset=utf-8",
            json(json!({ "cvv": "123", "account": "65f1c0de8a4b3c2d1e0f9a8b" })),
        ),
    ] {
        let headers = [("Origin", SHOP), ("Content-Type", kind)];
        let answer = server.send("POST", path, &headers, Some(&body));
        assert_eq!(answer.status, 200, "{client}: {}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP), "{client}");
        let mut seen: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        seen.sort();
        assert_eq!(seen, ["_id", "brand", "expiry_month", "expiry_year", "last_four"], "{client}");
        let card = server.get(&server.parent.key, &format!("/v1/card/{}", answer.id())).json();
        assert_eq!(
            (&card["organisation"], &card["cvv_present"]),
            (&json!(organisation), &json!(true)),
            "{client}"
        );
    }
    let headers = [
        ("Origin", SHOP),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let before = server.send("OPTIONS", "/v1/card/", &headers, None);
    assert_eq!((before.status, before.header("access-control-allow-origin")), (204, Some(SHOP)));
}

#[test]
fn it_is_off_until_it_is_switched_on_and_again_when_it_is_switched_off() {
    let server = Server::start();
    let tenant = &server.parent;
    let off = |answer: HttpAnswer| {
        answer.fails(401, 116);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    };
    off(ask(&server, SHOP, FORM, &form(tenant)));
    off(ask(&server, SHOP, JSON, &card_body(tenant).to_string()));
    switch_on(&server, tenant, &[SHOP]);
    assert_eq!(ask(&server, SHOP, FORM, &form(tenant)).status, 200);
    // Of this organisation alone: neither one below it, nor another, nor none.
    for body in [form(&server.child), form(&server.stranger)] {
        let answer = ask(&server, SHOP, FORM, &body);
        answer.fails(401, 116);
    }
    let nobody = form(tenant).replace(&tenant.organisation, "65f1c0de8a4b3c2d1e0f9a8b");
    ask(&server, SHOP, FORM, &nobody).fails(401, 116);
    let admin = server.make_key(tenant, &[Role::ProviderAdmin]);
    let path = format!("/v1/organisation/{}", tenant.organisation);
    let shown = server.get(&admin, &path).json();
    assert_eq!(shown["keyless_capture_origins"], json!([SHOP]));
    for none in [json!(null), json!([])] {
        switch_on(&server, tenant, &[SHOP]);
        assert_eq!(ask(&server, SHOP, FORM, &form(tenant)).status, 200);
        let answer = server.post(&admin, &path, &json!({ "keyless_capture_origins": none }));
        assert_eq!(answer.json().get("keyless_capture_origins"), None);
        off(ask(&server, SHOP, FORM, &form(tenant)));
    }
    // A disabled organisation takes none.
    switch_on(&server, &server.child, &[SHOP]);
    assert_eq!(ask(&server, SHOP, FORM, &form(&server.child)).status, 200);
    let path = format!("/v1/organisation/{}", server.child.organisation);
    assert_eq!(server.post(&admin, &path, &json!({ "disabled": true })).status, 200);
    ask(&server, SHOP, FORM, &form(&server.child)).fails(401, 116);
}

#[test]
fn only_an_administrator_of_a_provider_switches_it_on_and_only_for_web_origins() {
    let server = Server::start();
    let path = format!("/v1/organisation/{}", server.parent.organisation);
    let on = json!({ "keyless_capture_origins": [SHOP] });
    for role in Role::ALL.iter().filter(|role| **role != Role::ProviderAdmin) {
        let key = server.make_key(&server.parent, &[*role]);
        server.post(&key, &path, &on).fails(403, 113);
    }
    let admin = server.make_key(&server.parent, &[Role::ProviderAdmin]);
    for wrong in
        ["*", "null", "https://shop.example/", "shop.example", "https://*.example", "ftp://shop.example"]
    {
        let answer = server.post(&admin, &path, &json!({ "keyless_capture_origins": [SHOP, wrong] }));
        assert_eq!(answer.fails(400, 107).faults(), ["body.keyless_capture_origins"], "{wrong}");
        assert!(!answer.text.contains(wrong) || wrong == "*" || wrong == "null", "{wrong}");
    }
    let many: Vec<String> = (0..21).map(|n| format!("https://shop{n}.example")).collect();
    server.post(&admin, &path, &json!({ "keyless_capture_origins": many })).fails(400, 107);
    ask(&server, SHOP, FORM, &form(&server.parent)).fails(401, 116);
}

#[test]
fn other_pages_and_whoever_is_no_page_create_nothing() {
    let server = started();
    switch_on(&server, &server.stranger, &[OTHER]);
    let tenant = &server.parent;
    for origin in
        ["null", "", "http://shop.example", "https://shop.example.evil.example", "https://SHOP.example"]
    {
        let answer = ask(&server, origin, FORM, &form(tenant));
        answer.fails(401, 116);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    server.send("POST", "/v1/card", &[("Content-Type", FORM)], Some(&form(tenant))).fails(401, 116);
    let twice = [("Origin", SHOP), ("Origin", OTHER), ("Content-Type", FORM)];
    server.send("POST", "/v1/card", &twice, Some(&form(tenant))).fails(401, 116);
    // A page of another organisation, which learns why.
    let answer = ask(&server, OTHER, FORM, &form(tenant));
    assert_eq!(answer.fails(403, 111).faults(), ["headers.origin"]);
    // The frame of a hosted field is a page of the vault.
    let own = format!("http://{}", server.address);
    let answer = ask(&server, &own, JSON, &card_body(tenant).to_string());
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    let across = [("Origin", own.as_str()), ("Content-Type", FORM), ("Sec-Fetch-Site", "cross-site")];
    server.send("POST", "/v1/card", &across, Some(&form(tenant))).fails(401, 116);
    assert_eq!(server.get(&tenant.key, "/v1/card/count").json()["count"], json!(1));
}

#[test]
fn nothing_else_is_done_without_a_key_and_no_form_with_one() {
    let server = started();
    let tenant = &server.parent;
    let card = ask(&server, SHOP, FORM, &form(tenant)).id();
    let put = json!({ "cvv": "222", "organisation": tenant.organisation }).to_string();
    let of_page = [("Origin", SHOP), ("Content-Type", JSON)];
    for (method, path, body) in [
        ("POST", format!("/v1/card/{card}"), Some(put.as_str())),
        ("GET", format!("/v1/card/{card}"), None),
        ("GET", format!("/v1/card?organisation={}", tenant.organisation), None),
        ("DELETE", format!("/v1/card/{card}"), None),
        ("POST", "/v1/transaction".to_owned(), Some(put.as_str())),
        ("GET", "/v1/bin/411111".to_owned(), None),
    ] {
        server.send(method, &path, &of_page, body).fails(401, 116);
    }
    for key in [&tenant.publishable_key, &tenant.key] {
        let headers = [("X-APIKEY", key.as_str()), ("Origin", SHOP), ("Content-Type", FORM)];
        server.send("POST", "/v1/card", &headers, Some(&form(tenant))).fails(415, 145);
    }
    // A key that is wrong is not as if there were none.
    for header in [("X-APIKEY", "pv_test_x"), ("Authorization", "Bearer x"), ("Authorization", "Digest x")] {
        let headers = [header, ("Origin", SHOP), ("Content-Type", FORM)];
        server.send("POST", "/v1/card", &headers, Some(&form(tenant))).fails(401, 116);
    }
}

#[test]
fn what_is_wrong_with_a_form_is_said_and_nothing_of_it_repeated() {
    let server = started();
    let tenant = &server.parent;
    let good = form(tenant);
    for (body, code, faults) in [
        (
            String::new(),
            126,
            &["body.card_number", "body.expiry_month", "body.expiry_year", "body.organisation"][..],
        ),
        (good.replace("organisation=", "organization="), 126, &["body.organisation", "body.organization"]),
        (good.replace(&tenant.organisation, "4111111111111111"), 107, &["body.organisation"]),
        (format!("{good}&cvv=222"), 107, &["body.cvv"]),
        (format!("{good}&organisation={}", server.stranger.organisation), 107, &["body.organisation"]),
        (format!("{good}&metadata=x"), 107, &["body.metadata"]),
        (format!("{good}&4111111111111111=1"), 127, &["body.?"]),
        (good.replace("4111111111111111", "4111111111111112"), 107, &["body.card_number"]),
        (format!("{good}&card_holder_name=%ff"), 107, &["body"]),
    ] {
        let answer = ask(&server, SHOP, FORM, &body);
        let mut found = answer.fails(400, code).faults();
        found.sort();
        assert_eq!(found, faults, "{body}");
        assert!(!answer.text.contains("4111"), "{}", answer.text);
        // So that the page can say it.
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP), "{body}");
    }
    ask(&server, SHOP, FORM, &format!("{good}&card_holder_name={}", "a".repeat(2048))).fails(413, 147);
    let kind = ask(&server, SHOP, "text/plain", &good);
    assert_eq!(kind.fails(415, 145).faults(), ["headers.content-type"]);
    ask(&server, SHOP, "multipart/form-data; boundary=x", &good).fails(415, 145);
    ask(&server, SHOP, JSON, &good).fails(400, 110);
    assert_eq!(server.get(&tenant.key, "/v1/card/count").json()["count"], json!(0));
}

#[test]
fn it_is_limited_and_watched_like_a_publishable_key() {
    let of = |set: fn(&mut RequestLimits)| {
        let mut requests = RequestLimits::default();
        set(&mut requests);
        Server::start_with(ServerSettings { requests, ..ServerSettings::default() }, None)
    };
    for (name, server) in [
        ("address_requests_per_minute", of(|limits| limits.address_requests_per_minute = 2)),
        ("browser_requests_per_minute", of(|limits| limits.browser_requests_per_minute = 2)),
        // Switching it on is one of them.
        ("organisation_requests_per_minute", of(|limits| limits.organisation_requests_per_minute = 3)),
    ] {
        switch_on(&server, &server.parent, &[SHOP]);
        let statuses = [0; 3].map(|_| ask(&server, SHOP, FORM, &form(&server.parent)).status);
        assert_eq!(statuses, [200, 200, 429], "{name}");
        let answer = ask(&server, SHOP, FORM, &form(&server.parent));
        assert_eq!(answer.json()["details"], json!({ "limit": name }));
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    }
    let guards = GuardSettings { card_guesses_per_day: 1, ..GuardSettings::OFF };
    let server = Server::start_guarded(ServerSettings::default(), guards);
    switch_on(&server, &server.parent, &[SHOP]);
    let statuses = [0; 5].map(|_| ask(&server, SHOP, FORM, &form(&server.parent)).status);
    assert_eq!(statuses, [200, 200, 200, 200, 429], "four cards with the same clear digits for each guess");
    // In the trail it is the organisation that did it, for there is no key.
    let trail = server.get(&server.parent.key, "/v1/audit?action=card_create").json();
    assert_eq!(trail.as_array().unwrap().len(), 4);
    assert_eq!(trail[0]["actor"], json!(server.parent.organisation));
    assert_eq!(trail[0]["organisation"], json!(server.parent.organisation));
}

#[test]
fn an_idempotency_key_is_one_that_nobody_guesses_and_apart_from_those_of_keys() {
    let server = started();
    let tenant = &server.parent;
    let body = card_body(tenant).to_string();
    let ask = |key: &str| {
        let headers = [("Origin", SHOP), ("Content-Type", JSON), ("Idempotency-Key", key)];
        server.send("POST", "/v1/card", &headers, Some(&body))
    };
    ask("order-77").fails(400, 107);
    let random = "0b9d1c7e-5f0a-4c53-9a57-3d5f1c2a7e90";
    let (first, again) = (ask(random), ask(random));
    assert_eq!((first.id(), again.header("idempotency-replayed")), (again.id(), Some("true")));
    for key in [&tenant.key, &tenant.publishable_key] {
        let headers = [("X-APIKEY", key.as_str()), ("Content-Type", JSON), ("Idempotency-Key", random)];
        let other = server.send("POST", "/v1/card", &headers, Some(&body));
        assert_eq!(other.status, 200);
        assert_ne!(other.id(), first.id());
    }
}

#[test]
fn a_frame_of_an_organisation_is_shown_by_its_pages_alone() {
    let server = started();
    let of = |tenant: &Tenant| format!("/fields/0.1.0/frame.html?organisation={}", tenant.organisation);
    let answer = server.send("GET", &of(&server.parent), &[], None);
    assert_eq!(answer.status, 200);
    assert!(
        answer.header("content-security-policy").unwrap().ends_with("; frame-ancestors https://shop.example")
    );
    assert!(answer.text.contains("<meta name=panvault-origins content=\"https://shop.example\">"));
    assert_eq!(server.send("GET", &of(&server.child), &[], None).status, 403);
    let both = format!("{}&key={}", of(&server.parent), server.parent.publishable_key);
    assert_eq!(server.send("GET", &both, &[], None).status, 403);
    let check = |tenant: &Tenant, origin: &str| {
        let path = format!("/fields/check?organisation={}", tenant.organisation);
        server.send("GET", &path, &[("Origin", origin)], None).json()["result"].clone()
    };
    assert_eq!(check(&server.parent, SHOP), json!("ready"));
    assert_eq!(check(&server.parent, OTHER), json!("origin"));
    assert_eq!(check(&server.child, SHOP), json!("key"));
}

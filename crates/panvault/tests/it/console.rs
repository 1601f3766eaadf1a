//! The console's listener: what it serves, to whom, and that a key does there what it does at the API and no more.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use panvault_testkit::http_send;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{Dev, HttpAnswer, run_json, run_refused, until};

const SHOP: &str = "https://shop.example";

/// The origin of a development vault's console.
fn origin(dev: &Dev) -> String {
    let url = dev.ready["console_url"].as_str().unwrap();
    url.strip_suffix("/console").unwrap().to_owned()
}

fn get(url: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    http_send(url, "GET", headers, None).unwrap()
}

#[test]
fn a_vault_has_no_console_unless_it_is_told_where() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--mode", "live", "--json"]);
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let args = [&args[..], &["--set", "allow_swap=true"]].concat();
    let (served, ready) = Served::start(directory.path(), &args);
    assert_eq!(ready.get("console_url"), None);
    let url = ready["url"].as_str().unwrap();
    for of_console in ["/console", "/console/app.js", "/fields/0.1.0/frame.html"] {
        assert_ne!(get(&format!("{url}{of_console}"), &[]).status, 200, "{of_console}");
    }
    drop(served);
    let (_served, ready) =
        Served::start(directory.path(), &[&args[..], &["--console-listen", "127.0.0.1:0"]].concat());
    assert_eq!(get(ready["console_url"].as_str().unwrap(), &[]).status, 200);
}

#[test]
fn elsewhere_than_on_this_machine_it_does_not_start_for_who_is_nobody_in_particular() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let serve = |set: &[&str]| {
        let mut args =
            vec!["serve", "--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
        args.extend(["--console-listen", "0.0.0.0:0"]);
        args.extend(set.iter().flat_map(|pair| ["--set", *pair]));
        run_refused(&args)
    };
    assert!(serve(&[]).contains("set console_client_ca_file, or console_proxy_header and console_proxies"));
    let proxy = ["console_proxies=127.0.0.1", "console_proxy_header=x-person"];
    assert!(serve(&proxy).contains("set tls_certificate_file and tls_key_file, or behind_proxy = true"));
    // Whose certificates it asks for is read before anything is served.
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write_private(&directory.path().join("cert.pem"), &made.cert.pem());
    write_private(&directory.path().join("key.pem"), &made.signing_key.serialize_pem());
    let in_it = |name: &str, file: &str| format!("{name}={}", path(&directory.path().join(file)));
    let set = [
        in_it("tls_certificate_file", "cert.pem"),
        in_it("tls_key_file", "key.pem"),
        in_it("console_client_ca_file", "nothing.pem"),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let said = serve(&set);
    assert!(said.contains("nothing.pem is missing"), "{said}");
    let mut doctor = vec!["doctor", "--json", "--data", path(&data), "--set", "console_listen=0.0.0.0:0"];
    doctor.extend(set.iter().flat_map(|pair| ["--set", *pair]));
    let said = crate::support::run(&doctor).out;
    assert!(said.contains("nothing.pem is missing"), "{said}");
}

#[test]
fn serves_its_page_and_the_api_on_one_origin_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let own = origin(&dev);
    assert_ne!(own, dev.url);
    for page in ["/", "/console", "/console/"] {
        let answer = get(&format!("{own}{page}"), &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    for (file, kind) in [
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let answer = get(&format!("{own}/console/{file}"), &[("Sec-Fetch-Site", "same-origin")]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{file}");
    }
    for other in [
        "/metrics",
        "/try",
        "/try.json",
        "/docs",
        "/openapi.json",
        "/livez",
        "/cdn/jsclient.js",
        "/console/x",
    ] {
        get(&format!("{own}{other}"), &[]).fails(404, 109);
    }
    http_send(&format!("{own}/v1/notification/{}", dev.organisation), "POST", &[], Some("{}"))
        .unwrap()
        .fails(404, 109);
    let card = dev.make_card("4111111111111111", Some("111"));
    let key = format!("Bearer {}", dev.key);
    let read = get(&format!("{own}/v1/card/{card}"), &[("Authorization", &key)]);
    assert_eq!((read.status, read.id()), (200, card));
    get(&format!("{own}/v1/card"), &[]).fails(401, 116);
    // All alike, whoever answers.
    for answer in [
        get(&own, &[]),
        read,
        get(&format!("{own}/v1/card"), &[]),
        get(&format!("{own}/nothing"), &[]),
        get(&format!("{own}/js/0.1.0/panvault.js"), &[]),
        get(&format!("{own}/fields/0.1.0/frame.js"), &[]),
        get(&format!("{own}/v1/card"), &[("Origin", SHOP)]),
    ] {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("content-security-policy").is_some());
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")));
    }
}

/// The page's hosted fields use the key of whoever sits before it, which stands in no address.
#[test]
fn shows_frames_to_its_own_pages_alone() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let own = origin(&dev);
    let frame = get(&format!("{own}/fields/0.1.0/frame.html"), &[]);
    assert_eq!(frame.status, 200);
    assert!(frame.text.contains("<meta name=panvault-origins content=\"self\">"), "{}", frame.text);
    let policy = frame.header("content-security-policy").unwrap();
    assert!(policy.ends_with("; frame-ancestors 'self'"), "{policy}");
    get(&format!("{own}/fields/9.9.9/frame.html"), &[]).fails(404, 109);
    // At the API a frame is one of a publishable key's pages, as ever.
    assert_eq!(get(&format!("{}/fields/0.1.0/frame.html", dev.url), &[]).status, 403);
    let of_frame = [
        ("X-APIKEY", dev.key.as_str()),
        ("Origin", own.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/json"),
    ];
    let card = dev.card_body("4111111111111111").to_string();
    let made = http_send(&format!("{own}/v1/card"), "POST", &of_frame, Some(&card)).unwrap();
    assert_eq!(made.status, 200, "{}", made.text);
}

#[test]
fn pages_of_elsewhere_ask_nothing_here() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let own = origin(&dev);
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let key = [("X-APIKEY", dev.key.as_str())];
        get(&format!("{own}{path}"), &[headers, &key].concat())
    };
    for headers in [
        &[("Origin", SHOP)][..],
        &[("Origin", "null")],
        &[("Origin", dev.url.as_str())],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", own.as_str())],
    ] {
        for path in ["/v1/card", "/v1/status", "/fields/0.1.0/frame.html", "/js/0.1.0/panvault.js"] {
            ask(path, headers).fails(403, 111);
        }
    }
    // Neither does a page of a shop whose origin the publishable key allows, with that key or with none.
    let changed = dev.post(
        &format!("/v1/organisation/{}", dev.organisation),
        &json!({ "keyless_capture_origins": [SHOP, own] }),
    );
    assert_eq!(changed.status, 200, "{}", changed.text);
    let card = dev.card_body("4111111111111111").to_string();
    let json = ("Content-Type", "application/json");
    let post = |url: &str, headers: &[(&str, &str)]| {
        http_send(&format!("{url}/v1/card"), "POST", headers, Some(&card)).unwrap()
    };
    let preflight = [("Origin", SHOP), ("Access-Control-Request-Method", "POST")];
    let preflight = http_send(&format!("{own}/v1/card"), "OPTIONS", &preflight, None).unwrap();
    preflight.fails(403, 111);
    let browser = ("X-APIKEY", dev.ready["publishable_key"].as_str().unwrap());
    post(&own, &[("Origin", SHOP), browser, json]).fails(403, 111);
    post(&own, &[("Origin", SHOP), json]).fails(403, 111);
    assert_eq!(post(&dev.url, &[("Origin", SHOP), json]).status, 200);
    post(&own, &[("Origin", &own), ("Sec-Fetch-Site", "same-origin"), json]).fails(401, 116);
    // A link to the page may stand anywhere; a name that somebody lets point here is nobody's.
    let linked = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")];
    assert_eq!(get(&format!("{own}/console"), &linked).status, 200);
    for host in ["rebound.example", "rebound.example:8422", "localhost.example", ""] {
        for path in ["/console", "/v1/card"] {
            ask(path, &[("Host", host)]).fails(403, 111);
        }
    }
    assert_eq!(ask("/v1/card", &[("Host", "localhost:1")]).status, 200);
}

/// Certificates of an authority of people, and one of an authority that nobody trusts.
fn certify(directory: &Path) {
    let server = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write_private(&directory.join("cert.pem"), &server.cert.pem());
    write_private(&directory.join("key.pem"), &server.signing_key.serialize_pem());
    for authority in ["people", "strangers"] {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, authority);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        write_private(&directory.join(format!("{authority}.pem")), &issuer.pem());
        for person in ["Ann Other", "\u{7}"] {
            let mut params = CertificateParams::default();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, person);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            let name = format!("{authority}-{}.pem", person.trim().len());
            write_private(&directory.join(name), &format!("{}{}", certificate.pem(), key.serialize_pem()));
        }
    }
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The status that curl gets, with somebody's certificate or none; 0 where it gets no answer.
fn curl(directory: &Path, url: &str, certificate: Option<&str>, more: &[&str]) -> u16 {
    let mut command = Command::new("curl");
    command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"]).arg(directory.join("cert.pem"));
    if let Some(certificate) = certificate {
        command.arg("--cert").arg(directory.join(certificate));
    }
    let output = command.args(more).arg(url).output().unwrap();
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[test]
fn who_has_no_certificate_of_the_authority_gets_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, key) = vault(directory.path());
    certify(directory.path());
    let in_it = |name: &str, file: &str| format!("{name}={}", path(&directory.path().join(file)));
    let set = [
        in_it("tls_certificate_file", "cert.pem"),
        in_it("tls_key_file", "key.pem"),
        in_it("console_client_ca_file", "people.pem"),
    ];
    let mut args = vec!["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    args.extend(["--console-listen", "0.0.0.0:0"]);
    args.extend(set.iter().flat_map(|pair| ["--set", pair.as_str()]));
    let (mut served, ready) = Served::start(directory.path(), &args);
    let console = ready["console_url"].as_str().unwrap().to_owned();
    assert!(console.starts_with("https://localhost:"), "{console}");
    let own = console.strip_suffix("/console").unwrap();
    let key = format!("X-APIKEY: {key}");
    let ask = |certificate: Option<&str>, path: &str| {
        curl(directory.path(), &format!("{own}{path}"), certificate, &["-H", &key])
    };
    for stranger in [None, Some("strangers-9.pem")] {
        assert_eq!(ask(stranger, "/console"), 0, "{stranger:?}");
        assert_eq!(ask(stranger, "/v1/card"), 0, "{stranger:?}");
    }
    let ann = Some("people-9.pem");
    assert_eq!((ask(ann, "/console"), ask(ann, "/v1/card")), (200, 200));
    // One that names nobody is nobody's.
    assert_eq!(ask(Some("people-1.pem"), "/v1/card"), 401);
    // The certificate is beside the key, not in its place.
    assert_eq!(curl(directory.path(), &format!("{own}/v1/card"), ann, &[]), 401);
    let api = ready["url"].as_str().unwrap().replace("127.0.0.1", "localhost");
    assert_eq!(curl(directory.path(), &format!("{api}/v1/card"), None, &["-H", &key]), 200);
    let made = curl(
        directory.path(),
        &format!("{own}/v1/customer"),
        ann,
        &["-H", &key, "-H", "Content-Type: application/json", "-d", "{\"first_name\": \"Bob\"}"],
    );
    assert_eq!(made, 200);
    let said = served.event("console.answered");
    assert_eq!((&said["person"], &said["status"]), (&json!("Ann Other"), &json!(401)));
    assert_eq!(said["request.id"].as_str().map(str::len), Some(24));
    // Whose certificates are taken is read again with the others, and asked of who is connected too: the same connection would bear the second request, seconds later.
    let url = format!("{own}/v1/card");
    let mut kept = Command::new("curl");
    kept.args([
        "-s",
        "--rate",
        "10/m",
        "-o",
        "/dev/null",
        "-o",
        "/dev/null",
        "-w",
        "%{stderr}%{http_code}\n",
        "-H",
        &key,
        &url,
        &url,
    ]);
    kept.arg("--cacert")
        .arg(directory.path().join("cert.pem"))
        .arg("--cert")
        .arg(directory.path().join("people-9.pem"));
    let mut kept = kept.stderr(Stdio::piped()).spawn().unwrap();
    let mut statuses = BufReader::new(kept.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(statuses.next().as_deref(), Some("200"));
    fs::rename(directory.path().join("strangers.pem"), directory.path().join("people.pem")).unwrap();
    served.signal("-HUP");
    served.event("tls.reloaded");
    until("the other authority is trusted", || ask(Some("strangers-9.pem"), "/console") == 200);
    assert_eq!(ask(ann, "/console"), 0);
    assert_eq!(statuses.next().as_deref(), Some("000"));
    kept.wait().unwrap();
}

#[test]
fn a_person_is_whom_the_proxy_names_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    let start = |proxies: &str| {
        let proxies = format!("console_proxies={proxies}");
        let mut args = vec!["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
        args.extend(["--console-listen", "0.0.0.0:0", "--set", "behind_proxy=true", "--set", &proxies]);
        args.extend(["--set", "console_proxy_header=x-person"]);
        Served::start(directory.path(), &args)
    };
    let origin =
        |ready: &Value| ready["console_url"].as_str().unwrap().strip_suffix("/console").unwrap().to_owned();
    let key = ("X-APIKEY", key.as_str());
    let (served, ready) = start("192.0.2.1");
    for path in ["/console", "/v1/card"] {
        let answer = get(&format!("{}{path}", origin(&ready)), &[key, ("X-Person", "ann")]);
        answer.fails(401, 116);
        assert_eq!(answer.faults(), ["headers.x-person"]);
    }
    drop(served);
    let (mut served, ready) = start("127.0.0.1");
    let own = origin(&ready);
    for headers in [&[key][..], &[key, ("X-Person", "")], &[key, ("X-Person", "ann"), ("X-Person", "bob")]] {
        for path in ["/console", "/v1/card", "/fields/0.1.0/frame.html", "/console/app.js"] {
            get(&format!("{own}{path}"), headers).fails(401, 116);
        }
    }
    let (ann, json) = (("X-Person", "ann@shop.example"), ("Content-Type", "application/json"));
    assert_eq!(get(&format!("{own}/console"), &[ann]).status, 200);
    assert_eq!(get(&format!("{own}/v1/card"), &[ann, key]).status, 200);
    get(&format!("{own}/v1/card"), &[ann]).fails(401, 116);
    let body = json!({ "first_name": "Bob", "organisation": organisation }).to_string();
    let headers = [ann, key, json];
    let made = http_send(&format!("{own}/v1/customer"), "POST", &headers, Some(&body)).unwrap();
    assert_eq!(made.status, 200, "{}", made.text);
    let lines = || fs::read_to_string(directory.path().join("log.json")).unwrap();
    let of = |answer: &HttpAnswer| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        lines()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .find(|line: &Value| line["request.id"] == *id)
    };
    until("it is logged", || of(&made).is_some());
    let line = of(&made).unwrap();
    assert_eq!(
        (&line["message"], &line["operation"], &line["person"], &line["status"]),
        (&json!("console.answered"), &json!("customer_create"), &json!("ann@shop.example"), &json!(200))
    );
    // At the API the header is anybody's word, and no more than that.
    let api = ready["url"].as_str().unwrap();
    let made = http_send(&format!("{api}/v1/customer"), "POST", &headers, Some(&body)).unwrap();
    assert_eq!(made.status, 200);
    get(&format!("{api}/v1/card"), &[ann]).fails(401, 116);
    served.signal("-TERM");
    served.event("server.stopped");
    assert_eq!(of(&made), None);
    assert!(!lines().contains("Bob"));
}

#[test]
fn the_limits_of_a_key_are_those_of_the_api() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, key) = vault(directory.path());
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let more = ["--console-listen", "127.0.0.1:0", "--set", "requests_per_minute=4"];
    let (_served, ready) = Served::start(directory.path(), &[&args[..], &more].concat());
    let api = ready["url"].as_str().unwrap();
    let own = ready["console_url"].as_str().unwrap().strip_suffix("/console").unwrap();
    let ask = |url: &str| get(&format!("{url}/v1/card"), &[("X-APIKEY", key.as_str())]);
    for url in [own, api, own, api] {
        assert_eq!(ask(url).status, 200);
    }
    ask(own).fails(429, 140);
    ask(api).fails(429, 140);
}

#[test]
fn the_status_moves_with_what_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let own = origin(&dev);
    let status = || get(&format!("{own}/v1/status"), &[("X-APIKEY", &dev.key)]).json();
    let number =
        |status: &Value, name: &str| status[name].as_u64().unwrap_or_else(|| panic!("{name}: {status}"));
    let before = status();
    assert_eq!(before["console_url"], dev.ready["console_url"]);
    assert_eq!((&before["refusals"], &before["faults"]), (&json!({}), &json!([])));
    assert!(before.get("latency_p50_microseconds").is_none(), "{before}");
    let card = dev.make_card("4111111111111111", Some("111"));
    dev.make_card("4000000000000002", Some("222"));
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 1099));
    assert_eq!(paid.status, 200, "{}", paid.text);
    get(&format!("{}/v1/card", dev.url), &[]).fails(401, 116);
    dev.get("/v1/card/0123456789abcdef01234567").fails(404, 109);
    dev.get("/v1/card/0123456789abcdef01234567").fails(404, 109);
    let after = status();
    assert_eq!(number(&after, "requests") - number(&before, "requests"), 7);
    assert!(number(&after, "requests_per_second") >= 1);
    let (half, most) =
        (number(&after, "latency_p50_microseconds"), number(&after, "latency_p99_microseconds"));
    assert!(half > 0 && half <= most && most < 60_000_000, "{half} {most}");
    assert_eq!(after["refusals"], json!({ "109": 2, "116": 1 }));
    assert_eq!((number(&after, "cvvs_used"), number(&after, "cvvs_put_back")), (1, 0));
    assert!(number(&after, "cvvs_held_max") > 0);
    assert_eq!((number(&after, "cvvs_held"), number(&after, "cvvs_expired")), (1, 0));
    dev.signal("-USR1");
    until("what was logged is told", || status()["faults"] != json!([]));
    let after = status();
    let fault = &after["faults"][0];
    assert_eq!((&fault["level"], &fault["event"]), (&json!("warn"), &json!("signal.ignored")));
    assert!(
        fault["advice"].is_string() && fault["at"].is_string() && fault.get("request").is_none(),
        "{fault}"
    );
    for number in ["411111", "400000", "1111", "0002"] {
        assert!(!after["faults"].to_string().contains(number), "{after}");
    }
}

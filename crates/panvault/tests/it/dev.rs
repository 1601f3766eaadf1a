use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Dev, assert_healthy, panvault, run, run_refused, until};

#[test]
fn says_in_one_line_of_json_that_it_is_ready() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let mut names: Vec<_> = dev.ready.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "account",
            "api_key",
            "console_url",
            "data",
            "metrics_url",
            "organisation",
            "processor",
            "publishable_key",
            "url"
        ]
    );
    assert_eq!(dev.ready["data"], json!(dev.data));
    let card = dev.make_card("4111111111111111", Some("111"));
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 1099));
    assert_eq!((paid.status, paid.json()["cvv_result"].clone()), (200, json!("1")));
    dev.signal("-TERM");
    let (status, rest) = dev.ended();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "one line and no more");
}

#[test]
fn serves_the_same_vault_again_without_its_cvvs() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let (ready, card) = (dev.ready.clone(), dev.make_card("4111111111111111", Some("111")));
    let before = dev.get(&format!("/v1/card/{card}")).json();
    assert_eq!(before["cvv_present"], json!(true));
    dev.stop();
    let dev = Dev::start(directory.path(), &[]);
    for name in ["organisation", "account", "processor", "api_key", "publishable_key", "data"] {
        assert_eq!(dev.ready[name], ready[name], "{name}");
    }
    let mut expected = before;
    expected["cvv_present"] = json!(false);
    expected.as_object_mut().unwrap().remove("cvv_expires_at");
    assert_eq!(
        dev.get(&format!("/v1/card/{card}")).json(),
        expected,
        "a restart forgets CVVs and nothing else"
    );
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 1099)).json();
    assert_eq!((&paid["cvv_present"], &paid["cvv_result"]), (&json!(false), &json!("0")));
    dev.stop();
    assert_healthy(&directory.path().join("vault"));
}

#[test]
fn what_a_killed_one_left_in_the_temporary_directory_goes_with_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = panvault();
        let args = ["dev", "--json", "--listen", "127.0.0.1:0"];
        let mut child =
            command.args(args).env("TMPDIR", directory.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        (child, PathBuf::from(ready["data"].as_str().unwrap()))
    };
    let (mut killed, left) = start();
    let (mut first, lives) = start();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(left.join("slot.key").exists());
    let (mut second, _) = start();
    assert!(!left.parent().unwrap().exists() && lives.join("slot.key").exists());
    for child in [&mut first, &mut second] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_cvv_runs_out_by_the_clock_of_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--cvv-ttl-seconds", "1"]);
    let card = dev.make_card("4111111111111111", Some("111"));
    let held = || dev.get(&format!("/v1/card/{card}")).json()["cvv_present"] == json!(true);
    until("its time is up", || !held());
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 1099)).json();
    assert_eq!(paid["cvv_present"], json!(false));
    drop(dev);
    let dev = Dev::start(directory.path(), &["--cvv-ttl-seconds", "0"]);
    let card = dev.make_card("4111111111111111", Some("111"));
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(false), "0 holds none");
}

#[test]
fn serves_this_machine_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:8420", "[::]:0"] {
        assert!(run_refused(&["dev", "--listen", address]).contains("is not a loopback address"));
        assert!(
            run_refused(&["dev", "--listen", "127.0.0.1:0", "--metrics-listen", address])
                .contains("loopback")
        );
    }
}

/// As of `serve`.
#[test]
fn an_empty_address_of_metrics_is_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    Dev::start(directory.path(), &["--metrics-listen", ""]).stop();
    // A value is not repeated: it may be a key or a card number.
    let refused = run(&["dev", "--metrics-listen", "here"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.err.contains("invalid value '…' for '--metrics-listen"), "{}", refused.err);
}

#[test]
fn leaves_other_directories_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine"), "mine").unwrap();
    let path = directory.path().to_str().unwrap();
    assert!(run_refused(&["dev", "--listen", "127.0.0.1:0", "--data", path]).contains("is not empty"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// The lines that it prints for a person work when they are pasted.
#[test]
fn its_curl_lines_work_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let out = std::fs::File::create(directory.path().join("out")).unwrap();
    let mut child = panvault().args(["dev", "--listen", "127.0.0.1:0"]).stdout(out).spawn().unwrap();
    let printed = || std::fs::read_to_string(directory.path().join("out")).unwrap();
    until("it is ready", || printed().contains("Stop with Ctrl-C.") || child.try_wait().unwrap().is_some());
    let text = printed();
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("curl ") || line.starts_with("CARD=")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    let names = text.lines().find(|line| line.starts_with("export ")).unwrap();
    let guide = "curl -s $PANVAULT/v1/card -H \"X-APIKEY: $PUBLISHABLE_KEY\" -H 'Origin: http://localhost:3000' -H 'Content-Type: application/json' -d '{
        \"card_number\": \"4111111111111111\", \"expiry_month\": \"12\", \"expiry_year\": \"35\",
        \"organisation\": \"'$ORGANISATION'\" }' -o /dev/null -w '%{http_code} '
        curl -s $PANVAULT/v1/card -H \"X-APIKEY: $KEY\" -o /dev/null -w '%{http_code}'; echo \" ${#ACCOUNT}\"";
    let shell = Command::new("sh").args(["-euc", &format!("{names}\n{guide}")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "200 200 24\n", "the names of the guide are set");
    let pasted = lines.iter().map(|line| format!("{line}\necho\n")).collect::<String>();
    let shell = Command::new("sh").args(["-euc", &pasted]).output().unwrap();
    assert!(shell.status.success(), "curl must be installed: {}", String::from_utf8_lossy(&shell.stderr));
    let answers: Vec<Value> = String::from_utf8(shell.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [created, paid, updated] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((&created["cvv_present"], &paid["cvv_result"]), (&json!(true), &json!("1")));
    assert_eq!((&updated["cvv_present"], &updated["_id"]), (&json!(true), &paid["card"]));
    let data = text.lines().find_map(|line| line.trim().strip_prefix("data ")).unwrap().trim();
    let data = data.split(" (").next().unwrap().to_owned();
    assert!(std::path::Path::new(&data).exists());
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!std::path::Path::new(&data).exists(), "the temporary vault is removed");
}

/// The page for trying is a page of the vault; what it does is what a shop's page and its server do.
#[test]
fn serves_a_shop_to_try() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let url = dev.ready["url"].as_str().unwrap();
    let send = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>| {
        panvault_testkit::http_send(&format!("{url}{path}"), method, headers, body).unwrap()
    };
    for (path, kind) in [
        ("/try", "text/html; charset=utf-8"),
        ("/try.js", "text/javascript; charset=utf-8"),
        ("/try.css", "text/css; charset=utf-8"),
    ] {
        let answer = send("GET", path, &[], None);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(answer.header("content-security-policy").unwrap().ends_with("frame-ancestors 'none'"));
    }
    let shop = send("GET", "/try.json", &[], None).json();
    let key = dev.ready["publishable_key"].as_str().unwrap().to_owned();
    assert_eq!(shop, json!({ "publishable_key": &key, "organisation": dev.ready["organisation"] }));
    // At whatever port it listens, its own pages may show a field and use the key.
    let frame = send("GET", &format!("/fields/0.1.0/frame.html?key={key}"), &[], None);
    assert!(
        frame.text.contains(&format!("{url} ")) || frame.text.contains(&format!("{url}\"")),
        "{}",
        frame.text
    );
    let own = [("Origin", url), ("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/json")];
    let card = json!({
        "card_number": "4111111111111111", "cvv": "111", "expiry_month": "12", "expiry_year": "35",
        "organisation": shop["organisation"],
    });
    let made = send(
        "POST",
        "/v1/card",
        &[&own[..], &[("X-APIKEY", key.as_str())]].concat(),
        Some(&card.to_string()),
    );
    assert_eq!(made.status, 200, "{}", made.text);
    let pay = |headers: &[(&str, &str)], body: &str| send("POST", "/try/pay", headers, Some(body));
    let body = json!({ "card": made.id(), "amount": 1999 }).to_string();
    let paid = pay(&own, &body);
    assert_eq!(paid.status, 200, "{}", paid.text);
    assert_eq!((&paid.json()["amount"], &paid.json()["cvv_result"]), (&json!(1999), &json!("1")));
    // As the API answers what goes wrong.
    pay(&own, &json!({ "card": made.id(), "amount": 121 }).to_string()).fails(403, 121);
    pay(&own, &json!({ "card": "4111111111111111", "amount": 1 }).to_string()).fails(400, 107);
    for wrong in ["", "{}", "{\"card\": 4111111111111111, \"amount\": 1}", "[]"] {
        let answer = pay(&own, wrong);
        answer.fails(400, 107);
        assert!(!answer.text.contains("4111"));
    }
    for headers in [
        &[("Content-Type", "application/json")][..],
        &[("Content-Type", "application/json"), ("Origin", "https://other.example")],
        &[("Content-Type", "application/json"), ("Origin", url), ("Sec-Fetch-Site", "cross-site")],
    ] {
        pay(headers, &body).fails(403, 111);
    }
    // A name that somebody else points here is no page of ours, whatever a browser says of it.
    let theirs = url.replace("127.0.0.1", "rebound.example");
    let host = theirs.strip_prefix("http://").unwrap();
    let rebound = [
        ("Host", host),
        ("Origin", theirs.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/json"),
    ];
    pay(&rebound, &body).fails(403, 111);
    dev.stop();
    // At another port, for the first was any free one.
    let dev = Dev::start(directory.path(), &[]);
    let url = dev.ready["url"].as_str().unwrap();
    let frame =
        panvault_testkit::http_send(&format!("{url}/fields/0.1.0/frame.html?key={key}"), "GET", &[], None);
    assert!(frame.unwrap().text.contains(url));
    dev.stop();
}

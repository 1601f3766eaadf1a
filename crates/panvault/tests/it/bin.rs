//! Lists of issuers: imported, looked up in, replaced under a server that runs, damaged and removed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{Dev, doctor, panvault, run, run_json, run_refused, until};

const HEADER: &str = "BIN,Brand,Type,Category,Issuer,IssuerPhone,IssuerUrl,isoCode2,isoCode3,CountryName";

/// A list in which one bank issued the usual test number.
pub(crate) fn list(directory: &Path, bank: &str) -> PathBuf {
    let file = directory.join("list.csv");
    fs::write(&file, format!("{HEADER}\n411111,VISA,DEBIT,PREPAID GOLD,{bank},,,DE,DEU,GERMANY\n")).unwrap();
    file
}

pub(crate) fn import(data: &Path, file: &Path) -> Value {
    run_json(&[
        "bin",
        "import",
        path(file),
        "--format",
        "bin-list-data",
        "--source",
        "a test",
        "--licence",
        "CC0-1.0",
        "--data",
        path(data),
        "--json",
    ])
}

fn lookup(data: &Path, digits: &str) -> Value {
    run_json(&["bin", "lookup", digits, "--data", path(data), "--json"])
}

fn info(data: &Path) -> Value {
    run_json(&["bin", "info", "--data", path(data), "--json"])
}

#[test]
fn a_list_is_imported_looked_up_in_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    assert_eq!(info(&data)["imported"], json!(false));
    assert_eq!(
        lookup(&data, "411111")["issuer_name"],
        json!("TEST BANK VISA NL"),
        "a test vault without a list"
    );
    let first = import(&data, &list(directory.path(), "BANK ONE"));
    assert_eq!((&first["rows"], &first["taken"], &first["refused"]), (&json!(1), &json!(1), &json!([])));
    let found = lookup(&data, "41111122");
    let expected = json!({
        "bin": "411111", "brand": "Visa", "issuer_name": "BANK ONE", "issuer_country": "DE", "currency": "EUR",
        "type": "prepaid", "variant": "GOLD", "table_version": first["table_version"],
    });
    assert_eq!(found, expected);
    assert_eq!(lookup(&data, "424242")["issuer_name"], Value::Null, "a list is used alone");
    let second = import(&data, &list(directory.path(), "BANK TWO"));
    assert!(second["table_version"].as_u64() > first["table_version"].as_u64());
    let info = info(&data);
    assert_eq!(
        (&info["source"], &info["licence"], &info["rows"]),
        (&json!("a test"), &json!("CC0-1.0"), &json!(1))
    );
    assert_eq!(info["table_version"], second["table_version"]);
    let mode = fs::metadata(data.join("bins.table")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!data.join("bins.table.new").exists());
    assert_eq!(doctor(&data)["bin_rows"], json!(1));
    assert_eq!(run_json(&["bin", "remove", "--data", path(&data), "--json"])["removed"], json!(true));
    assert_eq!(run_json(&["bin", "remove", "--data", path(&data), "--json"])["removed"], json!(false));
    assert_eq!(lookup(&data, "411111")["issuer_name"], json!("TEST BANK VISA NL"));
}

#[test]
fn what_cannot_be_imported_leaves_the_table_before() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    import(&data, &list(directory.path(), "BANK ONE"));
    let before = fs::read(data.join("bins.table")).unwrap();
    let bad = directory.path().join("bad.csv");
    let csv = |text: &str, more: &[&str]| {
        fs::write(&bad, text).unwrap();
        let args = ["bin", "import", path(&bad), "--source", "s", "--licence", "l", "--data", path(&data)];
        run_refused(&[&args, more].concat())
    };
    for (text, args, said) in [
        ("", vec!["--format", "bin-list-data"], "header"),
        ("IIN,Bank\n411111,x\n", vec!["--format", "bin-list-data"], "BIN"),
        ("IIN,Bank\n", vec!["--format", "csv", "--columns", "bin=IIN,issuer=Bank"], "no row below its"),
        ("IIN,Bank\n4111111111111111,x\n", vec!["--format", "csv", "--columns", "bin=IIN"], "not one"),
        ("IIN,Bank\n411111,x\n", vec!["--format", "csv"], "bin, or start"),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bine=IIN,x=Bank"],
            "does not know bine, x; it",
        ),
        ("IIN,Bank\n411111,x\n", vec!["--format", "csv", "--columns", "IIN"], "WHAT=COLUMN"),
        ("IIN,Bank\n411111,x\n", vec!["--format", "bin-list-data", "--columns", "bin=IIN"], "--format csv"),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bin=IIN", "--attribution", "a\nb"],
            "attribution",
        ),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bin=IIN", "--attribution", "mail of 4111111111111111"],
            "what could be a card number",
        ),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bin=4111x1111x1111x1111"],
            "what could be a card number",
        ),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bin=IIN_2026_1,issuer=Bank_2026_1,variant=x_2026_1"],
            "no columns IIN_2026_1, Bank_2026_1 and x_2026_1",
        ),
        (
            "IIN,Bank\n411111,x\n",
            vec!["--format", "csv", "--columns", "bin=4111111111111111"],
            "not repeated",
        ),
        (
            "IIN;Bank;Country\n411111;x;DE\n",
            vec!["--format", "csv", "--columns", "bin=IIN,issuer=Bnk"],
            "there is no column Bnk; its first line, separated by semicolons, has 3 columns: IIN, Bank, Country",
        ),
        (
            "4111111111111111;x\n",
            vec!["--format", "csv", "--columns", "bin=IIN"],
            "looks like a row, and must name the columns",
        ),
    ] {
        let error = csv(text, &args);
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(!error.contains("411111111111"), "{error}");
    }
    // Of several texts about a list only the first that cannot be kept was said.
    let texts = ["--source", " ", "--licence", "4111111111111111", "--attribution", ""];
    let args =
        ["bin", "import", path(&bad), "--format", "csv", "--columns", "bin=IIN", "--data", path(&data)];
    let error = run_refused(&[args.as_slice(), &texts].concat());
    assert!(error.contains("source and licence and attribution must have 1 to"), "{error}");
    let gone =
        ["bin", "import", "/nowhere.csv", "--format", "bin-list-data", "--source", "s", "--licence", "l"];
    assert!(run_refused(&[gone.as_slice(), &["--data", path(&data)]].concat()).contains("/nowhere.csv"));
    assert_eq!(fs::read(data.join("bins.table")).unwrap(), before);
    assert!(!data.join("bins.table.new").exists());
}

#[test]
fn digits_that_could_be_a_card_number_are_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    for digits in ["4111111111111111", "411111111111", "41111", "4111 11", "", "٤١١١١١"] {
        let ended = run(&["bin", "lookup", digits, "--data", path(&data)]);
        assert_eq!(ended.status.code(), Some(1));
        assert!(
            ended.err.contains("6 to 11 digits") && (digits.len() < 6 || !ended.err.contains(digits)),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_server_takes_up_a_new_list_and_keeps_the_old_one_from_a_damaged_file() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--log-level", "info"]);
    let issuer = || {
        let card = dev.make_card("4111111111111111", None);
        dev.get(&format!("/v1/card/{card}")).json()["issuer_name"].clone()
    };
    assert_eq!(issuer(), json!("TEST BANK VISA NL"));
    import(&dev.data, &list(directory.path(), "BANK ONE"));
    until("it is taken up", || issuer() == json!("BANK ONE"));
    let first = fs::read(dev.data.join("bins.table")).unwrap();
    import(&dev.data, &list(directory.path(), "BANK TWO"));
    dev.signal("-HUP");
    until("it is taken up", || issuer() == json!("BANK TWO"));

    fs::write(dev.data.join("bins.table"), &first[..first.len() - 1]).unwrap();
    let log = || fs::read_to_string(&dev.log).unwrap();
    until("it is said", || log().contains("bins.kept"));
    assert_eq!(issuer(), json!("BANK TWO"));
    import(&dev.data, &list(directory.path(), "BANK THREE"));
    until("it is taken up", || issuer() == json!("BANK THREE"));
    assert_eq!(log().matches("bins.kept").count(), 1, "a damaged file is said once");

    // A pipe was waited for, and nothing was taken up after it; what others can change was taken up until the next start.
    let file = dev.data.join("bins.table");
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").args(["-m", "600", path(&file)]).status().unwrap();
    assert!(made.success());
    until("it is said", || log().contains("is not a regular file"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, &whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    until("it is said", || log().contains("can be read or changed by others"));
    assert_eq!(issuer(), json!("BANK THREE"));
    run_json(&["bin", "remove", "--data", path(&dev.data), "--json"]);
    until("it is gone", || issuer() == json!("TEST BANK VISA NL"));
    dev.stop();
}

#[test]
fn a_vault_starts_with_a_damaged_table_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    import(&data, &list(directory.path(), "BANK ONE"));
    let file = data.join("bins.table");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let found = &run(&["doctor", "--data", path(&data)]);
    assert!(found.out.contains("bins: ") && found.out.contains("its hash does not fit"), "{}", found.out);
    assert!(run_refused(&["bin", "info", "--data", path(&data)]).contains("import the list again"));
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let (mut served, ready) = Served::start(directory.path(), &args);
    let said = served.event("bins.unusable");
    assert_eq!(said["level"], json!("ERROR"));
    assert!(said["advice"].as_str().unwrap().contains("panvault bin import"), "{said}");
    let url = ready["url"].as_str().unwrap();
    let body = json!({
        "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "35", "organisation": organisation,
    });
    let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
    let answer =
        panvault_testkit::http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string()));
    let card = answer.unwrap().json();
    assert_eq!((&card["brand"], &card["issuer_name"]), (&json!("Visa"), &Value::Null), "{card}");
    let imported = import(&data, &list(directory.path(), "BANK TWO"));
    let metrics = format!("{}/metrics", ready["metrics_url"].as_str().unwrap());
    let version = format!("panvault_bins_version {}", imported["table_version"]);
    until("the metrics show it", || {
        let page = panvault_testkit::http_send(&metrics, "GET", &[], None).unwrap();
        page.text.contains(&version)
    });
}

#[test]
fn cards_are_refreshed_from_a_new_list_and_a_killed_refresh_goes_on() {
    const CARDS: u64 = 300;
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    let refresh = || run_json(&["bin", "refresh", "--data", path(&data), "--json"]);
    assert!(run_refused(&["bin", "refresh", "--data", path(&data)]).contains("import a list first"));
    import(&data, &list(directory.path(), "BANK ONE"));
    until("it is taken up", || {
        let card = dev.make_card("4111111111111111", None);
        let is_new = dev.get(&format!("/v1/card/{card}")).json()["issuer_name"] == json!("BANK ONE");
        assert_eq!(dev.delete(&format!("/v1/card/{card}")).status, 204);
        is_new
    });
    let cards: Vec<String> = (0..CARDS).map(|_| dev.make_card("4111111111111111", None)).collect();
    let other = dev.make_card("4242424242424242", None);
    assert_eq!(refresh()["current"], json!(CARDS + 1), "while it is served");
    dev.stop();
    assert_eq!(refresh()["current"], json!(CARDS + 1));

    let second = import(&data, &list(directory.path(), "BANK TWO"));
    let mut killed = panvault().args(["bin", "refresh", "--data", path(&data)]).spawn().unwrap();
    until("it has begun", || {
        fs::read_to_string(data.join("lock")).is_ok_and(|pid| pid.trim() == killed.id().to_string())
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    let rest = refresh();
    let count = |name: &str| rest[name].as_u64().unwrap();
    assert_eq!((count("cards"), count("failed"), count("same")), (CARDS + 1, 0, 1), "{rest}");
    assert_eq!(count("changed") + count("current"), CARDS, "{rest}");
    assert_eq!(rest["table_version"], second["table_version"]);
    assert_eq!(refresh()["current"], json!(CARDS));
    crate::support::assert_healthy(&data);

    let dev = Dev::start(directory.path(), &[]);
    for card in &cards {
        let card = dev.get(&format!("/v1/card/{card}")).json();
        assert_eq!((&card["issuer_name"], &card["type"]), (&json!("BANK TWO"), &json!("prepaid")));
        assert!(card["updated_at"].as_str() > card["created_at"].as_str());
    }
    assert_eq!(dev.get(&format!("/v1/card/{other}")).json()["issuer_name"], Value::Null);
    dev.stop();
}

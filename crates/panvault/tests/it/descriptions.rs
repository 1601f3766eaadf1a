//! The directory of descriptions as its operator sees it: before a server starts, while it runs, and when a PSP is away.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use panvault_testkit::psp::{STRIPE_SECRET_KEY, Stripe};
use serde_json::{Value, json};

use crate::cli::path;
use crate::processor::{SHIPPED, STRIPE, Shop};
use crate::serve::{Served, vault};
use crate::support::{run, run_json, run_refused, secret_file, until};

const ID: &str = "65f1c0d23d4e5f60718293a4";

#[test]
fn a_directory_is_checked_as_a_server_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let check = |more: &[&str]| run(&[&["processor", "check", path(directory.path())][..], more].concat());
    assert!(check(&[]).out.starts_with("no files"));
    let mine = SHIPPED.replace("name = \"stripe\"", "name = \"mine\"").replace("live = ", "# live = ");
    fs::write(directory.path().join("mine.toml"), &mine).unwrap();
    fs::write(
        directory.path().join("limits.toml"),
        format!("[card_mine.processors.{ID}]\nwaiting_max = 0\n"),
    )
    .unwrap();
    let good = check(&[]);
    assert!(good.status.success(), "{}{}", good.out, good.err);
    for line in [
        "type             card_mine, Stripe",
        "calls            test: https://api.stripe.com",
        "calls            live: nobody; a live vault has no such processor",
        "roots            web: the public authorities",
        &format!("limits of        card_mine, and of its processors {ID}"),
    ] {
        assert!(good.out.lines().any(|said| said == line), "{line}: {}", good.out);
    }
    let object = run_json(&["processor", "check", path(directory.path()), "--json"]);
    assert_eq!((&object["descriptions"][0]["type"], &object["faults"]), (&json!("card_mine"), &json!([])));

    // What is wrong with none of them alone.
    fs::write(directory.path().join("other.toml"), &mine).unwrap();
    let twice = check(&[]);
    assert_eq!(twice.status.code(), Some(1));
    let said = "other.toml:1: another file (";
    assert!(twice.out.contains(said) && twice.out.contains("mine.toml) has the name mine"), "{}", twice.out);
    assert!(twice.err.contains("a server that it is set for does not start"), "{}", twice.err);
    fs::remove_file(directory.path().join("other.toml")).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let open = check(&["--json"]);
    let told: Value = serde_json::from_str(&open.out).unwrap();
    assert!(told["faults"][0]["what"].as_str().unwrap().contains("chmod go-w"), "{told}");
}

#[test]
fn a_description_shows_whom_it_trusts_and_how_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    fs::write(&file, SHIPPED.replace("name = \"stripe\"", "name = \"mine\"")).unwrap();
    let shown = run(&["processor", "check", path(&file)]).out;
    let (acts, asks) = shown.split_once("asks about").unwrap();
    for line in [
        "roots            web: the public authorities",
        "idempotency      Idempotency-Key",
        "notification     stripe_v1, signed with webhook_secret",
        "failed           400, 401, 403, 404, 429; has error.type",
    ] {
        assert!(acts.lines().any(|said| said == line), "{line}: {shown}");
    }
    // Of a refused question nothing counts, whatever the rules of its answers say.
    assert!(!asks.contains("has error.type"), "{asks}");
    assert!(asks.contains("picks            data where metadata.transaction is {{id}}\n"), "{asks}");
    assert_eq!(asks.matches("unknown          any status but 2xx").count(), 6, "{asks}");
}

/// The next start is no surprise: what it would take and what not is said before.
#[test]
fn doctor_and_reload_say_what_the_next_start_would_take() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &STRIPE, Stripe::default());
    let (data, descriptions) = (directory.path().join("vault"), directory.path().join("processors"));
    let setting = format!("processors={}", path(&descriptions));
    let doctor = || {
        let ended = run(&["doctor", "--data", path(&data), "--set", &setting, "--json"]);
        (ended.status.code(), serde_json::from_str::<Value>(&ended.out).unwrap())
    };
    let reload = || {
        let ended = run(&["reload", "--data", path(&data), "--json"]);
        (ended.status.code(), serde_json::from_str::<Value>(&ended.out).unwrap()[2].clone())
    };
    assert_eq!(doctor().0, Some(0), "{}", doctor().1);
    let (code, row) = reload();
    assert_eq!((code, &row["what"], &row["done"]), (Some(0), &json!("processors"), &json!(true)), "{row}");
    assert!(row["said"].as_str().unwrap().starts_with("card_stripe of "), "{row}");

    let limits = descriptions.join("limits.toml");
    fs::write(
        &limits,
        format!("[card_stripe]\nwaiting_max = 9\n[card_stripe.processors.{ID}]\nwaiting_max = 0\n"),
    )
    .unwrap();
    let nobody = format!("limits.toml:3: there is no processor {ID}: these limits are nobody's");
    let (code, row) = reload();
    assert_eq!((code, &row["done"]), (Some(1), &json!(false)), "{row}");
    assert!(
        row["said"].as_str().unwrap().contains("others than at the start: card_stripe; restart"),
        "{row}"
    );
    let (code, said) = doctor();
    assert_eq!(code, Some(0), "{said}");
    assert!(said["advice"].to_string().contains(&nobody), "{said}");

    let file = descriptions.join("psp.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("confirm = true", "confirm = 0.5")).unwrap();
    let line = text.lines().position(|line| line == "confirm = true").unwrap() + 1;
    let fault = format!("psp.toml:{line}: must be a text, whole number, boolean, list or table");
    let (code, row) = reload();
    assert_eq!((code, &row["done"]), (Some(1), &json!(false)), "{row}");
    let said = row["said"].as_str().unwrap();
    assert!(said.contains(&fault) && said.contains("are in use, and the next start would fail"), "{row}");
    let (code, said) = doctor();
    assert_eq!((code, &said["findings"][0]["part"]), (Some(1), &json!("processors")), "{said}");
    let what = said["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains(&fault) && what.contains("does not start until this is mended"), "{said}");
    assert_eq!(shop.pay(&shop.card(), 100, false).0, 200, "what was read at the start is in use");

    // A type without its description is found as well.
    fs::remove_file(&limits).unwrap();
    fs::write(&file, text.replace("name = \"stripe\"\nreplaces_shipped = true", "name = \"other\"")).unwrap();
    shop.served.signal("-TERM");
    until("the server has ended", || run(&["status", "--data", path(&data)]).out.contains("is not served"));
    let made =
        ["processor", "create", "--organisation", &shop.organisation, "--name", "O", "--type", "card_other"];
    let secret = directory.path().join("key");
    secret_file(&secret, STRIPE_SECRET_KEY);
    let secret = format!("secret_key={}", path(&secret));
    let more = ["--secret", &secret, "--json", "--data", path(&data), "--set", &setting];
    let other = run_json(&[&made[..], &more].concat())["_id"].as_str().unwrap().to_owned();
    assert_eq!(doctor().0, Some(0), "{}", doctor().1);
    fs::remove_file(&file).unwrap();
    let (code, said) = doctor();
    assert_eq!(code, Some(1), "{said}");
    let what = said["findings"][0]["what"].as_str().unwrap();
    assert!(
        what.contains(&format!("processor {other} is a card_other, of which there is no description")),
        "{said}"
    );

    // And a server that starts says whose limits are nobody's.
    fs::write(&limits, format!("[card_stripe.processors.{other}]\nwaiting_max = 0\n")).unwrap();
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--set", &setting];
    let (mut served, _) = Served::start(directory.path(), &args);
    let event = served.event("processors.limits_of_nobody");
    let said = format!("limits.toml:1: processor {other} is a card_other: these limits are nobody's");
    assert!(event["reasons"].as_str().unwrap().ends_with(&said), "{event}");
    served.signal("-TERM");
}

/// Once when it is left alone and once when it answers again, whatever is tried meanwhile.
#[test]
fn that_a_psp_is_away_is_a_line_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let limits =
        "[limits]\nbreaker_failures = 2\nbreaker_pause_millis = 100\nconnect_retries = 0\n\n[origins]";
    let shipped: &str = SHIPPED.replace("[origins]", limits).leak();
    let kind = crate::processor::Kind { shipped, ..STRIPE };
    let shop = Shop::open_with(directory.path(), &kind, Stripe::default(), &["log_level=info"]);
    let logged = |name: &str| {
        let text = fs::read_to_string(directory.path().join("log.json")).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["message"] == json!(name)).collect::<Vec<_>>()
    };
    let card = shop.card();
    shop.peer.refuse();
    for _ in 0..6 {
        assert_eq!(shop.pay(&card, 100, false).0, 503);
    }
    // The pause is over and the PSP is not there yet: that is no news.
    let mut trials = 0;
    until("a trial has failed", || {
        trials +=
            usize::from(shop.pay(&card, 100, false).1.to_string().contains("could not be connected to"));
        trials > 1
    });
    let away = logged("processor.left_alone");
    assert_eq!(away.len(), 1, "{away:?}");
    assert_eq!(
        (&away[0]["processor.id"], &away[0]["failures"]),
        (&json!(shop.processor), &json!(2)),
        "{away:?}"
    );
    assert_eq!(away[0]["reason"], json!("the processor could not be connected to"));
    assert!(away[0]["advice"].is_string());
    assert!(logged("processor.answers_again").is_empty());
    shop.peer.take();
    until("it answers again", || shop.pay(&card, 100, false).0 == 200);
    assert_eq!(shop.pay(&card, 100, false).0, 200);
    until("it is logged", || !logged("processor.answers_again").is_empty());
    let again = logged("processor.answers_again");
    assert_eq!((again.len(), &again[0]["processor.id"]), (1, &json!(shop.processor)), "{again:?}");
    assert_eq!(logged("processor.left_alone").len(), 1);
    shop.served.signal("-TERM");
}

/// Others see arguments, and read files that are not closed to them.
#[test]
fn a_secret_is_neither_an_argument_nor_in_a_file_of_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let create = |type_name: &'static str| {
        [
            "processor",
            "create",
            "--organisation",
            &organisation,
            "--name",
            "P",
            "--type",
            type_name,
            "--data",
            path(&data),
        ]
        .map(str::to_owned)
    };
    let refused = |type_name, more: &[&str]| {
        let args = create(type_name);
        run_refused(&[&args.iter().map(String::as_str).collect::<Vec<_>>()[..], more].concat())
    };
    let given = format!("secret_key={STRIPE_SECRET_KEY}");
    for type_name in ["card_stripe", "card_theirs"] {
        let said = refused(type_name, &["--configuration", &given]);
        assert!(
            said.contains("give --secret secret_key=FILE") && !said.contains(STRIPE_SECRET_KEY),
            "{said}"
        );
    }
    let file = directory.path().join("key");
    fs::write(&file, STRIPE_SECRET_KEY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let secret = format!("secret_key={}", path(&file));
    let said = refused("card_stripe", &["--secret", &secret]);
    assert!(said.contains("can be read or changed by others (mode 0644); run chmod 600"), "{said}");
    secret_file(&file, STRIPE_SECRET_KEY);
    let args = create("card_stripe");
    let made = run_json(
        &[&args.iter().map(String::as_str).collect::<Vec<_>>()[..], &["--secret", &secret, "--json"]]
            .concat(),
    );
    assert!(made["_id"].is_string(), "{made}");
    // What is no secret is set as ever.
    let said = refused("card_adyen", &["--configuration", "merchant_account=Shop"]);
    assert!(!said.contains("merchant_account is a secret") && said.contains("api_key"), "{said}");
}

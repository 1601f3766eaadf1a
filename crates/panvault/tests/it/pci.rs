//! What an assessor is shown of a vault that is served.

use panvault_testkit::canary_cards;
use serde_json::Value;

use crate::cli::path;
use crate::support::{Dev, run, run_json, run_refused};

fn value(report: &Value, section: &str, what: &str) -> String {
    let sections = report["sections"].as_array().unwrap();
    let rows = sections.iter().find(|of| of["name"] == section).unwrap()["rows"].as_array().unwrap();
    rows.iter().find(|row| row["what"] == what).unwrap()["value"].as_str().unwrap().to_owned()
}

/// The server is asked, not the settings of the command: what it holds, where it listens, and what of that is weak.
#[test]
fn a_running_vault_is_reported_with_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &["--cvv-ttl-seconds", "7200"]);
    let card = &canary_cards(11, 1)[0];
    dev.make_card(&card.number, Some(&card.cvv));
    let report = run_json(&["pci", "report", "--json", "--data", path(&dev.data)]);
    assert_eq!((report["served"].as_bool(), report["mode"].as_str()), (Some(true), Some("test")));
    assert_eq!(value(&report, "cvv", "held now"), "1");
    assert_eq!(value(&report, "cvv", "held for, seconds at most"), "7200");
    assert_eq!(value(&report, "cvv", "card numbers in clear in them"), "0");
    assert_eq!(value(&report, "trail", "whole"), "yes");
    let weak = report["sections"][0]["remarks"].as_array().unwrap();
    for name in ["test_mode", "long_cvv_ttl", "console_key_only"] {
        assert!(
            weak.iter().any(|remark| remark["what"].as_str().unwrap().starts_with(name)),
            "{name}: {report}"
        );
    }
    // Who can read what leaves the machine.
    let assessor = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let (file, to) = ("trail_file=trail.jsonl", format!("trail_recipients={assessor}"));
    let sent = ["pci", "report", "--json", "--data", path(&dev.data), "--set", file];
    assert!(value(&run_json(&sent), "trail", "encrypted to").starts_with("not encrypted"));
    let sealed = run_json(&[&sent[..], &["--set", &to]].concat());
    assert_eq!(value(&sealed, "trail", "encrypted to"), assessor);

    // Whoever names a key does not write into the page of who reads of it.
    let name = "<script>alert(1)</script>";
    let (of, data) = (&dev.organisation, path(&dev.data));
    run_json(&[
        "apikey",
        "create",
        "--organisation",
        of,
        "--name",
        name,
        "--role",
        "MerchantUser",
        "--json",
        "--data",
        data,
    ]);
    let page = directory.path().join("report.html");
    let written = ["pci", "report", "--html", path(&page), "--data", path(&dev.data)];
    assert_eq!(run(&written).out, "");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.ends_with("</html>\n") && !text.contains(&card.number));
    assert!(text.contains("&lt;script&gt;alert(1)") && !text.contains("<script"));
    let refused = run_refused(&written);
    assert!(refused.contains("is there already"), "{refused}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text, "what was there stays");
    dev.stop();
}

//! Card numbers and CVVs in files, found by command, and never shown.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use panvault_testkit::canary_cards;
use serde_json::Value;

use crate::cli::path;
use crate::support::{Ended, panvault, run};

/// A number that nobody has published for tests.
fn number() -> String {
    canary_cards(0x5c, 20).into_iter().map(|card| card.number).find(|number| number.len() == 16).unwrap()
}

/// What a command says has nothing of a number but what may be shown.
fn hides(ended: &Ended, number: &str) {
    let said = ended.out.clone() + &ended.err;
    let middle = number.get(6..number.len() - 4).unwrap();
    assert!(!said.contains(middle), "{} bytes were said", said.len());
    assert!(!said.contains("739"), "{said}");
}

fn scan(path: &Path) -> Ended {
    run(&["scan", path.to_str().unwrap()])
}

#[test]
fn what_is_found_is_told_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let number = number();
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/clean.log"), "a request took 12 ms\n").unwrap();
    let quiet = scan(directory.path());
    assert_eq!((quiet.status.code(), quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));

    fs::write(at("a/b/app.log"), format!("one\nGET /pay?card={number}&cvv=739 HTTP/1.1\n")).unwrap();
    fs::write(at(&format!("a/{number}.json")), "{}").unwrap();
    let found = scan(directory.path());
    assert_eq!(found.status.code(), Some(1));
    hides(&found, &number);
    let masked = format!("{}******{}", number.get(..6).unwrap(), number.get(12..).unwrap());
    assert!(found.out.contains(&format!("a/b/app.log:2: card number {masked} (")), "{}", found.out);
    assert!(found.out.contains("a/b/app.log:2: CVV, called cvv"), "{}", found.out);
    assert!(found.out.contains(&format!("its name is a card number, {masked}")), "{}", found.out);
    assert!(found.out.ends_with("card numbers: 2, CVVs: 1, files: 1\n"), "{}", found.out);

    let json = run(&["scan", "--json", path(&at("a/b/app.log"))]);
    hides(&json, &number);
    let lines: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", json.out);
    assert_eq!(lines[0]["masked"], masked.as_str());
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["line"], &lines[0]["offset"]),
        (&"card_number".into(), &2.into(), &18.into())
    );
    assert_eq!((&lines[1]["kind"], &lines[1]["label"]), (&"cvv".into(), &"cvv".into()));
}

#[test]
fn standard_input_is_looked_at() {
    let number = number();
    let mut child = panvault()
        .args(["scan", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{number}\n").repeat(30).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out.lines().count(), 22, "{out}");
    assert!(out.contains("standard input: and 10 more"), "{out}");
}

/// Nothing is waited for, nothing is gone through for ever, and what cannot be read is told.
#[test]
fn what_leads_elsewhere_or_cannot_be_read_is_told_or_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let number = number();
    fs::create_dir(at("a")).unwrap();
    fs::write(at("elsewhere"), &number).unwrap();
    symlink(at("elsewhere"), at("a/link")).unwrap();
    symlink(at("a"), at("a/circle")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("a/pipe"), rustix::fs::Mode::RUSR).unwrap();
    let quiet = scan(&at("a"));
    assert_eq!((quiet.status.code(), quiet.out.as_str(), quiet.err.as_str()), (Some(0), "", ""));
    // A link that was named is meant.
    assert_eq!(scan(&at("a/link")).status.code(), Some(1));

    for unread in [at("a/pipe"), at("missing")] {
        let ended = scan(&unread);
        assert_eq!((ended.status.code(), ended.out.as_str()), (Some(2), ""), "{}", ended.err);
        assert!(ended.err.contains(path(&unread)), "{}", ended.err);
    }
    // A name that moves the cursor of a terminal is told without that, and one that is a number without the number.
    let named = at(&format!("{number}\u{1b}[2J"));
    let missing = scan(&named);
    assert_eq!(missing.status.code(), Some(2));
    assert!(!missing.err.contains('\u{1b}'), "{:?}", missing.err);
    hides(&missing, &number);
    // Half of what gzip packed: what is there is told, and that there is not all.
    fs::write(at("half.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]).unwrap();
    let half = scan(&at("half.gz"));
    assert_eq!(half.status.code(), Some(2));
    assert!(half.err.contains("half.gz was not read whole"), "{}", half.err);
    // Nothing that was found is lost because of what cannot be read.
    let both = run(&["scan", path(&at("missing")), path(&at("elsewhere"))]);
    assert_eq!(both.status.code(), Some(1));
    assert!(
        both.out.contains("elsewhere:1: card number") && both.err.contains("missing"),
        "{} {}",
        both.out,
        both.err
    );
    assert_eq!(run(&["scan"]).status.code(), Some(2), "without a path there is nothing to do");
}

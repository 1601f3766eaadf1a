//! `exposures.txt`: every place where plaintext is handed out, and why. The page that an auditor reads first.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::say;
use crate::source::{Source, is_test_file};
use crate::workspace::{SourceFile, Workspace};

/// A use of an `expose_` function: where on the way, path, what is called, and the function around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Exposure {
    step: usize,
    path: String,
    called: String,
    within: String,
}

const HEADER: &str = "\
# Every place outside of tests where a card number, a CVV, a holder's name or a key is readable, from the socket on: who reads this
# file has seen them all. Between these places they are in types that cannot be printed, copied or compared, and are wiped when they go.
# path | what is called | function around it | why
# Kept true by `cargo xtask ci`; `cargo xtask exposures --write` rewrites it and keeps the reasons.
#
# Not covered, for it is not ours to wipe: what the kernel, rustls and hyper hold of a connection (a part of a body is wiped where nobody
# else holds it); serde_json's own buffer for a text that is spelled with escapes; registers and the stack. Paths, queries and
# headers are no place for a card number: they are not wiped, and neither logged nor repeated. An API key comes in a header.
";

/// The way of a request from the socket on. A file belongs to the first step that has a beginning of its path.
const STEPS: &[(&str, &[&str])] = &[
    ("the body, as it arrives", &["crates/server/src/body", "crates/server/src/unread"]),
    ("the parser: a tree that borrows from the body", &["crates/server/src/json", "crates/server/src/floor"]),
    (
        "the fields: what is meant, and what each may hold",
        &["crates/server/src/lenience", "crates/server/src/fields"],
    ),
    ("card number, CVV and name, each read into its own type", &["crates/server/src/routes"]),
    ("the canonical form, whose keyed digest tells a repeated request", &["crates/server/src/canonical"]),
    ("elsewhere in the server", &["crates/server/"]),
    ("the plan: fingerprint, issuer and seal", &["crates/vault/"]),
    ("packed and unpacked beside the seal", &["crates/card/"]),
    ("what is sent to a processor", &["crates/processor/"]),
    ("keys", &["crates/keys/", "crates/slots/"]),
    ("commands", &["crates/panvault/"]),
    ("the server of CVVs that nodes share", &["crates/store-redis/"]),
    ("elsewhere", &[""]),
];

const NO_REASON: &str = "WHY?";

/// Fails unless the file is exactly true.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let text = fs::read_to_string(path(workspace)).context("cannot read exposures.txt")?;
    let findings = findings(&text, &exposures(workspace)?);
    findings.iter().for_each(say::trouble);
    match findings.len() {
        0 => Ok(()),
        many => {
            bail!("exposures.txt has {many} findings: run `cargo xtask exposures --write` and give reasons")
        }
    }
}

/// Rewrites the file.
pub(crate) fn write(workspace: &Workspace) -> anyhow::Result<()> {
    let path = path(workspace);
    let old = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, rewritten(&old, &exposures(workspace)?))?;
    say::line("wrote exposures.txt");
    Ok(())
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("exposures.txt")
}

/// All of them, sorted, each once.
fn exposures(workspace: &Workspace) -> anyhow::Result<Vec<Exposure>> {
    let mut found = Vec::new();
    for file in workspace.sources(&["crates"])? {
        found.extend(of_file(&file)?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn of_file(file: &SourceFile) -> anyhow::Result<Vec<Exposure>> {
    let is_source = file.path.split('/').nth(2) == Some("src") && !is_test_file(&file.path);
    if !is_source {
        return Ok(Vec::new());
    }
    let source = Source::parse(&file.text).with_context(|| file.path.clone())?;
    let before = |at: usize| source.without_tests.get(..at).unwrap_or_default().trim_end();
    let exposures = source
        .words()
        .filter(|word| word.text.starts_with("expose_") && !before(word.at).ends_with("fn"))
        .map(|word| Exposure::new(&file.path, word.text, source.around(word.at).unwrap_or("-")));
    Ok(exposures.collect())
}

impl Exposure {
    fn new(path: &str, called: &str, within: &str) -> Self {
        let has = |(_, beginnings): &(&str, &[&str])| {
            beginnings.iter().any(|beginning| path.starts_with(beginning))
        };
        let step = STEPS.iter().position(has).unwrap_or(STEPS.len());
        Self { step, path: path.to_owned(), called: called.to_owned(), within: within.to_owned() }
    }
}

fn rewritten(old: &str, exposures: &[Exposure]) -> String {
    let reasons: BTreeMap<Exposure, &str> = lines(old).filter_map(Result::ok).collect();
    let mut text = HEADER.to_owned();
    let mut last = None;
    for exposure in exposures {
        if last.replace(exposure.step) != Some(exposure.step) {
            let (step, _) = STEPS.get(exposure.step).copied().unwrap_or_default();
            text.push_str(&format!("\n## {step}\n"));
        }
        let why = reasons.get(exposure).copied().unwrap_or(NO_REASON);
        text.push_str(&format!("{} | {} | {} | {why}\n", exposure.path, exposure.called, exposure.within));
    }
    text
}

fn findings(text: &str, exposures: &[Exposure]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut listed: Vec<Exposure> = Vec::new();
    for line in lines(text) {
        match line {
            Ok((exposure, why)) => {
                if why.is_empty() || why == NO_REASON {
                    findings.push(format!("no reason is given for {}", show(&exposure)));
                }
                if listed.last().is_some_and(|before| *before >= exposure) {
                    findings.push(format!("not sorted, or twice: {}", show(&exposure)));
                }
                listed.push(exposure);
            }
            Err(line) => findings.push(format!("not `path | called | function | why`: {line}")),
        }
    }
    if !text.starts_with(HEADER) {
        findings.push("the head of the file is another".to_owned());
    }
    findings.extend(
        exposures.iter().filter(|one| !listed.contains(one)).map(|one| format!("not listed: {}", show(one))),
    );
    findings.extend(
        listed
            .iter()
            .filter(|one| !exposures.contains(one))
            .map(|one| format!("no longer there: {}", show(one))),
    );
    if findings.is_empty() && rewritten(text, exposures) != text {
        findings.push("a heading is missing, or another".to_owned());
    }
    findings
}

fn show(exposure: &Exposure) -> String {
    format!("{} in {} of {}", exposure.called, exposure.within, exposure.path)
}

fn lines(text: &str) -> impl Iterator<Item = Result<(Exposure, &str), &str>> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut parts = line.splitn(4, " | ");
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(path), Some(called), Some(within), Some(why)) => {
                Ok((Exposure::new(path, called, within), why.trim()))
            }
            _ => Err(line),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> SourceFile {
        let text = "
            impl Pan { pub fn expose_digits(&self) -> &[u8] { &self.0 } }
            fn seal(pan: &Pan) { hash(pan.expose_digits()); hash(pan.expose_digits()); map(Holder::expose_text) }
            // pan.expose_digits() in a comment
            #[cfg(test)] mod tests { fn case() { pan.expose_digits(); } }
        ";
        SourceFile { path: "crates/vault/src/seal.rs".into(), text: text.into() }
    }

    fn found() -> Vec<Exposure> {
        let mut found = of_file(&file()).unwrap();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn the_file_is_true() {
        let workspace = Workspace::find().unwrap();
        let text = fs::read_to_string(path(&workspace)).unwrap();
        assert_eq!(findings(&text, &exposures(&workspace).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn finds_calls_and_names_outside_of_tests_and_definitions() {
        let names: Vec<_> = found().into_iter().map(|one| (one.called, one.within)).collect();
        let expected = [("expose_digits", "seal"), ("expose_text", "seal")];
        assert_eq!(names, expected.map(|(called, within)| (called.to_owned(), within.to_owned())));
        for path in ["crates/vault/tests/it/main.rs", "crates/vault/src/seal/tests.rs"] {
            assert_eq!(of_file(&SourceFile { path: path.into(), text: file().text }).unwrap(), []);
        }
    }

    /// A reader follows a card number, and not the alphabet.
    #[test]
    fn lines_stand_in_the_order_of_the_way() {
        let paths = [
            "crates/card/src/block.rs",
            "crates/server/src/routes/card.rs",
            "crates/server/src/body.rs",
            "crates/new/src/lib.rs",
        ];
        let mut found: Vec<_> = paths.iter().map(|path| Exposure::new(path, "expose_text", "read")).collect();
        found.sort();
        let ways: Vec<_> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(ways, [paths[2], paths[1], paths[0], paths[3]]);
        let text = rewritten("", &found);
        let headings: Vec<_> =
            text.lines().skip(HEADER.lines().count()).filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings.len(), 4);
        assert!(headings[0].starts_with("## the body"), "{headings:?}");
    }

    #[test]
    fn a_new_line_needs_a_reason_and_an_old_one_keeps_its_own() {
        let first = rewritten("", &found());
        assert_eq!(findings(&first, &found()).len(), 2);
        let reasoned = first.replace(NO_REASON, "sealed at once");
        assert_eq!(findings(&reasoned, &found()), Vec::<String>::new());
        assert_eq!(rewritten(&reasoned, &found()), reasoned);
    }

    #[test]
    fn finds_what_is_missing_stale_twice_or_out_of_order() {
        let good = rewritten("", &found()).replace(NO_REASON, "sealed at once");
        let mut lines: Vec<&str> = good.lines().collect();
        let last = lines.pop().unwrap();
        let without = lines.join("\n") + "\n";
        assert_eq!(findings(&without, &found()).len(), 1, "missing");
        assert_eq!(findings(&good, &found()[..1]).len(), 1, "stale");
        assert_eq!(findings(&format!("{good}{last}\n"), &found()).len(), 1, "twice");
        assert_eq!(findings(&format!("{good}crates/x.rs | y\n"), &found()).len(), 1, "not a line");
        assert_eq!(findings(&good.replace("## the plan", "## a plan"), &found()).len(), 1, "a heading");
    }
}

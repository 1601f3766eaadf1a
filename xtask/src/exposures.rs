//! `exposures.txt`: every place where plaintext is handed out, and why. The page that an auditor reads first.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::say;
use crate::source::{Functions, code_only, is_test_file, without_tests, words};
use crate::workspace::{SourceFile, Workspace};

/// A use of an `expose_` function: path, what is called, and the function around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Exposure {
    path: String,
    called: String,
    within: String,
}

const HEADER: &str = "\
# Every place outside of tests where plaintext or a key is handed out: who reads this file has seen them all.
# path | what is called | function around it | why
# Kept true by `cargo xtask ci`; `cargo xtask exposures --write` rewrites it and keeps the reasons.
";
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
    let mut found: Vec<Exposure> = workspace.sources(&["crates"])?.iter().flat_map(of_file).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn of_file(file: &SourceFile) -> Vec<Exposure> {
    let is_source = file.path.split('/').nth(2) == Some("src") && !is_test_file(&file.path);
    if !is_source {
        return Vec::new();
    }
    let code = without_tests(&code_only(&file.text));
    let functions = Functions::find(&code);
    let is_definition = |at: usize| code.get(..at).is_some_and(|before| before.trim_end().ends_with("fn"));
    words(&code)
        .filter(|word| word.text.starts_with("expose_") && !is_definition(word.at))
        .map(|word| Exposure {
            path: file.path.clone(),
            called: word.text.to_owned(),
            within: functions.around(word.at).unwrap_or("-").to_owned(),
        })
        .collect()
}

fn rewritten(old: &str, exposures: &[Exposure]) -> String {
    let reasons: BTreeMap<Exposure, &str> = lines(old).filter_map(Result::ok).collect();
    let mut text = HEADER.to_owned();
    for exposure in exposures {
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
    findings
}

fn show(exposure: &Exposure) -> String {
    format!("{} in {} of {}", exposure.called, exposure.within, exposure.path)
}

fn lines(text: &str) -> impl Iterator<Item = Result<(Exposure, &str), &str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut parts = line.splitn(4, " | ");
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(path), Some(called), Some(within), Some(why)) => {
                Ok((Exposure { path: path.into(), called: called.into(), within: within.into() }, why.trim()))
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
        let mut found = of_file(&file());
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
            assert_eq!(of_file(&SourceFile { path: path.into(), text: file().text }), []);
        }
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
    }
}

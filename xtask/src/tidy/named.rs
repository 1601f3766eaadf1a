use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::workspace::Workspace;

/// The page that answers assessors by tests.
const PAGE: &str = "docs/pci.md";
/// A page that names fewer has lost them.
const TESTS_MIN: usize = 50;

/// Tests that the page names and that are not there.
pub(super) fn findings(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let page =
        fs::read_to_string(workspace.root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let mut tests = Vec::new();
    for file in workspace.sources(&["crates", "xtask/src"])? {
        tests.extend(tests_of(&module(Path::new(&file.path)), &file.text));
    }
    let named: Vec<_> = named(&page).collect();
    let missing = named.iter().filter(|name| !tests.iter().any(|test| is_named(test, name)));
    let mut findings: Vec<String> = missing.map(|name| format!("{PAGE}: there is no test {name}")).collect();
    if named.len() < TESTS_MIN {
        findings.push(format!("{PAGE}: it names {} tests, and should {TESTS_MIN} at least", named.len()));
    }
    Ok(findings)
}

/// What stands as code and has the form of a test's name.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let code = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    code.filter(|code| {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        };
        code.contains("::") && code.split("::").all(is_word)
    })
}

/// The module of a file in its crate.
fn module(path: &Path) -> String {
    let words: Vec<_> = path.iter().map(|word| word.to_string_lossy()).collect();
    let root = words.iter().position(|word| word == "src" || word == "it").map_or(0, |at| at + 1);
    let inner = words.get(root..).unwrap_or_default();
    let inner: Vec<_> = inner.iter().map(|word| word.trim_end_matches(".rs")).collect();
    inner.into_iter().filter(|word| !matches!(*word, "lib" | "main")).collect::<Vec<_>>().join("::")
}

/// Whole names of the tests in a file: those of its own module, and of the one for tests in it.
fn tests_of(module: &str, text: &str) -> Vec<String> {
    let mut is_test = false;
    let mut tests = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ")
            && std::mem::take(&mut is_test)
        {
            let name = rest.split('(').next().unwrap_or_default();
            tests.push(format!("{module}::{name}"));
            tests.push(format!("{module}::tests::{name}"));
        }
    }
    tests
}

/// Whether a name is that of a test, or its end from some module on.
fn is_named(test: &str, name: &str) -> bool {
    test.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let text = "#[test]\nfn holds() {}\n#[tokio::test]\nasync fn waits() {}\nfn helper() {}\n";
        let tests = tests_of(&module(Path::new("crates/panvault/tests/it/cluster/cvvs.rs")), text);
        let is_there = |name: &str| tests.iter().any(|test| is_named(test, name));
        for name in ["cluster::cvvs::holds", "cvvs::holds", "cvvs::waits", "cvvs::tests::holds"] {
            assert!(is_there(name), "{name}");
        }
        for name in ["cvvs::helper", "vvs::holds", "keys::holds", "cvvs::hold"] {
            assert!(!is_there(name), "{name}");
        }
        assert_eq!(module(Path::new("crates/web/src/lib.rs")), "");
        let page = "`a::b`, `a b`\n| `c::d::e`, `no` | `--flag` | `x::`\n";
        assert_eq!(named(page).collect::<Vec<_>>(), ["a::b", "c::d::e"]);
    }
}

use crate::source::{Source, is_test_file, line_of};
use crate::workspace::SourceFile;

/// Something that may not be written.
struct Rule {
    /// Where the rule holds: beginnings of paths.
    below: &'static [&'static str],
    /// Where it does not: beginnings of paths.
    but: &'static [&'static str],
    /// Whether tests may.
    tests_may: bool,
    words: &'static [&'static str],
    why: &'static str,
}

const EVERYWHERE: &[&str] = &["crates/", "xtask/"];

static RULES: &[Rule] = &[
    Rule {
        below: EVERYWHERE,
        but: &[],
        tests_may: false,
        words: &["#[ignore"],
        why: "a test that does not run is none",
    },
    Rule {
        below: &["crates/store"],
        but: &[],
        tests_may: true,
        words: &["panvault_card", "panvault_keys", "Pan::", "Cvv::", "RootKey"],
        why: "a store cannot name a card number, a CVV or a key",
    },
    Rule {
        below: &["crates/vault/"],
        but: &[],
        tests_may: true,
        words: &["http::", "hyper", "axum", "serde", "rusqlite", "StatusCode"],
        why: "the vault cannot name HTTP, JSON or SQL",
    },
    Rule {
        below: &["crates/card/", "crates/bins/", "crates/keys/"],
        but: &["crates/keys/src/entropy.rs"],
        tests_may: true,
        words: &["SystemTime", "Instant::", "std::env", "env::var", "rand::", "SystemRandom", "getrandom"],
        why: "clock, environment and randomness are handed in",
    },
    Rule {
        below: &["crates/server/"],
        but: &[],
        tests_may: true,
        words: &["aws_lc_rs::aead", "aws_lc_rs::hmac", "panvault_keys", "panvault_store", "rusqlite"],
        why: "the server cannot name a cipher or a database",
    },
];

/// Adds what is wrong with a file.
pub(super) fn findings(file: &SourceFile, findings: &mut Vec<String>) {
    let source = match Source::parse(&file.text) {
        Ok(source) => source,
        Err(error) => return findings.push(format!("{}: {error}", file.path)),
    };
    let is_test = is_test_file(&file.path);
    let holds = |rule: &&Rule| {
        let is_below = |begins: &[&str]| begins.iter().any(|begin| file.path.starts_with(begin));
        is_below(rule.below) && !is_below(rule.but)
    };
    for rule in RULES.iter().filter(holds) {
        let searched = match (rule.tests_may, is_test) {
            (true, true) => continue,
            (true, false) => &source.without_tests,
            (false, _) => &source.code,
        };
        for word in rule.words {
            for (at, _) in searched.match_indices(word).filter(|(at, _)| begins_a_name(searched, *at)) {
                findings.push(format!("{}:{}: `{word}`: {}", file.path, line_of(searched, at), rule.why));
            }
        }
    }
    // These are written in comments, and this line must not find itself.
    for word in [concat!("FIX", "ME"), concat!("TO", "DO")] {
        for (at, _) in file.text.match_indices(word).filter(|(at, _)| begins_a_name(&file.text, *at)) {
            findings.push(format!(
                "{}:{}: `{word}`: open ends belong into an issue",
                file.path,
                line_of(&file.text, at)
            ));
        }
    }
}

fn begins_a_name(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|head| head.chars().next_back());
    !before.is_some_and(|c| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        let mut all = Vec::new();
        findings(&SourceFile { path: path.to_owned(), text: text.to_owned() }, &mut all);
        all.len()
    }

    #[test]
    fn finds_what_may_not_be_written() {
        for (path, text) in [
            ("crates/card/src/pan.rs", "#[cfg(test)] mod tests { #[test] #[ignore] fn a() {} }"),
            ("crates/vault/src/vault.rs", concat!("// FIX", "ME later")),
            ("crates/store/src/row.rs", "use panvault_keys::RootKey as Root;"),
            ("crates/store-embedded/src/store.rs", "use panvault_card::Holder;"),
            ("crates/vault/src/vault.rs", "use serde_json::Value;"),
            ("crates/vault/src/vault.rs", "fn {"),
            ("crates/keys/src/ring.rs", "fn a() { std::env::args(); }"),
            ("crates/card/src/pan.rs", "use std::time::SystemTime;"),
            ("crates/bins/src/import.rs", "use std::time::SystemTime;"),
            ("crates/server/src/body.rs", "use panvault_keys::ApiKey;"),
        ] {
            assert!(found(path, text) > 0, "{path}: {text}");
        }
    }

    #[test]
    fn lets_pass_what_may() {
        for (path, text) in [
            ("crates/card/src/pan.rs", "// says #[ignore]\nconst A: &str = \"#[ignore]\";"),
            ("crates/store-embedded/src/store.rs", "#[cfg(test)] mod tests { use panvault_keys::RootKey; }"),
            ("crates/store-embedded/tests/it/main.rs", "use panvault_keys::RootKey;"),
            ("crates/keys/src/entropy.rs", "use aws_lc_rs::rand::SystemRandom;"),
            ("crates/server/src/tls.rs", "use rustls::crypto::aws_lc_rs;"),
            ("crates/vault/src/vault.rs", "use std::time::SystemTime;"),
        ] {
            assert_eq!(found(path, text), 0, "{path}: {text}");
        }
    }
}

use std::sync::LazyLock;

use regex::bytes::Regex;

/// A name of a CVV, and three or four digits as its value, as JSON, XML, forms and logs write it. That of a telephone's or an account's code is none: so "verification"
/// alone is not looked for.
const LABELLED: &str = r#"(?i-u)(?:^|[^a-z0-9])((?:card[ _.-]?)?(?:cvv2?|cvc2?|cav2|csc|cvn2?|cvd|security[ _.-]?code)|card[ _.-]?verification[ _.-]?(?:value|code|number))["'\\]{0,3}\s{0,4}(?::|=>?|>)\s{0,4}["'\\]{0,3}[0-9]{3,4}(?:[^0-9a-z._-]|[._-][^0-9a-z]|[._-]?$)"#;

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(LABELLED).ok());

/// Where digits stand that are called a CVV, and what they are called.
pub(crate) fn labelled(bytes: &[u8]) -> Vec<(usize, String)> {
    let Some(pattern) = PATTERN.as_ref() else { return Vec::new() };
    let labels = pattern.captures_iter(bytes).filter_map(|found| found.get(1));
    labels.map(|label| (label.start(), String::from_utf8_lossy(label.as_bytes()).into_owned())).collect()
}

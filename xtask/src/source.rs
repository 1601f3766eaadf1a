//! Rust sources as far as the checks need to know them: what is code, what is a test, and which function a place is in.

mod blank;

use core::ops::Range;

pub(crate) use blank::code_only;

/// A name in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The name.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

/// The line of a place, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Whether a file is a test as a whole.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/")
}

/// Names in code, in order.
pub(crate) fn words(code: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = 0;
    core::iter::from_fn(move || {
        let tail = code.get(rest..)?;
        let start = tail.find(|c: char| c == '_' || c.is_alphanumeric())?;
        let from = tail.get(start..)?;
        let len = from.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(from.len());
        let at = rest + start;
        rest = at + len;
        Some(Word { text: from.get(..len)?, at })
    })
}

/// Code with everything under `#[cfg(test)]` blanked out. Takes what [`code_only`] gives.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut bytes = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find(MARK)) {
        let start = from + found;
        let end = item_end(code, start + MARK.len());
        for byte in bytes.iter_mut().take(end).skip(start).filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        from = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where the item that begins at `from` ends: behind its `;`, or behind the brace that closes its first one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The functions of a file, each with its body, outermost first. Takes what [`code_only`] gives.
pub(crate) struct Functions(Vec<(String, Range<usize>)>);

impl Functions {
    /// Finds them.
    pub(crate) fn find(code: &str) -> Self {
        let mut found = Vec::new();
        let mut types: Vec<(&str, Range<usize>)> = Vec::new();
        let mut words = words(code);
        while let Some(word) = words.next() {
            match word.text {
                "impl" => types.extend(implementation(code, word.at)),
                "fn" if names_a_function(code, word.at) => {
                    let Some(name) = words.next() else { break };
                    let Some(body) = body(code, name.at) else { continue };
                    let owner = types.iter().rev().find(|(_, whole)| whole.contains(&name.at));
                    let owner = owner.map_or(String::new(), |(owner, _)| format!("{owner}::"));
                    found.push((owner + name.text, body));
                }
                _ => {}
            }
        }
        Self(found)
    }

    /// The innermost function around a place, with the type that it belongs to.
    pub(crate) fn around(&self, at: usize) -> Option<&str> {
        self.0.iter().rev().find(|(_, body)| body.contains(&at)).map(|(name, _)| name.as_str())
    }
}

/// `fn(…)` without a name is a type.
fn names_a_function(code: &str, at: usize) -> bool {
    let after = code.get(at + 2..).unwrap_or_default().trim_start();
    after.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// The type of an `impl` block and its braces; `impl` of an argument or answer is none.
fn implementation(code: &str, at: usize) -> Option<(&str, Range<usize>)> {
    let before = code.get(..at)?.trim_end();
    if !before.is_empty() && !before.ends_with(['}', ';', '{', ']']) {
        return None;
    }
    let open = at + code.get(at..)?.find('{')?;
    let head = code.get(at + 4..open)?;
    let head = head.split(" where ").next()?;
    let (mut depth, mut last) = (0usize, None);
    // The last name outside of angle brackets is the type's.
    for (place, c) in head.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && (c == '_' || c.is_alphabetic()) => {
                let starts = !head.get(..place)?.ends_with(|c: char| c == '_' || c.is_alphanumeric());
                last = if starts { Some(place) } else { last };
            }
            _ => {}
        }
    }
    let name = words(head.get(last?..)?).next()?.text;
    Some((name, open..item_end(code, open)))
}

/// The braces of the function whose signature begins at `from`; none for a declaration without body.
fn body(code: &str, from: usize) -> Option<Range<usize>> {
    let mut nesting = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => nesting += 1,
            b')' | b']' => nesting = nesting.saturating_sub(1),
            b';' if nesting == 0 => return None,
            b'{' if nesting == 0 => return Some(at..item_end(code, at)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
        use std::io; // fn not_one() { expose_comment() }
        trait T { fn declared(&self, x: [u8; 4]); }
        fn outer(f: fn(u8) -> u8, x: [u8; 4]) -> String {
            let text = \"fn quoted() { expose_text() }\";
            fn inner() { expose_inner(); }
            expose_outer();
            text.into()
        }
        impl<'a, T: Into<u8>> Show<T> for Block<'a> where T: Copy {
            fn show(&self, f: impl Fn(u8)) { expose_method(); }
        }
        static TABLE: u8 = expose_static();
        #[cfg(test)]
        mod tests { fn case() { expose_in_test(); } }
        #[cfg(test)] use x::{a, b};
        fn last() { expose_last() }
    ";

    #[test]
    fn tells_code_from_the_rest_and_knows_the_function_around() {
        let code = without_tests(&code_only(FILE));
        assert_eq!(code.lines().count(), FILE.lines().count());
        let functions = Functions::find(&code);
        let found: Vec<_> = words(&code)
            .filter(|word| word.text.starts_with("expose_"))
            .map(|word| (word.text, functions.around(word.at), line_of(&code, word.at)))
            .collect();
        assert_eq!(
            found,
            [
                ("expose_inner", Some("inner"), 6),
                ("expose_outer", Some("outer"), 7),
                ("expose_method", Some("Block::show"), 11),
                ("expose_static", None, 13),
                ("expose_last", Some("last"), 17),
            ]
        );
    }

    #[test]
    fn knows_files_of_tests() {
        assert!(
            is_test_file("crates/keys/src/ring/tests.rs") && is_test_file("crates/server/tests/it/main.rs")
        );
        assert!(!is_test_file("crates/keys/src/ring.rs") && !is_test_file("xtask/src/test.rs"));
    }
}

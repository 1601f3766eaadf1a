/// Code with comments, texts and characters blanked out, each byte where it was.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let after_name = out.last().is_some_and(|last| is_name(*last));
        match other_than_code(rest, after_name) {
            Some(len) => {
                out.extend(rest.iter().take(len).map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
                at += len;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Length of the comment, text or character that begins here, if one does.
fn other_than_code(rest: &[u8], after_name: bool) -> Option<usize> {
    match rest {
        [b'/', b'/', ..] => Some(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment(rest)),
        [b'"', ..] => Some(quoted(rest)),
        [b'r' | b'b' | b'c', ..] if !after_name => prefixed(rest),
        [b'\'', b'\\', ..] => Some(escaped_character(rest)),
        [b'\'', ..] => plain_character(rest),
        _ => None,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(pair) = rest.get(at..at + 2) {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// A text in quotation marks, with escapes.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A text or byte with a prefix such as `r#`, `b` or `br`.
fn prefixed(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).take(2).count();
    let raw = rest.iter().take(prefix).any(|byte| *byte == b'r');
    let hashes = rest.iter().skip(prefix).take_while(|byte| **byte == b'#').count();
    let body = rest.get(prefix + hashes..)?;
    match body.first()? {
        b'"' if raw => {
            let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let len = body.get(1..)?.windows(end.len()).position(|window| window == end)?;
            Some(prefix + hashes + 1 + len + end.len())
        }
        b'"' if hashes == 0 => Some(prefix + quoted(body)),
        b'\'' if hashes == 0 => other_than_code(body, false).map(|len| prefix + len),
        _ => None,
    }
}

fn escaped_character(rest: &[u8]) -> usize {
    let close = rest.iter().skip(3).position(|byte| *byte == b'\'');
    close.map_or(rest.len(), |place| place + 4)
}

/// A character of one to four bytes; a lifetime is none.
fn plain_character(rest: &[u8]) -> Option<usize> {
    let close = rest.iter().skip(1).take(5).position(|byte| *byte == b'\'')? + 1;
    let text = core::str::from_utf8(rest.get(1..close)?).ok()?;
    (text.chars().count() == 1).then_some(close + 1)
}

const fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_all_that_is_no_code() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b\"c")d"#, "a(      )d"),
            (r##"a(r#"b"c"#)d"##, "a(        )d"),
            (r#"a(b"x", br"\", c"y")d"#, "a(    ,      ,     )d"),
            ("a('{', '\\'', '\\u{7d}', b'{')d", "a(   ,     ,         ,     )d"),
            ("fn a<'a>(b: &'a str) {}", "fn a<'a>(b: &'a str) {}"),
            ("let bar = \"é\";", "let bar =     ;"),
            ("for_b\"x\"", "for_b   "),
        ] {
            assert_eq!(code_only(text), expected, "{text}");
        }
    }
}

//! Text as HTML.

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text with `code` in backquotes.
pub(super) fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for (at, part) in escaped(text).split('`').enumerate() {
        if at > 0 {
            out.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        out.push_str(part);
    }
    out
}

/// A block that can be copied, with a caption. What is too wide is scrolled in it, also with the keyboard.
pub(super) fn block(caption: &str, text: &str) -> String {
    format!("<figure><figcaption>{caption}</figcaption><pre tabindex=0>{}</pre></figure>", escaped(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_code_and_escapes_the_rest() {
        assert_eq!(marked("a < `b`"), "a &lt; <code>b</code>");
    }
}

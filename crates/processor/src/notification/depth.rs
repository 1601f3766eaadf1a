/// Whether objects and lists stand deeper within each other, before anything reads them. What is no JSON is the reader's to refuse.
pub(super) fn exceeds(json: &[u8], most: usize) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_stands_outside_of_texts() {
        for (json, depth) in [
            (r#"{}"#, 1),
            (r#"[[[]],[{}]]"#, 3),
            (r#"{"[[[[":"{{\"[[{"}"#, 1),
            (r#"{"a\\":[1]}"#, 2),
            (r#"]]]}[[ "#, 2),
            (r#"7"#, 0),
        ] {
            assert!(!exceeds(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || exceeds(json.as_bytes(), depth - 1), "{json}");
        }
    }
}

use std::collections::BTreeMap;

/// A form, by the names as they are spelled: `card[number]`.
pub(super) type Form = BTreeMap<String, String>;

/// Reads `application/x-www-form-urlencoded`; `None` when it is none, or names something twice.
pub(super) fn read(text: &str) -> Option<Form> {
    let mut form = Form::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if form.insert(decoded(name)?, decoded(value)?).is_some() {
            return None;
        }
    }
    Some(form)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let pair = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
                u8::try_from(pair).ok()?
            }
            // What is not unreserved is to be encoded; brackets in names are commonly left as they are.
            b'[' | b']' | b'-' | b'.' | b'_' | b'~' | b'*' => byte,
            byte if byte.is_ascii_alphanumeric() => byte,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_encoded_and_refuses_what_is_not() {
        let form = read("a%5Bb%5D=1+2%2B&c[d]=&e=%C3%A9").unwrap();
        let found: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a[b]", "1 2+"), ("c[d]", ""), ("e", "é")]);
        for wrong in ["a", "a=%", "a=%4", "a=%zz", "a=é", "a=1&a=2", "a=1 2", "a={}", "a=%ff"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}

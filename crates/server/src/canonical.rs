//! What a repeated request is compared by.

use zeroize::Zeroizing;

use crate::json::Value;

/// The member that is left out: a digest of a CVV, even a keyed one, could be tried out by whoever has the key.
const CVV: &str = "cvv";

/// The content of a body of so many bytes, as it was taken and whatever its spelling: names in order, texts without escapes, each
/// with its length before it. What was taken as not sent takes no part. Of a CVV it holds only whether there is one, so that what is kept of a request never depends on its digits.
pub(crate) fn canonical(body: &Value<'_>, bytes: usize) -> Zeroizing<Vec<u8>> {
    // Room for all of it, so that growing leaves no copy behind that nobody wipes.
    let mut out = Zeroizing::new(Vec::with_capacity(64 + 8 * bytes));
    match body {
        Value::Object(members) => {
            object(members.iter().map(|(name, value)| (name.as_str(), value)), true, &mut out)
        }
        other => value(other, &mut out),
    }
    out
}

fn object<'v, 'a: 'v>(
    members: impl Iterator<Item = (&'v str, &'v Value<'a>)>,
    outermost: bool,
    out: &mut Vec<u8>,
) {
    let mut members: Vec<_> = members.filter(|(_, member)| !matches!(member, Value::Absent)).collect();
    members.sort_by_key(|(name, _)| *name);
    out.push(b'{');
    length(members.len(), out);
    for (name, member) in members {
        text(name, out);
        match member {
            Value::Text(_) if outermost && name == CVV => out.push(b'*'),
            other => value(other, out),
        }
    }
}

fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Absent | Value::Null => out.push(b'n'),
        Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Value::Integer(number) => {
            out.push(b'i');
            out.extend_from_slice(&number.to_be_bytes());
        }
        // No field takes these: a body with one is refused before it is compared.
        Value::Number => out.push(b'r'),
        Value::Array => out.push(b'['),
        Value::Text(found) => {
            out.push(b's');
            text(found.as_str(), out);
        }
        Value::Object(members) => {
            object(members.iter().map(|(name, value)| (name.as_str(), value)), false, out);
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn of(body: &str) -> Vec<u8> {
        let Ok(value) = parse(body.as_bytes()) else { panic!("{body}") };
        let canonical = canonical(&value, body.len());
        assert!(canonical.len() <= 64 + 8 * body.len(), "it did not grow");
        canonical.to_vec()
    }

    #[test]
    fn spelling_and_order_do_not_matter() {
        let one = of(r#"{"a":"é","b":{"d":true,"c":null}}"#);
        assert_eq!(one, of(r#" { "b" : {"c":null, "d":true}, "a" : "\u00e9" } "#));
    }

    #[test]
    fn any_other_content_is_told_apart() {
        let bodies = [
            "{}",
            "{\"a\":\"\"}",
            "{\"a\":\"1\"}",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":{}}",
            "{\"a\":false}",
            "{\"a\":\"1\",\"b\":\"2\"}",
            "{\"a\":{\"b\":\"2\"}}",
            "{\"ab\":\"1\"}",
            "{\"a\":\"1b\"}",
            "null",
            "\"a\"",
        ];
        for (at, one) in bodies.iter().enumerate() {
            for other in &bodies[at + 1..] {
                assert_ne!(of(one), of(other), "{one} {other}");
            }
        }
    }

    /// The digest of a body was kept with its CVV in it: whoever had the directory and the root key, or a browser's key and a
    /// guess at the idempotency key, could try a thousand CVVs. The digits take no part in it any more.
    #[test]
    fn the_digits_of_a_cvv_take_no_part() {
        let with = |cvv: &str| of(&format!("{{\"card_number\":\"4\",\"cvv\":{cvv}}}"));
        assert_eq!(with("\"123\""), with("\"9999\""));
        assert_ne!(with("\"123\""), with("null"));
        assert_ne!(with("\"123\""), of("{\"card_number\":\"4\"}"));
        assert_ne!(
            of("{\"metadata\":{\"cvv\":\"1\"}}"),
            of("{\"metadata\":{\"cvv\":\"2\"}}"),
            "only the CVV itself"
        );
    }
}

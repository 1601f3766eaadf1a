//! What a repeated request is compared by.

use zeroize::Zeroizing;

use crate::fields::Fields;
use crate::json::{Digested, Member, Value};

/// The content of a body, as it was taken and whatever its spelling: names in order, texts without escapes, each
/// with its length before it. What was taken as not sent takes no part. Of a CVV or a cryptogram it holds only whether there is one, so that what is
/// kept of a request never depends on its digits.
pub(crate) fn canonical(fields: &Fields<'_>) -> Zeroizing<Vec<u8>> {
    // Room for all of it, so that growing leaves no copy behind that nobody wipes.
    let mut out = Zeroizing::new(Vec::with_capacity(ROOM + ROOM_PER_BYTE * fields.bytes()));
    object(fields.members(), &mut out);
    out
}

pub(crate) const ROOM: usize = 16;
/// An integer with an empty name, `"":1,`, has 13 bytes here.
pub(crate) const ROOM_PER_BYTE: usize = 3;

fn object(members: &[Member<'_>], out: &mut Vec<u8>) {
    let there = |(_, value): &&Member<'_>| !matches!(value, Value::Absent);
    let mut members: Vec<_> =
        members.iter().filter(there).map(|(name, value)| (name.expose_text(), value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    length(members.len(), out);
    for (name, member) in members {
        text(name, out);
        value(member, out);
    }
}

fn value(found: &Value<'_>, out: &mut Vec<u8>) {
    match found {
        Value::Absent | Value::Null => out.push(b'n'),
        Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Value::Integer(number) => {
            out.push(b'i');
            out.extend_from_slice(&number.expose_integer().to_be_bytes());
        }
        Value::Id(id) => {
            out.push(b'd');
            out.extend_from_slice(id.as_bytes());
        }
        Value::Secret(_, Digested::Presence) => out.push(b'*'),
        Value::Secret(found, Digested::Text) | Value::Text(found) | Value::Clear(found) => {
            out.push(b's');
            text(found.expose_text(), out);
        }
        Value::Object(members) => object(members, out),
        Value::Array(elements) => {
            out.push(b'[');
            length(elements.len(), out);
            elements.iter().for_each(|element| value(element, out));
        }
        // No field takes these: a body with one is refused before it is compared.
        Value::Number | Value::Refused => out.push(b'-'),
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
    use crate::body::Body;
    use crate::fault::Faults;
    use crate::fields::FieldSpec;
    use crate::json::parse;
    use crate::object::card;

    /// Of bodies that have no fault.
    fn of(body: &str, specs: &[FieldSpec]) -> Vec<u8> {
        let body = Body::of(body);
        let Ok(value) = parse(&body) else { panic!("not JSON") };
        let mut faults = Faults::default();
        let fields = Fields::take(value, body.len(), specs, &mut faults);
        assert_eq!(faults.into_details(), []);
        let canonical = canonical(&fields);
        assert!(canonical.len() <= ROOM + ROOM_PER_BYTE * body.len(), "it did not grow");
        canonical.to_vec()
    }

    /// An update of a card, with these members.
    fn update(members: &str) -> Vec<u8> {
        of(&format!("{{\"organisation\":\"65f1c0d00b5e6f708192a3b4\"{members}}}"), card::UPDATE.fields)
    }

    #[test]
    fn spelling_and_order_do_not_matter() {
        let one = update(r#","card_holder_name":"Zoé","metadata":{"b":"2","a":"1"},"expiry_month":"7""#);
        assert_eq!(
            one,
            update(r#", "expiry_month" : 7, "metadata":{"a":"1", "b":"2"}, "card_holder_name":"Zo\u00e9" "#)
        );
        assert_eq!(
            one,
            update(r#","\u0063ard_holder_name":"Zoé","metadata":{"b":"2","a":"1"},"expiry_month":"7""#)
        );
    }

    #[test]
    fn any_other_content_is_told_apart() {
        let bodies = [
            "",
            r#","metadata":{}"#,
            r#","metadata":{"a":""}"#,
            r#","metadata":{"a":"1"}"#,
            r#","metadata":{"a":"1","b":"2"}"#,
            r#","metadata":{"ab":"1"}"#,
            r#","metadata":{"a":"1b"}"#,
            r#","card_holder_name":"Ann""#,
            r#","card_holder_name":"Anne""#,
            r#","expiry_month":"7""#,
            r#","expiry_month":"07""#,
            r#","expiry_year":"07""#,
            r#","cvv":null"#,
            r#","cvv":"123""#,
        ];
        let bodies = bodies.map(update);
        for (at, one) in bodies.iter().enumerate() {
            for other in &bodies[at + 1..] {
                assert_ne!(one, other);
            }
        }
    }

    #[test]
    fn numbers_and_flags_take_part() {
        let transaction = |members: &str| {
            let ids = r#""account":"65f1c0d11c2d3e4f5a6b7c8d","card":"65f1c0de8a4b3c2d1e0f9a8b""#;
            of(&format!("{{{ids},{members}}}"), crate::object::transaction::CREATE.fields)
        };
        let one = transaction(r#""amount":1"#);
        assert_eq!(one, transaction(r#""amount":"1""#));
        assert_ne!(one, transaction(r#""amount":2"#));
        assert_ne!(one, transaction(r#""amount":1,"capture_now":true"#));
        assert_ne!(transaction(r#""amount":1,"capture":false"#), transaction(r#""amount":1,"capture":true"#));
    }

    #[test]
    fn the_card_number_takes_part() {
        let with = |number: &str| {
            let rest = r#""expiry_month":"1","expiry_year":"30","organisation":"65f1c0d00b5e6f708192a3b4""#;
            of(&format!("{{\"card_number\":\"{number}\",{rest}}}"), card::CREATE.fields)
        };
        assert_ne!(with("4111111111111111"), with("4111111111111112"));
    }

    /// The digest of a body was kept with its CVV in it: whoever had the directory and the root key, or a browser's key and a
    /// guess at the idempotency key, could try a thousand CVVs. The digits take no part in it any more, nor those of a cryptogram.
    #[test]
    fn the_digits_of_a_cvv_take_no_part() {
        let with = |cvv: &str| update(&format!(",\"cvv\":{cvv}"));
        assert_eq!(with("\"123\""), with("\"9999\""));
        assert_ne!(with("\"123\""), with("null"));
        assert_ne!(with("\"123\""), update(""));
        let payment = |cryptogram: &str| {
            let rest = r#""account":"65f1c0d11c2d3e4f5a6b7c8d","card":"65f1c0de8a4b3c2d1e0f9a8b","amount":1"#;
            of(&format!("{{{rest}{cryptogram}}}"), crate::object::transaction::CREATE.fields)
        };
        let brought = payment(r#","cryptogram":"AgAAAAAAAIR8CQrXcIhbQAAAAAA=""#);
        assert_eq!(brought, payment(r#","cryptogram":"ALnt+yWSJdXBACMLLWMNGgADFA==""#));
        assert_ne!(brought, payment(""));
    }
}

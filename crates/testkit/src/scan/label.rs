/// Words that say that a CVV follows.
const LABELS: [&[u8]; 6] = [b"security_code", b"security code", b"securitycode", b"cvv2", b"cvv", b"cvc"];
/// What may stand between the word and the digits: quotes, escapes, an equals sign or a colon, and `Some(`.
const BETWEEN: &[u8] = b"\"'`\\:= ([{Some";
const BETWEEN_MAX: usize = 16;

/// Finds three or four digits beside a word that says that they are a CVV, in capitals or not.
pub(super) fn find(bytes: &[u8], found: &mut dyn FnMut(usize)) {
    for (at, first) in bytes.iter().enumerate() {
        if !matches!(first, b'c' | b'C' | b's' | b'S') {
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(label) = LABELS.iter().find(|label| starts_with(rest, label)) else { continue };
        // `decline_without_cvv` is a percentage.
        let without = bytes.get(..at).is_some_and(|before| before.ends_with(b"without_"));
        if !without && is_cvv(rest.get(label.len()..).unwrap_or_default()) {
            found(at);
        }
    }
}

fn starts_with(rest: &[u8], label: &[u8]) -> bool {
    rest.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label))
}

/// Whether three or four digits follow, with at least one sign between that they belong to the label.
fn is_cvv(rest: &[u8]) -> bool {
    let between = rest.iter().take(BETWEEN_MAX).take_while(|byte| BETWEEN.contains(byte)).count();
    let assigned = rest.get(..between).is_some_and(|signs| signs.iter().any(|sign| b":= ".contains(sign)));
    let digits = rest
        .get(between..)
        .unwrap_or_default()
        .iter()
        .take(5)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    assigned && (3..=4).contains(&digits)
}

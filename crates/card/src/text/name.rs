/// Whether a name says that its value is what must not be kept in clear, or not at all: a CVV, a card number, a track, a PIN.
/// Case, and all that is neither a letter nor a digit, do not count.
pub fn is_secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(|symbol| symbol.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let bare = name.strip_prefix("card").unwrap_or(&name);
    name == "cardnumber" || SECRET_NAMES.contains(&bare)
}

/// In small letters without separators; each also behind "card".
const SECRET_NAMES: [&str; 19] = [
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "cid",
    "csc",
    "cav2",
    "securitycode",
    "verificationcode",
    "verificationvalue",
    "pan",
    "primaryaccountnumber",
    "track1",
    "track2",
    "trackdata",
    "pin",
    "pinblock",
    "cryptogram",
    "tavv",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_names_of_what_must_not_be_kept() {
        for name in [
            "cvv",
            "CVV2",
            "cvc",
            "Cvc-2",
            "CID",
            "csc",
            "cav2",
            "security code",
            "SecurityCode",
            "card_cvv",
            "pan",
            "card number",
            "card-pan",
            "cardNumber",
            "track 1",
            "track2",
            "PIN",
            "pin block",
            "p.i.n",
            "cardSecurityCode",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "",
            "number",
            "card",
            "company",
            "span",
            "pinned",
            "order_id",
            "track",
            "panel",
            "card_type",
            "cvv_checked",
            "cidr",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}

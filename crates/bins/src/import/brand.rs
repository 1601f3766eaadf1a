//! Schemes by the names that lists give them.

use panvault_model::Brand;

/// In capitals. Names that stand for no scheme of ours (EBT, Cirrus, fuel cards, private labels) are not here: they say nothing
/// against the digits.
const NAMES: [(&str, Brand); 49] = [
    ("AMERICAN EXPRESS", Brand::Amex),
    ("AMEX", Brand::Amex),
    ("BC CARD", Brand::Bccard),
    ("BCCARD", Brand::Bccard),
    ("BELKART", Brand::Belkart),
    ("CABAL", Brand::Cabal),
    ("CARTE BANCAIRE", Brand::Cb),
    ("CARTES BANCAIRES", Brand::Cb),
    ("CB", Brand::Cb),
    ("CHINA UNION PAY", Brand::Upi),
    ("CHINA UNIONPAY", Brand::Upi),
    ("CUP", Brand::Upi),
    ("DANKORT", Brand::Dankort),
    ("DINERS", Brand::Diners),
    ("DINERS CLUB", Brand::Diners),
    ("DINERS CLUB INTERNATIONAL", Brand::Diners),
    ("DISCOVER", Brand::Discover),
    ("ELO", Brand::Elo),
    ("HIPER", Brand::Hiper),
    ("HIPERCARD", Brand::Hipercard),
    ("HUMO", Brand::Humo),
    ("HUMOCARD", Brand::Humo),
    ("INTERPAYMENT", Brand::Interpayment),
    ("JCB", Brand::Jcb),
    ("LANKAPAY", Brand::Lankapay),
    ("MADA", Brand::Mada),
    ("MAESTRO", Brand::Maestro),
    ("MASTER CARD", Brand::Mastercard),
    ("MASTERCARD", Brand::Mastercard),
    ("MIR", Brand::Mir),
    ("NAPAS", Brand::Napas),
    ("NARANJA", Brand::Naranja),
    ("NSPK MIR", Brand::Mir),
    ("RUPAY", Brand::Rupay),
    ("TARJETA CABAL", Brand::Cabal),
    ("TARJETA NARANJA", Brand::Naranja),
    ("TROY", Brand::Troy),
    ("UATP", Brand::Uatp),
    ("UNION PAY", Brand::Upi),
    ("UNIONPAY", Brand::Upi),
    ("UNIONPAY INTERNATIONAL", Brand::Upi),
    ("UNIVERSAL AIR TRAVEL PLAN", Brand::Uatp),
    ("UPI", Brand::Upi),
    ("UZCARD", Brand::Uzcard),
    ("VERVE", Brand::Verve),
    ("VERVE CARD", Brand::Verve),
    ("VISA", Brand::Visa),
    ("VISA DANKORT", Brand::Dankort),
    ("VISA ELECTRON", Brand::Visa),
];

/// The schemes of a cell, such as `VISA` or `JCB/RUPAY`.
pub(super) fn brands(cell: &str) -> impl Iterator<Item = Brand> {
    cell.split('/').filter_map(brand)
}

/// The scheme with that name, in capitals or not.
fn brand(name: &str) -> Option<Brand> {
    let name = name.trim();
    // Nearly all rows of a list are of these.
    match name {
        "VISA" => return Some(Brand::Visa),
        "MASTERCARD" => return Some(Brand::Mastercard),
        _ => {}
    }
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, brand)| *brand)
}

/// Whether a list may call cards of one scheme by the other's name: partners whose numbers lie in each other's ranges, and
/// schemes without ranges of their own.
pub(super) const fn agree(listed: Brand, of_digits: Brand) -> bool {
    listed as u8 == of_digits as u8
        || matches!(
            (listed, of_digits),
            // RuPay and BC Card issue within Discover's ranges, and their cards run on its network abroad.
            (Brand::Discover, Brand::Rupay | Brand::Bccard)
                // Cartes Bancaires are Visa's or Mastercard's too: only a list can tell.
                | (Brand::Cb, Brand::Visa | Brand::Mastercard | Brand::Maestro)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_capital() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(NAMES.iter().all(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_lowercase())));
        assert!(
            Brand::ALL.iter().all(|brand| NAMES.iter().any(|(_, known)| known == brand)),
            "each has a name"
        );
    }

    #[test]
    fn reads_cells_of_several_schemes() {
        let all = |cell| brands(cell).collect::<Vec<_>>();
        assert_eq!(all("jcb / RuPay"), [Brand::Jcb, Brand::Rupay]);
        assert_eq!(all("MAESTRO/BANCONTACT"), [Brand::Maestro]);
        assert_eq!(all("PRIVATE LABEL"), []);
    }
}

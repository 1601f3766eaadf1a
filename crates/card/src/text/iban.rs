//! International bank account numbers (ISO 13616-1).

/// How many characters the numbers of which countries have: those of the registry, and those that use them without being in it.
const COUNTRIES: [(usize, &str); 18] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "AO CV GW LY MZ PT ST"),
    (26, "DZ IR IS TR"),
    (27, "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD"),
    (28, "AL AZ BF BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// Whether a text is such a number: of a country that has them, as long as that country's, and with the right check number (ISO 7064,
/// MOD 97-10). Printed in groups of four, one in twenty holds what is written as a card number is. The check number alone says
/// little: of card numbers behind two letters, such as `VI`, it is right of one in a hundred.
pub(super) fn is_iban(text: &str) -> bool {
    let chars = || text.trim().chars().filter(|symbol| *symbol != ' ');
    let country: String = chars().take(2).collect();
    let length = chars().count();
    if !COUNTRIES.iter().any(|(of, names)| *of == length && names.split(' ').any(|name| name == country)) {
        return false;
    }
    let rotated = chars().skip(4).chain(chars().take(4));
    let rest = rotated.into_iter().try_fold(0, |rest, symbol| {
        let value = symbol.to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    rest == Some(1)
}

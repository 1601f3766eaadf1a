//! Countries of ISO 3166-1 and their national currencies of ISO 4217.

use panvault_model::{Country, Currency};

/// The country with this code, in capitals or not: an ISO 3166-1 alpha-2 code, or `XK`, the user-assigned code by which lists
/// and schemes name Kosovo.
pub fn country(text: &str) -> Option<Country> {
    let mut code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.make_ascii_uppercase();
    let country = Country::from_bytes(code)?;
    (country.as_str() == KOSOVO || iso(country).is_some()).then_some(country)
}

/// The national currency of a country; `None` where ISO 4217 knows none.
pub fn currency(country: Country) -> Option<Currency> {
    if let Some((_, code, _)) = SETTLED.iter().find(|(settled, _, _)| *settled == country.as_str()) {
        return code.and_then(Currency::parse);
    }
    let used = iso_currency::Currency::from_country(iso(country)?);
    let mut current = used.iter().filter(|currency| {
        !currency.is_fund() && !currency.is_special() && currency.is_superseded().is_none()
    });
    // Of two, none is chosen by the order of a library: such countries are settled above.
    match (current.next(), current.next()) {
        (Some(only), None) => Currency::parse(only.code()),
        (Some(_) | None, _) => None,
    }
}

const KOSOVO: &str = "XK";

fn iso(country: Country) -> Option<iso_currency::Country> {
    country.as_str().parse().ok()
}

/// Countries whose currency the library leaves open or sees differently from ISO 4217, with the currency and the reason.
const SETTLED: [(&str, Option<&str>, &str); 14] = [
    ("BB", Some("BBD"), "the US dollar is taken in shops and is not the currency of the country"),
    ("BM", Some("BMD"), "the US dollar is taken in shops and is not the currency of the country"),
    ("BT", Some("BTN"), "the Indian rupee is legal tender beside the national ngultrum"),
    ("HT", Some("HTG"), "the US dollar circulates beside the national gourde"),
    ("IO", Some("USD"), "ISO 4217 gives the British Indian Ocean Territory the US dollar alone"),
    ("KH", Some("KHR"), "the US dollar circulates beside the national riel"),
    ("LS", Some("LSL"), "the South African rand is legal tender beside the national loti"),
    (
        "NA",
        Some("NAD"),
        "the library knows the South African rand alone, which is legal tender beside the national dollar",
    ),
    ("PA", Some("PAB"), "the US dollar circulates beside the national balboa"),
    ("PS", None, "ISO 4217: no universal currency"),
    ("GS", None, "ISO 4217: no universal currency"),
    ("SV", Some("USD"), "the colón has not been issued since 2001"),
    (
        "VE",
        Some("VES"),
        "ISO 4217, amendment 170: VED is for needs inside the country and does not replace VES",
    ),
    (KOSOVO, Some("EUR"), "not in ISO 4217; the euro is its currency by its own law"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Country> {
        let letters = || b'A'..=b'Z';
        letters()
            .flat_map(|first| letters().map(move |second| [first, second]))
            .filter_map(|code| country(core::str::from_utf8(&code).unwrap()))
            .collect()
    }

    /// ISO 4217, list one, as of 2026.
    const EXPECTED: &str = "\
        AD EUR AE AED AF AFN AG XCD AI XCD AL ALL AM AMD AO AOA AQ - AR ARS AS USD AT EUR AU AUD AW AWG AX EUR AZ AZN BA BAM \
        BB BBD BD BDT BE EUR BF XOF BG EUR BH BHD BI BIF BJ XOF BL EUR BM BMD BN BND BO BOB BQ USD BR BRL BS BSD BT BTN BV NOK \
        BW BWP BY BYN BZ BZD CA CAD CC AUD CD CDF CF XAF CG XAF CH CHF CI XOF CK NZD CL CLP CM XAF CN CNY CO COP CR CRC CU CUP \
        CV CVE CW XCG CX AUD CY EUR CZ CZK DE EUR DJ DJF DK DKK DM XCD DO DOP DZ DZD EC USD EE EUR EG EGP EH MAD ER ERN ES EUR \
        ET ETB FI EUR FJ FJD FK FKP FM USD FO DKK FR EUR GA XAF GB GBP GD XCD GE GEL GF EUR GG GBP GH GHS GI GIP GL DKK GM GMD \
        GN GNF GP EUR GQ XAF GR EUR GS - GT GTQ GU USD GW XOF GY GYD HK HKD HM AUD HN HNL HR EUR HT HTG HU HUF ID IDR IE EUR \
        IL ILS IM GBP IN INR IO USD IQ IQD IR IRR IS ISK IT EUR JE GBP JM JMD JO JOD JP JPY KE KES KG KGS KH KHR KI AUD KM KMF \
        KN XCD KP KPW KR KRW KW KWD KY KYD KZ KZT LA LAK LB LBP LC XCD LI CHF LK LKR LR LRD LS LSL LT EUR LU EUR LV EUR LY LYD \
        MA MAD MC EUR MD MDL ME EUR MF EUR MG MGA MH USD MK MKD ML XOF MM MMK MN MNT MO MOP MP USD MQ EUR MR MRU MS XCD MT EUR \
        MU MUR MV MVR MW MWK MX MXN MY MYR MZ MZN NA NAD NC XPF NE XOF NF AUD NG NGN NI NIO NL EUR NO NOK NP NPR NR AUD NU NZD \
        NZ NZD OM OMR PA PAB PE PEN PF XPF PG PGK PH PHP PK PKR PL PLN PM EUR PN NZD PR USD PS - PT EUR PW USD PY PYG QA QAR \
        RE EUR RO RON RS RSD RU RUB RW RWF SA SAR SB SBD SC SCR SD SDG SE SEK SG SGD SH SHP SI EUR SJ NOK SK EUR SL SLE SM EUR \
        SN XOF SO SOS SR SRD SS SSP ST STN SV USD SX XCG SY SYP SZ SZL TC USD TD XAF TF EUR TG XOF TH THB TJ TJS TK NZD TL USD \
        TM TMT TN TND TO TOP TR TRY TT TTD TV AUD TW TWD TZ TZS UA UAH UG UGX UM USD US USD UY UYU UZ UZS VA EUR VC XCD VE VES \
        VG USD VI USD VN VND VU VUV WF XPF WS WST XK EUR YE YER YT EUR ZA ZAR ZM ZMW ZW ZWG";

    #[test]
    fn every_country_has_the_currency_of_the_official_list() {
        let words: Vec<&str> = EXPECTED.split_ascii_whitespace().collect();
        let expected: Vec<(&str, &str)> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let found: Vec<(String, String)> = all()
            .into_iter()
            .map(|country| {
                let code = currency(country).map_or_else(|| "-".to_owned(), |code| code.to_string());
                (country.to_string(), code)
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!((found.len(), expected.len()), (250, 250), "249 of ISO 3166-1, and XK");
    }

    #[test]
    fn only_codes_of_the_standard_are_countries() {
        assert_eq!(country("nl").map(|country| country.to_string()).as_deref(), Some("NL"));
        assert!(country("XK").is_some());
        for text in ["", "N", "NLD", "UK", "EU", "ZZ", "AN", "YU", "N1", "ÑL", " N"] {
            assert_eq!(country(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_settled_is_a_country_and_has_a_reason() {
        for (code, _, why) in SETTLED {
            assert!(country(code).is_some() && !why.is_empty(), "{code}");
        }
    }
}

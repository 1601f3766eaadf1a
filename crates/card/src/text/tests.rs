use proptest::prelude::*;

use super::*;

#[test]
fn finds_card_numbers_as_they_are_written() {
    for text in [
        "4111111111111111",
        "card 4111 1111 1111 1111 please",
        "4111-1111-1111-1111",
        "x5555555555554444y",
        "378282246310005",
        "3782 822463 10005",
        "a1 4111111111111111",
        "30569309025904",
        "3056 930902 5904",
        "4222222222222",
        "5018 0000 0009",
        "6759 6498 2643 8453",
        "6200 0000 0000 0000 000",
        "620000 0000000000000",
        "41111111 11111111",
        "411111 111111 1111",
        "4111 1111 11111111",
        "4111 11111111 1111",
        "41111111 1111 1111",
        "4111 111111111111",
        "411111111111-1111",
        "4,111,111,111,111,111",
        "378.282.246.310.005",
        r#"["4111","1111","1111","1111"]"#,
        "2200000000000004",
        "180000000000002",
        "1354 12345 678911",
        "order 7 4111 1111 1111 1111 90210",
        "4111.1111.1111.1111.00",
        "+4111111111111111",
        "DE89 4111 1111 1111 1111",
    ] {
        assert!(holds_card_number(text), "{text}");
        assert!(!holds_card_number(&masked_text(text, 500)), "{text}");
    }
}

#[test]
fn finds_card_numbers_with_cvv_or_expiry_right_behind() {
    for text in [
        "4111111111111111 12/29 123",
        "4111111111111111=29121011000012345678",
        "%B4111111111111111^LEE/ANN^29121011000012345678?",
        "4111111111111111D2912101",
        "4111111111111111|12|2029|123",
        "41111111111111111229123",
        "41111111111111111231229",
        "41111111111111111229",
        "41111111111111112912",
        "4111111111111111122029",
        "4111111111111111202912123",
        "4111111111111111123",
        "3782822463100051234",
        "37828224631000512291234",
        "305693090259041229",
        "4111 1111 1111 1111 1229 123",
    ] {
        assert!(holds_card_number(text), "{text}");
    }
    for text in ["41111111111111111329", "4111111111111111991", "411111111111111112345", "30569309025904123"]
    {
        let found = holds_card_number(text);
        assert_eq!(found, text.len() == 19, "neither expiry nor CVV, but for three digits: {text}");
    }
}

/// The bug: a card number with dots between its groups was stored in clear metadata. Its cause: only a single ASCII space or
/// dash counted as a separator. Its cure: anything does that is no letter and no digit, of up to three characters, if it is the same
/// between all groups; what cannot be seen does not count.
#[test]
fn finds_card_numbers_between_any_separators() {
    for separator in [
        ".",
        "/",
        "_",
        "  ",
        "     ",
        "\u{a0}",
        "\u{200b}",
        " - ",
        "+",
        "\u{2011}",
        "\t",
        "\u{fe0f}\u{20e3}",
        "\u{ad}",
        "·",
        "\u{2003}",
        "|",
        "*",
        ", ",
        "\u{fffd}",
        "&nbsp;",
        "\u{336}",
    ] {
        let groups = ["4111", "1111", "1111", "1111"].join(separator);
        let digits: Vec<String> = "4111111111111111".chars().map(String::from).collect();
        let pairs = ["41", "11", "11", "11", "11", "11", "11", "11"].join(separator);
        for text in [groups, digits.join(separator), pairs] {
            assert!(holds_card_number(&text), "{text:?}");
            assert!(holds_card_number(&format!("order 7: {text} Ann Lee")), "{text:?}");
        }
    }
    for text in
        ["4111\u{a0}1111 1111\u{2009}1111", "4111–1111-1111\u{2011}1111", "4111 \u{200b}1111 1111 1111"]
    {
        assert!(holds_card_number(text), "spaces are alike, and so are dashes: {text:?}");
    }
    for text in ["4111x1111x1111x1111", "4111 .:. 1111 .:. 1111 .:. 1111", "4111-1111.1111 1111"] {
        assert!(!holds_card_number(text), "{text:?}");
    }
}

/// The bug: a card number in full-width digits was stored. Its cause: only ASCII's were taken for digits. Its cure: digits of all
/// scripts stand for what they are.
#[test]
fn finds_card_numbers_in_digits_of_other_scripts() {
    for text in [
        "４１１１ １１１１ １１１１ １１１１",
        "٤١١١١١١١١١١١١١١١",
        "4111 1111 1111 111１",
        "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏",
        "④①①① ①①①① ①①①① ①①①①",
        "४१११-११११-११११-११११",
        "⁴¹¹¹¹¹¹¹¹¹¹¹¹¹¹¹",
    ] {
        assert!(holds_card_number(text), "{text}");
        assert!(!masked_text(text, 500).contains(char::is_numeric), "{text}");
    }
    for text in [
        "２０２４-11-23",
        "12345678 ①②③",
        "100 m² 25 m² 1000 m² 75 m²",
        "১২৩৪৫৬৭৮৯০১২",
        "４１１１１１１１１１１１１１１２",
    ] {
        assert!(!holds_card_number(text), "{text}");
    }
}

/// The bug: a card number in a URL was stored. Its cause: escaped separators put digits of their own between the groups. Its cure:
/// text is decoded, and looked at again.
#[test]
fn finds_card_numbers_below_escapes() {
    for text in [
        "https://shop.example/pay?card=4111%201111%201111%201111",
        "4111%2D1111%2d1111-1111",
        "%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31",
        "4111%25201111%25201111%25201111",
        "4111%EF%BC%9111111111111",
        "%ff4111%ff1111%ff1111%ff1111",
        r"\u0034\u0031\u0031\u0031111111111111",
        r"\x34\x31\x31\x31111111111111",
        r"\u{34}111111111111111",
        "%u0034%u0031%u0031%u0031111111111111",
        "&#52;&#49;&#49;&#49;111111111111",
        "&#x34;&#x31;&#x31;&#x31;111111111111",
        "&#52&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49&#49",
        "&amp;#52;111111111111111",
        "4111&nbsp;1111&nbsp;1111&nbsp;1111",
        r"\uff14\uff11\uff11\uff11111111111111",
        "&#xAEA;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;&#xAE7;",
    ] {
        assert!(holds_card_number(text), "{text}");
        let masked = masked_text(text, 500);
        assert!(masked.len() == text.len() && !holds_card_number(&masked), "{masked}");
    }
    for text in
        ["https://shop.example/a%20b?at=1700000000000", "100% 200% 300% 400%", "%", "%4", "%zz12345678901234"]
    {
        assert!(!holds_card_number(text), "{text}");
    }
}

/// The bug: a card number of which a text was written as JSON or C twice, or as an old page, was stored and shown: `4111\\n1111…` in a
/// browser's name too. Its cause: of escapes with a backslash only those with hexadecimal digits were known, and characters by name needed
/// a semicolon. Its cure: those of one letter, in octal, of the backslash itself, and `&nbsp` are known too.
#[test]
fn finds_card_numbers_below_escapes_of_letters_and_octal_digits() {
    for text in [
        r"4111\n1111\n1111\n1111",
        r"4111\r\n1111\r\n1111\r\n1111",
        r"4111\t1111\t1111\t1111",
        r"4111\\n1111\\n1111\\n1111",
        r"\\u0034\\u0031\\u0031\\u0031111111111111",
        r"\064\061\061\061111111111111",
        r"4111\302\2401111\302\2401111\302\2401111",
        "4111&nbsp1111&nbsp1111&nbsp1111",
    ] {
        assert!(holds_card_number(text), "{text}");
        let masked = masked_text(text, 500);
        assert!(masked.len() == text.len() && !masked.contains("1111"), "{masked}");
    }
    for text in [
        r"C:\new\2024\report 12345678",
        r"\0001234567890",
        "a&nbspb 123456789012",
        r"1\n2\n3\n4\n5\n6\n7\n8\n9\n10",
    ] {
        assert!(!holds_card_number(text), "{text}");
    }
}

/// The bug: letters and marks that cannot be seen hid a card number, for a letter parts digits. Its cure: they count as nothing, like
/// all that cannot be seen.
#[test]
fn finds_card_numbers_between_what_cannot_be_seen() {
    for unseen in [
        "\u{3164}",
        "\u{115f}",
        "\u{1160}",
        "\u{ffa0}",
        "\u{17b4}",
        "\u{fff9}",
        "\u{1ab0}",
        "\u{1dc0}",
        "\u{fe20}",
        "\u{488}",
        "\u{1d173}",
    ] {
        let digits: Vec<String> = "4111111111111111".chars().map(String::from).collect();
        for text in [digits.join(unseen), format!("411111{unseen}1111111111")] {
            assert!(holds_card_number(&text), "{text:?}");
            assert!(!masked_text(&text, 500).contains('1'), "{text:?}");
        }
    }
}

#[test]
fn leaves_other_text_alone() {
    for text in [
        "",
        "order 2024-11-23",
        "4111111111111112",
        "411111111111",
        "1234567890123456789012345",
        "9111111111111111",
        "please 121",
        "2024-11-23 10:15:30.123456",
        "from 203.0.113.7, 198.51.100.42 and 192.0.2.200",
        "10.00, 20.00, 30.00, 40.00, 50.00",
        "52.370216, 4.895168",
        "41111 11111 111111",
        "4111-111-111-111-111",
        "00000004111111111111111",
    ] {
        assert!(!holds_card_number(text), "{text}");
    }
}

/// The bug: a payment was refused for the shopper's browser. Its cause: `419.4.905781065` has the digits of a card number of Visa's. Its
/// cure: such text is masked, and never refused; a browser's is mostly left as it is.
#[test]
fn a_browser_keeps_its_name() {
    let gsa = |version: &str| {
        format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/{version} \
             Mobile/15E148 Safari/604.1"
        )
    };
    assert_eq!(masked_text(&gsa("419.4.905781065"), 512), gsa("***.*.*********"));
    for text in [
        gsa("419.4.905781066").as_str(),
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21D61 \
         [FBAN/FBIOS;FBAV/450.0.0.38.108;FBBV/564431005;FBDV/iPhone14,3;FBMD/iPhone;FBSN/iOS;FBSV/17.3.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5;FBRV/567102345]",
        "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
         Chrome/121.0.6167.178 Mobile Safari/537.36 Instagram 320.0.0.42.101 Android (34/14; 450dpi; 1080x2115; samsung; SM-S918B; dm3q; qcom; nl_NL; 563459864)",
        "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230805.001)",
        "okhttp/4.12.0",
        "shop/7.12.1 CFNetwork/1490.0.4 Darwin/23.2.0",
        "",
        "4111",
    ] {
        assert_eq!(masked_text(text, 512), text);
    }
}

#[test]
fn any_card_number_is_masked() {
    for (text, masked) in [
        ("app 4111 1111 1111 1111 (beta)", "app **** **** **** **** (beta)"),
        ("0000000411111111111111100", "0000000****************00"),
        ("4111-1111.1111 1111", "****-****.**** ****"),
        ("4111%201111%201111%201111", "****%20****%20****%20****"),
        ("%34111111111111111", "******************"),
        ("４１１１１１１１１１１１１１１１", "****************"),
        ("a\0b\r\nc\u{85}d", "a b  c d"),
        ("378282246310005 and 5555555555554444", "*************** and ****************"),
    ] {
        assert_eq!(masked_text(text, 500), masked);
    }
    assert_eq!(masked_text("ééé", 5), "éé");
    assert_eq!(masked_text("x4111111111111111", 10), "x*********", "masked before it is cut");
    assert_eq!(
        masked_text("x 41111111111111112", 18),
        "x ****************",
        "and again where a cut makes one"
    );
    let start = "a".repeat(500);
    let escaped: String = "4111111111111111".bytes().map(|digit| format!("&amp;#{digit:08};")).collect();
    assert_eq!(
        masked_text(&format!("{start} {escaped}"), 512),
        format!("{start} {}", "*".repeat(11)),
        "seen whole"
    );
    let far = format!("{start}{}", "4 1.1-".repeat(100_000));
    assert_eq!(masked_text(&far, 512).len(), 512, "what is far behind the cut is not looked at");
    let long = "4111111111111111 ".repeat(1000);
    assert!(!masked_text(&long, 16_384).contains('1'));
}

/// The bug: of a browser's name, or the answer of a processor, that held all of a card, the CVV and the track were kept in clear. Its cause:
/// only the digits of the number were masked. Its cure: where a number is written as a card's, no digit is kept.
#[test]
fn what_stands_beside_a_card_number_is_masked_with_it() {
    for (text, masked) in [
        ("4111111111111111|12|2029|123", "****************|**|****|***"),
        ("pan=4111111111111111&cvv=123", "pan=****************&cvv=***"),
        ("cvv 123, card 4111 1111 1111 1111", "cvv ***, card **** **** **** ****"),
        (
            "%B4111111111111111^LEE/ANN^29121011000012345678?",
            "%B****************^LEE/ANN^********************?",
        ),
        ("4111%201111%201111%201111%20123", "****%20****%20****%20****%20***"),
        ("４１１１１１１１１１１１１１１１ ４５６", "**************** ***"),
    ] {
        assert_eq!(masked_text(text, 500), masked);
    }
    let long = format!("{} 4111111111111111 {} 987", "a".repeat(40), "b".repeat(60));
    assert!(!masked_text(&long, 500).contains(char::is_numeric), "however far away");
    assert_eq!(
        masked_text("a browser 419.4.905781065/604.1", 500),
        "a browser ***.*.*********/604.1",
        "by chance"
    );
}

proptest! {
    #[test]
    fn nothing_is_found_in_what_was_masked(text in "([0-9]{1,20}|[ .%&#;x-]{1,2}|%[0-9a-f]{2}|4111 1111 1111 1111|\\PC|\\\\u003[0-9]|５|\u{7}){0,30}", max in 0_usize..120) {
        let masked = masked_text(&text, max);
        prop_assert!(!holds_card_number(&masked), "{masked}");
        prop_assert!(!phone_holds_card_number(&masked), "{masked}");
        prop_assert!(masked.len() <= max && !masked.contains(char::is_control));
        prop_assert_eq!(masked_text(&masked, max), masked);
    }

    #[test]
    fn what_holds_no_digits_is_kept(text in "[^\\p{N}\\p{Cc}]{0,80}") {
        prop_assert_eq!(masked_text(&text, 500), text);
    }
}

/// A generator with a fixed seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A text in which each `#` becomes a digit, each `x` a hexadecimal digit, each `?` a symbol of base64.
    fn text(&mut self, pattern: &str) -> String {
        let one_of = |chance: &mut Self, symbols: &str| {
            let at = chance.below(symbols.len() as u64);
            symbols.chars().nth(usize::try_from(at).unwrap()).unwrap()
        };
        let base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        pattern
            .chars()
            .map(|symbol| match symbol {
                '#' => one_of(self, "0123456789"),
                'x' => one_of(self, "0123456789abcdef"),
                '?' => one_of(self, base64),
                other => other,
            })
            .collect()
    }

    /// Of so many texts of this pattern, how many are refused.
    fn refused(&mut self, pattern: &str, of: usize) -> usize {
        (0..of).filter(|_| holds_card_number(&self.text(pattern))).count()
    }
}

/// What `docs/guide.md` says of numbers that are no card numbers: how many of a thousand are refused by chance.
#[test]
fn chance_refuses_few_numbers() {
    let mut chance = Chance(1);
    for (length, per_thousand_max) in [
        (12, 1),
        (13, 11),
        (14, 4),
        (15, 13),
        (16, 40),
        (17, 2),
        (18, 2),
        (19, 60),
        (20, 5),
        (21, 1),
        (22, 20),
        (23, 20),
        (24, 2),
        (32, 1),
    ] {
        let refused = chance.refused(&"#".repeat(length), 10_000);
        println!("{length} digits: {} of 1000", refused as f64 / 10.0);
        assert!(refused <= per_thousand_max * 10, "{length} digits: {refused} of 10000");
    }
}

/// The bug: order numbers and ids were refused, and payments lost with them. Its cause: digits were looked at in any grouping, and at any
/// place of long numbers. Its cure: only what is written as a card number is refused.
#[test]
fn chance_refuses_few_of_the_texts_that_shops_send() {
    let mut chance = Chance(2);
    for (pattern, per_thousand_max) in [
        ("###-#######-#######", 2), // Amazon's orders
        ("1#################", 2),  // ids of 18 digits
        ("17#################", 2), // nanoseconds
        ("17##############", 2),    // microseconds
        ("17###########", 2),       // milliseconds
        ("#1001", 0),
        ("0000#####", 0),
        ("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx", 2),
        ("6xxxxxxxxxxxxxxxxxxxxxxx", 2), // ids of this vault, and of document stores
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 3),
        ("https://shop.example/hook?id=##################&sig=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 4),
        ("01HV??????????????????????", 0),
        ("pi_3????????????????????????", 0),
        ("????????????????????????????", 0),
        ("1Z999AA1##########", 0),
        ("JJD00############", 2),
        ("RR#########NL", 0),
        ("+31 20 ### ####", 0),
        ("+31 6 ########", 0),
        ("+4915#########", 0),
        ("+63 9## ### ####", 0),
        ("0049 15## #######", 0),
        ("##-#####-#####", 1),
        ("2024####-########", 2),
        ("## ####### ##", 0),
        ("NL##ABNA##########", 1),
        ("2001:0db8:xxxx:xxxx:xxxx:xxxx:xxxx:xxxx", 2),
        ("Street ##, #### AB, ####", 1),
    ] {
        let refused = chance.refused(pattern, 2_000);
        assert!(refused <= per_thousand_max * 2, "{pattern}: {refused} of 2000");
    }
    let base64 = "?".repeat(8192);
    assert_eq!(chance.refused(&base64, 50), 0, "a result of 3-D Secure");
}

#[test]
fn the_number_of_a_telephone_is_not_a_card_number() {
    let mut chance = Chance(3);
    for _ in 0..2_000 {
        let phone = chance.text("4915#########");
        assert!(!phone_holds_card_number(&phone), "{phone}");
        assert!(!holds_card_number(&format!("+{phone}")), "{phone}");
    }
    for text in
        ["4111111111111111", "+4111111111111111", "4111 1111 1111 1111", "378282246310005", "30569309025904"]
    {
        assert!(phone_holds_card_number(text) && holds_card_number(text), "{text}");
    }
    for text in ["card+4222222222222", "1+4222222222222"] {
        assert!(holds_card_number(text), "this plus belongs to something else: {text}");
    }
}

#[test]
fn an_account_number_is_not_a_card_number() {
    for text in [
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NL91ABNA0417164300",
    ] {
        assert!(is_iban(text) && !holds_card_number(text), "{text}");
    }
    // Its check number is right, and four of its groups are a card number's.
    let trap = (0..100)
        .map(|check| format!("DE{check:02} 4111 1111 1111 1111 00"))
        .find(|text| is_iban(text))
        .unwrap();
    assert!(!holds_card_number(&trap));
    let wrong = (0..100)
        .map(|check| format!("DE{check:02} 4111 1111 1111 1111 00"))
        .filter(|text| holds_card_number(text));
    assert!(wrong.count() > 95, "only the right check number makes an account number");
    for text in ["", "DE", "4111111111111111", "DE00370400440532013000", "de89370400440532013000"] {
        assert!(!is_iban(text), "{text}");
    }
}

/// The bug: `VI` and a card number behind it was stored in clear, one time in a hundred. Its cause: two letters and the right check number
/// were taken for a bank account's. Its cure: so must be the country and the length.
#[test]
fn a_card_number_behind_two_letters_is_no_account_number() {
    let mut chance = Chance(5);
    let mut seen = 0;
    for letters in ["VI", "MC", "AX", "CC", "PX", "ID", "NO", "DE", "FR"] {
        for _ in 0..1_500 {
            let digits = chance.text("4###############");
            if !holds_card_number(&digits) {
                continue;
            }
            seen += 1;
            let (one, two) = (format!("{letters}{digits}"), format!("{letters} {digits}"));
            assert!(holds_card_number(&one) && holds_card_number(&two), "{one}");
        }
    }
    assert!(seen > 1_000, "{seen}");
}

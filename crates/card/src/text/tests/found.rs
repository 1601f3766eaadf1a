//! What is written as a card number is found.

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
    for text in
        ["411111111111111112345", "4111111111111111123456", "2200000000000004123", "37828224631000512"]
    {
        assert!(!holds_card_number(text), "neither expiry nor CVV: {text}");
    }
}

/// The bug: card number and CVV as one run of digits were kept in clear. Its cause: behind a Diners' number, and of four digits behind
/// any of sixteen, only an expiry was looked for. Its cure: what is taken for a CVV is looked for, too.
#[test]
fn finds_card_numbers_with_what_is_taken_for_a_cvv_right_behind() {
    for text in [
        "41111111111111119999",
        "41111111111111111329",
        "55555555555544449876",
        "4111111111111111991",
        "30569309025904123",
        "3056930009020004123",
        "30569300090200041234",
        "3782822463100059876",
        "order 41111111111111119999",
    ] {
        assert!(holds_card_number(text), "{text}");
        assert!(!masked_text(text, 500).contains(|symbol: char| symbol.is_ascii_digit()), "{text}");
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

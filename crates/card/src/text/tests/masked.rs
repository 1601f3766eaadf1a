//! What is masked holds none any more, and what is none keeps its text.

use proptest::prelude::*;

use super::*;

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

use std::io::{Read, Write};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const VISA: &str = "4929421234567890";

/// What is found: lines, offsets and what is shown.
fn found(bytes: impl AsRef<[u8]>) -> Vec<(u64, u64, String)> {
    let mut all = Vec::new();
    scan(bytes.as_ref(), |Finding { line, offset, what }| {
        let shown = match what {
            What::CardNumber(seen) => seen.masked,
            What::Cvv(label) => label,
        };
        all.push((line, offset, shown));
    })
    .unwrap();
    all
}

fn shown(bytes: impl AsRef<[u8]>) -> Vec<String> {
    found(bytes).into_iter().map(|(_, _, shown)| shown).collect()
}

fn valid(prefix: &str) -> String {
    let digit = |last: u32| format!("{prefix}{last}");
    (0..10).map(digit).find(|number| panvault_card::holds_card_number(number)).unwrap()
}

/// A number that nobody has published as one for tests.
fn visa() -> String {
    valid(VISA.get(..15).unwrap())
}

fn encoded<E: Encoding>(text: &str) -> String {
    let mut room = vec![0; 2 * text.len() + 4];
    E::encode(text.as_bytes(), &mut room).unwrap().to_owned()
}

const MASKED: &str = "492942******789";

fn wide(text: &str, little: bool) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
        .collect()
}

#[test]
fn finds_a_number_in_every_form() {
    let number = visa();
    let grouped =
        number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect::<Vec<_>>();
    let percent: String = number.bytes().map(|digit| format!("%{digit:02x}")).collect();
    let json: String = number.bytes().map(|digit| format!("\\u{digit:04x}")).collect();
    let hexadecimal: String = number.bytes().map(|digit| format!("{digit:02x}")).collect();
    let odd = format!("a{hexadecimal}");
    let texts = [
        format!("card={number};"),
        grouped.join(" "),
        grouped.join("-"),
        grouped.join("%20"),
        grouped.join("&nbsp;"),
        grouped.join("     "),
        grouped.join(" - "),
        grouped.join("\\u00a0"),
        grouped.join("\u{a0}"),
        percent,
        json,
        hexadecimal,
        odd,
        format!("%B{number}^OTHER/A N^3512101000000000?;{number}=35121010000000000?"),
        number.chars().map(|digit| char::from_u32(0xff10 + digit.to_digit(10).unwrap()).unwrap()).collect(),
    ];
    for text in texts {
        let all = shown(format!("some text before {text} and behind"));
        assert!(!all.is_empty(), "{text}");
        assert!(all.iter().all(|shown| shown.starts_with(MASKED)), "{all:?}");
    }
    for bytes in [wide(&number, true), wide(&number, false), [b"x".to_vec(), wide(&number, true)].concat()] {
        assert_eq!(shown(bytes).len(), 1);
    }
    for before in 0..3 {
        let text = format!("{}{{\"card_number\":\"{number}\"}}", " ".repeat(before));
        let url = format!("body {} end", encoded::<Base64>(&text));
        assert_eq!(shown(url).len(), 1, "{before}");
        let url = format!("e30.{}.sig", encoded::<Base64UrlUnpadded>(&text));
        assert_eq!(shown(url).len(), 1, "{before}");
    }
    // Wrapped, and cut by the end of a line.
    for before in 0..80 {
        let text = format!("{}{number}{}", "x".repeat(before), "y".repeat(90));
        let base64 = encoded::<Base64>(&text);
        let lines = base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap());
        // A letter beside it is a letter beside it.
        let expected = usize::from(panvault_card::holds_card_number(&text));
        assert_eq!(shown(lines.collect::<Vec<_>>().join("\r\n")).len(), expected, "{before}");
    }
}

#[test]
fn what_gzip_packed_is_unpacked() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(format!("one\ntwo {}\n", visa()).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(found(&packed), [(2, 8, MASKED.to_owned() + visa().get(15..).unwrap())]);
    // Two of them make one file; half of one is an error, and what was found is told.
    assert_eq!(shown([packed.clone(), packed.clone()].concat()).len(), 2);
    let half = packed.get(..packed.len() - 4).unwrap();
    assert!(scan(half, |_| {}).is_err());
}

#[test]
fn what_is_no_card_number_is_not_found() {
    let number = visa();
    let wrong = format!(
        "{}{}",
        number.get(..15).unwrap(),
        (number.get(15..).unwrap().parse::<u8>().unwrap() + 1) % 10
    );
    for text in [
        "",
        "2026-11-27T16:55:00.123456Z id=6b0997afdbe4b52b61652f12",
        "+49 30 1234567890, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "0000000000000000 9999999999999999",
        "pi=3.14159265358979323846264338327950288",
        &wrong,
        &format!("x{number}1234567890123"),
    ] {
        assert!(shown(text).is_empty(), "{text}");
    }
}

/// Where findings are does not depend on how windows fall: each is told once, and with its line.
#[test]
fn windows_do_not_show() {
    let number = visa();
    for shift in [0, 1, 7, AROUND_BYTES - 8, AROUND_BYTES, 12_345] {
        let mut text = vec![b'.'; 3 * WINDOW_BYTES];
        let mut expected = Vec::new();
        let mut at = shift;
        while at + 40 < text.len() {
            text.splice(at..at + 18, format!(" {number}\n").into_bytes());
            expected.push(u64::try_from(at + 1).unwrap());
            at += 30_011;
        }
        let all = found(&text);
        assert_eq!(all.iter().map(|(_, offset, _)| *offset).collect::<Vec<_>>(), expected, "{shift}");
        let lines: Vec<_> = all.iter().map(|(line, _, _)| *line).collect();
        assert_eq!(lines, (1..).take(expected.len()).collect::<Vec<_>>());
        // A reader that gives little at a time makes no difference.
        let mut trickled = 0;
        scan(Trickle(&text), |_| trickled += 1).unwrap();
        assert_eq!(trickled, expected.len());
    }
    // Stretches without end.
    let digits = format!("{} {number} ", "1".repeat(100_000));
    assert_eq!(shown(digits.repeat(3)).len(), 3);
}

struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1009).min(self.0.len());
        let (now, rest) = self.0.split_at(length);
        buffer.get_mut(..length).unwrap().copy_from_slice(now);
        self.0 = rest;
        Ok(length)
    }
}

#[test]
fn finds_what_is_called_a_cvv() {
    for (text, label) in [
        (r#"{"cvv":"123"}"#, "cvv"),
        (r#"{"cvv": 1234, "a": 1}"#, "cvv"),
        (r#"{\"cvc2\":\"123\"}"#, "cvc2"),
        ("<CardSecurityCode>123</CardSecurityCode>", "CardSecurityCode"),
        ("a=1&cvv=123&b=2", "cvv"),
        ("card_cvv => 123,", "card_cvv"),
        ("Security code: 123.", "Security code"),
        ("CARD-VERIFICATION-VALUE = 123", "CARD-VERIFICATION-VALUE"),
        ("cvd=999", "cvd"),
    ] {
        assert_eq!(shown(text), [label], "{text}");
    }
    assert_eq!(shown(wide("cvv=123;", true)).len(), 0, "too short to be told from anything");
    assert_eq!(shown(wide("a request: cvv=123;", true)), ["cvv"]);
    for text in [
        "cvv_present: true",
        "cvv=12",
        "cvv=12345",
        "cvv: 123ms",
        "cvv = 1.234",
        "cvv:***",
        "cvv_ttl_seconds=3600",
        "verification code: 1234",
        "xcvv=123",
        "cvv 123",
    ] {
        assert!(shown(text).is_empty(), "{text}");
    }
}

use std::fs;

use super::*;
use crate::cards::canary_cards;
use crate::entropy::SeededRandom;

fn numbers() -> Vec<String> {
    canary_cards(1, 1_000).into_iter().map(|card| card.number).collect()
}

/// Random bytes with something in the middle.
fn planted(seed: u64, secret: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4_096];
    SeededRandom::new(seed).fill(&mut bytes);
    bytes.splice(2_000..2_000, secret.iter().copied());
    bytes
}

fn found(scan: &LeakScan, bytes: &[u8]) -> Vec<Encoding> {
    let mut encodings: Vec<_> = scan.scan("bytes", bytes).into_iter().map(|leak| leak.encoding).collect();
    encodings.sort_unstable();
    encodings.dedup();
    encodings
}

fn base_64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    bytes
        .chunks(3)
        .flat_map(|group| {
            let bits =
                (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
            (0..=group.len()).map(move |at| alphabet[(bits >> (18 - 6 * at) & 63) as usize])
        })
        .collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn packed(digits: &str, offset: usize) -> Vec<u8> {
    let mut nibbles = vec![0xf; offset];
    nibbles.extend(digits.bytes().map(|digit| digit - b'0'));
    nibbles.resize(nibbles.len().next_multiple_of(2), 0xf);
    nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Every way in which a number may be written, as the scan must see it.
fn forms(number: &str) -> Vec<(Encoding, Vec<u8>)> {
    let grouped = |by: &str| {
        let groups: Vec<_> =
            number.as_bytes().chunks(4).map(|group| core::str::from_utf8(group).unwrap()).collect();
        groups.join(by).into_bytes()
    };
    let wide = |bytes: fn(u16) -> [u8; 2]| number.encode_utf16().flat_map(bytes).collect();
    let hex: Vec<String> = number.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        (Encoding::Ascii, number.as_bytes().to_vec()),
        (Encoding::Ascii, grouped(" ")),
        (Encoding::Ascii, grouped("-")),
        (Encoding::Utf16, wide(u16::to_le_bytes)),
        (Encoding::Utf16, wide(u16::to_be_bytes)),
        (Encoding::Hex, hex.concat().into_bytes()),
        (Encoding::Hex, hex.join(" ").into_bytes()),
        (Encoding::ByteList, format!("{:?}", number.as_bytes()).into_bytes()),
        (Encoding::Packed, packed(number, 0)),
        (Encoding::Packed, packed(number, 1)),
    ];
    for before in 0..3 {
        let text = format!("{}{number}.", &"ab\u{7f}"[..before]);
        forms.push((Encoding::Base64, base_64(text.as_bytes(), STANDARD)));
        forms.push((Encoding::Base64, base_64(text.as_bytes(), URL_SAFE)));
    }
    forms
}

#[test]
fn finds_every_form_in_random_bytes() {
    let numbers = numbers();
    let scan = LeakScan::new(&numbers);
    for (seed, number) in (0..).zip(numbers.iter().step_by(61)) {
        for (at, (encoding, secret)) in forms(number).into_iter().enumerate() {
            let leaks = scan.scan("bytes", &planted(seed, &secret));
            assert!(
                leaks.iter().any(|leak| leak.encoding == encoding && leak.offset.abs_diff(2_000) <= 4),
                "form {at} of a number of {} digits: {leaks:?}",
                number.len()
            );
        }
    }
}

/// Base64 may stand behind other letters of its alphabet, which shift where its groups begin.
#[test]
fn finds_base_64_inside_a_longer_word() {
    let number = &numbers()[0];
    let scan = LeakScan::new([number]);
    for before in 0..4 {
        for shift in 0..3 {
            let text = format!("{}{number}", &"abc"[..shift]);
            let word = [&b"/xyz"[..before], &base_64(text.as_bytes(), STANDARD), b"="].concat();
            assert_eq!(found(&scan, &word), [Encoding::Base64], "{before} letters, {shift} bytes");
        }
    }
}

/// Eight digits that stand free are enough; all windows of a number are looked for.
#[test]
fn finds_every_window_of_eight_digits() {
    let numbers = numbers();
    let scan = LeakScan::new(&numbers);
    for number in numbers.iter().step_by(61) {
        for start in 0..=number.len() - 8 {
            let window = &number[start..start + 8];
            let (left, right) = window.split_at(4);
            for text in [
                format!("\"{window}\""),
                format!("x {window}."),
                format!("order {window} 17"),
                format!("{left} {right}"),
                format!("{left}-{right} 2026-11-24"),
                format!("{:?}", window.bytes().map(|byte| byte - b'0').collect::<Vec<_>>()),
            ] {
                assert_eq!(found(&scan, text.as_bytes()), [Encoding::Ascii], "window {start}");
            }
        }
        let longer = format!("00{}00", &number[1..12]);
        assert_eq!(found(&scan, longer.as_bytes()), [Encoding::Ascii]);
    }
}

#[test]
fn leaves_alone_what_may_be_shown() {
    let cards = canary_cards(1, 1_000);
    let scan = LeakScan::new(cards.iter().map(|card| &card.number));
    for card in &cards {
        let (bin, rest) = card.number.split_at(6);
        let last_four = &rest[rest.len() - 4..];
        let stars = "*".repeat(rest.len() - 4);
        let text = format!(
            "{{\"bin\":\"{bin}\",\"last_four\":\"{last_four}\",\"masked_card_number\":\"{bin}{stars}{last_four}\",\
             \"cvv_present\":true,\"cvv_result\":\"1\",\"cvv_expires_at\":\"2026-03-01T12:00:00.000Z\"}} {bin} {last_four}"
        );
        assert_eq!(found(&scan, text.as_bytes()), [], "{text}");
    }
}

/// A stored row holds them so. Among ten thousand cards there are some of whose numbers that is a window.
#[test]
fn leaves_alone_the_first_six_and_last_four_side_by_side() {
    let cards = canary_cards(1, 10_000);
    let scan = LeakScan::new(cards.iter().map(|card| &card.number));
    let mut bytes = Vec::new();
    for card in &cards {
        let (bin, last_four) = (&card.number[..6], &card.number[card.number.len() - 4..]);
        bytes.extend_from_slice(&[9]);
        bytes.extend_from_slice(format!("{bin}{last_four}\u{7}").as_bytes());
    }
    assert_eq!(scan.scan("rows", &bytes), []);
    let ten = &cards[0].number[..10];
    assert_eq!(found(&scan, format!("\u{9}{ten}\u{7}").as_bytes()), [Encoding::Ascii]);
}

/// Ids, times and the like hold windows of eight digits by chance, often enough to matter.
#[test]
fn leaves_alone_windows_inside_ids_and_longer_numbers() {
    let number = &numbers()[0];
    let scan = LeakScan::new([number]);
    let window = &number[2..10];
    for text in [format!("{window}a1b2c3d4e5f60718"), format!("17{window}123"), format!("0.{window}1")] {
        assert_eq!(found(&scan, text.as_bytes()), [], "{text}");
    }
}

#[test]
fn random_bytes_and_names_give_no_alarm() {
    let cards = canary_cards(1, 10_000);
    let scan = LeakScan::new(cards.iter().map(|card| &card.number));
    let mut dice = SeededRandom::new(99);
    let mut bytes = vec![0; 1 << 20];
    dice.fill(&mut bytes);
    assert_eq!(scan.scan("bytes", &bytes), []);
    let names: String = (0..20_000)
        .map(|_| {
            format!(
                "{{\"_id\":\"{:016x}{:08x}\",\"at\":{}}}\n",
                dice.next_u64(),
                dice.next_u64() >> 32,
                dice.next_u64() >> 23
            )
        })
        .collect();
    assert_eq!(scan.scan("names", names.as_bytes()), []);
}

#[test]
fn finds_a_cvv_beside_its_label() {
    let scan = LeakScan::new([""; 0]);
    for text in [
        "{\"cvv\":\"123\"}",
        "{\"cvv\": \"1234\"}",
        "cvv=123",
        "CVV: 123",
        "cvc 0123",
        "NewCard { cvv: Some(\"123\") }",
        "{\\\"cvv\\\":\\\"123\\\"}",
        "security_code=999",
        "card_cvv2='321'",
    ] {
        assert_eq!(found(&scan, text.as_bytes()), [Encoding::CvvLabel], "{text}");
    }
    for text in [
        "cvv_ttl_seconds = 3600",
        "\"cvv_present\":false",
        "cvv 12",
        "cvv=12345",
        "decline_without_cvv=100",
        "cvv",
        "\"cvv\":null",
        "cvv123",
    ] {
        assert_eq!(found(&scan, text.as_bytes()), [], "{text}");
    }
}

#[test]
fn a_directory_is_looked_through_and_the_place_is_told_without_digits() {
    let number = &numbers()[4];
    let scan = LeakScan::new([number]);
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("log")).unwrap();
    fs::write(directory.path().join("log/0001"), planted(1, number.as_bytes())).unwrap();
    fs::write(directory.path().join("good"), planted(1, b"nothing")).unwrap();
    fs::write(directory.path().join(format!("{number}.txt")), b"").unwrap();
    let mut told: Vec<_> = scan.scan_directory(directory.path()).unwrap();
    told.sort_by_key(|leak| leak.offset);
    let [name, file] = &told[..] else { panic!("{}", told.len()) };
    assert_eq!((name.offset, name.encoding), (0, Encoding::Ascii));
    assert!(!name.to_string().contains(number));
    assert!(file.to_string().ends_with("log/0001 at byte 2000: Ascii") && !file.to_string().contains(number));
}

//! Rows as they are on disks. The files in `testdata` are added to and never changed; each format has one set of them.

use core::fmt::Debug;
use std::path::Path;

use panvault_model::{CardKind, CardType, Country, Currency, Fingerprint, Timestamp};
use panvault_store::codec::Reader;
use panvault_store::{
    AccountRow, ApiKeyRow, ApiKeyUseRow, AuditNote, CardRow, CustomerRow, DocumentRow, HistoryRow,
    IdempotencyAnswer, IdempotencyRow, LogoRow, OrganisationRow, ProcessorRow, RefundRow, RowFault,
    TransactionRow,
};

use crate::rows;

/// The bytes in a file of hexadecimal digits; lines that begin with `#` are for people.
fn vector(name: &str) -> Vec<u8> {
    let read = |format| {
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        std::fs::read_to_string(testdata.join(format).join(name).with_extension("hex"))
    };
    let text = ["v9", "v7", "v6", "v5", "v4", "v3", "v2", "v1"]
        .into_iter()
        .find_map(|format| read(format).ok())
        .unwrap_or_default();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(digits).unwrap()
}

/// A row encodes to exactly its vector and decodes from it, and any part of it and anything more is refused.
fn holds<T: Debug + PartialEq>(
    name: &str,
    row: &T,
    encoded: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, RowFault>,
) {
    let vector = vector(name);
    assert_eq!(hex::encode(encoded), hex::encode(&vector), "{name}");
    assert_eq!(decode(&vector).as_ref(), Ok(row), "{name}");
    for length in 0..vector.len() {
        assert_eq!(decode(&vector[..length]), Err(RowFault::Short), "{length} bytes of {name}");
    }
    assert_eq!(decode(&[vector.as_slice(), &[0]].concat()), Err(RowFault::Long), "{name} and a byte");
    let mut later = vector;
    later[0] = 99;
    assert_eq!(decode(&later), Err(RowFault::Value), "{name} of a later format");
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// Its sealed part has no length of its own: it ends with the row.
#[test]
fn cards() {
    for (name, row) in [
        ("card", rows::card()),
        ("card-least", rows::card_least()),
        ("card-plain", rows::card_plain()),
        ("card-network-token", rows::card_network_token()),
    ] {
        let bytes = encoded(|out| row.encode(out));
        let vector = vector(name);
        assert_eq!(hex::encode(&bytes), hex::encode(&vector), "{name}");
        assert_eq!(CardRow::decode(&vector).as_ref(), Ok(&row), "{name}");
        let sealed = row.sealed.as_bytes().len();
        for length in 0..vector.len() - sealed {
            assert_eq!(CardRow::decode(&vector[..length]), Err(RowFault::Short), "{length} bytes of {name}");
        }
        for (at, byte) in [(0, 3), (0, 4), (0, 5), (0, 6), (0, 99)] {
            let mut other = vector.clone();
            other[at] = byte;
            assert_eq!(CardRow::decode(&other), Err(RowFault::Value), "{name} with {byte} at {at}");
        }
        // Under its id it is the same without it.
        let kept = encoded(|out| row.encode_under_id(out));
        assert_eq!([&kept[..1], row.id.as_bytes(), &kept[1..]].concat(), bytes, "{name}");
        assert_eq!(CardRow::decode_under_id(row.id.as_bytes(), &kept).as_ref(), Ok(&row), "{name}");
        assert_eq!(CardRow::decode_under_id(&[1; 11], &kept), Err(RowFault::Size), "{name}");
    }
}

/// Each part that may be left out, left out alone and all but alone; and written where it could have been left out.
#[test]
fn a_card_is_read_back_and_has_one_spelling() {
    let changes: [fn(&mut CardRow); 16] = [
        |row| row.version = 2,
        |row| row.brand = None,
        |row| row.facts.issuer_name = Some("A bank".into()),
        |row| row.facts.issuer_country = Country::parse("NL"),
        |row| row.facts.currency = Currency::parse("EUR"),
        |row| row.facts.card_type = Some(CardType::Prepaid),
        |row| row.facts.variant = Some("GOLD".into()),
        |row| row.facts.table_version = 5,
        |row| row.fingerprint_key = 2,
        |row| row.fingerprint_before = Some((Fingerprint::from_bytes([7; 16]), 1)),
        |row| row.tag.key = 0x0102,
        |row| row.updated_at = Timestamp::from_unix_millis(1),
        |row| row.sealed_at = Timestamp::from_unix_millis(2),
        |row| row.sealed_version = 9,
        |row| row.metadata = vec![("a".into(), "b".into())],
        |row| row.kind = CardKind::NetworkToken,
    ];
    let mut all = rows::card_plain();
    for change in changes {
        let mut one = rows::card_plain();
        change(&mut one);
        change(&mut all);
        for row in [&one, &all] {
            assert_eq!(CardRow::decode(&encoded(|out| row.encode(out))).as_ref(), Ok(row));
        }
    }
    let mut long = encoded(|out| rows::card_plain().encode(out));
    long[13] &= !1;
    drop(long.splice(26..26, [0, 0, 0, 1]));
    assert_eq!(CardRow::decode(&long), Err(RowFault::Value), "a version of 1, written");
    long[29] = 2;
    assert_eq!(CardRow::decode(&long).map(|row| row.version), Ok(2));
}

#[test]
fn transactions() {
    let cases = [("transaction", rows::transaction()), ("transaction-least", rows::transaction_least())];
    for (name, row) in cases {
        holds(name, &row, &encoded(|out| row.encode(out)), TransactionRow::decode);
    }
    let row = rows::history();
    holds("history", &row, &encoded(|out| row.encode(out)), HistoryRow::decode);
}

/// Its sealed part ends with the row, as a card's does.
#[test]
fn customers() {
    let whole = rows::customer();
    for (name, row) in [("customer-answered", whole.without_details()), ("customer", whole)] {
        let vector = vector(name);
        assert_eq!(hex::encode(encoded(|out| row.encode(out))), hex::encode(&vector), "{name}");
        assert_eq!(CustomerRow::decode(&vector).as_ref(), Ok(&row), "{name}");
        for length in 0..vector.len() - row.sealed.as_bytes().len() {
            assert_eq!(
                CustomerRow::decode(&vector[..length]),
                Err(RowFault::Short),
                "{length} bytes of {name}"
            );
        }
        // Another format, and neither with nor without a digest.
        for (at, byte) in [(0, 0), (0, 2), (29, 2)] {
            let mut other = vector.clone();
            other[at] = byte;
            assert_eq!(CustomerRow::decode(&other), Err(RowFault::Value), "{name} with {byte} at {at}");
        }
    }
}

#[test]
fn refunds() {
    for (name, row) in [("refund", rows::refund()), ("refund-least", rows::refund_least())] {
        holds(name, &row, &encoded(|out| row.encode(out)), RefundRow::decode);
    }
}

#[test]
fn idempotency_records() {
    // What the bytes of an answer say is not the row's: any are taken, of any kind.
    let cases = [
        ("idempotency-running", IdempotencyAnswer::RUNNING),
        ("idempotency-answered", IdempotencyAnswer { kind: 2, bytes: vec![0x66; 5] }),
        ("idempotency-answered-later", IdempotencyAnswer { kind: 255, bytes: Vec::new() }),
    ];
    for (name, answer) in cases {
        let row = rows::idempotency(answer);
        holds(name, &row, &encoded(|out| row.encode(out)), IdempotencyRow::decode);
    }
}

/// A record of a request that runs has one form.
#[test]
fn a_request_that_runs_has_no_answer() {
    let running = IdempotencyAnswer { bytes: vec![0x66], ..IdempotencyAnswer::RUNNING };
    let row = rows::idempotency(running);
    assert_eq!(IdempotencyRow::decode(&encoded(|out| row.encode(out))), Err(RowFault::Value));
}

#[test]
fn documents() {
    let row = rows::document();
    holds("document", &row, &encoded(|out| row.encode(out)), DocumentRow::decode);
    let cases = [
        ("organisation", rows::organisation()),
        ("organisation-least", rows::organisation_least()),
        ("organisation-keyless", rows::organisation_keyless()),
        ("organisation-checkout", rows::organisation_checkout()),
        ("organisation-logo", rows::organisation_logo()),
    ];
    for (name, row) in cases {
        holds(name, &row, &row.encode(), OrganisationRow::decode);
    }
    let mut none = [rows::organisation().encode().as_slice(), &[0]].concat();
    none[0] = 2;
    assert_eq!(OrganisationRow::decode(&none), Err(RowFault::Value), "no origins, written");
    let mut none = [rows::organisation_keyless().encode().as_slice(), &[0, 0]].concat();
    none[0] = 3;
    assert_eq!(OrganisationRow::decode(&none), Err(RowFault::Value), "nothing of checkouts, written");
    holds("logo", &rows::logo(), &rows::logo().encode(), LogoRow::decode);
    holds("account", &rows::account(), &rows::account().encode(), AccountRow::decode);
    let themed = rows::account_checkout();
    holds("account-checkout", &themed, &themed.encode(), AccountRow::decode);
    let mut none = [rows::account().encode().as_slice(), &[0]].concat();
    none[0] = 4;
    assert_eq!(AccountRow::decode(&none), Err(RowFault::Value), "no theme, written");
    holds("processor", &rows::processor(), &rows::processor().encode(), ProcessorRow::decode);
    holds("api-key", &rows::api_key(), &rows::api_key().encode(), ApiKeyRow::decode);
    let used = rows::api_key_use();
    holds("api-key-use", &used, &encoded(|out| used.encode(out)), ApiKeyUseRow::decode);
}

/// The registry of all keys and the list of all documents are of the past, and their numbers are not used again.
#[test]
fn kinds_of_documents_that_went_are_refused() {
    let bytes = vector("document");
    let known =
        [(4, true), (5, false), (6, false), (7, true), (8, true), (12, true), (16, true), (17, false)];
    for (kind, known) in known {
        let mut other = bytes.clone();
        other[1] = kind;
        assert_eq!(DocumentRow::decode(&other).is_ok(), known, "kind {kind}");
    }
}

#[test]
fn audit_notes() {
    let decode = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        let note = AuditNote::decode_from(&mut reader)?;
        reader.end().map(|()| note)
    };
    let note = rows::note();
    let bytes = encoded(|out| note.encode(out));
    assert_eq!(bytes.len(), AuditNote::BYTES);
    holds("audit-note", &note, &bytes, decode);
    let own = AuditNote { actor: None, ..note };
    holds("audit-note-of-the-vault", &own, &encoded(|out| own.encode(out)), decode);
    let counted = rows::note_counted();
    holds("audit-note-counted", &counted, &encoded(|out| counted.encode(out)), decode);
    // Each action has one of the two formats.
    for (note, other) in [(&note, 2), (&counted, 1)] {
        let mut bytes = encoded(|out| note.encode(out));
        bytes[0] = other;
        assert_eq!(decode(&bytes), Err(RowFault::Value));
    }
    let mut never = encoded(|out| counted.encode(out));
    never[44..48].fill(0);
    assert_eq!(decode(&never), Err(RowFault::Value), "counted, and never happened");
}

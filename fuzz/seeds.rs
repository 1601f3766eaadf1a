//! Writes the inputs of `row`, `commit`, `frame` and `frames` that are made of rows, and those of `export`.

use core::num::NonZeroU32;
use std::path::Path;

use panvault_keys::{AgeIdentity, Header, KeyMode, NewSlot, RootKey, SlotKey, VaultPurpose};
use panvault_model::VaultId;
use panvault_store::{Action, AuditNote, Counted, Effect, IdempotencyAnswer, Row, RowKey};
use panvault_store_embedded::fuzz::{frame_of, frames_of};
use panvault_testkit::conformance::rows::{
    api_key_use, at, card, card_answer, card_changed, card_cvv, checkout, customer, delivery, document, history, id,
    kept, key, node, organisation, refund, transaction, transaction_answer,
};
use panvault_testkit::SeededEntropy;
use panvault_trail::fuzz::IDENTITY;
use panvault_trail::{Batch, Position, Record, Signer, seal_lines};

fn rows() -> Vec<(&'static str, Row)> {
    let shop = panvault_store::DocumentKind::Organisation;
    let payment = transaction(20, card(10).id);
    let mut plain = card(11);
    (plain.metadata, plain.facts) = (Vec::new(), Default::default());
    let mut token = plain.clone();
    token.kind = panvault_model::CardKind::NetworkToken;
    let mut moved = card(12);
    (moved.fingerprint_key, moved.fingerprint_before) = (2, Some((card(13).fingerprint, 1)));
    let running = IdempotencyAnswer { kind: 0, bytes: Vec::new() };
    vec![
        ("card", card(10).into()),
        ("card-changed", card_changed(&card(10)).into()),
        ("card-plain", plain.into()),
        ("card-network-token", token.into()),
        ("card-two-fingerprints", moved.into()),
        ("transaction", payment.clone().into()),
        ("history", history(&payment).into()),
        ("document", document(shop, 1, 3).into()),
        ("idempotency-running", kept(key(1), 1, running).into()),
        ("idempotency-card", kept(key(2), 2, card_answer(&card(10))).into()),
        ("idempotency-transaction", kept(key(3), 3, transaction_answer(&payment)).into()),
        ("card-cvv", card_cvv(10, 7).into()),
        ("node", node(5, 2).into()),
        ("api-key-use", api_key_use(6, 3).into()),
        ("refund", refund(30, payment.id).into()),
        ("customer", customer(50, 1).into()),
        ("delivery", delivery(40, 20).into()),
        ("checkout", checkout(45, at(900)).into()),
    ]
}

fn note(action: Action) -> AuditNote {
    AuditNote {
        at: at(5),
        action,
        actor: None,
        organisation: organisation(1),
        object: id(10),
        request: panvault_model::RequestId::from_bytes([0xa1; 12]),
        address: [0xfe; 16],
        outcome: 0,
        counted: None,
    }
}

fn note_counted() -> AuditNote {
    let counted = Counted::new(NonZeroU32::new(7).unwrap(), at(1), at(4), at(5), 0);
    let request = panvault_model::RequestId::from_bytes([0; 12]);
    AuditNote { request, counted: Some(counted), ..note(Action::CardRead) }
}

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write =
        |target: &str, name: &str, bytes: &[u8]| std::fs::write(corpus.join(target).join(name), bytes);
    for (name, row) in rows() {
        let mut bytes = vec![row.key().table().code()];
        row.encode(&mut bytes);
        write("row", name, &bytes)?;
    }
    let all: Vec<Effect> = rows().into_iter().map(|(_, row)| Effect::Put(row)).collect();
    let some: Vec<Effect> = all.iter().take(2).cloned().collect();
    let gone = vec![Effect::Delete(RowKey::Card(card(10).id)), Effect::Delete(RowKey::Idempotency(key(1)))];
    let retagged: Vec<Effect> = rows().into_iter().map(|(_, row)| Effect::Retag(row)).collect();
    let commits = [("all", &all), ("some", &some), ("gone", &gone), ("retagged", &retagged), ("none", &Vec::new())];
    for (name, effects) in commits {
        let mut bytes = Vec::new();
        note(Action::CardCreate).encode(&mut bytes);
        effects.iter().for_each(|effect| effect.encode(&mut bytes));
        write("commit", name, &bytes)?;
    }
    let mut bytes = Vec::new();
    note_counted().encode(&mut bytes);
    write("commit", "counted", &bytes)?;
    let step = |effects: &Vec<Effect>| (note(Action::CardUpdate), effects.clone());
    write("frame", "one-step", &frame_of(&[step(&some)]))?;
    write("frame", "three-steps", &frame_of(&[step(&some), step(&gone), step(&Vec::new())]))?;
    write("frame", "counted", &frame_of(&[step(&some), (note_counted(), Vec::new())]))?;
    write("frame", "all-tables", &frame_of(&[step(&all)]))?;
    write("frame", "retagged", &frame_of(&[step(&all), step(&retagged)]))?;
    let mut later = frame_of(&[step(&some)]);
    later[5] = 9;
    write("frame", "of-a-later-format", &later)?;
    let whole = frame_of(&[step(&gone)]);
    write("frame", "torn", &whole[..whole.len() - 9])?;
    let mut count = whole.clone();
    count[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    write("frame", "too-many-steps", &count)?;
    let mut bytes = whole;
    bytes[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
    write("frame", "too-many-bytes", &bytes)?;
    let commits = [vec![step(&some)], vec![step(&gone), step(&Vec::new())], vec![(note_counted(), Vec::new())]];
    let [first, second, third] = commits.each_ref().map(Vec::as_slice);
    let three = frames_of(&[first, second, third]);
    let (one, two) = (frames_of(&[first]).len(), frames_of(&[first, second]).len());
    write("frames", "one-commit", &three[..one])?;
    write("frames", "three-commits", &three)?;
    write("frames", "all-tables", &frames_of(&[first, &[step(&all), step(&retagged)]]))?;
    write("frames", "cut", &three[..three.len() - 9])?;
    write("frames", "cut-in-a-header", &three[..one + 60])?;
    write("frames", "left-out", &[&three[..one], &three[two..]].concat())?;
    write("frames", "swapped", &[&three[one..two], &three[..one], &three[two..]].concat())?;
    write("frames", "twice", &[&three[..one], &three[..]].concat())?;
    let mut long = three;
    long[one + 12..one + 16].copy_from_slice(&u32::MAX.to_be_bytes());
    write("frames", "too-many-bytes", &long)?;
    exports().into_iter().try_for_each(|(name, bytes)| write("export", name, &bytes))
}

/// Records under checkpoints, in some of which they are cut, changed or sealed.
fn exports() -> Vec<(&'static str, Vec<u8>)> {
    let entropy = SeededEntropy::new(0xe4);
    let root = RootKey::make(&entropy).expect("a key");
    let slot = NewSlot::of_key_file(&SlotKey::make(&entropy).expect("a key"), "key file").expect("a slot");
    let (vault, now) = (VaultId::from_bytes([1; 12]), at(5));
    let header = Header::make(&root, slot, vault, KeyMode::Test, now, &entropy).expect("a header");
    let header = header.renew(&root, VaultPurpose::TrailCheckpoint, now, &entropy).expect("a header");
    let keys = header.open(&root, vault, KeyMode::Test).expect("keys");
    let (_, key) = keys.checkpoint_keys().next().expect("a key for checkpoints");
    let (name, mut position, mut export) = (hex(vault.as_bytes()), Position::default(), Vec::new());
    for checkpoint in 0..3 {
        let mut batch = Batch::new(position);
        for place in 1..=3 {
            let record = Record {
                writer: "aaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
                place: checkpoint * 3 + place,
                created_at: "2026-03-10T12:00:00.000Z".to_owned(),
                action: "card_create".to_owned(),
                actor: Some("local".to_owned()),
                ..Record::default()
            };
            batch.record(&name, record).expect("a record");
        }
        export.extend_from_slice(batch.lines());
        let signer = Signer { vault: &name, key: &key, statements: &[] };
        let (lines, next) = batch.sign(&signer, "2026-03-10T12:01:00.000Z".to_owned()).expect("a checkpoint");
        export.extend(lines);
        position = next;
    }
    let recipient = AgeIdentity::parse(IDENTITY).expect("an identity").recipient();
    let sealed = seal_lines(&export, &name, &[recipient], &entropy).expect("sealed lines");
    let lines: Vec<&[u8]> = export.split_inclusive(|byte| *byte == b'\n').collect();
    let torn = [&lines[..8].concat(), &lines[8][..40], b"\n".as_slice(), &lines[8..].concat()].concat();
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    let named = |export: &[u8]| [key.public().as_bytes().as_slice(), export].concat();
    vec![
        ("whole", named(&export)),
        ("unproven-end", named(&lines[..11].concat())),
        ("written-again", named(&[export.as_slice(), &lines[8..].concat()].concat())),
        ("torn-line", named(&torn)),
        ("swapped-records", named(&swapped.concat())),
        ("missing-record", named(&[&lines[..1], &lines[2..]].concat().concat())),
        ("sealed", named(&sealed)),
        ("of-another-key", [[7; 32].as_slice(), &export].concat()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

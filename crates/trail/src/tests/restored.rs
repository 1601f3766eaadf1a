//! A trail that goes on from an earlier place: with the record that says why, and else not.

use super::*;
use crate::Restored;

const BACKUP: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";

fn restore(place: u64) -> Record {
    Record { action: "vault_restore".to_owned(), object: Some(BACKUP.to_owned()), ..record(place) }
}

/// What a copy of the vault writes that goes on from `at`, under one checkpoint.
fn goes_on(export: &Export, age: usize, at: Position, records: Vec<Record>) -> (Vec<Vec<u8>>, Position) {
    let mut batch = Batch::new(at);
    records.into_iter().for_each(|record| batch.record(VAULT, record).unwrap());
    let mut written = batch.lines().to_vec();
    let (_, key) = export.keys.checkpoint_keys().nth(age).unwrap();
    let (lines, at) = batch
        .sign(&Signer { vault: VAULT, key: &key, statements: &[] }, "2026-03-11T12:00:00.000Z".to_owned())
        .unwrap();
    written.extend(lines);
    (written.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(), at)
}

/// Checkpoint 1 over records 1 to 3, and where it left off; then two more.
fn before(export: &mut Export) -> Position {
    export.batch(3);
    let at = export.at;
    (0..2).for_each(|_| export.batch(3));
    at
}

fn with(export: &Export, more: &[Vec<u8>]) -> Vec<Vec<u8>> {
    [&export.lines, more].concat()
}

/// The backup had records 4 and 5, which no checkpoint signed yet.
#[test]
fn a_restored_vault_goes_on_from_the_place_of_its_backup() {
    let mut export = Export::new(keys(0));
    let at = before(&mut export);
    let records = vec![record(4), record(5), restore(6), record(7)];
    let (mut more, at) = goes_on(&export, 0, at, records);
    let restored =
        Restored { sequence: 6, backup: Some(BACKUP.to_owned()), created_at: AT.to_owned(), abandoned: 4 };
    let lines = with(&export, &more);
    let mut verifier = Verifier::new(export.public());
    let mut last = Vec::new();
    for line in &lines {
        if let Step::Proven(_, records) = verifier.line(line).unwrap() {
            last = records;
        }
    }
    assert_eq!(last.iter().map(|record| record.place).collect::<Vec<_>>(), [6, 7], "what is new of it");
    let summary = verifier.finish();
    assert_eq!((summary.first, summary.last, summary.records, summary.checkpoints), (1, 7, 7, 2));
    assert_eq!(summary.restored, [restored]);
    // It goes on like any other, what it wrote may come again, and of the trail before nothing may.
    more.extend(more.clone());
    more.extend(goes_on(&export, 0, at, vec![record(8)]).0);
    let proved = |lines: &[Vec<u8>]| {
        let mut verifier = Verifier::new(export.public());
        let read = (1..)
            .zip(lines)
            .try_for_each(|(number, line)| verifier.line(line).map(drop).map_err(|fault| (number, fault)));
        read.map(|()| verifier.finish())
    };
    assert_eq!(proved(&with(&export, &more)).unwrap().last, 8);
    let again = [with(&export, &more), export.lines[4..8].to_vec()].concat();
    assert_eq!(proved(&again), Err((again.len(), Fault::Forked { number: 2 })));
    // Restored once more, from a backup of the vault that was restored.
    let (twice, _) = goes_on(&export, 0, at, vec![restore(8), record(9)]);
    let summary = proved(&[with(&export, &more), twice].concat()).unwrap();
    assert_eq!(summary.restored.iter().map(|one| one.abandoned).collect::<Vec<_>>(), [4, 1]);
}

#[test]
fn a_trail_that_goes_on_from_an_earlier_place_and_does_not_say_so_is_refused() {
    let mut export = Export::new(keys(0));
    let at = before(&mut export);
    let other = |place| Record { action: "card_delete".to_owned(), ..record(place) };
    for (what, records) in [
        ("nothing is said", vec![record(4), record(5), other(6)]),
        ("it is said late", vec![record(4), other(5), restore(6)]),
        ("what it had before is another", vec![other(4), restore(5)]),
        ("nothing is new", vec![record(4), record(5)]),
    ] {
        let lines = with(&export, &goes_on(&export, 0, at, records).0);
        let refused = export.read(&lines).unwrap_err();
        assert_eq!(refused, (lines.len() as u64, Fault::Forked { number: 2 }), "{what}");
    }
    let lines = with(&export, &goes_on(&export, 0, at, vec![record(4), restore(6)]).0);
    let refused = export.read(&lines).unwrap_err();
    assert_eq!(refused.1, Fault::Place { sequence: 5, expected: 5, found: 6 });
    // It goes on from another checkpoint than the one that was there.
    let elsewhere = Position { checkpoint: [9; 32], ..at };
    let lines = with(&export, &goes_on(&export, 0, elsewhere, vec![restore(4)]).0);
    assert_eq!(export.read(&lines).unwrap_err().1, Fault::Forked { number: 2 });
    // Somebody else signs it.
    let stranger = Export::new(keys(0));
    let lines = with(&export, &goes_on(&stranger, 0, at, vec![restore(4)]).0);
    assert_eq!(export.read(&lines).unwrap_err().1, Fault::KeyUnknown);
}

/// Who has a key of before may say nothing new with it, a restore neither.
#[test]
fn a_key_whose_place_another_took_announces_no_restore() {
    let mut export = Export::new(keys(1));
    export.batch_by(3, 1, &[]);
    let at = export.at;
    let (_, new) = export.keys.checkpoint_keys().next().unwrap();
    let (_, old) = export.keys.checkpoint_keys().nth(1).unwrap();
    let trusted = old.public();
    let statement = KeyStatement::sign(VAULT, 2, &new.public(), AT.to_owned(), &old).unwrap();
    export.batch_by(3, 0, &[statement]);
    for (age, expected) in [(0, None), (1, Some(Fault::KeyReplaced))] {
        let lines = with(&export, &goes_on(&export, age, at, vec![restore(4)]).0);
        let mut verifier = Verifier::new([trusted]);
        let fault = lines.iter().find_map(|line| verifier.line(line).err());
        assert_eq!(fault, expected, "key {age}");
    }
}

/// The vault was killed while it wrote, or before it signed what it had written: nothing of that comes again.
#[test]
fn what_was_begun_and_never_signed_is_nobodys_after_a_restore() {
    let mut export = Export::new(keys(0));
    export.batch(3);
    let at = export.at;
    export.batch(3);
    let torn = [&export.lines[..6], &[[&export.lines[6][..30], b"\n"].concat()]].concat();
    let more = goes_on(&export, 0, at, vec![record(4), restore(5), record(6)]).0;
    let mut verifier = Verifier::new(export.public());
    torn.iter().chain(&more).for_each(|line| drop(verifier.line(line).unwrap()));
    let summary = verifier.finish();
    assert_eq!((summary.last, summary.restored.len(), summary.restored[0].abandoned), (6, 1, 0));
}

/// The backup has a part of what the last checkpoint before it signed.
#[test]
fn a_restored_vault_goes_on_within_what_the_last_checkpoint_signed() {
    let mut export = Export::new(keys(0));
    export.batch(3);
    let at = export.at;
    export.batch(3);
    for same in 0..3 {
        let records = (4..4 + same).map(record).chain([restore(4 + same), record(5 + same)]).collect();
        let lines = with(&export, &goes_on(&export, 0, at, records).0);
        let mut verifier = Verifier::new(export.public());
        lines.iter().for_each(|line| drop(verifier.line(line).unwrap()));
        let summary = verifier.finish();
        assert_eq!((summary.last, summary.restored[0].abandoned), (5 + same, 3 - same), "{same}");
    }
    // The same without the record that says so.
    let records = vec![record(4), Record { action: "card_delete".to_owned(), ..record(5) }];
    let lines = with(&export, &goes_on(&export, 0, at, records).0);
    assert_eq!(export.read(&lines).unwrap_err(), (10, Fault::Differs { sequence: 5 }));
}

/// Of several nodes the one that comes first says so, and the others go on from where they were at the backup: how far that is, the export that went on did not know.
#[test]
fn a_restored_vault_of_several_nodes_goes_on_for_each_from_its_place_in_the_backup() {
    let of = |node: char, place| Record { writer: node.to_string().repeat(24), ..record(place) };
    let said = |place| Record { writer: "a".repeat(24), ..restore(place) };
    let export = Export::new(keys(0));
    let (mut lines, at) =
        goes_on(&export, 0, Position::default(), vec![of('a', 1), of('a', 2), of('b', 1), of('c', 1)]);
    let (more, after) = goes_on(&export, 0, at, vec![of('b', 2), of('b', 3), of('b', 4), of('c', 2)]);
    lines.extend(more);
    lines.extend(goes_on(&export, 0, after, vec![of('b', 5), of('c', 3)]).0);
    assert_eq!(export.read(&lines).unwrap().last, 10);
    // The backup had record 2 of b, and none of c that was not signed.
    let (restored, at) = goes_on(&export, 0, at, vec![said(3), of('b', 2), of('d', 1)]);
    let next = goes_on(&export, 0, at, vec![of('c', 2), of('d', 2)]).0;
    let mut verifier = Verifier::new(export.public());
    lines.iter().chain(&restored).chain(&next).for_each(|line| drop(verifier.line(line).unwrap()));
    let summary = verifier.finish();
    assert_eq!((summary.last, summary.restored.len(), summary.restored[0].abandoned), (9, 1, 6));
}

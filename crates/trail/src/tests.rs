mod restored;
mod sealed;

use panvault_keys::{Header, KeyMode, NewSlot, RootKey, SlotKey, SystemEntropy, VaultKeys, VaultPurpose};
use panvault_model::{Timestamp, VaultId};

use crate::limits::{BATCH_RECORDS_MAX, LINE_BYTES_MAX, WRITTEN_BYTES_MAX};
use crate::{
    Batch, Checkpoint, CheckpointPublicKey, Fault, KeyStatement, Line, Position, Record, Signer, Step,
};
use crate::{Summary, Verifier, key_id};

const AT: &str = "2026-03-10T12:00:00.000Z";
const VAULT: &str = "0123456789abcdef01234567";
const NODE: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

/// Keys of a vault whose key for checkpoints was renewed so often.
fn keys(renewals: usize) -> VaultKeys {
    let (entropy, now) = (SystemEntropy::new(), Timestamp::from_unix_millis(1_800_000_000_000));
    let (root, vault) = (RootKey::make(&entropy).unwrap(), VaultId::from_bytes([1; 12]));
    let slot = NewSlot::of_key_file(&SlotKey::make(&entropy).unwrap(), "key file").unwrap();
    let mut header = Header::make(&root, slot, vault, KeyMode::Test, now, &entropy).unwrap();
    for _ in 0..renewals {
        header = header.renew(&root, VaultPurpose::TrailCheckpoint, now, &entropy).unwrap();
    }
    header.open(&root, vault, KeyMode::Test).unwrap()
}

fn record(place: u64) -> Record {
    Record {
        writer: NODE.to_owned(),
        place,
        created_at: AT.to_owned(),
        action: "card_create".to_owned(),
        actor: Some("local".to_owned()),
        ..Record::default()
    }
}

/// An export that goes on.
struct Export {
    keys: VaultKeys,
    vault: &'static str,
    at: Position,
    place: u64,
    lines: Vec<Vec<u8>>,
}

impl Export {
    fn new(keys: VaultKeys) -> Self {
        Self { keys, vault: VAULT, at: Position::default(), place: 0, lines: Vec::new() }
    }

    /// With the key of that age, 0 for the newest.
    fn batch_by(&mut self, records: u64, age: usize, statements: &[KeyStatement]) {
        let mut batch = Batch::new(self.at);
        for _ in 0..records {
            self.place += 1;
            batch.record(self.vault, record(self.place)).unwrap();
        }
        let mut written = batch.lines().to_vec();
        let (_, key) = self.keys.checkpoint_keys().nth(age).unwrap();
        let (lines, at) =
            batch.sign(&Signer { vault: self.vault, key: &key, statements }, AT.to_owned()).unwrap();
        written.extend(lines);
        self.at = at;
        self.lines.extend(written.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }

    fn batch(&mut self, records: u64) {
        self.batch_by(records, 0, &[]);
    }

    fn public(&self) -> Vec<CheckpointPublicKey> {
        self.keys.checkpoint_keys().map(|(_, key)| key.public()).collect()
    }

    fn read(&self, lines: &[Vec<u8>]) -> Result<Summary, (u64, Fault)> {
        read(self.public(), lines)
    }
}

fn read(keys: Vec<CheckpointPublicKey>, lines: &[Vec<u8>]) -> Result<Summary, (u64, Fault)> {
    let mut verifier = Verifier::new(keys);
    let mut handed = 0;
    for (number, line) in (1..).zip(lines) {
        match verifier.line(line).map_err(|fault| (number, fault))? {
            Step::Proven(_, records) => handed += records.len() as u64,
            Step::Pending | Step::Again => {}
        }
    }
    let summary = verifier.finish();
    assert_eq!(summary.records, handed, "what is counted was handed out");
    Ok(summary)
}

/// Records 1 to 3, checkpoint 1, records 4 to 6, checkpoint 2, and so on.
fn three() -> Export {
    let mut export = Export::new(keys(0));
    (0..3).for_each(|_| export.batch(3));
    export
}

#[test]
fn an_export_is_proved_up_to_its_last_checkpoint() {
    let export = three();
    let summary = export.read(&export.lines).unwrap();
    let expected = Summary {
        vault: Some(VAULT.to_owned()),
        lines: 12,
        records: 9,
        first: 1,
        last: 9,
        checkpoints: 3,
        proved_at: Some(AT.to_owned()),
        unproven: 0,
        restored: Vec::new(),
    };
    assert_eq!(summary, expected);
    let cut = export.read(&export.lines[..11]).unwrap();
    assert_eq!((cut.records, cut.unproven), (6, 3));
    let torn = [&export.lines[..10], &[export.lines[10][..20].to_vec()]].concat();
    let cut = export.read(&torn).unwrap();
    assert_eq!((cut.records, cut.unproven), (6, 2));
    let later = export.read(&export.lines[4..]).unwrap();
    assert_eq!((later.records, later.first), (6, 4), "what came before is not there, and that is said");
}

/// The lines to the byte, and what of a checkpoint is signed: anybody may write a reader by this.
#[test]
fn lines_are_as_they_are_documented() {
    let export = three();
    let line = String::from_utf8(export.lines[0].clone()).unwrap();
    let expected = "{\"type\":\"record\",\"vault\":\"0123456789abcdef01234567\",\"sequence\":1,\"before\":\"0000000000000000\",\
                    \"writer\":\"aaaaaaaaaaaaaaaaaaaaaaaa\",\"place\":1,\"created_at\":\"2026-03-10T12:00:00.000Z\",\
                    \"action\":\"card_create\",\"actor\":\"local\",\"outcome\":0}\n";
    assert_eq!(line, expected);
    let line = String::from_utf8(export.lines[3].clone()).unwrap();
    let Some(Line::Checkpoint(checkpoint)) = Line::parse(line.as_bytes()) else { panic!("no checkpoint") };
    let (records, none, key) = (&checkpoint.records_sha256, "0".repeat(64), key_id(&export.public()[0]));
    let signed = format!(
        "{{\"type\":\"checkpoint\",\"vault\":\"{VAULT}\",\"number\":1,\"first\":1,\"last\":3,\"records_sha256\":\"{records}\",\
         \"checkpoint_before\":\"{none}\",\"created_at\":\"{AT}\",\"key\":\"{key}\""
    );
    assert_eq!(line, format!("{signed},\"signature\":\"{}\"}}\n", checkpoint.signature));
    let signature = hex::decode(&checkpoint.signature).unwrap().try_into().unwrap();
    assert!(export.public()[0].is_signed(signed.as_bytes(), &signature));
    let hash = panvault_keys::Sha256::of(&export.lines[..3].concat());
    assert_eq!(*records, hex::encode(hash));
}

#[test]
fn the_first_line_that_is_missing_moved_or_changed_is_named() {
    let export = three();
    let without = |at: usize| {
        let mut lines = export.lines.clone();
        lines.remove(at);
        export.read(&lines).unwrap_err()
    };
    assert_eq!(without(1), (2, Fault::Missing { expected: 2, found: 3 }));
    assert_eq!(without(2), (3, Fault::Cut { number: 1, expected: 3 }));
    assert_eq!(without(0), (3, Fault::Cut { number: 1, expected: 1 }));
    assert_eq!(without(4), (5, Fault::Missing { expected: 4, found: 5 }));
    assert_eq!(without(6), (7, Fault::Cut { number: 2, expected: 6 }));
    assert_eq!(without(7), (8, Fault::Changed { sequence: 7 }), "a checkpoint that is gone");
    let swapped = |one: usize, other: usize| {
        let mut lines = export.lines.clone();
        lines.swap(one, other);
        export.read(&lines).unwrap_err()
    };
    assert_eq!(swapped(4, 5), (5, Fault::Missing { expected: 4, found: 5 }));
    assert_eq!(swapped(3, 7).0, 4);
    let mut twice = export.lines.clone();
    twice.insert(6, export.lines[5].clone());
    assert_eq!(export.read(&twice).unwrap().records, 9, "the same line once more says nothing else");
    twice[6] = String::from_utf8(twice[6].clone()).unwrap().replace("card_create", "card_delete").into();
    assert_eq!(export.read(&twice).unwrap_err(), (7, Fault::Differs { sequence: 5 }));
    // Late, and not from the beginning of what a checkpoint signs.
    twice = [&export.lines[..], &export.lines[1..2]].concat();
    assert_eq!(export.read(&twice).unwrap_err(), (13, Fault::Repeated { expected: 10, found: 2 }));
    // A whole checkpoint with its records is cut out.
    let cut = [&export.lines[..4], &export.lines[8..]].concat();
    assert_eq!(export.read(&cut).unwrap_err(), (5, Fault::Missing { expected: 4, found: 7 }));
    for at in [4, 5] {
        let mut lines = export.lines.clone();
        lines[at] =
            String::from_utf8(lines[at].clone()).unwrap().replace("card_create", "card_delete").into();
        assert_eq!(
            export.read(&lines).unwrap_err(),
            (at as u64 + 2, Fault::Changed { sequence: at as u64 + 1 })
        );
    }
    let mut lines = export.lines.clone();
    lines[6] = String::from_utf8(lines[6].clone()).unwrap().replace("card_create", "card_delete").into();
    assert_eq!(export.read(&lines).unwrap_err(), (8, Fault::Records { number: 2, last: 6 }));
}

/// Whatever bit of an export is another: it is seen, or the line is as if it had been cut off at the end.
#[test]
fn every_bit_counts() {
    let mut export = Export::new(keys(0));
    export.batch(1);
    let whole: Vec<u8> = export.lines.concat();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let lines: Vec<_> = flipped.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let proved = export.read(&lines).map_or(0, |summary| summary.records);
        assert_eq!(proved, 0, "bit {bit}");
    }
}

/// A writer that was killed begins its batch again, and one that does not know how far it had come writes what was there before.
#[test]
fn what_comes_again_is_taken_while_it_is_the_same() {
    let export = three();
    let lines = &export.lines;
    let torn = |at: usize| [lines[at][..40].to_vec(), b"\n".to_vec()].concat();
    let again = [&lines[..6], &[torn(6)], &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap().records, 9);
    let again = [&lines[..7], &[torn(7)], &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap().records, 9, "a checkpoint was cut off");
    let again = [&lines[..6], &[torn(6), torn(4), torn(4)], &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap().records, 9, "three were killed, two at the first line");
    let again = [&[torn(0)], &lines[..]].concat();
    assert_eq!(export.read(&again).unwrap().records, 9);
    // Killed in the third, and begun again with the second, twice.
    let again = [&lines[..9], &[torn(9)], &lines[4..6], &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap().records, 9);
    let again = [&lines[..], &lines[4..], &lines[8..10]].concat();
    let summary = export.read(&again).unwrap();
    assert_eq!((summary.records, summary.unproven), (9, 0));
    // The same, with something else in what came again.
    let other: Vec<u8> = String::from_utf8(lines[5].clone()).unwrap().replace("local", "other").into();
    let again = [&lines[..5], core::slice::from_ref(&other), &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap_err(), (8, Fault::Differs { sequence: 5 }));
    let again = [&lines[..], &lines[4..5], &[other], &lines[4..]].concat();
    assert_eq!(export.read(&again).unwrap_err(), (16, Fault::Differs { sequence: 5 }));
    let nothing = b"{\"type\":\"record\",\"vault\":\"0123456789abcdef01234567\",\"sequence\":99\n".to_vec();
    let again = [&lines[..6], &[nothing], &lines[4..]].concat();
    assert_eq!(
        export.read(&again).unwrap_err(),
        (11, Fault::Unreadable),
        "nothing that comes later began so"
    );
}

/// A server that is still reading what one connection brought while the same comes by another writes the lines of both, mixed.
#[test]
fn what_comes_twice_at_once_is_taken_in_whatever_order_the_two_are_mixed() {
    let export = three();
    let second = &export.lines[4..8];
    // Which of the two each line is of.
    for mixing in 0_u32..1 << 8 {
        let (mut one, mut other) = (second.iter(), second.iter());
        let mixed = (0..8).filter_map(|at| if mixing >> at & 1 == 0 { one.next() } else { other.next() });
        let mixed: Vec<_> = mixed.cloned().collect();
        let rest: Vec<_> = one.chain(other).cloned().collect();
        let lines = [&export.lines[..4], &mixed, &rest, &export.lines[8..]].concat();
        assert_eq!(export.read(&lines).unwrap().records, 9, "{mixing:b}");
    }
}

#[test]
fn two_vaults_and_two_trails_of_one_are_told_apart() {
    let export = three();
    let mut other = Export { vault: "ffffffffffffffffffffffff", ..Export::new(keys(0)) };
    other.batch(3);
    let both = [export.public(), other.public()].concat();
    let merged = [&export.lines[..], &other.lines].concat();
    assert_eq!(read(both, &merged).unwrap_err(), (13, Fault::OtherVault));
    // A copy of the vault goes on from checkpoint 2, as one does that was put back to that moment.
    let mut copy = three();
    copy.keys = export.keys;
    let mut export = Export::new(copy.keys);
    export.batch(3);
    let (at, place, shared) = (export.at, export.place, export.lines.clone());
    export.batch(2);
    let first = export.lines.split_off(shared.len());
    export.at = at;
    export.place = place;
    export.batch(3);
    let second = export.lines.split_off(shared.len());
    let forked = [shared.as_slice(), &first, &second].concat();
    assert_eq!(export.read(&forked).unwrap_err(), (10, Fault::Forked { number: 2 }));
}

#[test]
fn a_key_vouches_for_the_next_and_for_nothing_after() {
    let mut export = Export::new(keys(2));
    let all: Vec<_> = export.keys.checkpoint_keys().collect();
    let [(_, third), (_, second), (_, first)] = &all[..] else { panic!("three keys") };
    let statement = |version, key: &panvault_keys::CheckpointKey, by| {
        KeyStatement::sign(VAULT, version, &key.public(), AT.to_owned(), by).unwrap()
    };
    let (to_second, to_third) = (statement(2, second, first), statement(3, third, second));
    let (by_stranger, late) = (statement(3, third, third), statement(3, third, first));
    let public = [first.public(), second.public(), third.public()];
    let by = |export: &mut Export, age, statements: &[KeyStatement]| export.batch_by(2, age, statements);
    by(&mut export, 2, &[]);
    let start = (export.at, export.place, export.lines.len());
    by(&mut export, 1, core::slice::from_ref(&to_second));
    by(&mut export, 0, core::slice::from_ref(&to_third));
    let read_by = |keys: &[CheckpointPublicKey], lines: &[Vec<u8>]| read(keys.to_vec(), lines);
    for trusted in [&public[..1], &public[..]] {
        assert_eq!(read_by(trusted, &export.lines).unwrap().records, 6);
    }
    assert_eq!(read_by(&public[1..], &export.lines).unwrap_err(), (3, Fault::KeyUnknown));
    assert_eq!(read_by(&[], &export.lines).unwrap_err(), (3, Fault::KeyUnknown));
    let kept = export.lines.split_off(start.2);
    let whole = [&export.lines[..], &kept].concat();
    let without = [&export.lines[..], &kept[..2], &kept[3..]].concat();
    assert_eq!(read_by(&public[..1], &without).unwrap_err(), (6, Fault::KeyUnknown));
    // Again, the key before and all.
    let again = [&whole[..], &whole].concat();
    assert_eq!(read_by(&public[..1], &again).unwrap().records, 6);
    for (age, statements, fault) in [
        (2, vec![to_second.clone()], Fault::KeyReplaced),
        (0, vec![by_stranger], Fault::KeyUnknown),
        (0, vec![to_second.clone(), late], Fault::KeyReplaced),
        (1, vec![KeyStatement { version: 9, ..to_second }], Fault::Forged),
    ] {
        (export.at, export.place) = (start.0, start.1);
        export.lines.truncate(start.2);
        export.batch_by(2, age, &statements);
        assert_eq!(read_by(&public[..1], &export.lines).unwrap_err().1, fault);
    }
}

#[test]
fn a_checkpoint_is_not_forged() {
    let export = three();
    for (from, to) in
        [("\"last\":3", "\"last\":2"), ("\"number\":1", "\"number\":2"), ("\"first\":1", "\"first\":0")]
    {
        let mut lines = export.lines.clone();
        lines[3] = String::from_utf8(lines[3].clone()).unwrap().replacen(from, to, 1).into();
        assert_eq!(export.read(&lines).unwrap_err(), (4, Fault::Forged));
    }
    let stranger = Export { at: Position::default(), ..Export::new(keys(0)) };
    let Some(Line::Checkpoint(checkpoint)) = Line::parse(&export.lines[3]) else { panic!("no checkpoint") };
    let renamed = Checkpoint { key: key_id(&stranger.public()[0]), ..checkpoint };
    let lines = [&export.lines[..3], &[Line::Checkpoint(renamed).encode()]].concat();
    assert_eq!(export.read(&lines).unwrap_err(), (4, Fault::KeyUnknown));
    assert_eq!(read([export.public(), stranger.public()].concat(), &lines).unwrap_err(), (4, Fault::Forged));
}

#[test]
fn a_gap_in_what_one_node_wrote_is_seen_though_it_is_signed() {
    let mut export = Export::new(keys(0));
    export.batch(1);
    export.place += 1;
    export.batch(1);
    let gap = Fault::Place { sequence: 2, expected: 2, found: 3 };
    assert_eq!(export.read(&export.lines).unwrap_err(), (3, gap));
}

/// Lines and batches at their limits, and one past them.
#[test]
fn lines_and_batches_are_bounded() {
    let fits = |action: usize| {
        let record = Record { action: "a".repeat(action), ..record(1) };
        Batch::new(Position::default()).record(VAULT, record).is_ok()
    };
    let mut batch = Batch::new(Position::default());
    batch.record(VAULT, record(1)).unwrap();
    let rest = WRITTEN_BYTES_MAX - batch.lines().len() + "card_create".len();
    assert!(fits(rest) && !fits(rest + 1));
    let mut verifier = Verifier::new([]);
    assert_eq!(verifier.line(&[b'{'; LINE_BYTES_MAX + 1]), Err(Fault::TooLong));
    let mut batch = Batch::new(Position::default());
    let fill = (1..=BATCH_RECORDS_MAX as u64).all(|place| batch.record(VAULT, record(place)).is_ok());
    assert!(fill && batch.record(VAULT, record(1)).is_err());
    let export = Export::new(keys(0));
    let mut lines: Vec<_> =
        batch.lines().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    assert_eq!(export.read(&lines).unwrap().unproven, BATCH_RECORDS_MAX as u64);
    let last = panvault_keys::Sha256::of(lines.last().unwrap());
    let next = Record {
        vault: VAULT.to_owned(),
        sequence: BATCH_RECORDS_MAX as u64 + 1,
        before: hex::encode(&last[..8]),
        ..record(BATCH_RECORDS_MAX as u64 + 1)
    };
    lines.push(Line::Record(Box::new(next)).encode());
    assert_eq!(export.read(&lines).unwrap_err().1, Fault::NoCheckpoint);
    let (_, key) = export.keys.checkpoint_key();
    let nothing = Batch::new(Position::default());
    assert!(nothing.sign(&Signer { vault: VAULT, key: &key, statements: &[] }, AT.to_owned()).is_err());
}

/// What says the same in other bytes is no line, and neither is what has members of its own.
#[test]
fn a_line_has_one_form() {
    let line = String::from_utf8(Line::Record(Box::new(record(1))).encode()).unwrap();
    assert!(Line::parse(line.as_bytes()).is_some());
    for (from, to) in [
        ("{\"type\"", "{ \"type\""),
        ("\"place\":1", "\"place\":1.0"),
        ("\"place\":1", "\"place\":1,\"place\":1"),
        ("\"outcome\":0", "\"outcome\":0,\"note\":\"x\""),
        ("\"outcome\":0", "\"outcome\":256"),
        ("\"actor\":\"local\"", "\"actor\":null"),
        ("local", "loc\\u0061l"),
        ("\"type\":\"record\",", ""),
        ("record", "nothing"),
    ] {
        assert!(Line::parse(line.replacen(from, to, 1).as_bytes()).is_none(), "{to}");
    }
    for other in ["", "\n", "{}", "[]", "null", "{\"type\":\"record\"}", "\u{feff}{}"] {
        assert!(Line::parse(other.as_bytes()).is_none(), "{other}");
    }
}

/// The fuzz target over its kept corpus, and beside it.
#[test]
fn exports_of_the_corpus_and_beside_it() {
    panvault_testkit::corpus::replay("export", crate::fuzz::export);
}

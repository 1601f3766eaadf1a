use panvault_keys::{AgeIdentity, AgeRecipient, SystemEntropy};

use super::{Export, VAULT, keys, record, three};
use crate::limits::{LINE_BYTES_MAX, RECIPIENTS_MAX, WRITTEN_BYTES_MAX};
use crate::{Batch, Fault, Position, Record, SealFault, Sealed, Summary, Unsealer, Verifier, seal_lines};

const ASSESSOR: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const OTHER: &str = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";

fn identity(text: &str) -> AgeIdentity {
    AgeIdentity::parse(text).unwrap()
}

fn to(identities: &[&str]) -> Vec<AgeRecipient> {
    identities.iter().map(|text| identity(text).recipient()).collect()
}

fn sealed_to(recipients: &[AgeRecipient], lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let sealed = seal_lines(&lines.concat(), VAULT, recipients, &SystemEntropy::new()).unwrap();
    sealed.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Each checkpoint with its records under an envelope of its own, as a vault delivers them.
fn delivered(recipients: &[AgeRecipient], export: &Export, each: usize) -> Vec<Vec<u8>> {
    export.lines.chunks(each).flat_map(|lines| sealed_to(recipients, lines)).collect()
}

fn read(export: &Export, identities: &[&str], lines: &[Vec<u8>]) -> Result<(Summary, Sealed), (u64, Fault)> {
    let mut unsealer = Unsealer::new(identities.iter().map(|text| identity(text)).collect());
    let mut verifier = Verifier::new(export.public());
    for (number, bytes) in (1..).zip(lines) {
        if let Some(line) = unsealer.line(bytes).map_err(|fault| (number, fault))? {
            verifier.line(&line).map_err(|fault| (number, fault))?;
        }
    }
    Ok((verifier.finish(), unsealer.finish()))
}

#[test]
fn what_is_sealed_is_read_by_each_recipient_and_by_nobody_else() {
    let export = three();
    let lines = delivered(&to(&[ASSESSOR, OTHER]), &export, 4);
    assert_eq!(lines.len(), 15);
    let text = String::from_utf8(lines.concat()).unwrap();
    for word in ["card_create", "local", "record", "checkpoint", "aaaaaaaaaaaaaaaaaaaaaaaa"] {
        assert!(!text.contains(word), "{word} can be read");
    }
    let plain = export.read(&export.lines).unwrap();
    let recipients: Vec<_> = to(&[ASSESSOR, OTHER]).iter().map(ToString::to_string).collect();
    for one in [ASSESSOR, OTHER] {
        let (summary, sealed) = read(&export, &[one], &lines).unwrap();
        assert_eq!(summary, plain);
        assert_eq!(sealed, Sealed { lines: 12, lines_plain: 0, recipients: recipients.clone() });
    }
    let lines = delivered(&to(&[ASSESSOR]), &export, 4);
    for (identities, said) in [(&[][..], "no identity"), (&[OTHER], "the wrong one")] {
        let fault = Fault::Encrypted { to: vec![identity(ASSESSOR).recipient().to_string()] };
        assert_eq!(read(&export, identities, &lines).unwrap_err(), (1, fault), "{said}");
    }
    // Records of different lengths look alike.
    let lengths: std::collections::BTreeSet<_> = lines[1..4].iter().map(Vec::len).collect();
    assert_eq!(lengths.len(), 1);
}

#[test]
fn a_change_of_recipients_and_what_was_not_sealed_are_read_on() {
    let export = three();
    let mut lines = export.lines[..4].to_vec();
    lines.extend(sealed_to(&to(&[ASSESSOR]), &export.lines[4..8]));
    lines.extend(sealed_to(&to(&[OTHER]), &export.lines[8..]));
    let (summary, sealed) = read(&export, &[ASSESSOR, OTHER], &lines).unwrap();
    assert_eq!((summary.records, sealed.lines, sealed.lines_plain), (9, 8, 4));
    let fault = Fault::Encrypted { to: vec![identity(OTHER).recipient().to_string()] };
    assert_eq!(read(&export, &[ASSESSOR], &lines).unwrap_err(), (10, fault));
}

/// What a destination gets again is sealed anew; what was cut off, and lines of two deliveries mixed, are no fault.
#[test]
fn what_comes_again_or_cut_off_or_mixed_is_the_same() {
    let export = three();
    let assessor = to(&[ASSESSOR]);
    let once = sealed_to(&assessor, &export.lines[..4]);
    let again = sealed_to(&assessor, &export.lines[..4]);
    assert_ne!(once, again);
    let rest = delivered(&assessor, &Export { lines: export.lines[4..].to_vec(), ..three_of(&export) }, 4);
    let whole = |first: &[Vec<u8>]| {
        let lines = [first, &rest].concat();
        read(&export, &[ASSESSOR], &lines).map(|(summary, _)| summary.records)
    };
    assert_eq!(whole(&once), Ok(9));
    assert_eq!(whole(&[&once[..], &again].concat()), Ok(9), "again");
    assert_eq!(whole(&[&once[..], &once].concat()), Ok(9), "the same bytes again");
    for at in 1..5 {
        for length in [1, 9, 10, 12, 40, once[at].len() - 1] {
            let mut cut = once[at][..length].to_vec();
            cut.push(b'\n');
            assert_eq!(whole(&[&once[..at], &[cut], &again].concat()), Ok(9), "line {at} cut at {length}");
        }
    }
    let cut = once[0][..200].to_vec();
    assert_eq!(whole(&[&[[&cut[..], b"\n"].concat()], &again[..]].concat()), Ok(9), "an envelope is cut");
    let mixed: Vec<_> =
        once.iter().zip(&again).flat_map(|(one, other)| [one.clone(), other.clone()]).collect();
    assert_eq!(whole(&mixed), Ok(9), "mixed");
}

/// An export of the same keys.
fn three_of(export: &Export) -> Export {
    Export { keys: keys(0), vault: export.vault, at: export.at, place: export.place, lines: Vec::new() }
}

#[test]
fn what_was_done_to_a_sealed_export_is_named_by_its_line() {
    let export = three();
    let lines = delivered(&to(&[ASSESSOR]), &export, 4);
    let fails = |lines: &[Vec<u8>]| read(&export, &[ASSESSOR], lines).unwrap_err();
    let changed = |at: usize, from: &str, to: &str| {
        let mut lines = lines.clone();
        let line = String::from_utf8(lines[at].clone()).unwrap();
        assert!(line.contains(from), "{line}");
        lines[at] = line.replacen(from, to, 1).into_bytes();
        lines
    };
    let sealed = |at: usize| String::from_utf8(lines[at].clone()).unwrap();
    // A letter of what is sealed.
    let line = sealed(2);
    let at = line.rfind("\"sealed\":\"").unwrap() + 20;
    let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut flipped = lines.clone();
    flipped[2] = [&line[..at], other, &line[at + 1..]].concat().into_bytes();
    assert_eq!(fails(&flipped), (3, Fault::Sealed));
    assert_eq!(fails(&changed(2, "\"line\":2", "\"line\":3")), (3, Fault::Sealed), "swapped by number");
    let id = sealed(6)[sealed(6).find("\"envelope\":\"").unwrap() + 12..][..16].to_owned();
    let first = sealed(1)[sealed(1).find("\"envelope\":\"").unwrap() + 12..][..16].to_owned();
    assert_eq!(fails(&changed(6, &id, &first)), (7, Fault::Sealed), "of another envelope");
    let mut lacks = lines.clone();
    lacks.remove(5);
    assert_eq!(fails(&lacks), (6, Fault::EnvelopeMissing));
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    assert_eq!(fails(&swapped), (3, Fault::Missing { expected: 2, found: 3 }));
    let mut lacks = lines.clone();
    lacks.remove(2);
    assert_eq!(fails(&lacks), (3, Fault::Missing { expected: 2, found: 3 }));
    let recipient = identity(ASSESSOR).recipient().to_string();
    assert_eq!(fails(&changed(5, &recipient, "age1")), (6, Fault::Envelope));
    let other = identity(OTHER).recipient().to_string();
    let renamed = changed(5, &recipient, &other);
    assert_eq!(read(&export, &[ASSESSOR, OTHER], &renamed).unwrap_err(), (6, Fault::Envelope));
    assert_eq!(fails(&changed(5, VAULT, "f123456789abcdef01234567")).1, Fault::EnvelopeMissing);
}

/// Who does not have the vault's key can seal and write what they like; it is held against the signatures as ever.
#[test]
fn what_others_put_into_an_export_is_judged_by_the_signatures() {
    let export = three();
    let lines = delivered(&to(&[ASSESSOR]), &export, 4);
    let mut forged = Batch::new(Position::default());
    forged.record(VAULT, Record { action: "card_delete".to_owned(), ..record(1) }).unwrap();
    let forged = forged.lines().to_vec();
    let plain = [core::slice::from_ref(&forged), &lines[..]].concat();
    assert_eq!(read(&export, &[ASSESSOR], &plain).unwrap_err(), (3, Fault::Differs { sequence: 1 }));
    let sealed = [&sealed_to(&to(&[ASSESSOR]), &[forged])[..], &lines].concat();
    assert_eq!(read(&export, &[ASSESSOR], &sealed).unwrap_err(), (4, Fault::Differs { sequence: 1 }));
    // Who takes a line out of its envelope has changed nothing of what it says.
    let mut opened = lines.clone();
    opened[2] = export.lines[1].clone();
    let (summary, sealed) = read(&export, &[ASSESSOR], &opened).unwrap();
    assert_eq!((summary.records, sealed.lines_plain), (9, 1));
}

#[test]
fn lines_and_recipients_that_are_sealed_are_bounded() {
    let entropy = SystemEntropy::new();
    let assessor = identity(ASSESSOR).recipient();
    let most = vec![assessor; RECIPIENTS_MAX];
    let line = [vec![b'a'; WRITTEN_BYTES_MAX - 1], b"\n".to_vec()].concat();
    let sealed = seal_lines(&line, VAULT, &most, &entropy).unwrap();
    assert!(sealed.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() <= LINE_BYTES_MAX));
    let mut unsealer = Unsealer::new(vec![identity(ASSESSOR)]);
    let mut opened = sealed.split_inclusive(|byte| *byte == b'\n').map(|line| unsealer.line(line).unwrap());
    assert!(opened.next().unwrap().is_none());
    assert_eq!(opened.next().unwrap().unwrap(), line);
    assert!(matches!(
        seal_lines(&[b"a".as_slice(), &line].concat(), VAULT, &most, &entropy),
        Err(SealFault::TooLong)
    ));
    for count in [0, RECIPIENTS_MAX + 1] {
        assert!(matches!(
            seal_lines(&line, VAULT, &vec![assessor; count], &entropy),
            Err(SealFault::Recipients)
        ));
    }
    let mut unsealer = Unsealer::new(Vec::new());
    assert_eq!(unsealer.line(&[b'{'; LINE_BYTES_MAX + 1]), Err(Fault::TooLong));
}

use panvault_keys::SystemEntropy;
use panvault_model::VaultId;
use panvault_testkit::vault_keys;

use super::*;

const VAULT: VaultId = VaultId::from_bytes([1; 12]);

fn id(n: u64) -> Id {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&n.to_be_bytes());
    Id::from_bytes(bytes)
}

/// A row as the head knows it; another `tag` is another body.
fn stamp(version: u32, tag: u8) -> Stamp {
    Stamp { version, tag: Tag { key: 1, bytes: [tag; 16] } }
}

type Row = (DocumentKind, Id, Stamp);

fn covered(rows: &[Row], keys: &VaultKeys) -> Covered {
    let mut covered = Covered::default();
    for (kind, id, stamp) in rows {
        covered.add(stamp.hash(*kind, *id, keys, 1).unwrap());
    }
    covered
}

#[test]
fn a_row_that_came_and_went_leaves_nothing() {
    let keys = vault_keys(VAULT, 1);
    let hash = |n| stamp(1, 7).hash(DocumentKind::ApiKey, id(n), &keys, 1).unwrap();
    let mut one = Covered::default();
    [1, 2, 3].into_iter().for_each(|n| one.add(hash(n)));
    one.take(hash(2));
    let mut other = Covered::default();
    [3, 1].into_iter().for_each(|n| other.add(hash(n)));
    assert!(one.is(&other), "in whichever order");
    other.add(hash(2));
    assert!(!one.is(&other));
}

#[test]
fn everything_that_names_a_row_is_in_its_hash() {
    let keys = vault_keys(VAULT, 1);
    let hash = |kind, n, stamp: Stamp| stamp.hash(kind, id(n), &keys, 1).unwrap();
    let row = hash(DocumentKind::ApiKey, 1, stamp(1, 7));
    let other_key = Stamp { tag: Tag { key: 2, ..stamp(1, 7).tag }, ..stamp(1, 7) };
    for other in [
        hash(DocumentKind::Account, 1, stamp(1, 7)),
        hash(DocumentKind::ApiKey, 2, stamp(1, 7)),
        hash(DocumentKind::ApiKey, 1, stamp(2, 7)),
        hash(DocumentKind::ApiKey, 1, stamp(1, 8)),
        hash(DocumentKind::ApiKey, 1, other_key),
        stamp(1, 7).hash(DocumentKind::ApiKey, id(1), &vault_keys(VAULT, 2), 1).unwrap(),
    ] {
        assert_ne!(row, other);
    }
}

/// A row twice cancels with itself; the number of rows says so.
#[test]
fn a_row_that_is_there_twice_more_is_counted() {
    let keys = vault_keys(VAULT, 1);
    let row = (DocumentKind::ApiKey, id(1), stamp(1, 7));
    let other = (DocumentKind::ApiKey, id(2), stamp(1, 7));
    let (once, thrice) = (covered(&[row], &keys), covered(&[row, other, other], &keys));
    assert_eq!(once.hash, thrice.hash);
    assert!(!once.is(&thrice));
}

#[test]
fn a_head_opens_in_its_vault_at_its_moment_and_unchanged() {
    let keys = vault_keys(VAULT, 1);
    let head = Head {
        counter: 9,
        header_version: Some(3),
        seals: 5,
        key: 1,
        covered: covered(&[(DocumentKind::ApiKey, id(1), stamp(1, 7))], &keys),
    };
    let body = keys.head_seal(1, 9, &head.encode(), &SystemEntropy::new()).unwrap().to_vec();
    let row = DocumentRow { kind: DocumentKind::DocumentHead, id: HEAD_ID, version: 9, body, tag: Tag::NONE };
    let opened = Head::open(&row, &keys).unwrap();
    assert_eq!((opened.counter, opened.header_version, opened.seals, opened.key), (9, Some(3), 5, 1));
    assert!(opened.is_sealed() && !opened.sealed(6).is_sealed());
    assert!(opened.covers(&head.covered));
    assert!(Head::open(&DocumentRow { version: 8, ..row.clone() }, &keys).is_err());
    assert!(Head::open(&row, &vault_keys(VaultId::from_bytes([2; 12]), 1)).is_err());
    for at in 0..row.body.len() {
        let mut changed = row.clone();
        changed.body[at] ^= 1;
        assert!(Head::open(&changed, &keys).is_err(), "byte {at}");
    }
    // What a later version may put into the rest is not passed over.
    let mut longer = head.encode();
    longer[HEAD_BYTES - 1] = 1;
    let body = keys.head_seal(1, 9, &longer, &SystemEntropy::new()).unwrap().to_vec();
    assert!(Head::open(&DocumentRow { body, ..row }, &keys).is_err());
}

/// Hashes and what comes of them are of 256 bits, so among more than 256 differences some cancel: Gaussian elimination finds which.
/// Returns the places of differences whose exclusive or is zero.
fn cancelling(differences: &[[u8; 32]]) -> Option<Vec<usize>> {
    let words = differences.len().div_ceil(64);
    let mut reduced: Vec<([u8; 32], Vec<u64>)> = Vec::new();
    for (at, difference) in differences.iter().enumerate() {
        let mut members = vec![0_u64; words];
        members[at / 64] |= 1 << (at % 64);
        let mut rest = *difference;
        for (other, of) in &reduced {
            let lead = other.iter().position(|byte| *byte != 0).unwrap();
            let bit = 0x80_u8 >> other[lead].leading_zeros();
            if rest[lead] & bit != 0 {
                rest.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
                members.iter_mut().zip(of).for_each(|(word, other)| *word ^= other);
            }
        }
        if rest == [0; 32] {
            return Some(
                (0..differences.len()).filter(|at| members[at / 64] >> (at % 64) & 1 == 1).collect(),
            );
        }
        reduced.push((rest, members));
    }
    None
}

/// Somebody with many revoked API keys from old backups, all genuine, puts some of them in the place of others. Knowing the hash they
/// choose which, and nothing shows; without the key it does, whichever they choose.
#[test]
fn rows_that_are_chosen_to_cancel_are_found_unless_the_hash_is_known() {
    let (keys, known) = (vault_keys(VAULT, 1), vault_keys(VAULT, 2));
    let live = |n: u64| (DocumentKind::ApiKey, id(n), stamp(1, 7));
    let revoked = |n: u64| (DocumentKind::ApiKey, id(1_000 + n), stamp(1, 7));
    let hash = |row: Row| row.2.hash(row.0, row.1, &known, 1).unwrap();
    let differences: Vec<[u8; 32]> = (0..300)
        .map(|n| {
            let mut difference = hash(live(n));
            difference.iter_mut().zip(hash(revoked(n))).for_each(|(byte, other)| *byte ^= other);
            difference
        })
        .collect();
    let chosen = cancelling(&differences).unwrap();
    assert!(!chosen.is_empty());
    let row = |n: u64| if chosen.contains(&usize::try_from(n).unwrap()) { revoked(n) } else { live(n) };
    let genuine: Vec<Row> = (0..300).map(live).collect();
    let forged: Vec<Row> = (0..300).map(row).collect();
    // The control: with a hash that anyone can compute the forgery passes.
    assert!(covered(&genuine, &known).is(&covered(&forged, &known)));
    assert!(!covered(&genuine, &keys).is(&covered(&forged, &keys)));
}

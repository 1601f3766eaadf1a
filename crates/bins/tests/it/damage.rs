//! A file that is not what was written is refused whole, and never more than that.

use panvault_bins::{Contents, FileFault, Table, TagKey};
use proptest::prelude::*;

use crate::support::{SumKey, encoded, imported, plain, table};

/// Hash, version of the key, and tag.
const END_BYTES: usize = 32 + 2 + 16;

fn contents() -> Contents {
    let list = "start,end,issuer,country,type,variant\n\
                411111,,BROAD,NL,CREDIT,GOLD\n41111122,,NARROW,DE,,\n41111122333,,NARROW,DE,DEBIT,\n\
                510000,519999,OTHER,,PREPAID,GIFT\n000000,,FIRST,,,\n999999,,LAST,,,\n";
    imported(list, &plain()).contents
}

fn decode(file: &[u8]) -> Result<Contents, FileFault> {
    Contents::decode(file, &SumKey).map(|(contents, _)| contents)
}

/// Puts a hash and a tag at the end that fit.
fn signed(body: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    tagged([body, Sha256::digest(body).as_slice()].concat())
}

fn tagged(mut hashed: Vec<u8>) -> Vec<u8> {
    let tag = SumKey.make(&hashed);
    hashed.extend(tag.key.to_be_bytes().iter().chain(&tag.bytes));
    hashed
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let file = encoded(&contents());
    assert_eq!(decode(&file).as_ref(), Ok(&contents()));
    for length in 0..file.len() {
        assert!(decode(&file[..length]).is_err(), "{length}");
    }
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            assert!(decode(&flipped).is_err(), "byte {at}, bit {bit}");
        }
    }
    assert!(decode(&[file.as_slice(), b"x"].concat()).is_err());
}

#[test]
fn damage_is_told_from_what_is_foreign_or_later() {
    let file = encoded(&contents());
    let fault = |file: &[u8]| decode(file).unwrap_err();
    assert_eq!(fault(b""), FileFault::Foreign);
    assert_eq!(fault(b"BIN,Brand,Type"), FileFault::Foreign);
    assert_eq!(fault(&file[..8]), FileFault::Hash);
    assert_eq!(fault(&file[..file.len() - 1]), FileFault::Hash);
    let mut later = file.clone();
    later[9] = 3;
    assert_eq!(fault(&later), FileFault::Later);
    let mut earlier = file;
    earlier[9] = 1;
    assert_eq!(fault(&earlier), FileFault::Earlier(1));
}

/// The bug: a table that somebody without a key had made, with a hash that fits, was taken up. Its cause: a hash is no proof of who
/// wrote a file. Its cure: a tag under a key of the vault is.
#[test]
fn a_table_without_a_tag_of_this_vault_is_foreign() {
    let file = encoded(&contents());
    let hashed = &file[..file.len() - 18];
    assert_eq!(decode(&tagged(hashed.to_vec())).as_ref(), Ok(&contents()));
    // No tag, that of another, and that of a key which this vault does not have.
    assert!(decode(hashed).is_err());
    let mut other = file.clone();
    other[hashed.len() + 2] ^= 1;
    assert_eq!(decode(&other), Err(FileFault::Tag));
    let mut key = file.clone();
    key[hashed.len()] ^= 1;
    assert_eq!(decode(&key), Err(FileFault::Tag));
}

/// Without hash and tag, what is written must still make sense: every flipped bit and every cut is refused or reads as a table.
#[test]
fn with_a_hash_that_fits_nothing_panics_and_nothing_is_out_of_bounds() {
    let file = encoded(&contents());
    let body = &file[..file.len() - END_BYTES];
    let mut read = 0;
    let mut look = |body: &[u8]| {
        if let Ok(found) = decode(&signed(body)) {
            read += 1;
            assert_eq!(decode(&encoded(&found)).as_ref(), Ok(&found));
            drop(table(&found));
        }
    };
    for length in 0..body.len() {
        look(&body[..length]);
    }
    for at in 0..body.len() {
        let flipped = (0..8).map(|bit| body[at] ^ 1 << bit);
        for value in flipped.chain([0, 0xff]) {
            let mut changed = body.to_vec();
            changed[at] = value;
            look(&changed);
        }
    }
    assert!(read > body.len(), "some changes only change what is said");
}

#[test]
fn counts_are_held_against_what_is_there() {
    let file = encoded(&contents());
    let strings = file.windows(6).position(|window| window == b"\x05BROAD").unwrap() - 1;
    let mut body = file[..file.len() - END_BYTES].to_vec();
    body.splice(strings..=strings, [0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(decode(&signed(&body)), Err(FileFault::Value), "four terabytes of strings");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let head = [b"PANVBINS\0\x02".as_slice(), &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b's', 0, 1, b'l', 0, 0]].concat();
        prop_assert!(Table::read(&tail, &SumKey).is_err());
        if let Ok(table) = Table::read(&signed(&[head, tail].concat()), &SumKey) {
            use panvault_card::BinTable;
            drop(table.lookup(b"411111"));
        }
    }
}

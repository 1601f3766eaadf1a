//! How tallies are kept: sealed, and under one tag.

use panvault_model::OrganisationId;
use panvault_store::Chain;

use crate::view::tally::{Counted, Each, Tally};

/// Bytes of the row of an organisation: a count of each kind, its sealed sum, and the head of their tag.
const ROW_BYTES: usize = COUNT_BYTES + SUM_BYTES + 16;
const COUNT_BYTES: usize = 8 * Counted::ALL.len();
const SUM_BYTES: usize = 16 * Counted::ALL.len();

/// The row of an organisation, and its hash in the set of all. One tag gives both: the first half is kept beside the row, seals its sums
/// and tells them from others; the second half is the hash, and stays in memory. What is equal is sealed alike, and nothing else.
pub(super) fn seal(
    chain: &dyn Chain,
    organisation: OrganisationId,
    tallies: &Each<Tally>,
) -> ([u8; ROW_BYTES], [u8; 16]) {
    let (counts, mut sums) = parts(tallies);
    let (beside, element) = tagged(chain, organisation, &counts, &sums);
    mask(chain, organisation, &beside, &mut sums);
    let mut row = [0; ROW_BYTES];
    let bytes = counts.into_iter().chain(sums).chain(beside);
    row.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    (row, element)
}

/// The reverse; `None` when it was not written so for this organisation.
pub(super) fn open(
    chain: &dyn Chain,
    organisation: OrganisationId,
    row: &[u8],
) -> Option<(Each<Tally>, [u8; 16])> {
    let (counts, rest) = row.split_first_chunk::<COUNT_BYTES>()?;
    let (sums, beside) = rest.split_first_chunk::<SUM_BYTES>()?;
    let (mut sums, beside): ([u8; SUM_BYTES], [u8; 16]) = (*sums, beside.try_into().ok()?);
    mask(chain, organisation, &beside, &mut sums);
    let mut tallies = Each::default();
    let (of_counts, of_sums) = (counts.as_chunks::<8>().0, sums.as_chunks::<16>().0);
    for ((kind, count), sum) in Counted::ALL.into_iter().zip(of_counts).zip(of_sums) {
        *tallies.of_mut(kind) = Tally { count: u64::from_be_bytes(*count), sum: *sum };
    }
    let (expected, element) = tagged(chain, organisation, counts, &sums);
    (expected == beside).then_some((tallies, element))
}

/// Counts and sums, one kind after the other.
fn parts(tallies: &Each<Tally>) -> ([u8; COUNT_BYTES], [u8; SUM_BYTES]) {
    let (mut counts, mut sums) = ([0; COUNT_BYTES], [0; SUM_BYTES]);
    let of_counts = Counted::ALL.into_iter().flat_map(|kind| tallies.of(kind).count.to_be_bytes());
    counts.iter_mut().zip(of_counts).for_each(|(slot, byte)| *slot = byte);
    let of_sums = Counted::ALL.into_iter().flat_map(|kind| tallies.of(kind).sum);
    sums.iter_mut().zip(of_sums).for_each(|(slot, byte)| *slot = byte);
    (counts, sums)
}

fn tagged(
    chain: &dyn Chain,
    organisation: OrganisationId,
    counts: &[u8; COUNT_BYTES],
    sums: &[u8; SUM_BYTES],
) -> ([u8; 16], [u8; 16]) {
    let tag = chain.mark(&[b"tally-row/2", organisation.as_bytes(), counts, sums]);
    let [mut beside, mut element] = [[0; 16]; 2];
    let slots = beside.iter_mut().chain(&mut element);
    slots.zip(tag).for_each(|(slot, byte)| *slot = byte);
    (beside, element)
}

/// Covers sums with what comes of the tag, or uncovers them.
fn mask(chain: &dyn Chain, organisation: OrganisationId, beside: &[u8; 16], sums: &mut [u8; SUM_BYTES]) {
    let block = |number: u8| chain.mark(&[b"tally-mask/2", organisation.as_bytes(), beside, &[number]]);
    let bytes = block(0).into_iter().chain(block(1));
    sums.iter_mut().zip(bytes).for_each(|(byte, mask)| *byte ^= mask);
}

/// The tag of a view in which nothing is.
pub(in crate::view) fn nothing(chain: &dyn Chain) -> [u8; 32] {
    head(chain, 0, 0, &[0; 16])
}

/// The tag over all rows as of a step.
pub(super) fn head(chain: &dyn Chain, applied: u64, organisations: usize, sum: &[u8; 16]) -> [u8; 32] {
    let organisations = organisations as u64;
    chain.mark(&[b"tally-head/1", &applied.to_be_bytes(), &organisations.to_be_bytes(), sum])
}

#[cfg(test)]
mod tests {
    use panvault_testkit::conformance::rows::{VAULT, chain};

    use super::*;

    const WHOSE: OrganisationId = OrganisationId::from_bytes([3; 12]);

    fn tallies() -> Each<Tally> {
        Each {
            cards: Tally { count: 5, sum: [0xa1; 16] },
            transactions: Tally { count: 2, sum: [0xb2; 16] },
            refunds: Tally { count: 1, sum: [0xc3; 16] },
            customers: Tally { count: 3, sum: [0xd4; 16] },
        }
    }

    /// Known answers, computed with Python's `hmac` from what `docs/record-format.md` says.
    #[test]
    fn a_row_and_the_tag_over_all_have_these_bytes() {
        let chain = chain(VAULT);
        let (row, element) = seal(chain.as_ref(), WHOSE, &tallies());
        assert_eq!(
            hex::encode(row),
            "000000000000000500000000000000020000000000000001000000000000000397834379d0ebb172455bb3c77ff728d82812c4b38d440fa93cae62e7b088a087ddc7c914a2ded82c02a22dcd7832c5255e2ab127f3d794517655f89d3ca0d7a2955323e29611464cf95b22168b1204aa"
        );
        assert_eq!(
            hex::encode(head(chain.as_ref(), 9, 1, &element)),
            "b543228e38d6cf46331982c21995c93147df0d2e7e9f2d4574bbc501fc605725"
        );
        assert!(open(chain.as_ref(), WHOSE, &row) == Some((tallies(), element)));
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        let chain = chain(VAULT);
        let (row, _) = seal(chain.as_ref(), WHOSE, &tallies());
        for at in 0..row.len() {
            let mut flipped = row;
            flipped[at] ^= 1;
            assert!(open(chain.as_ref(), WHOSE, &flipped).is_none(), "byte {at}");
            assert!(open(chain.as_ref(), WHOSE, &row[..at]).is_none(), "cut at {at}");
        }
        assert!(open(chain.as_ref(), WHOSE, &[row.as_slice(), &[0]].concat()).is_none());
        assert!(open(chain.as_ref(), OrganisationId::from_bytes([4; 12]), &row).is_none());
        let (other, _) =
            seal(chain.as_ref(), WHOSE, &Each { cards: Tally { count: 6, ..tallies().cards }, ..tallies() });
        assert!(
            row[COUNT_BYTES..ROW_BYTES - 16] != other[COUNT_BYTES..ROW_BYTES - 16],
            "another count has another mask"
        );
    }
}

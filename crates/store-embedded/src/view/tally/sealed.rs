//! How tallies are kept: sealed, and under one tag.

use panvault_model::OrganisationId;
use panvault_store::Chain;

use crate::view::tally::{Each, Tally};

/// Bytes of the row of an organisation: two counts, two sealed sums, and the head of their tag.
const ROW_BYTES: usize = 8 + 8 + 32 + 16;

/// The row of an organisation, and its hash in the set of all. One tag gives both: the first half is kept beside the row, seals its sums
/// and tells them from others; the second half is the hash, and stays in memory. What is equal is sealed alike, and nothing else.
pub(super) fn seal(
    chain: &dyn Chain,
    organisation: OrganisationId,
    tallies: &Each<Tally>,
) -> ([u8; ROW_BYTES], [u8; 16]) {
    let (beside, element) = tagged(chain, organisation, tallies);
    let mask = mask(chain, organisation, &beside);
    let sums = tallies.cards.sum.into_iter().chain(tallies.transactions.sum);
    let counts =
        tallies.cards.count.to_be_bytes().into_iter().chain(tallies.transactions.count.to_be_bytes());
    let sealed = sums.zip(mask).map(|(byte, mask)| byte ^ mask);
    let mut row = [0; ROW_BYTES];
    let bytes = counts.chain(sealed).chain(beside);
    row.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    (row, element)
}

/// The reverse; `None` when it was not written so for this organisation.
pub(super) fn open(
    chain: &dyn Chain,
    organisation: OrganisationId,
    row: &[u8],
) -> Option<(Each<Tally>, [u8; 16])> {
    let (cards, rest) = row.split_first_chunk::<8>()?;
    let (transactions, rest) = rest.split_first_chunk::<8>()?;
    let (sums, beside) = rest.split_first_chunk::<32>()?;
    let (mut sums, beside): ([u8; 32], [u8; 16]) = (*sums, beside.try_into().ok()?);
    let mask = mask(chain, organisation, &beside);
    sums.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    let (of_cards, of_transactions) = sums.split_first_chunk::<16>()?;
    let tallies = Each {
        cards: Tally { count: u64::from_be_bytes(*cards), sum: *of_cards },
        transactions: Tally {
            count: u64::from_be_bytes(*transactions),
            sum: of_transactions.try_into().ok()?,
        },
    };
    let (expected, element) = tagged(chain, organisation, &tallies);
    (expected == beside).then_some((tallies, element))
}

fn tagged(chain: &dyn Chain, organisation: OrganisationId, tallies: &Each<Tally>) -> ([u8; 16], [u8; 16]) {
    let tag = chain.tag(&[
        b"tally-row/1",
        organisation.as_bytes(),
        &tallies.cards.count.to_be_bytes(),
        &tallies.transactions.count.to_be_bytes(),
        &tallies.cards.sum,
        &tallies.transactions.sum,
    ]);
    let [mut beside, mut element] = [[0; 16]; 2];
    let slots = beside.iter_mut().chain(&mut element);
    slots.zip(tag).for_each(|(slot, byte)| *slot = byte);
    (beside, element)
}

fn mask(chain: &dyn Chain, organisation: OrganisationId, beside: &[u8; 16]) -> [u8; 32] {
    chain.tag(&[b"tally-mask/1", organisation.as_bytes(), beside])
}

/// The tag of a view in which nothing is.
pub(in crate::view) fn nothing(chain: &dyn Chain) -> [u8; 32] {
    head(chain, 0, 0, &[0; 16])
}

/// The tag over all rows as of a step.
pub(super) fn head(chain: &dyn Chain, applied: u64, organisations: usize, sum: &[u8; 16]) -> [u8; 32] {
    let organisations = organisations as u64;
    chain.tag(&[b"tally-head/1", &applied.to_be_bytes(), &organisations.to_be_bytes(), sum])
}

#[cfg(test)]
mod tests {
    use panvault_testkit::conformance::rows::{VAULT, chain};

    use super::*;

    const WHOSE: OrganisationId = OrganisationId::from_bytes([3; 12]);

    fn tallies() -> Each<Tally> {
        Each { cards: Tally { count: 5, sum: [0xa1; 16] }, transactions: Tally { count: 2, sum: [0xb2; 16] } }
    }

    /// Known answers, computed with Python's `hmac` from what `docs/record-format.md` says.
    #[test]
    fn a_row_and_the_tag_over_all_have_these_bytes() {
        let chain = chain(VAULT);
        let (row, element) = seal(chain.as_ref(), WHOSE, &tallies());
        assert_eq!(
            hex::encode(row),
            "00000000000000050000000000000002ae3bf53b9e30d8aae897a98487997f279576a84e0bc77c1550a047e6c8acc367fdc9a03907ac2e9cec55b9e5318f3ef5"
        );
        assert_eq!(
            hex::encode(head(chain.as_ref(), 9, 1, &element)),
            "249ab0a658d5b69d09a8f215c5042df68de04e04d581ff1d3bd87f16719c291b"
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
        assert!(row[16..48] != other[16..48], "another count has another mask");
    }
}

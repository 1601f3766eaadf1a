use panvault_model::{CardId, Fingerprint, Id, Sealed};
use panvault_store::CardRow;
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::rows::{at, card, organisation};

use super::support::{Made, block_on};

/// Cards that are measured. More of them change little: what an index takes is a matter of how its pages are filled.
const CARDS: u64 = 50_000;
/// Of so many organisations in turn: each has its own place in the index by organisation, where no page is filled to its end.
const ORGANISATIONS: u64 = 100;
/// Bytes of the sealed part of a card: kind, key, nonce, a block of fixed size, and a tag.
const SEALED_BYTES: usize = 1 + 4 + 24 + 64 + 16;

/// Bytes of a card, tables and indexes, as a node commits them: in the order of their ids, but for those of one moment.
#[test]
fn a_card_takes_so_many_bytes_and_no_more() {
    block_on(async {
        let made = Made::new().await;
        let mut dice = SeededRandom::new(1);
        let cards = (0..CARDS).map(|n| {
            let id = Id::make(at(n / 100), dice.next_u64().to_be_bytes());
            let print = [dice.next_u64().to_be_bytes(), dice.next_u64().to_be_bytes()].concat();
            CardRow {
                id: CardId(id),
                organisation: organisation(dice.next_u64() % ORGANISATIONS),
                fingerprint: Fingerprint::from_bytes(print.try_into().unwrap()),
                sealed: Sealed::from_bytes(vec![0x5e; SEALED_BYTES]),
                metadata: Vec::new(),
                ..card(n)
            }
        });
        let cards: Vec<CardRow> = cards.collect();
        made.put(cards).await;
        let bytes = |what: &str| made.sql(&format!("SELECT {what}")).parse::<u64>().unwrap() / CARDS;
        let all = bytes("pg_total_relation_size('card')");
        println!(
            "bytes a card: {all} in all; rows {}, by id {}, by organisation {}, by fingerprint {}",
            bytes("pg_relation_size('card')"),
            bytes("pg_relation_size('card_pkey')"),
            bytes("pg_relation_size('card_by_organisation')"),
            bytes("pg_relation_size('card_by_fingerprint')"),
        );
        assert!(all <= 500, "{all} bytes a card");
    });
}

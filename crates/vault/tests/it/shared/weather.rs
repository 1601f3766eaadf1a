//! Networks between nodes and cache that lose, delay and repeat, nodes that die, and a cache that comes back as it was: whatever happens,
//! a CVV goes out once at most, and none that was ended.

use std::collections::BTreeSet;

use panvault_model::{CardId, CvvResult};
use panvault_store::limits::CVV_REQUEST_SECONDS;
use panvault_testkit::{NetworkFaults, SeededRandom};
use panvault_vault::VaultError;

use crate::shared::{Act, Nodes, Place, polled};
use crate::world::{HOUR_MILLIS, VISA};

/// Seeds of every run. `PANVAULT_TEST_SEEDS` names how many more.
const SEEDS: u64 = 150;
const CARDS: usize = 2;
const STEPS: usize = 60;

/// What is known of a card.
struct Known {
    id: CardId,
    /// The CVVs that are still to be put on it: each once, so that an answer tells which went out.
    left: Vec<&'static str>,
    /// Results of those that must not go out any more.
    ended: BTreeSet<u8>,
    /// Those that went out.
    went: Vec<u8>,
    deleted: bool,
}

fn result_of(cvv: &str) -> u8 {
    match cvv {
        "111" => CvvResult::Matched.code(),
        "222" => CvvResult::NotMatched.code(),
        _ => CvvResult::NotChecked.code(),
    }
}

/// Runs a history, or says what went wrong in it.
async fn history(place: Place, seed: u64) -> Result<(), String> {
    let mut dice = SeededRandom::new(seed);
    let mut percent = |most| dice.below(most);
    let weather = NetworkFaults {
        lost: percent(15),
        unanswered: percent(15),
        echoed: percent(20),
        repeated: percent(30),
        late: percent(15),
        slow: percent(60),
    };
    let mut nodes = Nodes::over(place, weather, seed).await;
    let mut cards = Vec::new();
    for _ in 0..CARDS {
        let id =
            nodes.one.card_create(&nodes.shop, VISA, None).await.map_err(|error| error.to_string())?.row.id;
        let left = vec!["333", "222", "111"];
        cards.push(Known { id, left, ended: BTreeSet::new(), went: Vec::new(), deleted: false });
    }
    nodes.yields();
    for step in 0..STEPS {
        let at = |what: String| Err(format!("seed {seed}, step {step}: {what}"));
        let card = dice.below(CARDS);
        let Known { id, left, ended, went, deleted } = &mut cards[card];
        let act = match dice.below(20) {
            0..=4 => match left.pop() {
                Some(cvv) => Act::Put(cvv),
                None => continue,
            },
            5 => Act::Clear,
            6 if dice.percent(5) => Act::Delete,
            6..=13 => Act::Transact(*dice.pick(&[1_000, 1_000, 131, 121]).unwrap_or(&0)),
            14 => {
                let millis = *dice.pick(&[1, 1_000, 60_000, CVV_REQUEST_SECONDS * 1000]).unwrap_or(&0);
                nodes.pass_millis(millis).await;
                continue;
            }
            15 if dice.percent(20) => {
                nodes.pass_millis(HOUR_MILLIS).await;
                for known in &mut cards {
                    let put = ["111", "222", "333"].into_iter().filter(|cvv| !known.left.contains(cvv));
                    known.ended.extend(put.map(result_of));
                }
                continue;
            }
            15 | 16 => {
                let _faults = nodes.two.vault.sweep().await;
                continue;
            }
            17 => {
                nodes.place.cvvs.revive().await;
                continue;
            }
            18 => {
                if let Err(error) = nodes.two.reopen().await {
                    return at(format!("a node does not start: {error}"));
                }
                nodes.two.store.plot(|plot| plot.yields = true);
                continue;
            }
            _ => {
                if let Ok(view) = nodes.one.card_read(&nodes.shop, *id).await
                    && view.cvv_expires_at.is_some()
                    && ended.len() + left.len() == 3
                {
                    return at("a CVV is shown that was ended".to_owned());
                }
                continue;
            }
        };
        let node = if dice.percent(50) { &nodes.one } else { &nodes.two };
        let steps = if dice.percent(25) { dice.below(60) } else { usize::MAX };
        let before = nodes.row(*id).await;
        let done = polled(Box::pin(nodes.act(node, *id, act)).as_mut(), steps).await;
        let durable = nodes.row(*id).await.map(|row| row.number) != before.map(|row| row.number);
        match act {
            Act::Put(_) | Act::Clear | Act::Delete if durable => {
                let put = ["111", "222", "333"].into_iter().filter(|cvv| !left.contains(cvv));
                ended.extend(put.filter(|cvv| act != Act::Put(cvv)).map(result_of));
                *deleted |= act == Act::Delete;
            }
            Act::Put(_) | Act::Clear | Act::Delete | Act::Transact(_) => {}
        }
        match done {
            Some(Ok(Some(row))) if *deleted => return at(format!("{row:?} with a card that is gone")),
            Some(Ok(Some(row))) if row.cvv_present => {
                let result = row.cvv_result.code();
                if ended.contains(&result) {
                    return at(format!("{act:?}: a CVV went out that was ended"));
                }
                if went.contains(&result) {
                    return at(format!("{act:?}: a CVV went out twice"));
                }
                went.push(result);
            }
            Some(Ok(_)) | None => {}
            Some(Err(VaultError::CvvUnavailable | VaultError::Contended | VaultError::NotFound(_))) => {}
            Some(Err(error)) => return at(format!("{act:?}: {error:?}")),
        }
    }
    for Known { id, left, .. } in &cards {
        let carried = nodes.carried(*id).await;
        if carried.len() > 3 - left.len() {
            return Err(format!("seed {seed}: {} CVVs went out {} times", 3 - left.len(), carried.len()));
        }
    }
    Ok(())
}

#[tokio::test]
async fn whatever_happens_a_cvv_goes_out_once_and_none_that_was_ended() {
    #[expect(clippy::disallowed_methods, reason = "how long a test looks is no configuration of the vault")]
    let more: u64 = std::env::var("PANVAULT_TEST_SEEDS").ok().map_or(0, |count| count.parse().unwrap());
    for seed in 0..SEEDS + more {
        if let Err(fault) = history(Place::shared(), seed).await {
            panic!("{fault}");
        }
    }
}

/// The control: without the store's word the same histories go wrong.
#[tokio::test]
async fn without_rows_the_same_histories_go_wrong() {
    let mut wrong = 0;
    for seed in 0..SEEDS {
        wrong += usize::from(history(Place::unshared(), seed).await.is_err());
    }
    assert!(wrong > 0);
}

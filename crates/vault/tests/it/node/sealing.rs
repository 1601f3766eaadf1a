//! A vault that is sealed: at all nodes, until somebody unseals it, and with nothing sent meanwhile.

use core::pin::pin;
use core::task::{Context, Waker};
use std::sync::Arc;

use panvault_model::{Timestamp, TransactionStatus};
use panvault_store::Action;
use panvault_testkit::operator;
use panvault_vault::{Brought, BroughtWhat, Unsealing, Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::node::{begin_to, ended, noted};
use crate::world::{World, node};

async fn seal(vault: &Vault) {
    vault.seal(&operator(vault, 1).permit().unwrap()).await.unwrap();
}

fn is_sealed(vault: &Vault) -> bool {
    pin!(vault.sealed()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn unsealing(brought: Vec<Brought>) -> Option<Unsealing> {
    Some(Unsealing { slot: 3, address: None, brought })
}

#[tokio::test]
async fn a_sealed_vault_opens_when_somebody_unseals_it_and_not_before() {
    let mut world = World::new().await;
    let shop = world.shop(None).await;
    assert!(!is_sealed(&world.vault));
    seal(&world.vault).await;
    assert!(is_sealed(&world.vault));
    for _ in 0..2 {
        assert_refused!(world.reopen().await, VaultError::Sealed);
    }
    let at = Timestamp::from_unix_millis(5_000);
    let brought = vec![
        Brought { at, address: None, what: BroughtWhat::Share(2) },
        Brought { at, address: Some([192, 0, 2, 7].into()), what: BroughtWhat::Failure },
    ];
    let parts = VaultParts { unsealing: unsealing(brought), ..world.parts() };
    world.vault = Vault::open(parts).await.unwrap();
    assert!(!is_sealed(&world.vault));
    world.card(&shop).await;
    let trail = world.store.trail(1).await;
    let told: Vec<_> = trail
        .iter()
        .map(|record| &record.note)
        .filter(|note| (50..55).contains(&note.action.code()))
        .map(|note| (note.action, note.outcome, note.at == at, note.address != [0; 16]))
        .collect();
    assert_eq!(
        told,
        [
            (Action::VaultSeal, 0, false, false),
            (Action::ShareGive, 2, true, false),
            (Action::UnsealFail, 0, true, true),
            (Action::VaultUnseal, 3, false, false),
        ]
    );
    world.reopen().await.unwrap();
}

/// The first that is written into a vault without documents comes with a head, without which it would be taken for one that somebody emptied.
#[tokio::test]
async fn an_empty_vault_is_sealed_and_unsealed_too() {
    let mut world = World::new().await;
    let at = Timestamp::from_unix_millis(5_000);
    let brought = vec![Brought { at, address: None, what: BroughtWhat::Share(1) }];
    world.vault = Vault::open(VaultParts { unsealing: unsealing(brought), ..world.parts() }).await.unwrap();
    world.reopen().await.unwrap();
    seal(&world.vault).await;
    assert_refused!(world.reopen().await, VaultError::Sealed);
    world.vault = Vault::open(VaultParts { unsealing: unsealing(vec![]), ..world.parts() }).await.unwrap();
    world.reopen().await.unwrap();
}

/// What stands before the processor is not sent; what has left is answered, and its outcome is written.
#[tokio::test]
async fn nothing_is_sent_by_a_sealed_vault_and_what_was_sent_is_written_down() {
    for (has_left, status) in
        [(false, TransactionStatus::Unavailable), (true, TransactionStatus::SettlementRequested)]
    {
        let one = World::shared().await;
        let two = one.beside(2).await;
        let shop = one.shop(None).await;
        let card = one.card(&shop).await;
        let gate = if has_left { one.processors.after() } else { one.processors.before() };
        let running = begin_to(gate, &one, &shop, card).await;
        // The other node seals, and this one sees it at its next look.
        seal(&two.vault).await;
        assert!(!is_sealed(&one.vault) && !one.vault.has_nothing_in_hand());
        one.vault.documents_follow().await.unwrap();
        assert!(is_sealed(&one.vault));
        assert_refused!(one.transact(&shop, card, 1_000).await, VaultError::Sealed);
        gate.open();
        assert_eq!(ended(running).await.status, status);
        assert_eq!(one.processors.left().len(), usize::from(has_left));
        assert!(one.vault.has_nothing_in_hand());
        assert_eq!(noted(&one, Action::VaultSeal).await, 1);
    }
}

/// A node that saw neither the seal nor its end is sealed when it sees that there was one.
#[tokio::test]
async fn a_seal_that_was_taken_away_again_is_seen_all_the_same() {
    let one = World::shared().await;
    let mut two = one.beside(2).await;
    one.shop(None).await;
    seal(&two.vault).await;
    let parts = VaultParts { node: node(3), unsealing: unsealing(vec![]), ..two.parts() };
    let three =
        Vault::open(VaultParts { store: Arc::new(one.store.beside(node(3))), ..parts }).await.unwrap();
    assert!(!is_sealed(&three));
    one.vault.documents_follow().await.unwrap();
    assert!(is_sealed(&one.vault));
    // Whoever begins now finds it open.
    drop(one.beside(4).await);
}

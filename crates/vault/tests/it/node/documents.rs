//! Documents that another node changes: how soon that binds here, and what is refused while nobody can tell.

use panvault_model::Role;
use panvault_store::limits::CHANGE_LOG_ROWS;
use panvault_store::{DocumentKind, Store};
use panvault_vault::limits::{DOCUMENTS_SEEN_MILLIS_MAX, REQUEST_MILLIS_MAX};
use panvault_vault::{ApiKeyDelete, CardCreate, Metadata, Origin, TransactionVoid, VaultError};

use crate::assert_refused;
use crate::heads;
use crate::world::{VISA, World, cvv_change, new_card};

async fn revoke(world: &World, key: &str) {
    let id = world.caller(key).api_key().unwrap();
    let permit = panvault_testkit::operator(&world.vault, 1).permit::<ApiKeyDelete>().unwrap();
    world.vault.apikey_delete(&permit, id).await.unwrap();
}

/// The bug: a key that was revoked at one node went on at another until that changed documents itself. Its cause: nobody told it. Its cure: each looks
/// twice a second whether the head has moved, and takes no key for a valid one that it has not seen to be one for two seconds.
#[tokio::test]
async fn a_key_that_is_revoked_at_one_node_is_refused_at_every_other() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let caller = two.vault.caller(&shop.key, Origin::LOCAL).unwrap();
    revoke(&one, &shop.key).await;
    assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok(), "it has not looked yet");
    two.vault.documents_follow().await.unwrap();
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    assert_refused!(two.vault.caller_again(&caller), VaultError::NotAuthenticated);
}

/// However long nobody looks.
#[tokio::test]
async fn what_was_not_seen_for_two_seconds_is_not_gone_by() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let unknown = one.key(shop.organisation, &[Role::MerchantUser]).await;
    let caller = two.vault.caller(&shop.key, Origin::LOCAL).unwrap();
    two.clock.pass_millis(DOCUMENTS_SEEN_MILLIS_MAX);
    assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok() && !two.vault.status().documents_unseen);
    for moves in [
        |world: &World| world.clock.pass_millis(1),
        |world: &World| {
            // Where a machine sleeps, the clock that never goes back may stand still.
            world.clock.wall_forward_millis(DOCUMENTS_SEEN_MILLIS_MAX + 1);
        },
    ] {
        moves(&two);
        for refused in [
            two.vault.caller(&shop.key, Origin::LOCAL),
            two.vault.caller(&unknown, Origin::LOCAL),
            two.vault.caller_again(&caller),
            two.vault.keyless_caller(shop.organisation, Origin::LOCAL),
        ] {
            assert_refused!(refused, VaultError::DocumentsUnseen);
        }
        assert!(two.vault.status().documents_unseen);
        assert!(
            two.vault.caller_again(&panvault_testkit::operator(&two.vault, 1)).is_ok(),
            "the root key needs none"
        );
        two.vault.documents_follow().await.unwrap();
        assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok() && !two.vault.status().documents_unseen);
    }
}

/// A store that does not answer, or not in time, leaves the node without what it may go by, and nothing needs to be started again.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_reach_the_store_refuses_until_it_does() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let unknown = one.key(shop.organisation, &[Role::MerchantUser]).await;
    for silent in [false, true] {
        two.store.plot(|plot| {
            plot.unreachable = !silent;
            plot.heads_silent = silent;
        });
        assert!(two.vault.documents_follow().await.is_err());
        assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok(), "not at once");
        two.clock.pass_millis(DOCUMENTS_SEEN_MILLIS_MAX + 1);
        assert!(two.vault.documents_follow().await.is_err());
        assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::DocumentsUnseen);
        assert!(
            two.vault
                .caller_now(&unknown, Origin::LOCAL)
                .await
                .is_err_and(|error| !matches!(error, VaultError::NotAuthenticated))
        );
        two.store.leave();
        two.vault.documents_follow().await.unwrap();
        assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok());
    }
}

/// The bug: who made a key and used it was told that it is none, where another node answered. Its cause: that had not looked yet. Its cure: it looks
/// before it says so.
#[tokio::test]
async fn a_key_that_another_node_has_just_made_is_known() {
    let one = World::shared().await;
    let two = one.beside(2).await;
    let shop = one.shop(None).await;
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    let caller = two.vault.caller_now(&shop.key, Origin::LOCAL).await.unwrap();
    let read = two.store.documents_read();
    assert!(two.vault.caller_now(&shop.key, Origin::LOCAL).await.is_ok());
    assert_eq!(two.store.documents_read(), read, "what is known is looked for nowhere");
    assert!(!two.vault.documents_moved_on(caller.documents_counter()).await.unwrap());
    one.key(shop.organisation, &[Role::MerchantUser]).await;
    assert!(two.vault.documents_moved_on(caller.documents_counter()).await.unwrap());
}

/// The bug: each change at one node made every other read all documents: with twenty thousand organisations for seconds, in which keys were
/// refused, and for as long as changes went on. Its cause: the head says that something has changed, and nothing said what. Its cure: each change
/// says so in a log of the last changes, and who follows reads these documents. All are read when the log does not reach back so far.
#[tokio::test]
async fn what_others_changed_is_read_and_nothing_else() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let read = two.store.documents_read();
    for _ in 0..100 {
        two.clock.pass_millis(1);
        two.vault.documents_follow().await.unwrap();
    }
    assert_eq!(two.store.documents_read(), read);
    for _ in 0..5 {
        one.key(shop.organisation, &[Role::MerchantUser]).await;
    }
    two.vault.documents_follow().await.unwrap();
    assert_eq!(two.store.documents_read(), read);
    assert_eq!(two.api_keys().await.len(), 6);
    // What it changed itself it knows, and one that was not there for a change plans on what the other left.
    two.key(shop.organisation, &[Role::MerchantUser]).await;
    one.key(shop.organisation, &[Role::MerchantUser]).await;
    two.vault.documents_follow().await.unwrap();
    let other = one.shop(None).await;
    two.vault.documents_follow().await.unwrap();
    assert_eq!((one.store.documents_read(), two.store.documents_read()), (1, read));
    assert!(two.vault.caller(&other.key, Origin::LOCAL).is_ok());
    let card = two.card(&other).await;
    assert!(two.transact(&other, card, 1_000).await.is_ok(), "with the keys of the new organisation");

    // A start reads all, and finds the same.
    let three = one.beside(3).await;
    assert!(three.vault.caller(&other.key, Origin::LOCAL).is_ok());

    // What is gone is gone there too.
    revoke(&one, &other.key).await;
    two.vault.documents_follow().await.unwrap();
    assert_refused!(two.vault.caller(&other.key, Origin::LOCAL), VaultError::NotAuthenticated);
    assert_eq!(two.store.documents_read(), read);

    for _ in 0..=CHANGE_LOG_ROWS {
        one.key(shop.organisation, &[Role::MerchantUser]).await;
    }
    two.vault.documents_follow().await.unwrap();
    assert_eq!(two.store.documents_read(), read + 1, "it missed more than the log has");
    assert_eq!(two.api_keys().await.len(), 8 + CHANGE_LOG_ROWS as usize + 1);
}

/// Who can write to the database says that nothing was touched, or something else: then all documents are read, as they are.
#[tokio::test]
async fn a_log_of_changes_that_leaves_one_out_hides_nothing() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let read = two.store.documents_read();
    two.store.plot(|plot| {
        plot.document = Some(Box::new(|row| {
            if row.as_ref().is_some_and(|row| row.kind == DocumentKind::ChangeLog) {
                *row = None;
            }
        }));
    });
    revoke(&one, &shop.key).await;
    two.vault.documents_follow().await.unwrap();
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
    assert_eq!(two.store.documents_read(), read + 1);
    // A document that is kept back is missed by the head.
    two.store.plot(|plot| {
        plot.document = Some(Box::new(|row| {
            if row.as_ref().is_some_and(|row| row.kind == DocumentKind::ApiKey) {
                *row = None;
            }
        }));
    });
    let key = one.key(shop.organisation, &[Role::MerchantUser]).await;
    two.vault.documents_follow().await.unwrap();
    assert!(two.vault.caller(&key, Origin::LOCAL).is_ok());
    assert_eq!(two.store.documents_read(), read + 2);
}

/// The bug: all documents were read from an old primary of the database, as they were before a key was revoked, and taken for the store's, though the head had just been
/// seen to have moved on. Its cause: what is read together agreed. Its cure: what is read must be as late as the head that was seen.
#[tokio::test]
async fn documents_of_an_old_primary_are_not_gone_by() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let rows = one.store.document_read_all().await.unwrap();
    let earlier: Vec<_> = rows.iter().map(|row| row.as_ref().clone()).collect();
    revoke(&one, &shop.key).await;
    two.store.plot(|plot| {
        plot.documents = Some(Box::new(move |rows| rows.clone_from(&earlier)));
        plot.document = Some(Box::new(|row| {
            if row.as_ref().is_some_and(|row| row.kind == DocumentKind::ChangeLog) {
                *row = None;
            }
        }));
    });
    two.clock.pass_millis(DOCUMENTS_SEEN_MILLIS_MAX + 1);
    assert_refused!(two.vault.documents_follow().await, VaultError::DocumentsUnseen);
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::DocumentsUnseen);
    two.store.leave();
    two.vault.documents_follow().await.unwrap();
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::NotAuthenticated);
}

/// A database that was put back to an earlier moment, or in which somebody else's change has taken the place of one that was lost.
#[tokio::test]
async fn documents_of_another_moment_are_not_gone_by() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    let two = one.beside(2).await;
    let rows = one.store.document_read_all().await.unwrap();
    let earlier: Vec<_> = rows.iter().map(|row| row.as_ref().clone()).collect();
    one.key(shop.organisation, &[Role::MerchantUser]).await;
    two.vault.documents_follow().await.unwrap();
    assert!(heads::agrees(&earlier));
    let head = earlier.iter().find(|row| row.kind == DocumentKind::DocumentHead).cloned();
    two.store.plot(|plot| plot.document = Some(Box::new(move |row| row.clone_from(&head))));
    two.clock.pass_millis(DOCUMENTS_SEEN_MILLIS_MAX + 1);
    assert_refused!(two.vault.documents_follow().await, VaultError::Tampered(_));
    assert_refused!(two.vault.caller(&shop.key, Origin::LOCAL), VaultError::DocumentsUnseen);
    two.store.plot(|plot| plot.document = Some(Box::new(|row| *row = None)));
    assert_refused!(two.vault.documents_follow().await, VaultError::Tampered(_));
    two.store.leave();
    two.vault.documents_follow().await.unwrap();
    assert!(two.vault.caller(&shop.key, Origin::LOCAL).is_ok());
}

/// The bug: an organisation was deleted while a request at another node, which had seen it before, went on to store a card in it. Its cause: only requests of
/// the node that deletes were waited for. Its cure: it waits until every other has seen that it is disabled, and no request that began before
/// stores anything new of it.
#[tokio::test(start_paused = true)]
async fn what_began_at_another_node_is_waited_for_before_an_organisation_goes() {
    for late in [false, true] {
        let one = World::shared().await;
        let organisation = one.organisation(None).await;
        let key = one.key(organisation, &[Role::MerchantAdmin]).await;
        let two = one.beside(2).await;
        let permit = two.permit::<CardCreate>(&key);
        let id = one.caller(&key).api_key().unwrap();
        let root = || panvault_testkit::operator(&one.vault, 1);
        one.vault.apikey_delete(&root().permit().unwrap(), id).await.unwrap();
        let (vault, deleted) = (one.vault.clone(), root().permit().unwrap());
        let deleting = tokio::spawn(async move { vault.organisation_delete(deleted, organisation).await });
        while !one
            .vault
            .organisation_read(&root().permit().unwrap(), organisation)
            .is_ok_and(|row| row.disabled)
        {
            tokio::task::yield_now().await;
        }
        if late {
            two.clock.pass_millis(REQUEST_MILLIS_MAX + 1);
        }
        let card = new_card(VISA, None);
        let created = two.vault.card_create(&permit, organisation, card, Metadata::new(), None).await;
        let deleted = deleting.await.unwrap();
        if late {
            assert_refused!(created.map(drop), VaultError::Busy);
            deleted.unwrap();
        } else {
            assert!(created.is_ok());
            assert_refused!(deleted, VaultError::WrongState { reason: "it has cards" });
        }
    }
}

/// The bug: a process that stood still between the look at a key and the commit went on when it was woken, with changes and deletions, although another node
/// had revoked the key meanwhile. Its cause: only what is made anew was held against the time. Its cure: so is what is changed or taken away, before
/// anything is.
#[tokio::test]
async fn who_stood_still_changes_nothing_by_what_was_judged_before() {
    for late in [true, false] {
        let one = World::shared().await;
        let shop = one.shop(None).await;
        let two = one.beside(2).await;
        let card = two.card(&shop).await;
        let paid = two.transact(&shop, card, 1_000).await.unwrap();
        two.cvv_put(&shop, card, "123").await.unwrap();
        let (change, void, delete) =
            (two.permit(&shop.key), two.permit::<TransactionVoid>(&shop.key), two.permit(&shop.key));
        let reader = one.key(shop.organisation, &[Role::MerchantAdmin]).await;
        revoke(&one, &shop.key).await;
        // It is stopped, and woken: what it does by itself comes first.
        two.clock.pass_millis(REQUEST_MILLIS_MAX + u64::from(late));
        two.vault.lease_renew().await.unwrap();
        two.vault.documents_follow().await.unwrap();
        let voided = two.vault.transaction_void_capture(&void, paid.id, None, None).await.map(drop);
        let changed =
            two.vault.card_update(&change, card, shop.organisation, cvv_change("456"), None).await.map(drop);
        let holds_cvv = two.vault.card_read(&two.permit(&reader), card).await.unwrap().cvv_expires_at;
        let deleted = two.vault.card_delete(&delete, card).await;
        if late {
            assert_refused!(voided, VaultError::Busy);
            assert_refused!(changed, VaultError::Busy);
            assert_refused!(deleted, VaultError::Busy);
            assert!(holds_cvv.is_some(), "the CVV is as it was");
            assert!(one.vault.card_read(&one.permit(&reader), card).await.is_ok());
        } else {
            // At the limit it goes on.
            assert!(voided.is_ok() && changed.is_ok() && deleted.is_ok());
        }
    }
}

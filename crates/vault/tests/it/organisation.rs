use panvault_model::{CardId, OrganisationId, ProcessorId, TransactionId};
use panvault_testkit::operator;
use panvault_vault::{
    CardChange, CardQuery, CvvChange, Given, Metadata, Named, NewAccount, NewApiKey, NewOrganisation,
    NewProcessor, Operation, Permit, TransactionQuery, VaultError, Webhooks,
};

use crate::assert_refused;
use crate::world::{
    Shop, VISA, World, all, all_cards, all_transactions, cvv_change, new_card, new_transaction, no_change,
};

/// A marketplace, two sellers below it, and a stranger.
struct Tree {
    world: World,
    top: Shop,
    left: Shop,
    right: Shop,
    stranger: Shop,
}

impl Tree {
    async fn new() -> Self {
        let world = World::new().await;
        let top = world.shop(None).await;
        let left = world.shop(Some(top.organisation)).await;
        let right = world.shop(Some(top.organisation)).await;
        let stranger = world.shop(None).await;
        Self { world, top, left, right, stranger }
    }
}

/// How each operation that takes ids answers when asked by `asker` for the objects of `owner`.
async fn answers(
    world: &World,
    asker: &Shop,
    owner: &Shop,
    card: CardId,
    transaction: TransactionId,
) -> Vec<(&'static str, Option<VaultError>)> {
    let vault = &world.vault;
    let organisation = owner.organisation;
    let metadata = CardChange { metadata: Some(Metadata::new()), ..no_change() };
    let clear = CardChange { cvv: CvvChange::Clear, ..no_change() };
    let update =
        async |change| vault.card_update(&permit(world, asker), card, organisation, change, None).await.err();
    let transact = async |account, card| {
        let new = new_transaction(account, card, 1_000);
        vault.transaction_create(&permit(world, asker), new, None).await.err()
    };
    let cards = CardQuery { organisations: vec![organisation], ..all_cards() };
    let transactions = TransactionQuery { organisations: vec![organisation], ..all_transactions() };
    let create =
        vault.card_create(&permit(world, asker), organisation, new_card(VISA, None), Metadata::new(), None);
    let apikey = NewApiKey {
        organisation,
        name: "Key".to_owned(),
        roles: vec![panvault_model::Role::MerchantUser],
        expires_at: None,
        allowed_origins: Vec::new(),
    };
    vec![
        ("card_create", create.await.err()),
        ("card_read", vault.card_read(&permit(world, asker), card).await.err()),
        ("card_update cvv", update(cvv_change("111")).await),
        ("card_update clear", update(clear).await),
        ("card_update metadata", update(metadata).await),
        ("card_list", vault.card_list(&permit(world, asker), cards).await.err()),
        ("transaction_create account", transact(owner.account, card).await),
        ("transaction_create card", transact(asker.account, card).await),
        ("transaction_read", vault.transaction_read(&permit(world, asker), transaction).await.err()),
        ("transaction_history", vault.transaction_history(&permit(world, asker), transaction).await.err()),
        ("transaction_list", vault.transaction_list(&permit(world, asker), transactions).await.err()),
        ("apikey_create", vault.apikey_create(&permit(world, asker), apikey).await.err()),
        ("card_delete", vault.card_delete(&permit(world, asker), card).await.err()),
    ]
}

fn permit<O: Operation>(world: &World, shop: &Shop) -> Permit<O> {
    world.permit(&shop.key)
}

#[tokio::test]
async fn a_stranger_a_sibling_and_a_child_see_nothing_and_change_nothing() {
    let Tree { world, top, left, right, stranger } = Tree::new().await;
    for (owner, askers) in
        [(&left, [&right, &stranger]), (&top, [&left, &stranger]), (&stranger, [&top, &left])]
    {
        let card = world.card(owner).await;
        let transaction = world.transact(owner, card, 1_000).await.unwrap().id;
        world.cvv_put(owner, card, "222").await.unwrap();
        let before = world.card_read(owner, card).await.unwrap();
        for asker in askers {
            world.card(asker).await;
            for (operation, error) in answers(&world, asker, owner, card, transaction).await {
                assert!(matches!(error, Some(VaultError::NotFound(_))), "{operation}: {error:?}");
            }
        }
        let after = world.card_read(owner, card).await.unwrap();
        assert_eq!((after.row, after.cvv_expires_at), (before.row, before.cvv_expires_at));
        let row = world.transact(owner, card, 1_000).await.unwrap();
        assert!(row.cvv_present, "nobody used or ended the CVV");
    }
}

/// What does not exist is answered as what is a stranger's, error for error.
#[tokio::test]
async fn missing_and_foreign_are_answered_alike() {
    let Tree { world, left, right, .. } = Tree::new().await;
    let card = world.card(&left).await;
    let transaction = world.transact(&left, card, 1_000).await.unwrap().id;
    let foreign = answers(&world, &right, &left, card, transaction).await;
    let nowhere = Shop {
        organisation: OrganisationId::from_bytes([7; 12]),
        account: panvault_model::AccountId::from_bytes([7; 12]),
        key: String::new(),
    };
    let missing =
        answers(&world, &right, &nowhere, CardId::from_bytes([7; 12]), TransactionId::from_bytes([7; 12]))
            .await;
    for ((operation, foreign), (_, missing)) in foreign.into_iter().zip(missing) {
        assert_eq!(format!("{foreign:?}"), format!("{missing:?}"), "{operation}");
    }
}

#[tokio::test]
async fn a_parent_sees_and_does_all_in_its_children() {
    let Tree { world, top, left, .. } = Tree::new().await;
    let card = world.card(&left).await;
    let transaction = world.transact(&left, card, 1_000).await.unwrap().id;
    for (operation, error) in answers(&world, &top, &left, card, transaction).await {
        assert!(error.is_none(), "{operation}: {error:?}");
    }
}

#[tokio::test]
async fn lists_show_what_is_below_the_caller() {
    let Tree { world, top, left, right, stranger } = Tree::new().await;
    for (shop, count) in [(&top, 1), (&left, 2), (&right, 3), (&stranger, 4)] {
        for _ in 0..count {
            let card = world.card(shop).await;
            world.transact(shop, card, 1_000).await.unwrap();
        }
    }
    for (shop, expected) in [(&top, 6), (&left, 2), (&right, 3), (&stranger, 4)] {
        assert_eq!(world.cards(shop).await.unwrap().total, expected);
        let page = world.vault.transaction_list(&permit(&world, shop), all_transactions()).await.unwrap();
        assert_eq!(page.total, expected);
    }
    let only = CardQuery { organisations: vec![left.organisation], ..all_cards() };
    let page = world.vault.card_list(&permit(&world, &top), only).await.unwrap();
    assert!(page.total == 2 && page.rows.iter().all(|view| view.row.organisation == left.organisation));
}

#[tokio::test]
async fn equal_numbers_have_equal_fingerprints_inside_and_unrelated_ones_across() {
    let Tree { world, top, left, right, .. } = Tree::new().await;
    let mut seen = Vec::new();
    for shop in [&top, &left, &right] {
        let first = world.card_create(shop, VISA, None).await.unwrap().row;
        let second = world.card_create(shop, VISA, None).await.unwrap().row;
        let other = world.card_create(shop, "5555555555554444", None).await.unwrap().row;
        assert!(first.id != second.id && first.fingerprint == second.fingerprint);
        assert_ne!(first.fingerprint, other.fingerprint);
        seen.push(first.fingerprint);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

/// One seller's card is never charged to another, even by the marketplace above both.
#[tokio::test]
async fn card_and_account_are_on_one_line_of_the_tree() {
    let Tree { world, top, left, right, .. } = Tree::new().await;
    let (ours, lefts) = (world.card(&top).await, world.card(&left).await);
    let charge = async |shop: &Shop, card| {
        let new = new_transaction(shop.account, card, 1_000);
        world.vault.transaction_create(&permit(&world, &top), new, None).await.map(|done| done.value)
    };
    assert_refused!(charge(&right, lefts).await, VaultError::Faults(_));
    assert!(world.holds_cvv(&left, lefts).await);
    let row = charge(&top, lefts).await.unwrap();
    assert_eq!((row.organisation, row.cvv_present), (top.organisation, true));
    let row = charge(&left, ours).await.unwrap();
    assert_eq!((row.organisation, row.cvv_present), (left.organisation, true));
}

/// The field of which it is said that it names nothing.
///
/// Where several ids are given, it was only said that one of them is not there, and not which.
fn names_nothing<T>(result: Result<T, VaultError>) -> &'static str {
    match result.err() {
        Some(VaultError::NotFound(named)) => match named[..] {
            [Named::Field(field)] => field,
            ref named => panic!("{named:?}"),
        },
        error => panic!("refused with another error, or not: {error:?}"),
    }
}

/// Whoever sees two sellers could make an account of one with the processor of the other, and money of the one's cards went to the
/// other's acquirer. A processor is now the account's own or from above.
#[tokio::test]
async fn an_account_has_processors_of_its_own_line() {
    let Tree { world, top, left, right, .. } = Tree::new().await;
    let vault = &world.vault;
    let operator = operator(vault, 1);
    let processor = async |organisation| {
        let new = NewProcessor {
            organisation,
            name: "Dummy".to_owned(),
            type_name: "card_dummy".to_owned(),
            given: Given::default(),
        };
        vault.processor_create(&operator.permit().unwrap(), new).await.unwrap().id
    };
    let account = async |organisation, processor| {
        let new = NewAccount {
            organisation,
            name: "Euro".to_owned(),
            description: None,
            currency: panvault_model::Currency::parse("EUR").unwrap(),
            processors: vec![processor],
            disabled: false,
            webhooks: Webhooks::default(),
            checkout_theme: Vec::new(),
        };
        vault.account_create(&operator.permit().unwrap(), new).await
    };
    let (above, of_left) = (processor(top.organisation).await, processor(left.organisation).await);
    assert!(account(left.organisation, of_left).await.is_ok());
    assert!(account(left.organisation, above).await.is_ok());
    for organisation in [right.organisation, top.organisation] {
        assert_refused!(account(organisation, of_left).await, VaultError::Faults(_));
    }
}

#[tokio::test]
async fn documents_are_made_below_the_caller_only() {
    let Tree { world, top, left, stranger, .. } = Tree::new().await;
    let provider = world.key(top.organisation, &[panvault_model::Role::ProviderAdmin]).await;
    let vault = &world.vault;
    let processor = |organisation| NewProcessor {
        organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    let made = vault.processor_create(&world.permit(&provider), processor(left.organisation)).await.unwrap();
    let operator = operator(vault, 1).permit().unwrap();
    let foreign = vault.processor_create(&operator, processor(stranger.organisation)).await.unwrap().id;
    let refused = vault.processor_create(&world.permit(&provider), processor(stranger.organisation)).await;
    assert_refused!(refused, VaultError::NotFound(_));
    let account = |organisation, processors| NewAccount {
        organisation,
        name: "Euro".to_owned(),
        description: None,
        currency: panvault_model::Currency::parse("EUR").unwrap(),
        processors,
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let permit = world.permit(&provider);
    assert!(vault.account_create(&permit, account(left.organisation, vec![made.id])).await.is_ok());
    let unknown = ProcessorId::from_bytes([7; 12]);
    let nowhere = OrganisationId::from_bytes([7; 12]);
    for (account, field) in [
        (account(left.organisation, vec![foreign]), "processors"),
        (account(left.organisation, vec![unknown]), "processors"),
        (account(stranger.organisation, vec![made.id]), "organisation"),
        (account(nowhere, vec![made.id]), "organisation"),
    ] {
        assert_eq!(names_nothing(vault.account_create(&permit, account).await), field);
    }
    let organisation =
        |parent| NewOrganisation { name: "New".to_owned(), parent, ..NewOrganisation::default() };
    let permit = world.permit(&provider);
    assert!(vault.organisation_create(&permit, organisation(Some(left.organisation))).await.is_ok());
    for parent in [stranger.organisation, nowhere] {
        let refused = vault.organisation_create(&permit, organisation(Some(parent))).await;
        assert_eq!(names_nothing(refused), "parent_id");
    }
    assert_refused!(vault.organisation_create(&permit, organisation(None)).await, VaultError::Faults(_));
    let listed = vault.organisation_list(&world.permit(&provider), all()).await;
    assert_eq!(listed.unwrap().total, 4);
    let accounts = vault.account_list(&world.permit(&provider), all()).await.unwrap();
    assert!(accounts.rows.iter().all(|row| row.organisation != stranger.organisation));
}

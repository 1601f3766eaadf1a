//! Records of the trail that are too old to be kept: they go, and whatever is left is held against what they told.

use panvault_model::NodeId;
use panvault_store::{Action, AuditRecord, DocumentKind, DocumentRow, Store};
use panvault_testkit::operator;
use panvault_vault::{
    AuditField, AuditList, AuditQuery, AuditRead, Clock, FieldValue, Filter, Test, VaultError, audit_starts,
    trail_examine,
};

use crate::assert_refused;
use crate::world::{HOUR_MILLIS, World, keys, node};

const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;

async fn starts(world: &World, writer: NodeId) -> u64 {
    let starts = audit_starts(&*world.store, &keys(), &[writer]).await.unwrap();
    starts.get(&writer).map_or(0, |(_, start)| start.place)
}

async fn kept(world: &World, writer: NodeId) -> Vec<AuditRecord> {
    let first = starts(world, writer).await + 1;
    world.store.audit_read(writer, first, usize::MAX).await.unwrap()
}

async fn findings(world: &World) -> Vec<String> {
    trail_examine(&*world.store, &keys()).await.unwrap().findings
}

fn all() -> AuditQuery {
    AuditQuery::newest(Vec::new(), 1000)
}

/// Days pass for all of them. None is given up for dead meanwhile.
async fn days(worlds: &[&World], days: u64) {
    for _ in 0..days {
        worlds.iter().for_each(|world| world.clock.pass_millis(DAY_MILLIS));
        for world in worlds {
            world.vault.lease_renew().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_young_stays_of_one_writer() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.card(&shop).await;
    let writer = world.store.audit_writers().await.unwrap()[0];
    assert_eq!(world.vault.audit_retire(1).await.unwrap(), 0, "nothing is a day old");
    let old = kept(&world, writer).await.len() as u64;
    world.clock.pass_millis(2 * DAY_MILLIS);
    world.card(&shop).await;
    assert_eq!(world.vault.audit_retire(1).await.unwrap(), old);
    assert_eq!(starts(&world, writer).await, old);
    let still_there = world.store.audit_read(writer, 1, usize::MAX).await.unwrap();
    assert_eq!(still_there[0].place, 1, "whoever reads them reads on");
    assert_eq!(world.vault.audit_retire(1).await.unwrap(), 0);
    let there = world.store.audit_read(writer, 1, usize::MAX).await.unwrap();
    assert_eq!(there[0].place, old + 1, "an hour later they are gone");
    let operator = operator(&world.vault, 1);
    let listed = world.vault.audit_list(&operator.permit::<AuditList>().unwrap(), &all()).await.unwrap();
    assert!(listed.iter().all(|record| record.place > old) && listed.len() >= 2, "{listed:?}");
    let retired = listed.iter().find(|record| record.note.action == Action::AuditRetire).unwrap();
    assert_eq!(retired.note.object.as_bytes()[4..], old.to_be_bytes());
    let read = operator.permit::<AuditRead>().unwrap();
    assert_refused!(world.vault.audit_read(&read, writer, old).await, VaultError::NotFound(_));
    assert_eq!(world.vault.audit_read(&read, writer, old + 1).await.unwrap().place, old + 1);
    // A list that asks for a time of before finds what there is of it: nothing.
    let until = FieldValue::Number(world.clock.now().wall.unix_millis() - DAY_MILLIS);
    let filter = Filter { field: AuditField::CreatedAt, test: Test::AtMost, values: vec![until] };
    let query = AuditQuery { filters: vec![filter], ..all() };
    let before = world.vault.audit_list(&operator.permit::<AuditList>().unwrap(), &query).await.unwrap();
    assert_eq!(before, []);
}

/// However old, the last record of a node stays: it says how far that has come.
#[tokio::test]
async fn the_last_record_stays_and_many_go_with_several_commits() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    world.card(&shop).await;
    world.clock.pass_millis(400 * DAY_MILLIS);
    let writer = world.store.audit_writers().await.unwrap()[0];
    let end = world.store.audit_ends(vec![writer]).await.unwrap()[0];
    assert_eq!(world.vault.audit_retire(365).await.unwrap(), end - 1);
    assert_eq!(kept(&world, writer).await.len(), 2, "the last, and that the others are kept no longer");
}

#[tokio::test]
async fn of_several_nodes_the_one_on_duty_does_it_and_the_trail_is_whole() {
    let one = World::shared().await;
    let two = one.beside(2).await;
    let shop = one.shop(None).await;
    for world in [&one, &two] {
        world.card(&shop).await;
    }
    one.vault.audit_checkpoint().await.unwrap();
    days(&[&one, &two], 3).await;
    two.card(&shop).await;
    assert_eq!(two.vault.audit_retire(1).await.unwrap(), 0, "the other has the duty");
    assert!(one.vault.audit_retire(1).await.unwrap() > 4);
    assert_eq!(findings(&one).await, Vec::<String>::new());
    one.vault.audit_retire(1).await.unwrap();
    assert_eq!(findings(&one).await, Vec::<String>::new());
    assert!(starts(&one, node(1)).await > 0 && starts(&one, node(2)).await > 0);
    // Those that begin later name those whose first records are gone.
    let three = one.beside(3).await;
    three.card(&shop).await;
    one.vault.audit_checkpoint().await.unwrap();
    let trail = trail_examine(&*one.store, &keys()).await.unwrap();
    assert_eq!((trail.nodes, trail.findings), (3, Vec::<String>::new()));

    type Cut = fn(&mut Vec<AuditRecord>);
    let cuts: [(Cut, &str); 3] = [
        // What is young, at the beginning and at the end, and the whole of one.
        (|trail| cut_at(trail, 0), "has a gap"),
        (|trail| cut_at(trail, trail.len().saturating_sub(1)), "ends at record"),
        (|trail| trail.retain(|record| record.writer != node(2)), "is gone, which node"),
    ];
    for (cut, said) in cuts {
        one.store.plot(|plot| plot.trail = Some(Box::new(cut)));
        let found = findings(&one).await;
        assert!(found.iter().any(|finding| finding.contains(said)), "{said}: {found:?}");
        one.store.leave();
    }
}

/// Cuts a record out of what was read of the second node.
fn cut_at(trail: &mut Vec<AuditRecord>, at: usize) {
    if trail.get(at).is_some_and(|record| record.writer == node(2)) {
        trail.remove(at);
    }
}

/// Whoever can write to the database says that more is kept no longer than the vault said, or less.
#[tokio::test]
async fn where_a_trail_begins_is_what_the_vault_wrote() {
    let one = World::shared().await;
    let two = one.beside(2).await;
    let shop = one.shop(None).await;
    two.card(&shop).await;
    one.vault.audit_checkpoint().await.unwrap();
    days(&[&one, &two], 3).await;
    one.vault.audit_retire(1).await.unwrap();
    let key = (DocumentKind::AuditStart, node(2).0);
    let earlier = one.store.document_read_many(vec![key]).await.unwrap()[0].as_deref().cloned();
    days(&[&one, &two], 3).await;
    one.vault.audit_retire(1).await.unwrap();
    one.vault.audit_retire(1).await.unwrap();
    assert_eq!(findings(&one).await, Vec::<String>::new());
    type Change = Box<dyn Fn(&mut Option<DocumentRow>) + Send>;
    let changes: [(Change, &str); 3] = [
        (Box::new(move |row| row.clone_from(&earlier)), "has a gap"),
        (Box::new(|row| *row = None), "has a gap"),
        (Box::new(|row| row.as_mut().unwrap().body[8] += 1), "is not what the vault wrote"),
    ];
    for (change, said) in changes {
        let of_two = move |row: &mut Option<DocumentRow>| {
            if row.as_ref().is_some_and(|row| (row.kind, row.id) == key) {
                change(row);
            }
        };
        one.store.plot(|plot| plot.document = Some(Box::new(of_two)));
        let found = findings(&one).await;
        assert!(found.iter().any(|finding| finding.contains(said)), "{said}: {found:?}");
        one.store.leave();
    }
}

//! The trails of several nodes: each names the one before it, checkpoints say how far each has come, and what is cut off or taken away shows.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use panvault_model::{Id, NodeId, Role};
use panvault_store::{Action, AuditRecord, DocumentKind, DocumentRow, Store, StoreFault};
use panvault_testkit::operator;
use panvault_vault::limits::{AUDIT_END_SECONDS, LEASE_SECONDS};
use panvault_vault::{
    AuditField, AuditList, AuditQuery, FieldValue, Filter, Test, TrailExamined, VaultError, trail_examine,
};

use crate::assert_refused;
use crate::node::{GIVEN_UP_MILLIS, pass};
use crate::world::{World, keys, node};

async fn examined(world: &World) -> TrailExamined {
    trail_examine(&*world.store, &keys()).await.unwrap()
}

async fn begun(world: &World, n: u64) -> Vec<AuditRecord> {
    let trail = world.store.audit_read(node(n), 1, usize::MAX).await.unwrap();
    trail.into_iter().filter(|record| record.note.action == Action::NodeStart).collect()
}

/// Three nodes that have done something, with a checkpoint behind it.
async fn three() -> [World; 3] {
    let one = World::shared().await;
    let (two, three) = (one.beside(2).await, one.beside(3).await);
    let shop = one.shop(None).await;
    for world in [&two, &three] {
        world.card(&shop).await;
        world.card(&shop).await;
    }
    one.vault.audit_checkpoint().await.unwrap();
    [one, two, three]
}

#[tokio::test]
async fn the_first_record_of_a_trail_names_the_node_that_began_before() {
    let [one, ..] = three().await;
    for (n, before) in [(1, NodeId::from_bytes([0; 12])), (2, node(1)), (3, node(2))] {
        let begun = begun(&one, n).await;
        assert_eq!((begun.len(), begun[0].place, begun[0].note.object), (1, 1, before.0), "{n}");
    }
    let trail = examined(&one).await;
    assert_eq!((trail.nodes, trail.findings), (3, Vec::<String>::new()));
    assert!(trail.records > 10);
}

/// Three nodes, of which the third has given up the others.
async fn given_up() -> [World; 3] {
    let [one, two, three] = three().await;
    pass(&[&one, &two, &three], GIVEN_UP_MILLIS);
    three.vault.lease_renew().await.unwrap();
    three.vault.sweep().await.unwrap();
    three.vault.audit_checkpoint().await.unwrap();
    [one, two, three]
}

async fn has_ended(world: &World, n: u64) -> bool {
    let ends = world.store.document_read_many(vec![(DocumentKind::AuditEnd, node(n).0)]).await.unwrap();
    ends[0].is_some()
}

/// One that was given up and comes back goes on with its trail, and stands where it stood.
#[tokio::test]
async fn a_node_that_comes_back_goes_on_with_its_trail() {
    let [one, _two, three] = given_up().await;
    three.vault.audit_checkpoint().await.unwrap();
    assert!(!has_ended(&three, 1).await);
    one.vault.lease_renew().await.unwrap();
    assert_eq!(begun(&one, 1).await[1].note.object, node(1).0);
    assert_eq!(examined(&one).await.findings, Vec::<String>::new());
    let four = one.beside_later(4, GIVEN_UP_MILLIS).await;
    assert_eq!(begun(&one, 4).await[0].note.object, node(3).0, "not the one that came back");
    assert_eq!(examined(&four).await.findings, Vec::<String>::new());
}

/// One whose end is written down by then has to begin anew: nothing comes behind an end.
#[tokio::test]
async fn a_node_whose_end_is_written_down_does_not_go_on() {
    let [one, two, three] = given_up().await;
    three.vault.audit_checkpoint().await.unwrap();
    assert!(!has_ended(&three, 1).await, "the control");
    pass(&[&one, &two, &three], AUDIT_END_SECONDS * 1_000);
    three.vault.lease_renew().await.unwrap();
    three.vault.audit_checkpoint().await.unwrap();
    assert!(has_ended(&three, 1).await);
    let end = three.store.audit_ends(vec![node(1)]).await.unwrap();
    assert_refused!(one.vault.lease_renew().await, VaultError::Store(StoreFault::Stopped));
    assert_eq!(three.store.audit_ends(vec![node(1)]).await.unwrap(), end);
    assert_eq!(examined(&three).await.findings, Vec::<String>::new());
    let four = three.beside_later(4, GIVEN_UP_MILLIS + AUDIT_END_SECONDS * 1_000).await;
    assert_eq!(begun(&four, 4).await[0].note.object, node(3).0);
    assert_eq!(examined(&four).await.findings, Vec::<String>::new());
}

/// A tag that the chain has at the mark is the one that was there when the checkpoint was written: also of a chain that verifies by itself.
#[tokio::test]
async fn a_step_that_is_another_than_the_checkpoint_knows_shows() {
    let [one, two, _three] = three().await;
    two.vault.close().await.unwrap();
    for _ in 0..3 {
        one.vault.audit_checkpoint().await.unwrap();
    }
    assert_eq!(examined(&one).await.findings, Vec::<String>::new(), "the control");
    for n in [2, 3] {
        let changed = node(n);
        one.store.plot(|plot| {
            plot.marks = Some(Box::new(move |writer, mark| {
                if writer == changed {
                    mark.tag[33] ^= 1;
                }
            }));
        });
        let found = examined(&one).await.findings;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("the trail of node {changed} was rewritten: record ")),
            "{found:?}"
        );
        one.store.leave();
    }
    // Who writes checkpoints takes it for none that follows.
    one.store.plot(|plot| {
        plot.marks = Some(Box::new(|writer, mark| {
            if writer == node(3) {
                mark.tag = [9; 34];
            }
        }));
    });
    one.organisation(None).await;
    one.vault.audit_checkpoint().await.unwrap();
    one.store.leave();
    assert_eq!(examined(&one).await.findings, Vec::<String>::new(), "what was known stays known");
}

#[tokio::test]
async fn nodes_that_begin_at_once_come_one_after_the_other() {
    let one = World::shared().await;
    let local = tokio::task::LocalSet::new();
    let beginning: Vec<_> = (2..14)
        .map(|n| {
            let store = one.store.beside(node(n));
            store.plot(|plot| plot.yields = true);
            local.spawn_local(async move { drop(World::begun(store, n).await) })
        })
        .collect();
    local.await;
    for begun in beginning {
        begun.await.unwrap();
    }
    let trail = examined(&one).await;
    assert_eq!((trail.nodes, trail.findings), (13, Vec::<String>::new()));
}

/// A checkpoint is written when something has come since the last, and by one node.
#[tokio::test]
async fn a_checkpoint_is_written_when_something_has_come() {
    let [one, two, _three] = three().await;
    let number =
        async || one.store.document_read_many(vec![CHECKPOINT]).await.unwrap()[0].as_ref().unwrap().version;
    let before = number().await;
    two.vault.audit_checkpoint().await.unwrap();
    for _ in 0..3 {
        one.vault.audit_checkpoint().await.unwrap();
    }
    assert_eq!(number().await, before, "nothing has come, and the other does not write it");
    two.organisation(None).await;
    two.vault.audit_checkpoint().await.unwrap();
    assert_eq!(number().await, before);
    one.vault.audit_checkpoint().await.unwrap();
    assert_eq!(number().await, before + 1);
    let trail = one.store.audit_read(node(1), 1, usize::MAX).await.unwrap();
    let numbers: Vec<_> =
        trail.iter().filter(|record| record.note.action == Action::AuditCheckpoint).collect();
    assert_eq!(numbers.last().unwrap().note.object.as_bytes()[8..], (before + 1).to_be_bytes());
}

const CHECKPOINT: (DocumentKind, Id) = (DocumentKind::AuditCheckpoint, Id::from_bytes([0; 12]));

/// Whoever can write to the database cuts off what a trail told of them, takes a trail away, or puts the checkpoint back.
#[tokio::test]
async fn what_is_cut_off_or_taken_away_shows() {
    let [one, two, _three] = three().await;
    let earlier = one.store.document_read_many(vec![CHECKPOINT]).await.unwrap()[0].as_deref().cloned();
    two.organisation(None).await;
    one.vault.audit_checkpoint().await.unwrap();
    type Cut = fn(&mut Vec<AuditRecord>);
    let cuts: [(Cut, &str); 5] = [
        (|trail| last_of(trail, 2), "and had"),
        (|trail| trail.retain(|record| record.writer != node(2)), "is gone, which node"),
        (|trail| trail.retain(|record| record.writer != node(3)), "ends at record 0"),
        (|trail| trail.retain(|record| record.writer != node(2) || record.place != 2), "has a gap"),
        (|trail| trail.retain(|record| record.writer != node(2) || record.place != 1), "has a gap"),
    ];
    for (cut, said) in cuts {
        one.store.plot(|plot| plot.trail = Some(Box::new(cut)));
        let findings = examined(&one).await.findings;
        assert!(findings.iter().any(|finding| finding.contains(said)), "{said}: {findings:?}");
        one.store.leave();
    }
    type Change = Box<dyn Fn(&mut Option<DocumentRow>) + Send>;
    let changes: [(Change, &str); 3] = [
        (Box::new(move |row| row.clone_from(&earlier)), "and there was number"),
        (Box::new(|row| *row = None), "is gone"),
        (Box::new(|row| row.as_mut().unwrap().body[20] ^= 1), "is not what the vault wrote"),
    ];
    for (change, said) in changes {
        one.store.plot(|plot| plot.document = Some(change));
        let findings = examined(&one).await.findings;
        assert!(findings.iter().any(|finding| finding.contains(said)), "{said}: {findings:?}");
        // Who writes them has seen a later one.
        two.organisation(None).await;
        assert_refused!(one.vault.audit_checkpoint().await, VaultError::Tampered(_));
        one.store.leave();
        one.vault.audit_checkpoint().await.unwrap();
    }
    assert_eq!(examined(&one).await.findings, Vec::<String>::new());
}

/// The bug: whoever could write to the database put all documents back to an earlier moment while no node ran, and a key that had been revoked since was good again,
/// unseen. Its cause: they were held against their head, which was put back with them, and not against the trail. Its cure: the trail tells how often documents
/// changed, and the head counts that.
#[tokio::test]
async fn documents_that_were_put_back_together_show() {
    let [one, two, _three] = three().await;
    let head = (DocumentKind::DocumentHead, Id::from_bytes([0; 12]));
    let earlier = one.store.document_read_many(vec![head]).await.unwrap()[0].as_deref().cloned();
    let changes = earlier.as_ref().unwrap().version;
    two.organisation(None).await;
    assert_eq!(examined(&one).await.findings, Vec::<String>::new(), "the control");
    let put_back = move |row: &mut Option<DocumentRow>| {
        if row.as_ref().is_some_and(|row| row.kind == DocumentKind::DocumentHead) {
            row.clone_from(&earlier);
        }
    };
    one.store.plot(|plot| plot.document = Some(Box::new(put_back)));
    let said =
        format!("the documents are those after {changes} changes, and the trail tells of {}", changes + 1);
    assert_eq!(examined(&one).await.findings, [said]);
    one.store.leave();
    let forge = |row: &mut Option<DocumentRow>| {
        if let Some(row) = row.as_mut().filter(|row| row.kind == DocumentKind::DocumentHead) {
            row.version += 1;
        }
    };
    one.store.plot(|plot| plot.document = Some(Box::new(forge)));
    assert_eq!(examined(&one).await.findings, ["the head of the documents is not what the vault wrote"]);
}

/// Cuts the last record off a trail.
fn last_of(trail: &mut Vec<AuditRecord>, n: u64) {
    if trail.first().is_some_and(|record| record.writer == node(n)) {
        trail.pop();
    }
}

/// What ended is not written in every checkpoint for ever: each trail that goes on no more has a row that says how far it came, and shows what is cut
/// off it all the same.
#[tokio::test]
async fn trails_that_have_ended_leave_the_checkpoint_and_are_still_held_against_their_end() {
    let [one, two, three] = three().await;
    two.vault.close().await.unwrap();
    three.vault.close().await.unwrap();
    for _ in 0..3 {
        one.vault.audit_checkpoint().await.unwrap();
    }
    let keys = [2, 3, 1].map(|n| (DocumentKind::AuditEnd, node(n).0)).to_vec();
    let ends: Vec<_> =
        one.store.document_read_many(keys).await.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(ends, [true, true, false]);
    assert_eq!(examined(&one).await.findings, Vec::<String>::new());
    one.store.plot(|plot| plot.trail = Some(Box::new(|trail| last_of(trail, 2))));
    assert_eq!(examined(&one).await.findings.len(), 1);
    one.store.leave();
    one.store.plot(|plot| {
        plot.document = Some(Box::new(|row| {
            if row.as_ref().is_some_and(|row| row.id == node(2).0) {
                *row = None;
            }
        }));
    });
    let findings = examined(&one).await.findings;
    assert!(findings[0].starts_with("nothing says any more how far"), "{findings:?}");
    // The vault opens with them there, as with documents alone.
    one.store.leave();
    pass(&[&one], LEASE_SECONDS * 1000);
    assert_eq!(one.beside_later(5, LEASE_SECONDS * 1000).await.api_keys().await.len(), 1);
}

/// The bug: a list of the trail asked the database some eighty times for each start that there ever was. Its cause: where a chain ends was searched for, also where the
/// store knows it, and each chain was searched that had ended long ago. Its cure: the ends of all are asked for at once, a chain is searched only
/// where it goes on beyond what is asked for, and left alone where it ended before.
#[tokio::test]
async fn a_list_of_the_trail_reads_few_records_of_each_chain() {
    let one = World::shared().await;
    let shop = one.shop(None).await;
    for n in 2..22 {
        let node = one.beside(n).await;
        node.vault.close().await.unwrap();
    }
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    one.store.plot(|plot| {
        plot.trail = Some(Box::new(move |_: &mut Vec<AuditRecord>| {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
    });
    let list = async |filters: Vec<Filter<AuditField>>| {
        let permit = operator(&one.vault, 1).permit::<AuditList>().unwrap();
        let query = AuditQuery { filters, ..AuditQuery::newest(Vec::new(), 1_000) };
        let found = one.vault.audit_list(&permit, &query).await.unwrap();
        (found.len(), reads.swap(0, Ordering::SeqCst))
    };
    let (all, asked) = list(Vec::new()).await;
    assert!(all > 40 && asked <= 21, "{all} {asked}");
    // What ended before is looked at once each, and no page of it is read.
    one.clock.pass_millis(3_600_000);
    one.vault.lease_renew().await.unwrap();
    one.key(shop.organisation, &[Role::MerchantUser]).await;
    let now = one.vault.now().wall.unix_millis();
    let created =
        |test| Filter { field: AuditField::CreatedAt, test, values: vec![FieldValue::Number(now - 1_000)] };
    let (late, asked) = list(vec![created(Test::AtLeast)]).await;
    assert!(late >= 2 && asked <= 22, "{late} {asked}");
    let (early, _) = list(vec![created(Test::AtMost)]).await;
    assert!(early >= all, "{early}");
}

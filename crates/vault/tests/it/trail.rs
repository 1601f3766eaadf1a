//! The trail as it leaves the machine: what destinations are given, also where they fail, nodes die and keys are renewed.

use core::future::{Future, ready};
use core::pin::Pin;
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use panvault_keys::VaultPurpose;
use panvault_store::{Action, Commit, DocumentKind, DocumentRow, Expect, Outcome, RowKey, Store};
use panvault_testkit::conformance::note;
use panvault_testkit::{SeededEntropy, root_key, vault_header};
use panvault_trail::{AgeIdentity, CheckpointPublicKey, Record, Step, Summary, Unsealer, Verifier};
use panvault_vault::{TrailDestination, TrailFault, TrailSettings, TrailView, Vault, VaultError, VaultParts};

use crate::assert_refused;
use crate::world::{VAULT, VISA, World, keys};

/// Keeps what it is given. While it has a fault it takes a part of it, or nothing.
#[derive(Default)]
struct Kept {
    lines: Mutex<Vec<u8>>,
    fault: Mutex<Option<TrailFault>>,
    /// Bytes that it takes before the fault.
    part: Mutex<usize>,
}

impl TrailDestination for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        let (mut kept, fault) = (self.lines.lock().unwrap(), self.fault.lock().unwrap().clone());
        // As a file does it.
        if !kept.is_empty() && !kept.ends_with(b"\n") {
            kept.push(b'\n');
        }
        let Some(fault) = fault else {
            kept.extend_from_slice(lines);
            return Box::pin(ready(Ok(())));
        };
        kept.extend_from_slice(&lines[..*self.part.lock().unwrap()]);
        Box::pin(ready(Err(fault)))
    }
}

impl Kept {
    fn fails(&self, fault: Option<TrailFault>) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Everything in it, proved.
    fn read(&self, keys: Vec<CheckpointPublicKey>) -> (Summary, Vec<Record>) {
        let mut verifier = Verifier::new(keys);
        let mut records = Vec::new();
        for line in self.lines.lock().unwrap().split_inclusive(|byte| *byte == b'\n') {
            match verifier.line(line) {
                Ok(Step::Proven(_, proven)) => records.extend(proven),
                Ok(Step::Pending | Step::Again) => {}
                Err(fault) => panic!("{fault}: {}", String::from_utf8_lossy(line)),
            }
        }
        (verifier.finish(), records)
    }
}

fn public() -> Vec<CheckpointPublicKey> {
    keys().checkpoint_keys().map(|(_, key)| key.public()).collect()
}

fn export(vault: &Vault, kept: &Arc<Kept>) {
    let destinations = vec![Arc::clone(kept) as Arc<dyn TrailDestination>];
    vault.trail_export(TrailSettings {
        checkpoint_seconds: 60,
        destinations,
        recipients: Vec::new(),
        refuse_changes_after_seconds: 300,
    });
}

/// Where somebody is named who may read it, nobody else does; a node that was killed has left a part behind, which comes again under another key.
#[tokio::test]
async fn what_leaves_is_read_by_its_recipient_alone() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    let assessor = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let identity = || AgeIdentity::parse(assessor).unwrap();
    world.vault.trail_export(TrailSettings {
        checkpoint_seconds: 60,
        destinations: vec![Arc::clone(&kept) as Arc<dyn TrailDestination>],
        recipients: vec![identity().recipient()],
        refuse_changes_after_seconds: 300,
    });
    world.card(&shop).await;
    let there = written(&world).await;
    *kept.part.lock().unwrap() = 1500;
    kept.fails(Some(TrailFault::Full));
    step(&world.vault).await;
    kept.fails(None);
    step(&world.vault).await;
    let lines = kept.lines.lock().unwrap().clone();
    let text = String::from_utf8(lines.clone()).unwrap();
    assert!(!text.contains("card_create") && !text.contains("checkpoint"), "{text}");
    assert_eq!(text.matches("{\"type\":\"envelope\"").count(), 2, "the part that was left, and all of it");
    let (mut unsealer, mut verifier) = (Unsealer::new(vec![identity()]), Verifier::new(public()));
    let mut actions = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = unsealer.line(line).unwrap() else { continue };
        if let Step::Proven(_, records) = verifier.line(&line).unwrap() {
            actions.extend(records.into_iter().map(|record| record.action));
        }
    }
    let summary = verifier.finish();
    assert!(summary.records >= there && summary.unproven == 0, "{summary:?}");
    assert!(actions.contains(&"card_create".to_owned()), "{actions:?}");
    assert_eq!(unsealer.finish().lines_plain, 0);
}

/// Signs and hands on what there is.
async fn step(vault: &Vault) {
    vault.trail_checkpoint(true).await.unwrap();
    vault.trail_deliver().await.unwrap();
}

async fn written(world: &World) -> u64 {
    let writers = world.store.audit_writers().await.unwrap();
    world.store.audit_ends(writers).await.unwrap().into_iter().sum()
}

fn only(vault: &Vault) -> TrailView {
    vault.trail_status().into_iter().next().unwrap()
}

#[tokio::test]
async fn every_record_leaves_and_is_proved() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    let card = world.card(&shop).await;
    let there = written(&world).await;
    step(&world.vault).await;
    let (summary, records) = kept.read(public());
    assert_eq!((summary.records, summary.checkpoints, summary.unproven), (there, 1, 0));
    assert_eq!(summary.vault, Some(VAULT.to_string()));
    let made = records.iter().find(|record| record.action == "card_create").unwrap();
    assert_eq!(made.object, Some(card.to_string()));
    assert_eq!(made.organisation, Some(shop.organisation.to_string()));
    assert!(made.actor.as_ref().is_some_and(|actor| actor.len() == 24));
    // Its own record alone is no news, and what is done next is.
    assert!(!world.vault.trail_checkpoint(true).await.unwrap());
    world.card(&shop).await;
    assert!(!world.vault.trail_checkpoint(false).await.unwrap(), "the last was signed of late");
    world.clock.pass_millis(60_000);
    assert!(world.vault.trail_checkpoint(false).await.unwrap());
    world.vault.trail_deliver().await.unwrap();
    let (summary, _) = kept.read(public());
    assert_eq!((summary.records, summary.checkpoints), (there + 2, 2));
}

/// One that is down, takes a part or is full gets all of it later, in order, and what it has is kept no longer.
#[tokio::test]
async fn a_destination_that_was_away_is_given_what_it_lacks() {
    let mut world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    step(&world.vault).await;
    for (part, fault) in
        [(0, TrailFault::Unreached("refused")), (1_000, TrailFault::Full), (100, TrailFault::TimedOut)]
    {
        *kept.part.lock().unwrap() = part;
        kept.fails(Some(fault.clone()));
        world.card(&shop).await;
        world.clock.pass_millis(10_000);
        step(&world.vault).await;
        assert_eq!(only(&world.vault).fault, Some(fault));
    }
    let behind = only(&world.vault);
    assert_eq!((behind.records_behind, behind.lag_seconds), (6, 20), "a card and a checkpoint each");
    // The process ends meanwhile.
    world.reopen().await.unwrap();
    export(&world.vault, &kept);
    kept.fails(None);
    for _ in 0..3 {
        world.card(&shop).await;
        step(&world.vault).await;
    }
    let there = written(&world).await;
    let (summary, _) = kept.read(public());
    assert_eq!((summary.records, summary.unproven), (there - 1, 0), "all but the last checkpoint's own");
    let at = only(&world.vault);
    assert_eq!((at.records_behind, at.lag_seconds, at.fault), (0, 0, None));
    let rows = world.store.document_read_all().await.unwrap();
    let checkpoints = rows.iter().filter(|row| row.kind == DocumentKind::TrailCheckpoint).count();
    assert_eq!(checkpoints, 1, "the last alone: it wrote down that those before it are taken");
}

#[tokio::test]
async fn nothing_is_changed_while_the_trail_stays_here_for_too_long() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    kept.fails(Some(TrailFault::Full));
    world.card(&shop).await;
    step(&world.vault).await;
    world.clock.pass_millis(299_999);
    assert!(world.vault.trail_allows_changes().is_ok());
    world.clock.pass_millis(1);
    assert_refused!(world.vault.trail_allows_changes(), VaultError::TrailBehind);
    kept.fails(None);
    world.vault.trail_deliver().await.unwrap();
    assert!(world.vault.trail_allows_changes().is_ok());
}

/// Only what was signed was looked at: a trail that could not be signed looked as if nothing were to be told.
#[tokio::test]
async fn a_trail_that_cannot_be_signed_is_behind() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    step(&world.vault).await;
    assert_eq!((only(&world.vault).lag_seconds, only(&world.vault).fault), (0, None));
    change_state(&world).await;
    world.card(&shop).await;
    assert_refused!(world.vault.trail_checkpoint(true).await, VaultError::Tampered(_));
    world.clock.pass_millis(299_999);
    assert!(world.vault.trail_checkpoint(true).await.is_err(), "it is since the first");
    assert!(world.vault.trail_allows_changes().is_ok());
    world.clock.pass_millis(1);
    assert_refused!(world.vault.trail_allows_changes(), VaultError::TrailBehind);
    assert_eq!((only(&world.vault).lag_seconds, only(&world.vault).fault), (300, Some(TrailFault::Unsigned)));
}

/// Changes a byte of what is known of the export, past the vault.
async fn change_state(world: &World) {
    let rows = world.store.document_read_all().await.unwrap();
    let row = rows.into_iter().find(|row| row.kind == DocumentKind::TrailState).unwrap();
    let mut row = DocumentRow::clone(&row);
    let (key, before) = (RowKey::Document(row.kind, row.id), row.version);
    row.version += 1;
    row.body[20] ^= 1;
    let audit = note(Action::DocumentUpdate, row.id);
    let expects = vec![Expect::Version(key, before)];
    let commit = Commit { claim: None, expects, effects: vec![row.into()], audit };
    assert!(matches!(world.store.commit(commit).await.unwrap(), Outcome::Done { .. }));
}

/// Of several nodes one signs and hands on what all have written; another goes on where it is given up.
#[tokio::test]
async fn another_node_goes_on_with_the_export() {
    let one = World::shared().await;
    let two = one.beside(2).await;
    let (kept, shop) = (Arc::new(Kept::default()), one.shop(None).await);
    for world in [&one, &two] {
        export(&world.vault, &kept);
        world.card(&shop).await;
    }
    assert!(!two.vault.trail_checkpoint(true).await.unwrap(), "the other has the duty");
    step(&one.vault).await;
    one.card(&shop).await;
    two.card(&shop).await;
    // It has signed, and has not handed it on.
    assert!(one.vault.trail_checkpoint(true).await.unwrap());
    let lease =
        (panvault_vault::limits::LEASE_SECONDS + panvault_vault::limits::LEASE_SKEW_SECONDS + 1) * 1000;
    two.clock.pass_millis(lease);
    two.vault.lease_renew().await.unwrap();
    step(&two.vault).await;
    let there = written(&two).await;
    let (summary, records) = kept.read(public());
    assert_eq!((summary.records, summary.unproven), (there - 1, 0));
    let writers: std::collections::BTreeSet<_> = records.into_iter().map(|record| record.writer).collect();
    assert_eq!(writers.len(), 2);
}

/// Whoever has the first public key alone follows to the next.
#[tokio::test]
async fn a_key_that_is_renewed_is_vouched_for() {
    let mut world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    step(&world.vault).await;
    let mut header = vault_header(VAULT, 1);
    for _ in 0..2 {
        let now = panvault_model::Timestamp::from_unix_millis(1_800_000_000_000);
        header =
            header.renew(&root_key(1), VaultPurpose::TrailCheckpoint, now, &SeededEntropy::new(9)).unwrap();
        let open = || header.open(&root_key(1), VAULT, panvault_keys::KeyMode::Test).unwrap();
        world.vault = Vault::open(VaultParts { keys: open(), ..world.parts() }).await.unwrap();
        export(&world.vault, &kept);
        world.card(&shop).await;
        step(&world.vault).await;
    }
    let (summary, _) = kept.read(public());
    assert_eq!((summary.checkpoints, summary.unproven), (3, 0));
    // A vault with the keys of before signs nothing behind that.
    world.reopen().await.unwrap_err();
}

/// Takes nothing, and does not say so.
struct Silent;

impl TrailDestination for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn take<'a>(
        &'a self,
        _lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        Box::pin(core::future::pending())
    }
}

/// Each has its own position, and whether changes are made depends on the one that is furthest behind.
#[tokio::test]
async fn one_that_does_not_answer_keeps_no_other_waiting() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    let destinations: Vec<Arc<dyn TrailDestination>> = vec![Arc::new(Silent), Arc::clone(&kept) as _];
    world.vault.trail_export(TrailSettings {
        checkpoint_seconds: 60,
        destinations,
        recipients: Vec::new(),
        refuse_changes_after_seconds: 300,
    });
    world.card(&shop).await;
    let there = written(&world).await;
    world.vault.trail_checkpoint(true).await.unwrap();
    let vault = world.vault.clone();
    let delivering = tokio::spawn(async move { vault.trail_deliver().await });
    let arrived = async {
        while kept.lines.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), arrived).await.unwrap();
    assert_eq!(kept.read(public()).0.records, there);
    assert!(!delivering.is_finished());
    world.clock.pass_millis(299_000);
    world.vault.trail_allows_changes().unwrap();
    let behind: Vec<_> = world
        .vault
        .trail_status()
        .into_iter()
        .map(|at| (at.name, at.records_behind, at.lag_seconds))
        .collect();
    assert_eq!(behind, [("kept".to_owned(), 0, 0), ("silent".to_owned(), there, 299)]);
    world.clock.pass_millis(1_000);
    assert!(matches!(world.vault.trail_allows_changes(), Err(VaultError::TrailBehind)));
    // At the end nobody is waited for longer than that.
    let ended = world.vault.trail_end(Duration::from_millis(1));
    tokio::time::timeout(Duration::from_secs(120), ended).await.unwrap().unwrap();
    delivering.abort();
}

/// Fails by a bug while it is given something, as long as it is told to.
#[derive(Default)]
struct Broken {
    kept: Kept,
    is_broken: AtomicBool,
}

impl TrailDestination for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(!self.is_broken.load(Ordering::SeqCst), "a bug");
            self.kept.take(lines).await
        })
    }
}

/// A destination whose code panicked was given nothing more, and the status said of it that nothing was wrong.
#[tokio::test]
async fn a_panic_is_a_fault_of_the_destination_and_keeps_no_other_waiting() {
    let world = World::new().await;
    let (kept, broken) = (Arc::new(Kept::default()), Arc::new(Broken::default()));
    let shop = world.shop(None).await;
    world.vault.trail_export(TrailSettings {
        checkpoint_seconds: 60,
        destinations: vec![Arc::clone(&broken) as _, Arc::clone(&kept) as _],
        recipients: Vec::new(),
        refuse_changes_after_seconds: 0,
    });
    world.card(&shop).await;
    let there = written(&world).await;
    world.vault.trail_checkpoint(true).await.unwrap();
    broken.is_broken.store(true, Ordering::SeqCst);
    let said = || {
        let status = world.vault.trail_status().into_iter();
        status.map(|at| (at.name, at.records_behind, at.fault)).collect::<Vec<_>>()
    };
    // Again and again: no turn is left taken.
    for _ in 0..2 {
        world.vault.trail_deliver().await.unwrap();
        assert_eq!(
            said(),
            [("broken".to_owned(), there, Some(TrailFault::Panicked)), ("kept".to_owned(), 0, None)]
        );
    }
    broken.is_broken.store(false, Ordering::SeqCst);
    world.vault.trail_deliver().await.unwrap();
    assert_eq!(said(), [("broken".to_owned(), 0, None), ("kept".to_owned(), 0, None)]);
    assert_eq!(broken.kept.read(public()).0.records, there);
}

#[tokio::test]
async fn what_is_left_is_signed_at_the_end() {
    let world = World::new().await;
    let (kept, shop) = (Arc::new(Kept::default()), world.shop(None).await);
    export(&world.vault, &kept);
    step(&world.vault).await;
    world.card(&shop).await;
    let there = written(&world).await;
    world.vault.trail_end(Duration::from_secs(60)).await.unwrap();
    assert_eq!(kept.read(public()).0.records, there);
}

/// A batch has a bounded number of records, and what is more is in the next.
#[tokio::test]
async fn a_long_trail_leaves_in_parts() {
    let world = World::new().await;
    let shop = world.shop(None).await;
    let most = panvault_trail::limits::BATCH_RECORDS_MAX as u64;
    while written(&world).await <= most {
        world.card_create(&shop, VISA, None).await.unwrap();
    }
    let kept = Arc::new(Kept::default());
    export(&world.vault, &kept);
    world.vault.trail_end(Duration::from_secs(600)).await.unwrap();
    let (summary, _) = kept.read(public());
    assert_eq!(
        (summary.records, summary.checkpoints),
        (most + 2, 2),
        "with the record of the first checkpoint"
    );
}

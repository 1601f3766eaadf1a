//! Increments are made, harmed in every way, put in another order, and restored.

use panvault_store::AuditRecord;

use super::*;
use crate::data::header::tests::fill;

/// A full backup and two increments of a vault that goes on.
struct Chain {
    trial: Trial,
    paths: [PathBuf; 3],
}

impl Chain {
    fn new() -> Self {
        Self::of(Trial::new())
    }

    fn of(trial: Trial) -> Self {
        let full = trial.backup();
        trial.add("One");
        let first = trial.backup_since(&full.path);
        trial.with(async |open| drop(fill(open).await));
        let second = trial.backup_since(&first.path);
        assert_eq!((full.base, first.base, second.base), (None, Some(full.id), Some(first.id)));
        Self { trial, paths: [full.path, first.path, second.path] }
    }

    fn all(&self) -> [&Path; 3] {
        self.paths.each_ref().map(PathBuf::as_path)
    }
}

async fn records(open: &OpenVault) -> Vec<AuditRecord> {
    let Kept::Directory(store) = &open.kept else { panic!("it is in its directory") };
    let writer = store.audit_writers().await.unwrap()[0];
    store.audit_read(writer, 1, 1000).await.unwrap()
}

/// Deletes the card, and waits until the log has given up all that it had before.
async fn given_up(open: &OpenVault, trial: &Trial) {
    let caller = open.vault.caller(&trial.key, Origin::LOCAL).unwrap();
    let names = fs::read_dir(trial.vault().join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segments: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    open.vault.card_delete(&caller.permit().unwrap(), trial.card).await.unwrap();
    while segments.iter().any(|segment| segment.exists()) {
        tokio::task::yield_now().await;
    }
}

fn archived(trial: &Trial) -> usize {
    let names = fs::read_dir(trial.vault().join("log")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|end| end == "archived")).count()
}

#[test]
fn a_full_backup_and_its_increments_are_the_vault_as_of_the_last() {
    let Chain { trial, paths } = Chain::new();
    let written = trial.with(async |open| records(open).await);
    trial.add("After");
    let names: Vec<_> = files(&paths[2]).into_keys().collect();
    assert_eq!(names, ["frames.log", "keys.1", "keys.2", "manifest.json", "vault.toml"]);
    let whole = trial.verify(&trial.destination()).unwrap();
    assert_eq!((whole.cards, whole.transactions), (2, 2));
    let to = trial.directory.path().join("restored");
    // By the directory: the newest is meant, and what it goes on from is beside it.
    let restored = trial.restore(&trial.destination(), &to).unwrap().verified;
    let there = trial.with_vault(&to, async |open| {
        let Kept::Directory(store) = &open.kept else { panic!("it is in its directory") };
        let documents = store.document_read_all().await.unwrap();
        let organisations = documents.iter().filter(|row| row.kind == DocumentKind::Organisation);
        assert_eq!(organisations.count(), 3);
        let caller = open.vault.caller(&trial.key, Origin::LOCAL).unwrap();
        open.vault.card_read(&caller.permit().unwrap(), trial.card).await.unwrap();
        records(open).await
    });
    let order = usize::try_from(restored.manifest.order).unwrap();
    assert_eq!(there[..order], written[..order]);
    assert_eq!(there[order].note.action, Action::VaultRestore);
    let directory = DataDirectory::find(&to).unwrap();
    let keys = directory.header_by(&trial.slot()).unwrap().keys;
    assert_eq!(data::judged::examined(&directory, keys).unwrap().findings, []);
    // Elsewhere, by their names; and an earlier one alone.
    let elsewhere = trial.directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let moved = ["a", "b", "c"].map(|name| elsewhere.join(name));
    paths.iter().zip(&moved).for_each(|(from, to)| fs::rename(from, to).unwrap());
    let all = moved.each_ref().map(PathBuf::as_path);
    assert_eq!(trial.verify_all(&all).unwrap().manifest.order, whole.manifest.order);
    assert_eq!(trial.verify_all(&all[..2]).unwrap().cards, 1);
    assert_eq!(
        fs::read_dir(trial.directory.path()).unwrap().count(),
        5,
        "nothing is left of looking at them"
    );
}

#[test]
fn what_is_flipped_or_cut_of_any_of_them_is_refused_by_name() {
    let chain = Chain::new();
    for path in chain.all() {
        for (name, bytes) in files(path) {
            let file = path.join(&name);
            let at = [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
            let flipped = at.map(|at| {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                flipped
            });
            for harmed in flipped.iter().map(Vec::as_slice).chain([&bytes[..bytes.len() - 1], &[]]) {
                fs::write(&file, harmed).unwrap();
                let refused = chain.trial.verify_all(&chain.all()).err();
                let refused =
                    format!("{:#}", refused.unwrap_or_else(|| panic!("{name} of {}", path.display())));
                // What a manifest says of another backup may name that.
                let is_named = refused.contains(&name) && refused.contains(path.to_str().unwrap());
                assert!(is_named || name == MANIFEST, "{name} of {}: {refused}", path.display());
            }
            fs::remove_file(&file).unwrap();
            assert!(chain.trial.refused_all(&chain.all()).contains(&name), "missing: {name}");
            fs::write(&file, bytes).unwrap();
        }
        fs::write(path.join("note"), "").unwrap();
        assert!(chain.trial.refused_all(&chain.all()).contains("does not belong to the backup"));
        fs::remove_file(path.join("note")).unwrap();
    }
    chain.trial.verify_all(&chain.all()).unwrap();
}

/// A digest stands for each base: one that somebody made with its own manifest is none, though the vault wrote all of it.
#[test]
fn a_base_that_was_put_together_anew_is_refused() {
    // Where nothing is kept for the next backup alone, the log has what came behind the first for a while.
    let chain = Chain::of(Trial { archive_bytes_max: 0, ..Trial::new() });
    let [full, first, second] = chain.all();
    // The same step, of another backup of the same vault.
    let frames = |path: &Path| fs::read(path.join(FRAMES)).unwrap();
    let other = chain.trial.backup_since(full).path;
    assert_ne!(frames(&other), frames(first));
    let good = files(first);
    for name in ["manifest.json", FRAMES] {
        fs::copy(other.join(name), first.join(name)).unwrap();
    }
    let refused = chain.trial.refused_all(&[full, first, second]);
    assert!(refused.contains("one is missing between them"), "{refused}");
    put(first, &good);
    let manifest = String::from_utf8(good[MANIFEST].clone()).unwrap();
    fs::write(first.join(MANIFEST), manifest.replace("\"version\": \"", "\"version\": \"9")).unwrap();
    let refused = chain.trial.refused_all(&[full, first, second]);
    assert!(refused.contains("is not that which") && refused.contains(first.to_str().unwrap()), "{refused}");
}

#[test]
fn one_that_is_missing_doubled_in_another_order_or_of_another_vault_is_refused_by_name() {
    let chain = Chain::new();
    let [full, first, second] = chain.all();
    let stranger = Chain::new();
    let [_, theirs, _] = stranger.all();
    let names = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    for (backups, said, of) in [
        (vec![first, second], "is an increment of backup", first),
        (vec![full, second], "one is missing between them", second),
        (vec![full, second, first], "one is missing between them", second),
        (vec![full, first, first], "one is missing between them", first),
        (vec![full, full], "is a full backup", full),
        (vec![first, full], "is an increment of backup", first),
        (vec![full, theirs], "one is missing between them", theirs),
    ] {
        let refused = chain.trial.refused_all(&backups);
        assert!(refused.contains(said) && refused.contains(&names(of)), "{said}: {refused}");
    }
    fs::rename(first, chain.trial.directory.path().join("away")).unwrap();
    let refused = chain.trial.refused(second);
    assert!(refused.contains("that is not beside it"), "{refused}");
    // Without its manifest it was never finished, and is none.
    fs::rename(chain.trial.directory.path().join("away"), first).unwrap();
    fs::remove_file(first.join(MANIFEST)).unwrap();
    assert!(chain.trial.refused(second).contains("that is not beside it"));
}

#[test]
fn an_increment_is_asked_only_of_a_backup_that_is_this_vaults() {
    let (trial, stranger) = (Trial::new(), Trial::new());
    let (ours, theirs) = (trial.backup().path, stranger.backup().path);
    let refused = |since: &Path| {
        let refused = trial.try_backup_since(&trial.destination(), Some(since));
        format!("{:#}", refused.err().unwrap())
    };
    assert!(refused(&theirs).contains("is of vault"));
    assert!(refused(Path::new("backups")).contains("whole path"));
    let good = files(&ours);
    let forged = String::from_utf8(good[MANIFEST].clone()).unwrap();
    fs::write(ours.join(MANIFEST), forged.replace("\"order\": ", "\"order\": 1")).unwrap();
    assert!(refused(&ours).contains("was not written by the vault"));
    assert_eq!(fs::read_dir(trial.destination()).unwrap().count(), 1, "nothing is made");
    // Whoever names a directory in which there is none yet begins with a full one.
    for none in [trial.directory.path().join("nowhere"), stranger.destination()] {
        let made = trial.try_backup_since(&trial.destination(), Some(&none)).unwrap();
        assert!(made.full_because.unwrap().contains("has no backup yet"));
    }
}

/// What the log gives up is kept until the next backup; where it is not, or no longer, the backup is a full one and says why.
#[test]
fn what_the_log_gave_up_is_in_the_increment_or_it_is_a_full_backup() {
    let mut trial = Trial::new();
    let full = trial.backup();
    let (card, _, key) = trial.with(async |open| fill(open).await);
    (trial.card, trial.key) = (card, key);
    trial.with(async |open| given_up(open, &trial).await);
    assert!(archived(&trial) >= 1);
    let increment = trial.backup_since(&full.path);
    assert_eq!((increment.base, increment.full_because), (Some(full.id), None));
    assert_eq!(trial.verify(&increment.path).unwrap().cards, 1);
    trial.with(async |_| ());
    assert_eq!(archived(&trial), 0, "the next goes on from that one");
    // The archive went with that backup.
    let again = trial.backup_since(&full.path);
    assert_eq!(again.base, None);
    assert!(again.full_because.unwrap().contains("no longer has what came behind step"));
    trial.verify(&again.path).unwrap();

    trial.archive_bytes_max = 0;
    let (card, _, key) = trial.with(async |open| fill(open).await);
    (trial.card, trial.key) = (card, key);
    let last = trial.backup();
    trial.with(async |open| given_up(open, &trial).await);
    let made = trial.backup_since(&last.path);
    assert!(made.full_because.unwrap().contains("backup_archive_bytes"));
    assert_eq!(trial.verify(&made.path).unwrap().cards, 1);
}

/// Keys that were destroyed stayed in what is kept, wrapped as they were, until the next backup. Now it goes with them, and the next backup is a full one.
#[test]
fn nothing_is_kept_of_before_keys_were_destroyed() {
    let trial = Trial::new();
    let base = trial.backup();
    let made = trial.with(async |open| {
        let new = NewOrganisation { name: "Gone".to_owned(), ..NewOrganisation::default() };
        let gone = open.vault.organisation_create(&open.operator().unwrap().permit().unwrap(), new).await;
        let gone = gone.unwrap().id;
        given_up(open, &trial).await;
        while archived(&trial) == 0 {
            tokio::task::yield_now().await;
        }
        open.vault.key_destroy(&open.operator().unwrap().permit().unwrap(), gone, gone).await.unwrap();
        while archived(&trial) > 0 {
            tokio::task::yield_now().await;
        }
        let backups = open.backups(&trial.vault());
        let permit = open.operator().unwrap().permit().unwrap();
        backups.make(&permit, &trial.destination(), Some(&base.path)).await.unwrap()
    });
    assert!(made.full_because.unwrap().contains("when keys are destroyed"));
    trial.verify(&made.path).unwrap();
}

/// A vault that was restored repeats numbers of steps: they are other steps.
#[test]
fn a_vault_that_was_restored_does_not_go_on_from_backups_of_before() {
    let Chain { trial, paths } = Chain::new();
    let trial = Trial { archive_bytes_max: 0, ..trial };
    fs::remove_dir_all(trial.vault()).unwrap();
    trial.restore(&paths[0], &trial.vault()).unwrap();
    let ahead = trial.backup_since(&paths[2]);
    assert!(ahead.full_because.unwrap().contains("it was restored from an earlier one"));
    for n in 0..20 {
        trial.add(&format!("{n}"));
    }
    let another = trial.backup_since(&paths[2]);
    let because = another.full_because.unwrap();
    assert!(because.contains("went another way"), "{because}");
    trial.verify(&another.path).unwrap();
    let next = trial.backup_since(&another.path);
    assert_eq!(next.base, Some(another.id));
}

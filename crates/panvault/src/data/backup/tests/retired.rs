//! Records of the trail that are kept no longer, of a vault in its directory: what is left verifies, and what is done to it shows.

use core::time::Duration;

use panvault_keys::{KeyState, SystemEntropy, VaultPurpose};
use panvault_vault::{Clock, SystemClock};
use rusqlite::Connection;

use super::*;
use crate::data::header::tests::fill;

/// Two looks: the records go with the second.
fn retire(trial: &Trial) {
    let retired = trial.with(async |open| {
        let retired = open.vault.audit_retire(0).await.unwrap();
        open.vault.audit_retire(0).await.unwrap();
        retired
    });
    assert!(retired > 4, "{retired}");
}

fn findings(trial: &Trial) -> Vec<String> {
    let directory = DataDirectory::find(&trial.vault()).unwrap();
    let keys = directory.header_by(&trial.slot()).unwrap().keys;
    let examined = data::judged::examined(&directory, keys).unwrap();
    examined.findings.iter().map(|finding| format!("{finding:?}")).collect()
}

/// The records are gone from the file, and rows of before, their changes since, and rows of after are all held against what is left.
#[test]
fn a_trail_whose_beginning_is_gone_verifies_is_backed_up_and_restored() {
    let trial = Trial::new();
    trial.add("Before");
    retire(&trial);
    assert_eq!(findings(&trial), Vec::<String>::new());
    trial.with(async |open| {
        let caller = open.vault.caller(&trial.key, Origin::LOCAL).unwrap();
        fill(open).await;
        let card = open.vault.card_read(&caller.permit().unwrap(), trial.card).await;
        assert_eq!(card.unwrap().row.id, trial.card);
    });
    trial.add("After");
    assert_eq!(findings(&trial), Vec::<String>::new());
    retire(&trial);
    assert_eq!(findings(&trial), Vec::<String>::new());
    let view = Connection::open(trial.vault().join("view.sqlite")).unwrap();
    let first: i64 = view.query_row("SELECT min(first_sequence) FROM chain", [], |row| row.get(0)).unwrap();
    assert!(first > 8, "{first}");
    drop(view);
    let made = trial.backup();
    trial.verify(&made.path).unwrap();
    let to = trial.directory.path().join("elsewhere");
    trial.restore(&made.path, &to).unwrap();
    trial.with_vault(&to, async |open| {
        assert!(open.vault.caller(&trial.key, Origin::LOCAL).is_ok());
    });
}

/// Whoever can write to the directory takes rows of before away, or puts back where the trail began, or cuts more off.
#[test]
fn what_is_done_to_a_trail_whose_beginning_is_gone_shows() {
    for (said, sql) in [
        ("organisation", "DELETE FROM card"),
        ("organisation", "DELETE FROM payment"),
        ("kept no longer", "DELETE FROM document WHERE kind = 16"),
        (
            "does not verify",
            "DELETE FROM chain WHERE first_sequence < (SELECT max(first_sequence) FROM chain)",
        ),
        (
            "does not verify",
            "UPDATE chain SET notes = (SELECT notes FROM chain ORDER BY first_sequence DESC LIMIT 1)",
        ),
    ] {
        let trial = Trial::new();
        retire(&trial);
        trial.add("After");
        let view = Connection::open(trial.vault().join("view.sqlite")).unwrap();
        view.execute_batch(sql).unwrap();
        drop(view);
        let found = findings(&trial);
        assert!(found.iter().any(|finding| finding.contains(said)), "{sql}: {found:?}");
    }
}

/// Records that go are in no commit: a vault that is put together of increments has them until it looks itself, and is whole meanwhile.
#[test]
fn records_that_are_kept_no_longer_are_no_part_of_an_increment() {
    let trial = Trial::new();
    let full = trial.backup();
    trial.add("Between");
    retire(&trial);
    trial.add("After");
    let made = trial.backup_since(&full.path);
    assert_eq!(made.base, Some(full.id), "{:?}", made.full_because);
    trial.verify(&made.path).unwrap();
    let to = trial.directory.path().join("restored");
    trial.restore(&made.path, &to).unwrap();
    let directory = DataDirectory::find(&to).unwrap();
    let keys = directory.header_by(&trial.slot()).unwrap().keys;
    assert_eq!(data::judged::examined(&directory, keys).unwrap().findings, []);
}

/// A key of the chain goes when trail and log have nothing more that it chained; backups from before have it, and none but a full one goes on from what was made under it.
#[test]
fn a_key_of_the_chain_goes_with_what_it_chained() {
    let trial = Trial::new();
    let before = trial.backup();
    let directory = DataDirectory::find(&trial.vault()).unwrap();
    let now = SystemClock::start().now().wall;
    let changed = runtime().block_on(directory.header_change(&trial.slot(), |header, root| {
        header.renew(root, VaultPurpose::AuditChain, now, &SystemEntropy::new())
    }));
    changed.map(drop).unwrap();
    drop(directory);
    trial.add("After");
    assert_eq!(findings(&trial), Vec::<String>::new(), "one chain under two keys");
    let between = trial.backup();
    let states = |open: &OpenVault| {
        let keys = open.vault.key_inventory(&open.operator().unwrap().permit().unwrap()).unwrap();
        let keys = keys.into_iter().map(|key| key.described);
        keys.filter(|key| key.purpose == VaultPurpose::AuditChain).map(|key| key.state).collect::<Vec<_>>()
    };
    trial.with(async |open| {
        assert_eq!(states(open), [KeyState::OpenOnly, KeyState::Active]);
        for round in 0.. {
            fill(open).await;
            open.vault.audit_retire(0).await.unwrap();
            if states(open) == [KeyState::Destroyed, KeyState::Active] {
                break;
            }
            assert!(round < 50, "it is still needed");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(findings(&trial), Vec::<String>::new());
    // Its bytes leave the header, and the vault opens without it.
    let directory = DataDirectory::find(&trial.vault()).unwrap();
    let changed = runtime().block_on(
        directory
            .header_change(&trial.slot(), |header, root| header.rewrap(root, root, &SystemEntropy::new())),
    );
    changed.map(drop).unwrap();
    drop(directory);
    trial.add("Later");
    assert_eq!(findings(&trial), Vec::<String>::new());
    // All that came behind this one is under the next key; what it has itself of the one before is kept no longer.
    let made = trial.backup_since(&between.path);
    assert_eq!(made.base, Some(between.id), "{:?}", made.full_because);
    let full = trial.backup_since(&before.path);
    assert!(full.base.is_none() && full.full_because.is_some());
    for (at, backup) in [&before, &between, &made, &full].into_iter().enumerate() {
        trial.verify(&backup.path).unwrap();
        let to = trial.directory.path().join(format!("restored-{at}"));
        trial.restore(&backup.path, &to).unwrap();
        trial.with_vault(&to, async |open| {
            assert!(open.vault.caller(&trial.key, Origin::LOCAL).is_ok());
        });
    }
}

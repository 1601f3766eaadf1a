//! Backups are held against the exported trail, and what that says has ended since ends in the restored vault.

use core::time::Duration;
use std::collections::BTreeSet;

use panvault_keys::{SystemEntropy, VaultPurpose};
use panvault_model::{ApiKeyId, OrganisationId, Role};
use panvault_trail::{AgeIdentity, AgeRecipient, Summary};
use panvault_vault::{
    ApiKeyRotation, CardDelete, Clock, NewApiKey, OrganisationChange, OrganisationRead, SystemClock,
    VaultError,
};

use super::*;
use crate::trail::{TrailConfig, exported};

impl Trial {
    fn file(&self) -> PathBuf {
        self.directory.path().join("trail.jsonl")
    }

    /// Does something with a vault whose trail goes to this file, all of it.
    fn exporting<T>(&self, vault: &Path, file: &Path, work: impl AsyncFnOnce(&OpenVault) -> T) -> T {
        self.exporting_to(vault, file, &[], work)
    }

    /// The same, for those alone who may read it.
    fn exporting_to<T>(
        &self,
        vault: &Path,
        file: &Path,
        recipients: &[AgeRecipient],
        work: impl AsyncFnOnce(&OpenVault) -> T,
    ) -> T {
        self.with_vault(vault, async |open| {
            let (file, recipients) = (Some(file.to_owned()), recipients.to_vec());
            let config = TrailConfig { file, recipients, checkpoint_seconds: 3600, ..TrailConfig::default() };
            open.vault.trail_export(config.settings());
            let done = work(open).await;
            open.vault.trail_end(Duration::from_secs(600)).await.unwrap();
            done
        })
    }

    fn export(&self, files: &[PathBuf]) -> Export {
        let keys = DataDirectory::find(&self.vault()).unwrap().header_by(&self.slot()).unwrap().keys;
        Export {
            files: files.to_vec(),
            keys: keys.checkpoint_keys().map(|(_, key)| key.public()).collect(),
            identities: Vec::new(),
            accept_older: None,
            accept_unapplied: BTreeSet::new(),
        }
    }

    fn held(&self, backup: &Path, export: &Export) -> anyhow::Result<RestoredVault> {
        let to = self.directory.path().join("restored");
        self.restore_all(&[backup], &to, Some(export))
    }

    /// Why a backup is not restored beside this export. Nothing is made.
    fn held_refused(&self, backup: &Path, export: &Export) -> String {
        let refused = format!("{:#}", self.held(backup, export).err().expect("a vault is made of it"));
        assert!(!self.directory.path().join("restored").exists());
        refused
    }

    fn proved(&self, file: &Path) -> Summary {
        let keys = self.export(&[]).keys;
        let read = exported(&[file.to_owned()], keys, Vec::new(), &mut |_, _| ()).unwrap();
        assert_eq!(read.fault, None);
        read.summary
    }
}

async fn organisation(open: &OpenVault, name: &str) -> OrganisationId {
    let new = NewOrganisation { name: name.to_owned(), ..NewOrganisation::default() };
    open.vault.organisation_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap().id
}

async fn api_key(open: &OpenVault, organisation: OrganisationId) -> (ApiKeyId, String) {
    let new = NewApiKey {
        organisation,
        name: "Another".to_owned(),
        roles: vec![Role::MerchantUser],
        expires_at: None,
        allowed_origins: Vec::new(),
    };
    let made = open.vault.apikey_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap();
    (made.0.id, made.1.expose_text().to_owned())
}

/// The export is encrypted from some day on; whoever restores needs the assessor's identity, and is told so.
#[test]
fn a_backup_is_held_against_an_encrypted_export_by_its_identity() {
    let trial = Trial::new();
    let (vault, file) = (trial.vault(), trial.file());
    let (assessor, other) = (
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
        "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6",
    );
    let recipient = AgeIdentity::parse(assessor).unwrap().recipient();
    let shop = trial.exporting(&vault, &file, async |open| organisation(open, "Shop").await);
    let made = trial.backup();
    trial.exporting_to(&vault, &file, &[recipient], async |open| {
        let permit = open.operator().unwrap().permit().unwrap();
        open.vault.organisation_delete(permit, shop).await.unwrap();
    });
    let written = |name: &str, text: &str| {
        let path = trial.directory.path().join(name);
        crate::data::write_private(&path, text.as_bytes()).unwrap();
        path
    };
    let by = |identities: Vec<PathBuf>| Export {
        identities,
        accept_older: Some(made.id),
        ..trial.export(std::slice::from_ref(&file))
    };
    let wrong = written("other", other);
    for (identities, said) in [
        (Vec::new(), format!("encrypted to {recipient}")),
        (vec![wrong], format!("encrypted to {recipient}")),
        (vec![written("none", "# nothing\n")], "has no identity of age".to_owned()),
        (vec![written("typing", &assessor.replace('9', "8"))], "no native identity of age".to_owned()),
    ] {
        let refused = trial.held_refused(&made.path, &by(identities));
        assert!(refused.contains(&said) && !refused.contains("SECRET-KEY-1G"), "{refused}");
    }
    let identity = written("identity", &format!("# of the assessor\n{assessor}\n"));
    let (_, applied) = trial.held(&made.path, &by(vec![identity])).unwrap().since.unwrap();
    assert_eq!(applied.done.get("deleted organisations"), Some(&1), "{:?}", applied.done);
}

#[test]
fn an_increment_is_held_against_the_export_as_a_full_backup_is() {
    let trial = Trial::new();
    let (vault, file) = (trial.vault(), trial.file());
    let shop = trial.exporting(&vault, &file, async |open| organisation(open, "Shop").await);
    let full = trial.backup();
    trial.exporting(&vault, &file, async |open| organisation(open, "Other").await);
    let made = trial.backup_since(&full.path);
    assert_eq!(made.base, Some(full.id));
    trial.exporting(&vault, &file, async |open| {
        let permit = open.operator().unwrap().permit().unwrap();
        open.vault.organisation_delete(permit, shop).await.unwrap();
    });
    let export = |accept_older| Export { accept_older, ..trial.export(std::slice::from_ref(&file)) };
    assert!(trial.held_refused(&made.path, &export(None)).contains("the vault went on"));
    assert!(trial.held_refused(&made.path, &export(Some(full.id))).contains("names another backup"));
    let (since, applied) = trial.held(&made.path, &export(Some(made.id))).unwrap().since.unwrap();
    assert_eq!(applied.done.get("deleted organisations"), Some(&1), "{:?}", applied.done);
    assert!(!since.not_in_backup().contains_key("document_create"), "the increment has it");
}

#[test]
fn what_has_ended_since_the_backup_ends_in_the_restored_vault() {
    let trial = Trial::new();
    let (vault, file) = (trial.vault(), trial.file());
    let (erased, disabled, gone, revoked, rotated, kept) = trial.exporting(&vault, &file, async |open| {
        let erased = organisation(open, "Erased").await;
        let shop = organisation(open, "Keys").await;
        let revoked = api_key(open, shop).await;
        let rotated = api_key(open, shop).await;
        let kept = api_key(open, shop).await;
        let gone = organisation(open, "Gone").await;
        (erased, organisation(open, "Disabled").await, gone, revoked, rotated, kept)
    });
    let made = trial.backup();
    let new = trial.exporting(&vault, &file, async |open| {
        let operator = || open.operator().unwrap();
        let vault = &open.vault;
        vault.card_delete(&operator().permit::<CardDelete>().unwrap(), trial.card).await.unwrap();
        vault.apikey_delete(&operator().permit().unwrap(), revoked.0).await.unwrap();
        let rotation = ApiKeyRotation { overlap_seconds: 3600, expires_at: None };
        vault.apikey_rotate(&operator().permit().unwrap(), rotated.0, rotation, None).await.unwrap();
        vault.key_destroy(&operator().permit().unwrap(), erased, erased).await.unwrap();
        let change = OrganisationChange { disabled: Some(true), ..OrganisationChange::default() };
        vault.organisation_update(&operator().permit().unwrap(), disabled, change, None).await.unwrap();
        // Made and gone again: the backup has neither.
        let new = organisation(open, "New").await;
        for organisation in [new, gone] {
            let permit = operator().permit().unwrap();
            vault.organisation_delete(permit, organisation).await.unwrap();
        }
        new
    });
    let mut export = trial.export(std::slice::from_ref(&file));
    let refused = trial.held_refused(&made.path, &export);
    let (place, id) = (format!("record {} of", made.order), format!("--accept-older {}", made.id));
    assert!(refused.contains(&place) && refused.contains(&id), "{refused}");
    export.accept_older = Some(new.0);
    assert!(trial.held_refused(&made.path, &export).contains("names another backup"));
    export.accept_older = Some(made.id);
    let restored = trial.held(&made.path, &export).unwrap_or_else(|error| panic!("{error:#}"));
    let (since, applied) = restored.since.unwrap();
    let done: Vec<_> = applied.done.into_iter().collect();
    let expected = [
        ("deleted cards", 1),
        ("deleted organisations", 1),
        ("destroyed all keys of organisations", 1),
        ("disabled organisations and accounts", 2),
        ("ended API keys that were rotated or changed", 1),
        ("revoked API keys", 1),
    ];
    assert_eq!(done, expected);
    assert!(applied.unapplied.is_empty());
    assert_eq!(since.not_in_backup().get("document_create"), Some(&2), "a key and an organisation");

    let to = trial.directory.path().join("restored");
    let before = trial.proved(&file);
    // It is served, and its trail goes on in the same file.
    trial.exporting(&to, &file, async |open| {
        let operator = || open.operator().unwrap();
        for (key, works) in [(&revoked.1, false), (&rotated.1, false), (&kept.1, true), (&trial.key, true)] {
            assert_eq!(open.vault.caller(key, Origin::LOCAL).is_ok(), works);
        }
        let gone = open.vault.card_read(&operator().permit().unwrap(), trial.card).await;
        assert!(matches!(gone, Err(VaultError::NotFound(_))));
        for organisation in [erased, disabled] {
            let permit = operator().permit::<OrganisationRead>().unwrap();
            assert!(open.vault.organisation_read(&permit, organisation).unwrap().disabled);
        }
        let Kept::Directory(store) = &open.kept else { panic!("it is in its directory") };
        let writer = store.audit_writers().await.unwrap()[0];
        let first = &store.audit_read(writer, made.order + 1, 1).await.unwrap()[0];
        assert_eq!(
            (first.note.action, first.note.object),
            (Action::VaultRestore, made.id),
            "before all else"
        );
        let actions: Vec<_> = trail(open).await.into_iter().map(|(action, _)| action).collect();
        let again = &actions[usize::try_from(made.order).unwrap()..];
        for action in [Action::CardDelete, Action::DocumentDelete, Action::KeyDestroy] {
            assert!(again.contains(&action), "{action:?}");
        }
    });
    let after = trial.proved(&file);
    assert_eq!(after.restored.len(), 1);
    assert_eq!(after.restored[0].backup, Some(made.id.to_string()));
    assert_eq!(after.restored[0].abandoned, before.last + 1 - after.restored[0].sequence);
}

#[test]
fn an_export_that_the_backup_does_not_stand_in_is_refused() {
    let (trial, stranger) = (Trial::new(), Trial::new());
    let (vault, file) = (trial.vault(), trial.file());
    trial.exporting(&vault, &file, async |_| ());
    let early = fs::read(&file).unwrap();
    trial.exporting(&vault, &file, async |open| organisation(open, "Before").await);
    let made = trial.backup();
    trial.exporting(&vault, &file, async |open| organisation(open, "After").await);
    trial.exporting(&vault, &file, async |open| organisation(open, "Later").await);
    let good = fs::read(&file).unwrap();
    let mut export = trial.export(std::slice::from_ref(&file));
    export.accept_older = Some(made.id);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let last = lines.iter().rposition(|line| line.starts_with(b"{\"type\":\"checkpoint\"")).unwrap();
    let before =
        lines[..last].iter().rposition(|line| line.starts_with(b"{\"type\":\"checkpoint\"")).unwrap();
    let changed = {
        let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        lines[1][0] ^= 1;
        lines.concat()
    };
    for (what, bytes, said) in [
        ("it ends before", early.clone(), "it says nothing of what came after the backup"),
        ("it begins after", lines[before + 1..].concat(), "name the files before these too"),
        ("a line is missing", [&lines[..3], &lines[4..]].concat().concat(), "line 4: record 4 is missing"),
        ("a line was changed", changed, "line 2: "),
        ("it has no checkpoint", lines[..3].concat(), "nothing is proved"),
    ] {
        fs::write(&file, bytes).unwrap();
        let refused = trial.held_refused(&made.path, &export);
        assert!(refused.contains(said), "{what}: {refused}");
    }
    let theirs = stranger.file();
    stranger.exporting(&stranger.vault(), &theirs, async |_| ());
    let of_stranger = Export { accept_older: Some(made.id), ..stranger.export(&[theirs]) };
    assert!(trial.held_refused(&made.path, &of_stranger).contains("the exported trail is of vault"));
    // The vault was restored elsewhere, and both went on.
    fs::write(&file, &good).unwrap();
    let copy = trial.directory.path().join("copy");
    trial.restore(&made.path, &copy).map(drop).unwrap();
    let theirs = trial.with_vault(&copy, async |open| {
        let backups = open.backups(&copy);
        backups.make(&open.operator().unwrap().permit().unwrap(), &trial.destination(), None).await.unwrap()
    });
    export.accept_older = Some(theirs.id);
    assert!(trial.held_refused(&theirs.path, &export).contains("is another than the backup has"));
}

/// Another header of keys may be one with a slot less: a restore cannot bring that about.
#[test]
fn what_cannot_be_applied_is_named_by_its_line_and_accepted_by_its_record() {
    let trial = Trial::new();
    let (vault, file) = (trial.vault(), trial.file());
    trial.exporting(&vault, &file, async |_| ());
    let made = trial.backup();
    let directory = DataDirectory::find(&vault).unwrap();
    let now = SystemClock::start().now().wall;
    let changed = runtime().block_on(directory.header_change(&trial.slot(), |header, root| {
        header.renew(root, VaultPurpose::TrailCheckpoint, now, &SystemEntropy::new())
    }));
    changed.map(drop).unwrap();
    trial.exporting(&vault, &file, async |_| ());
    let mut export = trial.export(std::slice::from_ref(&file));
    export.accept_older = Some(made.id);
    let refused = trial.held_refused(&made.path, &export);
    assert!(refused.contains("the header of keys is that of the backup"), "{refused}");
    let records = refused.split("record ").skip(1).filter_map(|rest| rest.split(',').next()?.parse().ok());
    export.accept_unapplied = records.collect();
    assert!(refused.contains(&format!("{}, line ", file.display())) && !export.accept_unapplied.is_empty());
    let restored = trial.held(&made.path, &export).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(restored.since.unwrap().1.unapplied.len(), export.accept_unapplied.len());
}

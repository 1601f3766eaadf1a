use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use panvault_card::{Cvv, NewCard, Pan};
use panvault_keys::{KeyFile, NewSlot, SystemEntropy};
use panvault_model::{Amount, CardId, CardKind, Currency, Expiry, Role, Timestamp, TransactionId};
use panvault_testkit::{canary_cards, root_key, slot_key, vault_header};
use panvault_vault::{
    Given, Metadata, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor, NewTransaction, Origin,
    Webhooks,
};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::data::{self, DataDirectory, OpenSettings, OpenVault, small_store};

const VAULT: VaultId = VaultId::from_bytes([3; 12]);

/// The slot of those headers.
struct TestSlot;

impl Slot for TestSlot {
    fn open(&self, _: &Header) -> Result<SlotKey, KeysError> {
        Ok(slot_key())
    }

    fn describe(&self) -> String {
        "test".to_owned()
    }
}

fn opened(directory: &Path) -> Result<OpenHeader, Vec<CopyFault>> {
    open(directory, &TestSlot, VAULT, KeyMode::Test).map_err(|unopened| match unopened {
        Unopened::Copies(faults) => faults,
        Unopened::Slot(_) => Vec::new(),
    })
}

/// A directory with both copies of a header, and the bytes of a copy.
fn copies() -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let header = vault_header(VAULT, 1);
    write(directory.path(), &header).unwrap();
    (directory, header.encode())
}

/// Whatever is done to one copy, the other serves, and the one is named and written anew; done to both, the vault stays sealed.
fn is_found(said: &str, harm: &dyn Fn(&Path)) {
    let (directory, good) = copies();
    let path = |name| directory.path().join(name);
    for (harmed, other) in [(COPIES[0], COPIES[1]), (COPIES[1], COPIES[0])] {
        harm(&path(harmed));
        let opened = opened(directory.path()).ok().unwrap();
        let faults: Vec<String> = opened.copies.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(harmed) && faults[0].contains(said), "{faults:?}");
        assert_eq!(fs::read(path(other)).unwrap(), good);
        opened.copies.mend(directory.path());
        let metadata = fs::symlink_metadata(path(harmed)).unwrap();
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o7777 == 0o600);
        assert_eq!(fs::read(path(harmed)).unwrap(), good);
        assert!(!path(NEW).exists());
    }
    COPIES.iter().for_each(|name| harm(&path(name)));
    let faults = opened(directory.path()).err().unwrap();
    for (fault, name) in faults.iter().zip(COPIES) {
        assert!(fault.to_string().contains(name) && fault.to_string().contains(said), "{fault}");
    }
    assert_eq!(faults.len(), 2);
}

#[test]
fn both_copies_are_the_same_and_for_their_owner_only() {
    let (directory, good) = copies();
    for name in COPIES {
        let path = directory.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read(path).unwrap(), good);
    }
    assert!(opened(directory.path()).unwrap_or_else(|_| panic!("sealed")).copies.faults.is_empty());
}

#[test]
fn a_copy_that_is_lost_or_no_file_or_too_long_is_found() {
    is_found("is missing", &|path| fs::remove_file(path).unwrap());
    is_found("is longer than any header", &|path| fs::write(path, vec![0; HEADER_BYTES_MAX + 1]).unwrap());
    is_found("is damaged", &|path| fs::write(path, vec![0; HEADER_BYTES_MAX]).unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    is_found("is a symbolic link", &|path| {
        // It leads to a good header, which is not read and not written through.
        fs::write(&target, vault_header(VAULT, 1).encode()).unwrap();
        fs::remove_file(path).unwrap();
        symlink(&target, path).unwrap();
    });
    is_found("is not a regular file", &|path| {
        fs::remove_file(path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    });
}

#[test]
fn a_copy_that_is_cut_or_flipped_anywhere_is_found() {
    let (directory, good) = copies();
    let harmed = directory.path().join(COPIES[0]);
    let harm = |bytes: &[u8], what: &str| {
        fs::write(&harmed, bytes).unwrap();
        let opened = opened(directory.path()).unwrap_or_else(|_| panic!("{what}: sealed"));
        assert_eq!(opened.copies.faults.len(), 1, "{what}");
        assert!(opened.copies.faults[0].to_string().contains("keys.1 does not open"), "{what}");
    };
    for at in 0..good.len() {
        harm(&good[..at], &format!("cut at {at}"));
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        harm(&flipped, &format!("byte {at}"));
    }
    fs::write(directory.path().join(COPIES[1]), &good[1..]).unwrap();
    assert!(opened(directory.path()).is_err());
}

/// The newest of two good copies serves, whichever it is.
#[test]
fn a_copy_that_was_rolled_back_is_found() {
    let (directory, old) = copies();
    let new = vault_header(VAULT, 1).rewrap(&root_key(1), &root_key(1), &SystemEntropy::new()).unwrap();
    for (older, name) in [(COPIES[0], "keys.1 is older"), (COPIES[1], "keys.2 is older")] {
        write(directory.path(), &new).unwrap();
        fs::write(directory.path().join(older), &old).unwrap();
        let opened = opened(directory.path()).ok().unwrap();
        assert_eq!(opened.keys.header_version(), 2);
        assert!(opened.copies.faults[0].to_string().contains(name));
        opened.copies.mend(directory.path());
        assert_eq!(fs::read(directory.path().join(older)).unwrap(), new.encode());
    }
}

/// A server puts the next header in its place, in both copies or in none, and of two at once one.
#[test]
fn a_header_takes_the_place_of_the_one_before_and_of_no_other() {
    let (directory, old) = copies();
    let next =
        |header: &Header, root| header.rewrap(&root_key(1), &root_key(root), &SystemEntropy::new()).unwrap();
    let first = Header::parse(&old).unwrap();
    let (ours, theirs) = (next(&first, 1).encode(), next(&first, 1).encode());
    let kept = || COPIES.map(|name| fs::read(directory.path().join(name)).unwrap());
    let replace = |header: &[u8], before| replace_files(directory.path(), header, before);

    assert_eq!(replace(&ours, 2), Ok(false), "it is not of the version that is there");
    assert_eq!(kept(), [old.clone(), old.clone()]);
    assert_eq!(replace(&ours, 1), Ok(true));
    assert_eq!(replace(&theirs, 1), Ok(false));
    assert_eq!(kept(), [ours.clone(), ours.clone()]);
    // A process that died between the copies, and the same change once more; somebody else's is refused.
    for (half, whole) in [(COPIES[0], COPIES[1]), (COPIES[1], COPIES[0])] {
        fs::write(directory.path().join(half), &ours).unwrap();
        fs::write(directory.path().join(whole), &old).unwrap();
        assert_eq!(replace(&theirs, 1), Ok(false));
        assert_eq!(replace(&ours, 1), Ok(true));
        assert_eq!(kept(), [ours.clone(), ours.clone()]);
    }
    // A copy that is damaged is in nobody's way; two of them are.
    let third = next(&Header::parse(&ours).unwrap(), 1).encode();
    fs::write(directory.path().join(COPIES[1]), b"damaged").unwrap();
    assert_eq!(replace(&third, 2), Ok(true));
    COPIES.iter().for_each(|name| fs::write(directory.path().join(name), b"damaged").unwrap());
    assert_eq!(replace(&third, 3), Ok(false));
}

/// Where the second copy cannot be written, the first is as it was.
#[test]
fn a_header_that_cannot_be_written_changes_nothing() {
    let (directory, old) = copies();
    let next = vault_header(VAULT, 1).rewrap(&root_key(1), &root_key(2), &SystemEntropy::new()).unwrap();
    let second = directory.path().join(COPIES[1]);
    fs::remove_file(&second).unwrap();
    fs::create_dir_all(second.join("in the way")).unwrap();
    assert_eq!(replace_files(directory.path(), &next.encode(), 1), Err(StoreFault::Full));
    assert_eq!(fs::read(directory.path().join(COPIES[0])).unwrap(), old);
    fs::remove_dir_all(&second).unwrap();
    assert_eq!(replace_files(directory.path(), &next.encode(), 1), Ok(true));
}

/// A vault with one of everything, and what must be as it was.
pub(super) struct Filled {
    pub(super) directory: tempfile::TempDir,
    card: CardId,
    transaction: TransactionId,
    key: String,
}

const REQUEST: (&str, &str, &[u8]) = ("/v1/card", "key", b"body");

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn new_card() -> NewCard {
    let number = canary_cards(1, 1).remove(0).number;
    let pan = Pan::parse(&number).unwrap();
    let cvv = Cvv::parse("111", None).ok();
    NewCard { pan, kind: CardKind::Card, expiry: Expiry::new(2040, 12).unwrap(), cvv, holder: None }
}

impl Filled {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        data::create(&path, Mode::Test, &directory.path().join("old.key"), &small_store(), |_| Ok(()))
            .unwrap();
        let (card, transaction, key) = runtime().block_on(async {
            let open =
                DataDirectory::find(&path).unwrap().open(&settings(&directory, "old.key")).await.unwrap();
            let filled = fill(&open).await;
            open.vault.close().await.unwrap();
            filled
        });
        Self { directory, card, transaction, key }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("vault")
    }

    pub(super) fn key_file(&self, name: &str) -> KeyFile {
        KeyFile::new(self.directory.path().join(name))
    }

    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&Header, &RootKey) -> Result<Header, KeysError>,
    ) -> anyhow::Result<Header> {
        let found = DataDirectory::find(&self.path()).unwrap();
        runtime().block_on(found.header_change(&self.key_file(key), change))
    }

    /// Adds the slot of a new key file.
    pub(super) fn add(&self, old: &str, new: &str) {
        let key = SlotKey::make(&SystemEntropy::new()).unwrap();
        self.key_file(new).create(&key).unwrap();
        let slot = NewSlot::of_key_file(&key, new).unwrap();
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        self.change(old, |header, root| header.slot_add(root, slot, now, &SystemEntropy::new())).unwrap();
    }

    /// Removes the slot of a key file, and with it replaces the root key, by the word of another.
    pub(super) fn remove(&self, by: &str, number: u16) {
        let entropy = SystemEntropy::new();
        let new = RootKey::make(&entropy).unwrap();
        self.change(by, |header, old| header.slot_remove(old, &new, number, &entropy)).unwrap();
    }

    /// Another key file in the place of one, and another root key.
    fn replace(&self, old: &str, new: &str, number: u16) {
        self.add(old, new);
        self.remove(new, number);
    }

    /// Opens it under a root key, and finds everything as it was.
    pub(super) fn opens(&self, key: &str) -> anyhow::Result<()> {
        let found = DataDirectory::find(&self.path())?;
        let settings = settings(&self.directory, key);
        runtime().block_on(async {
            let OpenVault { vault, .. } = found.open(&settings).await?;
            let caller = vault.caller(&self.key, Origin::LOCAL).unwrap();
            let permit = caller.permit().unwrap();
            let card = vault.card_read(&permit, self.card).await.unwrap().row;
            vault.transaction_history(&caller.permit().unwrap(), self.transaction).await.unwrap();
            // The request is known again, by its key and by its body.
            let create = caller.permit().unwrap();
            let claim = vault.idempotency(&create, REQUEST.0, REQUEST.1, REQUEST.2);
            let again =
                vault.card_create(&create, card.organisation, new_card(), Metadata::new(), Some(claim)).await;
            let again = again.unwrap();
            assert!(again.replayed && again.value.row.id == self.card);
            vault.close().await.unwrap();
            anyhow::Ok(())
        })?;
        let header = found.header(settings.slot_key_file.as_deref())?;
        assert_eq!(header.copies.faults.len(), 0, "both copies are good again");
        // Every row against its tag and its seal, the trail against its chain.
        assert_eq!(said(data::judged::examined(&found, header.keys).unwrap().findings), Vec::<String>::new());
        Ok(())
    }

    fn refused(&self, key: &str) -> String {
        format!("{:#}", self.opens(key).unwrap_err())
    }

    pub(super) fn header(&self) -> [Vec<u8>; 2] {
        COPIES.map(|name| fs::read(self.path().join(name)).unwrap())
    }

    fn put_header(&self, copies: &[Vec<u8>; 2]) {
        for (name, bytes) in COPIES.iter().zip(copies) {
            fs::write(self.path().join(name), bytes).unwrap();
        }
    }
}

fn said(findings: Vec<panvault_store_embedded::Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.what).collect()
}

pub(super) fn settings(directory: &tempfile::TempDir, key: &str) -> OpenSettings {
    let slot_key_file = Some(directory.path().join(key));
    OpenSettings { slot_key_file, store: small_store(), ..OpenSettings::default() }
}

/// One of everything.
pub(in crate::data) async fn fill(open: &OpenVault) -> (CardId, TransactionId, String) {
    let vault = &open.vault;
    let new = NewOrganisation { name: "Shop".to_owned(), ..NewOrganisation::default() };
    let organisation =
        vault.organisation_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap().id;
    let processor = NewProcessor {
        organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    let processor =
        vault.processor_create(&open.operator().unwrap().permit().unwrap(), processor).await.unwrap().id;
    let account = NewAccount {
        organisation,
        name: "Euro".to_owned(),
        description: None,
        currency: Currency::parse("EUR").unwrap(),
        processors: vec![processor],
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    let account =
        vault.account_create(&open.operator().unwrap().permit().unwrap(), account).await.unwrap().id;
    let roles = vec![Role::MerchantAdmin];
    let new = NewApiKey {
        organisation,
        name: "Key".to_owned(),
        roles,
        expires_at: None,
        allowed_origins: Vec::new(),
    };
    let (_, key) = vault.apikey_create(&open.operator().unwrap().permit().unwrap(), new).await.unwrap();
    let caller = vault.caller(key.expose_text(), Origin::LOCAL).unwrap();
    let create = caller.permit().unwrap();
    let claim = vault.idempotency(&create, REQUEST.0, REQUEST.1, REQUEST.2);
    let card = vault.card_create(&create, organisation, new_card(), Metadata::new(), Some(claim)).await;
    let card = card.unwrap().value.row.id;
    let transaction = NewTransaction {
        account,
        amount: Amount::new(1099).unwrap(),
        card,
        capture_now: true,
        customer_ip: "192.0.2.1".to_owned(),
        dynamic_descriptor: "Shop".to_owned(),
        merchant_reference: "order".to_owned(),
        user_agent: "test".to_owned(),
        customer: None,
        webhook_transaction_update: None,
        recurring_type: None,
        installments: 0,
        shopper_interaction: None,
        cryptogram: None,
        extras: Vec::new(),
    };
    let paid = vault.transaction_create(&caller.permit().unwrap(), transaction, None).await.unwrap().value;
    (card, paid.id, key.expose_text().to_owned())
}

#[test]
fn key_file_and_root_key_are_replaced_and_everything_else_is_as_it_was() {
    let filled = Filled::new();
    filled.opens("old.key").unwrap();
    filled.replace("old.key", "new.key", 1);
    filled.opens("new.key").unwrap();
    assert!(filled.refused("old.key").contains("does not belong to the vault"));
    // Once more, without a start in between.
    filled.replace("new.key", "third.key", 2);
    filled.replace("third.key", "fourth.key", 3);
    filled.opens("fourth.key").unwrap();
    for old in ["old.key", "new.key", "third.key"] {
        assert!(filled.refused(old).contains("does not belong to the vault"));
    }
}

/// A crash between the two copies leaves one of each, and documents that name neither change: the removed slot and the ones that are left open the vault,
/// until it was opened with one of those.
#[test]
fn a_replacement_that_stopped_half_way_is_finished_by_the_next_start() {
    let filled = Filled::new();
    filled.add("old.key", "new.key");
    filled.opens("new.key").unwrap();
    let [before, _] = filled.header();
    let vault = filled.path();
    let kept = vault.with_file_name("kept");
    let copied = std::process::Command::new("cp").arg("-a").args([&vault, &kept]).status().unwrap();
    assert!(copied.success());
    filled.remove("new.key", 1);
    let [after, _] = filled.header();
    fs::remove_dir_all(&vault).unwrap();
    fs::rename(&kept, &vault).unwrap();
    filled.put_header(&[after.clone(), before.clone()]);
    filled.opens("old.key").unwrap();
    assert_eq!(filled.header(), [before.clone(), before.clone()], "as if nothing had been replaced");
    filled.put_header(&[after.clone(), before.clone()]);
    filled.opens("new.key").unwrap();
    assert_eq!(filled.header(), [after.clone(), after]);
    assert!(filled.refused("old.key").contains("does not belong to the vault"));
}

/// Both copies put back as they were, with the key file that fits them: the documents know better, and nothing is written.
#[test]
fn a_header_that_was_rolled_back_in_both_copies_keeps_the_vault_sealed() {
    let filled = Filled::new();
    let before = filled.header();
    filled.replace("old.key", "new.key", 1);
    filled.opens("new.key").unwrap();
    let after = filled.header();
    filled.put_header(&before);
    let refused = filled.refused("old.key");
    assert!(refused.contains("older than the documents: it was rolled back"), "{refused}");
    // With one copy as it should be, the other one and its key file do not take its place.
    let mixed = [before[0].clone(), after[1].clone()];
    filled.put_header(&mixed);
    let refused = filled.refused("old.key");
    assert!(refused.contains("older than the documents: it was rolled back"), "{refused}");
    assert_eq!(filled.header(), mixed, "nothing was written");
    filled.opens("new.key").unwrap();
    assert_eq!(filled.header(), after);
}

#[test]
fn a_start_mends_a_copy_and_doctor_only_tells_of_it() {
    let filled = Filled::new();
    let good = filled.header();
    fs::write(filled.path().join(COPIES[1]), &good[1][..100]).unwrap();
    let found = DataDirectory::find(&filled.path()).unwrap();
    let key = filled.directory.path().join("old.key");
    let header = found.header(Some(&key)).ok().unwrap();
    assert!(header.copies.faults[0].to_string().contains("keys.2 does not open"));
    assert_eq!(filled.header()[1].len(), 100, "to look changes nothing");
    filled.opens("old.key").unwrap();
    assert_eq!(filled.header(), good);
}

#[test]
fn without_a_good_copy_the_vault_stays_sealed_and_both_are_named() {
    let filled = Filled::new();
    let good = filled.header();
    fs::write(filled.path().join(COPIES[0]), b"").unwrap();
    fs::remove_file(filled.path().join(COPIES[1])).unwrap();
    let refused = filled.refused("old.key");
    for said in
        ["stays sealed", "keys.1 does not open", "is damaged", "keys.2 is missing", "restore one of the two"]
    {
        assert!(refused.contains(said), "{refused}");
    }
    // One of them is enough.
    fs::write(filled.path().join(COPIES[0]), &good[0]).unwrap();
    fs::set_permissions(filled.path().join(COPIES[0]), fs::Permissions::from_mode(0o600)).unwrap();
    filled.opens("old.key").unwrap();
    assert_eq!(filled.header(), good);
}

/// A change that fails, or that cannot be written, leaves both copies as they were.
#[test]
fn a_change_that_fails_changes_nothing() {
    let filled = Filled::new();
    let before = filled.header();
    let failed = filled.change("old.key", |_, _| Err(KeysError::SlotsFull));
    assert!(failed.is_err());
    let missing = filled.change("none.key", |_, _| panic!("opened without a key"));
    assert!(missing.err().unwrap().to_string().contains("is missing"));
    assert_eq!(filled.header(), before);
    filled.opens("old.key").unwrap();
}

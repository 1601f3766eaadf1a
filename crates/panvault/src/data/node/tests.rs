use std::os::unix::fs::PermissionsExt;

use panvault_store_embedded::OpenFault;
use panvault_store_postgres::PostgresUrl;

use super::*;
use crate::config::Cvvs;

const VAULT: VaultId = VaultId::from_bytes([3; 12]);
const OTHER: VaultId = VaultId::from_bytes([4; 12]);

fn shared() -> Shared {
    Shared {
        drain: core::time::Duration::ZERO,
        store: PostgresUrl::parse("postgres://vault@db.example/panvault").unwrap(),
        store_password_file: None,
        store_connections_max: 2,
        commit_rows_max: 1,
        cvvs: Cvvs::InProcess,
    }
}

fn find(path: &Path) -> anyhow::Result<NodeDirectory> {
    NodeDirectory::find(path, &shared())
}

fn operator_is_none(node: &NodeDirectory) -> bool {
    let by = Unattended { slot_key_file: None, peers: &[] };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(node.operator(by)).unwrap().is_none()
}

fn refused<T>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.err().unwrap())
}

#[test]
fn a_directory_is_made_when_it_is_first_served_and_is_the_same_from_then_on() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("node");
    let node = find(&path).unwrap();
    assert!(node.known.is_none() && operator_is_none(&node));
    drop(node.take(VAULT, Mode::Test).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(&path.join(FILE))), (0o700, 0o600));
    let node = find(&path).unwrap();
    assert_eq!(node.known, Some((VAULT, Mode::Test)));
    let held = node.take(VAULT, Mode::Test).unwrap();
    let error = find(&path).unwrap().take(VAULT, Mode::Test).err().unwrap();
    assert!(matches!(error.downcast_ref(), Some(OpenFault::InUse { .. })), "{error:#}");
    drop(held);
    NodeDirectory::unmake(&path, false);
    assert!(!path.exists());
}

#[test]
fn a_directory_of_another_vault_or_of_a_vault_of_its_own_is_refused() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("node");
    drop(find(&path).unwrap().take(VAULT, Mode::Test).unwrap());
    for (vault, mode) in [(OTHER, Mode::Test), (VAULT, Mode::Live)] {
        assert!(refused(find(&path).unwrap().take(vault, mode)).contains("is of a node of the vault"));
    }
    let found = data::DataDirectory::find(&path);
    assert!(refused(found).contains("is of a node of a vault that is in a database"));
    fs::write(path.join(data::FILE), "format = 3").unwrap();
    assert!(refused(find(&path)).contains("holds a vault of its own"));
}

#[test]
fn what_others_could_use_or_is_not_ours_is_refused() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("node");
    drop(find(&path).unwrap().take(VAULT, Mode::Test).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refused(find(&path).unwrap().take(VAULT, Mode::Test)).contains("can be entered by others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(path.join(FILE)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path.join(FILE)).unwrap();
    assert!(refused(find(&path)).contains("is a symbolic link"));
    fs::remove_file(path.join(FILE)).unwrap();
    for text in ["", "format = 1", "format = 2\nvault = \"030303030303030303030303\"\nmode = \"test\""] {
        fs::write(path.join(FILE), text).unwrap();
        assert!(refused(find(&path)).contains("is not what panvault wrote; remove it"), "{text}");
    }
    let nowhere = around.path().join("none/node");
    assert!(
        refused(find(&nowhere).unwrap().take(VAULT, Mode::Test)).contains("make the directory that it is")
    );
}

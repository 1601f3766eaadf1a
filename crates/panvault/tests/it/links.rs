//! What stands in the place of a file of the vault, and is none of its own; and what is left behind of a command that is killed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Dev, panvault, run, until};

/// Every file of a data directory, those that are there for a moment only, and the directory of the log.
const NAMES: [&str; 20] = [
    "vault.toml",
    "slot.key",
    "dev.json",
    "keys.1",
    "keys.2",
    "keys.new",
    "lock",
    "bins.table",
    "bins.table.before",
    "bins.table.new",
    "bins.table.leaving",
    "view.sqlite",
    "view.sqlite-wal",
    "view.sqlite-shm",
    "view.sqlite.new",
    "log",
    "log/0000000000000001.seg",
    "log/0000000000000001.old",
    "log/spare",
    "whatever",
];

/// Puts something in the place of a file.
type Put<'a> = &'a dyn Fn(&Path);

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn fifo(at: &Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(at).status().unwrap().success());
}

/// The bug: a name in the data directory that led to the root key had the key cut short at start (`lock`), filled with zeroes (`.old`) or
/// overwritten by an import (`bins.table.new`), and the vault did not open again. Its cause: files were opened by path, as whatever
/// stood there. Its cure: one place opens all of them, through the directory, and a start looks at everything in it first.
#[test]
fn what_leads_elsewhere_is_refused_by_name_and_no_key_is_changed() {
    let around = tempfile::tempdir().unwrap();
    Dev::start(around.path(), &[]).stop();
    let data = around.path().join("vault");
    let list = around.path().join("list.csv");
    fs::write(&list, "bin,issuer\n411111,BANK ONE\n").unwrap();
    let key = around.path().join("key");
    let away = around.path().join("away");
    let contents = fs::read(data.join("slot.key")).unwrap();
    fs::write(&key, &contents).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let stands: [(&str, Put<'_>); 5] = [
        ("a directory", &|at| fs::create_dir(at).unwrap()),
        ("is a symbolic link", &|at| symlink(&key, at).unwrap()),
        ("has 2 names", &|at| fs::hard_link(&key, at).unwrap()),
        ("a pipe", &|at| fifo(at)),
        ("by others", &|at| {
            let from = if away.is_file() { &away } else { &list };
            fs::copy(from, at).unwrap();
            fs::set_permissions(at, Permissions::from_mode(0o644)).unwrap();
        }),
    ];
    let data_text = path(&data);
    let import = [
        "bin",
        "import",
        path(&list),
        "--data",
        data_text,
        "--format",
        "csv",
        "--columns",
        "bin=bin,issuer=issuer",
        "--source",
        "a test",
        "--licence",
        "none",
    ];
    let commands: [&[&str]; 4] = [
        &["dev", "--listen", "127.0.0.1:0", "--data", data_text],
        &["organisation", "list", "--data", data_text],
        &import,
        &["doctor", "--data", data_text],
    ];
    assert!(run(&import).status.success(), "{}", run(&import).err);
    for name in NAMES {
        let at = data.join(name);
        let was_there = at.symlink_metadata().is_ok();
        if was_there {
            fs::rename(&at, &away).unwrap();
        }
        for (said, put) in stands {
            if ["log", "whatever"].contains(&name) && said == "a directory" {
                continue;
            }
            put(&at);
            for command in commands {
                let ended = run(command);
                let all = format!("{}{}", ended.out, ended.err);
                assert_eq!(ended.status.code(), Some(1), "{name} {said} {command:?}: {all}");
                assert!(all.contains(name) && all.contains(said), "{name} {said} {command:?}: {all}");
                assert_eq!(fs::read(&key).unwrap(), contents, "{name} {said} {command:?}: {all}");
            }
            fs::remove_file(&at).or_else(|_| fs::remove_dir(&at)).unwrap();
        }
        if was_there {
            fs::rename(&away, &at).unwrap();
        }
    }
    // All of it is as it was.
    Dev::start(around.path(), &[]).stop();
    assert!(run(&["doctor", "--data", data_text]).status.success());
}

/// The bug: when somebody had removed `lock`, a second server opened the vault that a first one served. Its cause: the lock was that
/// file's. Its cure: it is the directory's and the log's.
#[test]
fn no_file_that_is_removed_lets_a_second_server_in() {
    let around = tempfile::tempdir().unwrap();
    let first = Dev::start(around.path(), &[]);
    let second = || run(&["dev", "--listen", "127.0.0.1:0", "--data", path(&first.data)]);
    assert!(second().err.contains("is in use by process"));
    fs::remove_file(first.data.join("lock")).unwrap();
    let refused = second();
    assert!(!refused.status.success() && refused.err.contains("is in use by process"), "{}", refused.err);
    first.stop();
}

/// The bug: `panvault bin refresh`, `apikey` and other commands left the root key in a core file when they were killed. Its cause: each
/// command that reads a key had to see to it, and some did not. Its cure: it is done before any command begins.
#[test]
fn no_command_leaves_a_core_file() {
    // The control: what is started so may leave one.
    let other = ["-c", "ulimit -c unlimited; exec grep 'core file' /proc/self/limits"];
    let other = Command::new("sh").args(other).output().unwrap();
    assert!(String::from_utf8(other.stdout).unwrap().contains("unlimited"));
    // It prints more than a pipe takes, and waits.
    let program = panvault().get_program().to_owned();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -c unlimited; exec \"$0\" openapi"])
        .arg(program)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let cores = || {
        let limits = fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    until("no core file may be written", || cores() == ["0", "0"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

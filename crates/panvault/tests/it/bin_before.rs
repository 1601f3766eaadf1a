//! Imports that are refused for what the list has become, and the table before, which can be brought back.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::bin::{import, list};
use crate::cli::path;
use crate::serve::vault;
use crate::support::{Dev, Ended, doctor, panvault, run, run_json, run_refused, until};

/// Writes a list with these lines and gives its path.
fn lines(directory: &Path, rows: impl Iterator<Item = String>) -> PathBuf {
    let file = directory.join("lines.csv");
    fs::write(&file, rows.fold("IIN,Bank\n".to_owned(), |text, row| text + &row + "\n")).unwrap();
    file
}

/// A list of so many rows, of which the last ones are none.
fn rows(directory: &Path, good: u32, bad: u32) -> PathBuf {
    let good = (0..good).map(|row| format!("{},BANK {row}", 400_000 + row));
    // Card numbers where BINs should be.
    lines(directory, good.chain((0..bad).map(|_| "4111111111111111,x".to_owned())))
}

/// The arguments of an import.
fn args<'a>(data: &'a Path, file: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["bin", "import", path(file), "--format", "csv", "--columns", "bin=IIN,issuer=Bank"];
    [args.as_slice(), &["--source", "s", "--licence", "l", "--data", path(data)], more].concat()
}

fn import_csv(data: &Path, file: &Path, more: &[&str]) -> Ended {
    run(&args(data, file, more))
}

/// The bytes of the two tables, which are all that changes hands.
fn tables(data: &Path) -> [Option<Vec<u8>>; 2] {
    ["bins.table", "bins.table.before"].map(|name| fs::read(data.join(name)).ok())
}

fn bin(data: &Path, command: &str) -> Value {
    run_json(&["bin", command, "--data", path(data), "--json"])
}

/// The bug: a list of which nearly nothing could be taken, or that had been cut, took the place of a good one, with exit code 0. The
/// cause: an import went wrong only when no row at all could be taken. The cure: it is held against `--refused-max` and the table in
/// use, changes nothing when it falls short, and `--force` is said.
#[test]
fn a_list_that_is_mostly_refused_or_has_shrunk_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let file = |good, bad| rows(directory.path(), good, bad);
    assert!(import_csv(&data, &file(10, 0), &[]).status.success());
    assert!(import_csv(&data, &file(1000, 10), &[]).status.success(), "one in a hundred may be refused");
    let before = tables(&data);
    for (of, more, said) in [
        ((1, 999), vec![], "999 of its 1000 rows are refused, and 1 % may be"),
        ((1, 999), vec![], "only 1 of its rows can be taken, less than half of the 1000 in use"),
        ((989, 11), vec![], "11 of its 1000 rows are refused"),
        ((999, 1), vec!["--refused-max", "0"], "1 of its 1000 rows are refused, and 0 % may be"),
        ((333, 0), vec![], "less than half of the 1000 in use"),
    ] {
        let list = file(of.0, of.1);
        for json in [false, true] {
            let more = if json { [more.as_slice(), &["--json"]].concat() } else { more.clone() };
            let ended = import_csv(&data, &list, &more);
            assert_eq!(ended.status.code(), Some(1), "{}", ended.out);
            assert!(ended.err.contains(said) && ended.err.contains("--force"), "{}", ended.err);
            assert!(!ended.err.contains("4111111") && !ended.out.contains("4111111"));
            if json {
                let report: Value = serde_json::from_str(&ended.out).unwrap();
                assert_eq!(report["imported"], json!(false));
            }
            assert_eq!(tables(&data), before);
            assert!(!data.join("bins.table.new").exists());
        }
    }
    let bad = file(1, 999);
    assert_eq!(import_csv(&data, &bad, &["--refused-max", "101"]).status.code(), Some(2));
    let forced = import_csv(&data, &bad, &["--force"]);
    assert!(forced.status.success(), "{}", forced.err);
    assert!(forced.out.contains("forced, although 999 of its 1000 rows are refused"), "{}", forced.out);
    assert_eq!(bin(&data, "info")["rows"], json!(1));
    assert_eq!(tables(&data)[1], before[0]);
    assert!(import_csv(&data, &file(990, 11), &["--refused-max", "1.1"]).status.success());
}

#[test]
fn a_list_that_was_cut_within_a_row_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let whole = rows(directory.path(), 100, 0);
    assert!(import_csv(&data, &whole, &[]).status.success());
    let before = tables(&data);
    let text = fs::read_to_string(&whole).unwrap();
    for (bytes, said) in [
        // Within the BIN of the last row, behind it, and within the bank of one far before it.
        (text.len() - 10, "ends within line 101"),
        (text.len() - 9, "ends within line 101"),
        (text.len() - 200, "has fewer rows than the 100 in use, so it may have been cut short"),
    ] {
        fs::write(&whole, &text[..bytes]).unwrap();
        let refused = run_refused(&args(&data, &whole, &["--refused-max", "5"]));
        assert!(refused.contains(said), "{bytes}: {refused}");
        assert_eq!(tables(&data), before);
    }
    fs::write(&whole, text.trim_end()).unwrap();
    assert!(import_csv(&data, &whole, &[]).status.success(), "the last line may have no end");
}

/// The bug: an import whose report could not be printed ended with exit code 1, and the new table was in place. The cause: the report
/// came last. The cure: what can fail after the report is the last step alone. `bin remove` was the same.
#[test]
fn what_cannot_be_said_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    for good in [10, 20] {
        assert!(import_csv(&data, &rows(directory.path(), good, 0), &[]).status.success());
    }
    let before = tables(&data);
    let list = rows(directory.path(), 30, 0);
    let commands = [args(&data, &list, &[]), args(&data, &list, &["--json"])];
    let others = ["remove", "restore"].map(|command| vec!["bin", command, "--data", path(&data)]);
    for command in commands.iter().chain(&others) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for out in [Stdio::from(writer), Stdio::from(full)] {
            let ended = panvault().args(command).stdout(out).stderr(Stdio::piped()).output().unwrap();
            assert_eq!(ended.status.code(), Some(1), "{command:?}");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(said.contains("cannot be printed, so nothing was changed"), "{said}");
            assert_eq!(tables(&data), before, "{command:?}");
        }
    }
}

/// The bug: a list that has no end, such as a pipe or a device, was read for ever. The cause: whatever the name led to was read to its
/// end. The cure: only files are read, without waiting for the other end of a pipe.
#[test]
fn only_files_are_lists() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    for list in [Path::new("/dev/zero"), &pipe, &link, directory.path()] {
        let refused = run_refused(&args(&data, list, &[]));
        assert!(refused.contains("is a directory, a pipe or a device"), "{refused}");
    }
    let large = directory.path().join("large");
    File::create(&large).unwrap().set_len(1 << 40).unwrap();
    assert!(run_refused(&args(&data, &large, &[])).contains("larger than a list can be"));
    assert_eq!(tables(&data), [None, None]);
}

#[test]
fn the_table_before_is_brought_back_and_a_server_follows() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    let issuer = || {
        let card = dev.make_card("4111111111111111", None);
        dev.get(&format!("/v1/card/{card}")).json()["issuer_name"].clone()
    };
    let restore = ["bin", "restore", "--data", path(&data)];
    assert!(run_refused(&restore).contains("there is no table before"));
    let one = import(&data, &list(directory.path(), "BANK ONE"));
    assert!(
        run_refused(&restore).contains("there is no table before"),
        "the first list took the place of none"
    );
    let two = import(&data, &list(directory.path(), "BANK TWO"));
    until("it is taken up", || issuer() == json!("BANK TWO"));
    let info = bin(&data, "info");
    assert_eq!(
        (&info["table_version"], &info["before"]["table_version"]),
        (&two["table_version"], &one["table_version"])
    );
    assert_eq!((&info["before"]["source"], &info["before"]["rows"]), (&json!("a test"), &json!(1)));
    assert!(run(&["bin", "info", "--data", path(&data)]).out.contains("the table before, which"));

    let before = tables(&data);
    let restored = bin(&data, "restore");
    assert_eq!(
        (&restored["table_version"], &restored["version_before"]),
        (&one["table_version"], &two["table_version"])
    );
    until("it is back", || issuer() == json!("BANK ONE"));
    assert_eq!(bin(&data, "restore")["table_version"], two["table_version"], "the second undoes the first");
    assert_eq!(tables(&data), before);
    until("it is back", || issuer() == json!("BANK TWO"));

    assert_eq!(bin(&data, "remove")["removed"], json!(true));
    until("it is gone", || issuer() == json!("TEST BANK VISA NL"));
    assert_eq!(bin(&data, "remove")["removed"], json!(false));
    assert_eq!(tables(&data), [None, before[0].clone()]);
    let info = bin(&data, "info");
    assert_eq!((&info["imported"], &info["before"]["rows"]), (&json!(false), &json!(1)));
    bin(&data, "restore");
    until("it is back", || issuer() == json!("BANK TWO"));
    let mode = fs::metadata(data.join("bins.table")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A version is never given again, also when a newer table was restored from.
    import(&data, &list(directory.path(), "BANK THREE"));
    let four = import(&data, &list(directory.path(), "BANK FOUR"));
    bin(&data, "restore");
    let five = import(&data, &list(directory.path(), "BANK FIVE"));
    assert!(five["table_version"].as_u64() > four["table_version"].as_u64());
    dev.stop();
}

#[test]
fn a_table_before_that_is_damaged_or_exposed_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    for bank in ["BANK ONE", "BANK TWO"] {
        import(&data, &list(directory.path(), bank));
    }
    let before = data.join("bins.table.before");
    let whole = fs::read(&before).unwrap();
    fs::write(&before, &whole[..whole.len() - 1]).unwrap();
    let in_use = tables(&data);
    let restore = ["bin", "restore", "--data", path(&data)];
    let refused = run_refused(&restore);
    assert!(refused.contains("bins.table.before") && refused.contains("its hash does not fit"), "{refused}");
    assert_eq!(bin(&data, "info")["before"]["unusable"], json!("is damaged: its hash does not fit"));
    assert_eq!(tables(&data), in_use);
    let report = doctor(&data);
    let finding = report["findings"][0]["what"].as_str().unwrap();
    assert!(finding.contains("bins.table.before") && finding.contains("cannot be restored"), "{report}");
    fs::write(&before, &whole).unwrap();
    fs::set_permissions(&before, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(run_refused(&restore).contains("chmod 600"));
    fs::set_permissions(&before, fs::Permissions::from_mode(0o600)).unwrap();
    // The one in use is damaged: the one before is what there is, and is not lost by an import.
    fs::write(data.join("bins.table"), "x").unwrap();
    assert!(run_refused(&["bin", "info", "--data", path(&data)]).contains("panvault bin restore"));
    bin(&data, "restore");
    assert_eq!(tables(&data), [Some(whole), None]);
}

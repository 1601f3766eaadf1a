//! The pages of the documentation, pasted into a shell block by block: what they say works, and prints what they show.
//!
//! The `sh` blocks of a page are one script, run by `bash -eu` in a home of its own with `panvault` on the path. What runs tests or
//! benchmarks, needs `sudo` or serves until it is stopped is fenced as `console`, and not run here.

mod page;
mod sample;
mod write;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use panvault_testkit::servers::{Postgres, Redis, RedisOptions};

use self::page::Page;
use crate::support::{panvault, until};

/// Where servers listen that a page starts.
const PORTS: [u16; 5] = [8420, 8421, 8430, 8431, 8432];
/// `cargo xtask test` runs this command of the README as it is; here the debug build is its release.
const CARGO: &str =
    "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --release --' ] || exit 64\nshift 3\nexec panvault \"$@\"\n";

#[test]
fn every_block_works_as_written_and_prints_what_is_shown() {
    let mut blocks = 0;
    let mut wrong = Vec::new();
    for path in pages() {
        let page = Page::read(&path);
        if page.blocks().next().is_none() {
            continue;
        }
        // Servers of other tests take any free port, and none of these.
        until("nothing listens where the pages do", || PORTS.iter().all(|port| is_free(*port)));
        let home = tempfile::tempdir().unwrap();
        wrong.extend(run(&page, home.path()));
        if write::is_wanted() {
            write_samples(&path, &page, home.path());
        }
        blocks += page.blocks().count();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    assert!(blocks > 15, "{blocks}");
}

fn is_free(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}

/// The pages at the top and in `docs`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut pages: Vec<PathBuf> = ["", "docs", "docs/adr"]
        .iter()
        .flat_map(|directory| fs::read_dir(root.join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// Runs the blocks of a page in one shell, and says what is wrong.
fn run(page: &Page, home: &Path) -> Vec<String> {
    let (programs, printed) = (home.join("bin"), home.join("printed"));
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&printed).unwrap();
    let cargo = programs.join("cargo");
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_panvault"), programs.join("panvault")).unwrap();
    fs::write(home.join(&page.name), page.script(&printed)).unwrap();
    let errors = fs::File::create(home.join("errors")).unwrap();
    let mut shell = Command::new("bash");
    // What a page has its reader set up first.
    let servers = page.wants("STORE").then(|| (Postgres::start(), Redis::start(RedisOptions::default())));
    if let Some((postgres, redis)) = &servers {
        let database = postgres.database();
        shell.env("STORE", &database.url).env("STORE_PASSWORD_FILE", &database.password_file);
        shell.env("CVV_STORE", redis.url());
    }
    // What the test harness would pass on to `panvault` is left out.
    for (name, _) in panvault().get_envs().filter(|(_, value)| value.is_none()) {
        shell.env_remove(name);
    }
    let mut shell = shell
        .args(["-eu", &page.name])
        .current_dir(home)
        .env("HOME", home)
        .env("PATH", format!("{}:{}", programs.display(), path()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .process_group(0)
        .spawn()
        .unwrap();
    let status = shell.wait().unwrap();
    // Servers that the page left running are in its group.
    let group = format!("-{}", shell.id());
    drop(Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status());
    let errors = fs::read_to_string(home.join("errors")).unwrap();
    let mut wrong = Vec::new();
    for block in page.blocks() {
        // A block that was not begun has printed nothing.
        let Ok(out) = fs::read_to_string(printed.join(block.line.to_string())) else { break };
        if let Err(why) = sample::compare(&out, block.sample.as_ref()) {
            wrong.push(format!("{}:{}: {why}", page.name, block.line));
        }
    }
    if !status.success() {
        // The line is in what the shell says.
        wrong.push(format!("{} ended with {status}:\n{errors}", page.name));
    }
    wrong
}

/// Writes anew what the page shows and was not printed.
fn write_samples(path: &Path, page: &Page, home: &Path) {
    let samples = page.blocks().filter_map(|block| {
        let out = fs::read_to_string(home.join("printed").join(block.line.to_string())).ok()?;
        let sample = block.sample?;
        let is_wrong = sample::compare(&out, Some(&sample)).is_err();
        is_wrong.then(|| (sample.line, sample.lines.len(), write::shown(&out, sample.is_json, home)))
    });
    write::write(path, samples.collect());
}

#[expect(clippy::disallowed_methods, reason = "the pages use the programs of this machine")]
fn path() -> String {
    std::env::var("PATH").unwrap()
}

/// The test fails where a page is wrong, and says where.
#[test]
fn a_page_that_is_wrong_is_found() {
    for (text, said) in [
        ("# Page\n\n```sh\ntrue\nfalse\n```\n", "page.md:5: failed"),
        ("# Page\n\n```sh\necho $NOWHERE\n```\n", "page.md: line 4: NOWHERE: unbound variable"),
        ("# Page\n\n```sh\necho 1\n```\n", "page.md:3: it prints what is not shown"),
        ("# Page\n\n```sh\necho 1\n```\n\n```text\n2\n```\n", "page.md:3: it does not print what is shown"),
        ("# Page\n\n```sh\ntrue\n```\n\n```text\n2\n```\n", "page.md:3: it does not print what is shown"),
        ("# Page\n\n```sh\necho '{\"a\": 1}'\n```\n\n```json\n{\"b\": 1}\n```\n", "page.md:3: it does not"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let wrong = run(&Page::parse("page.md", text), home.path()).join("\n");
        assert!(wrong.contains(said), "{text}: {wrong}");
    }
    let good =
        "# Page\n\n```sh\nA=1\n```\n\n```console\nfalse\n```\n\n```sh\necho $A\n```\n\n```text\n1\n```\n";
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run(&Page::parse("page.md", good), home.path()), [""; 0]);
}

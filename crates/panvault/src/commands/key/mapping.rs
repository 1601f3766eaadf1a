//! The fingerprints of before and those of now, in a file: for whoever has kept the ones of before.

use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_model::Timestamp;
use panvault_vault::limits::CALENDAR_SECONDS_MAX;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::client::Client;
use crate::commands::key::wait::Waited;
use crate::commands::key::{LOOK_EVERY, PAGE_ROWS, keys};
use crate::commands::slot::now;

const NOT_ALL: &str = "the fingerprints of before are not known any more, or will not be before all are read: fingerprint_overlap_seconds says for how long they are; no file was made";

const AT_ONCE: &str = "the server has fingerprint_overlap_seconds 0: what fingerprints were before is forgotten at once, and no mapping can be made; nothing was done. Set it to the seconds that \
                       reading all cards takes, at the least, start the server anew and run this again, or replace the key without --mapping";

const NOT_YET: &str = "no file was made: a mapping is of every card or of none. The fingerprints of before are known until the others have moved too; run this again then";

/// Refuses a mapping of fingerprints that the server forgets as soon as no card needs them.
pub(super) async fn can_be_made(client: &mut Client) -> anyhow::Result<()> {
    let status = client.get("/v1/status").await?;
    ensure!(status.get("fingerprint_overlap_seconds").and_then(Value::as_u64) != Some(0), AT_ONCE);
    Ok(())
}

/// A file that is there, whole, when all is written.
pub(super) struct Mapping {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Mapping {
    /// Makes it, under another name for now, before anything else is done. Refused where there is something under its own, a link too.
    pub(super) fn make(path: PathBuf) -> anyhow::Result<Self> {
        ensure!(
            path.symlink_metadata().is_err(),
            "{} is there already, and a mapping is written to a new file only; nothing was done",
            path.display()
        );
        let cannot = || format!("{} cannot be written to; nothing was done", directory(&path).display());
        let private = std::fs::Permissions::from_mode(0o600);
        let mut made = tempfile::Builder::new();
        let made = made.prefix(".panvault-mapping-").permissions(private).tempfile_in(directory(&path));
        let file = BufWriter::new(made.with_context(cannot)?);
        Ok(Self { path, file })
    }

    /// Waits until every card of an organisation has a fingerprint by this key, and writes down what it was before, a line for each card. How many there are.
    pub(super) async fn write(
        mut self,
        client: &mut Client,
        organisation: &str,
        (of, made): (&str, &Value),
    ) -> anyhow::Result<u64> {
        let Moved { ends_at, made_before } = moved(client, of, made).await?;
        let (mut lines, mut lacking, mut after) = (0, 0, String::new());
        loop {
            let page = format!("/v1/card?organisation={organisation}&_limit={PAGE_ROWS}&_count=none{after}");
            let page = client.get(&page).await?;
            let rows = page.as_array().context("the vault answered a list with what is none")?;
            let Some(last) = rows.last().and_then(|row| row.get("_id")?.as_str()) else { break };
            for row in rows {
                match Fingerprints::of(row, made_before) {
                    Fingerprints::Both(before, now) => {
                        writeln!(self.file, "{before} {now}").with_context(|| self.cannot(&ends_at))?;
                        lines += 1;
                    }
                    Fingerprints::New => {}
                    Fingerprints::Lacking => lacking += 1,
                }
            }
            after = format!("&_after={last}");
        }
        // They are taken out from that moment on, which may have come earlier meanwhile.
        let ends_at = moved(client, of, made).await?.ends_at;
        ensure!(
            lacking == 0,
            "{lacking} cards that were made before the key do not say what their fingerprint was before: no file was made; run panvault doctor, and this again before {ends_at}"
        );
        self.kept().with_context(|| {
            format!("the mapping cannot be written; make room, and run this again before {ends_at}")
        })?;
        Ok(lines)
    }

    fn cannot(&self, ends_at: &str) -> String {
        format!("{} cannot be written; make room, and run this again before {ends_at}", self.path.display())
    }

    /// Gives the file its name, durably, if nothing has it by now.
    fn kept(self) -> anyhow::Result<()> {
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&self.path)
            .with_context(|| format!("{} is there by now", self.path.display()))?;
        Ok(std::fs::File::open(directory(&self.path))?.sync_all()?)
    }
}

/// What a card says of its fingerprints.
#[derive(Debug, PartialEq)]
enum Fingerprints<'a> {
    Both(&'a str, &'a str),
    /// It never had another.
    New,
    /// It had another, and does not say which.
    Lacking,
}

impl<'a> Fingerprints<'a> {
    fn of(row: &'a Value, made_before: Timestamp) -> Self {
        let text = |name| row.get(name).and_then(Value::as_str);
        if let (Some(before), Some(now)) = (text("fingerprint_before"), text("fingerprint")) {
            return Self::Both(before, now);
        }
        let created_at = text("created_at").and_then(|at| Timestamp::parse(at).ok());
        if created_at.is_some_and(|at| at >= made_before) { Self::New } else { Self::Lacking }
    }
}

/// How it is when no card is without its next fingerprint.
struct Moved {
    /// Until when it is known what each was before.
    ends_at: String,
    /// What was made before this moment has been given another.
    made_before: Timestamp,
}

/// Waits until no card is without the next fingerprint.
async fn moved(client: &mut Client, of: &str, made: &Value) -> anyhow::Result<Moved> {
    let mut waited = Waited::default();
    loop {
        let keys = keys(client, of).await?;
        let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
        let version = |key: &Value| key.get("version").and_then(Value::as_u64);
        let of_purpose = || keys.iter().filter(|key| key.get("purpose") == made.get("purpose"));
        let is_new = keys.iter().any(|key| text(key, "state").as_deref() == Some("pre_active"));
        let mut before = of_purpose()
            .filter(|key| version(key) < version(made))
            .filter(|key| text(key, "state").as_deref() != Some("destroyed"));
        let Some(key) = before.next() else { bail!(NOT_ALL) };
        if let (false, Some(ends_at)) = (is_new, text(key, "destroyed_at")) {
            ensure!(now().to_string() < ends_at, NOT_ALL);
            let now_active = of_purpose().find(|key| version(key) == version(made));
            let active_from = now_active.and_then(|key| text(key, "active_from"));
            let active_from = active_from.and_then(|at| Timestamp::parse(&at).ok());
            let active_from = active_from.context("the answer does not say since when the key is active")?;
            let is_shared = client.get("/v1/status").await?.get("node").is_some();
            return Ok(Moved { ends_at, made_before: made_before(active_from, is_shared) });
        }
        waited.sees(&[key], &now().to_string()).context(NOT_YET)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was made before this moment was made by the key before: of two nodes the calendars differ, so one whose calendar is behind may say of a later card that it was made earlier.
fn made_before(active_from: Timestamp, is_shared: bool) -> Timestamp {
    let differs_millis = if is_shared { 2 * CALENDAR_SECONDS_MAX * 1_000 } else { 0 };
    Timestamp::from_unix_millis(active_from.unix_millis().saturating_sub(differs_millis))
}

/// Where a file is.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_of_before_must_say_what_its_fingerprint_was() {
        let from = Timestamp::parse("2026-11-28T12:00:00.000Z").unwrap();
        let card = |created_at: &str| json!({ "fingerprint": "bb", "created_at": created_at });
        let mut moved = card("2026-11-28T11:59:59.999Z");
        assert_eq!(Fingerprints::of(&moved, from), Fingerprints::Lacking);
        moved["fingerprint_before"] = json!("aa");
        assert_eq!(Fingerprints::of(&moved, from), Fingerprints::Both("aa", "bb"));
        // One that a node made late by the key before has moved too.
        moved["created_at"] = json!("2026-11-28T12:00:05.000Z");
        assert_eq!(Fingerprints::of(&moved, from), Fingerprints::Both("aa", "bb"));
        assert_eq!(Fingerprints::of(&card("2026-11-28T12:00:00.000Z"), from), Fingerprints::New);
        assert_eq!(Fingerprints::of(&json!({ "fingerprint": "bb" }), from), Fingerprints::Lacking);
        // Of several nodes one may be behind by half a minute, and the one that activated the key ahead by as much.
        let behind = card("2026-11-28T11:59:00.000Z");
        assert_eq!(Fingerprints::of(&behind, made_before(from, true)), Fingerprints::New);
        assert_eq!(Fingerprints::of(&behind, made_before(from, false)), Fingerprints::Lacking);
        let before = card("2026-11-28T11:58:59.999Z");
        assert_eq!(Fingerprints::of(&before, made_before(from, true)), Fingerprints::Lacking);
    }

    #[test]
    fn a_mapping_is_a_new_file_of_its_owner_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name| directory.path().join(name);
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        std::fs::write(at("there"), "kept").unwrap();
        symlink(at("nowhere"), at("link")).unwrap();
        for refused in [at("there"), at("link"), at("no/directory")] {
            let error = Mapping::make(refused.clone()).err().unwrap();
            assert!(format!("{error:#}").contains("nothing was done"), "{}: {error:#}", refused.display());
        }
        assert_eq!((names(), std::fs::read(at("there")).unwrap()), (2, b"kept".to_vec()));

        let mut mapping = Mapping::make(at("new")).unwrap();
        assert!(!at("new").exists(), "it is not there by half");
        mapping.file.write_all(b"a b\n").unwrap();
        mapping.kept().unwrap();
        assert_eq!(std::fs::read(at("new")).unwrap(), b"a b\n");
        assert_eq!(at("new").metadata().unwrap().permissions().mode() & 0o777, 0o600);

        // Somebody else was first.
        let late = Mapping::make(at("late")).unwrap();
        symlink(at("there"), at("late")).unwrap();
        assert!(late.kept().is_err());
        drop(Mapping::make(at("dropped")).unwrap());
        assert_eq!(
            (names(), std::fs::read(at("there")).unwrap()),
            (4, b"kept".to_vec()),
            "nothing is left beside them"
        );
    }
}

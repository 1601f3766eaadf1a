//! The fingerprints of before and those of now, in a file: for whoever has kept the ones of before.

use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::client::Client;
use crate::commands::key::wait::Waited;
use crate::commands::key::{LOOK_EVERY, PAGE_ROWS, keys};
use crate::commands::slot::now;

const NOT_ALL: &str = "the fingerprints of before are not known any more, or will not be before all are read: fingerprint_overlap_seconds says for how long they are; no file was made";

const NOT_YET: &str = "no file was made: a mapping is of every card or of none. The fingerprints of before are known until the others have moved too; run this again then";

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
        let ends_at = moved(client, of, made).await?;
        let (mut lines, mut after) = (0, String::new());
        loop {
            let page = format!("/v1/card?organisation={organisation}&_limit={PAGE_ROWS}&_count=none{after}");
            let page = client.get(&page).await?;
            let rows = page.as_array().context("the vault answered a list with what is none")?;
            let Some(last) = rows.last().and_then(|row| row.get("_id")?.as_str()) else { break };
            for row in rows {
                let text = |name| row.get(name).and_then(Value::as_str);
                if let (Some(before), Some(now)) = (text("fingerprint_before"), text("fingerprint")) {
                    writeln!(self.file, "{before} {now}").with_context(|| self.cannot(&ends_at))?;
                    lines += 1;
                }
            }
            after = format!("&_after={last}");
        }
        // They are taken out from that moment on.
        ensure!(now().to_string() < ends_at, NOT_ALL);
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

/// Waits until no card is without the next fingerprint, and says until when it is known what each was before.
async fn moved(client: &mut Client, of: &str, made: &Value) -> anyhow::Result<String> {
    let mut waited = Waited::default();
    loop {
        let keys = keys(client, of).await?;
        let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
        let version = |key: &Value| key.get("version").and_then(Value::as_u64);
        let before = keys
            .iter()
            .filter(|key| key.get("purpose") == made.get("purpose") && version(key) < version(made));
        let is_new = keys.iter().any(|key| text(key, "state").as_deref() == Some("pre_active"));
        let mut before = before.filter(|key| text(key, "state").as_deref() != Some("destroyed"));
        let Some(key) = before.next() else { bail!(NOT_ALL) };
        if let (false, Some(ends_at)) = (is_new, text(key, "destroyed_at")) {
            ensure!(now().to_string() < ends_at, NOT_ALL);
            return Ok(ends_at);
        }
        waited.sees(&[key]).context(NOT_YET)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where a file is.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

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

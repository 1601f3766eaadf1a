//! What a serving process says of itself, and what it reads again when it is told to.

use core::pin::Pin;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use panvault_model::Timestamp;
use panvault_processor::card_http::Registry;
use panvault_server::{BackupMade, Process, ProcessReport, Reloaded, Replicated, Standbys, Tls, Validity};
use panvault_store_postgres::{Database, Replication, StandbyLag};
use panvault_vault::{Permit, Vault, VaultBackup};
use tokio::runtime::Handle;

use crate::bins::LiveBins;
use crate::data::backup::{Backups, Made};
use crate::data::lines;
use crate::faults;
use crate::posture::Posture;

const CERTIFICATE: &str = "certificate";
const BIN_TABLE: &str = "bin_table";
const PROCESSORS: &str = "processors";
/// Time that a database has to say how it keeps what it is given.
const DATABASE_TIME: Duration = Duration::from_secs(2);
/// Time between two looks at its standbys.
const STANDBYS_EVERY: Duration = Duration::from_secs(5);

/// The process.
pub(crate) struct Served {
    pub(crate) vault: Vault,
    pub(crate) directory: PathBuf,
    pub(crate) url: String,
    pub(crate) metrics_url: Option<String>,
    pub(crate) console_url: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) tls: Option<Arc<Tls>>,
    /// What assessors ask of the settings.
    pub(crate) posture: Arc<Posture>,
    /// The console's, where it is another than that.
    pub(crate) console_tls: Option<Arc<Tls>>,
    pub(crate) bins: Arc<LiveBins>,
    /// The descriptions of PSPs that are in use, and the directory that they were read from when the process started.
    pub(crate) descriptions: Arc<Registry>,
    pub(crate) descriptions_directory: Option<PathBuf>,
    /// The database, where nodes share one.
    pub(crate) database: Option<Database>,
    /// What makes backups of the vault.
    pub(crate) backups: Backups,
    /// Its standbys, as they were last seen.
    pub(crate) standbys: Mutex<Option<Standbys>>,
}

impl Process for Served {
    fn report(&self) -> ProcessReport {
        // What a node has in its directory is nothing to speak of.
        let disk = self.database.is_none().then(|| disk(&self.directory));
        let (log_segments, disk_bytes) = disk.unzip();
        // On a thread that may wait.
        let replication =
            self.database.as_ref().and_then(|database| Handle::current().block_on(replication(database)));
        ProcessReport {
            url: Some(self.url.clone()),
            metrics_url: self.metrics_url.clone(),
            console_url: self.console_url.clone(),
            started_at: Some(self.started_at),
            certificate_expires_at: self.tls.as_ref().map(|tls| tls.expires_at()),
            log_segments,
            disk_bytes,
            database: self.database.as_ref().map(|database| database.url().to_string()),
            replication: replication.as_ref().map(replicated),
            standby_lags: replication.map(|found| lags(&found)).unwrap_or_default(),
            faults: faults::kept(),
        }
    }

    fn standbys(&self) -> Option<Standbys> {
        *self.standbys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn posture(&self) -> Option<String> {
        Some(self.posture.json(self.tls.as_deref(), self.console_tls.as_deref()).to_string())
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Vec<Reloaded>> + Send + '_>> {
        Box::pin(async { vec![self.certificate(), self.bin_table().await, self.descriptions()] })
    }

    fn backup<'a>(
        &'a self,
        permit: &'a Permit<VaultBackup>,
        destination: &'a Path,
        since: Option<&'a Path>,
    ) -> Pin<Box<dyn Future<Output = Result<BackupMade, String>> + Send + 'a>> {
        Box::pin(async move {
            match self.backups.make(permit, destination, since).await {
                Ok(made) => {
                    let base = made.base.map(tracing::field::display);
                    tracing::info!(backup.id = %made.id, backup.base = base, order = made.order, "backup.made");
                    if let Some(why) = &made.full_because {
                        let advice = "none for this one; where it is so each time, see backup_archive_bytes";
                        tracing::warn!(why, advice, "backup.full_instead");
                    }
                    Ok(shown(made))
                }
                Err(error) => {
                    let advice = "mend what it says and take the backup again; the vault is as it was";
                    tracing::error!(error = format!("{error:#}"), advice, "backup.failed");
                    Err(format!("{error:#}"))
                }
            }
        })
    }
}

impl Served {
    fn certificate(&self) -> Reloaded {
        let Some(tls) = &self.tls else {
            return Reloaded { what: CERTIFICATE, is_done: true, said: "this server has none".to_owned() };
        };
        let console = self.console_tls.as_ref().map_or(Ok(()), |tls| tls.reload());
        let reloaded = tls.reload().and(console);
        warn_of_times(tls, self.vault.now().wall);
        match reloaded {
            Ok(()) => {
                tracing::info!("tls.reloaded");
                let said = format!("{} is in use", tls.certificate().display());
                Reloaded { what: CERTIFICATE, is_done: true, said }
            }
            Err(error) => {
                let advice = "mend the files and reload again; the old ones are in use";
                tracing::error!(%error, advice, "tls.kept");
                Reloaded { what: CERTIFICATE, is_done: false, said: format!("{error}; {advice}") }
            }
        }
    }

    async fn bin_table(&self) -> Reloaded {
        let looked = self.bins.look_again(true).await;
        self.bins.note(&self.vault).await;
        let version = self.vault.status().bins.version;
        let (is_done, said) = match looked {
            Err(fault) => (false, format!("{fault}; the table before is in use")),
            Ok(()) if self.bins.is_imported() => (true, format!("version {version} is in use")),
            Ok(()) => (true, "no list is imported".to_owned()),
        };
        Reloaded { what: BIN_TABLE, is_done, said }
    }

    /// Descriptions are taken when the server starts. What they are now is said, and whether the next start would take them.
    fn descriptions(&self) -> Reloaded {
        let (is_done, said) = match &self.descriptions_directory {
            None => (true, "those that come with the program are in use".to_owned()),
            Some(directory) => self.descriptions_of(directory),
        };
        Reloaded { what: PROCESSORS, is_done, said }
    }

    fn descriptions_of(&self, directory: &Path) -> (bool, String) {
        let found = match Registry::load(directory) {
            Ok(found) => found,
            Err(faults) => {
                let faults: Vec<_> = faults.iter().map(lines).collect();
                let kept = "those that were read at the start are in use, and the next start would fail";
                return (false, format!("{}; {kept}", faults.join("; ")));
            }
        };
        let changed = self.descriptions.changed(&found);
        if !changed.is_empty() {
            let types = changed.join(", ");
            return (
                false,
                format!("sound, and others than at the start: {types}; restart the server to take them"),
            );
        }
        let types: Vec<_> = found.files().iter().map(|(type_name, _)| type_name.as_str()).collect();
        let types = if types.is_empty() { "no descriptions".to_owned() } else { types.join(", ") };
        let limits = match found.limits_set() {
            Some((file, limits)) => {
                let types: Vec<_> = limits.iter().map(|one| one.type_name.as_str()).collect();
                format!(", and the limits of {} in {}", types.join(", "), file.display())
            }
            None => String::new(),
        };
        let nobody = found.limits_of_nobody(|id| self.vault.processor_type(id));
        let nobody = nobody.map(|fault| format!("; {}", lines(&fault))).unwrap_or_default();
        (true, format!("{types} of {} are in use{limits}{nobody}", directory.display()))
    }

    /// At a signal, which nobody is answered to.
    pub(crate) async fn reload_at_signal(&self) {
        let bins = self.bins.look_again(true).await;
        self.bins.note(&self.vault).await;
        let Reloaded { is_done, said, .. } = self.descriptions();
        if !is_done {
            let advice = "mend the files where they are wrong, and restart the server: descriptions and limits are read when it starts";
            tracing::warn!(reasons = said, advice, "processors.kept");
        }
        if self.tls.is_some() {
            self.certificate();
        } else if bins.is_ok() && !self.bins.is_imported() {
            tracing::warn!(
                advice = "none; SIGHUP reads certificates again, and this server has none. SIGTERM stops it",
                "tls.nothing_to_reload"
            );
        }
    }
}

/// A backup that was made, as whoever asked is told.
pub(crate) fn shown(made: Made) -> BackupMade {
    let text = |path: &Path| path.display().to_string();
    BackupMade {
        path: text(&made.path),
        id: made.id.to_string(),
        order: made.order,
        bytes: made.bytes,
        base: made.base.map(|base| base.to_string()),
        full_because: made.full_because,
        unfinished: made.unfinished.iter().map(|path| text(path)).collect(),
    }
}

/// Looks at the standbys of the database often, for the metrics.
pub(crate) async fn standbys_follow(served: Weak<Served>) {
    loop {
        let Some(served) = served.upgrade() else { return };
        let Some(database) = &served.database else { return };
        let found = replication(database).await;
        let behind = |found: Replication| {
            let most = |of: fn(&StandbyLag) -> u64| found.lags.iter().map(of).max().unwrap_or(0);
            Standbys {
                count: found.standbys,
                is_synchronous: found.synchronous,
                lag_bytes: most(|lag| lag.bytes),
                lag_millis: most(|lag| lag.millis),
            }
        };
        *served.standbys.lock().unwrap_or_else(PoisonError::into_inner) = found.map(behind);
        drop(served);
        tokio::time::sleep(STANDBYS_EVERY).await;
    }
}

/// How a database keeps what is committed; `None` when it does not say so in time.
async fn replication(database: &Database) -> Option<Replication> {
    tokio::time::timeout(DATABASE_TIME, database.replication()).await.ok()?.ok()
}

const fn replicated(found: &Replication) -> Replicated {
    match (found.synchronous, found.standbys) {
        (true, _) => Replicated::Synchronous,
        (false, 0) => Replicated::No,
        (false, _) => Replicated::Asynchronous,
    }
}

fn lags(found: &Replication) -> Vec<(u64, u64)> {
    found.lags.iter().map(|lag| (lag.bytes, lag.millis)).collect()
}

/// Segments of the log, and bytes of all files.
fn disk(directory: &Path) -> (u64, u64) {
    let sizes = |path: &Path| -> Vec<(String, u64)> {
        // What goes meanwhile is not counted.
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let sized = entries.filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((entry.file_name().to_string_lossy().into_owned(), metadata.len()))
        });
        sized.collect()
    };
    let log = sizes(&directory.join("log"));
    let segments = log.iter().filter(|(name, _)| name.ends_with(".seg")).count();
    let bytes = log.iter().chain(&sizes(directory)).map(|(_, bytes)| *bytes).sum();
    (u64::try_from(segments).unwrap_or(u64::MAX), bytes)
}

/// Says what clients will not take, or not for long.
pub(crate) fn warn_of_times(tls: &Tls, now: Timestamp) {
    let (file, validity) = (tls.certificate().display(), tls.validity(now));
    let advice = validity.advice();
    match validity {
        Validity::Valid => {}
        Validity::ExpiresSoon(until) => {
            tracing::warn!(%file, %until, advice, "tls.certificate_expires_soon");
        }
        Validity::Expired(until) => tracing::error!(%file, %until, advice, "tls.certificate_expired"),
        Validity::NotYet(from) => tracing::error!(%file, %from, advice, "tls.certificate_not_yet_valid"),
    }
}

//! Where the trail goes to.

mod file;
mod network;
mod read;

use std::path::PathBuf;
use std::sync::Arc;

use panvault_destination::{Collector, CollectorUrl, Syslog, SyslogAddress, TimeOuts, Tls};
use panvault_trail::AgeRecipient;
use panvault_vault::{TrailDestination, TrailSettings};

use crate::config::secret;
use crate::trail::file::TrailFile;
use crate::trail::network::{TrailCollector, TrailSyslog, host_name};

pub(crate) use read::{Exported, LinePlace, exported, identities, public_keys};

/// Where the trail goes to, as it is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailConfig {
    /// A file that it is appended to.
    pub(crate) file: Option<PathBuf>,
    pub(crate) syslog: Option<SyslogConfig>,
    pub(crate) https: Option<CollectorConfig>,
    /// Who alone can read it; nobody is everybody.
    pub(crate) recipients: Vec<AgeRecipient>,
    /// Days for which records are kept; 0 for ever.
    pub(crate) retention_days: u32,
    pub(crate) checkpoint_seconds: u64,
    /// 0 is never.
    pub(crate) refuse_changes_after_seconds: u64,
}

/// A syslog server.
#[derive(Clone, Debug)]
pub(crate) struct SyslogConfig {
    pub(crate) address: SyslogAddress,
    pub(crate) tls: Tls,
    pub(crate) time_outs: TimeOuts,
}

/// A server that takes `POST`.
#[derive(Clone)]
pub(crate) struct CollectorConfig {
    pub(crate) url: CollectorUrl,
    pub(crate) tls: Tls,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) time_outs: TimeOuts,
}

impl core::fmt::Debug for CollectorConfig {
    /// Without the URL, in which there may be what only the server is to know.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CollectorConfig").finish_non_exhaustive()
    }
}

impl TrailConfig {
    fn syslog(&self) -> Option<Syslog> {
        let SyslogConfig { address, tls, time_outs } = self.syslog.clone()?;
        Some(Syslog::new(address, tls, &host_name(), time_outs))
    }

    fn collector(&self) -> Option<Collector> {
        let CollectorConfig { url, tls, token_file, time_outs } = self.https.clone()?;
        let token = token_file.map(|path| (path, secret::password as _));
        Some(Collector::new(url, tls, token, time_outs))
    }

    /// What of the settings cannot be used, in words. Nothing is sent.
    pub(crate) fn faults(&self) -> Vec<String> {
        let syslog = self.syslog().and_then(|syslog| syslog.check().err()).map(|fault| ("syslog", fault));
        let https =
            self.collector().and_then(|collector| collector.check().err()).map(|fault| ("https", fault));
        let said = |(name, fault)| format!("the destination {name} is not sent to: {fault}");
        syslog.into_iter().chain(https).map(said).collect()
    }

    /// The destinations that are set.
    pub(crate) fn settings(&self) -> TrailSettings {
        let mut destinations: Vec<Arc<dyn TrailDestination>> = Vec::new();
        if let Some(path) = &self.file {
            destinations.push(Arc::new(TrailFile::new(path.clone())));
        }
        destinations.extend(self.syslog().map(|one| Arc::new(TrailSyslog(one)) as Arc<dyn TrailDestination>));
        destinations
            .extend(self.collector().map(|one| Arc::new(TrailCollector(one)) as Arc<dyn TrailDestination>));
        TrailSettings {
            checkpoint_seconds: self.checkpoint_seconds,
            destinations,
            recipients: self.recipients.clone(),
            refuse_changes_after_seconds: self.refuse_changes_after_seconds,
        }
    }
}

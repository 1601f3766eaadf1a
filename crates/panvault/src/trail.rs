//! Where the trail goes to.

mod file;
mod read;

use std::path::PathBuf;
use std::sync::Arc;

use panvault_vault::{TrailDestination, TrailSettings};

use crate::trail::file::TrailFile;

pub(crate) use read::{Exported, LinePlace, exported, public_keys};

/// Where the trail goes to, as it is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailConfig {
    /// A file that it is appended to.
    pub(crate) file: Option<PathBuf>,
    pub(crate) checkpoint_seconds: u64,
    /// 0 is never.
    pub(crate) refuse_changes_after_seconds: u64,
}

impl TrailConfig {
    /// The destinations that are set.
    pub(crate) fn settings(&self) -> TrailSettings {
        let file =
            self.file.iter().map(|path| Arc::new(TrailFile::new(path.clone())) as Arc<dyn TrailDestination>);
        TrailSettings {
            checkpoint_seconds: self.checkpoint_seconds,
            destinations: file.collect(),
            refuse_changes_after_seconds: self.refuse_changes_after_seconds,
        }
    }
}

#![doc = include_str!("../README.md")]

mod applier;
mod apply_queue;
mod checkpoint;
mod commit;
mod commit_queue;
mod copy;
mod deleted;
mod examine;
mod failure;
mod fault;
mod files;
mod frames;
#[doc(hidden)]
pub mod fuzz;
mod import;
pub mod limits;
mod log;
mod overlay;
mod patrol;
mod readers;
mod replay;
mod row_cache;
mod stop;
mod store;
mod view;
mod writer;

pub use crate::copy::{Copied, CopyFault};
pub use crate::examine::{Examination, Finding, examine, examine_copy};
pub use crate::fault::OpenFault;
pub use crate::files::{Files, LogFile, SystemFiles};
pub use crate::frames::{FramesFault, LogPlace, frames_apply};
pub use crate::import::Import;
pub use crate::limits::Settings;
pub use crate::store::{EmbeddedStore, holder, lock};

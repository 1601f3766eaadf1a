#![doc = include_str!("../README.md")]

mod applier;
mod commit;
mod examine;
mod failure;
mod fault;
mod files;
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod log;
mod overlay;
mod patrol;
mod queue;
mod readers;
mod replay;
mod stop;
mod store;
mod to_apply;
mod view;
mod writer;

pub use crate::examine::{Examination, Finding, examine};
pub use crate::fault::OpenFault;
pub use crate::files::{Files, LogFile, SystemFiles};
pub use crate::limits::Settings;
pub use crate::store::{EmbeddedStore, holder};

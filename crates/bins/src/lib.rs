#![doc = include_str!("../README.md")]

mod country;
mod file;
mod import;
pub mod limits;
mod table;

pub use crate::country::{country, currency};
pub use crate::file::{About, AboutFault, Contents, FileFault, TagKey, retagged};
pub use crate::import::{
    Column, Contradiction, Counted, Doubt, Found, ImportFault, Imported, InUse, Layout, LayoutFault, LeftOut,
    Merged, Refused, Report, Share, ShareFault, Shown, import,
};
pub use crate::table::Table;

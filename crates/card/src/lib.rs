#![doc = include_str!("../README.md")]

mod bin;
mod block;
mod cvv;
mod holder;
pub mod limits;
mod pan;
mod scheme;

pub use crate::bin::{BinTable, NoBinTable, TestBinTable};
pub use crate::block::{BlockFault, CARD_BLOCK_BYTES, CVV_BLOCK_BYTES, CardBlock, CvvBlock};
pub use crate::cvv::{Cvv, CvvFault, cvv_digits};
pub use crate::holder::{Holder, HolderFault};
pub use crate::pan::{NewCard, Pan, PanFault};

#![doc = include_str!("../README.md")]

mod bin;
mod block;
mod cryptogram;
mod customer;
mod cvv;
mod holder;
pub mod limits;
mod pan;
mod scheme;
mod text;

pub use crate::bin::{BinPrefix, BinPrefixFault, BinStatus, BinTable, NoBinTable, TestBinTable};
pub use crate::block::{
    BlockFault, CARD_BLOCK_BYTES, CVV_BLOCK_BYTES, CardBlock, CryptogramBlock, CvvBlock, HolderBlock,
};
pub use crate::cryptogram::{Cryptogram, CryptogramFault};
pub use crate::customer::{CustomerBlock, CustomerDetails, EmailAddress, EmailFault, is_date};
pub use crate::cvv::{Cvv, CvvFault, cvv_digits};
pub use crate::holder::{Holder, HolderFault};
pub use crate::pan::{NewCard, Pan, PanFault};
pub use crate::scheme::{Scheme, scheme_between, schemes};
pub use crate::text::{
    CardNumberSeen, card_numbers, holds_card_number, id_holds_card_number, is_secret_name, masked_text,
    phone_holds_card_number,
};

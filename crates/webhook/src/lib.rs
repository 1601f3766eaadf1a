#![doc = include_str!("../README.md")]

mod address;
pub mod limits;
mod listen;
mod notice;
mod resolve;
mod send;
mod url;

pub use crate::address::{AddressPolicy, NetworkFault};
pub use crate::listen::{Listener, Received};
pub use crate::notice::Notice;
pub use crate::resolve::{Lookup, Resolve, SystemResolver, Turn};
pub use crate::send::{Attempt, Message, Sender, SenderFault, TimeOuts};
pub use crate::url::{Host, UrlFault, WebhookUrl};

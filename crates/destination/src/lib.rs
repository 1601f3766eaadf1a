#![doc = include_str!("../README.md")]

mod address;
mod collector;
mod connect;
mod fault;
pub mod limits;
mod message;
mod syslog;
mod tls;

pub use crate::address::{AddressFault, CollectorUrl, SyslogAddress, UrlFault, is_server_name};
pub use crate::collector::Collector;
pub use crate::connect::TimeOuts;
pub use crate::fault::Fault;
pub use crate::syslog::Syslog;
pub use crate::tls::{ReadSecret, Tls};

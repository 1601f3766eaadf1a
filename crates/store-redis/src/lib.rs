#![doc = include_str!("../README.md")]

mod connect;
mod cvvs;
mod fitness;
mod heard;
pub mod limits;
mod link;
mod reach;
mod reply;
mod script;
mod settings;

pub use crate::cvvs::RedisCvvs;
pub use crate::fitness::RedisUnfit;
pub use crate::link::{RedisClock, RedisState};
pub use crate::settings::{RedisPassword, RedisRefused, RedisSettings, RedisUrl, RedisUrlFault};

#![doc = include_str!("../README.md")]

mod accept;
mod answer;
mod answers;
mod app;
mod asked;
mod body;
mod caller;
mod canonical;
mod checkout_page;
mod console;
mod cors;
mod csv;
mod dispatch;
mod docs_page;
pub mod error;
mod far_end;
mod fault;
mod fields;
pub mod floor;
mod framing;
#[doc(hidden)]
pub mod fuzz;
mod hosted;
mod json;
mod keyless;
pub mod lenience;
pub mod limits;
mod list;
mod local;
mod metrics;
#[cfg(test)]
mod moves;
mod notification;
mod object;
mod openapi;
mod own_origin;
mod populate;
mod process;
mod proxies;
mod rates;
mod recent;
pub mod roles;
mod room;
mod routes;
mod sealed;
mod stall;
pub mod table;
mod tls;
mod try_page;
mod unread;

pub use crate::accept::{ServeReport, ServerError, serve, serve_metrics};
pub use crate::app::App;
pub use crate::console::{Console, SigninProxy, SigninProxyFault, serve_console};
pub use crate::limits::{RequestLimits, ServerSettings};
pub use crate::local::{Local, LocalAnswer, LocalClient, LocalFault, LocalMethod};
pub use crate::openapi::openapi;
pub use crate::process::{
    BackupMade, LogLevel, LoggedFault, Process, ProcessReport, Reloaded, Replicated, Standbys,
};
pub use crate::proxies::{NotNetworks, TrustedProxies};
pub use crate::sealed::{
    SealedVault, Unseal, UnsealAnswer, serve_sealed, serve_sealed_console, serve_sealed_metrics,
};
pub use crate::tls::{Offered, Tls, TlsFault, Validity};
pub use crate::try_page::TryShop;

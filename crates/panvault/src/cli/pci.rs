//! What assessors ask.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Shared;

#[derive(Subcommand)]
pub(crate) enum PciCommand {
    /// Report keys, slots, ciphers, CVVs, API keys, the audit trail and what weakens any of these, each with its requirement of PCI DSS 4.0.1
    ///
    /// Of a running vault, or of one that nobody serves. It reads the whole trail, and the files of the vault's directory for card numbers. Exit code 0: the
    /// report was made. 1: the trail is not whole, or nothing could be reported.
    Report(PciReport),
}

#[derive(Args)]
pub(crate) struct PciReport {
    #[command(flatten)]
    pub(crate) shared: Shared,
    /// Write it as a page that prints, too: a file that is not there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

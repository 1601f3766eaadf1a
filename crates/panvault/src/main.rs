#![doc = include_str!("../README.md")]

mod bins;
mod cli;
mod client;
mod commands;
mod config;
mod data;
mod descriptors;
mod faults;
mod harden;
mod memory;
mod output;
mod posture;
mod process;
mod run;
mod sealed;
mod signals;
mod socket;
mod standard_error;
mod telemetry;
mod temporary;
mod trail;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Requests make and drop many small pieces on two threads at once, at which this one is faster than the system's. What is
/// freed is wiped first: a card number, CVV or API key stays in no buffer of a library that is done with it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    harden::panics_say_where_only();
    // Here, so that no command that reads a key or a secret can leave it out. Those that tell of it do it once more.
    harden::memory();
    let code = commands::run(cli::read()).unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::FAILURE
    });
    standard_error::finish();
    code
}

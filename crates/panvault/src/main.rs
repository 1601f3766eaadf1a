#![doc = include_str!("../README.md")]

mod bins;
mod cli;
mod client;
mod commands;
mod config;
mod data;
mod descriptors;
mod harden;
mod output;
mod process;
mod run;
mod signals;
mod socket;
mod standard_error;
mod telemetry;

use std::process::ExitCode;

/// Requests make and drop many small pieces on two threads at once, at which this one is faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

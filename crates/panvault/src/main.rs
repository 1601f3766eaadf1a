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
mod telemetry;

use std::process::ExitCode;

/// Requests make and drop many small pieces on two threads at once, at which this one is faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    harden::panics_say_where_only();
    match commands::run(cli::read()) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

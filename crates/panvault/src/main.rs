#![doc = include_str!("../README.md")]

mod cli;
mod commands;
mod config;
mod data;
mod harden;
mod output;
mod run;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    harden::panics_say_where_only();
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

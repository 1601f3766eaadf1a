//! One file for each command.

mod audit;
mod bin;
mod completions;
mod config;
mod demo;
mod dev;
pub(crate) mod doctor;
mod document;
mod init;
mod reload;
mod serve;
mod settle;
mod setup;
mod status;
mod version;
mod webhook;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::{output, signals};

pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo => demo::run(),
        Command::Dev(args) => dev::run(&args).map(success),
        Command::Setup(args) => setup::run(&args).map(success),
        Command::Init(args) => init::run(&args).map(success),
        Command::Serve(args) => serve::run(&args).map(success),
        Command::Doctor(args) => doctor::run(&args),
        Command::Config(command) => config::run(&command).map(success),
        Command::Organisation(command) => document::organisation(command).map(success),
        Command::Account(command) => document::account(command).map(success),
        Command::Processor(command) => document::processor(command).map(success),
        Command::ApiKey(command) => document::api_key(command).map(success),
        Command::Webhook(command) => webhook::run(command).map(success),
        Command::Bin(command) => bin::run(command),
        Command::Status(shared) => status::run(&shared),
        Command::Reload(shared) => reload::run(&shared),
        Command::Settle(shared) => settle::run(&shared),
        Command::Audit(command) => audit::run(command),
        Command::Completions { shell } => completions::run(shell).map(success),
        Command::Version { json } => version::run(json).map(success),
        Command::OpenApi { errors: false, roles: false } => {
            Ok(output::line(panvault_server::openapi().to_string()).map(success)?)
        }
        Command::OpenApi { roles: true, .. } => {
            Ok(output::line(panvault_server::roles::roles_markdown().trim_end()).map(success)?)
        }
        Command::OpenApi { errors: true, .. } => {
            Ok(output::line(panvault_server::error::errors_markdown().trim_end()).map(success)?)
        }
    }
}

const fn success((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// The runtime of a command. No signal that means nothing ends it.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let entered = runtime.enter();
    signals::ignore_meaningless()?;
    drop(entered);
    Ok(runtime)
}

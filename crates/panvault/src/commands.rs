//! One file for each command.

mod audit;
mod backup;
mod bin;
mod completions;
mod config;
mod demo;
mod dev;
pub(crate) mod doctor;
mod document;
mod init;
mod key;
mod migrate;
mod moving;
mod pci;
mod progress;
mod reload;
mod restore;
mod scan;
mod seal;
mod serve;
mod settle;
mod setup;
mod slot;
mod status;
mod unseal;
mod version;
mod webhook;

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Cli, Command, PciCommand};
use crate::{output, signals};

pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo => demo::run(),
        Command::Dev(args) => dev::run(&args).map(success),
        Command::Setup(args) => setup::run(&args).map(success),
        Command::Init(args) => init::run(&args).map(success),
        Command::Migrate(shared) => migrate::run(&shared).map(success),
        Command::Move(args) => moving::run(&args).map(success),
        Command::Serve(args) => serve::run(&args).map(success),
        Command::Backup(args) => backup::run(&args).map(success),
        Command::Restore(args) => restore::run(&args).map(success),
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
        Command::Seal(by) => seal::run(&by).map(success),
        Command::Unseal(args) => unseal::run(&args).map(success),
        Command::Key(command) => key::run(command).map(success),
        Command::Pci(PciCommand::Report(args)) => pci::run(&args),
        Command::Slot(command) => slot::run(command).map(success),
        Command::Audit(command) => audit::run(command),
        Command::Scan(args) => scan::run(&args),
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

/// Does the work of a command that serves, and ends with it: what then still blocks a thread, as the look-up of a name does that nobody waits
/// for any more, is left behind.
fn to_the_end<T>(runtime: tokio::runtime::Runtime, work: impl Future<Output = T>) -> T {
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFT_BEHIND_AFTER);
    done
}

/// Time for which tasks that end by themselves are waited for.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(1);

/// The runtime of a command. No signal that means nothing ends it.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let entered = runtime.enter();
    signals::ignore_meaningless()?;
    drop(entered);
    Ok(runtime)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    /// The bug: a server that was told to stop hung for as long as the system looked a name up. Its cause: a runtime that is dropped waits for
    /// every thread that blocks. Its cure: it is waited for briefly.
    #[test]
    fn a_thread_that_blocks_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (started, is_started) = channel();
        let (release, released) = channel::<()>();
        let (tell, ended) = channel();
        let work = async move {
            drop(tokio::task::spawn_blocking(move || {
                started.send(()).unwrap();
                let _ = released.recv();
            }));
            is_started.recv().unwrap();
            5
        };
        std::thread::spawn(move || tell.send(super::to_the_end(runtime, work)));
        assert_eq!(ended.recv_timeout(core::time::Duration::from_secs(30)), Ok(5));
        drop(release);
    }
}

//! Commands of this project, in Rust: `cargo xtask --help`.

mod architecture;
mod bench;
mod bin_list;
mod ci;
mod dev_vault;
mod exposures;
mod openapi;
mod packages;
mod parts;
mod python;
mod run;
mod say;
mod schemathesis;
mod source;
mod stopwatch;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Commands of this project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test: Rust, documentation, a real list of BINs, and schemathesis against the real binary.
    Test {
        /// Leave out what needs Python and a package index: the real list and schemathesis.
        #[arg(long, alias = "without-schemathesis")]
        without_python: bool,
    },
    /// Run what CI runs: every test, every lint, every check of the sources.
    Ci,
    /// Run schemathesis alone against the real binary.
    Schemathesis,
    /// Check who uses whom, and the rules that sources and manifests keep.
    Architecture,
    /// Check that `exposures.txt` lists every place where plaintext is handed out.
    Exposures {
        /// Rewrite the file; new lines get `WHY?`, which the check refuses.
        #[arg(long)]
        write: bool,
    },
    /// Write `docs/openapi.json` and `docs/errors.md` from the code.
    Openapi {
        /// Compare only.
        #[arg(long)]
        check: bool,
    },
    /// Measure the release build on this machine.
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::trouble(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(command: Command) -> anyhow::Result<bool> {
    let workspace = Workspace::find()?;
    match command {
        Command::Test { without_python } => Ok(test::test(&workspace, without_python)),
        Command::Ci => Ok(ci::ci(&workspace)),
        Command::Schemathesis => schemathesis::schemathesis(&workspace).map(|()| true),
        Command::Architecture => {
            architecture::check(&workspace)?;
            tidy::check(&workspace)?;
            say::line("the architecture is as it is written down");
            Ok(true)
        }
        Command::Exposures { write: true } => exposures::write(&workspace).map(|()| true),
        Command::Exposures { write: false } => {
            exposures::check(&workspace)?;
            say::line("exposures.txt is true");
            Ok(true)
        }
        Command::Openapi { check: true } => openapi::check(&workspace).map(|()| true),
        Command::Openapi { check: false } => openapi::write(&workspace).map(|()| true),
        Command::Bench(arguments) => bench::bench(&workspace, &arguments).map(|()| true),
    }
}

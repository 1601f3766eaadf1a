//! Commands of this project, in Rust: `cargo xtask --help`.

mod ahead;
mod architecture;
mod attack;
mod bench;
mod bin_list;
mod browser;
mod ci;
mod clients;
mod cluster;
mod deploy;
mod dev_vault;
mod examples;
mod exposures;
mod first_command;
mod lanes;
mod localstripe;
mod node;
mod openapi;
mod package;
mod packages;
mod parts;
mod python;
mod recap;
mod run;
mod say;
mod schemathesis;
mod servers;
mod source;
mod stopwatch;
mod test;
mod test_binaries;
mod tidy;
mod web;
mod webhook;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::lanes::Beside;
use crate::parts::Parts;
use crate::workspace::{SHIPPED, Workspace};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Commands of this project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test: Rust, documentation, a real list of BINs, localstripe, schemathesis, generated clients and the examples against the real binary, and
    /// pages in a browser.
    Test {
        /// Leave out what needs Python and a package index: the real list, localstripe and schemathesis.
        #[arg(long, alias = "without-schemathesis")]
        without_python: bool,
        /// Leave out what needs Node, a browser and a package index, and the examples, which need runtimes of other languages.
        #[arg(long)]
        without_browser: bool,
    },
    /// Run what CI runs: every test, every lint, every check of the sources.
    Ci,
    /// Run one of what `test` runs beside the test binaries, alone.
    #[command(hide = true)]
    Beside { what: Beside },
    /// Make the attacks that were once made on the vault, alone: each must be held, and has a control that shows that it would be noticed.
    Attack,
    /// Run schemathesis alone against the real binary.
    Schemathesis,
    /// Run the shipped description of Stripe against another's fake of it, alone.
    Localstripe,
    /// Look at the pages of the real binary in a real browser, alone.
    Browser {
        /// Where pictures of the pages are put.
        #[arg(long, value_name = "DIRECTORY")]
        screenshots: Option<PathBuf>,
        /// Measure the console of the release build against 100,000 cards and 50,000 transactions instead.
        #[arg(long, conflicts_with = "screenshots")]
        measure: bool,
    },
    /// Make clients from the OpenAPI document with others' generators, and run them against the real binary, alone.
    Clients,
    /// Run the programs in `examples/` against the real binary, alone.
    Examples,
    /// Three nodes on this machine, over PostgreSQL and Redis, behind one address.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Run what races and what is killed over three nodes for longer than the tests do: 20 rounds of each.
    Soak,
    /// Check what is in `deploy/`, alone, as far as that goes without containers.
    Deploy,
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
    /// Build what browsers load: `web/` into `crates/web/dist`.
    Web {
        /// Compare only, and measure.
        #[arg(long)]
        check: bool,
    },
    /// Make the Debian package, the tarball, the list of what is in them (CycloneDX) and checksums in `target/package`.
    Package {
        /// Lint, install and run it too, as `cargo xtask test` does.
        #[arg(long)]
        test: bool,
    },
    /// Measure what is handed out, on this machine.
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
        Command::Test { without_python, without_browser } => {
            Ok(test::test(&workspace, &test::Without { python: without_python, browser: without_browser }))
        }
        Command::Ci => Ok(ci::ci(&workspace)),
        Command::Browser { measure: true, .. } => browser::measure(&workspace).map(|()| true),
        Command::Browser { screenshots, measure: false } => {
            browser::browser(&workspace, screenshots.as_deref()).map(|()| true)
        }
        Command::Clients => clients::clients(&workspace).map(|()| true),
        Command::Examples => examples::examples(&workspace).map(|()| true),
        Command::Beside { what } => {
            let mut parts = Parts::default();
            what.run(&workspace, &mut parts);
            Ok(parts.finish())
        }
        Command::Attack => attack::attack(&workspace).map(|()| true),
        Command::Schemathesis => schemathesis::schemathesis(&workspace).map(|()| true),
        Command::Localstripe => {
            let mut parts = Parts::default();
            localstripe::part(&workspace, &mut parts);
            Ok(parts.finish())
        }
        Command::Cluster(command) => cluster::cluster(&workspace, &command).map(|()| true),
        Command::Soak => test::soak(&workspace).map(|()| true),
        Command::Deploy => deploy::check(&workspace).map(|()| true),
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
        Command::Web { check: true } => {
            web::check(&workspace)?;
            say::line("what browsers load is built from web/");
            Ok(true)
        }
        Command::Web { check: false } => web::write(&workspace).map(|()| true),
        Command::Package { test: false } => package::package(&workspace, SHIPPED).map(|_| true),
        Command::Package { test: true } => {
            let mut parts = Parts::default();
            package::test(&workspace, &mut parts, false);
            Ok(parts.finish())
        }
        Command::Bench(arguments) => bench::bench(&workspace, &arguments).map(|()| true),
    }
}

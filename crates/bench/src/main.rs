//! What `cargo xtask bench` runs beside the real server: the floor, a loader that goes through the operations of the vault, and
//! plans to be counted. It is never shipped.

mod cvvs;
mod directory;
mod documents;
mod floor;
mod load;
mod numbers;
mod parse;
mod pay;
mod plan;
mod progress;
mod psp;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// As in the real server: what is compared differs in nothing but the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "panvault-bench", about = "Parts of cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a constant with the listener of the API, and print its address.
    Floor {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Store cards in a vault that nobody serves.
    Load(Load),
    /// Make transactions in a vault that nobody serves; settle and refund some.
    Pay(pay::Pay),
    /// Make many organisations, accounts and API keys, and time the last beside early ones.
    Documents(documents::Documents),
    /// Time everything that reads what is not ours, at sizes of which each is twice the one before.
    Parse(parse::Parse),
    /// Hold CVVs in the store of the server, and say what each takes.
    Cvvs {
        /// How many.
        #[arg(long)]
        cvvs: u64,
    },
    /// Answer payments as a PSP does, over TLS.
    Psp(psp::Psp),
    /// Plan cards in memory, without storing them.
    Plan {
        /// How many.
        #[arg(long)]
        plans: u64,
    },
}

/// What is loaded, and where.
#[derive(clap::Args)]
struct Load {
    /// The vault's directory.
    #[arg(long)]
    data: PathBuf,
    /// Who owns the cards.
    #[arg(long)]
    organisation: String,
    /// How many.
    #[arg(long)]
    cards: u64,
    /// Which number is the first; the others follow it.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Where to write ids, one after the other, 24 digits each.
    #[arg(long)]
    ids: PathBuf,
    /// How many ids at most, evenly spread over all cards.
    #[arg(long, default_value_t = 1_000_000)]
    ids_max: u64,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Floor { listen } => floor::run(listen),
        Command::Load(load) => load::run(load),
        Command::Pay(pay) => pay::run(pay),
        Command::Documents(documents) => documents::run(documents),
        Command::Parse(parse) => parse::run(&parse),
        Command::Psp(psp) => psp::run(&psp),
        Command::Cvvs { cvvs } => cvvs::run(cvvs),
        Command::Plan { plans } => plan::run(plans),
    }
}

/// The runtime of the real server.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Prints a line that `cargo xtask bench` reads.
#[expect(clippy::print_stdout, reason = "a command line tool answers on standard output")]
fn line(text: impl core::fmt::Display) {
    println!("{text}");
}

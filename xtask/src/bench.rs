//! What is handed out can do on this machine: how close durable work comes to the bare HTTP server, and whether it stays
//! there.

mod bar;
mod bin;
mod client;
mod cluster;
mod crash;
mod crowd;
mod cvvs;
mod disk;
mod documents;
mod failover;
mod figures;
mod grow;
mod kept;
mod kind;
mod lists;
mod page;
mod parse;
mod plan;
mod plot;
mod process;
mod processors;
mod report;
mod server;
mod size;
mod stand;
mod standard;
mod table;
mod turns;
mod web;
mod wrk;

use clap::Subcommand;

use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    standard: standard::StandardArguments,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Load many cards, and measure at 0, 1 M and more: throughput, memory, disk, start after `kill -9`.
    Grow(grow::GrowArguments),
    /// Kill the server under load, again and again, and look for what it had acknowledged.
    Crash(crash::CrashArguments),
    /// Tokenise over PostgreSQL and Redis on this machine, by one node and by three, beside what `pgbench` makes of the same rows.
    Cluster(cluster::ClusterArguments),
    /// Measure beside thousands of connections that say nothing or little.
    Crowd(crowd::CrowdArguments),
    /// Hold many CVVs: bytes of memory that each takes, and the time of holding, reading and claiming one.
    Cvvs(cvvs::CvvsArguments),
    /// Make many organisations, accounts and API keys: what the last cost against early ones, and a start with all of them.
    Documents(documents::DocumentsArguments),
    /// Kill the primary of a database that three nodes share under load, again and again, or have it hand over: what is lost, and for how long nothing is written.
    Failover(failover::FailoverArguments),
    /// Make many cards of one organisation: what each kind of list and count costs against a page of the newest.
    Lists(lists::ListsArguments),
    /// Read ever larger things that are not ours, such as bodies, queries and lists: twice as much takes about twice as long.
    Parse(parse::ParseArguments),
    /// Count the instructions of one card plan.
    Plan(plan::PlanArguments),
    /// Pay at PSPs on this machine, one that answers at once and one that is slow: what it costs beside the dummy, and tokenising beside it.
    Processors(processors::ProcessorsArguments),
    /// Tokenise while the trail is exported, and while backups are made: what is kept of the rate.
    Kept(kept::KeptArguments),
    /// Import a real list of issuers, look up in it, and tokenise with and without it.
    Bin(bin::BinArguments),
    /// Load a shop's page in a real browser: how long its fields take until they can be typed into.
    Web,
}

/// Builds, measures, prints.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => standard::standard(workspace, &arguments.standard),
        Some(BenchCommand::Grow(arguments)) => grow::grow(workspace, arguments),
        Some(BenchCommand::Crash(arguments)) => crash::crash(workspace, arguments),
        Some(BenchCommand::Cluster(arguments)) => cluster::cluster(workspace, arguments),
        Some(BenchCommand::Crowd(arguments)) => crowd::crowd(workspace, arguments),
        Some(BenchCommand::Cvvs(arguments)) => cvvs::cvvs(workspace, arguments),
        Some(BenchCommand::Documents(arguments)) => documents::documents(workspace, arguments),
        Some(BenchCommand::Failover(arguments)) => failover::failover(workspace, arguments),
        Some(BenchCommand::Lists(arguments)) => lists::lists(workspace, arguments),
        Some(BenchCommand::Parse(arguments)) => parse::parse(workspace, arguments),
        Some(BenchCommand::Plan(arguments)) => plan::plan(workspace, arguments),
        Some(BenchCommand::Processors(arguments)) => processors::processors(workspace, arguments),
        Some(BenchCommand::Kept(arguments)) => kept::kept(workspace, arguments),
        Some(BenchCommand::Bin(arguments)) => bin::bin(workspace, arguments),
        Some(BenchCommand::Web) => web::web(workspace),
    }
}

//! What a payment at a PSP over HTTPS costs beside one at the dummy, and what slow ones do to tokenising.

use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::{Figures, median, ratio};
use crate::bench::kind::Kind;
use crate::bench::page::Page;
use crate::bench::server::{Psp, Server, Vault};
use crate::bench::stand::{Ask, Stand};
use crate::bench::table::Table;
use crate::bench::turns::{self, CPU, P99};
use crate::say;
use crate::workspace::Workspace;

/// Connections of those that pay or tokenise.
const WORKING: usize = 64;
/// Payments at a time at a PSP that is slow, and how long it takes for each.
const SLOW: usize = 200;
const SLOW_ANSWER_MILLIS: u64 = 2_000;
/// Cards that are paid with in turn.
const CARDS: u64 = 20_000;
const QUICK_CARDS: u64 = 2_000;
const QUICK_WINDOW: Duration = Duration::from_millis(1_500);

/// The description that is shipped for Stripe, as if the PSP were here.
const STRIPE: &str = include_str!("../../../crates/processor/descriptions/stripe.toml");
const STRIPE_ORIGIN: &str = "test = \"https://api.stripe.com\"";
/// Begins as Stripe's do.
const SECRET: &str = "sk_test_benchmark";

#[derive(clap::Args)]
pub(crate) struct ProcessorsArguments {
    /// End within a minute after the build: short windows, fewer cards.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Write the result into docs/performance.md.
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// Seconds of one window.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in which all that is compared takes turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Windows that are compared, one of each in a round.
#[derive(Default)]
struct Windows {
    dummy: Vec<Figures>,
    dummy_again: Vec<Figures>,
    psp: Vec<Figures>,
    alone: Vec<Figures>,
    alone_again: Vec<Figures>,
    beside: Vec<Figures>,
    /// Of payments at the PSP that answers at once, and how many connections it saw.
    paid: f64,
    connections: u64,
    /// Payments a second at the slow one.
    slow_rps: Vec<f64>,
}

/// Builds, measures, prints.
pub(super) fn processors(workspace: &Workspace, arguments: &ProcessorsArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let windows = measure(&mut stand, arguments)?;
    let (tables, bars) = (windows.tables(), bar::table(&windows.bars()));
    if arguments.json {
        say::line(windows.json());
        return Ok(());
    }
    let said = windows.notes();
    let plain = tables.each_ref().map(Table::plain).join("\n");
    say::line(format_args!("{plain}\n{said}\n\n{}", bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        let tables = tables.each_ref().map(Table::markdown).join("\n");
        page.put("processors", &format!("{tables}\n{said}\n\n{}", bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &ProcessorsArguments) -> anyhow::Result<Windows> {
    let (window, cards) = if arguments.quick {
        (QUICK_WINDOW, QUICK_CARDS)
    } else {
        (Duration::from_secs(arguments.seconds), CARDS)
    };
    let directory = stand.directory.path().to_path_buf();
    let dummy = stand.binaries.vault(&directory)?;
    let ids = directory.join("ids");
    stand.binaries.load(&dummy, 0, cards, &ids, |_, _| {})?;
    let descriptions = directory.join("processors");
    fs::create_dir(&descriptions)?;
    let quick = psp(stand, &descriptions, "quick", 0)?;
    let slow = psp(stand, &descriptions, "slow", SLOW_ANSWER_MILLIS)?;
    let secret = directory.join("secret");
    fs::write(&secret, SECRET)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let setting = format!("processors={}", descriptions.display());
    let mut server = stand.binaries.serve_with(&dummy, &["--set", &setting])?;
    let secret = format!("secret_key={}", secret.display());
    let at_quick = stand.binaries.paying_by(&dummy, "card_quick", &secret)?;
    let at_slow = stand.binaries.paying_by(&dummy, "card_slow", &secret)?;

    let mut windows = Windows::default();
    let mut place = 0;
    for round in 1..=arguments.rounds {
        say::note(format_args!("round {round} of {}", arguments.rounds));
        let mut paying = Paying { stand, server: &mut server, window, ids: &ids, place: &mut place };
        windows.dummy.push(paying.window(&dummy)?);
        let figures = paying.window(&at_quick)?;
        windows.paid += figures.rps * window.as_secs_f64();
        windows.psp.push(figures);
        windows.dummy_again.push(paying.window(&dummy)?);

        windows.alone.push(tokenise(stand, &dummy, &mut server, window)?);
        let (beside, slow_rps) = beside(stand, &dummy, &at_slow, &mut server, window, &ids)?;
        windows.beside.push(beside);
        windows.slow_rps.push(slow_rps);
        windows.alone_again.push(tokenise(stand, &dummy, &mut server, window)?);
    }
    windows.connections = quick.connections()?;
    ensure!(slow.connections()? >= SLOW as u64, "the slow PSP was not paid at {SLOW} times at once");
    Ok(windows)
}

/// Starts a PSP, and describes it in the directory of the vault.
fn psp(stand: &Stand, descriptions: &Path, name: &str, answer_millis: u64) -> anyhow::Result<Psp> {
    let root = format!("{name}.pem");
    let psp = stand.binaries.psp(name, &descriptions.join(&root), answer_millis)?;
    let text = STRIPE
        .replacen("name = \"stripe\"", &format!("name = \"{name}\"\nroots = \"{root}\""), 1)
        .replacen(STRIPE_ORIGIN, &format!("test = \"{}\"", psp.origin()), 1);
    ensure!(text.contains(psp.origin()), "the description of Stripe is not as it was");
    let limits = format!("\n[limits]\nconnections_max = {}\n", SLOW + 56);
    fs::write(descriptions.join(format!("{name}.toml")), text + &limits)?;
    Ok(psp)
}

/// Windows of payments, each with a CVV that was held just before.
struct Paying<'a> {
    stand: &'a mut Stand,
    server: &'a mut Server,
    window: Duration,
    ids: &'a Path,
    place: &'a mut u64,
}

impl Paying<'_> {
    fn window(&mut self, vault: &Vault) -> anyhow::Result<Figures> {
        let Self { stand, server, window, ids, place } = self;
        let ask = |kind| Ask { kind, connections: WORKING, long: *window, ids, place: **place };
        stand.window(vault, server, ask(Kind::Cvv))?;
        let figures = stand.window(vault, server, ask(Kind::Transact))?;
        **place += 1_000;
        Ok(figures)
    }
}

fn tokenise(
    stand: &mut Stand,
    vault: &Vault,
    server: &mut Server,
    long: Duration,
) -> anyhow::Result<Figures> {
    let ids = PathBuf::new();
    stand.window(vault, server, Ask { kind: Kind::Tokenise, connections: WORKING, long, ids: &ids, place: 0 })
}

/// Tokenises while as many payments as may be wait for the slow PSP; how many of those were made in a second is beside it.
fn beside(
    stand: &mut Stand,
    vault: &Vault,
    slow: &Vault,
    server: &mut Server,
    window: Duration,
    ids: &Path,
) -> anyhow::Result<(Figures, f64)> {
    let paying = stand.begin(slow, server, Kind::Transact, SLOW, ids)?;
    // All are on their way, and some have been answered.
    thread::sleep(Duration::from_millis(SLOW_ANSWER_MILLIS + SLOW_ANSWER_MILLIS / 2));
    let figures = tokenise(stand, vault, server, window)?;
    let said = stand.end(paying)?;
    ensure!(said.errors == 0, "{} of {} payments at the slow PSP failed", said.errors, said.requests);
    Ok((figures, ratio(said.requests as f64, said.seconds)))
}

impl Windows {
    fn tables(&self) -> [Table; 2] {
        [
            turns::table(
                "transact, 64 connections",
                &[
                    ("at the dummy", &self.dummy),
                    ("at a PSP over TLS", &self.psp),
                    ("at the dummy again", &self.dummy_again),
                ],
            ),
            turns::table(
                "tokenise, 64 connections",
                &[
                    ("alone", &self.alone),
                    ("beside 200 slow payments", &self.beside),
                    ("alone again", &self.alone_again),
                ],
            ),
        ]
    }

    fn connections_per_thousand(&self) -> f64 {
        ratio(self.connections as f64 * 1e3, self.paid)
    }

    fn notes(&self) -> String {
        format!(
            "Connections that the PSP saw for 1,000 payments: {:.2}. At the slow PSP {:.0} payments a second were made. The same against the same: processor \
             time of the dummy {:.2} times, p99 of tokenise {:.2} times.",
            self.connections_per_thousand(),
            median(self.slow_rps.iter().copied()),
            turns::ratio_of(&self.dummy_again, &self.dummy, CPU),
            turns::ratio_of(&self.alone_again, &self.alone, P99),
        )
    }

    fn bars(&self) -> [Bar; 3] {
        let bar = |what, most, measured| Bar { what, limit: Limit::AtMost(most), measured, unit: "" };
        [
            bar(
                "processor time of transact at a PSP ÷ at the dummy",
                3.0,
                turns::between(&self.psp, [&self.dummy, &self.dummy_again], CPU),
            ),
            bar("connections for 1,000 payments at a PSP", 10.0, self.connections_per_thousand()),
            bar(
                "p99 of tokenise beside 200 slow payments ÷ alone",
                1.1,
                turns::between(&self.beside, [&self.alone, &self.alone_again], P99),
            ),
        ]
    }

    fn json(&self) -> Value {
        let figures = |windows: &[Figures]| {
            let of = |figure: fn(&Figures) -> f64| median(windows.iter().map(figure));
            json!({ "rps": of(|one| one.rps), "p50_ms": of(|one| one.p50_ms), "p99_ms": of(P99), "cpu_us": of(CPU) })
        };
        let bar = |bar: &Bar| json!({ "what": bar.what, "measured": bar.measured, "is_met": bar.is_met() });
        json!({
            "transact_dummy": figures(&self.dummy), "transact_psp": figures(&self.psp),
            "transact_dummy_again": figures(&self.dummy_again), "tokenise_alone": figures(&self.alone),
            "tokenise_beside": figures(&self.beside), "tokenise_alone_again": figures(&self.alone_again),
            "slow_rps": median(self.slow_rps.iter().copied()),
            "cpu_same": turns::ratio_of(&self.dummy_again, &self.dummy, CPU),
            "p99_same": turns::ratio_of(&self.alone_again, &self.alone, P99),
            "bars": self.bars().iter().map(bar).collect::<Vec<_>>(),
        })
    }
}

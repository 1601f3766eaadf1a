//! Where everything is measured: the binaries, wrk, the floor, and a directory on the disk in question.

use core::time::Duration;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::bench::client::Client;
use crate::bench::figures::{Figures, ratio};
use crate::bench::kind::Kind;
use crate::bench::process;
use crate::bench::server::{BEHIND, Binaries, Server, Vault};
use crate::bench::wrk::{Said, Wrk};
use crate::workspace::Workspace;

/// The first card number that is sent by wrk; those below are for the loader.
const FIRST_NUMBER: u64 = 500_000_000;
/// Card numbers that are left out between two windows: wrk asks for a few more than it sends.
const NUMBERS_BETWEEN: u64 = 10_000;

/// Everything but the vault.
pub(super) struct Stand {
    pub(super) binaries: Binaries,
    pub(super) directory: TempDir,
    wrk: Wrk,
    pub(super) floor: Server,
    next_number: u64,
}

/// What is asked in one window.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) kind: Kind,
    pub(super) connections: usize,
    pub(super) long: Duration,
    /// File of the ids of stored cards, or of the transactions that are captured or refunded.
    pub(super) ids: &'a Path,
    /// The place in it to begin at.
    pub(super) place: u64,
}

impl Stand {
    /// Builds, installs, and starts the floor.
    pub(super) fn ready(workspace: &Workspace, parent: Option<&PathBuf>) -> anyhow::Result<Self> {
        let binaries = Binaries::build(workspace)?;
        let parent = parent.unwrap_or(&workspace.target);
        let directory = tempfile::Builder::new().prefix("panvault-bench-").tempdir_in(parent);
        let directory =
            directory.with_context(|| format!("no directory can be made in {}", parent.display()))?;
        let wrk = Wrk::ready(&workspace.root, directory.path())?;
        let floor = binaries.floor()?;
        Ok(Self { binaries, directory, wrk, floor, next_number: FIRST_NUMBER })
    }

    /// Asks for one window, and measures. Any error fails.
    pub(super) fn window(
        &mut self,
        vault: &Vault,
        server: &mut Server,
        ask: Ask<'_>,
    ) -> anyhow::Result<Figures> {
        let Ask { kind, connections, long, ids, place } = ask;
        let first = match kind {
            Kind::Floor | Kind::Tokenise => self.next_number,
            Kind::Read | Kind::Cvv | Kind::Transact | Kind::Capture | Kind::Refund => place,
        };
        let target = if kind == Kind::Floor { &self.floor } else { &*server };
        let arguments = [&vault.api_key, &vault.organisation, &first.to_string(), &vault.account];
        let ids = ids.to_string_lossy();
        let arguments: Vec<&str> = arguments.into_iter().map(String::as_str).chain([ids.as_ref()]).collect();
        let pid = target.pid();
        let before = process::cpu(pid)?;
        let said = self.wrk.send(&target.url, kind, connections, long, &arguments)?;
        let used = if kind.writes() { process::cpu_when_idle(pid)? } else { process::cpu(pid)? };
        server.still_runs()?;
        if matches!(kind, Kind::Floor | Kind::Tokenise) {
            self.next_number += said.requests + NUMBERS_BETWEEN;
        }
        ensure!(
            said.errors == 0 && said.requests > 0,
            "{} at {connections} connections: {} of {} requests failed",
            kind.name(),
            said.errors,
            said.requests
        );
        Ok(Figures {
            rps: ratio(said.requests as f64, said.seconds),
            p50_ms: said.p50_ms,
            p99_ms: said.p99_ms,
            p999_ms: said.p999_ms,
            max_ms: said.max_ms,
            cpu_us: ratio(used.saturating_sub(before).as_secs_f64() * 1e6, said.requests as f64),
            errors: said.errors,
        })
    }

    /// Asks without end, until [`Self::end`], with what processor time others leave.
    pub(super) fn begin(
        &self,
        vault: &Vault,
        server: &Server,
        kind: Kind,
        connections: usize,
        ids: &Path,
    ) -> anyhow::Result<std::process::Child> {
        let ids = ids.to_string_lossy();
        let arguments = [vault.api_key.as_str(), &vault.organisation, "0", &vault.account, &ids];
        self.wrk.start(BEHIND, &server.url, kind, connections, &arguments)
    }

    /// Ends what was begun, and reads what it says.
    pub(super) fn end(&self, begun: std::process::Child) -> anyhow::Result<Said> {
        self.wrk.end(begun)
    }

    /// Tokenises without end, until the process that is given back is killed.
    pub(super) fn press(&mut self, vault: &Vault, server: &Server) -> anyhow::Result<std::process::Child> {
        let first = self.next_number.to_string();
        self.next_number += 10 * NUMBERS_BETWEEN;
        let arguments = [vault.api_key.as_str(), &vault.organisation, &first];
        self.wrk.start("0", &server.url, Kind::Tokenise, 64, &arguments)
    }

    /// The floor is one only if its answers are as long as those of the vault.
    pub(super) fn floor_is_even(&self, vault: &Vault, server: &Server) -> anyhow::Result<()> {
        let (vault, floor) = (card_create(vault, server)?, card_create(vault, &self.floor)?);
        ensure!(vault == floor, "a new card is answered with {vault} bytes, the floor answers with {floor}");
        Ok(())
    }
}

/// Makes one card, and gives the length of the answer.
pub(super) fn card_create(vault: &Vault, server: &Server) -> anyhow::Result<usize> {
    let body = format!(
        r#"{{"card_number":"4000000000000002","expiry_month":"12","expiry_year":"35","cvv":"111","organisation":"{}"}}"#,
        vault.organisation
    );
    let mut client = Client::connect(server.authority())?;
    let answer = client.ask("POST", "/v1/card", &vault.api_key, Some(&body))?;
    ensure!(answer.status == 200, "a new card is answered with {}", answer.status);
    Ok(answer.bytes)
}

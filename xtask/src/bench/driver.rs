use core::time::Duration;
use std::sync::Barrier;
use std::thread;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::client::Client;
use crate::bench::work::{Cards, Work};
use crate::dev_vault::DevVault;
use crate::stopwatch::Stopwatch;

/// What one round measured.
pub(super) struct Round {
    /// From the first request to the last answer.
    pub(super) took: Duration,
    /// Of every request, unsorted.
    pub(super) latencies: Vec<Duration>,
}

/// What one connection measured.
#[derive(Default)]
struct Sent {
    latencies: Vec<Duration>,
    ids: Vec<String>,
}

/// Sends one kind of request over so many connections for so long. Each connection sends when it has its answer.
pub(super) fn round(
    vault: &DevVault,
    work: Work,
    cards: &Cards,
    connections: usize,
    long: Duration,
) -> anyhow::Result<Round> {
    let together = Barrier::new(connections + 1);
    let clients: Vec<Client> =
        (0..connections).map(|_| Client::connect(vault.authority())).collect::<anyhow::Result<_>>()?;
    let (took, sent) = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(|| connection(client, vault, work, cards, &together, long)))
            .collect();
        together.wait();
        let watch = Stopwatch::start();
        let sent: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (watch.elapsed(), sent)
    });
    let mut latencies = Vec::new();
    for one in sent {
        let one = one.map_err(|_| anyhow::anyhow!("a connection's thread ended"))??;
        latencies.extend(one.latencies);
        cards.add(one.ids);
    }
    Ok(Round { took, latencies })
}

fn connection(
    mut client: Client,
    vault: &DevVault,
    work: Work,
    cards: &Cards,
    together: &Barrier,
    long: Duration,
) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    let known = cards.known();
    together.wait();
    let whole = Stopwatch::start();
    while whole.elapsed() < long {
        let request = work.request(vault, cards, &known);
        let one = Stopwatch::start();
        let answer = client.send(request.as_bytes())?;
        sent.latencies.push(one.elapsed());
        ensure!(answer.status == work.status(), "{} was answered with {}", work.name(), answer.status);
        if work == Work::Create {
            sent.ids.push(id(answer.body)?);
        }
    }
    Ok(sent)
}

fn id(body: &[u8]) -> anyhow::Result<String> {
    let card: Value = serde_json::from_slice(body)?;
    card.get("_id").and_then(Value::as_str).map(str::to_owned).context("a card without _id")
}

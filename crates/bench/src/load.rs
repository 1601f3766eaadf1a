use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::sync::Arc;

use anyhow::{Context, ensure};
use panvault_model::{CardId, OrganisationId};
use panvault_vault::{CardCreate, Metadata, VaultError};
use tokio::task::JoinSet;

use crate::Load;
use crate::directory::{self, Opened};
use crate::numbers::{NUMBERS, card_number, expiry_year, parse};
use crate::progress::Progress;

/// Cards that are under way at a time.
const TASKS: u64 = 512;
/// Milliseconds to wait when the store has enough to do.
const BUSY_MILLIS: u64 = 5;
/// Cards after which the time is printed.
const SAMPLE_CARDS: u64 = 100_000;

/// The cards that are still to be made, shared by all tasks.
struct Feed {
    opened: Opened,
    organisation: OrganisationId,
    first: u64,
    cards: u64,
    next: AtomicU64,
    made: AtomicU64,
    /// Of so many cards, one id is kept.
    ids_every: u64,
}

/// Stores the cards, writes their ids, and prints a sample of the time whenever another 100,000 are stored.
pub(crate) fn run(load: Load) -> anyhow::Result<()> {
    ensure!(load.first + load.cards <= NUMBERS, "there are only {NUMBERS} card numbers");
    let organisation =
        OrganisationId::parse(&load.organisation).ok().context("--organisation must be an id")?;
    let ids = crate::runtime()?.block_on(async {
        let opened = directory::open(&load.data).await?;
        let feed = Arc::new(Feed {
            opened: opened.clone(),
            organisation,
            first: load.first,
            cards: load.cards,
            next: AtomicU64::new(0),
            made: AtomicU64::new(0),
            ids_every: load.cards.div_ceil(load.ids_max.max(1)).max(1),
        });
        let ids = load_all(&feed).await?;
        opened.vault.close().await?;
        anyhow::Ok(ids)
    })?;
    let text: String = ids.iter().map(CardId::to_string).collect();
    fs::write(&load.ids, text).with_context(|| format!("{} cannot be written", load.ids.display()))
}

async fn load_all(feed: &Arc<Feed>) -> anyhow::Result<Vec<CardId>> {
    let mut tasks: JoinSet<anyhow::Result<Vec<CardId>>> = JoinSet::new();
    for _ in 0..TASKS {
        let feed = Arc::clone(feed);
        tasks.spawn(async move { feed.cards_create().await });
    }
    let mut progress = Progress::start(feed.cards, "cards");
    let mut sampled = 0;
    let mut ids = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => ids.extend(ended.context("a task ended")??),
                None => break,
            },
            _ = ticks.tick() => {}
        }
        let made = feed.made.load(Ordering::Relaxed);
        progress.show(made);
        if made / SAMPLE_CARDS > sampled {
            sampled = made / SAMPLE_CARDS;
            sample(made, &progress);
        }
    }
    progress.end();
    sample(feed.cards, &progress);
    Ok(ids)
}

fn sample(cards: u64, progress: &Progress) {
    crate::line(format_args!("{{\"cards\":{cards},\"seconds\":{:.3}}}", progress.seconds()));
}

impl Feed {
    /// Makes cards, one after the other, until all are taken.
    async fn cards_create(&self) -> anyhow::Result<Vec<CardId>> {
        let mut ids = Vec::new();
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            if place >= self.cards {
                return Ok(ids);
            }
            let id = self.card_create(self.first + place).await?;
            self.made.fetch_add(1, Ordering::Relaxed);
            if place.is_multiple_of(self.ids_every) {
                ids.push(id);
            }
        }
    }

    async fn card_create(&self, number: u64) -> anyhow::Result<CardId> {
        loop {
            match self.creating(number)?.await {
                Ok(id) => return Ok(id),
                Err(VaultError::Busy) => tokio::time::sleep(Duration::from_millis(BUSY_MILLIS)).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Plans a card; what comes out holds no plaintext any more.
    fn creating(
        &self,
        number: u64,
    ) -> anyhow::Result<impl Future<Output = Result<CardId, VaultError>> + Send + use<>> {
        let permit = self.opened.operator()?.permit::<CardCreate>()?;
        let now = permit.now().wall;
        let card = parse(&card_number(number), None, &expiry_year(now), now).context("a card is refused")?;
        let creating =
            self.opened.vault.card_create(&permit, self.organisation, card, Metadata::default(), None);
        Ok(async move { Ok(creating.await?.value.row.id) })
    }
}

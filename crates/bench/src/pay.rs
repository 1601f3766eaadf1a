use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use panvault_model::{AccountId, Amount, CardId, TransactionId};
use panvault_vault::{
    NewRefund, NewTransaction, RefundCreate, TransactionCreate, TransactionSettle, VaultError,
};
use tokio::task::JoinSet;

use crate::directory::{self, Opened};
use crate::progress::Progress;

/// Requests that are under way at a time.
const TASKS: u64 = 512;
/// Milliseconds to wait when the store has enough to do.
const BUSY_MILLIS: u64 = 5;
/// Digits of an id.
const ID_DIGITS: usize = 24;
/// What is refunded of each: less than is captured.
const REFUND_UNITS: u32 = 7;

/// What is paid, and where.
#[derive(clap::Args)]
pub(crate) struct Pay {
    /// The vault's directory.
    #[arg(long)]
    data: PathBuf,
    /// Where the money goes; of two accounts the second gets one transaction in a thousand.
    #[arg(long, required = true, num_args = 1..=2)]
    account: Vec<String>,
    /// File of the ids of cards that pay in turn, one after the other, 24 digits each.
    #[arg(long)]
    cards: PathBuf,
    /// How many transactions.
    #[arg(long)]
    transactions: u64,
    /// Minor units of each.
    #[arg(long, default_value_t = 1099)]
    amount: u32,
    /// Of so many transactions one is captured at once, and settled at the end; 0 for none.
    #[arg(long, default_value_t = 0)]
    captured_one_in: u64,
    /// Refund a part of each that was settled.
    #[arg(long)]
    refund: bool,
    /// One in a hundred by the first card, one in a hundred with one reference for all, and one in a hundred without a reference.
    #[arg(long)]
    mixed: bool,
    /// Where to write ids of the transactions.
    #[arg(long)]
    ids: PathBuf,
    /// How many ids at most, evenly spread over all transactions.
    #[arg(long, default_value_t = 1_000_000)]
    ids_max: u64,
}

/// What all tasks share.
struct Till {
    opened: Opened,
    accounts: Vec<AccountId>,
    cards: Vec<CardId>,
    amount: Amount,
    pay: Pay,
}

/// Pays, settles and refunds in a vault that nobody serves, and writes the ids of the transactions, the oldest first.
pub(crate) fn run(pay: Pay) -> anyhow::Result<()> {
    let cards = fs::read(&pay.cards).with_context(|| format!("{} cannot be read", pay.cards.display()))?;
    let id = |digits: &[u8]| core::str::from_utf8(digits).ok().and_then(|text| CardId::parse(text).ok());
    let cards: Option<Vec<CardId>> = cards.chunks_exact(ID_DIGITS).map(id).collect();
    let cards = cards.filter(|cards| !cards.is_empty()).context("the file of cards holds no ids")?;
    let accounts: Option<Vec<AccountId>> =
        pay.account.iter().map(|text| AccountId::parse(text).ok()).collect();
    let accounts = accounts.context("--account must be an id")?;
    let amount = Amount::new(pay.amount).context("--amount is none")?;
    crate::runtime()?.block_on(async {
        let opened = directory::open(&pay.data).await?;
        let till = Arc::new(Till { opened, accounts, cards, amount, pay });
        let paid = each(&till, till.pay.transactions, "transactions", Till::transaction_create).await?;
        till.settle_and_refund(&paid).await?;
        till.opened.vault.close().await?;
        let every = paid.len().div_ceil(usize::try_from(till.pay.ids_max.max(1))?).max(1);
        let text: String = paid.iter().step_by(every).map(TransactionId::to_string).collect();
        let path = &till.pay.ids;
        fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    })
}

/// Does something so many times, many at once, and gives what came of each in the order of their places.
async fn each<T: Send + 'static, F>(
    till: &Arc<Till>,
    count: u64,
    what: &'static str,
    one: impl Fn(Arc<Till>, u64) -> F + Clone + Send + 'static,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks: JoinSet<anyhow::Result<Vec<(u64, T)>>> = JoinSet::new();
    for _ in 0..TASKS {
        let (till, next, one) = (Arc::clone(till), Arc::clone(&next), one.clone());
        tasks.spawn(async move {
            let mut made = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= count {
                    return Ok(made);
                }
                made.push((place, one(Arc::clone(&till), place).await?));
            }
        });
    }
    let mut progress = Progress::start(count, what);
    let mut made = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => made.extend(ended.context("a task ended")??),
                None => break,
            },
            _ = ticks.tick() => progress.show(next.load(Ordering::Relaxed).min(count)),
        }
    }
    progress.end();
    made.sort_unstable_by_key(|(place, _)| *place);
    Ok(made.into_iter().map(|(_, one)| one).collect())
}

impl Till {
    async fn transaction_create(self: Arc<Self>, place: u64) -> anyhow::Result<TransactionId> {
        loop {
            let permit = self.opened.operator()?.permit::<TransactionCreate>()?;
            match self.opened.vault.transaction_create(&permit, self.transaction(place)?, None).await {
                Ok(done) => {
                    let row = done.value;
                    ensure!(
                        row.reason_code.as_deref() == Some("00"),
                        "a transaction is {}",
                        row.status.as_str()
                    );
                    return Ok(row.id);
                }
                Err(VaultError::Busy) => tokio::time::sleep(Duration::from_millis(BUSY_MILLIS)).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn transaction(&self, place: u64) -> anyhow::Result<NewTransaction> {
        let of_hundred = |which| self.pay.mixed && place % 100 == which;
        let at = if of_hundred(1) { 0 } else { usize::try_from(place)? % self.cards.len() };
        let merchant_reference = if of_hundred(2) {
            "subscription".to_owned()
        } else if of_hundred(3) {
            String::new()
        } else {
            format!("order-{:016x}", scattered(place))
        };
        let second = self.accounts.get(1).filter(|_| place % 1000 == 4);
        let account = second.or(self.accounts.first()).context("there is no account")?;
        Ok(NewTransaction {
            account: *account,
            amount: self.amount,
            card: *self.cards.get(at).context("there is no card")?,
            capture_now: self.is_captured(place),
            customer_ip: "203.0.113.7".to_owned(),
            dynamic_descriptor: "Example shop".to_owned(),
            merchant_reference,
            user_agent: "loader".to_owned(),
            customer: None,
            webhook_transaction_update: None,
            recurring_type: None,
            installments: 0,
            shopper_interaction: None,
            cryptogram: None,
            extras: Vec::new(),
        })
    }

    const fn is_captured(&self, place: u64) -> bool {
        self.pay.captured_one_in > 0 && place.is_multiple_of(self.pay.captured_one_in)
    }

    async fn settle_and_refund(self: &Arc<Self>, paid: &[TransactionId]) -> anyhow::Result<()> {
        if self.pay.captured_one_in == 0 {
            return Ok(());
        }
        let permit = self.opened.operator()?.permit::<TransactionSettle>()?;
        let settled = self.opened.vault.settle(&permit).await?.completed;
        let captured: Vec<TransactionId> =
            (0..).zip(paid).filter_map(|(place, id)| self.is_captured(place).then_some(*id)).collect();
        ensure!(settled == captured.len() as u64, "{settled} of {} were settled", captured.len());
        if self.pay.refund {
            let count = captured.len() as u64;
            let captured = Arc::new(captured);
            each(self, count, "refunds", move |till, place| {
                let captured = Arc::clone(&captured);
                async move { till.refund_create(captured.get(usize::try_from(place)?)).await }
            })
            .await?;
        }
        Ok(())
    }

    async fn refund_create(&self, of: Option<&TransactionId>) -> anyhow::Result<()> {
        let of = *of.context("there is no transaction")?;
        loop {
            let permit = self.opened.operator()?.permit::<RefundCreate>()?;
            let new = NewRefund { amount: Amount::new(REFUND_UNITS), reason: None, merchant_reference: None };
            match self.opened.vault.refund_create(&permit, of, new, None).await {
                Ok(_) => return Ok(()),
                Err(VaultError::Busy) => tokio::time::sleep(Duration::from_millis(BUSY_MILLIS)).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A number that follows from another, with its order lost and no two the same (splitmix64).
const fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

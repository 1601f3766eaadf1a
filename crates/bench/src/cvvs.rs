use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, bail};
use panvault_keys::{CvvKey, SystemEntropy};
use panvault_model::{CardId, OrganisationId, Timestamp};
use panvault_store::{CvvClaimed, CvvOwner, CvvPending, CvvSource, CvvStore, CvvTicket, HeldCvv, MemoryCvvs};

/// Sealed CVVs that are handed over in turn: sealing one is none of what is measured.
const SEALED: usize = 64;

/// Holds so many CVVs in the store of the server, reads and claims each, and prints what that took of memory and of time.
#[expect(clippy::disallowed_methods, reason = "a tool that measures needs a clock")]
pub(crate) fn run(count: u64) -> anyhow::Result<()> {
    let entropy = SystemEntropy::new();
    let key = CvvKey::make(&entropy)?;
    let organisation = OrganisationId::from_bytes([1; 12]);
    let owner = CvvOwner { organisation, source: CvvSource::Server };
    let sealed = (0..SEALED)
        .map(|_| {
            key.seal(card(0)?, organisation, Timestamp::MAX, &[0; 16], &entropy).map_err(anyhow::Error::from)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let start = Instant::now();
    let millis = move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    // An organisation may hold half of all.
    let cvvs = MemoryCvvs::new(count.saturating_mul(2), millis);
    let before = resident_bytes()?;
    let hold = timed(count, |n| {
        let sealed = sealed.get(usize::try_from(n).unwrap_or_default() % SEALED).context("a sealed CVV")?;
        let cvv =
            HeldCvv { sealed: sealed.clone(), expires_at: Timestamp::MAX, remaining_millis: 86_400_000 };
        if now(cvvs.cvv_hold(card(n)?, owner, 1, cvv))? { Ok(()) } else { bail!("a CVV is not held") }
    })?;
    let held = resident_bytes()?.saturating_sub(before);
    let read = timed(count, |n| now(cvvs.cvv_read(card(n)?))?.map(drop).context("a CVV is not there"))?;
    let sweep = timed(1, |_| now(cvvs.cvv_sweep()))?;
    let claim = timed(count, |n| {
        let ticket = CvvTicket::from_bytes(u128::from(n).to_be_bytes());
        match now(cvvs.cvv_claim(card(n)?, ticket, None))? {
            CvvClaimed::Taken(claim) => now(cvvs.cvv_discard(claim)),
            CvvClaimed::Nothing | CvvClaimed::Twin => bail!("a CVV is not claimed"),
        }
    })?;
    let claimed = resident_bytes()?.saturating_sub(before);
    crate::line(format_args!(
        "{{\"held_bytes\":{},\"claimed_bytes\":{}}}",
        held as f64 / count as f64,
        claimed as f64 / count as f64
    ));
    for (step, Took { whole_ns, longest_ns, steps }) in
        [("hold", hold), ("read", read), ("claim and discard", claim), ("sweep of all", sweep)]
    {
        let mean_ns = whole_ns as f64 / steps as f64;
        crate::line(format_args!(
            "{{\"step\":\"{step}\",\"mean_ns\":{mean_ns},\"longest_us\":{}}}",
            longest_ns as f64 / 1e3
        ));
    }
    Ok(())
}

struct Took {
    steps: u64,
    whole_ns: u128,
    longest_ns: u128,
}

#[expect(clippy::disallowed_methods, reason = "a tool that measures needs a clock")]
fn timed(steps: u64, mut step: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Took> {
    let mut took = Took { steps, whole_ns: 0, longest_ns: 0 };
    for n in 0..steps {
        let start = Instant::now();
        step(n)?;
        let ns = start.elapsed().as_nanos();
        took.whole_ns += ns;
        took.longest_ns = took.longest_ns.max(ns);
    }
    Ok(took)
}

/// The end of an id is random; here it is spread alike.
fn card(n: u64) -> anyhow::Result<CardId> {
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bytes = u128::from(spread).to_be_bytes();
    Ok(CardId::from_bytes(*bytes.last_chunk().context("an id is 12 bytes")?))
}

/// What a store in this process answers, at once.
fn now<T>(mut pending: CvvPending<'_, T>) -> anyhow::Result<T> {
    match Pin::as_mut(&mut pending).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Ok(answer?),
        Poll::Pending => bail!("a store in this process waits"),
    }
}

/// Bytes of memory that this process has.
fn resident_bytes() -> anyhow::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).context("/proc/self/statm is not as it should be")?;
    // The page of every architecture that the benchmark runs on.
    Ok(pages.parse::<u64>()? * 4096)
}

//! How much memory a server takes at most, by its settings.

use panvault_server::limits::{
    CONNECTION_BYTES_MAX, CONNECTION_TLS_BYTES_MAX, CONSOLE_CONNECTIONS_MAX, LIST_ANSWER_BYTES_MAX,
    LIST_ROWS_MAX, LISTS_SHOWN_MAX, METRICS_CONNECTIONS_MAX, SEND_BUFFER_BYTES, TURNED_AWAY_MAX,
};
use panvault_store::limits::{CVV_HELD_BYTES, SORT_ROW_BYTES, SORT_ROWS_MAX, SORT_TEXT_BYTES_MAX};
use panvault_store_embedded::Settings;
use panvault_store_embedded::limits::{
    FURTHER_CACHES, LIST_ID_BYTES, LIST_IDS_HELD_MAX, LISTS_MAX, ROW_BYTES_MAX, STEP_HELD_BYTES,
};

use crate::config::Config;
use crate::standard_error::WAITING_BYTES_MAX;

/// What something takes at most, and why so much.
pub(crate) struct Share {
    pub(crate) bytes: u64,
    pub(crate) what: String,
}

/// Bytes of the program itself: its code as far as it runs, threads, the pages of its documentation, a table of issuers of the usual size, and
/// what the libraries keep.
const PROCESS_BYTES: u64 = 96 << 20;
const KIB: u64 = 1 << 10;

/// Every share of a server's memory, by these settings. What an allocator keeps beside is the last.
pub(crate) fn shares(config: &Config, store: &Settings) -> Vec<Share> {
    let connection = if config.tls.is_some() {
        CONNECTION_BYTES_MAX.saturating_add(CONNECTION_TLS_BYTES_MAX)
    } else {
        CONNECTION_BYTES_MAX
    };
    let of_console = if config.console.is_some() { CONSOLE_CONNECTIONS_MAX } else { 0 };
    let further = TURNED_AWAY_MAX.saturating_add(METRICS_CONNECTIONS_MAX).saturating_add(of_console);
    let share = |count: u64, bytes: u64, what: String| Share { bytes: count.saturating_mul(bytes), what };
    let of = |count: usize, bytes: usize, what: String| share(count as u64, bytes as u64, what);
    let caches = store.readers.saturating_add(FURTHER_CACHES);
    let rows = LISTS_MAX.saturating_mul(LIST_ROWS_MAX as usize);
    let sorted = SORT_ROWS_MAX.saturating_mul(SORT_ROW_BYTES).saturating_add(SORT_TEXT_BYTES_MAX);
    let ids = LIST_IDS_HELD_MAX.saturating_mul(2).saturating_mul(LIST_ID_BYTES);
    let mut shares = vec![
        share(1, PROCESS_BYTES, "the program itself".to_owned()),
        of(
            config.server.connections_max.saturating_add(further),
            connection,
            format!(
                "connections: connections_max and {further} more, {} KiB each with head, body and answer",
                connection as u64 / KIB
            ),
        ),
        of(
            1,
            config.server.answers_bytes_max,
            "long answers that are being read: answers_bytes_max".to_owned(),
        ),
        share(
            config.cvvs_held_max,
            CVV_HELD_BYTES,
            format!("CVVs: cvvs_held_max, {CVV_HELD_BYTES} bytes each"),
        ),
        of(
            store.queue_steps_max,
            ROW_BYTES_MAX,
            format!(
                "steps that wait to be written: {} of {} KiB",
                store.queue_steps_max,
                ROW_BYTES_MAX as u64 / KIB
            ),
        ),
        Share {
            bytes: store
                .behind_steps_max
                .saturating_mul(STEP_HELD_BYTES)
                .saturating_add(store.behind_bytes_max),
            what: format!(
                "steps that the view does not show yet: {} of {STEP_HELD_BYTES} bytes, and {} MiB of texts",
                store.behind_steps_max,
                store.behind_bytes_max >> 20
            ),
        },
        share(
            caches as u64,
            u64::from(store.cache_kib).saturating_mul(KIB),
            format!("pages of the view: {caches} caches of {} MiB", store.cache_kib >> 10),
        ),
        of(1, store.row_cache_bytes, "cards and transactions that were read lately".to_owned()),
        of(
            rows,
            ROW_BYTES_MAX,
            format!(
                "rows of lists: {LISTS_MAX} lists of {LIST_ROWS_MAX} of {} KiB",
                ROW_BYTES_MAX as u64 / KIB
            ),
        ),
        of(
            LISTS_MAX,
            LIST_ANSWER_BYTES_MAX.saturating_mul(2),
            format!("answers of lists being made: {LISTS_MAX} of {} MiB", LIST_ANSWER_BYTES_MAX >> 19),
        ),
        of(
            LISTS_SHOWN_MAX,
            LIST_ANSWER_BYTES_MAX.saturating_mul(3),
            format!(
                "lists shown in another way: {LISTS_SHOWN_MAX} of {} MiB",
                LIST_ANSWER_BYTES_MAX.saturating_mul(3) >> 20
            ),
        ),
        of(LISTS_MAX, ids, format!("ids that lists go through: {LISTS_MAX} lists of {} MiB", ids >> 20)),
        of(LISTS_MAX, sorted, format!("sorted lists: {LISTS_MAX} of {} MiB", sorted >> 20)),
        of(
            1,
            config.server.requests.bytes().saturating_add(config.guards.bytes()),
            "what limits count: as many keys, addresses and card numbers as there is room for".to_owned(),
        ),
        of(1, WAITING_BYTES_MAX, "log lines that wait".to_owned()),
    ];
    let bytes = sum(&shares) / 4;
    shares.push(Share { bytes, what: "the allocator: a quarter of all that".to_owned() });
    shares
}

/// All of them together.
pub(crate) fn sum(shares: &[Share]) -> u64 {
    shares.iter().fold(0, |sum, share| sum.saturating_add(share.bytes))
}

/// Bytes of the kernel's that connections take beside, at most: what it has of an answer, and counts for it.
pub(crate) fn kernel_bytes(config: &Config) -> u64 {
    (config.server.connections_max as u64).saturating_mul(2 * SEND_BUFFER_BYTES as u64)
}

/// The lines that `config print` ends with; comments in a file of settings.
pub(crate) fn page(config: &Config, store: &Settings) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let line = |bytes: u64, what: &str| format!("# {:>8} MiB  {what}\n", mib(bytes));
    let shares = shares(config, store);
    let mut page = String::from("# Memory that a server takes at most, by these settings:\n");
    page.extend(shares.iter().map(|share| line(share.bytes, &share.what)));
    page.push_str(&line(
        sum(&shares),
        "in all; not in it: organisations, accounts, processors and API keys, some KiB each",
    ));
    page.push_str(&line(
        kernel_bytes(config),
        "of the kernel's beside, if no connection reads what it is sent",
    ));
    page
}

#[cfg(test)]
mod tests {
    use panvault_server::RequestLimits;
    use panvault_vault::GuardSettings;

    use crate::config::tests::defaults;

    use super::*;

    /// A share that no setting bounds would be none that is known.
    #[test]
    fn each_setting_of_memory_is_in_the_sum() {
        let (config, store) = (defaults(), Settings::default());
        let all = |config: &Config, store: &Settings| sum(&shares(config, store));
        let before = all(&config, &store);
        let more = |change: fn(&mut Config, &mut Settings)| {
            let (mut config, mut store) = (config.clone(), store.clone());
            change(&mut config, &mut store);
            all(&config, &store).saturating_sub(before)
        };
        // Each with its quarter.
        let with_allocator = |bytes: u64| bytes + bytes / 4;
        let connections = more(|config, _| config.server.connections_max += 1024);
        assert_eq!(connections, with_allocator(1024 * CONNECTION_BYTES_MAX as u64));
        let console = more(|config, _| {
            let listen = ([127, 0, 0, 1], 0).into();
            config.console = Some(crate::config::ConsoleConfig { listen, clients: None, proxy: None });
        });
        assert_eq!(console, with_allocator((CONSOLE_CONNECTIONS_MAX * CONNECTION_BYTES_MAX) as u64));
        assert_eq!(more(|config, _| config.server.answers_bytes_max += 4096), with_allocator(4096));
        assert_eq!(more(|config, _| config.cvvs_held_max += 1024), with_allocator(1024 * CVV_HELD_BYTES));
        assert_eq!(more(|_, store| store.behind_bytes_max += 4096), with_allocator(4096));
        assert_eq!(more(|_, store| store.behind_steps_max += 4), with_allocator(4 * STEP_HELD_BYTES));
        assert_eq!(more(|_, store| store.queue_steps_max += 4), with_allocator(4 * ROW_BYTES_MAX as u64));
        assert!(more(|_, store| store.readers += 1) >= 16 << 20);
        assert!(more(|_, store| store.cache_kib *= 2) >= 64 << 20);
        assert_eq!(more(|_, store| store.row_cache_bytes += 4096), with_allocator(4096));
        let mut off = config.clone();
        (off.guards, off.server.requests) = (GuardSettings::OFF, RequestLimits::default());
        let counts = config.guards.bytes() + config.server.requests.bytes() - off.server.requests.bytes();
        assert!((4 << 20..16 << 20).contains(&counts), "{counts}");
        assert_eq!(before - all(&off, &store), with_allocator(counts as u64));
        let tls = more(|config, _| config.tls = Some(Default::default()));
        assert!(tls >= 10_000 * CONNECTION_TLS_BYTES_MAX as u64);
    }

    #[test]
    fn the_page_adds_up() {
        let (config, store) = (defaults(), Settings::default());
        let page = page(&config, &store);
        let numbers: Vec<u64> = page
            .lines()
            .filter_map(|line| line.strip_prefix('#')?.split_once("MiB")?.0.trim().parse().ok())
            .collect();
        let [shares @ .., all, _kernel] = numbers.as_slice() else { panic!("{page}") };
        // Each was rounded up.
        let sum: u64 = shares.iter().sum();
        assert!(sum >= *all && sum - all <= shares.len() as u64, "{page}");
        assert!(page.lines().all(|line| line.starts_with('#')));
    }
}

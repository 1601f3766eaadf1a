//! The limits of this crate, each with its unit.

use panvault_store::SlotLimits;
use panvault_store::limits::{
    CVV_KEY_COMPONENT_KEPT_SECONDS, CVV_KEY_COMPONENT_SECONDS, CVV_REQUEST_SECONDS,
};

/// Seconds for which an idempotent answer is kept.
pub const IDEMPOTENCY_SECONDS: u64 = 24 * 60 * 60;

/// Seconds for which a CVV may be held at most.
pub const CVV_TTL_SECONDS_MAX: u32 = 86_400;

/// Seconds for which a node goes on sealing CVVs that nodes share with a key whose time is over, until it has been told of the next.
pub const CVV_KEY_LATE_SECONDS: u64 = 300;

const _: () = assert!(
    CVV_KEY_COMPONENT_KEPT_SECONDS
        >= CVV_KEY_COMPONENT_SECONDS
            + CVV_KEY_LATE_SECONDS
            + CVV_REQUEST_SECONDS
            + CVV_TTL_SECONDS_MAX as u64,
    "what a CVV is sealed with is kept as long as the CVV"
);

/// Seconds after which a processor that does not answer is given up.
pub const PROCESSOR_SECONDS_MAX: u64 = 30;

/// Milliseconds after the begin of a request in which a payment is tried at one more processor: the last of its tries may take as long as any.
pub const TRIES_MILLIS_MAX: u64 = 30_000;

const _: () = assert!(
    TRIES_MILLIS_MAX / 1000 + PROCESSOR_SECONDS_MAX < CVV_REQUEST_SECONDS,
    "a CVV that nobody has seen can be put back after the last try"
);

/// Seconds for which nobody else takes over what a node has in hand, from when it last wrote down that it lives.
pub const LEASE_SECONDS: u64 = 120;

/// Seconds after which it writes that down again: many renewals may fail before anything is refused, and two before another does what one does
/// for all.
pub const LEASE_RENEWAL_SECONDS: u64 = 10;

/// Seconds after its last renewal for which a node is taken to be there: of those that are, one sweeps, delivers and settles for all.
pub const DUTY_SECONDS: u64 = 3 * LEASE_RENEWAL_SECONDS;

/// Milliseconds for which an answer holds to the question which one that is.
pub const DUTY_LOOK_MILLIS: u64 = 1_000;

/// Seconds after which a renewal that failed is tried again.
pub const LEASE_RETRY_SECONDS: u64 = 5;

/// How often a renewal is written again at once when the row is not as it was left, or another node began at the same moment. Of those that begin
/// at once one does, so it is also how many may.
pub const LEASE_TRIES_MAX: usize = 64;

/// Seconds of lease that must be left beside those that a processor may take, when a transaction is sent.
pub const LEASE_MARGIN_SECONDS: u64 = 5;

/// Seconds that others wait beyond the end of a lease: the clock that it was written by and theirs may differ by as much. It is the database's
/// where nodes share one, and another machine's when that has been taken over.
pub const LEASE_SKEW_SECONDS: u64 = 120;

/// Seconds by which the calendar of a node may differ from the clock that nodes share: by more it has no lease, pays nothing and does nothing for all.
pub const CALENDAR_SECONDS_MAX: u64 = 30;

/// Milliseconds after which a node looks again whether another has changed documents.
pub const DOCUMENTS_LOOK_MILLIS: u64 = 500;

/// Milliseconds that such a look waits for the store.
pub const DOCUMENTS_LOOK_MILLIS_MAX: u64 = 1_000;

/// Milliseconds for which a node goes by documents that it has not seen to be those of the store: a key that is revoked at one node is refused
/// at every other after so long at most.
pub const DOCUMENTS_SEEN_MILLIS_MAX: u64 = 2_000;

/// How often in a row a node looks whose looks take so long that what they find may be of the past.
pub const DOCUMENTS_LOOKS_MAX: usize = 8;

/// Keys of organisations that are wrapped anew in one step, at most.
pub const REWRAP_KEYS_MAX: usize = 256;

/// Documents that a node reads to catch up with others; where they changed more, it reads all.
pub const DOCUMENTS_CAUGHT_UP_MAX: usize = 4_096;

/// How often a node begins anew to catch up with others that go on changing documents, before it reads all.
pub const CATCH_UP_TRIES_MAX: usize = 16;

/// How often the outcome of a transaction is written again when the store does not take it, before whoever asked is answered that it is unknown.
pub const SETTLE_TRIES_MAX: usize = 50;

/// Seconds for which it is tried on after that: for so long nobody else takes the transaction over.
pub const SETTLE_SECONDS_MAX: u64 = LEASE_SECONDS + LEASE_SKEW_SECONDS;

/// Most milliseconds between two of the later tries; the first comes after as many as between the early ones, and each waits twice as long.
pub const SETTLE_LATER_MILLIS_MAX: u64 = 5_000;

/// Milliseconds between two of those tries.
pub const SETTLE_WAIT_MILLIS: u64 = 100;

/// How often an update is tried again when the card changed between its reading and its writing.
pub const UPDATE_TRIES_MAX: usize = 8;

/// How often an action is tried again when its transaction changed between its reading and its writing.
pub const ACTION_TRIES_MAX: usize = 8;

/// How often something that a processor tells is held anew against a row that changed between its reading and its writing.
pub const TOLD_TRIES_MAX: usize = 8;

/// Organisations in which customers are looked for by their e-mail address at once: each has a digest of its own.
pub const EMAIL_ORGANISATIONS_MAX: usize = 1000;

/// Cards that a customer names at most: those that it was used with last.
pub const CUSTOMER_CARDS_MAX: usize = 100;

/// How often a transaction is tried again when its customer changed meanwhile: of those that use new cards with one customer at once one
/// succeeds, so it is also how many may.
pub const CUSTOMER_TRIES_MAX: usize = 64;

/// How often a refund is tried again when its transaction changed meanwhile: of those that try at once one succeeds, so it is also how many may.
pub const REFUND_TRIES_MAX: usize = 64;

/// The same of taking a refund that failed out of its transaction's sum. Each that keeps it from that has itself got further.
pub const REFUND_FAIL_TRIES_MAX: usize = 4096;

/// Actions without an outcome that processors are asked about at once.
pub const ASKED_AT_ONCE_MAX: usize = 64;

/// Seconds after which a processor is asked again what became of an action, when it could not say: by how often it was asked. After the last of
/// them, some five days on, it is left to people.
pub const ASK_AGAIN_SECONDS: [u64; 12] =
    [30, 60, 120, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800];

/// Seconds for which a processor is left alone that was not reached when it was to be asked: by how often in a row it was not, and the last of them from
/// then on.
pub const UNREACHED_SECONDS: [u64; 5] = [30, 60, 120, 300, 900];

/// Payments that began a series with a card which are looked at to find one that its network has named: the newest.
pub const FIRSTS_ROWS_MAX: u32 = 20;

/// Transactions that are settled at once: their steps share commits, as those of as many callers would.
pub const SETTLED_AT_ONCE_MAX: usize = 64;

/// How often a transaction claims a card's CVV, or holds its claim against the card's row, while that keeps changing.
pub const CLAIM_TRIES_MAX: usize = 8;

/// How often a change of documents is tried again when other processes change documents at the same time. One of those that try at
/// once succeeds, so it is also how many may.
pub const DOCUMENT_TRIES_MAX: usize = 256;

/// Audit records that are looked through for one list.
pub const AUDIT_SCANNED_MAX: u64 = 1_000_000;

/// Seconds between two checkpoints of the audit trail: what is cut off it shows when it is older.
pub const CHECKPOINT_SECONDS: u64 = 5;

/// Milliseconds between two looks for what is to be signed, or to be handed to a destination of the trail.
pub const TRAIL_LOOK_MILLIS: u64 = 1_000;

/// Seconds for which a destination of the trail is left alone at most when it did not take it.
pub const TRAIL_RETRY_SECONDS_MAX: u64 = 60;

/// Seconds after which no node that is heard of chains under a key any more that another took the place of.
pub const CHAIN_KEY_FOLLOWED_SECONDS: u64 = 600;

/// Seconds since the last record of a node that is gone and has not said that it stops, after which its trail is over: one that only stood still goes on until then.
pub const AUDIT_END_SECONDS: u64 = 3_600;

/// Nodes that have ended of which one checkpoint says so.
pub const AUDIT_ENDS_MAX: usize = 64;

/// Audit records that are read at a time.
pub const AUDIT_PAGE_RECORDS: usize = 500;

/// Records that are kept no longer with one commit.
pub const AUDIT_RETIRED_AT_ONCE: usize = 50_000;

/// Seconds between two looks at which records are too old to be kept. What is found goes at the next.
pub const AUDIT_RETIRE_SECONDS: u64 = 3_600;

/// Milliseconds by which the time of an audit record may be before that of an earlier one: clocks are set back, and nodes differ.
pub const AUDIT_SKEW_MILLIS: u64 = 300_000;

/// Seconds between two log lines that callers can cause at will.
pub const SELDOM_SECONDS: u64 = 60;

/// Levels of the organisation tree that are walked.
pub const TREE_LEVELS_MAX: usize = 64;

/// Bytes of a name of an organisation, account, processor or API key.
pub const NAME_BYTES_MAX: usize = 100;

/// Processors of an account: one of each kind.
pub const ACCOUNT_PROCESSORS_MAX: usize = 16;

/// Web origins that a browser's key allows.
pub const ALLOWED_ORIGINS_MAX: usize = 20;

/// Bytes of a web origin: `https://`, a host name of at most 253 (RFC 1035) and a port.
pub const ORIGIN_BYTES_MAX: usize = 267;

/// Bytes of the address of a webhook.
pub const WEBHOOK_BYTES_MAX: usize = 500;

/// Seconds for which an API key may work on beside the one that takes its place: 30 days.
pub const KEY_OVERLAP_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

/// Last uses of API keys that one commit writes down.
pub const LAST_USES_ROWS_MAX: usize = 256;

/// Reads that are told apart until they are written down, by who, from where, whose and what; a quarter more where it is no longer told from
/// where. About 100 bytes each, and so many records a minute at most.
pub const READS_COUNTED_MAX: usize = 2048;

/// Refusals of callers that are told apart, the same way.
pub const ACCESS_REFUSALS_COUNTED_MAX: usize = 512;

/// Requests without a valid key that are told apart, by address and reason. Anybody can send them from as many addresses as they have, and
/// what is written of them is kept for ever: so it is few.
pub const SIGNIN_REFUSALS_COUNTED_MAX: usize = 256;

/// Counts that are handed to the store at a time.
pub const COUNTS_WRITTEN_AT_ONCE: usize = 64;

/// Lists of the audit trail that are made at a time.
pub const AUDIT_LISTS_MAX: usize = 2;

/// How they are shared out: one organisation has one of them at most.
pub const AUDIT_LISTS: SlotLimits = SlotLimits { of_one_max: 1, waiting_max: 256 };

/// Lists of documents that are made at a time.
pub const DOCUMENT_LISTS_MAX: usize = 2;

/// How they are shared out: one organisation has one of them at most.
pub const DOCUMENT_LISTS: SlotLimits = SlotLimits { of_one_max: 1, waiting_max: 256 };

/// Milliseconds for which whoever deletes an organisation or account waits for requests that began before, at most: one
/// may wait for a processor, and then for its outcome to be written.
pub const RETIRE_MILLIS_MAX: u64 = 60_000;

/// Milliseconds after which a request that has been judged and has not changed anything yet changes nothing any more, where other nodes may have deleted its
/// organisation or account, or revoked its key, by then.
pub const REQUEST_MILLIS_MAX: u64 = 10_000;

/// Milliseconds between two looks at whether they have ended.
pub const RETIRE_WAIT_MILLIS: u64 = 20;

/// Bytes of a secret of a processor: as many as those who are set up with them take.
pub const PROCESSOR_SECRET_BYTES_MAX: usize = panvault_processor::card_http::limits::SECRET_BYTES_MAX;

/// Settings and secrets of a processor.
pub const PROCESSOR_SETTINGS_MAX: usize = 32;

/// Pairs of details of an organisation.
pub const DETAILS_MAX: usize = 50;

/// Bytes of any other text of a document.
pub const TEXT_BYTES_MAX: usize = 500;

/// Bytes of a text that a processor answered with; what is longer is cut.
pub const ANSWER_BYTES_MAX: usize = 200;

/// How many times as many card numbers with the same clear digits browsers create as servers do: shoppers come back with the same card.
pub const BROWSER_GUESSES: u32 = 4;

/// Card numbers of which it is known how many like them were created of late.
pub const GUESSES_KEYS_MAX: usize = 65_536;

/// Card numbers of which it is known how many payments have failed of late.
pub const TRIES_KEYS_MAX: usize = 65_536;

/// Accounts and BINs of which it is known how many payments were declined of late.
pub const DECLINES_KEYS_MAX: usize = 16_384;

/// Seconds back to which declined payments count, at most; at least half of it.
pub const DECLINES_SECONDS: u64 = 600;

/// Payments of a BIN that must have ended in that time for their share of declines to say something.
pub const BIN_PAYMENTS_MIN: u32 = 20;

/// The same of an account.
pub const ACCOUNT_PAYMENTS_MIN: u32 = 50;

/// Payments that are let through in a minute while the share of declines is too large, so that it shows when it no longer is.
pub const DECLINES_TRIALS_PER_MINUTE: u32 = 6;

/// Payments with one card number that may be under way at a time while none has failed of late, such as the parts of one basket.
pub const TRIES_UNDER_WAY_MAX: u32 = 20;

/// How often a checkout may be tried to be paid.
pub const CHECKOUT_ATTEMPTS_MAX: u8 = 3;

/// Cards that may be made at one checkout.
pub const CHECKOUT_CARDS_MAX: u8 = 10;

/// How often a change of a checkout that met another is made again.
pub const CHECKOUT_TRIES_MAX: usize = 4;

/// Seconds for which a checkout may be paid, at least.
pub const CHECKOUT_SECONDS_MIN: u64 = 60;

/// Seconds for which a checkout may be paid where nothing else was said: a quarter of an hour.
pub const CHECKOUT_SECONDS: u64 = 15 * 60;

/// Seconds for which a checkout may be paid, at most: thirty days.
pub const CHECKOUT_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

/// Seconds for which a checkout is kept that has expired, or would have: thirty days.
pub const CHECKOUT_KEPT_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Bytes of a text of a checkout's page that a merchant sets.
pub const THEME_TEXT_BYTES_MAX: usize = 200;

/// Transactions of which the status says where they stand: the newest.
pub const TRANSACTIONS_RECENT: u32 = 1000;

/// Bytes of a picture that shoppers are shown.
pub const IMAGE_BYTES_MAX: usize = 64 * 1024;

/// Pixels of a side of it.
pub const IMAGE_PIXELS_MAX: u16 = 1024;

/// Pictures of a vault: a start reads all documents, and so many are 64 MiB.
pub const LOGOS_MAX: usize = 1024;

/// Bytes of a return URL.
pub const RETURN_URL_BYTES_MAX: usize = 2_048;

/// Minutes between one attempt to deliver a webhook and the next: after the last of them there is one more, and then none.
pub const WEBHOOK_RETRY_MINUTES: [u64; 5] = [1, 8, 27, 64, 125];

/// Seconds for which a delivery is kept that a receiver has taken: a day.
pub const WEBHOOK_DELIVERED_KEPT_SECONDS: u64 = 24 * 60 * 60;

/// Seconds for which a delivery is kept that was given up: a week.
pub const WEBHOOK_FAILED_KEPT_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Seconds for which the secret of an account goes on signing beside the one that takes its place: a day.
pub const WEBHOOK_SECRET_OVERLAP_SECONDS: u64 = 24 * 60 * 60;

/// Webhooks that are sent at a time.
pub const WEBHOOKS_MAX: usize = 64;

/// Of these, those of one organisation.
pub const WEBHOOK_ORGANISATION_MAX: usize = 16;

/// Of these, those to one host.
pub const WEBHOOK_LANE_MAX: usize = 4;

/// Deliveries to one host that are read at a time.
pub const WEBHOOK_LANE_ROWS: usize = 16;

/// How often so many are read of one host in one look: what may not be sent yet keeps nothing behind it from being found.
pub const WEBHOOK_LANE_PAGES: usize = 4;

/// Seconds for which a delivery is put off whose object has an earlier one that waits for another host, or cannot be used.
pub const WEBHOOK_BEHIND_SECONDS: u64 = 30;

/// Seconds for which an object is left alone after it could not be written what became of an attempt: nobody is told again and again.
pub const WEBHOOK_UNWRITTEN_SECONDS: u64 = 60;

/// Hosts to which something is due that are read at a time.
pub const WEBHOOK_LANES_READ: usize = 64;

/// Milliseconds between two looks at what is due, where nothing is written or sent meanwhile.
pub const WEBHOOK_LOOK_MILLIS: u64 = 1_000;

/// Milliseconds between two looks at whether a key is to be replaced.
pub const ROTATION_LOOK_MILLIS: u64 = 1_000;

/// Rows that are read at a time while what a key sealed is sealed anew.
pub const ROTATION_PAGE_ROWS: usize = 500;

/// Of these, those that are opened, sealed and written at a time; also how many are held against their tags before others have their turn.
pub const ROTATION_CHUNK_ROWS: usize = 16;

/// Milliseconds for which is waited until the table of issuers has another tag.
pub const BINS_RETAG_MILLIS: u64 = 10_000;

/// Rows that are given another tag in one step.
pub const RETAG_ROWS: usize = 64;

/// Seconds for which a record of an idempotency key must still count to be given another tag. One that ends earlier ends with the tag that it has: its key may be
/// claimed anew while the step is on its way, and the record of that has the same version.
pub const RETAG_IDEMPOTENCY_SECONDS: u64 = 900;

/// How often all rows are gone through in one go for a key that is to be destroyed: what changes while it is sealed anew is found again.
pub const ROTATION_ROUNDS_MAX: usize = 4;

/// Seconds after which a rotation goes on that could not.
pub const ROTATION_FAILED_SECONDS: u64 = 10;

/// Seconds after which all rows are read again where some cannot be sealed anew, or may still come to be stored.
pub const ROTATION_LEFT_SECONDS: u64 = 600;

/// Seconds after which records of idempotency keys are counted again that a key made which another took the place of, if not all of them have ended before.
pub const ROTATION_COUNT_SECONDS: u64 = 3_600;

/// Rows that the log names of one reading of all rows, where a key cannot be destroyed for them; of the others it says how many there are.
pub const ROTATION_LOGGED_MAX: u64 = 100;

/// API keys that are named at most of those that still need a key.
pub const KEY_NEEDED_BY_MAX: usize = 100;

/// Seconds after which what another node has sealed is stored, or will never be.
pub const ROTATION_STORED_SECONDS: u64 = 590;

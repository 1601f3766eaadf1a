//! Every setting that weakens something: when it does, which requirement of PCI DSS that touches, and why it matters.

use panvault_vault::Mode;
use serde_json::{Value, json};

use crate::config::{CvvServer, Cvvs};
use crate::posture::Posture;

/// Seconds for which a CVV may be held before that is remarked on: the default.
const CVV_TTL_SECONDS: u32 = 3600;
/// Days for which a key may be active before that is remarked on: the default.
const KEY_DAYS: u32 = 730;
/// Days for which the audit trail is to be kept (PCI DSS 10.5.1).
const AUDIT_DAYS: u32 = 365;

/// Something that is weaker than it could be. The list is closed: a setting that weakens something gets its line here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    TestMode,
    PlainListener,
    PlainMetrics,
    ConsoleOffLoopback,
    ConsoleKeyOnly,
    LongCvvTtl,
    MemoryNotLocked,
    SwapAllowed,
    CoreDumps,
    RequestLimitsOff,
    GuardsOff,
    LongCryptoperiod,
    ShortAudit,
    DatabasePlain,
    DatabaseUnverified,
    CvvStorePlain,
    WebhooksWidened,
}

impl Weakness {
    pub(crate) const ALL: [Self; 17] = [
        Self::TestMode,
        Self::PlainListener,
        Self::PlainMetrics,
        Self::ConsoleOffLoopback,
        Self::ConsoleKeyOnly,
        Self::LongCvvTtl,
        Self::MemoryNotLocked,
        Self::SwapAllowed,
        Self::CoreDumps,
        Self::RequestLimitsOff,
        Self::GuardsOff,
        Self::LongCryptoperiod,
        Self::ShortAudit,
        Self::DatabasePlain,
        Self::DatabaseUnverified,
        Self::CvvStorePlain,
        Self::WebhooksWidened,
    ];

    /// Those of a process.
    pub(crate) fn of(posture: &Posture) -> Vec<Self> {
        Self::ALL.into_iter().filter(|weakness| weakness.holds(posture)).collect()
    }

    fn holds(self, of: &Posture) -> bool {
        let (requests, guards, hardened) = (&of.requests, &of.guards, &of.hardened);
        let console = of.console.as_ref();
        let store = of.shared.as_ref().map(|shared| &shared.store);
        match self {
            Self::TestMode => of.mode == Mode::Test,
            Self::PlainListener => of.tls.is_none() && !of.listen.ip().is_loopback(),
            Self::PlainMetrics => of.metrics_listen.is_some_and(|address| !address.ip().is_loopback()),
            Self::ConsoleOffLoopback => console.is_some_and(|console| !console.listen.ip().is_loopback()),
            Self::ConsoleKeyOnly => {
                console.is_some_and(|console| console.clients.is_none() && console.proxy.is_none())
            }
            Self::LongCvvTtl => of.cvv_ttl_seconds > CVV_TTL_SECONDS,
            Self::MemoryNotLocked => !hardened.locked,
            Self::SwapAllowed => of.allow_swap,
            Self::CoreDumps => !hardened.no_dumps,
            Self::RequestLimitsOff => [
                requests.requests_per_minute,
                requests.organisation_requests_per_minute,
                requests.cards_per_minute,
                requests.browser_requests_per_minute,
                requests.address_requests_per_minute,
            ]
            .contains(&0),
            Self::GuardsOff => {
                guards.card_guesses_per_day == 0
                    || guards.card_declines_per_hour == 0
                    || guards.declines_percent_max == 0
            }
            Self::LongCryptoperiod => of.key_days_max == 0 || of.key_days_max > KEY_DAYS,
            Self::ShortAudit => (1..AUDIT_DAYS).contains(&of.audit_retention_days),
            Self::DatabasePlain => store.is_some_and(|store| store.is_plain()),
            Self::DatabaseUnverified => store.is_some_and(|store| store.is_unverified()),
            Self::CvvStorePlain => match of.shared.as_ref().map(|shared| &shared.cvvs) {
                Some(Cvvs::Server(CvvServer { insecure, .. })) => *insecure,
                Some(Cvvs::InProcess) | None => false,
            },
            Self::WebhooksWidened => of.webhooks_widened,
        }
    }

    /// Its name, by which scripts know it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TestMode => "test_mode",
            Self::PlainListener => "plain_listener",
            Self::PlainMetrics => "plain_metrics",
            Self::ConsoleOffLoopback => "console_off_loopback",
            Self::ConsoleKeyOnly => "console_key_only",
            Self::LongCvvTtl => "long_cvv_ttl",
            Self::MemoryNotLocked => "memory_not_locked",
            Self::SwapAllowed => "swap_allowed",
            Self::CoreDumps => "core_dumps",
            Self::RequestLimitsOff => "request_limits_off",
            Self::GuardsOff => "guards_off",
            Self::LongCryptoperiod => "long_cryptoperiod",
            Self::ShortAudit => "short_audit",
            Self::DatabasePlain => "database_plain",
            Self::DatabaseUnverified => "database_unverified",
            Self::CvvStorePlain => "cvv_store_plain",
            Self::WebhooksWidened => "webhooks_widened",
        }
    }

    /// The requirement of PCI DSS 4.0.1 that it touches.
    pub(crate) const fn requirement(self) -> &'static str {
        match self {
            Self::TestMode => "6.5.5",
            Self::PlainListener
            | Self::DatabasePlain
            | Self::DatabaseUnverified
            | Self::CvvStorePlain
            | Self::WebhooksWidened => "4.2.1",
            Self::PlainMetrics => "2.2.7",
            Self::ConsoleOffLoopback => "1.4.4",
            Self::ConsoleKeyOnly => "8.4.2",
            Self::LongCvvTtl => "3.3.2",
            Self::MemoryNotLocked | Self::SwapAllowed | Self::CoreDumps => "3.3.1",
            Self::RequestLimitsOff | Self::GuardsOff => "6.2.4",
            Self::LongCryptoperiod => "3.7.4",
            Self::ShortAudit => "10.5.1",
        }
    }

    /// Why it matters, and what to do.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::TestMode => {
                "a test vault is for the test numbers of schemes: no real card belongs in it, and it is no evidence for one that holds real cards"
            }
            Self::PlainListener => {
                "the API listens without TLS beyond this machine (behind_proxy): card numbers go in clear from the proxy to here; keep that way on a network of its own, or set tls_certificate_file"
            }
            Self::PlainMetrics => {
                "metrics are served in clear beyond this machine: let nobody but the scraper reach metrics_listen"
            }
            Self::ConsoleOffLoopback => {
                "the console listens beyond this machine: let only the people who run the vault reach it"
            }
            Self::ConsoleKeyOnly => {
                "the console asks for an API key and for no second proof: set console_client_ca_file or console_proxy_header, or see to it that people sign in to this machine with two"
            }
            Self::LongCvvTtl => {
                "a CVV is held for longer than an hour: set cvv_ttl_seconds to what a payment takes, or write down why it has to be so long"
            }
            Self::MemoryNotLocked => {
                "memory is not locked, so that what is in it may be swapped to a disk: raise the limit of locked memory (systemd: LimitMEMLOCK=infinity)"
            }
            Self::SwapAllowed => {
                "allow_swap lets a live vault start on a machine whose swap may take card numbers: turn swap off, and this too"
            }
            Self::CoreDumps => {
                "core dumps are not off for this process: a crash may write its memory to a disk"
            }
            Self::RequestLimitsOff => {
                "some limit of requests is 0 or limits are off: one key or one address may ask as much as it likes"
            }
            Self::GuardsOff => {
                "some guard against card testing is 0 or limits are off: stolen numbers may be tried out here"
            }
            Self::LongCryptoperiod => {
                "keys of organisations may be active for more than two years, or for ever: set key_days_max to your cryptoperiod"
            }
            Self::ShortAudit => {
                "audit_retention_days keeps records of the audit trail for less than a year: set it to 365 at least, or see to it that the exported trail is kept for so long"
            }
            Self::DatabasePlain => {
                "the database on another machine is reached without TLS: use sslmode=verify-full"
            }
            Self::DatabaseUnverified => "whoever answers is taken for the database: use sslmode=verify-full",
            Self::CvvStorePlain => {
                "cvv_store_insecure: sealed CVVs go over the network without TLS; use rediss://"
            }
            Self::WebhooksWidened => {
                "webhook_allow lets webhooks go to private addresses and over plain HTTP: name no more than your own receivers"
            }
        }
    }

    pub(crate) fn json(self) -> Value {
        json!({ "name": self.as_str(), "requirement": self.requirement(), "reason": self.reason() })
    }
}

#[cfg(test)]
mod tests {
    use panvault_webhook::AddressPolicy;

    use crate::config::ConsoleConfig;
    use crate::config::tests::{defaults, read_with};
    use crate::harden::Hardened;

    use super::*;

    type Weaken<'a> = &'a dyn Fn(&mut Posture);

    const HARD: Hardened = Hardened { no_dumps: true, locked: true, swap: false };

    fn safe() -> Posture {
        Posture::of(&defaults(), Mode::Live, HARD)
    }

    #[test]
    fn the_defaults_of_a_live_vault_weaken_nothing() {
        assert_eq!(Weakness::of(&safe()), []);
    }

    /// Each is found where it is, alone; and a name belongs to one.
    #[test]
    fn each_weakness_is_found_where_it_is() {
        let console =
            |address: [u8; 4]| ConsoleConfig { listen: (address, 1).into(), clients: None, proxy: None };
        let shared = |set: &[&str]| {
            let set: Vec<_> = ["data_directory=v", "nodes=several"].iter().chain(set).copied().collect();
            read_with(&set).shared
        };
        let plain = "store=postgres://vault@db.example/panvault?sslmode=disable";
        let unverified = "store=postgres://vault@db.example/panvault?sslmode=require";
        let whole = "store=postgres://vault@db.example/panvault";
        let cases: [(Weakness, Weaken<'_>); 17] = [
            (Weakness::TestMode, &|of| of.mode = Mode::Test),
            (Weakness::PlainListener, &|of| of.listen = ([10, 0, 0, 1], 1).into()),
            (Weakness::PlainMetrics, &|of| of.metrics_listen = Some(([10, 0, 0, 1], 1).into())),
            (Weakness::ConsoleOffLoopback, &|of| {
                of.console = Some(ConsoleConfig { clients: Some("ca.pem".into()), ..console([10, 0, 0, 1]) });
            }),
            (Weakness::ConsoleKeyOnly, &|of| of.console = Some(console([127, 0, 0, 1]))),
            (Weakness::LongCvvTtl, &|of| of.cvv_ttl_seconds = 3601),
            (Weakness::MemoryNotLocked, &|of| of.hardened.locked = false),
            (Weakness::SwapAllowed, &|of| of.allow_swap = true),
            (Weakness::CoreDumps, &|of| of.hardened.no_dumps = false),
            (Weakness::RequestLimitsOff, &|of| of.requests.cards_per_minute = 0),
            (Weakness::GuardsOff, &|of| of.guards.declines_percent_max = 0),
            (Weakness::LongCryptoperiod, &|of| of.key_days_max = 731),
            (Weakness::ShortAudit, &|of| of.audit_retention_days = 364),
            (Weakness::DatabasePlain, &|of| of.shared = shared(&[plain, "cvv_store=rediss://cvv.example"])),
            (Weakness::DatabaseUnverified, &|of| {
                of.shared = shared(&[unverified, "cvv_store=rediss://cvv.example"]);
            }),
            (Weakness::CvvStorePlain, &|of| {
                of.shared = shared(&[whole, "cvv_store=redis://cvv.example", "cvv_store_insecure=true"]);
            }),
            (Weakness::WebhooksWidened, &|of| {
                of.webhooks_widened = AddressPolicy::allowing(["10.0.0.0/8"]).unwrap().is_widened();
            }),
        ];
        assert_eq!(cases.each_ref().map(|(weakness, _)| *weakness), Weakness::ALL);
        for (weakness, weaken) in cases {
            let mut posture = safe();
            weaken(&mut posture);
            assert_eq!(Weakness::of(&posture), [weakness]);
        }
        let mut names = Weakness::ALL.map(Weakness::as_str);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        let mut forever = safe();
        forever.key_days_max = 0;
        assert_eq!(Weakness::of(&forever), [Weakness::LongCryptoperiod]);
    }
}

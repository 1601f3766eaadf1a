use core::fmt;
use std::sync::Arc;

use panvault_model::{Brand, CardKind, Currency, TransactionAction};
use rustls_pki_types::CertificateDer;

use super::act::ActName;
use super::answer::{Answers, Pick};
use super::body::{Format, Node};
use super::limits::HttpLimits;
use super::origin::Origin;
use super::setting::{Setting, SettingFault, SettingKind};
use super::table::ChoiceTable;
use super::template::Template;
use crate::act::Act;
use crate::notification::NotificationScheme;

/// How a PSP is spoken to over HTTPS: a file of TOML, read and checked whole.
#[derive(PartialEq, Eq)]
pub struct Description {
    pub(super) name: String,
    pub(super) title: String,
    /// An operator's own takes the place of one that is shipped.
    pub(super) replaces_shipped: bool,
    pub(super) test_origin: Option<Template>,
    pub(super) live_origin: Option<Template>,
    pub(super) roots: Roots,
    pub(super) limits: HttpLimits,
    pub(super) settings: Vec<Setting>,
    pub(super) exponents: Vec<(Currency, u8)>,
    pub(super) tables: Vec<ChoiceTable>,
    pub(super) idempotency_header: Option<String>,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) acts: Vec<(ActName, Exchange)>,
    /// An authorisation of nothing is sent as any other.
    pub(super) authorise_takes_zero: bool,
    pub(super) asks: Vec<Ask>,
    pub(super) notification: Option<NotificationSetup>,
}

/// Whom the PSP is trusted by.
#[derive(PartialEq, Eq)]
pub(super) enum Roots {
    /// The public authorities.
    Web,
    /// These alone.
    These(Vec<CertificateDer<'static>>),
}

/// A request and what its answers mean.
#[derive(PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) method: &'static str,
    pub(super) target: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) format: Format,
    pub(super) body: Option<Vec<(String, Node)>>,
    /// Where the PSP takes network tokens in the place of cards.
    pub(super) network_token: Option<TokenBody>,
    pub(super) answers: Arc<Answers>,
}

/// What is sent where the card is a network token.
#[derive(PartialEq, Eq)]
pub(super) struct TokenBody {
    /// Of these schemes.
    pub(super) brands: Vec<Brand>,
    /// All of it, not only what differs.
    pub(super) body: Vec<(String, Node)>,
}

/// How the PSP is asked what became of some kinds of acts.
#[derive(PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) of: Vec<TransactionAction>,
    pub(super) exchange: Exchange,
    pub(super) pick: Option<Pick>,
}

/// How the PSP tells by itself what became of acts.
#[derive(PartialEq, Eq)]
pub(super) struct NotificationSetup {
    pub(super) scheme: NotificationScheme,
    /// The setting of kind secret that it signs with. Without a value no notification is taken in.
    pub(super) secret: String,
    /// The setting of kind text that has our account there, where a notification names one.
    pub(super) account: Option<String>,
}

/// What is wrong in a description, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub words: String,
}

/// Of which kind the vault is: that decides which of a PSP's origins is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMode {
    /// For trying: the PSP's test origin, which may be a server on this machine without TLS.
    Test,
    /// For money.
    Live,
}

impl Exchange {
    /// The members of its body for this act.
    pub(super) fn members(&self, act: &Act) -> Option<&[(String, Node)]> {
        match (&self.network_token, act) {
            (Some(token), Act::Authorise(outbound)) if outbound.kind() == CardKind::NetworkToken => {
                Some(&token.body)
            }
            _ => self.body.as_deref(),
        }
    }
}

impl Description {
    /// Its name: `card_` and this is the type of a processor.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the PSP calls itself.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// `configuration._type` of a processor that goes by it.
    pub fn type_name(&self) -> String {
        format!("card_{}", self.name)
    }

    /// The limits of a processor that goes by it, where its operator sets no others.
    pub const fn limits(&self) -> HttpLimits {
        self.limits
    }

    /// What is set of a processor that goes by it.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// What is wrong with these settings and names of secrets, all of it. Values of secrets are judged by [`Description::judge_secret`].
    pub fn judge<'a>(
        &self,
        settings: &[(String, String)],
        secrets: impl Iterator<Item = &'a str>,
    ) -> Vec<SettingFault> {
        let secrets: Vec<_> = secrets.collect();
        let mut faults = Vec::new();
        let of_kind =
            |name: &str, kind| self.settings.iter().find(|one| one.name == name && one.kind == kind);
        for (name, value) in settings {
            match of_kind(name, SettingKind::Text) {
                Some(setting) => faults.extend(setting.judge(value.as_bytes())),
                None => faults.push(SettingFault::unknown(name)),
            }
        }
        for name in &secrets {
            if of_kind(name, SettingKind::Secret).is_none() {
                faults.push(SettingFault::unknown(name));
            }
        }
        for setting in self.settings.iter().filter(|setting| setting.required) {
            let (is_there, words) = match setting.kind {
                SettingKind::Text => (settings.iter().any(|(name, _)| *name == setting.name), "is required"),
                SettingKind::Secret => (
                    secrets.contains(&setting.name.as_str()),
                    "is required; it is a secret, which the command line takes from a file (--secret NAME=FILE)",
                ),
            };
            if !is_there {
                faults.push(SettingFault { name: setting.name.clone(), words: words.to_owned() });
            }
        }
        faults
    }

    /// What is wrong with a secret, without repeating it.
    pub fn judge_secret(&self, name: &str, value: &[u8]) -> Option<SettingFault> {
        match self.settings.iter().find(|one| one.name == name && one.kind == SettingKind::Secret) {
            Some(setting) => setting.judge(value).or_else(|| self.judge_notification_secret(name, value)),
            None => Some(SettingFault::unknown(name)),
        }
    }

    fn judge_notification_secret(&self, name: &str, value: &[u8]) -> Option<SettingFault> {
        let setup = self.notification.as_ref().filter(|setup| setup.secret == name)?;
        let words = setup.scheme.secret_fault(value)?.to_owned();
        Some(SettingFault { name: name.to_owned(), words })
    }

    /// Whether it has a request for a network token of this scheme.
    pub(super) fn takes_network_token(&self, name: ActName, brand: Option<Brand>) -> bool {
        let token = self.act(name).and_then(|exchange| exchange.network_token.as_ref());
        token.is_some_and(|token| brand.is_some_and(|brand| token.brands.contains(&brand)))
    }

    pub(super) fn act(&self, name: ActName) -> Option<&Exchange> {
        let find =
            |wanted| self.acts.iter().find(|(known, _)| *known == wanted).map(|(_, exchange)| exchange);
        match find(name) {
            None if name == ActName::Verify && self.authorise_takes_zero => find(ActName::Authorise),
            found => found,
        }
    }

    /// Where a vault of that kind calls.
    pub(crate) fn origin(&self, mode: HttpMode, settings: &[(String, String)]) -> Result<Origin, String> {
        let template = match mode {
            HttpMode::Test => self.test_origin.as_ref().ok_or("has no origin for a test vault"),
            HttpMode::Live => self.live_origin.as_ref().ok_or("has no origin for a live vault"),
        }?;
        Origin::parse(
            &Origin::filled(template, |name| {
                settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })?,
            mode,
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}

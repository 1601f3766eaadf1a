//! What a description maps, for whoever writes one.

use super::act::ActName;
use super::answer::{Answers, Meaning, Pick, Rule, Status};
use super::body::Node;
use super::description::{Ask, Description, Exchange, Roots};
use super::path::Path;
use super::placeholder::{Field, Filter, Placeholder};
use super::table::Key;
use super::template::{Piece, Template};

/// What a description maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The origin for each kind of vault, `test` and `live`.
    pub calls: Vec<(&'static str, String)>,
    /// How many certificates vouch for the PSP; `None` where the public authorities do.
    pub roots: Option<usize>,
    /// The header that has the key of idempotency.
    pub idempotency_header: Option<String>,
    /// How the PSP tells by itself.
    pub notification: Option<NotificationSummary>,
    /// What is sent, in the order of its life.
    pub acts: Vec<ActSummary>,
    /// How it is asked what became of an act.
    pub asks: Vec<AskSummary>,
    /// What is allowed and seldom meant, in words.
    pub remarks: Vec<String>,
}

/// What is sent to do an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActSummary {
    /// As the description has it.
    pub name: &'static str,
    /// Method, path and query.
    pub request: String,
    /// The placeholders of its headers and body, each once.
    pub sends: Vec<String>,
    /// The schemes whose network tokens it takes.
    pub network_tokens: Vec<&'static str>,
    /// What each kind of answer means, the first that fits first.
    pub answers: Vec<(String, &'static str)>,
    /// What is read in an answer beside that.
    pub reads: Vec<&'static str>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskSummary {
    /// About what it asks.
    pub of: Vec<&'static str>,
    /// Method, path and query.
    pub request: String,
    /// Which item of a list is looked at.
    pub pick: Option<String>,
    /// What each kind of answer means. One that refuses the question settles nothing.
    pub answers: Vec<(String, &'static str)>,
}

/// How a PSP tells by itself what became of acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSummary {
    /// How it signs and spells.
    pub scheme: &'static str,
    /// The setting that it signs with.
    pub secret: String,
    /// The setting that has our account there.
    pub account: Option<String>,
}

impl Description {
    /// What it maps.
    pub fn summary(&self) -> Summary {
        let calls = [("test", &self.test_origin), ("live", &self.live_origin)];
        let calls =
            calls.iter().filter_map(|(mode, origin)| Some((*mode, written(origin.as_ref()?)))).collect();
        let acts = self.acts.iter().map(|(name, exchange)| self.act_summary(*name, exchange)).collect();
        let notification = self.notification.as_ref().map(|setup| NotificationSummary {
            scheme: setup.scheme.name(),
            secret: setup.secret.clone(),
            account: setup.account.clone(),
        });
        Summary {
            calls,
            roots: match &self.roots {
                Roots::Web => None,
                Roots::These(certificates) => Some(certificates.len()),
            },
            idempotency_header: self.idempotency_header.clone(),
            notification,
            acts,
            asks: self.asks.iter().map(ask_summary).collect(),
            remarks: self.remarks(),
        }
    }

    /// What can be done with it, as documentation names that.
    pub fn abilities(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for name in ActName::SENT {
            let Some(exchange) = self.act(*name) else { continue };
            found.push(name.as_str());
            if *name == ActName::Authorise && self.sells(exchange) {
                found.push("sale");
            }
        }
        if !self.asks.is_empty() {
            found.push(ActName::Ask.as_str());
        }
        found
    }

    /// The schemes whose network tokens it takes in the place of cards.
    pub fn network_tokens(&self) -> Vec<&'static str> {
        let token = self.act(ActName::Authorise).and_then(|exchange| exchange.network_token.as_ref());
        token.map_or_else(Vec::new, |token| token.brands.iter().map(|brand| brand.as_str()).collect())
    }

    /// Whether it is said in an authorisation whether the money is to be taken at once.
    fn sells(&self, exchange: &Exchange) -> bool {
        let mut templates = Vec::new();
        exchange.body.iter().flatten().for_each(|(_, node)| node.templates(&mut templates));
        templates.iter().flat_map(|template| template.placeholders()).any(|one| match &one.field {
            Field::CaptureNow => true,
            Field::Table(name) => {
                self.tables.iter().any(|table| table.name == *name && table.by.contains(&Key::CaptureNow))
            }
            _ => false,
        })
    }

    fn act_summary(&self, name: ActName, exchange: &Exchange) -> ActSummary {
        let mut templates: Vec<&Template> =
            self.headers.iter().chain(&exchange.headers).map(|(_, template)| template).collect();
        let token = exchange.network_token.as_ref();
        let bodies: [&[(String, Node)]; 2] =
            [exchange.body.as_deref().unwrap_or_default(), token.map_or(&[], |token| &token.body)];
        bodies.iter().flat_map(|body| body.iter()).for_each(|(_, node)| node.templates(&mut templates));
        let mut sends: Vec<String> = Vec::new();
        for name in templates.iter().flat_map(|template| template.placeholders()).map(Placeholder::source) {
            if !sends.contains(&name) {
                sends.push(name);
            }
        }
        ActSummary {
            name: name.as_str(),
            request: request(exchange),
            sends,
            network_tokens: token
                .map_or_else(Vec::new, |token| token.brands.iter().map(|brand| brand.as_str()).collect()),
            answers: meanings(&exchange.answers),
            reads: reads(&exchange.answers),
        }
    }
}

fn ask_summary(ask: &Ask) -> AskSummary {
    AskSummary {
        of: ask.of.iter().map(|action| action.as_str()).collect(),
        request: request(&ask.exchange),
        pick: ask.pick.as_ref().map(picked),
        answers: told(&ask.exchange.answers),
    }
}

fn picked(pick: &Pick) -> String {
    let conditions: Vec<_> = pick.matches.iter().map(equals).collect();
    format!("{} where {}", pick.list, conditions.join("; "))
}

fn request(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, written(&exchange.target))
}

fn meanings(answers: &Answers) -> Vec<(String, &'static str)> {
    answers.rules.iter().map(|rule| (condition(rule), word(rule.meaning))).collect()
}

/// What answers to a question mean: as [`Answers::read_told`] reads them.
fn told(answers: &Answers) -> Vec<(String, &'static str)> {
    let settles = |rule: &&Rule| rule.statuses.iter().any(|status| status.is_of_success());
    let of_rule = |rule: &Rule| {
        let statuses = rule.statuses.iter().filter(|status| status.is_of_success()).copied();
        (condition_with(rule, &statuses.collect::<Vec<_>>()), word(rule.meaning))
    };
    let refused = ("any status but 2xx".to_owned(), word(Meaning::Unknown));
    answers.rules.iter().filter(settles).map(of_rule).chain([refused]).collect()
}

fn condition(rule: &Rule) -> String {
    condition_with(rule, &rule.statuses)
}

fn condition_with(rule: &Rule, statuses: &[Status]) -> String {
    let status = |status: &Status| match status {
        Status::One(one) => one.to_string(),
        Status::Class(digit) => format!("{digit}xx"),
    };
    let mut text = statuses.iter().map(status).collect::<Vec<_>>().join(", ");
    for wanted in &rule.when {
        text.push_str(&format!("; {}", equals(wanted)));
    }
    for path in &rule.has {
        text.push_str(&format!("; has {path}"));
    }
    text
}

fn equals((path, values): &(Path, Vec<Template>)) -> String {
    let values: Vec<_> = values.iter().map(written).collect();
    format!("{path} is {}", values.join(" or "))
}

fn word(meaning: Meaning) -> &'static str {
    Meaning::ALL.iter().find(|(_, one)| *one == meaning).map_or("unknown", |(word, _)| word)
}

fn reads(answers: &Answers) -> Vec<&'static str> {
    let has = [
        ("reason_code", !answers.reason_code.is_empty()),
        ("status_reason", !answers.status_reason.is_empty()),
        ("reference", !answers.reference.is_empty()),
        ("network_transaction_id", !answers.network_transaction_id.is_empty()),
        ("authorization_code", !answers.authorization_code.is_empty()),
        ("cvv_result", answers.cvv_result.is_some()),
        ("avs_result", answers.avs_result.is_some()),
    ];
    has.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect()
}

/// As a description has it.
fn written(template: &Template) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Value(placeholder) => format!("{{{{{}}}}}", placeholder.source()),
    };
    template.0.iter().map(piece).collect()
}

impl Placeholder {
    /// What stands between the braces.
    fn source(&self) -> String {
        let filter = match self.filter {
            None => return self.field.name(),
            Some(Filter::Pad2) => "pad2".to_owned(),
            Some(Filter::Full) => "full".to_owned(),
            Some(Filter::Decimal) => "decimal".to_owned(),
            Some(Filter::Lower) => "lower".to_owned(),
            Some(Filter::Text) => "text".to_owned(),
            Some(Filter::Cut(many)) => format!("cut{many}"),
        };
        format!("{}|{filter}", self.field.name())
    }
}

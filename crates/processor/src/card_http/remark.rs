//! What a description may say and seldom means.

use panvault_model::TransactionAction;

use super::act::ActName;
use super::answer::{Meaning, Rule};
use super::body::Node;
use super::description::{Description, Exchange};
use super::placeholder::Field;
use super::setting::Setting;
use super::template::Template;
use crate::Verdict;

/// Acts, and what a question about each is about.
const FOLLOWED: [(ActName, TransactionAction); 5] = [
    (ActName::Authorise, TransactionAction::Authorise),
    (ActName::Capture, TransactionAction::Capture),
    (ActName::Void, TransactionAction::Void),
    (ActName::VoidCapture, TransactionAction::VoidCapture),
    (ActName::Refund, TransactionAction::Refund),
];

/// What a payment is seldom sent without.
const EXPECTED: [(&[Field], &str); 4] = [
    (&[Field::Currency], "{{currency}}"),
    (&[Field::CardExpiryMonth], "{{card.expiry_month}}"),
    (&[Field::CardExpiryYear], "{{card.expiry_year}}"),
    (&[Field::Id, Field::IdempotencyKey], "{{id}}, by which it could be found again or told from another"),
];

impl Description {
    /// In words, each a sentence's part; none is a fault.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(exchange) = self.act(ActName::Authorise) {
            let has = |field: &Field| {
                self.is_sent(exchange, field)
                    || (*field == Field::IdempotencyKey && self.idempotency_header.is_some())
            };
            let lacking = EXPECTED.iter().filter(|(fields, _)| !fields.iter().any(has));
            remarks.extend(lacking.map(|(_, what)| format!("authorise sends no {what}")));
        }
        if self.act(ActName::Verify).is_none() {
            remarks.push("no card can be verified: an amount of 0 is refused with 132".to_owned());
        }
        for (name, action) in FOLLOWED {
            let Some(exchange) = self.act(name) else { continue };
            let name = name.as_str();
            if self.notification.is_none() && !self.asks.iter().any(|ask| ask.of.contains(&action)) {
                remarks.push(format!(
                    "nothing asks or tells what became of {name}: one whose answer is lost is left to people"
                ));
                let pends = |rule: &&Rule| rule.meaning == Meaning::Verdict(Verdict::Pending);
                if exchange.answers.rules.iter().any(|rule| pends(&rule)) {
                    remarks.push(format!("{name} may be pending, and nothing ends that"));
                }
            }
            remarks.extend(exchange.answers.rules.iter().enumerate().filter_map(|(nth, rule)| {
                let same = |other: &Rule| {
                    (&other.statuses, &other.when, &other.has) == (&rule.statuses, &rule.when, &rule.has)
                };
                exchange.answers.rules.iter().take(nth).any(same).then(|| {
                    format!("answers of {name} have a rule that one before it with the same condition hides")
                })
            }));
        }
        remarks.extend(
            self.settings
                .iter()
                .filter(|setting| !self.uses(setting))
                .map(|setting| format!("settings.{} is used nowhere", setting.name)),
        );
        remarks
    }

    /// Whether a setting or secret goes anywhere.
    fn uses(&self, setting: &Setting) -> bool {
        let is_it = |field: &Field| match field {
            Field::Setting(name) | Field::Secret(name) => *name == setting.name,
            _ => false,
        };
        let exchanges = self.acts.iter().map(|(_, exchange)| exchange);
        let exchanges = exchanges.chain(self.asks.iter().map(|ask| &ask.exchange));
        let picked = self.asks.iter().filter_map(|ask| ask.pick.as_ref()).flat_map(|pick| &pick.matches);
        let compared = exchanges.clone().flat_map(|one| &one.answers.rules).flat_map(|rule| &rule.when);
        let compared = compared.chain(picked).flat_map(|(_, values)| values);
        let origins = self.test_origin.iter().chain(&self.live_origin);
        let mut templates: Vec<&Template> = compared.chain(origins).collect();
        templates.extend(exchanges.flat_map(|exchange| self.templates(exchange)));
        let told = self.notification.iter().flat_map(|setup| [Some(&setup.secret), setup.account.as_ref()]);
        templates.iter().flat_map(|template| template.placeholders()).any(|one| is_it(&one.field))
            || told.flatten().any(|name| *name == setting.name)
    }

    fn is_sent(&self, exchange: &Exchange, field: &Field) -> bool {
        let mut templates = self.templates(exchange).into_iter();
        templates.any(|template| template.placeholders().any(|one| one.field == *field))
    }

    /// All that is written into a request.
    fn templates<'a>(&'a self, exchange: &'a Exchange) -> Vec<&'a Template> {
        let headers = self.headers.iter().chain(&exchange.headers).map(|(_, template)| template);
        let mut templates: Vec<_> = headers.chain([&exchange.target]).collect();
        let token = exchange.network_token.as_ref().map(|token| &token.body);
        let members: Vec<&(String, Node)> = exchange.body.iter().chain(token).flatten().collect();
        members.iter().for_each(|(_, node)| node.templates(&mut templates));
        templates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is allowed, and nothing that one would want.
    const BARE: &str = r#"name = "mine"
title = "Mine"

[origins]
test = "http://127.0.0.1:1"

[settings.key]
kind = "secret"

[acts.authorise]
request = "POST /pay"
answer = "payment"
body = { amount = "{{amount}}", number = "{{card.number}}", year = "{{card.expiry_year}}" }

[answers.payment]
rules = [
    { status = 200, when = { state = "done" }, verdict = "approved" },
    { status = 200, when = { state = "done" }, verdict = "declined" },
    { status = 202, when = { state = "taken" }, verdict = "pending" },
]
"#;

    #[test]
    fn what_is_seldom_meant_is_said() {
        let remarks = Description::parse(BARE).unwrap().remarks();
        let said = [
            "authorise sends no {{currency}}",
            "authorise sends no {{card.expiry_month}}",
            "authorise sends no {{id}}, by which it could be found again or told from another",
            "no card can be verified: an amount of 0 is refused with 132",
            "nothing asks or tells what became of authorise: one whose answer is lost is left to people",
            "authorise may be pending, and nothing ends that",
            "answers of authorise have a rule that one before it with the same condition hides",
            "settings.key is used nowhere",
        ];
        assert_eq!(remarks, said);

        // Each goes when what it misses is there.
        let whole = BARE
            .replace("number = ", "currency = \"{{currency}}\", month = \"{{card.expiry_month}}\", number = ")
            .replace("title = \"Mine\"\n", "title = \"Mine\"\nidempotency_header = \"Once\"\n")
            .replace(
                "[acts.authorise]\n",
                "[headers]\nKey = \"{{secrets.key}}\"\n\n[acts.authorise]\ntakes_zero = true\n",
            )
            .replace("\"done\" }, verdict = \"declined\"", "\"no\" }, verdict = \"declined\"")
            + "\n[[asks]]\nof = [\"authorise\"]\nrequest = \"GET /pay/{{id}}\"\nanswer = \"payment\"\n";
        assert_eq!(Description::parse(&whole).unwrap().remarks(), [""; 0]);
    }
}

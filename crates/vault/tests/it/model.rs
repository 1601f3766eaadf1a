//! A seed drives random operations on a vault; a plain map predicts every answer.

mod expected;

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use panvault_card::Cvv;
use panvault_model::{Amount, CardId, TransactionAction, TransactionId, TransactionStatus};
use panvault_testkit::{SeededRandom, canary_cards};
use panvault_vault::{
    CardChange, CardQuery, CvvChange, Metadata, NewRefund, NewTransaction, Query, TransactionQuery,
    VaultError,
};

use crate::model::expected::{Expected, ExpectedCard, ExpectedTransaction};
use crate::world::{Shop, World, all, all_cards, all_transactions, new_card, new_transaction, no_change};

const SEEDS: u64 = 60;
const STEPS: usize = 250;

/// One run: a vault, what it should hold, and dice.
struct Run {
    world: World,
    expected: Expected,
    dice: SeededRandom,
    /// A parent and its child; the parent's key sees both.
    shops: Vec<Shop>,
    /// Accounts of the parent: one that takes anything, and one that declines what has no CVV.
    strict: Shop,
    numbers: Vec<String>,
}

#[tokio::test]
async fn random_operations_are_answered_as_the_model_predicts() {
    for seed in 0..SEEDS {
        let mut run = Run::new(seed).await;
        for step in 0..STEPS {
            if let ControlFlow::Break(fault) = run.step().await {
                panic!("seed {seed}, step {step}: {fault}");
            }
        }
    }
}

type Step = ControlFlow<String>;

fn same<T: PartialEq + core::fmt::Debug>(what: &str, answered: T, expected: T) -> Step {
    if answered == expected {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(format!("{what}: {answered:?}, expected {expected:?}"))
    }
}

/// The kind of an error, for comparing.
fn kind<T>(result: &Result<T, VaultError>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(VaultError::NotFound(_)) => "not found",
        Err(VaultError::Faults(_)) => "faults",
        Err(VaultError::WrongMove { .. } | VaultError::WrongState { .. }) => "wrong state",
        Err(_) => "another error",
    }
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut dice = SeededRandom::new(seed);
        let cvv_ttl_seconds = if dice.percent(10) { 0 } else { 3_600 };
        let world = World::with_cvv_ttl(cvv_ttl_seconds).await;
        let top = world.shop(None).await;
        let below = world.shop(Some(top.organisation)).await;
        let account = world.account(top.organisation, 100).await;
        let strict = Shop { organisation: top.organisation, account, key: top.key.clone() };
        let numbers = canary_cards(seed, 6).into_iter().map(|card| card.number).collect();
        let expected = Expected::new(u64::from(cvv_ttl_seconds) * 1_000);
        Self { world, expected, dice, shops: vec![top, below], strict, numbers }
    }

    async fn step(&mut self) -> Step {
        match self.dice.below(100) {
            0..20 => self.card_create().await,
            20..40 => self.card_update().await,
            40..45 => self.card_delete().await,
            45..60 => self.transaction_create().await,
            60..66 => self.act().await,
            66..70 => self.refund().await,
            70..82 => self.card_read().await,
            82..88 => self.lists().await,
            88..96 => self.time_passes(),
            96..98 => self.settle().await,
            _ => self.restart().await,
        }
    }

    async fn card_create(&mut self) -> Step {
        let shop = &self.shops[self.dice.below(2)];
        let number = self.dice.pick(&self.numbers).unwrap().clone();
        let digits = if number.starts_with('3') && number.len() == 15 { 4 } else { 3 };
        let cvv = self.dice.percent(60).then(|| cvv(&mut self.dice, digits));
        let metadata = metadata(&mut self.dice);
        let permit = self.world.permit(&shop.key);
        let card = new_card(&number, cvv.as_deref());
        let create = self.world.vault.card_create(&permit, shop.organisation, card, metadata.clone(), None);
        let view = match create.await {
            Ok(done) => done.value,
            Err(error) => return ControlFlow::Break(format!("create: {error}")),
        };
        let now = self.world.vault.now();
        let fingerprint = self.expected.fingerprint(shop.organisation, &number, view.row.fingerprint);
        same("fingerprint", Some(view.row.fingerprint), fingerprint)?;
        let card = ExpectedCard::new(shop.organisation, &number, metadata, now);
        self.expected.cards.insert(view.row.id, card);
        if let Some(cvv) = cvv {
            self.expected.cvv_put(view.row.id, cvv, now);
        }
        same("created", ExpectedCard::shown(&view), self.expected.view(view.row.id, now))
    }

    async fn card_update(&mut self) -> Step {
        let (id, organisation) = self.some_card();
        let mut change = no_change();
        let now = self.world.vault.now();
        let mut put = None;
        match self.dice.below(4) {
            0 => change.cvv = CvvChange::Clear,
            1 | 2 => {
                let digits = if self.dice.percent(15) { 4 } else { 3 };
                let text = cvv(&mut self.dice, digits);
                change.cvv = CvvChange::Put(Cvv::parse(&text, None).unwrap());
                put = Some(text);
            }
            _ => {}
        }
        let clear = matches!(change.cvv, CvvChange::Clear);
        if self.dice.percent(30) {
            change.expiry_month = u8::try_from(1 + self.dice.below(12)).ok();
        }
        if self.dice.percent(30) {
            change.expiry_year = u16::try_from(2025 + self.dice.below(24)).ok();
        }
        if self.dice.percent(30) {
            change.metadata = Some(metadata(&mut self.dice));
        }
        let CardChange { expiry_month, expiry_year, metadata, .. } = &change;
        let row_change = (*expiry_month, *expiry_year, metadata.clone());
        let permit = self.world.permit(&self.shops[0].key);
        let updated = self.world.vault.card_update(&permit, id, organisation, change, None).await;
        let expected = self.expected.card_update(id, organisation, row_change, put.as_deref(), clear, now);
        same("update", kind(&updated), expected)?;
        match updated {
            Ok(done) => same("updated", ExpectedCard::shown(&done.value), self.expected.view(id, now)),
            Err(_) => ControlFlow::Continue(()),
        }
    }

    async fn card_delete(&mut self) -> Step {
        let (id, _) = self.some_card();
        let deleted = self.world.vault.card_delete(&self.world.permit(&self.shops[0].key), id).await;
        let expected = if self.expected.cards.remove(&id).is_some() { "done" } else { "not found" };
        same("delete", kind(&deleted), expected)
    }

    async fn card_read(&mut self) -> Step {
        let (id, _) = self.some_card();
        let now = self.world.vault.now();
        let child = self.dice.percent(30);
        let shop = &self.shops[usize::from(child)];
        let read = self.world.card_read(shop, id).await;
        let seen =
            self.expected.cards.get(&id).is_some_and(|card| !child || card.organisation == shop.organisation);
        same("read", kind(&read), if seen { "done" } else { "not found" })?;
        match read {
            Ok(view) => same("card", ExpectedCard::shown(&view), self.expected.view(id, now)),
            Err(_) => ControlFlow::Continue(()),
        }
    }

    async fn transaction_create(&mut self) -> Step {
        let (id, organisation) = self.some_card();
        let now = self.world.vault.now();
        let strict = organisation == self.shops[0].organisation && self.dice.percent(30);
        let shop = if strict { &self.strict } else { &self.shops[self.dice.below(2)] };
        let amount = *self.dice.pick(&[0, 1_000, 2_500, 121, 122, 123, 131, 132, 7_131]).unwrap();
        let reference = *self.dice.pick(&["order", "please 121", "please 131"]).unwrap();
        let capture_now = self.dice.percent(70);
        let new = NewTransaction {
            merchant_reference: reference.to_owned(),
            capture_now,
            ..new_transaction(shop.account, id, amount)
        };
        let sent =
            self.world.vault.transaction_create(&self.world.permit(&self.shops[0].key), new, None).await;
        let expected = self.expected.transaction_create(id, (amount, reference, capture_now), strict, now);
        let Some((status, cvv_present, cvv_result)) = expected else {
            return same("transaction", kind(&sent), "not found");
        };
        let row = match sent {
            Ok(done) => done.value,
            Err(error) => return ControlFlow::Break(format!("transaction: {error}")),
        };
        same("outcome", (row.status, row.cvv_present, row.cvv_result), (status, cvv_present, cvv_result))?;
        same(
            "amount",
            (row.amount.minor_units(), row.card, row.organisation),
            (amount, id, shop.organisation),
        )?;
        let paid = ExpectedTransaction::new(shop.organisation, status, amount);
        self.expected.transactions.insert(row.id, paid);
        let permit = self.world.permit(&self.shops[0].key);
        let history = self.world.vault.transaction_history(&permit, row.id).await;
        let history: Vec<_> = history.unwrap_or_default().iter().map(|step| step.status).collect();
        same("history", history, vec![status, TransactionStatus::Initiated])
    }

    /// A capture or a void of any transaction, of any amount.
    async fn act(&mut self) -> Step {
        let Some((id, amount)) = self.some_transaction() else { return ControlFlow::Continue(()) };
        let actions = [TransactionAction::Capture, TransactionAction::VoidCapture, TransactionAction::Void];
        let action = *self.dice.pick(&actions).unwrap();
        let done = self.world.act(&self.shops[0], id, action, amount.and_then(Amount::new)).await;
        same("act", kind(&done), self.expected.act(id, action, amount))?;
        match done {
            Ok(row) => same("acted on", ExpectedTransaction::shown(&row), self.expected.transactions[&id]),
            Err(_) => ControlFlow::Continue(()),
        }
    }

    async fn refund(&mut self) -> Step {
        let Some((id, amount)) = self.some_transaction() else { return ControlFlow::Continue(()) };
        let reason = *self.dice.pick(&["sent back", "please 121", "please 122"]).unwrap();
        let new = NewRefund {
            amount: amount.and_then(Amount::new),
            reason: Some(reason.to_owned()),
            merchant_reference: None,
        };
        let permit = self.world.permit(&self.shops[0].key);
        let done = self.world.vault.refund_create(&permit, id, new, None).await;
        let expected = self.expected.refund(id, amount, reason);
        same("refund", kind(&done), expected.map_or_else(|refused| refused, |_| "done"))?;
        let (Ok(done), Ok((status, units))) = (done, expected) else { return ControlFlow::Continue(()) };
        same("refunded", (done.value.status, done.value.amount.minor_units()), (status, units))?;
        self.expected.refunds.insert(done.value.id, (status, reason == "sent back"));
        let row = self.world.read(&self.shops[0], id).await;
        same("refunded transaction", ExpectedTransaction::shown(&row), self.expected.transactions[&id])
    }

    async fn settle(&mut self) -> Step {
        let settled = self.world.settle().await;
        let (completed, processed) = self.expected.settle();
        same("settled", (settled.completed, settled.refunds_processed), (completed, processed))?;
        let page = self.world.vault.refund_list(&self.world.permit(&self.shops[0].key), all()).await;
        let refunds: BTreeMap<_, _> = page.unwrap().rows.iter().map(|row| (row.id, row.status)).collect();
        let expected = self.expected.refunds.iter().map(|(id, (status, _))| (*id, *status)).collect();
        same("refunds", refunds, expected)
    }

    /// Any transaction, and an amount that may go with it.
    fn some_transaction(&mut self) -> Option<(TransactionId, Option<u32>)> {
        let known: Vec<_> = self.expected.transactions.keys().copied().collect();
        let amount = *self.dice.pick(&[None, Some(1), Some(700), Some(1_000), Some(2_500)]).unwrap();
        Some((*self.dice.pick(&known)?, amount))
    }

    async fn lists(&mut self) -> Step {
        let now = self.world.vault.now();
        let (skip, limit) = (self.dice.below(4), 1 + self.dice.below(10));
        let only = self.dice.percent(50).then_some(self.shops[1].organisation);
        let page = Query { skip: skip as u64, limit: u32::try_from(limit).unwrap(), ..all_cards() };
        let cards = CardQuery { organisations: only.into_iter().collect(), ..page };
        let permit = self.world.permit(&self.shops[0].key);
        let listed = match self.world.vault.card_list(&permit, cards).await {
            Ok(page) => page,
            Err(error) => return ControlFlow::Break(format!("list: {error}")),
        };
        let (total, ids) = self.expected.card_list(only, skip, limit);
        same("total", listed.total, total)?;
        same("ids", listed.rows.iter().map(|view| view.row.id).collect::<Vec<_>>(), ids)?;
        for view in &listed.rows {
            same("listed", ExpectedCard::shown(view), self.expected.view(view.row.id, now))?;
        }
        let query = TransactionQuery { organisations: only.into_iter().collect(), ..all_transactions() };
        let permit = self.world.permit(&self.shops[0].key);
        let listed = self.world.vault.transaction_list(&permit, query).await.map(|page| {
            page.rows.iter().map(|row| (row.id, ExpectedTransaction::shown(row))).collect::<Vec<_>>()
        });
        same("transactions", listed.unwrap_or_default(), self.expected.transaction_list(only))
    }

    fn time_passes(&mut self) -> Step {
        let millis = *self.dice.pick(&[1, 1_000, 600_000, 3_599_999, 3_600_000]).unwrap();
        match self.dice.below(6) {
            0 => self.world.clock.wall_forward_millis(millis),
            1 => self.world.clock.wall_back_millis(millis),
            _ => self.world.clock.pass_millis(millis),
        }
        ControlFlow::Continue(())
    }

    async fn restart(&mut self) -> Step {
        self.expected.cvvs_forget();
        match self.world.reopen().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(format!("restart: {error}")),
        }
    }

    /// A card, mostly one that exists, and its organisation, mostly.
    fn some_card(&mut self) -> (CardId, panvault_model::OrganisationId) {
        let known: Vec<_> = self.expected.cards.iter().map(|(id, card)| (*id, card.organisation)).collect();
        let nowhere = (CardId::from_bytes([9; 12]), self.shops[0].organisation);
        let (id, organisation) =
            if self.dice.percent(95) { self.dice.pick(&known).copied() } else { None }.unwrap_or(nowhere);
        if self.dice.percent(95) {
            (id, organisation)
        } else {
            (id, self.shops[self.dice.below(2)].organisation)
        }
    }
}

fn cvv(dice: &mut SeededRandom, digits: usize) -> String {
    let text = *dice.pick(&["111", "222", "333", "000", "987"]).unwrap();
    if digits == 4 { format!("{text}0") } else { text.to_owned() }
}

fn metadata(dice: &mut SeededRandom) -> Metadata {
    (0..dice.below(3)).map(|at| (format!("name {at}"), format!("value {}", dice.below(100)))).collect()
}

use panvault_model::Fingerprint;
use panvault_store::{CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, RefundRow, TransactionRow};
use rusqlite::ToSql;

use crate::examine::tallies::Found;
use crate::examine::{Examination, LISTED_MAX};
use crate::fault::OpenFault;
use crate::view::fingerprints;

/// Counts that must be equal, with what it means when they are not.
const COUNTS: &[(&str, &str, &str)] = &[
    (
        "SELECT count(*) FROM card_by_organisation",
        "SELECT count(*) FROM card",
        "card_by_organisation has other entries than cards",
    ),
    (
        "SELECT count(*) FROM payment_by_organisation",
        "SELECT count(*) FROM payment",
        "payment_by_organisation has other entries than transactions",
    ),
    (
        "SELECT count(*) FROM payment_by_card",
        "SELECT count(*) FROM payment",
        "payment_by_card has other entries than transactions",
    ),
    (
        "SELECT count(*) FROM payment_by_account",
        "SELECT count(*) FROM payment",
        "payment_by_account has other entries than transactions",
    ),
    (
        "SELECT count(*) FROM payment_by_status",
        "SELECT count(*) FROM payment",
        "payment_by_status has other entries than transactions",
    ),
    (
        "SELECT count(*) FROM refund_by_organisation",
        "SELECT count(*) FROM refund",
        "refund_by_organisation has other entries than refunds",
    ),
    (
        "SELECT count(*) FROM refund_by_payment",
        "SELECT count(*) FROM refund",
        "refund_by_payment has other entries than refunds",
    ),
    (
        "SELECT count(*) FROM refund_by_account",
        "SELECT count(*) FROM refund",
        "refund_by_account has other entries than refunds",
    ),
    (
        "SELECT count(*) FROM refund_by_status",
        "SELECT count(*) FROM refund",
        "refund_by_status has other entries than refunds",
    ),
    (
        "SELECT count(*) FROM customer_by_organisation",
        "SELECT count(*) FROM customer",
        "customer_by_organisation has other entries than customers",
    ),
    (
        "SELECT count(*) FROM checkout_by_organisation",
        "SELECT count(*) FROM checkout",
        "checkout_by_organisation has other entries than checkouts",
    ),
    (
        "SELECT count(*) FROM delivery_by_organisation",
        "SELECT count(*) FROM delivery",
        "delivery_by_organisation has other entries than deliveries",
    ),
    (
        "SELECT count(*) FROM delivery_by_object",
        "SELECT count(*) FROM delivery",
        "delivery_by_object has other entries than deliveries",
    ),
    (
        "SELECT count(*) FROM delivery_by_account",
        "SELECT count(*) FROM delivery",
        "delivery_by_account has other entries than deliveries",
    ),
    (
        "SELECT count(*) FROM delivery_by_status",
        "SELECT count(*) FROM delivery",
        "delivery_by_status has other entries than deliveries",
    ),
    (
        "SELECT (SELECT count(*) FROM delivery_waiting) + (SELECT count(*) FROM delivery_over)",
        "SELECT count(*) FROM delivery",
        "delivery_waiting and delivery_over have other entries than deliveries",
    ),
    (
        "SELECT count(*) FROM delivery_due",
        "SELECT count(*) FROM delivery_waiting",
        "delivery_due has other entries than deliveries that wait",
    ),
];

/// The entry of a fingerprint and an id, wherever it is.
const FOUND_BY: &str = "SELECT 1 FROM fingerprint_tail WHERE id = ?2 AND fingerprint = ?1 \
     UNION ALL SELECT 1 FROM run CROSS JOIN fingerprint_run AS entry ON entry.run = run.number \
     AND entry.fingerprint = ?1 AND entry.id = ?2";

impl Examination {
    /// SQLite's own structure, and every index against its table.
    pub(super) fn look_at_view(&mut self, chain: &dyn Chain) -> Result<(), OpenFault> {
        let sound: String = self.view.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            self.found("view", "SQLite finds its file damaged".to_owned());
        }
        self.cards = self.count("SELECT count(*) FROM card")?;
        self.transactions = self.count("SELECT count(*) FROM payment")?;
        self.refunds = self.count("SELECT count(*) FROM refund")?;
        self.customers = self.count("SELECT count(*) FROM customer")?;
        for (one, other, what) in COUNTS {
            if self.count(one)? != self.count(other)? {
                self.found("index", (*what).to_owned());
            }
        }
        let (mut steps, mut open, mut found_by) = (0, 0, 0);
        let mut lacking = Vec::new();
        let mut found = Found::default();
        let cards = self.each_card(&mut |row| {
            found.card(&row, chain);
            found_by += row.fingerprints().count() as u64;
            if lacking.len() < LISTED_MAX && !self.is_indexed_card(&row) {
                lacking.push(format!("card {} is not where it should be, or lacks an index entry", row.id));
            }
        })?;
        let transactions = self.each_transaction(&mut |row| {
            found.transaction(&row, chain);
            steps += u64::from(row.version);
            open += u64::from(row.is_open());
            let reference = fingerprints::of_reference(chain, &row);
            found_by += u64::from(reference.is_some());
            if lacking.len() < LISTED_MAX && !self.is_indexed_transaction(&row, reference) {
                lacking.push(format!(
                    "transaction {} is not where it should be, or lacks an index entry",
                    row.id
                ));
            }
        })?;
        let mut open_refunds = 0;
        let refunds = self.each_refund(&mut |row| {
            found.refund(&row, chain);
            open_refunds += u64::from(row.is_open());
            if lacking.len() < LISTED_MAX && !self.is_indexed_refund(&row) {
                lacking.push(format!("refund {} is not where it should be, or lacks an index entry", row.id));
            }
        })?;
        let mut with_email = 0;
        let customers = self.each_customer(&mut |row| {
            found.customer(&row, chain);
            with_email += u64::from(row.email.is_some());
            if lacking.len() < LISTED_MAX && !self.is_indexed_customer(&row) {
                lacking
                    .push(format!("customer {} is not where it should be, or lacks an index entry", row.id));
            }
        })?;
        let deliveries = self.each_delivery(&mut |row| {
            if lacking.len() < LISTED_MAX && !self.is_indexed_delivery(&row) {
                lacking
                    .push(format!("delivery {} is not where it should be, or lacks an index entry", row.id));
            }
        })?;
        let checkouts = self.each_checkout(&mut |row| {
            if lacking.len() < LISTED_MAX && !self.is_indexed_checkout(&row) {
                lacking
                    .push(format!("checkout {} is not where it should be, or lacks an index entry", row.id));
            }
        })?;
        self.look_at_tallies(chain, &found)?;
        lacking.into_iter().for_each(|what| self.found("index", what));
        self.found_unreadable("cards", cards);
        self.found_unreadable("transactions", transactions);
        self.found_unreadable("refunds", refunds);
        self.found_unreadable("customers", customers);
        let entries =
            "SELECT (SELECT count(*) FROM fingerprint_tail) + (SELECT count(*) FROM fingerprint_run)";
        if self.count(entries)? != found_by {
            let what =
                "the index of fingerprints has other entries than cards and references of transactions";
            self.found("index", what.to_owned());
        }
        if self.count("SELECT count(*) FROM customer_by_email")? != with_email {
            self.found(
                "index",
                "customer_by_email has other entries than customers with an address".to_owned(),
            );
        }
        self.found_unreadable("deliveries", deliveries);
        self.found_unreadable("checkouts", checkouts);
        if self.count("SELECT count(*) FROM refund_open")? != open_refunds {
            self.found("index", "refund_open has other entries than open refunds".to_owned());
        }
        if self.count("SELECT count(*) FROM history")? != steps {
            self.found("index", "history has other steps than the transactions".to_owned());
        }
        if self.count("SELECT count(*) FROM payment_open")? != open {
            self.found("index", "payment_open has other entries than open transactions".to_owned());
        }
        Ok(())
    }

    fn is_indexed_card(&self, row: &CardRow) -> bool {
        let mut bytes = Vec::new();
        row.encode_under_id(&mut bytes);
        let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
        self.has("SELECT 1 FROM card WHERE id = ? AND row = ?", &[id, &bytes])
            && self.has(
                "SELECT 1 FROM card_by_organisation WHERE organisation = ? AND id = ?",
                &[organisation, id],
            )
            && row.fingerprints().all(|fingerprint| self.has(FOUND_BY, &[fingerprint.as_bytes(), id]))
    }

    fn is_indexed_transaction(&self, row: &TransactionRow, reference: Option<Fingerprint>) -> bool {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
        let open = self.has("SELECT 1 FROM payment_open WHERE id = ?", &[id]);
        open == row.is_open()
            && self.has("SELECT 1 FROM payment WHERE id = ? AND row = ?", &[id, &bytes])
            && self.has(
                "SELECT 1 FROM payment_by_organisation WHERE organisation = ? AND id = ?",
                &[organisation, id],
            )
            && self.has(
                "SELECT 1 FROM payment_by_card WHERE organisation = ? AND card = ? AND id = ?",
                &[organisation, row.card.as_bytes(), id],
            )
            && reference.is_none_or(|reference| self.has(FOUND_BY, &[reference.as_bytes(), id]))
            && self.has(
                "SELECT 1 FROM payment_by_account WHERE organisation = ? AND account = ? AND id = ?",
                &[organisation, row.account.as_bytes(), id],
            )
            && self.has(
                "SELECT 1 FROM payment_by_status WHERE organisation = ? AND status = ? AND id = ?",
                &[organisation, &row.status.code(), id],
            )
            && self.has("SELECT 1 FROM history WHERE payment = ? AND version = ?", &[id, &row.version])
    }

    fn is_indexed_refund(&self, row: &RefundRow) -> bool {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
        self.has("SELECT 1 FROM refund_open WHERE id = ?", &[id]) == row.is_open()
            && self.has("SELECT 1 FROM refund WHERE id = ? AND row = ?", &[id, &bytes])
            && self.has(
                "SELECT 1 FROM refund_by_organisation WHERE organisation = ? AND id = ?",
                &[organisation, id],
            )
            && self.has(
                "SELECT 1 FROM refund_by_payment WHERE payment = ? AND id = ?",
                &[row.transaction.as_bytes(), id],
            )
            && self.has(
                "SELECT 1 FROM refund_by_account WHERE organisation = ? AND account = ? AND id = ?",
                &[organisation, row.account.as_bytes(), id],
            )
            && self.has(
                "SELECT 1 FROM refund_by_status WHERE organisation = ? AND status = ? AND id = ?",
                &[organisation, &row.status.code(), id],
            )
    }

    fn is_indexed_customer(&self, row: &CustomerRow) -> bool {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
        let by_email = row.email.is_none_or(|digest| {
            let sql = "SELECT 1 FROM customer_by_email WHERE email = ? AND id = ?";
            self.has(sql, &[digest.as_bytes(), id])
        });
        by_email
            && self.has("SELECT 1 FROM customer WHERE id = ? AND row = ?", &[id, &bytes])
            && self.has(
                "SELECT 1 FROM customer_by_organisation WHERE organisation = ? AND id = ?",
                &[organisation, id],
            )
    }

    fn is_indexed_checkout(&self, row: &CheckoutRow) -> bool {
        let mut bytes = Vec::with_capacity(256);
        row.encode(&mut bytes);
        let (id, remove_at) = (row.id.as_bytes(), row.remove_at.unix_millis().cast_signed());
        let by_organisation = "SELECT 1 FROM checkout_by_organisation WHERE organisation = ? AND id = ?";
        let stored = "SELECT 1 FROM checkout WHERE id = ? AND remove_at = ? AND row = ?";
        self.has(stored, &[id, &remove_at, &bytes])
            && self.has(by_organisation, &[row.organisation.as_bytes(), id])
    }

    fn is_indexed_delivery(&self, row: &DeliveryRow) -> bool {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
        let due = row.due_at.unix_millis().cast_signed();
        let where_it_stands = if row.is_waiting() {
            let sql = "SELECT 1 FROM delivery_due WHERE organisation = ? AND host = ? AND due = ? AND id = ?";
            self.has(
                "SELECT 1 FROM delivery_waiting WHERE object = ? AND version = ? AND id = ?",
                &[row.object.as_bytes(), &row.object_version, id],
            ) && self.has(sql, &[organisation, &row.host, &due, id])
        } else {
            self.has("SELECT 1 FROM delivery_over WHERE due = ? AND id = ?", &[&due, id])
        };
        let sql = "SELECT 1 FROM delivery_by_organisation WHERE organisation = ? AND id = ?";
        let by_account =
            "SELECT 1 FROM delivery_by_account WHERE organisation = ? AND account = ? AND id = ?";
        let by_status = "SELECT 1 FROM delivery_by_status WHERE organisation = ? AND status = ? AND id = ?";
        let by_object = "SELECT 1 FROM delivery_by_object WHERE object = ? AND id = ?";
        where_it_stands
            && self.has(by_object, &[row.object.as_bytes(), id])
            && self.has(by_account, &[organisation, row.account.as_bytes(), id])
            && self.has(by_status, &[organisation, &row.status.code(), id])
            && self.has("SELECT 1 FROM delivery WHERE id = ? AND row = ?", &[id, &bytes])
            && self.has(sql, &[organisation, id])
    }

    /// Whether there is such an entry. A question that cannot be asked is answered with no.
    fn has(&self, sql: &str, parameters: &[&dyn ToSql]) -> bool {
        self.view.prepare_cached(sql).and_then(|mut statement| statement.exists(parameters)).unwrap_or(false)
    }
}

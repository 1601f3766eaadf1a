use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;
use panvault_model::{ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, RefundId, TransactionId};
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, DocumentKind, DocumentRow,
    Effect, IdempotencyKey, IdempotencyRow, RefundRow, Row, RowKey, Table, TransactionRow,
};

/// Rows that are newer than the view: what they are now, or that they are gone, and the commit that made it so.
#[derive(Default)]
pub(crate) struct Overlay {
    /// By the table's place in [`Table::ALL`]: what one of them is asked for is not slowed by the others.
    tables: [Rows; Table::ALL.len()],
    /// The largest ids that the view has, or had.
    pub(crate) view: LargestIds,
}

/// Ids are time-ordered, and what is new is larger than what the view has: then the view need not be asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct LargestIds {
    pub(crate) card: Option<CardId>,
    pub(crate) transaction: Option<TransactionId>,
}

/// Rows by key, each with the commit that it is of. Keys are of our own making, or keyed digests: nobody chooses where they come to
/// lie.
type Rows = HashMap<RowKey, (u64, Option<Row>), RandomState>;

/// What an overlay says of a row that it has: the row, or that it is gone.
pub(crate) type Overlaid<T> = Option<T>;

impl Overlay {
    /// Nothing is newer than a view that has these.
    pub(crate) fn over(view: LargestIds) -> Self {
        Self { view, ..Self::default() }
    }

    fn rows(&self, table: Table) -> &Rows {
        let [
            cards,
            transactions,
            history,
            documents,
            idempotency,
            cvvs,
            nodes,
            uses,
            refunds,
            customers,
            deliveries,
            checkouts,
        ] = &self.tables;
        match table {
            Table::Card => cards,
            Table::Transaction => transactions,
            Table::History => history,
            Table::Document => documents,
            Table::Idempotency => idempotency,
            Table::CardCvv => cvvs,
            Table::Node => nodes,
            Table::ApiKeyUse => uses,
            Table::Refund => refunds,
            Table::Customer => customers,
            Table::Delivery => deliveries,
            Table::Checkout => checkouts,
        }
    }

    fn rows_mut(&mut self, table: Table) -> &mut Rows {
        let [
            cards,
            transactions,
            history,
            documents,
            idempotency,
            cvvs,
            nodes,
            uses,
            refunds,
            customers,
            deliveries,
            checkouts,
        ] = &mut self.tables;
        match table {
            Table::Card => cards,
            Table::Transaction => transactions,
            Table::History => history,
            Table::Document => documents,
            Table::Idempotency => idempotency,
            Table::CardCvv => cvvs,
            Table::Node => nodes,
            Table::ApiKeyUse => uses,
            Table::Refund => refunds,
            Table::Customer => customers,
            Table::Delivery => deliveries,
            Table::Checkout => checkouts,
        }
    }

    /// What it says of a row; `None` when it does not have it.
    pub(crate) fn newer(&self, key: RowKey) -> Option<Overlaid<&Row>> {
        self.rows(key.table()).get(&key).map(|(_, row)| row.as_ref())
    }

    pub(crate) fn card(&self, id: CardId) -> Option<Overlaid<Arc<CardRow>>> {
        self.newer(RowKey::Card(id)).map(|row| match row {
            Some(Row::Card(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn transaction(&self, id: TransactionId) -> Option<Overlaid<Arc<TransactionRow>>> {
        self.newer(RowKey::Transaction(id)).map(|row| match row {
            Some(Row::Transaction(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn idempotency(&self, key: IdempotencyKey) -> Option<Overlaid<Box<IdempotencyRow>>> {
        self.newer(RowKey::Idempotency(key)).map(|row| match row {
            Some(Row::Idempotency(row)) => Some(Box::new(row.as_ref().clone())),
            Some(_) | None => None,
        })
    }

    pub(crate) fn card_cvv(&self, card: CardId) -> Option<Overlaid<Arc<CardCvvRow>>> {
        self.newer(RowKey::CardCvv(card)).map(|row| match row {
            Some(Row::CardCvv(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn api_key_use(&self, key: ApiKeyId) -> Option<Overlaid<Arc<ApiKeyUseRow>>> {
        self.newer(RowKey::ApiKeyUse(key)).map(|row| match row {
            Some(Row::ApiKeyUse(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn document(&self, (kind, id): (DocumentKind, Id)) -> Option<Overlaid<Arc<DocumentRow>>> {
        self.newer(RowKey::Document(kind, id)).map(|row| match row {
            Some(Row::Document(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn refund(&self, id: RefundId) -> Option<Overlaid<Arc<RefundRow>>> {
        self.newer(RowKey::Refund(id)).map(|row| match row {
            Some(Row::Refund(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn customer(&self, id: CustomerId) -> Option<Overlaid<Arc<CustomerRow>>> {
        self.newer(RowKey::Customer(id)).map(|row| match row {
            Some(Row::Customer(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn delivery(&self, id: DeliveryId) -> Option<Overlaid<Arc<DeliveryRow>>> {
        self.newer(RowKey::Delivery(id)).map(|row| match row {
            Some(Row::Delivery(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn checkout(&self, id: CheckoutId) -> Option<Overlaid<Arc<CheckoutRow>>> {
        self.newer(RowKey::Checkout(id)).map(|row| match row {
            Some(Row::Checkout(row)) => Some(Arc::clone(row)),
            Some(_) | None => None,
        })
    }

    /// Takes up an effect of a commit.
    pub(crate) fn put(&mut self, sequence: u64, effect: &Effect) {
        let key = effect.key();
        self.rows_mut(key.table()).insert(key, (sequence, effect.row().cloned()));
    }

    /// Every row of a table that it has: what it is now, or that it is gone.
    pub(crate) fn rows_of(&self, table: Table) -> impl Iterator<Item = (RowKey, Option<&Row>)> {
        self.rows(table).iter().map(|(key, (_, row))| (*key, row.as_ref()))
    }

    /// Takes over all that another one has, which is newer. The other keeps the room for what comes next.
    pub(crate) fn take_over(&mut self, newer: &mut Self) {
        for (rows, newer) in self.tables.iter_mut().zip(&mut newer.tables) {
            rows.extend(newer.drain());
        }
    }

    /// Forgets everything, and keeps the room for it.
    pub(crate) fn clear(&mut self) {
        self.tables.iter_mut().for_each(HashMap::clear);
    }

    /// Forgets what an effect of a commit put here, unless a later one has put something else since: the view has it now.
    pub(crate) fn forget(&mut self, sequence: u64, effect: &Effect) {
        match effect {
            Effect::Put(Row::Card(row)) => self.view.card = self.view.card.max(Some(row.id)),
            Effect::Put(Row::Transaction(row)) => {
                self.view.transaction = self.view.transaction.max(Some(row.id));
            }
            Effect::Put(
                Row::History(_)
                | Row::Document(_)
                | Row::Idempotency(_)
                | Row::CardCvv(_)
                | Row::Node(_)
                | Row::ApiKeyUse(_)
                | Row::Refund(_)
                | Row::Customer(_)
                | Row::Delivery(_)
                | Row::Checkout(_),
            )
            | Effect::Delete(_)
            | Effect::Retag(_) => {}
        }
        let key = effect.key();
        let rows = self.rows_mut(key.table());
        if let Entry::Occupied(entry) = rows.entry(key)
            && entry.get().0 <= sequence
        {
            entry.remove();
        }
        if rows.capacity() > 65_536 && rows.len() < rows.capacity() / 8 {
            rows.shrink_to(rows.len() * 2);
        }
    }
}

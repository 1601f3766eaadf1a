use panvault_keys::{ChainKey, RowTagKey, VaultKeys};
use panvault_store::{CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, RefundRow, TransactionRow};

use crate::seal;

/// What a store is handed of the keys: it chains commits, hashes sets and holds rows against their tags, and never sees a key.
pub struct StoreChain {
    chain: ChainKey,
    rows: RowTagKey,
}

impl StoreChain {
    /// With the keys of a vault.
    pub fn new(keys: &VaultKeys) -> Self {
        Self { chain: keys.chain(), rows: keys.row_tags().clone() }
    }
}

impl Chain for StoreChain {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.chain.digest(bytes)
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.chain.tag(parts)
    }

    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        self.chain.member_hash(set, member)
    }

    fn card_is_ours(&self, row: &CardRow) -> bool {
        seal::card_is_ours(row, &self.rows)
    }

    fn transaction_is_ours(&self, row: &TransactionRow) -> bool {
        seal::transaction_is_ours(row, &self.rows)
    }

    fn refund_is_ours(&self, row: &RefundRow) -> bool {
        seal::refund_is_ours(row, &self.rows)
    }

    fn customer_is_ours(&self, row: &CustomerRow) -> bool {
        seal::customer_is_ours(row, &self.rows)
    }

    fn checkout_is_ours(&self, row: &CheckoutRow) -> bool {
        seal::checkout_is_ours(row, &self.rows)
    }

    fn delivery_is_ours(&self, row: &DeliveryRow) -> bool {
        seal::delivery_is_ours(row, &self.rows)
    }
}

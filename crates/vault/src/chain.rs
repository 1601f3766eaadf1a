use panvault_keys::{ChainKeys, RowTagKey, SetHashKey, VaultKeys, sha256};
use panvault_store::{CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, RefundRow, TransactionRow};

use crate::seal;

/// What a store is handed of the keys: it chains commits, hashes sets and holds rows against their tags, and never sees a key.
pub struct StoreChain {
    chain: ChainKeys,
    sets: SetHashKey,
    rows: RowTagKey,
}

impl StoreChain {
    /// With the keys of a vault.
    pub fn new(keys: &VaultKeys) -> Self {
        Self { chain: keys.chain().share(), sets: keys.set_hash(), rows: keys.row_tags().clone() }
    }
}

impl Chain for StoreChain {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        sha256(bytes)
    }

    fn version(&self, least: u16) -> u16 {
        self.chain.version(least)
    }

    fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.chain.tag(version, parts)
    }

    fn is_later(&self, version: u16) -> bool {
        self.chain.is_later(version)
    }

    fn mark(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.sets.mark(parts)
    }

    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        self.sets.member_hash(set, member)
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

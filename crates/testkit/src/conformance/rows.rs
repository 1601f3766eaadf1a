//! Rows to store: all different, all the same at every run. A larger number is a later row.

use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::Arc;

use panvault_model::{
    AccountId, ActionState, Amount, ApiKeyId, Bin, Brand, CardId, CardKind, CardType, CheckoutId, Country,
    Currency, CustomerId, CvvResult, DeliveryId, DeliveryStatus, EmailDigest, Expiry, Fingerprint, Id,
    IssuerFacts, LastFour, NodeId, OrganisationId, ProcessorId, RecurringType, RefundId, RefundStatus,
    Sealed, ShopperInteraction, Tag, Timestamp, TransactionAction, TransactionId, TransactionStatus, VaultId,
    WebhookObject,
};
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, Chain, CheckoutRow, CustomerRow, CvvOwner, CvvSource, DeliveryRow,
    DocumentKind, DocumentRow, HistoryRow, IdempotencyAnswer, IdempotencyKey, IdempotencyRow, MemoryStore,
    NodePart, NodeRow, RefundRow, TransactionRow,
};
use panvault_vault::StoreChain;

use crate::keys::{vault_keys, vault_keys_of};

/// The vault that test stores belong to.
pub const VAULT: VaultId = VaultId::from_bytes([0x5a; 12]);

/// A store in memory whose writer has the name of that of a store of [`VAULT`] in a directory.
pub fn memory() -> MemoryStore {
    MemoryStore::new().beside(NodeId(VAULT.0))
}

/// The chain key of the committed vectors of the log, which say where it comes from.
const CHAIN_KEY: [u8; 32] = [
    0x61, 0xe5, 0xf1, 0x6a, 0x1d, 0x80, 0x6f, 0xb4, 0xff, 0x03, 0x74, 0xeb, 0x7d, 0xac, 0x3d, 0x27, 0xd6,
    0x7c, 0x3c, 0x37, 0x21, 0xbf, 0x61, 0x65, 0xe3, 0xcd, 0xcc, 0xfe, 0x3e, 0x3b, 0xd4, 0x5a,
];

/// The chain of a vault: with the key of the log's vectors in the vault that they are of, and another in every other.
pub fn chain(vault: VaultId) -> Arc<dyn Chain> {
    let keys = if vault == VAULT { vault_keys_of(vault, CHAIN_KEY) } else { vault_keys(vault, 7) };
    Arc::new(TestChain(StoreChain::new(&keys)))
}

/// A chain whose keys are made, used and destroyed by whoever tests.
pub struct Turning {
    chain: Arc<dyn Chain>,
    /// The first that is not destroyed.
    pub first: AtomicU16,
    /// The one that chains.
    pub active: AtomicU16,
    /// The last that is known.
    pub last: AtomicU16,
    /// Whether it chains with that whatever is there, as somebody would who has stolen it.
    pub goes_back: AtomicBool,
}

impl Turning {
    /// With the keys from one version to another, of which one chains.
    pub fn new(vault: VaultId, [first, active, last]: [u16; 3]) -> Arc<Self> {
        let [first, active, last] = [first, active, last].map(AtomicU16::new);
        Arc::new(Self { chain: chain(vault), first, active, last, goes_back: AtomicBool::new(false) })
    }
}

impl Chain for Turning {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.chain.digest(bytes)
    }

    fn version(&self, least: u16) -> u16 {
        let active = self.active.load(Ordering::Relaxed);
        let follows = !self.goes_back.load(Ordering::Relaxed) && least <= self.last.load(Ordering::Relaxed);
        if follows { least.max(active) } else { active }
    }

    fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let known = self.first.load(Ordering::Relaxed)..=self.last.load(Ordering::Relaxed);
        let under = version.to_be_bytes();
        let parts: Vec<_> = [under.as_slice()].into_iter().chain(parts.iter().copied()).collect();
        known.contains(&version).then(|| self.chain.mark(&parts))
    }

    fn is_later(&self, version: u16) -> bool {
        version > self.last.load(Ordering::Relaxed)
    }

    fn mark(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.chain.mark(parts)
    }

    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        self.chain.member_hash(set, member)
    }

    fn card_is_ours(&self, row: &CardRow) -> bool {
        self.chain.card_is_ours(row)
    }

    fn transaction_is_ours(&self, row: &TransactionRow) -> bool {
        self.chain.transaction_is_ours(row)
    }

    fn refund_is_ours(&self, row: &RefundRow) -> bool {
        self.chain.refund_is_ours(row)
    }

    fn customer_is_ours(&self, row: &CustomerRow) -> bool {
        self.chain.customer_is_ours(row)
    }

    fn checkout_is_ours(&self, row: &CheckoutRow) -> bool {
        self.chain.checkout_is_ours(row)
    }

    fn delivery_is_ours(&self, row: &DeliveryRow) -> bool {
        self.chain.delivery_is_ours(row)
    }
}

/// A chain that takes rows with any tag for its own: those of the suite bear one that no key made.
struct TestChain(StoreChain);

impl Chain for TestChain {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.digest(bytes)
    }

    fn version(&self, least: u16) -> u16 {
        self.0.version(least)
    }

    fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.0.tag(version, parts)
    }

    fn is_later(&self, version: u16) -> bool {
        self.0.is_later(version)
    }

    fn mark(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.mark(parts)
    }

    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        self.0.member_hash(set, member)
    }

    fn card_is_ours(&self, row: &CardRow) -> bool {
        row.tag != Tag::NONE
    }

    fn transaction_is_ours(&self, row: &TransactionRow) -> bool {
        row.tag != Tag::NONE
    }

    fn refund_is_ours(&self, row: &RefundRow) -> bool {
        row.tag != Tag::NONE
    }

    fn customer_is_ours(&self, row: &CustomerRow) -> bool {
        row.tag != Tag::NONE
    }

    fn checkout_is_ours(&self, row: &CheckoutRow) -> bool {
        row.tag != Tag::NONE
    }

    fn delivery_is_ours(&self, row: &DeliveryRow) -> bool {
        row.tag != Tag::NONE
    }
}

/// A moment, so many seconds after the first.
pub const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000).plus_seconds(seconds)
}

/// A tag that no key made.
const fn tag(byte: u8) -> Tag {
    Tag { key: 1, bytes: [byte; 16] }
}

/// An id; a larger number is later.
pub fn id(n: u64) -> Id {
    Id::make(at(n), n.to_be_bytes())
}

/// An organisation.
pub fn organisation(n: u64) -> OrganisationId {
    OrganisationId(id(n))
}

/// Whose CVVs are those that servers of organisation `n` bring.
pub fn servers_of(n: u64) -> CvvOwner {
    CvvOwner { organisation: organisation(n), source: CvvSource::Server }
}

/// A card of organisation 1, version 1, with everything that may be absent.
pub fn card(n: u64) -> CardRow {
    let [.., low] = n.to_be_bytes();
    CardRow {
        id: CardId(id(n)),
        organisation: organisation(1),
        version: 1,
        kind: CardKind::Card,
        brand: Some(Brand::Visa),
        bin: Bin::from_digits(*b"411111"),
        last_four: LastFour::from_digits([b'0' + low % 10, b'1', b'2', b'3']).unwrap(),
        expiry: Expiry::new(2030, 1 + low % 12).unwrap(),
        facts: IssuerFacts {
            issuer_name: Some(Arc::from("A Bank")),
            issuer_country: Country::parse("NL"),
            currency: Currency::parse("EUR"),
            card_type: Some(CardType::Credit),
            variant: Some(Arc::from("GOLD")),
            table_version: 3,
        },
        fingerprint: Fingerprint::from_bytes(u128::from(n).to_be_bytes()),
        fingerprint_key: 1,
        fingerprint_before: None,
        metadata: vec![("order".to_owned(), n.to_string())],
        created_at: at(n),
        updated_at: at(n),
        sealed_version: 1,
        sealed_at: at(n),
        sealed: Sealed::from_bytes([&[0xc4; 24], n.to_be_bytes().as_slice()].concat()),
        tag: Tag { key: 1, bytes: u128::from(n).to_be_bytes() },
    }
}

/// The next version of a card.
pub fn card_changed(card: &CardRow) -> CardRow {
    let version = card.version + 1;
    CardRow { version, updated_at: card.updated_at.plus_seconds(1000), ..card.clone() }
}

/// A customer of organisation 1, version 1, with everything that may be absent; `email` tells addresses apart.
pub fn customer(n: u64, email: u8) -> CustomerRow {
    CustomerRow {
        id: CustomerId(id(n)),
        organisation: organisation(1),
        version: 1,
        email: Some(EmailDigest::from_bytes([email; 16])),
        email_key: 1,
        created_at: at(n),
        updated_at: at(n),
        sealed_version: 1,
        sealed_at: at(n),
        cards: vec![CardId(id(10))],
        sealed: Sealed::from_bytes([&[0xc5; 24], n.to_be_bytes().as_slice()].concat()),
        tag: tag(0xc6),
    }
}

/// The next version of a customer, with another address or none.
pub fn customer_changed(customer: &CustomerRow, email: Option<u8>) -> CustomerRow {
    CustomerRow {
        version: customer.version + 1,
        email: email.map(|byte| EmailDigest::from_bytes([byte; 16])),
        email_key: u32::from(email.is_some()),
        updated_at: customer.updated_at.plus_seconds(1000),
        ..customer.clone()
    }
}

/// A transaction of organisation 1 with a card, `INITIATED`, version 1, with everything that may be absent.
pub fn transaction(n: u64, card: CardId) -> TransactionRow {
    let [.., low] = n.to_be_bytes();
    TransactionRow {
        id: TransactionId(id(n)),
        organisation: organisation(1),
        version: 1,
        node: NodeId(id(6)),
        account: AccountId(id(2)),
        processor: ProcessorId(id(3)),
        processor_name: "dummy".to_owned(),
        try_number: 1,
        card,
        amount: Amount::new(100 + u32::from(low)).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        capture_now: true,
        customer_ip: "192.0.2.1".to_owned(),
        dynamic_descriptor: "shop".to_owned(),
        merchant_reference: format!("order {n}"),
        user_agent: "test".to_owned(),
        customer: Some(id(4)),
        brand: Some(Brand::Visa),
        webhook_transaction_update: Some("https://shop.example/hook".to_owned()),
        recurring_type: Some(RecurringType::First),
        installments: 3,
        shopper_interaction: Some(ShopperInteraction::Ecommerce),
        extras: vec![("shipping_information.city".to_owned(), "Ljouwert".to_owned())],
        status: TransactionStatus::Initiated,
        status_reason: None,
        reason_code: None,
        authorization_code: None,
        processor_reference: None,
        act_reference: None,
        network_transaction_id: None,
        cvv_present: true,
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        captured: Amount::ZERO,
        refunded: Amount::ZERO,
        action: TransactionAction::Authorise,
        state: ActionState::InHand,
        asks: 0,
        ask_at: None,
        idempotency: None,
        created_at: at(n),
        updated_at: at(n),
        tag: tag(0x7a),
    }
}

/// The next version of a transaction, with another status.
pub fn transaction_settled(row: &TransactionRow, status: TransactionStatus) -> TransactionRow {
    TransactionRow {
        version: row.version + 1,
        status,
        status_reason: Some("as asked".to_owned()),
        reason_code: Some("00".to_owned()),
        authorization_code: Some("A1B2C3".to_owned()),
        processor_reference: Some(format!("pay_{}", row.id)),
        network_transaction_id: Some("MDS0000001".to_owned()),
        cvv_result: CvvResult::Matched,
        avs_result: 2,
        state: ActionState::Approved,
        updated_at: row.updated_at.plus_seconds(1),
        tag: tag(0x7b),
        ..row.clone()
    }
}

/// A refund of a transaction of organisation 1, `PENDING`, version 1, with everything that may be absent.
pub fn refund(n: u64, transaction: TransactionId) -> RefundRow {
    RefundRow {
        id: RefundId(id(n)),
        organisation: organisation(1),
        version: 1,
        node: NodeId(id(6)),
        transaction,
        account: AccountId(id(2)),
        processor: ProcessorId(id(3)),
        amount: Amount::new(7).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        reason: Some("sent back".to_owned()),
        merchant_reference: Some(format!("refund {n}")),
        status: RefundStatus::Pending,
        status_reason: None,
        reason_code: None,
        processor_reference: None,
        state: ActionState::InHand,
        asks: 0,
        ask_at: None,
        idempotency: None,
        created_at: at(n),
        updated_at: at(n),
        tag: tag(0x7d),
    }
}

/// The next version of a refund, with another status.
pub fn refund_settled(row: &RefundRow, status: RefundStatus) -> RefundRow {
    RefundRow {
        version: row.version + 1,
        status,
        status_reason: Some("as asked".to_owned()),
        reason_code: Some("00".to_owned()),
        state: ActionState::Approved,
        updated_at: row.updated_at.plus_seconds(1),
        tag: tag(0x7e),
        ..row.clone()
    }
}

/// The next version of a transaction, of which one more refund was made.
pub fn refunded(row: &TransactionRow) -> TransactionRow {
    TransactionRow {
        version: row.version + 1,
        refunded: Amount::new(row.refunded.minor_units() + 7).unwrap(),
        updated_at: row.updated_at.plus_seconds(1),
        tag: tag(0x7f),
        ..row.clone()
    }
}

/// The step that led a transaction to where it stands.
pub fn history(row: &TransactionRow) -> HistoryRow {
    HistoryRow {
        id: Id::make(row.updated_at, u64::from(row.version).to_be_bytes()),
        transaction: row.id,
        version: row.version,
        status: row.status,
        status_reason: row.status_reason.clone(),
        processor_name: row.processor_name.clone(),
        reason_code: row.reason_code.clone(),
        cvv_present: row.cvv_present,
        created_at: row.updated_at,
        tag: tag(0x41),
    }
}

/// A document.
pub fn document(kind: DocumentKind, n: u64, version: u32) -> DocumentRow {
    let body = format!("document {n}, version {version}").into_bytes();
    DocumentRow { kind, id: id(n), version, body, tag: tag(0xd0) }
}

/// What is known of a card's CVV, whose number is the row's version.
pub fn card_cvv(n: u64, version: u32) -> CardCvvRow {
    CardCvvRow {
        card: CardId(id(n)),
        version,
        number: version,
        cvv_until: at(3600),
        used: false,
        tag: tag(0xcc),
    }
}

/// An API key's last use, in this minute.
pub fn api_key_use(n: u64, minute: u32) -> ApiKeyUseRow {
    ApiKeyUseRow { api_key: ApiKeyId(id(n)), used_at: at(60 * u64::from(minute)), tag: tag(0x5d) }
}

/// A node, whose lease runs for two minutes from its version's hour on.
pub fn node(n: u64, version: u32) -> NodeRow {
    NodeRow {
        id: NodeId(id(n)),
        version,
        lease_until: at(u64::from(version) * 3600 + 120),
        started_at: at(n),
        part: Some(NodePart { serves: true, cvvs_in_process: false }),
        tag: tag(0x4e),
    }
}

/// A checkout of organisation 1, to be removed at a moment.
pub fn checkout(n: u64, remove_at: Timestamp) -> CheckoutRow {
    CheckoutRow {
        id: CheckoutId(id(n)),
        organisation: organisation(1),
        version: 1,
        account: AccountId(id(3)),
        amount: Amount::new(1_200).unwrap(),
        process_transaction: true,
        capture_now: true,
        customer: Some(id(5)),
        merchant_reference: format!("order {n}"),
        dynamic_descriptor: "shop.example".to_owned(),
        return_url: "https://shop.example/thanks?order=1".to_owned(),
        webhook_transaction_update: None,
        locale: Some("de".to_owned()),
        expires_at: at(n),
        remove_at,
        card: None,
        cards: 0,
        attempts: 0,
        unreached: 0,
        transaction: None,
        end: None,
        created_at: at(n),
        updated_at: at(n),
        tag: tag(0x70),
    }
}

/// A delivery of organisation 1 about transaction `object`, to be sent at once.
pub fn delivery(n: u64, object: u64) -> DeliveryRow {
    DeliveryRow {
        id: DeliveryId(id(n)),
        organisation: organisation(1),
        version: 1,
        account: AccountId(id(3)),
        kind: WebhookObject::Transaction,
        object: id(object),
        object_version: u32::try_from(n).unwrap(),
        object_status: "AUTHORIZED".to_owned(),
        object_updated_at: at(n),
        url: "https://shop.example/hook?key=1".to_owned(),
        host: "shop.example".to_owned(),
        status: DeliveryStatus::Waiting,
        attempts: 0,
        due_at: at(n),
        fault: None,
        answer: 0,
        created_at: at(n),
        updated_at: at(n),
        tag: tag(0x6e),
    }
}

/// Names an idempotency record.
pub fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey([n; 16])
}

/// A card as an answer that is kept.
pub fn card_answer(row: &CardRow) -> IdempotencyAnswer {
    let mut bytes = Vec::new();
    row.without_sealed().encode(&mut bytes);
    IdempotencyAnswer { kind: 1, bytes }
}

/// A transaction as an answer that is kept.
pub fn transaction_answer(row: &TransactionRow) -> IdempotencyAnswer {
    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    IdempotencyAnswer { kind: 2, bytes }
}

/// An idempotency record that expires after a day's seconds.
pub fn kept(key: IdempotencyKey, body: u8, answer: IdempotencyAnswer) -> IdempotencyRow {
    IdempotencyRow { digest_key: 1, key, body: [body; 32], expires_at: at(86_400), answer, tag: tag(0x1d) }
}

//! The rows of the vectors. Written out, and never changed: what they are as bytes is on disks.

use core::num::NonZeroU32;
use std::sync::Arc;

use panvault_model::{
    AccountId, ActionState, Amount, ApiKeyId, Bin, Brand, CardId, CardKind, CardType, Country, Currency,
    CustomerId, CvvResult, EmailDigest, Expiry, Fingerprint, Id, IssuerFacts, LastFour, NodeId,
    OrganisationId, ProcessorId, RecurringType, RefundId, RefundStatus, RequestId, Role, Sealed,
    ShopperInteraction, Tag, Timestamp, TransactionAction, TransactionId, TransactionStatus,
};
use panvault_store::{
    AccountRow, Action, ApiKeyRow, ApiKeyUseRow, AuditNote, CardRow, Counted, CustomerRow, DocumentKind,
    DocumentRow, HistoryRow, IdempotencyAnswer, IdempotencyKey, IdempotencyRow, ImageFormat, Logo, LogoRow,
    OrganisationRow, ProcessorRow, RefundRow, RefusalReason, SealedSecret, TransactionRow, Webhooks,
};

pub(crate) fn id(byte: u8) -> Id {
    Id::from_bytes([byte; 12])
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + millis)
}

/// A tag, by the second version of its key.
fn tag(byte: u8) -> Tag {
    Tag { key: 2, bytes: [byte; 16] }
}

pub(crate) fn card() -> CardRow {
    CardRow {
        id: CardId(id(0x11)),
        organisation: OrganisationId(id(0x22)),
        version: 3,
        kind: CardKind::Card,
        brand: Some(Brand::Visa),
        bin: Bin::from_digits(*b"411111"),
        last_four: LastFour::from_digits(*b"1234").unwrap(),
        expiry: Expiry::new(2031, 7).unwrap(),
        facts: IssuerFacts {
            issuer_name: Some(Arc::from("Frysk Bank")),
            issuer_country: Country::parse("NL"),
            currency: Currency::parse("EUR"),
            card_type: Some(CardType::Debit),
            variant: Some(Arc::from("GOLD")),
            table_version: 9,
        },
        fingerprint: Fingerprint::from_bytes([0x33; 16]),
        fingerprint_key: 2,
        fingerprint_before: Some((Fingerprint::from_bytes([0x34; 16]), 1)),
        metadata: vec![("order".to_owned(), "é".to_owned()), ("shop".to_owned(), String::new())],
        created_at: at(1),
        updated_at: at(2),
        sealed_version: 2,
        sealed_at: at(3),
        sealed: Sealed::from_bytes([0x44; 20]),
        tag: tag(0x45),
    }
}

pub(crate) fn customer() -> CustomerRow {
    CustomerRow {
        id: CustomerId(id(0x12)),
        organisation: OrganisationId(id(0x22)),
        version: 3,
        email: Some(EmailDigest::from_bytes([0x34; 16])),
        email_key: 2,
        created_at: at(1),
        updated_at: at(2),
        sealed_version: 2,
        sealed_at: at(3),
        cards: vec![CardId(id(0x11)), CardId(id(0x13))],
        sealed: Sealed::from_bytes([0x46; 20]),
        tag: tag(0x47),
    }
}

pub(crate) fn card_least() -> CardRow {
    CardRow {
        version: 1,
        brand: None,
        facts: IssuerFacts::default(),
        metadata: Vec::new(),
        sealed: Sealed::from_bytes([]),
        tag: Tag::NONE,
        ..card()
    }
}

/// As most cards are: everything is left out that can be.
pub(crate) fn card_plain() -> CardRow {
    CardRow {
        version: 1,
        facts: IssuerFacts::default(),
        fingerprint_key: 1,
        fingerprint_before: None,
        metadata: Vec::new(),
        updated_at: at(1),
        sealed_version: 1,
        sealed_at: at(1),
        tag: Tag { key: 1, bytes: [0x45; 16] },
        ..card()
    }
}

/// The same, whose number is a network token.
pub(crate) fn card_network_token() -> CardRow {
    CardRow { kind: CardKind::NetworkToken, ..card_plain() }
}

pub(crate) fn transaction() -> TransactionRow {
    TransactionRow {
        id: TransactionId(id(0x51)),
        organisation: OrganisationId(id(0x22)),
        version: 2,
        node: NodeId(id(0x57)),
        account: AccountId(id(0x52)),
        processor: ProcessorId(id(0x53)),
        processor_name: "dummy".to_owned(),
        try_number: 2,
        card: CardId(id(0x11)),
        amount: Amount::new(2_147_483_647).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        capture_now: true,
        customer_ip: "192.0.2.1".to_owned(),
        dynamic_descriptor: "shop".to_owned(),
        merchant_reference: "order 1".to_owned(),
        user_agent: "browser".to_owned(),
        customer: Some(id(0x54)),
        brand: Some(Brand::Visa),
        webhook_transaction_update: Some("https://shop.example/".to_owned()),
        recurring_type: Some(RecurringType::Repeat),
        installments: 12,
        shopper_interaction: Some(ShopperInteraction::Moto),
        extras: vec![("shipping_information.city".to_owned(), "Ljouwert".to_owned())],
        status: TransactionStatus::SettlementRequested,
        status_reason: Some("approved".to_owned()),
        reason_code: Some("00".to_owned()),
        authorization_code: Some("A1B2C3".to_owned()),
        processor_reference: Some("pay_1".to_owned()),
        act_reference: Some("void_2".to_owned()),
        network_transaction_id: Some("MDS0000001".to_owned()),
        cvv_present: true,
        cvv_result: CvvResult::Matched,
        avs_result: 10,
        captured: Amount::new(2_147_483_646).unwrap(),
        refunded: Amount::new(0x0102_0304).unwrap(),
        action: TransactionAction::VoidCapture,
        state: ActionState::ToAsk,
        asks: 3,
        ask_at: Some(at(5)),
        idempotency: Some(IdempotencyKey([0x61; 16])),
        created_at: at(3),
        updated_at: at(4),
        tag: tag(0x55),
    }
}

pub(crate) fn transaction_least() -> TransactionRow {
    TransactionRow {
        version: 1,
        try_number: 1,
        amount: Amount::new(0).unwrap(),
        capture_now: false,
        customer: None,
        brand: None,
        webhook_transaction_update: None,
        recurring_type: None,
        installments: 0,
        shopper_interaction: None,
        extras: Vec::new(),
        status: TransactionStatus::Initiated,
        status_reason: None,
        reason_code: None,
        authorization_code: None,
        processor_reference: None,
        act_reference: None,
        network_transaction_id: None,
        cvv_present: false,
        cvv_result: CvvResult::Unavailable,
        avs_result: 0,
        captured: Amount::ZERO,
        refunded: Amount::ZERO,
        action: TransactionAction::Authorise,
        state: ActionState::InHand,
        asks: 0,
        ask_at: None,
        idempotency: None,
        ..transaction()
    }
}

pub(crate) fn history() -> HistoryRow {
    HistoryRow {
        id: id(0x71),
        transaction: TransactionId(id(0x51)),
        version: 2,
        status: TransactionStatus::Declined,
        status_reason: Some("no".to_owned()),
        processor_name: "dummy".to_owned(),
        reason_code: Some("05".to_owned()),
        cvv_present: true,
        created_at: at(4),
        tag: tag(0x72),
    }
}

pub(crate) fn refund() -> RefundRow {
    RefundRow {
        id: RefundId(id(0x58)),
        organisation: OrganisationId(id(0x22)),
        version: 2,
        node: NodeId(id(0x57)),
        transaction: TransactionId(id(0x51)),
        account: AccountId(id(0x52)),
        processor: ProcessorId(id(0x53)),
        amount: Amount::new(0x0102_0304).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        reason: Some("werom".to_owned()),
        merchant_reference: Some("refund 1".to_owned()),
        status: RefundStatus::Failed,
        status_reason: Some("no".to_owned()),
        reason_code: Some("05".to_owned()),
        processor_reference: Some("ref_3".to_owned()),
        state: ActionState::Awaited,
        asks: 4,
        ask_at: Some(at(6)),
        idempotency: Some(IdempotencyKey([0x61; 16])),
        created_at: at(3),
        updated_at: at(4),
        tag: tag(0x59),
    }
}

pub(crate) fn refund_least() -> RefundRow {
    RefundRow {
        version: 1,
        reason: None,
        merchant_reference: None,
        status: RefundStatus::Pending,
        status_reason: None,
        reason_code: None,
        processor_reference: None,
        state: ActionState::InHand,
        asks: 0,
        ask_at: None,
        idempotency: None,
        ..refund()
    }
}

pub(crate) fn idempotency(answer: IdempotencyAnswer) -> IdempotencyRow {
    let key = IdempotencyKey([0x61; 16]);
    IdempotencyRow {
        digest_key: 3,
        key,
        body: [0x62; 32],
        expires_at: at(86_400_000),
        answer,
        tag: tag(0x63),
    }
}

pub(crate) fn document() -> DocumentRow {
    let body = organisation().encode();
    DocumentRow { kind: DocumentKind::Organisation, id: id(0x22), version: 4, body, tag: tag(0x81) }
}

pub(crate) fn organisation() -> OrganisationRow {
    OrganisationRow {
        id: OrganisationId(id(0x22)),
        parent: Some(OrganisationId(id(0x21))),
        name: "Winkel".to_owned(),
        disabled: true,
        country_code: Country::parse("NL"),
        details: vec![("address.city".to_owned(), "Ljouwert".to_owned())],
        keyless_capture_origins: Vec::new(),
        return_origins: Vec::new(),
        checkout_theme: Vec::new(),
        logo: None,
        created_at: at(5),
        updated_at: at(6),
    }
}

pub(crate) fn organisation_least() -> OrganisationRow {
    OrganisationRow {
        parent: None,
        disabled: false,
        country_code: None,
        details: Vec::new(),
        ..organisation()
    }
}

/// One whose cards are created without a key: of the second format.
pub(crate) fn organisation_keyless() -> OrganisationRow {
    OrganisationRow {
        keyless_capture_origins: vec!["https://shop.example".to_owned(), "https://winkel.example".to_owned()],
        ..organisation()
    }
}

/// One whose checkouts go by something: of the third format.
pub(crate) fn organisation_checkout() -> OrganisationRow {
    OrganisationRow {
        return_origins: vec!["https://winkel.example".to_owned()],
        checkout_theme: vec![("font".to_owned(), "serif".to_owned()), ("radius".to_owned(), "8".to_owned())],
        ..organisation()
    }
}

/// One with a picture: of the fourth format.
pub(crate) fn organisation_logo() -> OrganisationRow {
    OrganisationRow { logo: Some(logo().logo), ..organisation() }
}

pub(crate) fn logo() -> LogoRow {
    let logo = Logo { format: ImageFormat::Jpeg, width: 640, height: 480, digest: [0xab; 16] };
    LogoRow { logo, bytes: vec![0xff, 0xd8, 0xff, 0xd9] }
}

/// One whose checkouts have looks of their own: of the fourth format.
pub(crate) fn account_checkout() -> AccountRow {
    AccountRow { checkout_theme: vec![("font".to_owned(), "mono".to_owned())], ..account() }
}

pub(crate) fn account() -> AccountRow {
    AccountRow {
        id: AccountId(id(0x52)),
        organisation: OrganisationId(id(0x22)),
        name: "Euro".to_owned(),
        description: Some("main".to_owned()),
        currency: Currency::parse("EUR").unwrap(),
        processors: vec![ProcessorId(id(0x53)), ProcessorId(id(0x56))],
        disabled: false,
        webhooks: Webhooks {
            transaction_update: Some("https://shop.example/hook".to_owned()),
            refund_update: None,
            chargeback_update: Some("https://shop.example/hook?back=1".to_owned()),
        },
        webhook_secrets: vec![
            SealedSecret {
                number: 2,
                created_at: at(6),
                ends_at: None,
                sealed: Sealed::from_bytes(vec![0x5e; 7]),
            },
            SealedSecret {
                number: 1,
                created_at: at(5),
                ends_at: Some(at(7)),
                sealed: Sealed::from_bytes(vec![0x5f; 7]),
            },
        ],
        checkout_theme: Vec::new(),
        created_at: at(5),
        updated_at: at(6),
    }
}

pub(crate) fn processor() -> ProcessorRow {
    ProcessorRow {
        id: ProcessorId(id(0x53)),
        organisation: OrganisationId(id(0x22)),
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        settings: vec![("decline_without_cvv".to_owned(), "20".to_owned())],
        secrets: vec![("api_key".to_owned(), Sealed::from_bytes(vec![0x5e; 7]))],
        created_at: at(5),
        updated_at: at(6),
    }
}

pub(crate) fn api_key() -> ApiKeyRow {
    ApiKeyRow {
        id: ApiKeyId(id(0x91)),
        organisation: OrganisationId(id(0x22)),
        name: "web".to_owned(),
        roles: vec![Role::MerchantUser, Role::Publishable],
        hash_key: 4,
        hash: [0x92; 32],
        allowed_origins: vec!["https://shop.example".to_owned(), "http://localhost:3000".to_owned()],
        expires_at: Some(at(7)),
        created_at: at(5),
        updated_at: at(6),
    }
}

pub(crate) fn api_key_use() -> ApiKeyUseRow {
    ApiKeyUseRow { api_key: ApiKeyId(id(0x91)), used_at: at(60), tag: tag(0x7c) }
}

pub(crate) fn note_counted() -> AuditNote {
    let counted = Counted::new(NonZeroU32::new(0x0102).unwrap(), at(2), at(7), at(8), 4);
    AuditNote {
        action: Action::AccessRefuse,
        object: Id::from_bytes([0; 12]),
        request: RequestId::from_bytes([0; 12]),
        outcome: RefusalReason::Role.code(),
        counted: Some(counted),
        ..note()
    }
}

pub(crate) fn note() -> AuditNote {
    AuditNote {
        at: at(8),
        action: Action::TransactionSettle,
        actor: Some(ApiKeyId(id(0x91))),
        organisation: OrganisationId(id(0x22)),
        object: id(0x51),
        request: RequestId(id(0xa1)),
        address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1],
        outcome: 10,
        counted: None,
    }
}

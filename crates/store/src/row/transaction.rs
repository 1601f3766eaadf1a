//! A stored transaction.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 7 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 12 | node |
//! | 12 | account |
//! | 12 | processor |
//! | text | processor's name |
//! | 1 | which try it is, from 1 |
//! | 12 | card |
//! | 1 | brand of the card, or 0 |
//! | 4 | amount |
//! | 3 | currency |
//! | 1 | capture now: 0 or 1 |
//! | text | customer's address |
//! | text | dynamic descriptor |
//! | text | merchant reference |
//! | text | user agent |
//! | 1 or 13 | customer: 0, or 1 and an id |
//! | text? | address of the webhook |
//! | 1 | recurring type, or 0 |
//! | 1 | instalments, or 0 |
//! | 1 | shopper interaction, or 0 |
//! | pairs | further members |
//! | 1 | status |
//! | text? | reason in words |
//! | text? | acquirer's code |
//! | text? | issuer's code |
//! | text? | what the acquirer calls it |
//! | text? | what the acquirer calls what was last done with it |
//! | text? | what the card's network calls it |
//! | 1 | CVV was sent: 0 or 1 |
//! | 1 | CVV result |
//! | 1 | address result |
//! | 4 | amount that was captured, or is being |
//! | 4 | amount that was refunded, or is being |
//! | 1 | last action |
//! | 1 | what became of it |
//! | 1 | how often the acquirer was asked about that without saying |
//! | 1 or 7 | when it is asked next: 0, or 1 and the moment |
//! | 1 or 17 | idempotency record: 0, or 1 and its key |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | tag | keyed tag over all of the above |
//!
//! A step of its history:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 3 |
//! | 12 | id |
//! | 12 | transaction |
//! | 4 | version of the transaction that it led to |
//! | 1 | status |
//! | text? | reason in words |
//! | text | processor's name |
//! | text? | acquirer's code |
//! | 1 | CVV was sent: 0 or 1 |
//! | 6 | when |
//! | tag | keyed tag over all of the above |

use panvault_model::{
    AccountId, ActionState, Amount, Brand, CardId, Currency, CvvResult, Id, NodeId, OrganisationId,
    ProcessorId, RecurringType, ShopperInteraction, Tag, Timestamp, TransactionAction, TransactionId,
    TransactionStatus,
};

use crate::codec::{Reader, RowFault, Writer};
use crate::row::IdempotencyKey;

/// A stored transaction: everything of it but card data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRow {
    /// Names it.
    pub id: TransactionId,
    /// The account's organisation.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Which node has it in hand, or had last: while it is open, the only one that may send it or say what became of it.
    pub node: NodeId,
    /// Where the money goes.
    pub account: AccountId,
    /// Which connection was used: of several tries, that of the last.
    pub processor: ProcessorId,
    /// Who is at its other end, such as `dummy`.
    pub processor_name: String,
    /// Which try that is, from 1. A route makes several, each at another processor.
    pub try_number: u8,
    /// The token.
    pub card: CardId,
    /// The scheme of the card, as it was when the transaction was made; `None` when it was of none that is known.
    pub brand: Option<Brand>,
    /// Minor units.
    pub amount: Amount,
    /// The account's.
    pub currency: Currency,
    /// `false` reserves only.
    pub capture_now: bool,
    /// As sent.
    pub customer_ip: String,
    /// As sent.
    pub dynamic_descriptor: String,
    /// As sent.
    pub merchant_reference: String,
    /// As sent.
    pub user_agent: String,
    /// As sent.
    pub customer: Option<Id>,
    /// As sent.
    pub webhook_transaction_update: Option<String>,
    /// As sent.
    pub recurring_type: Option<RecurringType>,
    /// As sent; 0 when it was not.
    pub installments: u8,
    /// As sent.
    pub shopper_interaction: Option<ShopperInteraction>,
    /// Further members as sent, with flattened names such as `shipping_information.city`.
    pub extras: Vec<(String, String)>,
    /// Where it stands.
    pub status: TransactionStatus,
    /// Why, in words.
    pub status_reason: Option<String>,
    /// The acquirer's code.
    pub reason_code: Option<String>,
    /// The issuer's code.
    pub authorization_code: Option<String>,
    /// What the acquirer calls it.
    pub processor_reference: Option<String>,
    /// What the acquirer calls what was last done with it, if that is no authorisation.
    pub act_reference: Option<String>,
    /// What the card's network calls it.
    pub network_transaction_id: Option<String>,
    /// Whether it went out with a CVV: of several tries, the last.
    pub cvv_present: bool,
    /// What the issuer said of the CVV.
    pub cvv_result: CvvResult,
    /// What the issuer said of the address, 0 to 10.
    pub avs_result: u8,
    /// What was captured; while a capture is in hand or its outcome unknown, what is to be.
    pub captured: Amount,
    /// What was refunded, with refunds whose outcome is not known.
    pub refunded: Amount,
    /// What was last done with it.
    pub action: TransactionAction,
    /// What became of that.
    pub state: ActionState,
    /// How often the acquirer was asked what became of that, and could not say.
    pub asks: u8,
    /// When it is asked next, if it is.
    pub ask_at: Option<Timestamp>,
    /// The idempotency record that waits for its outcome.
    pub idempotency: Option<IdempotencyKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl TransactionRow {
    const FORMAT: u8 = 7;

    /// The version of the row that this one takes the place of; `None` of the first. A further try is written in one step with what became of the one
    /// before it, which has a version and a step of the history, and never a row.
    pub fn version_before(&self) -> Option<u32> {
        let is_further_try = self.status == TransactionStatus::Initiated && self.try_number > 1;
        self.version.checked_sub(if is_further_try { 2 } else { 1 }).filter(|before| *before > 0)
    }

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        writer.fixed(self.node.as_bytes());
        writer.fixed(self.account.as_bytes());
        writer.fixed(self.processor.as_bytes());
        writer.text(&self.processor_name);
        writer.u8(self.try_number);
        writer.fixed(self.card.as_bytes());
        writer.u8(self.brand.map_or(0, Brand::code));
        writer.u32(self.amount.minor_units());
        writer.fixed(self.currency.as_bytes());
        writer.u8(u8::from(self.capture_now));
        for text in [&self.customer_ip, &self.dynamic_descriptor, &self.merchant_reference, &self.user_agent]
        {
            writer.text(text);
        }
        writer.u8(u8::from(self.customer.is_some()));
        if let Some(customer) = self.customer {
            writer.fixed(customer.as_bytes());
        }
        writer.text_option(self.webhook_transaction_update.as_deref());
        writer.u8(self.recurring_type.map_or(0, RecurringType::code));
        writer.u8(self.installments);
        writer.u8(self.shopper_interaction.map_or(0, ShopperInteraction::code));
        writer.pairs(&self.extras);
        writer.u8(self.status.code());
        writer.text_option(self.status_reason.as_deref());
        writer.text_option(self.reason_code.as_deref());
        for text in [
            &self.authorization_code,
            &self.processor_reference,
            &self.act_reference,
            &self.network_transaction_id,
        ] {
            writer.text_option(text.as_deref());
        }
        writer.u8(u8::from(self.cvv_present));
        writer.u8(self.cvv_result.code());
        writer.u8(self.avs_result);
        writer.u32(self.captured.minor_units());
        writer.u32(self.refunded.minor_units());
        writer.u8(self.action.code());
        writer.u8(self.state.code());
        writer.u8(self.asks);
        writer.timestamp_option(self.ask_at);
        writer.u8(u8::from(self.idempotency.is_some()));
        if let Some(key) = self.idempotency {
            writer.fixed(&key.0);
        }
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    }

    /// The version that was written before the last action was sent, by which the action is named for good; `None` where its outcome is
    /// known. Every version since, but for the first that said that there is no outcome, counts an ask.
    pub fn attempt(&self) -> Option<u32> {
        if self.state == ActionState::InHand {
            Some(self.version)
        } else if self.state.may_be_told() {
            self.version.checked_sub(1 + u32::from(self.asks))
        } else {
            None
        }
    }

    /// Whether this vault has still to do something so that it is known what became of its last action.
    pub const fn is_open(&self) -> bool {
        self.state.is_open() || self.ask_at.is_some()
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`TransactionRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::new(bytes);
        let row = Self::decode_from(&mut reader)?;
        reader.end()?;
        Ok(row)
    }

    pub(crate) fn decode_from(reader: &mut Reader<'_>) -> Result<Self, RowFault> {
        if reader.u8()? != Self::FORMAT {
            return Err(RowFault::Value);
        }
        Ok(Self {
            id: TransactionId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            node: NodeId::from_bytes(reader.fixed()?),
            account: AccountId::from_bytes(reader.fixed()?),
            processor: ProcessorId::from_bytes(reader.fixed()?),
            processor_name: reader.text()?.to_owned(),
            try_number: reader.u8()?,
            card: CardId::from_bytes(reader.fixed()?),
            brand: reader.code_option(Brand::from_code)?,
            amount: Amount::new(reader.u32()?).ok_or(RowFault::Value)?,
            currency: Currency::from_bytes(reader.fixed()?).ok_or(RowFault::Value)?,
            capture_now: reader.flag()?,
            customer_ip: reader.text()?.to_owned(),
            dynamic_descriptor: reader.text()?.to_owned(),
            merchant_reference: reader.text()?.to_owned(),
            user_agent: reader.text()?.to_owned(),
            customer: if reader.flag()? { Some(Id::from_bytes(reader.fixed()?)) } else { None },
            webhook_transaction_update: reader.text_option()?.map(str::to_owned),
            recurring_type: reader.code_option(RecurringType::from_code)?,
            installments: reader.u8()?,
            shopper_interaction: reader.code_option(ShopperInteraction::from_code)?,
            extras: reader.pairs()?,
            status: reader.code(TransactionStatus::from_code)?,
            status_reason: reader.text_option()?.map(str::to_owned),
            reason_code: reader.text_option()?.map(str::to_owned),
            authorization_code: reader.text_option()?.map(str::to_owned),
            processor_reference: reader.text_option()?.map(str::to_owned),
            act_reference: reader.text_option()?.map(str::to_owned),
            network_transaction_id: reader.text_option()?.map(str::to_owned),
            cvv_present: reader.flag()?,
            cvv_result: reader.code(CvvResult::from_code)?,
            avs_result: reader.u8()?,
            captured: Amount::new(reader.u32()?).ok_or(RowFault::Value)?,
            refunded: Amount::new(reader.u32()?).ok_or(RowFault::Value)?,
            action: reader.code(TransactionAction::from_code)?,
            state: reader.code(ActionState::from_code)?,
            asks: reader.u8()?,
            ask_at: reader.timestamp_option()?,
            idempotency: if reader.flag()? { Some(IdempotencyKey(reader.fixed()?)) } else { None },
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            tag: reader.tag()?,
        })
    }
}

/// One step in the life of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// Names this step.
    pub id: Id,
    /// Whose step it is.
    pub transaction: TransactionId,
    /// The version of the transaction that it led to; orders the history.
    pub version: u32,
    /// Where the transaction stood then.
    pub status: TransactionStatus,
    /// Why, in words.
    pub status_reason: Option<String>,
    /// Who was at the other end, such as `dummy`.
    pub processor_name: String,
    /// The acquirer's code.
    pub reason_code: Option<String>,
    /// Whether the transaction had gone out with a CVV, or was about to.
    pub cvv_present: bool,
    /// When.
    pub created_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl HistoryRow {
    const FORMAT: u8 = 3;

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.transaction.as_bytes());
        writer.u32(self.version);
        writer.u8(self.status.code());
        writer.text_option(self.status_reason.as_deref());
        writer.text(&self.processor_name);
        writer.text_option(self.reason_code.as_deref());
        writer.u8(u8::from(self.cvv_present));
        writer.timestamp(self.created_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`HistoryRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            id: Id::from_bytes(reader.fixed()?),
            transaction: TransactionId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            status: reader.code(TransactionStatus::from_code)?,
            status_reason: reader.text_option()?.map(str::to_owned),
            processor_name: reader.text()?.to_owned(),
            reason_code: reader.text_option()?.map(str::to_owned),
            cvv_present: reader.flag()?,
            created_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}

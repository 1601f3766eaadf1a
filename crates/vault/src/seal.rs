//! Rows and their seals and tags: what is bound to what.

use panvault_card::{
    CardBlock, Cryptogram, CryptogramBlock, CustomerBlock, CustomerDetails, Holder, HolderBlock, Pan,
};
use panvault_keys::{KeyRing, KeysError, Kind, Place, RowTagKey, VaultKeys, WebhookSecret};
use panvault_model::{
    AccountId, ApiKeyId, CardId, CustomerId, OrganisationId, ProcessorId, Sealed, Tag, VaultId,
};
use panvault_store::{
    AccountRow, ApiKeyUseRow, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, DocumentKind,
    DocumentRow, HistoryRow, IdempotencyRow, NodeRow, ProcessorRow, RefundRow, RowKey, SealedSecret,
    TransactionRow,
};
use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::limits::PROCESSOR_SECRET_BYTES_MAX;

/// Kinds of rows that bear a tag. The numbers go into the tag and are append-only; `panvault-keys` has 5, a card, and had 6.
const TAG_TRANSACTION: u8 = 1;
const TAG_DOCUMENT: u8 = 2;
const TAG_IDEMPOTENCY: u8 = 3;
const TAG_HISTORY: u8 = 4;
const TAG_CARD_CVV: u8 = 8;
const TAG_NODE: u8 = 9;
const TAG_API_KEY_USE: u8 = 10;
const TAG_REFUND: u8 = 11;
const TAG_DELIVERY: u8 = 14;
const TAG_CHECKOUT: u8 = 15;

/// The card with its number and holder sealed into it, bound to every clear field, and with its tag.
pub(crate) fn card_seal(mut row: CardRow, block: &CardBlock, env: &Env<'_>) -> Result<CardRow, KeysError> {
    let mut clear = Vec::with_capacity(192);
    row.encode_clear(&mut clear);
    let bound = sealed_place(&row, row.organisation, env.vault, &clear);
    row.sealed = env.keys.card_seal(&bound, block.expose_bytes(), env.entropy)?;
    row.encode_tagged_only(&mut clear);
    row.tag = env.vault_keys.card_tag(&tagged_place(&row, row.organisation, env.vault, &clear), &row.sealed);
    Ok(row)
}

/// The tag of a card as it is, sealed part and all.
pub(crate) fn card_tag(row: &CardRow, keys: &VaultKeys) -> Tag {
    let mut clear = Vec::with_capacity(192);
    row.encode_clear(&mut clear);
    row.encode_tagged_only(&mut clear);
    keys.card_tag(&tagged_place(row, row.organisation, keys.vault(), &clear), &row.sealed)
}

/// Opens a card for a caller whose permit covers `organisation`. [`VaultError::NotFound`] when the key that sealed it is destroyed:
/// the card is as good as deleted.
pub(crate) fn card_open(
    row: &CardRow,
    organisation: OrganisationId,
    vault: VaultId,
    keys: &KeyRing,
) -> Result<(Pan, Option<Holder>), VaultError> {
    let mut clear = Vec::with_capacity(192);
    row.encode_clear(&mut clear);
    let mut block = CardBlock::empty();
    keys.card_open(&sealed_place(row, organisation, vault, &clear), &row.sealed, block.expose_bytes_mut())
        .map_err(|error| unopened(error, RowKey::Card(row.id)))?;
    block.unpack().map_err(|_| VaultError::Tampered(RowKey::Card(row.id)))
}

/// [`VaultError::NotFound`] when the key that sealed a card is destroyed, before anything is done with the card.
pub(crate) fn card_openable(row: &CardRow, keys: &KeyRing, named: Named) -> Result<(), VaultError> {
    keys.card_openable(row.organisation, &row.sealed).map_err(|error| {
        match unopened(error, RowKey::Card(row.id)) {
            VaultError::NotFound(_) => VaultError::not_found(named),
            error => error,
        }
    })
}

/// Whether the card is as it was sealed, clear fields and seal, for a caller whose permit covers `organisation`. It is not opened.
pub(crate) fn card_verify(
    row: &CardRow,
    organisation: OrganisationId,
    keys: &VaultKeys,
) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(192);
    row.encode_clear(&mut clear);
    row.encode_tagged_only(&mut clear);
    let place = tagged_place(row, organisation, keys.vault(), &clear);
    row_agrees(keys, keys.card_tag_matches(&place, &row.sealed, &row.tag), &row.tag, RowKey::Card(row.id))
}

/// Whether a card is as it was sealed, for the organisation that its row names.
pub(crate) fn card_is_ours(row: &CardRow, tags: &RowTagKey) -> bool {
    let mut clear = Vec::with_capacity(192);
    row.encode_clear(&mut clear);
    row.encode_tagged_only(&mut clear);
    let place = tagged_place(row, row.organisation, tags.vault(), &clear);
    tags.card_tag_matches(&place, &row.sealed, &row.tag)
}

/// Seals a name for the time until its card is read.
pub(crate) fn holder_seal(
    holder: Holder,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Sealed, KeysError> {
    let block = HolderBlock::pack(&holder);
    drop(holder);
    env.keys.card_seal(&holder_place(card.as_bytes(), organisation, env), block.expose_bytes(), env.entropy)
}

/// Opens a name that is to be sealed into its card.
pub(crate) fn holder_open(
    sealed: &Sealed,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Holder, VaultError> {
    let mut block = HolderBlock::empty();
    env.keys.card_open(
        &holder_place(card.as_bytes(), organisation, env),
        sealed,
        block.expose_bytes_mut(),
    )?;
    block.unpack().map_err(|_| VaultError::Tampered(RowKey::Card(card)))
}

const fn holder_place<'a>(id: &'a [u8; 12], organisation: OrganisationId, env: &Env<'_>) -> Place<'a> {
    Place { kind: Kind::Holder, vault: env.vault, organisation, id, row_version: 0, clear: &[] }
}

/// Seals a cryptogram for the time until its transaction is sent. Bound to its card, under a key of the account's organisation.
pub(crate) fn cryptogram_seal(
    cryptogram: Cryptogram,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Sealed, KeysError> {
    let block = CryptogramBlock::pack(&cryptogram);
    drop(cryptogram);
    let place = cryptogram_place(card.as_bytes(), organisation, env);
    env.keys.card_seal(&place, block.expose_bytes(), env.entropy)
}

/// Opens a cryptogram for the one transaction that brought it.
pub(crate) fn cryptogram_open(
    sealed: &Sealed,
    card: CardId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Cryptogram, VaultError> {
    let mut block = CryptogramBlock::empty();
    env.keys.card_open(
        &cryptogram_place(card.as_bytes(), organisation, env),
        sealed,
        block.expose_bytes_mut(),
    )?;
    block.unpack().map_err(|_| VaultError::Tampered(RowKey::Card(card)))
}

const fn cryptogram_place<'a>(id: &'a [u8; 12], organisation: OrganisationId, env: &Env<'_>) -> Place<'a> {
    Place { kind: Kind::Cryptogram, vault: env.vault, organisation, id, row_version: 0, clear: &[] }
}

/// What the sealed part of a card is bound to.
fn sealed_place<'a>(
    row: &'a CardRow,
    organisation: OrganisationId,
    vault: VaultId,
    clear: &'a [u8],
) -> Place<'a> {
    let row_version = row.sealed_version;
    Place { kind: Kind::Card, vault, organisation, id: row.id.as_bytes(), row_version, clear }
}

/// What the tag of a card is over, beside its sealed part.
fn tagged_place<'a>(
    row: &'a CardRow,
    organisation: OrganisationId,
    vault: VaultId,
    clear: &'a [u8],
) -> Place<'a> {
    Place { row_version: row.version, ..sealed_place(row, organisation, vault, clear) }
}

fn unopened(error: KeysError, row: RowKey) -> VaultError {
    if matches!(error, KeysError::Refused) {
        VaultError::Tampered(row)
    } else if matches!(error, KeysError::KeyDestroyed) {
        VaultError::not_found(Named::Subject)
    } else {
        VaultError::Keys(error)
    }
}

/// The customer with its details sealed into it, bound to every clear field but those that move with its cards, and with its tag.
pub(crate) fn customer_seal(
    mut row: CustomerRow,
    block: &CustomerBlock,
    env: &Env<'_>,
) -> Result<CustomerRow, KeysError> {
    let clear = customer_clear(&row);
    let bound = customer_sealed_place(&row, row.organisation, env.vault, &clear);
    row.sealed = env.keys.card_seal(&bound, block.expose_bytes(), env.entropy)?;
    row.tag = customer_tag(&row, env.vault_keys);
    Ok(row)
}

/// The tag of a customer as it is, sealed part and all.
pub(crate) fn customer_tag(row: &CustomerRow, keys: &VaultKeys) -> Tag {
    let tagged = customer_tagged(row);
    keys.card_tag(&customer_tagged_place(row, row.organisation, keys.vault(), &tagged), &row.sealed)
}

/// Opens the details of a customer for a caller whose permit covers `organisation`. [`VaultError::NotFound`] when the key that sealed them
/// is destroyed: the customer is as good as erased.
pub(crate) fn customer_open(
    row: &CustomerRow,
    organisation: OrganisationId,
    vault: VaultId,
    keys: &KeyRing,
) -> Result<CustomerDetails, VaultError> {
    let clear = customer_clear(row);
    let place = customer_sealed_place(row, organisation, vault, &clear);
    details_open(&place, &row.sealed, keys, RowKey::Customer(row.id))
}

/// Whether the customer is as it was sealed, for a caller whose permit covers `organisation`. It is not opened.
pub(crate) fn customer_verify(
    row: &CustomerRow,
    organisation: OrganisationId,
    keys: &VaultKeys,
) -> Result<(), VaultError> {
    let tagged = customer_tagged(row);
    let place = customer_tagged_place(row, organisation, keys.vault(), &tagged);
    row_agrees(keys, keys.card_tag_matches(&place, &row.sealed, &row.tag), &row.tag, RowKey::Customer(row.id))
}

/// Whether a customer is as it was sealed, for the organisation that its row names.
pub(crate) fn customer_is_ours(row: &CustomerRow, tags: &RowTagKey) -> bool {
    let tagged = customer_tagged(row);
    let place = customer_tagged_place(row, row.organisation, tags.vault(), &tagged);
    tags.card_tag_matches(&place, &row.sealed, &row.tag)
}

/// Seals details for the time until their customer is read.
pub(crate) fn customer_change_seal(
    details: CustomerDetails,
    customer: CustomerId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Sealed, KeysError> {
    let block = details.pack();
    drop(details);
    env.keys.card_seal(
        &customer_change_place(customer.as_bytes(), organisation, env),
        block.expose_bytes(),
        env.entropy,
    )
}

/// Opens details that are to be sealed into their customer.
pub(crate) fn customer_change_open(
    sealed: &Sealed,
    customer: CustomerId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<CustomerDetails, VaultError> {
    let place = customer_change_place(customer.as_bytes(), organisation, env);
    details_open(&place, sealed, env.keys, RowKey::Customer(customer))
}

fn details_open(
    place: &Place<'_>,
    sealed: &Sealed,
    keys: &KeyRing,
    row: RowKey,
) -> Result<CustomerDetails, VaultError> {
    let opened = || {
        let mut block = CustomerBlock::zeroes(KeyRing::sealed_bytes(sealed)?);
        keys.card_open(place, sealed, block.expose_bytes_mut())?;
        Ok(block)
    };
    let block: CustomerBlock = opened().map_err(|error| unopened(error, row))?;
    block.unpack().map_err(|_| VaultError::Tampered(row))
}

const fn customer_change_place<'a>(
    id: &'a [u8; 12],
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Place<'a> {
    Place { kind: Kind::CustomerChange, vault: env.vault, organisation, id, row_version: 0, clear: &[] }
}

fn customer_clear(row: &CustomerRow) -> Vec<u8> {
    let mut clear = Vec::with_capacity(64);
    row.encode_clear(&mut clear);
    clear
}

fn customer_tagged(row: &CustomerRow) -> Vec<u8> {
    let mut tagged = customer_clear(row);
    row.encode_tagged_only(&mut tagged);
    tagged
}

/// What the sealed part of a customer is bound to.
fn customer_sealed_place<'a>(
    row: &'a CustomerRow,
    organisation: OrganisationId,
    vault: VaultId,
    clear: &'a [u8],
) -> Place<'a> {
    let row_version = row.sealed_version;
    Place { kind: Kind::Customer, vault, organisation, id: row.id.as_bytes(), row_version, clear }
}

/// What the tag of a customer is over, beside its sealed part. The kind keeps it apart from a card's.
fn customer_tagged_place<'a>(
    row: &'a CustomerRow,
    organisation: OrganisationId,
    vault: VaultId,
    clear: &'a [u8],
) -> Place<'a> {
    Place { row_version: row.version, ..customer_sealed_place(row, organisation, vault, clear) }
}

pub(crate) fn transaction_tag(keys: &VaultKeys, row: &TransactionRow) -> Tag {
    let mut clear = Vec::with_capacity(512);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_TRANSACTION, &clear)
}

pub(crate) fn transaction_verify(keys: &VaultKeys, row: &TransactionRow) -> Result<(), VaultError> {
    row_agrees(keys, transaction_is_ours(row, keys.row_tags()), &row.tag, RowKey::Transaction(row.id))
}

/// Whether a transaction is as it was written.
pub(crate) fn transaction_is_ours(row: &TransactionRow, tags: &RowTagKey) -> bool {
    let mut clear = Vec::with_capacity(512);
    row.encode_clear(&mut clear);
    tags.row_tag_matches(TAG_TRANSACTION, &clear, &row.tag)
}

pub(crate) fn history_tag(keys: &VaultKeys, row: &HistoryRow) -> Tag {
    let mut clear = Vec::with_capacity(128);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_HISTORY, &clear)
}

pub(crate) fn history_verify(keys: &VaultKeys, row: &HistoryRow) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(128);
    row.encode_clear(&mut clear);
    let matches = keys.row_tag_matches(TAG_HISTORY, &clear, &row.tag);
    row_agrees(keys, matches, &row.tag, RowKey::History(row.transaction, row.version))
}

pub(crate) fn refund_tag(keys: &VaultKeys, row: &RefundRow) -> Tag {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_REFUND, &clear)
}

pub(crate) fn refund_verify(keys: &VaultKeys, row: &RefundRow) -> Result<(), VaultError> {
    row_agrees(keys, refund_is_ours(row, keys.row_tags()), &row.tag, RowKey::Refund(row.id))
}

/// Whether a refund is as it was written.
pub(crate) fn refund_is_ours(row: &RefundRow, tags: &RowTagKey) -> bool {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    tags.row_tag_matches(TAG_REFUND, &clear, &row.tag)
}

/// Whether a delivery bears the tag that the vault gave it.
pub(crate) fn delivery_is_ours(row: &DeliveryRow, tags: &RowTagKey) -> bool {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    tags.row_tag_matches(TAG_DELIVERY, &clear, &row.tag)
}

pub(crate) fn delivery_tag(keys: &VaultKeys, row: &DeliveryRow) -> Tag {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_DELIVERY, &clear)
}

pub(crate) fn delivery_verify(keys: &VaultKeys, row: &DeliveryRow) -> Result<(), VaultError> {
    row_agrees(keys, delivery_is_ours(row, keys.row_tags()), &row.tag, RowKey::Delivery(row.id))
}

/// Whether a checkout bears the tag that the vault gave it.
pub(crate) fn checkout_is_ours(row: &CheckoutRow, tags: &RowTagKey) -> bool {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    tags.row_tag_matches(TAG_CHECKOUT, &clear, &row.tag)
}

pub(crate) fn checkout_tag(keys: &VaultKeys, row: &CheckoutRow) -> Tag {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_CHECKOUT, &clear)
}

pub(crate) fn checkout_verify(keys: &VaultKeys, row: &CheckoutRow) -> Result<(), VaultError> {
    row_agrees(keys, checkout_is_ours(row, keys.row_tags()), &row.tag, RowKey::Checkout(row.id))
}

/// Seals what webhooks of an account are signed with.
pub(crate) fn webhook_secret_seal(
    secret: &WebhookSecret,
    number: u32,
    account: AccountId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Sealed, KeysError> {
    let place = webhook_secret_place(number, account.as_bytes(), organisation, env.vault);
    env.keys.card_seal(&place, secret.expose_bytes(), env.entropy)
}

/// Opens what webhooks of an account are signed with.
pub(crate) fn webhook_secret_open(
    secret: &SealedSecret,
    account: &AccountRow,
    vault: VaultId,
    keys: &KeyRing,
) -> Result<WebhookSecret, VaultError> {
    let place = webhook_secret_place(secret.number, account.id.as_bytes(), account.organisation, vault);
    let mut opened = WebhookSecret::zeroes();
    keys.card_open(&place, &secret.sealed, opened.expose_bytes_mut())
        .map_err(|error| unopened(error, RowKey::Document(DocumentKind::Account, account.id.0)))?;
    Ok(opened)
}

const fn webhook_secret_place(
    number: u32,
    account: &[u8; 12],
    organisation: OrganisationId,
    vault: VaultId,
) -> Place<'_> {
    Place { kind: Kind::WebhookSecret, vault, organisation, id: account, row_version: number, clear: &[] }
}

/// Seals a secret of a processor. Its length does not show.
pub(crate) fn processor_secret_seal(
    secret: &[u8],
    name: &str,
    processor: ProcessorId,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Sealed, VaultError> {
    let mut block = Zeroizing::new(vec![0_u8; PROCESSOR_SECRET_BLOCK_BYTES].into_boxed_slice());
    let (length, room) = block.split_at_mut(PROCESSOR_SECRET_LENGTH_BYTES);
    let too_long = || VaultError::Keys(KeysError::TooLong);
    let bytes = u16::try_from(secret.len()).map_err(|_| too_long())?;
    length.copy_from_slice(&bytes.to_be_bytes());
    room.get_mut(..secret.len()).ok_or_else(too_long)?.copy_from_slice(secret);
    let place = processor_secret_place(name, processor.as_bytes(), organisation, env.vault);
    Ok(env.keys.card_seal(&place, &block, env.entropy)?)
}

/// Opens a secret of a processor.
pub(crate) fn processor_secret_open(
    sealed: &Sealed,
    name: &str,
    row: &ProcessorRow,
    vault: VaultId,
    keys: &KeyRing,
) -> Result<Zeroizing<Box<[u8]>>, VaultError> {
    let key = RowKey::Document(DocumentKind::Processor, row.id.0);
    let mut block = Zeroizing::new(vec![0_u8; PROCESSOR_SECRET_BLOCK_BYTES].into_boxed_slice());
    let place = processor_secret_place(name, row.id.as_bytes(), row.organisation, vault);
    keys.card_open(&place, sealed, &mut block)?;
    let (length, room) = block.split_first_chunk().ok_or(VaultError::Tampered(key))?;
    let secret = room.get(..usize::from(u16::from_be_bytes(*length))).ok_or(VaultError::Tampered(key))?;
    Ok(Zeroizing::new(Box::from(secret)))
}

const fn processor_secret_place<'a>(
    name: &'a str,
    processor: &'a [u8; 12],
    organisation: OrganisationId,
    vault: VaultId,
) -> Place<'a> {
    let (kind, clear) = (Kind::ProcessorSecret, name.as_bytes());
    Place { kind, vault, organisation, id: processor, row_version: 0, clear }
}

const PROCESSOR_SECRET_LENGTH_BYTES: usize = 2;
const PROCESSOR_SECRET_BLOCK_BYTES: usize = PROCESSOR_SECRET_LENGTH_BYTES + PROCESSOR_SECRET_BYTES_MAX;

pub(crate) fn document_tag(keys: &VaultKeys, row: &DocumentRow) -> Tag {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    keys.document_tag(TAG_DOCUMENT, &clear)
}

pub(crate) fn document_verify(keys: &VaultKeys, row: &DocumentRow) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(256);
    row.encode_clear(&mut clear);
    let matches = keys.document_tag_matches(TAG_DOCUMENT, &clear, &row.tag);
    agree(matches, keys.is_later_document_tag(&row.tag), RowKey::Document(row.kind, row.id))
}

pub(crate) fn idempotency_tag(keys: &VaultKeys, row: &IdempotencyRow) -> Tag {
    let mut clear = Vec::with_capacity(512);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_IDEMPOTENCY, &clear)
}

pub(crate) fn idempotency_verify(keys: &VaultKeys, row: &IdempotencyRow) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(512);
    row.encode_clear(&mut clear);
    row_agrees(
        keys,
        keys.row_tag_matches(TAG_IDEMPOTENCY, &clear, &row.tag),
        &row.tag,
        RowKey::Idempotency(row.key),
    )
}

pub(crate) fn card_cvv_tag(keys: &VaultKeys, row: &CardCvvRow) -> Tag {
    let mut clear = Vec::with_capacity(64);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_CARD_CVV, &clear)
}

/// Whether what is known of a CVV is as it was written, and of this card.
pub(crate) fn card_cvv_verify(keys: &VaultKeys, row: &CardCvvRow, card: CardId) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(64);
    row.encode_clear(&mut clear);
    let matches = keys.row_tag_matches(TAG_CARD_CVV, &clear, &row.tag);
    row_agrees(keys, matches && row.card == card, &row.tag, RowKey::CardCvv(card))
}

pub(crate) fn node_tag(keys: &VaultKeys, row: &NodeRow) -> Tag {
    let mut clear = Vec::with_capacity(32);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_NODE, &clear)
}

pub(crate) fn node_verify(keys: &VaultKeys, row: &NodeRow) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(32);
    row.encode_clear(&mut clear);
    row_agrees(keys, keys.row_tag_matches(TAG_NODE, &clear, &row.tag), &row.tag, RowKey::Node(row.id))
}

pub(crate) fn api_key_use_tag(keys: &VaultKeys, row: &ApiKeyUseRow) -> Tag {
    let mut clear = Vec::with_capacity(32);
    row.encode_clear(&mut clear);
    keys.row_tag(TAG_API_KEY_USE, &clear)
}

/// Whether what is written of the use of an API key is as it was written, and of this key.
pub(crate) fn api_key_use_verify(
    keys: &VaultKeys,
    row: &ApiKeyUseRow,
    api_key: ApiKeyId,
) -> Result<(), VaultError> {
    let mut clear = Vec::with_capacity(32);
    row.encode_clear(&mut clear);
    let matches = keys.row_tag_matches(TAG_API_KEY_USE, &clear, &row.tag) && row.api_key == api_key;
    row_agrees(keys, matches, &row.tag, RowKey::ApiKeyUse(api_key))
}

fn row_agrees(keys: &VaultKeys, matches: bool, tag: &Tag, row: RowKey) -> Result<(), VaultError> {
    agree(matches, keys.is_later_row_tag(tag), row)
}

/// What names a key that is later than those here was tagged by a node that has it, unless somebody changed it: who asks again when this node has seen what others changed
/// is told which.
fn agree(matches: bool, is_later: bool, row: RowKey) -> Result<(), VaultError> {
    match (matches, is_later) {
        (true, _) => Ok(()),
        (false, true) => Err(VaultError::TaggedLater(row)),
        (false, false) => Err(VaultError::Tampered(row)),
    }
}

#![doc = include_str!("../README.md")]

mod age;
mod api_key;
mod bech32;
mod checkpoint_key;
mod ciphers;
mod cvv_key;
mod entropy;
mod error;
mod file_digest;
mod hand_over;
mod header;
mod hpke;
pub mod limits;
mod line_seal;
mod notification_secret;
mod operator;
mod organisation_key;
mod purpose;
mod residue;
mod ring;
mod root;
mod slot;
mod vault_keys;
#[cfg(test)]
mod vectors;
mod webhook_secret;
mod wrapped;
mod xaes;

pub use crate::age::{AgeIdentity, AgeRecipient};
pub use crate::api_key::{ApiKey, KeyBearer, KeyMode};
pub use crate::checkpoint_key::{
    CHECKPOINT_KEY_BYTES, CHECKPOINT_SIGNATURE_BYTES, CheckpointKey, CheckpointPublicKey, Sha256,
};
pub use crate::ciphers::{CIPHERS, CipherUse};
pub use crate::cvv_key::CvvKey;
pub use crate::entropy::{Entropy, SystemEntropy};
pub use crate::error::{KeyFileFault, KeysError, PassphraseFault, ShareFault};
pub use crate::file_digest::{FileDigest, sha256};
pub use crate::hand_over::{HandOver, SlotChange};
pub use crate::header::{Header, HeaderSlot, SlotDescription};
pub use crate::line_seal::{LineOpener, LineSealer};
pub use crate::notification_secret::NotificationSecret;
pub use crate::operator::{
    OperatorKey, RecordLength, RecordOpener, RecordSealer, SocketClient, SocketHandshake, SocketServer,
};
pub use crate::organisation_key::{OrganisationKey, Purpose};
pub use crate::purpose::{KeyState, VaultKeyDescription, VaultPurpose};
pub use crate::ring::{KeyRing, Kind, Place};
pub use crate::root::RootKey;
pub use crate::slot::{
    KeyFile, NewSlot, Passphrase, PassphraseLock, PeerKind, PeerLock, Protection, Share, ShareScheme, Shares,
    Slot, SlotKey,
};
pub use crate::vault_keys::{
    BackupKey, BinsKey, ChainKeys, DigestKey, HEAD_SEALED_BYTES, MEMBER_HASH_BYTES, RowTagKey, SetHashKey,
    VaultKeys,
};
pub use crate::webhook_secret::WebhookSecret;

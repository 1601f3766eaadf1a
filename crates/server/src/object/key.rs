//! A key of an organisation: all but the key.

use const_format::formatcp;
use panvault_model::{ApiKeyId, Id, OrganisationId, Timestamp};
use panvault_vault::{KeyState, KeyView, Purpose, VaultKeyView, VaultPurpose};

pub(crate) use super::account::ORGANISATION;
use super::status::Count;
use super::{BodySpec, EXAMPLE_API_KEY, EXAMPLE_ORGANISATION, Names, Number, Shape, Shown, object};
use crate::fields::Field;

pub(crate) const PURPOSE: Field<str> = Field::choice("purpose", &["data", "fingerprint"]);

/// The body of `POST /v1/organisation/{id}/key`.
pub(crate) static ROTATE: BodySpec = BodySpec {
    name: "KeyRotate",
    may_lack: false,
    fields: &[PURPOSE.required(
        "Which key is to be replaced: `data`, which seals cards, customers and secrets of the organisation, or `fingerprint`, which makes the fingerprints of its cards: these become others.",
    )],
};

/// The body of `POST /v1/organisation/{id}/key/destroy`.
pub(crate) static DESTROY: BodySpec = BodySpec {
    name: "KeyDestroy",
    may_lack: false,
    fields: &[ORGANISATION
        .required("The id of the organisation once more, so that nobody destroys the keys of another.")],
};

impl Shown for Purpose {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "KeyPurpose",
        doc: "What a key of an organisation is for: sealing, or making fingerprints.",
        all: || Self::ALL.map(Self::as_str).to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(self.as_str(), out);
    }
}

impl Shown for KeyState {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "KeyState",
        doc: "What may be done with a key: nothing new yet, until every node knows it; all; only opening what it sealed; nothing, for it is gone.",
        all: || Self::ALL.map(Self::as_str).to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(self.as_str(), out);
    }
}

impl Shown for VaultPurpose {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "VaultKeyPurpose",
        doc: "What a key of the vault is for.",
        all: || Self::ALL.map(Self::as_str).to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(self.as_str(), out);
    }
}

object! {
    /// What may be known of a key of the vault itself, which is in its header under the root key.
    VaultKey "VaultKey" of key: VaultKeyView {
        /// What it is for.
        always "purpose" => VaultPurpose = key.described.purpose;
        /// Counts the keys of this purpose, from 1.
        always "version" => Count = Number(key.described.version.into());
        /// What may be done with it.
        always "state" => KeyState = key.described.state;
        /// When it was made.
        always "created_at" => Timestamp = key.described.created_at;
        /// Of one that another took the place of: rows that still bear its tag, keys that are still wrapped with it, records of idempotency keys that it made, or API
        /// keys that are known by their hash under it. Left out where this node has not counted them.
        optional "rows_left" => Count = key.rows_left.map(Number);
        /// Of one that another took the place of: rows that keep it, for they are not what was written and nobody can give them another tag. It is destroyed once
        /// they are put right or gone. Left out where this node has not counted them.
        optional "rows_damaged" => Count = key.rows_damaged.map(Number);
        /// Whether it is active for longer than it should be (`key_days_max`).
        always "overdue" => bool = key.is_overdue;
        /// Of one that hashed API keys: the first hundred of those that still need it. Each does until it is next used, or revoked.
        optional "needed_by" => &[ApiKeyId] = Some(key.needed_by.as_slice()).filter(|keys| !keys.is_empty()), example EXAMPLE_NEEDED_BY;
        /// Of one that tagged documents, and only where it is so: the table of issuers of this node bears its tag and could not be given another. The log says why.
        optional "needed_by_bins" => bool = key.is_needed_by_bins.then_some(true);
    }
}

const EXAMPLE_NEEDED_BY: &str = formatcp!("[\"{EXAMPLE_API_KEY}\"]");

object! {
    /// What may be known of a key of an organisation. The key itself is shown to nobody.
    Key "Key" of key: KeyView {
        /// Names it.
        always "_id" => Id = key.id;
        /// Whose it is.
        always "organisation" => OrganisationId = key.organisation, example EXAMPLE_ORGANISATION;
        /// What it is for.
        always "purpose" => Purpose = key.purpose;
        /// Counts the organisation's keys of this purpose, from 1.
        always "version" => Count = Number(key.version.into());
        /// What may be done with it.
        always "state" => KeyState = key.state;
        /// When it was made.
        always "created_at" => Timestamp = key.created_at;
        /// Since when it seals or makes.
        optional "active_from" => Timestamp = key.active_from;
        /// Until when it did; of an active one, until when it should (`key_days_max`).
        optional "active_until" => Timestamp = key.active_until;
        /// When it was destroyed; of an `open_only` one, when it will be, and until when what it made is known beside what is made now.
        optional "destroyed_at" => Timestamp = key.destroyed_at;
        /// Whether it is active for longer than it should be.
        always "overdue" => bool = key.is_overdue;
        /// Of one that another took the place of: rows that are still to be written anew for it. Left out where this node has not counted them.
        optional "rows_left" => Count = key.rows_left.map(Number);
        /// Of one that another took the place of: rows that keep it, for they are not what was written or do not open, and nobody can write them anew. It is destroyed
        /// once they are put right or gone. Left out where this node has not counted them.
        optional "rows_damaged" => Count = key.rows_damaged.map(Number);
    }
}

//! Keys of organisations: how each takes the place of another while the vault is served, and what is sealed with it moves on.
//!
//! A key is made in a step of its own, so that every node comes to know it before any seals with it; then it is activated, and the one before it only
//! opens. What that sealed is sealed anew in the background, row by row, by the node that has the duty; so it is where it made fingerprints, which are known for some
//! time beside the next ones. Where nothing is left of it, which a second
//! reading of all rows has to show, the key before is destroyed. Each step is a document or a row: a process that dies leaves what the next one
//! goes on with.

mod destroy;
mod ending;
mod interrupt;
mod list;
mod often;
mod reseal;
mod retag;
mod retag_documents;
mod rotate;
mod rotation;
mod rows;
mod sweep;
mod vault_keys;

pub(crate) use destroy::KEYS_DESTROYED;
pub use list::{KeyView, VaultKeyView, keys_overdue};
pub(crate) use often::rotate_often;
pub(crate) use rotate::MadeKey;
pub(crate) use rotation::Rotation;
pub use rotation::{RotationSettings, RotationStatus};

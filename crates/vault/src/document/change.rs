use panvault_model::Id;
use panvault_store::{DocumentKind, DocumentRow, Effect, Expect, RowKey};

/// One change of a document.
#[derive(Clone, Debug)]
pub(crate) enum DocumentChange {
    /// It is to be this; its version is one more than that of the stored one, 1 when there is none.
    Put(DocumentRow),
    /// It is there in this version, and is to have this tag: nothing else of it changes.
    Retag(DocumentRow),
    /// It is to go; it has this version.
    Delete(DocumentKind, Id, u32),
    /// A row beside the documents is to go with one of them, if it is there.
    Beside(RowKey),
    /// The head is to say that the vault was sealed and unsealed so often.
    Seals(u32),
}

impl DocumentChange {
    /// What must hold for it to be done.
    pub(crate) const fn expect(&self) -> Option<Expect> {
        match self {
            Self::Put(row) => {
                let key = RowKey::Document(row.kind, row.id);
                Some(match row.version.checked_sub(1) {
                    None | Some(0) => Expect::Absent(key),
                    Some(version) => Expect::Version(key, version),
                })
            }
            Self::Retag(row) => Some(Expect::Version(RowKey::Document(row.kind, row.id), row.version)),
            Self::Delete(kind, id, version) => Some(Expect::Version(RowKey::Document(*kind, *id), *version)),
            Self::Beside(_) | Self::Seals(_) => None,
        }
    }

    /// What it does, beside what it does to the head.
    pub(crate) fn effect(self) -> Option<Effect> {
        match self {
            Self::Put(row) => Some(row.into()),
            Self::Retag(row) => Some(Effect::Retag(row.into())),
            Self::Delete(kind, id, _) => Some(Effect::Delete(RowKey::Document(kind, id))),
            Self::Beside(key) => Some(Effect::Delete(key)),
            Self::Seals(_) => None,
        }
    }
}

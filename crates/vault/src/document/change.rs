use panvault_model::ApiKeyId;
use panvault_store::{DocumentKind, DocumentRow, Effect, Expect, RowKey};

/// One change of a document.
#[derive(Clone, Debug)]
pub(crate) enum DocumentChange {
    /// It is to be this; its version is one more than that of the stored one, 1 when there is none.
    Put(DocumentRow),
    /// This API key is to go; it has this version.
    ApiKeyDelete(ApiKeyId, u32),
}

impl DocumentChange {
    /// What must hold for it to be done.
    pub(crate) const fn expect(&self) -> Expect {
        match self {
            Self::Put(row) => {
                let key = RowKey::Document(row.kind, row.id);
                match row.version.checked_sub(1) {
                    None | Some(0) => Expect::Absent(key),
                    Some(version) => Expect::Version(key, version),
                }
            }
            Self::ApiKeyDelete(id, version) => {
                Expect::Version(RowKey::Document(DocumentKind::ApiKey, id.0), *version)
            }
        }
    }

    /// What it does.
    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::Put(row) => row.into(),
            Self::ApiKeyDelete(id, _) => Effect::Delete(RowKey::Document(DocumentKind::ApiKey, id.0)),
        }
    }
}

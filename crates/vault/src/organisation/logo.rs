//! The picture that an organisation shows to shoppers. Its row says which one it is; the bytes are a document of their own, which changes with the row in one
//! commit and is read when a browser asks for it.

use panvault_model::OrganisationId;
use panvault_store::{DocumentKind, Logo, LogoRow, OrganisationRow, RowKey};

use super::organisation_seen;
use crate::document::{DocumentChange, DocumentPlan, Snapshot};
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::image::Image;
use crate::limits::LOGOS_MAX;
use crate::permit::{OrganisationLogoDelete, OrganisationLogoSet, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Gives an organisation a picture, in the place of the one that it had. [`VaultError::Faults`] where it is none that is taken.
    pub async fn organisation_logo_set(
        &self,
        permit: &Permit<OrganisationLogoSet>,
        id: OrganisationId,
        image: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Done<OrganisationRow>, VaultError> {
        let image = Image::read(image).map_err(|what| VaultError::field("image", what))?;
        let digest = self.keys().digest_key().digest(&[b"logo", &image.bytes]);
        let logo = Logo {
            format: image.format,
            width: image.width,
            height: image.height,
            digest: *digest.first_chunk().unwrap_or(&[0; 16]),
        };
        let body = LogoRow { logo, bytes: image.bytes }.encode();
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            let version = snapshot.documents.version(DocumentKind::Logo, id.0);
            if version == 0 && snapshot.documents.logos() >= LOGOS_MAX {
                return Err(VaultError::WrongState { reason: "the vault has as many logos as it may" });
            }
            let version = version.checked_add(1).ok_or(VaultError::Contended)?;
            let put = self.document_put(DocumentKind::Logo, id.0, version, body.clone());
            self.logo_plan(snapshot, permit, id, Some(logo), put)
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    /// Takes an organisation's picture away. [`VaultError::NotFound`] where it has none.
    pub async fn organisation_logo_delete(
        &self,
        permit: &Permit<OrganisationLogoDelete>,
        id: OrganisationId,
    ) -> Result<(), VaultError> {
        // Without one it is as it is to be.
        if organisation_seen(&self.snapshot(), permit, id)?.logo.is_none() {
            return Ok(());
        }
        self.document_change(permit, |permit, snapshot| {
            organisation_seen(snapshot, permit, id)?;
            let gone = logo_gone(snapshot, id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
            self.logo_plan(snapshot, permit, id, None, gone).map(|(_, plan)| ((), plan))
        })
        .await
    }

    fn logo_plan<O>(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<O>,
        id: OrganisationId,
        logo: Option<Logo>,
        change: DocumentChange,
    ) -> Result<(OrganisationRow, DocumentPlan), VaultError> {
        let mut row = organisation_seen(snapshot, permit, id)?.as_ref().clone();
        snapshot.documents.enabled(id)?;
        row.logo = logo;
        let mut plan =
            self.row_update_plan(snapshot, permit, DocumentKind::Organisation, id.0, id, |now| {
                row.updated_at = now;
                row.encode()
            })?;
        plan.changes.push(change);
        Ok((row, plan))
    }

    /// The picture of an organisation, if it is the one with this digest: anybody may see it. `None` where it has another one, or none.
    pub async fn organisation_logo(
        &self,
        id: OrganisationId,
        digest: &str,
    ) -> Result<Option<LogoRow>, VaultError> {
        let known = |logo: &Logo| logo.digest_text() == digest;
        let logo = self.snapshot().documents.organisation(id).and_then(|row| row.logo).filter(known);
        let Some(logo) = logo else { return Ok(None) };
        let read = self.store().document_read_many(vec![(DocumentKind::Logo, id.0)]).await?;
        // It may have been taken away since.
        let Some(row) = read.into_iter().flatten().next() else { return Ok(None) };
        seal::document_verify(self.keys(), &row)?;
        if (row.kind, row.id) != (DocumentKind::Logo, id.0) {
            return Err(VaultError::Tampered(RowKey::Document(DocumentKind::Logo, id.0)));
        }
        Ok(Some(LogoRow::decode(&row.body)?).filter(|row| row.logo == logo))
    }
}

/// What takes the picture of an organisation away, if it has one.
pub(super) fn logo_gone(snapshot: &Snapshot, id: OrganisationId) -> Option<DocumentChange> {
    let version = snapshot.documents.version(DocumentKind::Logo, id.0);
    (version > 0).then_some(DocumentChange::Delete(DocumentKind::Logo, id.0, version))
}

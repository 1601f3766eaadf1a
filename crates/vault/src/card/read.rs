use std::sync::Arc;

use panvault_model::CardId;
use panvault_store::{Action, CardQuery, CardRow, Page, RowKey};

use crate::card::CardView;
use crate::error::{Named, VaultError};
use crate::permit::{CardList, CardRead, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The card. Its row is held against its tag, so that a changed field is an error and not a wrong answer.
    pub async fn card_read(&self, permit: &Permit<CardRead>, id: CardId) -> Result<CardView, VaultError> {
        let row = self.card_seen(permit, id, Named::Subject).await?;
        let cvv = self.cvv_seen(id, permit.now()).await?;
        self.seen(permit, Action::CardRead, row.organisation, Some(id.0));
        Ok(CardView::new(row, cvv))
    }

    /// Cards of the organisations that the caller sees; `query.organisations` narrows them when it names some.
    /// [`VaultError::NotFound`] when it names one that the caller does not see.
    pub async fn card_list(
        &self,
        permit: &Permit<CardList>,
        mut query: CardQuery,
    ) -> Result<Page<CardView>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        let organisation = permit.counted_in(&query.organisations);
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        self.fingerprints_complete(permit, &mut query).await?;
        let page = self.store().card_list(query).await?;
        for row in &page.rows {
            seal::card_verify(row, row.organisation, self.keys())?;
            // It is in a list of theirs, and nobody's list has the card of another.
            if !permit.sees(row.organisation) {
                return Err(VaultError::Tampered(RowKey::Card(row.id)));
            }
        }
        let seen = self.cvvs_seen(page.rows.iter().map(|row| row.id).collect(), permit.now()).await?;
        self.seen(permit, Action::CardList, organisation, None);
        let rows = page.rows.into_iter().zip(seen).map(|(row, cvv)| CardView::new(row, cvv)).collect();
        Ok(Page { rows, total: page.total, is_exact: page.is_exact, next: page.next })
    }

    /// The row of a card that the caller sees, held against its tag: first of all, for whose a changed row is it cannot say itself.
    pub(crate) async fn card_seen<O>(
        &self,
        permit: &Permit<O>,
        id: CardId,
        named: Named,
    ) -> Result<Arc<CardRow>, VaultError> {
        let row = self.store().card_read(id).await?.ok_or_else(|| VaultError::not_found(named))?;
        seal::card_verify(&row, row.organisation, self.keys())?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Card(id)));
        }
        permit.within(row.organisation, named)?;
        Ok(row)
    }
}

//! Fingerprints of one number by several keys: while one takes the place of another, cards are found and counted by all of them.

use panvault_model::Fingerprint;
use panvault_store::{CardField, CardQuery, CardRow, Count, FieldValue, Filter, Test};

use crate::document::Snapshot;
use crate::error::VaultError;
use crate::permit::{CardList, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Adds to the fingerprints that a question names what else the same numbers have, in organisations where a key takes the place of another: the newest card that
    /// has one of them is opened for that.
    pub(super) async fn fingerprints_complete(
        &self,
        permit: &Permit<CardList>,
        query: &mut CardQuery,
    ) -> Result<(), VaultError> {
        let several = |organisation: &_| permit.snapshot().keys.has_several_fingerprints(*organisation);
        let organisations: Vec<_> = query.organisations.iter().copied().filter(several).collect();
        if organisations.is_empty() {
            return Ok(());
        }
        let names_some = |filter: &&mut Filter<_>| {
            filter.field == CardField::Fingerprint && matches!(filter.test, Test::Equal | Test::NotEqual)
        };
        for filter in query.filters.iter_mut().filter(names_some) {
            for value in filter.values.clone() {
                let named = Filter { field: CardField::Fingerprint, test: Test::Equal, values: vec![value] };
                let newest = CardQuery {
                    asked_by: query.asked_by,
                    filters: vec![named],
                    count: Count::PageEnd,
                    ..CardQuery::newest(organisations.clone(), 1)
                };
                let Some(card) = self.store().card_list(newest).await?.rows.into_iter().next() else {
                    continue;
                };
                for fingerprint in self.card_fingerprints(&card, permit.snapshot())? {
                    let value = FieldValue::Text(fingerprint.to_string().into());
                    if !filter.values.contains(&value) {
                        filter.values.push(value);
                    }
                }
            }
        }
        Ok(())
    }

    /// What the number of a card has for fingerprints. It is opened where its organisation has keys that made others; of one that does not open these are not known.
    pub(crate) fn card_fingerprints(
        &self,
        row: &CardRow,
        snapshot: &Snapshot,
    ) -> Result<Vec<Fingerprint>, VaultError> {
        if !snapshot.keys.has_several_fingerprints(row.organisation) {
            return Ok(row.fingerprints().collect());
        }
        seal::card_verify(row, row.organisation, self.keys())?;
        let (pan, _holder) = match seal::card_open(row, row.organisation, self.keys().vault(), &snapshot.keys)
        {
            Err(VaultError::NotFound(_)) => return Ok(row.fingerprints().collect()),
            opened => opened?,
        };
        Ok(snapshot.keys.fingerprints(row.organisation, row.kind, pan.expose_digits())?)
    }
}

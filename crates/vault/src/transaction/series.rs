//! Which payment began the series that a later one goes on with.

use std::sync::Arc;

use panvault_model::{ActionState, CardId, OrganisationId, ProcessorId, RecurringType, TransactionAction};
use panvault_store::{Count, FieldValue, Filter, Test, TransactionField, TransactionQuery, TransactionRow};

use crate::error::VaultError;
use crate::limits::FIRSTS_ROWS_MAX;
use crate::seal;
use crate::transaction::NewTransaction;
use crate::vault::Vault;

/// What a later payment of a series takes over from the first.
pub(super) struct FirstOfSeries {
    /// Where it was approved.
    pub(super) processor: ProcessorId,
    /// What the card's network calls it.
    pub(super) network_transaction_id: String,
}

impl Vault {
    /// The newest payment with the card that was approved, began a series, and that the network has named, where this is a later one of a series.
    pub(super) async fn transaction_first_of_series(
        &self,
        organisation: OrganisationId,
        new: &NewTransaction,
    ) -> Result<Option<FirstOfSeries>, VaultError> {
        if new.recurring_type != Some(RecurringType::Repeat) {
            return Ok(None);
        }
        let page = self.store().transaction_list(first_with(organisation, new.card)).await?;
        for first in &page.rows {
            seal::transaction_verify(self.keys(), first)?;
        }
        let is_first = |first: &&Arc<TransactionRow>| {
            let began = first.recurring_type == Some(RecurringType::First) && was_approved(first);
            began && (first.organisation, first.card) == (organisation, new.card)
        };
        Ok(page.rows.iter().filter(is_first).find_map(|first| {
            let network_transaction_id = first.network_transaction_id.clone()?;
            Some(FirstOfSeries { processor: first.processor, network_transaction_id })
        }))
    }
}

/// A network names what it has declined, too: no later payment may go by that. What is done with a transaction later is done with what was approved.
fn was_approved(first: &TransactionRow) -> bool {
    first.action != TransactionAction::Authorise || first.state == ActionState::Approved
}

/// The newest payments with a card in an organisation, of those that began a series.
fn first_with(organisation: OrganisationId, card: CardId) -> TransactionQuery {
    let text = |text: String| vec![FieldValue::Text(text.into())];
    let filters = vec![
        Filter { field: TransactionField::Card, test: Test::Equal, values: text(card.to_string()) },
        Filter {
            field: TransactionField::RecurringType,
            test: Test::Equal,
            values: text(RecurringType::First.as_str().to_owned()),
        },
    ];
    let query = TransactionQuery::newest(vec![organisation], FIRSTS_ROWS_MAX);
    TransactionQuery { filters, count: Count::PageEnd, ..query }
}

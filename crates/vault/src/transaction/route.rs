//! At which processors a payment is tried: that of its account or, where that is a `card_route`, those of its routes.

use std::collections::VecDeque;
use std::sync::Arc;

use panvault_model::{ProcessorId, TransactionAction};
use panvault_processor::{Processor, RouteConfiguration, RoutedPayment, is_route, share_of};
use panvault_store::{AccountRow, CardRow, ProcessorRow, TransactionRow};

use crate::document::Snapshot;
use crate::error::VaultError;
use crate::transaction::series::FirstOfSeries;
use crate::vault::Vault;

/// A processor at which a payment is tried.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) processor: ProcessorId,
    /// Who is at its other end, such as `dummy`.
    pub(super) name: String,
    pub(super) connection: Arc<dyn Processor>,
    /// Reason codes of declines after which the next is tried.
    pub(super) again_after: Vec<String>,
}

impl Candidate {
    fn new(row: &ProcessorRow, connection: &Arc<dyn Processor>, again_after: Vec<String>) -> Self {
        Self {
            processor: row.id,
            name: row.type_name.trim_start_matches("card_").to_owned(),
            connection: Arc::clone(connection),
            again_after,
        }
    }
}

impl Vault {
    /// The processors at which a payment is tried, in their order. An error where there is none, or one of them is against it.
    pub(super) fn transaction_candidates(
        &self,
        snapshot: &Snapshot,
        account: &AccountRow,
        row: &TransactionRow,
        card: &CardRow,
        first: Option<&FirstOfSeries>,
        is_token: bool,
    ) -> Result<VecDeque<Candidate>, VaultError> {
        let (processor, connection) = account
            .processors
            .iter()
            .filter_map(|id| snapshot.documents.processor(*id))
            .find(|row| row.type_name.starts_with("card_"))
            .and_then(|row| self.processor(snapshot, row.id))
            .ok_or(VaultError::WrongState { reason: "the account has no processor for cards" })?;
        let mut candidates = if is_route(&processor.type_name) {
            let payment = RoutedPayment {
                share: share_of(row.id),
                brand: row.brand,
                issuer_country: card.facts.issuer_country,
                currency: row.currency,
                amount: row.amount,
                first: first.map(|first| first.processor),
            };
            self.transaction_routes(snapshot, processor, &payment)?
        } else {
            VecDeque::from([Candidate::new(processor, connection, Vec::new())])
        };
        candidates.retain(|one| {
            let connection = &one.connection;
            let takes_token = || connection.takes_network_token(row.amount, card.brand);
            connection.can_do(TransactionAction::Authorise, row.amount) && (!is_token || takes_token())
        });
        if candidates.is_empty() {
            return Err(VaultError::NotSupported);
        }
        if candidates.iter().any(|one| one.connection.is_to_be_blocked(&row.merchant_reference)) {
            let reason = "this is what a payment is answered that a rule is against";
            return Err(VaultError::Blocked { field: "merchant_reference", reason, limit: None });
        }
        Ok(candidates)
    }

    fn transaction_routes(
        &self,
        snapshot: &Snapshot,
        route: &ProcessorRow,
        payment: &RoutedPayment,
    ) -> Result<VecDeque<Candidate>, VaultError> {
        let unreadable =
            VaultError::WrongState { reason: "the routes of the account's processor cannot be read" };
        let routes = RouteConfiguration::read(&route.settings).map_err(|_| unreadable)?;
        let candidate = |route: &panvault_processor::Route| {
            let (row, connection) = self.processor(snapshot, route.processor)?;
            Some(Candidate::new(row, connection, route.again_after.clone()))
        };
        let candidates: VecDeque<_> = routes.choose(payment).into_iter().filter_map(candidate).collect();
        if candidates.is_empty() {
            return Err(VaultError::WrongState {
                reason: "no route of the account's processor is for this payment",
            });
        }
        Ok(candidates)
    }
}

use panvault_model::Brand;
use panvault_processor::{RouteConfiguration, is_route};

use crate::checkout::CheckoutSession;
use crate::vault::Vault;

impl Vault {
    /// Brands that the processor of a checkout's account takes for its amount: all, where its configuration does not say, and where the card is only
    /// stored. Where nothing is taken it is the payment that says why.
    pub fn checkout_brands(&self, session: &CheckoutSession) -> Vec<Brand> {
        let documents = &session.caller.snapshot.documents;
        let mut processors = session.account.processors.iter().filter_map(|id| documents.processor(*id));
        let processor = processors.find(|row| row.type_name.starts_with("card_"));
        let routes = processor
            .filter(|row| session.row.process_transaction && is_route(&row.type_name))
            .and_then(|row| RouteConfiguration::read(&row.settings).ok());
        let brands = routes.map(|routes| routes.brands(session.currency(), session.row.amount));
        brands.filter(|brands| !brands.is_empty()).unwrap_or_else(|| Brand::ALL.to_vec())
    }
}

use std::sync::Arc;

use panvault_keys::KeyRing;
use panvault_model::ProcessorId;
use panvault_processor::card_http::HttpMeter;
use panvault_processor::{Configuration, ConfigurationFault, Processor, Secrets, Unusable};
use panvault_store::ProcessorRow;

use crate::document::Snapshot;
use crate::error::{VaultError, with_causes};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// A processor and the connection to it. One whose secrets or description are gone can be asked for nothing, and keeps nobody else from anything.
    pub(crate) fn processor<'s>(
        &self,
        snapshot: &'s Snapshot,
        id: ProcessorId,
    ) -> Option<(&'s Arc<ProcessorRow>, &'s Arc<dyn Processor>)> {
        let connected = snapshot.documents.connected(id)?;
        Some((connected.row(), connected.connection(|row| self.processor_connect(row, &snapshot.keys))))
    }

    /// What was counted of the processors that were connected to since the start.
    pub fn processor_meters(&self) -> Vec<HttpMeter> {
        self.processors().meters()
    }

    /// The type of a processor, `card_…`; `None` where there is no such processor.
    pub fn processor_type(&self, id: ProcessorId) -> Option<String> {
        self.snapshot().documents.processor(id).map(|row| row.type_name.clone())
    }

    /// Says which processors this vault cannot connect to. It serves all the same.
    pub(crate) fn processors_say_faults(&self) {
        let snapshot = self.snapshot();
        for row in snapshot.documents.processors() {
            if let Err(faults) = self.processor_configuration(row) {
                let reasons = faults.iter().map(|fault| fault.reason.as_str()).collect::<Vec<_>>().join("; ");
                let advice = "put the description of its type back, or change the processor";
                tracing::error!(processor.id = %row.id, type_name = row.type_name, reasons, advice, "processor.unusable");
            }
        }
    }

    fn processor_configuration(&self, row: &ProcessorRow) -> Result<Configuration, Vec<ConfigurationFault>> {
        let names: Vec<_> = row.secrets.iter().map(|(name, _)| name.as_str()).collect();
        self.processors().configuration(&row.type_name, &row.settings, &names)
    }

    fn processor_connect(&self, row: &ProcessorRow, keys: &KeyRing) -> Arc<dyn Processor> {
        let Ok(configuration) = self.processor_configuration(row) else {
            return Arc::new(Unusable::new("the processor is set up for what this vault does not have"));
        };
        match self.processor_secrets(row, keys) {
            Ok(secrets) => self.processors().connect(row.id, &configuration, secrets),
            Err(error) => {
                let advice = "give the processor its secrets anew";
                tracing::error!(processor.id = %row.id, error = %with_causes(&error), advice, "processor.secrets_closed");
                Arc::new(Unusable::new("the secrets of the processor cannot be opened"))
            }
        }
    }

    fn processor_secrets(&self, row: &ProcessorRow, keys: &KeyRing) -> Result<Secrets, VaultError> {
        let open = |(name, sealed): &(String, _)| {
            Ok((name.clone(), seal::processor_secret_open(sealed, name, row, self.id(), keys)?))
        };
        row.secrets.iter().map(open).collect::<Result<_, _>>().map(Secrets::new)
    }
}

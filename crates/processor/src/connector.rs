use std::sync::Arc;

use panvault_model::ProcessorId;

use crate::card_http::{
    BreakerChange, BreakerChanged, Description, HttpMeter, HttpMode, HttpProcessor, Meters, Registry,
    SettingFault, SettingKind,
};
use crate::configuration::{
    Configuration, ConfigurationFault, Connect, Connector, HttpConfiguration, OWN_TYPES,
};
use crate::{Processor, Secrets, Unusable};

/// Connects to the dummy, and to the PSPs that an operator's descriptions name.
pub struct Processors {
    registry: Arc<Registry>,
    mode: HttpMode,
    meters: Meters,
    changed: ProcessorChanged,
}

/// Who is told that a processor is left alone, and that it is not any more.
pub type ProcessorChanged = Arc<dyn Fn(ProcessorId, BreakerChange) + Send + Sync>;

impl Processors {
    /// These descriptions, for vaults of that mode.
    pub fn new(registry: impl Into<Arc<Registry>>, mode: HttpMode) -> Self {
        Self { registry: registry.into(), mode, meters: Meters::default(), changed: Arc::new(|_, _| {}) }
    }

    /// The same, of which each change is told, on the task that has found it out.
    #[must_use]
    pub fn telling(self, changed: ProcessorChanged) -> Self {
        Self { changed, ..self }
    }

    fn changed_of(&self, id: ProcessorId) -> BreakerChanged {
        let changed = Arc::clone(&self.changed);
        Box::new(move |change| changed(id, change))
    }

    fn described(&self, type_name: &str) -> Option<&Arc<Description>> {
        self.registry.of_type(type_name)
    }
}

impl Connect for Processors {
    fn is_secret(&self, type_name: &str, setting: &str) -> Option<bool> {
        let Some(description) = self.described(type_name) else {
            return Connector.is_secret(type_name, setting);
        };
        let setting = description.settings().iter().find(|one| one.name == setting)?;
        Some(match setting.kind {
            SettingKind::Secret => true,
            SettingKind::Text => false,
        })
    }

    fn secret_fault(&self, type_name: &str, name: &str, value: &[u8]) -> Option<String> {
        self.described(type_name)?.judge_secret(name, value).map(|fault| fault.words)
    }

    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        secrets: &[&str],
    ) -> Result<Configuration, Vec<ConfigurationFault>> {
        let Some(description) = self.described(type_name) else {
            return Connector
                .configuration(type_name, settings, secrets)
                .map_err(|faults| self.with_types(faults));
        };
        let faults = description.judge(settings, secrets.iter().copied());
        if !faults.is_empty() {
            let fault = |SettingFault { name, words }| ConfigurationFault::of(&name, words);
            return Err(faults.into_iter().map(fault).collect());
        }
        // A test vault calls no origin that moves money, and a live one no other: of either there may be none.
        if let Err(words) = description.origin(self.mode, settings) {
            return Err(vec![ConfigurationFault::of_type(words)]);
        }
        let (type_name, settings) = (type_name.to_owned(), settings.to_vec());
        Ok(Configuration::Http(HttpConfiguration { type_name, settings }))
    }

    fn connect(
        &self,
        id: ProcessorId,
        configuration: &Configuration,
        secrets: Secrets,
    ) -> Arc<dyn Processor> {
        let Configuration::Http(http) = configuration else {
            return Connector.connect(id, configuration, secrets);
        };
        let Some(description) = self.described(&http.type_name) else {
            return Arc::new(Unusable::new("there is no description of its processor"));
        };
        let limits = self.registry.limits(&http.type_name, id);
        let watched = (self.meters.of(&http.type_name, id), self.changed_of(id));
        let description = Arc::clone(description);
        match HttpProcessor::counted(description, &http.settings, secrets, limits, self.mode, watched) {
            Ok(processor) => Arc::new(processor),
            Err(_) => {
                Arc::new(Unusable::new("the processor is set up for what its description does not have"))
            }
        }
    }

    fn meters(&self) -> Vec<HttpMeter> {
        self.meters.shown()
    }
}

impl Processors {
    /// The same faults, where the type is one with all that there are.
    fn with_types(&self, faults: Vec<ConfigurationFault>) -> Vec<ConfigurationFault> {
        let named = |fault: ConfigurationFault| match fault.setting {
            Some(_) => fault,
            None => {
                let types = self.registry.descriptions().map(|description| description.type_name());
                let types: Vec<_> = OWN_TYPES.into_iter().map(str::to_owned).chain(types).collect();
                ConfigurationFault::of_type(format!("must be {}", types.join(" or ")))
            }
        };
        faults.into_iter().map(named).collect()
    }
}

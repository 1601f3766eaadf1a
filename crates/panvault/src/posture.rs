//! How a process serves its vault, as assessors ask: its listeners and what these agree on, what it holds in memory, the limits that bind, and which settings
//! weaken something. No secret is in it.

mod weakness;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use panvault_server::{RequestLimits, Tls};
use panvault_vault::{GuardSettings, Mode};
use serde_json::{Value, json};

use crate::config::{Config, ConsoleConfig, Cvvs, Shared};
use crate::data::mode_name;
use crate::harden::Hardened;
use crate::run;

pub(crate) use weakness::Weakness;

/// What of the settings and the machine is looked at.
#[derive(Clone)]
pub(crate) struct Posture {
    pub(crate) mode: Mode,
    pub(crate) hardened: Hardened,
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) console: Option<ConsoleConfig>,
    /// Certificate and key, PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// The database and what holds CVVs, where nodes share them.
    pub(crate) shared: Option<Shared>,
    pub(crate) allow_swap: bool,
    pub(crate) cvv_ttl_seconds: u32,
    pub(crate) cvvs_held_max: u64,
    pub(crate) key_days_max: u32,
    pub(crate) audit_retention_days: u32,
    pub(crate) requests: RequestLimits,
    pub(crate) guards: GuardSettings,
    /// Webhooks may go to more than the public internet, also over plain HTTP.
    pub(crate) webhooks_widened: bool,
}

impl Posture {
    pub(crate) fn of(config: &Config, mode: Mode, hardened: Hardened) -> Self {
        Self {
            mode,
            hardened,
            listen: config.listen,
            metrics_listen: config.metrics_listen,
            console: config.console.clone(),
            tls: config.tls.clone(),
            shared: config.shared.clone(),
            allow_swap: config.allow_swap,
            cvv_ttl_seconds: config.cvv_ttl_seconds,
            cvvs_held_max: config.cvvs_held_max,
            key_days_max: config.rotation.key_days_max,
            audit_retention_days: config.trail.retention_days,
            requests: config.server.requests,
            guards: config.guards,
            webhooks_widened: config.webhooks.is_widened(),
        }
    }

    /// The same of a process that is not there: what it would be with the certificates that the settings name.
    pub(crate) fn as_configured(&self) -> anyhow::Result<Value> {
        let api = match self.tls.clone() {
            Some((certificate, key)) => Some(Arc::new(Tls::read(certificate, key)?)),
            None => None,
        };
        let console = match self.console.clone() {
            Some(config) => run::console(config, self.tls.clone(), api.as_ref())?.tls,
            None => None,
        };
        Ok(self.json(api.as_deref(), console.as_deref()))
    }

    /// All of it, with what these listeners agree on.
    pub(crate) fn json(&self, api: Option<&Tls>, console: Option<&Tls>) -> Value {
        let mut listeners = vec![listener("api", self.listen, api)];
        if let Some(config) = &self.console {
            listeners.push(listener("console", config.listen, console));
        }
        listeners.extend(self.metrics_listen.map(|address| listener("metrics", address, None)));
        let Hardened { no_dumps, locked, swap } = self.hardened;
        let weaknesses: Vec<Value> = Weakness::of(self).into_iter().map(Weakness::json).collect();
        json!({
            "mode": mode_name(self.mode),
            "listeners": listeners,
            "links": self.links(),
            "memory": { "core_dumps_off": no_dumps, "locked": locked, "swap": swap },
            "cvv": { "ttl_seconds": self.cvv_ttl_seconds, "held_max": self.cvvs_held_max, "held_by": self.held_by() },
            "key_days_max": self.key_days_max,
            "weaknesses": weaknesses,
        })
    }

    /// Where else data of the vault goes, as far as settings say it.
    fn links(&self) -> Vec<Value> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let store = &shared.store;
        let protection = match (store.is_plain(), store.is_unverified()) {
            (true, _) => "none",
            (false, true) => "TLS, without a look at the certificate",
            (false, false) => "this machine, or TLS whose certificate is checked",
        };
        let mut links =
            vec![json!({ "to": "database", "address": store.to_string(), "protection": protection })];
        if let Cvvs::Server(server) = &shared.cvvs {
            let protection = match (server.url.is_encrypted(), server.insecure) {
                (true, _) => "TLS whose certificate is checked",
                (false, false) => "this machine",
                (false, true) => "none",
            };
            links.push(
                json!({ "to": "cvv_store", "address": server.url.to_string(), "protection": protection }),
            );
        }
        links
    }

    fn held_by(&self) -> &'static str {
        match self.shared.as_ref().map(|shared| &shared.cvvs) {
            None | Some(Cvvs::InProcess) => "the memory of this process",
            Some(Cvvs::Server(_)) => {
                "the memory of a server that nodes share, without persistence and replicas"
            }
        }
    }
}

fn listener(name: &str, address: SocketAddr, tls: Option<&Tls>) -> Value {
    let Some(tls) = tls else {
        return json!({ "name": name, "address": address.to_string(), "tls": false });
    };
    let offered = tls.offered();
    json!({
        "name": name, "address": address.to_string(), "tls": true,
        "versions": offered.versions, "suites": offered.suites, "groups": offered.groups,
        "client_certificates": tls.asks_clients(), "certificate_expires_at": tls.expires_at().to_string(),
    })
}

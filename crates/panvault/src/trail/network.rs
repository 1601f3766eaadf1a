use core::future::Future;
use core::pin::Pin;

use panvault_destination::{Collector, Fault, Syslog};
use panvault_vault::{TrailDestination, TrailFault};

/// Where Linux says what this machine is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// A syslog server.
pub(super) struct TrailSyslog(pub(super) Syslog);

/// A server that takes `POST`.
pub(super) struct TrailCollector(pub(super) Collector);

impl TrailDestination for TrailSyslog {
    fn name(&self) -> &str {
        "syslog"
    }

    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        Box::pin(async move { self.0.send(lines).await.map_err(fault_of) })
    }
}

impl TrailDestination for TrailCollector {
    fn name(&self) -> &str {
        "https"
    }

    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        Box::pin(async move { self.0.send(lines).await.map_err(fault_of) })
    }
}

fn fault_of(fault: Fault) -> TrailFault {
    match fault {
        Fault::Unreached(why) => TrailFault::Unreached(why),
        Fault::TimedOut => TrailFault::TimedOut,
        Fault::Status(status) => TrailFault::Status(status),
        Fault::File(what) => TrailFault::Settings(what),
    }
}

/// What this machine is called; nothing where it does not say.
pub(super) fn host_name() -> String {
    std::fs::read_to_string(HOST_NAME).unwrap_or_default().trim().to_owned()
}

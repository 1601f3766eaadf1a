//! Which processors a `card_route` may name.

use panvault_model::{OrganisationId, ProcessorId};
use panvault_processor::{RouteConfiguration, is_route, is_test_only};
use panvault_store::ProcessorRow;

use crate::document::Snapshot;
use crate::error::{Faults, FieldFault, Named, VaultError};
use crate::permit::Permit;
use crate::vault::Mode;

/// Where they are in a request.
const ROUTES: &str = "configuration.routes";

/// Notes which of the processors a `card_route` of the organisation may not name: they are those that an account of it may have, but for other routes.
pub(super) fn routes_fit<O>(
    snapshot: &Snapshot,
    permit: &Permit<O>,
    mode: Mode,
    row: &ProcessorRow,
    faults: &mut Faults,
) -> Result<(), VaultError> {
    let Ok(configuration) = RouteConfiguration::read(&row.settings) else { return Ok(()) };
    for (at, route) in configuration.routes.iter().enumerate() {
        let Some(named) = faults.note(processor_named(snapshot, permit, route.processor))? else { continue };
        if let Some(reason) = unfit(snapshot, mode, row.organisation, named) {
            faults.fault(FieldFault::new(format!("{ROUTES}.{at}.processor"), reason));
        }
    }
    Ok(())
}

/// Whether some route names a processor.
pub(super) fn is_routed_to(snapshot: &Snapshot, processor: ProcessorId) -> bool {
    let mut routes = snapshot.documents.processors().filter(|row| is_route(&row.type_name));
    routes.any(|row| RouteConfiguration::name_processor(&row.settings, processor))
}

fn processor_named<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: ProcessorId,
) -> Result<&'s ProcessorRow, VaultError> {
    let row = snapshot.documents.processor(id).ok_or_else(|| VaultError::not_found(Named::Field(ROUTES)))?;
    permit.within(row.organisation, Named::Field(ROUTES))?;
    Ok(row)
}

fn unfit(
    snapshot: &Snapshot,
    mode: Mode,
    organisation: OrganisationId,
    named: &ProcessorRow,
) -> Option<&'static str> {
    if !snapshot.documents.is_below(organisation, named.organisation) {
        Some("must be of the route's organisation or one above it")
    } else if is_route(&named.type_name) {
        Some("must not be a card_route itself")
    } else if !named.type_name.starts_with("card_") {
        Some("must be one for cards")
    } else if is_test_only(&named.type_name) && mode == Mode::Live {
        Some("is one that only a test vault allows")
    } else {
        None
    }
}

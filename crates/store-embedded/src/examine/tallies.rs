use std::collections::{BTreeSet, HashMap};

use panvault_model::OrganisationId;
use panvault_store::{CardRow, Chain, CustomerRow, RefundRow, TransactionRow};

use crate::examine::{Examination, LISTED_MAX};
use crate::fault::OpenFault;
use crate::view::{Counted, Each, Tallies, Tally, hash};

/// Rows as they are found, by whose they are.
#[derive(Default)]
pub(super) struct Found(HashMap<OrganisationId, Each<Tally>>);

impl Found {
    pub(super) fn card(&mut self, row: &CardRow, chain: &dyn Chain) {
        self.row(Counted::Cards, row.organisation, row.id.as_bytes(), row.version, chain);
    }

    pub(super) fn transaction(&mut self, row: &TransactionRow, chain: &dyn Chain) {
        self.row(Counted::Transactions, row.organisation, row.id.as_bytes(), row.version, chain);
    }

    pub(super) fn refund(&mut self, row: &RefundRow, chain: &dyn Chain) {
        self.row(Counted::Refunds, row.organisation, row.id.as_bytes(), row.version, chain);
    }

    pub(super) fn customer(&mut self, row: &CustomerRow, chain: &dyn Chain) {
        self.row(Counted::Customers, row.organisation, row.id.as_bytes(), row.version, chain);
    }

    fn row(
        &mut self,
        counted: Counted,
        organisation: OrganisationId,
        id: &[u8; 12],
        version: u32,
        chain: &dyn Chain,
    ) {
        let hash = hash(chain, counted, organisation, id, version);
        self.0.entry(organisation).or_default().of_mut(counted).add(hash);
    }
}

impl Examination {
    /// What each organisation has, held against what was counted when it was written.
    pub(super) fn look_at_tallies(&mut self, chain: &dyn Chain, found: &Found) -> Result<(), OpenFault> {
        let counted = match Tallies::stored(&self.view, chain, self.applied) {
            Ok(counted) => counted,
            Err(OpenFault::ViewDamaged { what }) => {
                self.found("index", what.to_owned());
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        let organisations: BTreeSet<_> = found.0.keys().chain(counted.keys()).copied().collect();
        let differs = |kind, organisation| {
            let of = |all: &HashMap<_, Each<Tally>>| all.get(organisation).copied().unwrap_or_default();
            *of(&found.0).of(kind) != *of(&counted).of(kind)
        };
        let mut what = Vec::new();
        for organisation in &organisations {
            for kind in Counted::ALL {
                if what.len() < LISTED_MAX && differs(kind, organisation) {
                    what.push(format!(
                        "organisation {organisation} has other {} than were counted",
                        kind.name()
                    ));
                }
            }
        }
        what.into_iter().for_each(|what| self.found("index", what));
        Ok(())
    }
}

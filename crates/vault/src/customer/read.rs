use panvault_card::{CustomerDetails, EmailAddress};
use panvault_model::{CustomerId, OrganisationId};
use panvault_store::{Action, CustomerField, CustomerQuery, FieldValue, Filter, Page, RowKey, Test};

use crate::customer::CustomerView;
use crate::error::{Named, VaultError};
use crate::limits::EMAIL_ORGANISATIONS_MAX;
use crate::permit::{CustomerList, CustomerRead, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The customer. Its row is held against its tag, and its details are opened.
    pub async fn customer_read(
        &self,
        permit: &Permit<CustomerRead>,
        id: CustomerId,
    ) -> Result<CustomerView, VaultError> {
        let row = self.customer_seen(permit, id, Named::Subject).await?;
        let details = self.customer_open(permit, &row)?;
        self.seen(permit, Action::CustomerRead, row.organisation, Some(id.0));
        Ok(CustomerView { row, details })
    }

    /// Customers of the organisations that the caller sees; `query.organisations` narrows them when it names some, and `emails`, when there
    /// are any, to those with one of these addresses. [`VaultError::NotFound`] when it names an organisation that the caller does not see;
    /// [`VaultError::TooManyOrganisations`] when an address would be looked for in more than [`EMAIL_ORGANISATIONS_MAX`] of them.
    pub fn customer_list(
        &self,
        permit: Permit<CustomerList>,
        mut query: CustomerQuery,
        emails: Vec<EmailAddress>,
    ) -> impl Future<Output = Result<Page<CustomerView>, VaultError>> + Send + use<> {
        // An address cannot be held across a wait: there are digests by then.
        let planned = self.customer_query(&permit, &mut query, &emails);
        let vault = self.clone();
        async move {
            let organisation = planned?;
            let page = vault.store().customer_list(query).await?;
            let mut rows = Vec::with_capacity(page.rows.len());
            for row in page.rows {
                seal::customer_verify(&row, row.organisation, vault.keys())?;
                // It is in a list of theirs, and nobody's list has the customer of another.
                if !permit.sees(row.organisation) {
                    return Err(VaultError::Tampered(RowKey::Customer(row.id)));
                }
                // Of one whose key is destroyed there are none, and the others are shown all the same.
                let details = match vault.customer_open(&permit, &row) {
                    Err(VaultError::NotFound(_)) => CustomerDetails::new(),
                    opened => opened?,
                };
                rows.push(CustomerView { row, details });
            }
            vault.seen(&permit, Action::CustomerList, organisation, None);
            Ok(Page { rows, total: page.total, is_exact: page.is_exact, next: page.next })
        }
    }

    /// Narrows a question to what the caller sees and to the digests of addresses. Gives the organisation under which it is counted.
    fn customer_query(
        &self,
        permit: &Permit<CustomerList>,
        query: &mut CustomerQuery,
        emails: &[EmailAddress],
    ) -> Result<OrganisationId, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        let counted_in = permit.counted_in(&query.organisations);
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        if emails.is_empty() {
            return Ok(counted_in);
        }
        if query.organisations.len().saturating_mul(emails.len()) > EMAIL_ORGANISATIONS_MAX {
            return Err(VaultError::TooManyOrganisations);
        }
        let env = self.env(permit.snapshot(), permit.now());
        let mut values = Vec::new();
        for organisation in &query.organisations {
            for email in emails {
                let digests = env.keys.email_digests(*organisation, email.expose_text().as_bytes())?;
                values.extend(digests.into_iter().map(|digest| FieldValue::Text(digest.to_string().into())));
            }
        }
        query.filters.push(Filter { field: CustomerField::Email, test: Test::Equal, values });
        Ok(counted_in)
    }
}
